"""Inputs with gaps: how many samples each of them costs, and what to type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from dask.base import annotate

from xsm.cells.features import Features
from xsm.cells.passes import over_time
from xsm.cells.windows import valid_samples
from xsm.data.grid import without_scalars
from xsm.data.reading import Reading
from xsm.exceptions import warn_outside
from xsm.hydrology.soil.layering import DEPTH
from xsm.training.recipe import Recipe
from xsm.typing import Array

__all__ = ["Gaps", "count_gaps", "gap_counts", "sum_gaps", "warn_of_gaps"]


_COSTLY = 0.1  # share of the samples that there would be without gaps
_BLOCK = 2**20  # cells and steps counted at a time
_ROWS = ("samples", "missing")


@dataclass(frozen=True)
class Gaps:
    """What gaps of the inputs cost in training.

    ``whole`` is the number of samples that there would be without gaps, ``now`` of those that there
    are, ``without`` that without each input with gaps, ``missing`` the share of the observed target
    at whose time it is missing.
    """

    whole: int
    now: int
    without: Mapping[str, int]
    missing: Mapping[str, float]


def warn_of_gaps(reading: Reading, found: Gaps, recipe: Recipe) -> None:
    """Warn where gaps of inputs cost more than a tenth of the samples that train.

    Where they leave none at all, training refuses the data.
    """
    if 0 < found.now < (1 - _COSTLY) * found.whole:
        warn_outside(_words(found, recipe, reading))


def count_gaps(
    features: Features,
    scaling: xr.Dataset,
    recipe: Recipe,
    training: slice,
    *,
    span: int,
    complete: bool = False,
) -> Gaps:
    """Count the samples of features in memory as :class:`xsm.cells.windows.Windows` does.

    ``span`` are the steps of input of a sample; with ``complete`` all layers must be observed.
    """
    counts = gap_counts(features, recipe, training, span=span, complete=complete)
    return sum_gaps(counts, features, scaling)


def gap_counts(
    features: Features, recipe: Recipe, training: slice, *, span: int, complete: bool = False
) -> dict[str, xr.DataArray]:
    """Return what :func:`sum_gaps` adds up, lazily where the features are.

    For each cell the numbers of samples: that there would be without gaps, that there are, and
    without each dynamic input; then those of observations, and of them without each dynamic input;
    and where static inputs, or parameters of the soil, are missing.
    """
    times, space = {features.time: training}, features.space
    seen = _finite(features.observed.isel(times))
    if DEPTH in seen.dims:
        seen = seen.all(DEPTH) if complete else seen.any(DEPTH)
    whole = [_finite(a.isel(times)) for a in features.dynamic.values()]
    # The other name of its layer keeps dask from joining it with those before: then all inputs of
    # a block would be in memory at once, at four or eight bytes a value.
    with annotate(xsm="gaps"):
        codes = xr.apply_ufunc(
            _codes, seen, *whole, dask="parallelized", output_dtypes=[_kind(len(whole))]
        ).transpose(features.time, *space)
    data, inputs = codes.data, len(whole)
    later = _with_steps_after(data, span - 1 + recipe.ahead)
    count = partial(_samples, span=span, recipe=recipe, inputs=inputs)
    gone = partial(_missing, inputs=inputs)
    found = {
        "samples": over_time(later, count, _add, rows=inputs + 2, dtype=np.int64),
        "missing": over_time(data, gone, _add, rows=inputs + 1, dtype=np.int64),
    }
    counts = {k: xr.DataArray(a, dims=(f"{k} of a cell", *space)) for k, a in found.items()}
    maps = {f"static {k}": ~_finite(a) for k, a in features.static.items()}
    return counts | maps | {f"soil {k}": ~_finite(a) for k, a in features.soil.items()}


def sum_gaps(counts: Mapping[str, xr.DataArray], features: Features, scaling: xr.Dataset) -> Gaps:
    """Return what gaps cost in the cells that are trained, of counts in memory."""
    cells = scaling["trained_cell"].transpose(*features.space).values.reshape(-1).copy()
    for name in features.soil:
        cells &= ~counts[f"soil {name}"].values.reshape(len(cells), -1).any(axis=1)
    flat = {k: a.values.reshape(a.shape[0], -1)[:, cells] for k, a in counts.items() if k in _ROWS}
    (every, here, *apart), (observed, *missing) = flat["samples"], flat["missing"]
    holes = [counts[f"static {k}"].values.reshape(-1)[cells] for k in features.static]
    lost = sum(holes, np.zeros(len(here), np.int64))  # maps that a cell lacks
    now = int(here[lost == 0].sum())
    kept = [int(rows[lost == 0].sum()) for rows in apart]
    kept += [int(here[lost == hole].sum()) for hole in holes]
    gone = [int(rows.sum()) for rows in (*missing, *(observed * hole for hole in holes))]
    named = {
        name: (samples, rows / max(int(observed.sum()), 1))
        for name, samples, rows in zip(
            [*features.dynamic, *features.static], kept, gone, strict=True
        )
        if rows or samples != now
    }
    shares = {name: share for name, (_, share) in named.items()}
    return Gaps(int(every.sum()), now, {name: n for name, (n, _) in named.items()}, shares)


def _finite(array: xr.DataArray) -> xr.DataArray:
    """Tell where there are values."""
    bare = without_scalars(array)
    return bare.copy(data=np.isfinite(bare.data))


def _kind(inputs: int) -> np.dtype[Any]:
    """Return the least type of whole numbers that has a bit for the target and for each input."""
    return np.min_scalar_type((1 << (inputs + 1)) - 1)


def _codes(seen: Array, *whole: Array) -> Array:
    """Return bits: the lowest tells that the target is there, each other that an input is not."""
    kind = _kind(len(whole))
    found = seen.astype(kind)
    for i, there in enumerate(whole):
        found |= (~there).astype(kind) << (i + 1)
    return found


def _with_steps_after(codes: Any, halo: int) -> Any:
    """Return blocks along time with the steps after them, in which their last samples end."""
    if isinstance(codes, np.ndarray) or not halo or codes.shape[0] <= halo:
        return codes
    from dask.array.overlap import overlap

    return overlap(codes, depth={0: (0, halo)}, boundary={0: "none"})


def _samples(codes: Array, *, span: int, recipe: Recipe, inputs: int) -> Array:
    """Count the samples of each cell (row, *space) that begin in a block and end in it."""
    flat = codes.reshape(len(codes), -1)
    found = np.zeros((inputs + 2, flat.shape[1]), np.int64)
    alive = np.flatnonzero((flat & 1).any(axis=0))
    for cells in np.array_split(alive, 1 + len(flat) * len(alive) // _BLOCK):
        part = flat[:, cells]
        seen, gaps = (part & 1).astype(bool), part >> 1
        count = partial(_count, seen=seen, span=span, recipe=recipe)
        rows = [count(gaps >= 0), count(gaps == 0)]
        for own in (1 << i for i in range(inputs)):
            rows.append(count((gaps | own) == own) if (gaps & own).any() else rows[1])
        found[:, cells] = rows
    return found.reshape(inputs + 2, *codes.shape[1:])


def _count(whole: Array, *, seen: Array, span: int, recipe: Recipe) -> Array:
    """Count the samples of each cell whose inputs are whole and whose target is seen."""
    found: Array = valid_samples(whole[recipe.shift :], seen, span, recipe.ahead).sum(axis=0)
    return found


def _missing(codes: Array, *, inputs: int) -> Array:
    """Count the observations of each cell, and those without each input (row, *space)."""
    seen = codes & 1
    rows = [seen, *(seen & (codes >> (i + 1)) for i in range(inputs))]
    return np.stack([row.sum(axis=0, dtype=np.int64) for row in rows])


def _add(parts: Array) -> Array:
    """Add up the counts of blocks."""
    found: Array = parts.sum(axis=0)
    return found


def _words(found: Gaps, recipe: Recipe, reading: Reading) -> str:
    """Say what is missing, what it costs, and what to type."""
    worst = sorted(found.missing, key=lambda name: (-found.without[name], -found.missing[name]))
    said = ", ".join(
        f"{name!r} at {found.missing[name]:.0%} ({found.without[name]:,} samples without it)"
        for name in worst
    )
    gain = [n for n in worst if found.without[n] - found.now > _COSTLY * found.whole] or worst
    kept = {
        kind: [name for name in getattr(recipe, kind) if name not in gain]
        for kind in ("dynamic", "static")
        if set(gain) & set(getattr(recipe, kind))
    }
    leave = ", ".join(f"{kind}={names}" for kind, names in kept.items())
    filled = next((n for n in gain if n in recipe.dynamic), None)
    ways = [f"leave out inputs, fit(..., {leave})"] if kept.get("dynamic", [""]) else []
    if filled is not None:
        name = reading.lookup(filled).name
        ways.append(
            f"fill gaps before, as in ds[{name!r}].interpolate_na({reading.time!r}, limit=3)"
        )
    return (
        f"Gaps of inputs leave {found.now:,} of {found.whole:,} samples to train: each takes "
        f"{recipe.sequence or recipe.window} steps without NaN. "
        f"Missing where the target is observed: {said}. "
        f"To keep more, {', or '.join(ways)}."
    )
