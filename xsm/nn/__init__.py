"""Blocks that networks share."""

from xsm.nn.base import Batch, Model, Output, Schedule, Sizes, last_observation
from xsm.nn.conserving import block_means, conserve_means
from xsm.nn.convlstm import ConvLSTM
from xsm.nn.dropout import Dropout, dropping
from xsm.nn.fields import FieldModel
from xsm.nn.masked import MaskedConv2d, masked_pool, masked_resize
from xsm.nn.recurrent import PointLSTM
from xsm.nn.unet import UNet

__all__ = [
    "Batch",
    "ConvLSTM",
    "Dropout",
    "FieldModel",
    "MaskedConv2d",
    "Model",
    "Output",
    "PointLSTM",
    "Schedule",
    "Sizes",
    "UNet",
    "block_means",
    "conserve_means",
    "dropping",
    "last_observation",
    "masked_pool",
    "masked_resize",
]
