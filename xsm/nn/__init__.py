"""Blocks that networks share."""

from xsm.nn.base import Batch, Model, Output, Schedule, Sizes, last_observation
from xsm.nn.dropout import Dropout, dropping
from xsm.nn.recurrent import PointLSTM

__all__ = [
    "Batch",
    "Dropout",
    "Model",
    "Output",
    "PointLSTM",
    "Schedule",
    "Sizes",
    "dropping",
    "last_observation",
]
