"""PHY-LSTM: an LSTM whose loss follows the surface water balance.

Geng, Q., Yan, S., Li, Q. and Zhang, C. (2024). Enhancing data-driven soil moisture modeling with
physically-guided LSTM networks. Front. For. Glob. Change 7:1353011.
"""

from __future__ import annotations

from xsm.losses import RMSE, WaterBalance
from xsm.nn import PointLSTM

__all__ = ["PhyLSTM"]


class PhyLSTM(PointLSTM):
    """Predict each cell's soil moisture a step ahead from its forcing, guided by the water balance.

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
    ``L = 0.5 RMSE + 0.5 mean(ReLU(T (SM_prev - SMhat))^2)`` (Geng et al. 2024, Eq. 8, 9, 14), with
    ``T`` the filtered trend of ``W1 = P - E - SRO + dSD`` (Eq. 10, 12, 13); the weights are the
    best row of the paper's weight table. Both terms act on the min-max scaled target. Network and
    schedule are those of ``lstm``. ``dSD`` is water released by snow, as the paper's text says; its
    code has the other sign, see :func:`xsm.water_balance`.

    Examples
    --------
    >>> import torch
    >>> from xsm.nn import Sizes
    >>> model = PhyLSTM(Sizes(dynamic=3, static=2, window=7), hidden_size=8)
    >>> model({"dynamic": torch.zeros(5, 7, 3), "static": torch.zeros(5, 2)})["mean"].shape
    torch.Size([5, 1])
    """

    losses = (RMSE(weight=0.5), WaterBalance(weight=0.5))


MODEL = PhyLSTM
