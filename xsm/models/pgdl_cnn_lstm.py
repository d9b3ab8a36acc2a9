"""PGDL-CNN-LSTM: a CNN-LSTM that is guided by the Richardson-Richards equation.

Zhang et al. (2025). J. Hydrol., 10.1016/j.jhydrol.2025.133086.
"""

from __future__ import annotations

import torch
from torch import Tensor

from xsm.losses import RMSE, Richards
from xsm.nn import PatchLSTM, Schedule

__all__ = ["PGDLCNNLSTM"]


class PGDLCNNLSTM(PatchLSTM):
    """Estimate a profile of soil moisture that keeps within its bounds and moves as water does.

    Parameters
    ----------
    sizes : Sizes
        Sizes of inputs and outputs, derived from the data.
    patch : int, default: 3
        Cells along a side of the square that the CNN sees; 1 where the data are no grid.
    channels : int, default: 32
        Features that the CNN makes of a step, and of the static maps.
    hidden_size : int, default: 64
        Hidden units of the LSTM.
    dropout : float, default: 0.15
        Share of the last hidden state dropped in training; of a sequence 0.3 by default.

    Notes
    -----
    The network of ``cnn_lstm`` with an output between residual and saturated water content,
    ``theta = lerp(theta_r, theta_s, sigmoid(a))``: the target is scaled by these two, so that the
    network answers with the effective saturation. ``L = RMSE + w L_Richards``, see
    :class:`xsm.losses.Richards`; two consecutive steps are answered, so that the derivative in
    time is of the prediction. The paper prints neither the weight nor the discretisation.

    Examples
    --------
    >>> import torch
    >>> from xsm.nn import Sizes
    >>> model = PGDLCNNLSTM(Sizes(dynamic=3, static=2, window=15, target=5), hidden_size=8)
    >>> batch = {"dynamic": torch.zeros(4, 16, 9, 4), "static": torch.zeros(4, 9, 3)}
    >>> mean = model.evaluate(batch)["mean"]  # of the last two steps, each from its own window
    >>> mean.shape, bool(((mean > 0) & (mean < 1)).all())
    (torch.Size([4, 2, 5]), True)
    """

    losses = (RMSE(weight=1.0), Richards(weight=0.5))
    window = 15
    lead = 0
    bounded = True
    schedule = Schedule(
        epochs=60,
        iterations=100,
        validate_every=2,
        patience=30,
        sampling="mixed",
        decay="cosine",
    )

    def answer(self, values: Tensor) -> Tensor:
        """Return the effective saturation (batch, target) of the head's values."""
        return torch.sigmoid(values)

    def since(self, base: Tensor, change: Tensor) -> Tensor:
        """Return a change since an observation that stays within the bounds: on the logit scale."""
        both = torch.logit(base, eps=1e-6) + torch.logit(change, eps=1e-6)
        return torch.sigmoid(both)


MODEL = PGDLCNNLSTM
