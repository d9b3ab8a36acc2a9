"""From what a source says to a new target: a line through both, the scale of the new target."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from xsm.artefact.learnt import Learnt
from xsm.cells.features import Features
from xsm.cells.offsets import OFFSET
from xsm.cells.prediction import predicted_mean
from xsm.exceptions import NotEnoughDataError, warn_outside

__all__ = ["TargetMap", "agreement", "correlation", "map_target", "said_by"]


_FEWEST = 10  # pairs
_LEAST = 0.2  # correlation: with less, a line would squeeze all that the network says


@dataclass(frozen=True)
class TargetMap:
    """The new target as ``offset + slope * source``, canonical units, ([depth]) each.

    ``r`` is their correlation, ``count`` the number of pairs, ``cells`` what is added in each cell
    (*space[, depth]), None for nothing.
    """

    offset: xr.DataArray
    slope: xr.DataArray
    mean: xr.DataArray
    r: xr.DataArray
    count: int
    cells: xr.DataArray | None = None

    def scale(self, scaling: xr.Dataset) -> dict[str, xr.DataArray]:
        """Return the scale of the new target, such that the network says what it said, mapped."""
        low = self.offset + self.slope * scaling["target_offset"]
        size = self.slope * scaling["target_scale"]
        middle = (self.mean - low) / size
        found = {"target_offset": low, "target_scale": size, "target_mean": middle}
        return found if self.cells is None else {**found, OFFSET: self.cells}

    def __str__(self) -> str:
        """Say the line of each layer."""
        lines = zip(*(np.atleast_1d(v) for v in (self.offset, self.slope, self.r)), strict=True)
        said = [f"{a:.4g} + {b:.3g} x source (r {r:.2f})" for a, b, r in lines]
        own = "" if self.cells is None else f", cells differ by {float(self.cells.std()):.2g}"
        return f"{'; '.join(said)}, {self.count:,} pairs{own}"


def said_by(source: Learnt, features: Features, *, device: str) -> xr.DataArray:
    """Return what a model says at the times of the target, NaN elsewhere, in its own units.

    What was observed is hidden from it: it would be of another target.
    """
    recipe = source.recipe
    if recipe.data_integration:
        none = xr.full_like(features.observed, np.nan)
        features = replace(features, target=none)
    found = predicted_mean(source, features, device=device)
    like = features.observed
    before = recipe.window - 1 + recipe.ahead  # steps without an answer
    steps = min(found.sizes[features.time], like.sizes[features.time] - before)
    found = found.isel({features.time: slice(0, steps)}).transpose(*like.dims)
    there = like.isel({features.time: slice(before, before + steps)})
    ends = (before, like.sizes[features.time] - before - steps)
    return there.copy(data=found.data).pad({features.time: ends}).assign_coords(like.coords)


def agreement(said: xr.DataArray, observed: xr.DataArray, space: tuple[str, ...]) -> xr.Dataset:
    """Return the moments of pairs ([depth]), read in one pass: count, means, (co)variances."""
    both = said.notnull() & observed.notnull()
    x = said.astype(np.float64).where(both)
    y = observed.astype(np.float64).where(both)
    dims = [d for d in observed.dims if d in space or d == observed.dims[0]]
    count = both.sum(dims)
    sums = {"x": x, "y": y, "xx": x * x, "xy": x * y, "yy": y * y}
    found = xr.Dataset({k: v.drop_vars(list(v.coords)).sum(dims) for k, v in sums.items()})
    found = found.assign(count=count.drop_vars(list(count.coords))).compute()
    n = found["count"].clip(min=1)
    mean = {k: found[k] / n for k in sums}
    return xr.Dataset(
        {
            "count": found["count"],
            "x": mean["x"],
            "y": mean["y"],
            "xx": (mean["xx"] - mean["x"] ** 2).clip(min=0),
            "yy": (mean["yy"] - mean["y"] ** 2).clip(min=0),
            "xy": mean["xy"] - mean["x"] * mean["y"],
        }
    )


def correlation(moments: xr.Dataset) -> xr.DataArray:
    """Return the correlation of pairs; 0 where one of both is constant."""
    size = (moments["xx"] * moments["yy"]).clip(min=np.finfo(float).tiny)
    return moments["xy"] / size**0.5


def map_target(moments: xr.Dataset, what: str) -> TargetMap:
    """Return the line of least squares through pairs of source and target.

    Where they hardly agree the slope is kept at a fifth of the ratio of their spreads, and a
    warning says so.
    """
    count = int(moments["count"].min())
    if count < _FEWEST:
        msg = (
            f"{count} observations of {what} come with a prediction of the source; at least "
            f"{_FEWEST} are needed. Give a longer record: the weather before the first "
            "observation counts too, for the source begins with a warm-up or a whole window."
        )
        raise NotEnoughDataError(msg)
    tiny = np.finfo(float).tiny
    ratio = (moments["yy"] / moments["xx"].clip(min=tiny)) ** 0.5
    ratio = ratio.where((moments["xx"] > 0) & (moments["yy"] > 0), 1.0)
    r = correlation(moments)
    if bool((r < _LEAST).any()):
        warn_outside(
            f"The source tells little of {what}: correlation {float(r.min()):.2f} over "
            f"{count:,} pairs. Fine-tuning may be no better than xsm.fit; compare both."
        )
    slope = ratio * r.clip(min=_LEAST)
    return TargetMap(moments["y"] - slope * moments["x"], slope, moments["y"], r, count)
