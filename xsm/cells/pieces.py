"""Pieces of a record: samples all of whose steps are answered, and what was seen before them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from xsm.cells.windows import Windows
from xsm.nn import Batch, last_seen, seen_inputs, with_seen
from xsm.training.recipe import Recipe

__all__ = ["Pieces"]


# Of the observations that the inputs lose in training, so that gaps are met; where the age of the
# last one is always the same, none: a network that is given all learns to trust them. Measured with
# latency=(1, 1), 64 units, one seed, RMSE with and without losses: US-Wkg 0.0228 and 0.0107,
# conus_land 0.0035 and 0.0031.
_HIDDEN = 0.3


class Pieces(Windows):
    """Pieces of ``recipe.sequence`` steps: windows of one step, all of which are answered.

    They begin anywhere where the inputs are whole, and hold an observation after the warm-up. With
    data integration the inputs get the last observation at or before ``latency`` steps before each
    answer, its age and a mask; only observations of the piece count.
    """

    def __init__(self, *arrays: Any, recipe: Recipe, **options: Any) -> None:
        super().__init__(*arrays, warmup=recipe.warmup, **options)
        self.recipe = recipe

    def sight(self, batches: int, size: int, random: torch.Generator) -> Batch | None:
        """Draw the latency of each batch, and the observations that its inputs lose.

        Returns ``lag`` (batches * size,) and ``lost`` (batches * size, steps).
        """
        if not self.recipe.data_integration:
            return None
        first, last = self.recipe.latency
        lag = torch.randint(first, last + 1, (batches,), generator=random)
        share = _HIDDEN if first < last else 0.0
        lost = torch.rand(batches * size, self.answered, generator=random) < share
        return {"lag": lag.repeat_interleave(size), "lost": lost}

    def apart(self, last: int) -> Pieces:
        """Keep pieces whose answers follow each other without overlap, from a step back.

        ``last`` is its place in the series in which ``start`` counts, so that the blocks of a
        record keep what the whole record keeps.
        """
        ends = self.start + self.samples // self.count
        self.samples = self.samples[(last - ends) % (self.answered - self.recipe.warmup) == 0]
        return self

    def batch(self, index: Tensor, sight: Batch | None = None) -> Batch:
        """Gather pieces by their positions (batch,); without a :meth:`sight`, as predicted.

        ``dynamic`` is (batch, steps, dynamic), ``target`` and ``mask`` (batch, steps, layer).
        """
        batch = super().batch(index)
        if not self.recipe.data_integration:
            return batch
        at = self.samples.index_select(0, index.to(self.device))
        rows = (at - self.recipe.ahead * self.count).unsqueeze(1) + self._ago  # steps of the inputs
        target = self.series["target"]
        observed = target.index_select(0, rows.view(-1)).view(*rows.shape, -1)
        lag = torch.full_like(at, self.recipe.latency[0])
        if sight is not None:
            lag = sight["lag"].to(self.device)
            observed = observed.masked_fill(sight["lost"].to(self.device).unsqueeze(-1), torch.nan)
        none = torch.zeros_like(observed[:, 0])
        value, age = last_seen(observed, none, torch.full_like(none, torch.inf))
        steps = torch.arange(rows.shape[1], device=self.device)
        given = steps - (lag - self.recipe.ahead).unsqueeze(1)  # the step whose sight is old enough
        there = given.clamp_min(0).unsqueeze(-1).expand_as(value)
        age = age.gather(1, there).masked_fill((given < 0).unsqueeze(-1), torch.inf)
        seen = seen_inputs(value.gather(1, there), age + lag.view(-1, 1, 1), self.recipe.sequence)
        return {**batch, "dynamic": with_seen(batch["dynamic"], seen)}
