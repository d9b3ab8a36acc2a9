"""Arrays and maps as dask arrays in common chunks, for tasks that take a block of each."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import groupby
from typing import Any

import numpy as np
import xarray as xr

from xsm.cells.halo import stacked_blocks
from xsm.typing import FloatArray

__all__ = ["as_dask", "laid"]


def laid(
    moving: list[xr.DataArray], maps: list[xr.DataArray]
) -> tuple[list[Any], Any, dict[Hashable, tuple[int, ...]]]:
    """Return arrays and stacked maps as dask arrays in common chunks, and these."""
    template = moving[0]
    sizes = _common_chunks([*moving, *maps])
    sizes = {d: sizes.get(d, (template.sizes[d],)) for d in template.dims}
    return [as_dask(a, sizes) for a in moving], _stacked_maps(maps, sizes, template.dims[1:]), sizes


def _stacked_maps(
    maps: list[xr.DataArray], sizes: dict[Hashable, tuple[int, ...]], space: tuple[Hashable, ...]
) -> Any:
    """Return the maps as a dask array (*space) whose blocks are (row, *space)."""
    import dask.array as da

    if not maps:
        return None
    letters = tuple(range(len(space)))
    chunks = tuple(sizes[d] for d in space)
    parts = []
    for lazy, group in groupby(maps, lambda a: a.chunks is not None):
        if lazy:
            parts += [as_dask(a.isel(_row=i), sizes) for a in group for i in range(a.sizes["_row"])]
        else:
            parts.append(stacked_blocks(np.concatenate([a.values for a in group]), chunks))
    if len(parts) == 1 and maps[0].chunks is None:
        return parts[0]
    args = [part for array in parts for part in (array, letters)]
    options = {"align_arrays": False, "dtype": np.float64, "meta": np.empty((0,) * len(space))}
    return da.blockwise(_stack, letters, *args, axes=len(space), **options)


def as_dask(array: xr.DataArray, sizes: dict[Hashable, Any]) -> Any:
    """Return an array as a dask array of given chunks."""
    import dask.array as da

    chunks = tuple(sizes[d] for d in array.dims)
    if array.chunks is None:
        return da.from_array(array.values, chunks=chunks)
    return array.data.rechunk(chunks)


def _common_chunks(arrays: list[xr.DataArray]) -> dict[Hashable, tuple[int, ...]]:
    """Return chunks along each dimension that all lazy arrays can be brought to by cutting."""
    import dask.array as da

    pairs = [(a.data, a.dims) for a in arrays if a.chunks is not None]
    found, _ = da.core.unify_chunks(*(part for pair in pairs for part in pair), warn=False)
    return dict(found)


def _stack(*maps: FloatArray, axes: int) -> FloatArray:
    """Stack maps (*space), and stacks of maps (row, *space)."""
    return np.concatenate([a if a.ndim > axes else a[None] for a in maps])
