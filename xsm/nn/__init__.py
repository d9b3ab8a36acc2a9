"""Blocks that networks share."""

from xsm.nn.base import Answer, Batch, Model, Output, Schedule, Sizes
from xsm.nn.convlstm import ConvLSTM
from xsm.nn.dropout import Dropout, Masks, dropping
from xsm.nn.ensemble import Ensemble, FieldEnsemble, assemble, members_of, weight_bytes
from xsm.nn.experts import ExpertLSTM, GroupedEncoder
from xsm.nn.fields import FieldModel
from xsm.nn.groups import Groups
from xsm.nn.heads import check_terms, head_and_members
from xsm.nn.masked import MaskedConv2d, masked_pool, masked_resize
from xsm.nn.observed import last_observation, last_seen, seen_inputs, with_seen, without_weather
from xsm.nn.parts import frozen_weights, weights_of_parts
from xsm.nn.recurrent import PointLSTM
from xsm.nn.spatial import PatchEncoder, PatchLSTM, check_patch
from xsm.nn.unet import UNet
from xsm.physics.conservation_torch import block_means, conserve_means

__all__ = [
    "Answer",
    "Batch",
    "ConvLSTM",
    "Dropout",
    "Ensemble",
    "ExpertLSTM",
    "FieldEnsemble",
    "FieldModel",
    "GroupedEncoder",
    "Groups",
    "MaskedConv2d",
    "Masks",
    "Model",
    "Output",
    "PatchEncoder",
    "PatchLSTM",
    "PointLSTM",
    "Schedule",
    "Sizes",
    "UNet",
    "assemble",
    "block_means",
    "check_patch",
    "check_terms",
    "conserve_means",
    "dropping",
    "frozen_weights",
    "head_and_members",
    "last_observation",
    "last_seen",
    "masked_pool",
    "masked_resize",
    "members_of",
    "seen_inputs",
    "weight_bytes",
    "weights_of_parts",
    "with_seen",
    "without_weather",
]
