"""Blocks that networks share."""

from xsm.nn.base import Batch, Model, Output, Schedule, Sizes, last_observation
from xsm.nn.recurrent import PointLSTM

__all__ = [
    "Batch",
    "Model",
    "Output",
    "PointLSTM",
    "Schedule",
    "Sizes",
    "last_observation",
]
