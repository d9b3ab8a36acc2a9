"""CNN-LSTM: the purely data-driven network that PGDL-CNN-LSTM and ISMoE are compared with.

Zhang et al. (2025). J. Hydrol., 10.1016/j.jhydrol.2025.133086. Yang et al. (2025). J. Hydrol.
661:133763.
"""

from __future__ import annotations

from xsm.losses import RMSE
from xsm.nn import PatchLSTM, Schedule

__all__ = ["CNNLSTM"]


class CNNLSTM(PatchLSTM):
    """Estimate soil moisture of all layers from the weather of each cell and its neighbours.

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
    At every step convolutions of 3 x 3 cells without padding make one vector of the square around
    a cell; an LSTM runs over the window; one linear layer answers for all layers at once. Cells
    that are missing (sea, the edge of the data) are 0, and a channel says so; a globe wraps in
    longitude. The papers print neither window nor sizes nor schedule; these are ours. Estimation:
    the prediction is valid at the window's end.

    Examples
    --------
    >>> import torch
    >>> from xsm.nn import Sizes
    >>> model = CNNLSTM(Sizes(dynamic=3, static=2, window=15, target=5), hidden_size=8)
    >>> batch = {"dynamic": torch.zeros(4, 15, 9, 4), "static": torch.zeros(4, 9, 3)}
    >>> model.evaluate(batch)["mean"].shape
    torch.Size([4, 5])
    """

    losses = (RMSE(weight=1.0),)
    window = 15
    lead = 0
    schedule = Schedule(
        epochs=60,
        iterations=100,
        validate_every=2,
        patience=30,
        sampling="mixed",
        decay="cosine",
    )


MODEL = CNNLSTM
