"""Loss terms: what they read, and the parts they return.

All terms act on the scaled target, so that published weights keep their meaning.
"""

from xsm.losses.absence import Absence
from xsm.losses.budget import Budyko, Price, Prior, Shown
from xsm.losses.load_balance import LoadBalance
from xsm.losses.mixture import Mixture
from xsm.losses.richards import Richards
from xsm.losses.terms import (
    RMSE,
    BetaNLL,
    Loss,
    answered_steps,
    check_losses,
    total_loss,
    unique_names,
)
from xsm.losses.water_balance import WaterBalance

__all__ = [
    "RMSE",
    "Absence",
    "BetaNLL",
    "Budyko",
    "LoadBalance",
    "Loss",
    "Mixture",
    "Price",
    "Prior",
    "Richards",
    "Shown",
    "WaterBalance",
    "answered_steps",
    "check_losses",
    "total_loss",
    "unique_names",
]
