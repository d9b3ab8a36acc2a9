"""Areas whose cells train together, since a mean over them was observed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from xsm.cells.features import Features
from xsm.nn import Batch, Schedule
from xsm.training.recipe import Recipe
from xsm.typing import Array, FloatArray

__all__ = [
    "Runs",
    "described_areas",
    "draw_runs",
    "places",
    "plan_areas",
    "runs_of",
    "shares",
    "whole_areas",
    "with_ends",
]


@dataclass(frozen=True)
class Runs:
    """Samples laid so that those of an area at a time follow each other, each a run.

    ``order`` are positions of samples; ``starts`` and ``counts`` are of the runs in it.
    """

    order: Tensor
    starts: Tensor
    counts: Tensor

    def shuffled(self, random: torch.Generator) -> Tensor:
        """Return all positions, the runs in random order."""
        chosen = torch.randperm(len(self.counts), generator=random)
        run, inside = places(self.counts[chosen], torch.arange(len(self.order)))
        return self.order[self.starts[chosen][run] + inside]


def runs_of(samples: Tensor, count: int, area: Tensor) -> Runs:
    """Return the runs of samples, which are ``step * count + cell``; ``area`` is (cell, 1)."""
    samples, own = samples.cpu(), area.cpu().view(-1).long()
    key = samples // count * (int(own.max()) + 1 if len(own) else 1) + own[samples % count]
    order = key.argsort(stable=True)
    counts = key[order].unique_consecutive(return_counts=True)[1]
    return Runs(order, counts.cumsum(0) - counts, counts)


def draw_runs(
    counts: Tensor, batches: int, size: int, random: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Draw runs, each as likely as any other, and lay them end to end until a batch is full.

    Returns the run of each sample and its place there, both (batches, size). The last run of a
    batch may be cut: it is then not compared as an area, but all its cells are as themselves.
    """
    many = size // int(counts.min()) + 1
    rank, found = torch.arange(size), []
    for _ in range(batches):
        if len(counts) >= many:
            chosen = torch.randperm(len(counts), generator=random)[:many]
        else:
            chosen = torch.randint(len(counts), (many,), generator=random)
        run, inside = places(counts[chosen], rank)
        found.append(torch.stack([chosen[run], inside]))
    run, inside = torch.stack(found, dim=1)
    return run, inside


def places(lengths: Tensor, rank: Tensor) -> tuple[Tensor, Tensor]:
    """Return in which of several runs, laid end to end, a place lies, and where in it."""
    ends = lengths.cumsum(0)
    run = torch.searchsorted(ends, rank, right=True)
    return run, rank - (ends - lengths)[run]


def shares(area: FloatArray, size: FloatArray) -> FloatArray:
    """Return the share of each cell in its area, (cell, 1), which sum to 1 over cells that train.

    0 outside of all areas.
    """
    own = area.ravel().astype(np.int64)
    total = np.bincount(own, weights=size.ravel(), minlength=1)
    share: FloatArray = size.ravel() / np.where(total > 0, total, 1.0)[own]
    return share.reshape(-1, 1)


def with_ends(cells: Batch, end: Tensor) -> Batch:
    """Return what is known of cells, ``area`` with the step at which a sample ends beside."""
    if "area" not in cells:
        return cells
    return {**cells, "area": torch.cat([cells["area"], end.view(-1, 1).float()], dim=1)}


def whole_areas(schedule: Schedule, features: Features, scaling: xr.Dataset) -> Schedule:
    """Return a schedule whose batches hold at least the largest area whole, a multiple of it."""
    if "area" not in features.soil:
        return schedule
    most = int(_counts(features, scaling).max())
    return replace(schedule, batch_size=-(-schedule.batch_size // most) * most)


def described_areas(features: Features, scaling: xr.Dataset, name: str) -> str:
    """Return in words which areas are compared by their means; nothing where none are."""
    if "area" not in features.soil:
        return ""
    counts, size = _counts(features, scaling), features.soil["area_share"]
    size = size.transpose(*features.space)
    lost = 1 - float(size.where(_trained(features, scaling)).sum() / size.sum())
    away = f"; {100 * lost:.0f} % of their area do not train" if lost >= 0.005 else ""
    return (
        f"{np.count_nonzero(counts)} areas of {name!r}, of at most {counts.max()} cells that train "
        f"together, compared by their means{away}"
    )


def plan_areas(
    features: Features,
    scaling: xr.Dataset,
    recipe: Recipe,
    times: slice,
    positions: int,
    *,
    answered: int = 1,
) -> list[tuple[dict[str, slice], xr.Dataset]]:
    """Divide a part, ``times``, into blocks of whole areas of about ``positions`` cells and steps.

    Each with the statistics in which only its own cells train. The record is cut in time where one
    area is larger, overlapping by what a sample needs.
    """
    first, last, _ = times.indices(features.steps)
    halo = recipe.window - 1 + recipe.ahead + answered - 1
    trained = _trained(features, scaling)
    area = features.soil["area"].transpose(*features.space).values
    found: list[tuple[dict[str, slice], xr.Dataset]] = []
    for chosen in _together(area[trained.values], max(1, positions // (last - first))):
        own = trained & np.isin(area, chosen)
        at = [np.flatnonzero(own.any([e for e in own.dims if e != d])) for d in features.space]
        box = {d: slice(int(k[0]), int(k[-1]) + 1) for d, k in zip(features.space, at, strict=True)}
        steps = max(4 * halo, positions // int(own.sum()), 1)
        for begin in range(first, last, steps):
            span = slice(max(first, begin - halo), min(last, begin + steps))
            found.append(({features.time: span, **box}, scaling.assign(trained_cell=own)))
    return found


def _together(area: Array, most: int) -> list[Array]:
    """Return areas by their numbers in groups of about so many cells, at least one each."""
    numbers, first, count = np.unique(area, return_index=True, return_counts=True)
    near = first.argsort()  # those that follow each other in space
    group = np.cumsum(count[near]) // most
    return [numbers[near[group == k]] for k in np.unique(group)]


def _counts(features: Features, scaling: xr.Dataset) -> Array:
    """Return how many cells of each area train."""
    inside = _trained(features, scaling) & (features.soil["area_share"] > 0)
    own = features.soil["area"].transpose(*features.space).values[inside.values]
    return np.bincount(own.astype(np.int64), minlength=1)


def _trained(features: Features, scaling: xr.Dataset) -> xr.DataArray:
    """Tell which cells train, (*space)."""
    return scaling["trained_cell"].transpose(*features.space)
