"""Parts of features: blocks that follow the chunks of a store, and shares of the cells."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np
import xarray as xr

from xsm.cells.features import Features
from xsm.exceptions import TrainingError
from xsm.training.recipe import Recipe
from xsm.typing import Array

__all__ = ["neighbourhood", "plan_blocks", "select", "shards"]


def shards(
    features: Features, scaling: xr.Dataset, count: int, *, reach: int = 0
) -> list[tuple[Features, xr.Dataset]]:
    """Divide the cells into shares of about equally many trained ones, along one dimension.

    ``reach`` rows and columns around each share come with it and do not train. Lazy features stay
    lazy. Raises :class:`TrainingError` if no dimension holds so many rows of trained cells.
    """
    if count == 1:
        return [(features, scaling)]
    trained = scaling["trained_cell"]
    rows = {d: trained.sum([e for e in features.space if e != d]) for d in features.space}
    most = max(features.space, key=lambda d: int((rows[d] > 0).sum()), default=None)
    if most is None or int((rows[most] > 0).sum()) < count:
        msg = (
            f"{count} workers were given for {int(trained.sum())} trained cells on "
            f"{dict(trained.sizes)}; each needs a row of its own. Use fewer workers, or none."
        )
        raise TrainingError(msg)
    reached = rows[most].cumsum(most).values
    cuts = np.searchsorted(reached, reached[-1] * np.arange(1, count) / count) + 1
    edges = [0, *(int(cut) for cut in cuts), trained.sizes[most]]
    slices = [{most: slice(a, b)} for a, b in itertools.pairwise(edges)]
    return [neighbourhood(features, scaling, box, reach) for box in slices]


def plan_blocks(
    features: Features,
    scaling: xr.Dataset,
    recipe: Recipe,
    times: slice,
    positions: int,
    *,
    answered: int = 1,
) -> list[dict[str, slice]]:
    """Divide a part, ``times``, into blocks of at most ``positions`` cells times steps.

    Blocks follow the chunks of the store: they grow from a chunk first along time, then along
    space; chunks that hold too much are divided, first along space. They overlap in time by what a
    sample needs; those without a trained cell are left out.
    """
    first, last, _ = times.indices(features.steps)
    halo = recipe.window - 1 + recipe.ahead + answered - 1
    dims = {features.time: last - first, **{d: features.observed.sizes[d] for d in features.space}}
    sizes = {d: min(c, dims[d]) for d, c in _chunk_sizes(features).items()}
    for d in sorted(features.space, key=lambda d: -sizes[d]):  # divide the longest first
        excess = -(-math.prod(sizes.values()) // positions)
        sizes[d] = max(1, sizes[d] // max(1, excess))
    excess = -(-math.prod(sizes.values()) // positions)
    sizes[features.time] = max(min(4 * halo, dims[features.time]), sizes[features.time] // excess)
    for d in (features.time, *reversed(features.space)):
        room = max(1, positions // math.prod(sizes.values()))
        sizes[d] = min(dims[d], sizes[d] * room)
    trained = scaling["trained_cell"].transpose(*features.space).values
    found = []
    for corner in itertools.product(*(range(0, dims[d], sizes[d]) for d in dims)):
        box = {d: slice(a, min(a + sizes[d], dims[d])) for d, a in zip(dims, corner, strict=True)}
        if trained[tuple(box[d] for d in features.space)].any():
            own = box[features.time]
            begin = max(first, first + own.start - halo)
            found.append({**box, features.time: slice(begin, first + own.stop)})
    return found


def _chunk_sizes(features: Features) -> dict[str, int]:
    """Return the longest chunk along each dimension, of the arrays in a store."""
    arrays = [*features.dynamic.values(), features.observed]
    lazy = [a for a in arrays if a.chunks is not None]
    sizes = {str(d): 1 for d in (features.time, *features.space)}
    for array in lazy:
        for d in sizes.keys() & array.chunksizes.keys():
            sizes[d] = max(sizes[d], *array.chunksizes[d])
    return sizes


def neighbourhood(
    features: Features, scaling: xr.Dataset, box: Mapping[str, slice], reach: int
) -> tuple[Features, xr.Dataset]:
    """Return a part of features with the cells around it, which do not train.

    ``reach`` is in rows and columns, across the seam of a globe too; ``trained_cell`` of the
    statistics is False around the part.
    """
    if not reach or not set(box) & set(features.space):
        whole = {d: box[d] for d in features.space if d in box}
        return select(features, box), scaling.isel(whole, missing_dims="ignore")
    wide: dict[str, slice | Array] = dict(box)
    inner = {}
    for d in features.space:
        size = features.observed.sizes[d]
        first, last, _ = box.get(d, slice(None)).indices(size)
        begin, end = first - reach, last + reach
        if last - first == size or not (features.wrap and d == features.space[-1]):
            begin, end = max(0, begin), min(size, end)
        wide.pop(d, None)
        if (begin, end) != (0, size):
            wide[d] = np.arange(begin, end) % size
        inner[d] = (np.arange(begin, end) >= first) & (np.arange(begin, end) < last)
    space = {d: wide[d] for d in features.space if d in wide}
    own = scaling.isel(space, missing_dims="ignore")
    here = own["trained_cell"]
    for d, inside in inner.items():
        here = here & xr.DataArray(inside, dims=d)
    return select(features, wide), own.assign(trained_cell=here)


def select(features: Features, box: Mapping[str, slice | Array]) -> Features:
    """Return a part of features, by position; lazy arrays stay lazy."""
    return Features(
        {k: v.isel(box) for k, v in features.dynamic.items()},
        {k: v.isel(box, missing_dims="ignore") for k, v in features.static.items()},
        features.observed.isel(box),
        {k: v.isel(box) for k, v in features.series.items()},
        features.time,
        features.space,
        {k: v.isel(box, missing_dims="ignore") for k, v in features.soil.items()},
        features.wrap and features.space[-1] not in box,
    )
