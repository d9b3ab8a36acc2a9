"""Offsets of cells: by how much each lies above what all cells, or a source, say of it."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xsm.cells.features import Features
from xsm.exceptions import warn_outside
from xsm.hydrology.soil.layering import DEPTH

__all__ = ["OFFSET", "folded", "learn_offsets", "with_offsets"]


OFFSET = "cell_offset"
_FEWEST = 10  # cells: fewer do not tell how much cells differ


def learn_offsets(rest: xr.DataArray, time: str) -> xr.DataArray | None:
    """Return the mean of residuals of each cell (*space[, depth]), shrunk towards 0.

    A mean of ``n`` residuals of variance ``s2`` counts by ``t2 / (t2 + s2 / m)``: ``t2`` is the
    variance of the cells' true means (of the means found, less what chance adds), and ``m = n (1 -
    r) / (1 + r)`` the number that counts where neighbours in time have the correlation ``r`` (the
    best linear unbiased prediction of a random effect; Robinson 1991, Statist. Sci. 6:15). 0
    where nothing was observed; None where fewer than 10 cells tell how much cells differ.
    """
    count, mean = rest.count(time), rest.mean(time)
    around = rest - mean
    pair = around * around.shift({time: 1})
    sums = {"s2": (around**2).sum(time), "pair": pair.sum(time), "pairs": pair.count(time)}
    parts = xr.Dataset({"n": count, "mean": mean, **sums}).compute()
    space = [d for d in parts["n"].dims if d != DEPTH]
    n = parts["n"]
    seen = n > 0
    if not space or int(seen.sum(space).min()) < _FEWEST:
        return None
    s2 = parts["s2"].sum(space) / (n - 1).clip(min=0).sum(space).clip(min=1)
    together = parts["pair"].sum(space) / parts["pairs"].sum(space).clip(min=1)
    r = (together / s2.where(s2 > 0)).fillna(0.0).clip(0.0, 0.99)
    chance = (s2 * (1 + r) / (1 - r) / n.where(seen)).fillna(0.0)
    between = (parts["mean"].where(seen).var(space) - chance.where(seen).mean(space)).clip(min=0)
    size = (between + chance).clip(min=np.finfo(float).tiny)
    return (parts["mean"] * between / size).where(seen, 0.0).drop_attrs(deep=False)


def with_offsets(scaling: xr.Dataset, features: Features, training: slice) -> xr.Dataset:
    """Return statistics with the offset of each cell from the mean of all, of training steps."""
    observed = features.observed.isel({features.time: training}).astype(np.float64)
    over = [d for d in observed.dims if d != DEPTH]
    offsets = learn_offsets(observed - observed.mean(over), features.time)
    if offsets is None:
        warn_outside(
            f"cell_offset=True was given, and fewer than {_FEWEST} cells were observed: they do "
            "not tell how much cells differ, and get no offsets. Leave it out, or pass more cells."
        )
        return scaling
    return scaling.assign({OFFSET: offsets.variable})


def folded(scaling: xr.Dataset) -> xr.Dataset:
    """Return statistics whose scale of the target lies higher by the offset of each cell."""
    if OFFSET not in scaling:
        return scaling
    raised = scaling["target_offset"] + scaling[OFFSET]
    return scaling.assign(target_offset=raised.variable).drop_vars(OFFSET)
