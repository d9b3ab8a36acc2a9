"""PHYs-LSTM: PHY-LSTM with deep soil water in its balance.

Geng, Q., Yan, S., Li, Q. and Zhang, C. (2024). Enhancing data-driven soil moisture modeling with
physically-guided LSTM networks. Front. For. Glob. Change 7:1353011.
"""

from __future__ import annotations

from xsm.losses import RMSE, WaterBalance
from xsm.nn import PointLSTM

__all__ = ["PhysLSTM"]


class PhysLSTM(PointLSTM):
    """Predict each cell's soil moisture a step ahead, guided by the balance with deep water.

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
    ``L = 0.1 RMSE + 0.9 mean(ReLU(T (SM_prev - SMhat))^2)`` (Geng et al. 2024, Eq. 8, 9, 14), with
    ``T`` the filtered trend of ``W2 = P - E - SRO + dSD - dSM2`` (Eq. 10-13); the weights are the
    best row of the paper's weight table. Both terms act on the min-max scaled target. Network and
    schedule are those of ``lstm``. ``dSD`` is water released by snow, as the paper's text says; its
    code has the other sign, see :func:`xsm.water_balance`.

    Examples
    --------
    >>> import torch
    >>> from xsm.nn import Sizes
    >>> model = PhysLSTM(Sizes(dynamic=3, static=2, window=7), hidden_size=8)
    >>> model({"dynamic": torch.zeros(5, 7, 3), "static": torch.zeros(5, 2)})["mean"].shape
    torch.Size([5, 1])
    """

    losses = (RMSE(weight=0.1), WaterBalance(weight=0.9, deep=True))


MODEL = PhysLSTM
