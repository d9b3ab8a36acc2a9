"""Blocks that networks share."""

from xsm.nn.base import Answer, Batch, Model, Output, Schedule, Sizes, last_observation
from xsm.nn.dropout import Dropout, dropping
from xsm.nn.ensemble import Ensemble, assemble, members_of
from xsm.nn.experts import ExpertLSTM, GroupedEncoder
from xsm.nn.groups import Groups
from xsm.nn.heads import check_terms, head_and_members
from xsm.nn.recurrent import PointLSTM
from xsm.nn.spatial import PatchEncoder, PatchLSTM

__all__ = [
    "Answer",
    "Batch",
    "Dropout",
    "Ensemble",
    "ExpertLSTM",
    "GroupedEncoder",
    "Groups",
    "Model",
    "Output",
    "PatchEncoder",
    "PatchLSTM",
    "PointLSTM",
    "Schedule",
    "Sizes",
    "assemble",
    "check_terms",
    "dropping",
    "head_and_members",
    "last_observation",
    "members_of",
]
