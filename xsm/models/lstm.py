"""LSTM: the purely data-driven network that the physics-guided ones are compared with.

Geng, Q., Yan, S., Li, Q. and Zhang, C. (2024). Enhancing data-driven soil moisture modeling with
physically-guided LSTM networks. Front. For. Glob. Change 7:1353011.
"""

from __future__ import annotations

from xsm.losses import RMSE
from xsm.nn import PointLSTM

__all__ = ["LSTM"]


class LSTM(PointLSTM):
    """Predict each cell's soil moisture a step ahead from a window of its forcing.

    Parameters
    ----------
    sizes : Sizes
        Sizes of inputs and outputs, derived from the data.
    hidden_size : int, default: 128
        Hidden units of the LSTM.
    dropout : float, default: 0.15
        Share of the last hidden state dropped in training; of a sequence 0.3 by default.

    Notes
    -----
    ``L = RMSE`` in the min-max scaled target. One layer, window 7, Adam 1e-3, 64 cells at one
    random time a batch, 300 batches an epoch, validation every 20 epochs (Geng et al. 2024).

    Examples
    --------
    >>> import torch
    >>> from xsm.nn import Sizes
    >>> model = LSTM(Sizes(dynamic=3, static=2, window=7), hidden_size=8)
    >>> model({"dynamic": torch.zeros(5, 7, 3), "static": torch.zeros(5, 2)})["mean"].shape
    torch.Size([5, 1])
    """

    losses = (RMSE(weight=1.0),)


MODEL = LSTM
