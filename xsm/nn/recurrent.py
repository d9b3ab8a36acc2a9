"""Recurrent networks of single cells."""

from __future__ import annotations

import torch
from torch import nn

from xsm.nn.base import Batch, Model, Output, Sizes
from xsm.nn.dropout import Dropout

__all__ = ["PointLSTM"]


class PointLSTM(Model):
    """An LSTM over the window of one cell, its statics repeated at each step.

    Parameters
    ----------
    sizes : Sizes
        Sizes of inputs and outputs, derived from the data.
    hidden_size : int, default: 128
        Hidden units of the LSTM.
    dropout : float, default: 0.15
        Share of the last hidden state dropped in training.
    """

    scaling = "cell"

    def __init__(self, sizes: Sizes, *, hidden_size: int = 128, dropout: float = 0.15) -> None:
        super().__init__(sizes)
        self.lstm = nn.LSTM(sizes.dynamic + sizes.static, hidden_size)
        self.dropout = Dropout(dropout)
        self.head = nn.Linear(hidden_size, sizes.target)

    def forward(self, batch: Batch) -> Output:
        """Return ``mean`` (batch, target), scaled."""
        dynamic = batch["dynamic"].transpose(0, 1)  # (window, batch, dynamic)
        static = batch["static"].expand(dynamic.shape[0], -1, -1)  # (window, batch, static)
        hidden, _ = self.lstm(torch.cat([dynamic, static], dim=-1))  # (window, batch, hidden)
        last = self.dropout(hidden[-1])
        # bfloat16 holds 8 bits: enough for the products inside, not for the answer.
        with torch.autocast(last.device.type, enabled=False):
            return {"mean": self.head(last.float())}  # (batch, target)
