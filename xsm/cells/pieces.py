"""Pieces of a record: samples all of whose steps are answered, and what was seen before them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from xsm.cells.windows import Windows
from xsm.nn import Batch, Schedule, last_seen, seen_inputs, with_seen
from xsm.training.recipe import Recipe
from xsm.training.seeds import generator

__all__ = ["Pieces"]


_HIDDEN = 0.3  # of the observations that the inputs lose in training (METHODS: gaps are met so)
_TOGETHER = 256  # pieces evaluated at a time where they validate: the LSTM keeps every step


class Pieces(Windows):
    """Pieces of ``recipe.sequence`` steps: windows of one step, all of which are answered.

    They begin anywhere where the inputs are whole, and hold an observation after the warm-up. With
    data integration the inputs get the last observation at or before ``latency`` steps before each
    answer, its age and a mask; only observations of the piece count.
    """

    def __init__(self, *arrays: Any, recipe: Recipe, **options: Any) -> None:
        super().__init__(*arrays, warmup=recipe.warmup, **options)
        self.recipe = recipe

    def batch(self, index: Tensor) -> Batch:
        """Gather pieces by their positions (batch,), as they are predicted.

        ``dynamic`` is (batch, steps, dynamic), ``target`` and ``mask`` (batch, steps, layer).
        """
        return self._seeing(index, self.recipe.latency[0], None)

    def batches(self, epoch: int, schedule: Schedule, seed: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, from 1; each draws its latency and what it does not see.

        Seed and epoch decide.
        """
        random = generator(seed, epoch)
        size, sampling = schedule.batch_size, schedule.sampling
        drawn = self.draw(schedule.iterations, size, sampling=sampling, random=random)
        first, last = self.recipe.latency
        lags = torch.randint(first, last + 1, (len(drawn),), generator=random)
        for index, lag in zip(drawn, lags.tolist(), strict=True):
            yield self._seeing(index, lag, random)

    def slices(self, size: int) -> Iterator[Batch]:
        """Yield all pieces in order, at most ``size`` in a batch."""
        for index in torch.arange(len(self)).split(min(size, self.many, _TOGETHER)):
            yield self.batch(index)

    def side_by_side(self) -> Pieces:
        """Keep pieces whose answers follow each other without overlap, from the last back."""
        ends = self.samples // self.count
        apart = (ends.max() - ends) % (self.answered - self.recipe.warmup) == 0
        self.samples = self.samples[apart]
        return self

    def _seeing(self, index: Tensor, lag: int, random: torch.Generator | None) -> Batch:
        """Gather pieces, with what was observed ``lag`` steps before each answer or earlier."""
        batch = super().batch(index)
        if not self.recipe.data_integration:
            return batch
        at = self.samples.index_select(0, index.to(self.device))
        rows = (at - self.recipe.ahead * self.count).unsqueeze(1) + self._ago  # steps of the inputs
        target = self.series["target"]
        observed = target.index_select(0, rows.view(-1)).view(*rows.shape, -1)
        if random is not None:
            lost = torch.rand(rows.shape, generator=random).to(self.device) < _HIDDEN
            observed = observed.masked_fill(lost.unsqueeze(-1), torch.nan)
        late = lag - self.recipe.ahead
        blank = torch.full_like(observed[:, :late], torch.nan)
        observed = torch.cat([blank, observed[:, : rows.shape[1] - late]], dim=1)
        none = torch.zeros_like(observed[:, 0])
        value, age = last_seen(observed, none, torch.full_like(none, torch.inf))
        seen = seen_inputs(value, age + lag, self.recipe.sequence)
        return {**batch, "dynamic": with_seen(batch["dynamic"], seen)}
