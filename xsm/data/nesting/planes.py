"""Functions of planes (y, x), one time after another, lazily."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any, Protocol

import numpy as np
import xarray as xr

from xsm.typing import Array

__all__ = ["Planes", "each_plane", "on_planes"]


_BYTES = 2**27  # of a block of planes
_COPIES = 8  # of a plane in double precision, while it is averaged


def on_planes(
    function: Callable[..., Array],
    arrays: Sequence[xr.DataArray],
    dims: tuple[str, str],
    shape: tuple[int, int],
    *,
    coords: Mapping[str, Any],
    **settings: Any,
) -> xr.DataArray:
    """Apply a function of planes to each time (and depth, ...) of arrays.

    Parameters
    ----------
    function : callable
        From arrays (..., y, x) to an array (..., y, x) of another shape.
    arrays : sequence of DataArray
        With the horizontal dimensions and any others.
    dims : tuple of str
        Names of the horizontal dimensions, y first.
    shape : tuple of int
        Size of the result along them.
    coords : mapping of str to array
        Coordinates of the result along them.
    **settings
        Passed to the function.

    Returns
    -------
    DataArray
        (..., y, x), floating point, with the attributes of the first array. Lazy where an array
        is: blocks then hold whole planes, and so few of them that a block of the result takes at
        most 128 MiB or one plane.

    Examples
    --------
    >>> array = xr.DataArray(np.eye(2), {"y": [0, 1], "x": [0, 1]})
    >>> found = on_planes(lambda a: a[..., :1], [array], ("y", "x"), (2, 1), coords={"x": [0]})
    >>> found.sizes["x"]
    1
    """
    dtype = np.result_type(np.float32, *(a.dtype for a in arrays))
    plane = max(shape[0] * shape[1], *(a.sizes[dims[0]] * a.sizes[dims[1]] for a in arrays))
    many = max(1, _BYTES // (plane * dtype.itemsize))
    known = [a.drop_vars([c for c in a.coords if set(dims) & set(a[c].dims)]) for a in arrays]
    found: xr.DataArray = xr.apply_ufunc(
        function,
        *(_in_planes(a, dims, many) for a in known),
        input_core_dims=[dims] * len(arrays),
        output_core_dims=[dims],
        exclude_dims=set(dims),
        kwargs=settings,
        dask="parallelized",
        output_dtypes=[dtype],
        dask_gufunc_kwargs={"output_sizes": dict(zip(dims, shape, strict=True))},
        keep_attrs=True,
    )
    return found.assign_coords(dict(coords)).rename(arrays[0].name)


def _in_planes(array: xr.DataArray, dims: tuple[str, str], many: int) -> xr.DataArray:
    """Let dask chunks hold whole planes, at most so many of them."""
    if array.chunks is None:
        return array
    sizes: dict[Any, Any] = dict.fromkeys(dims, -1)
    left = many
    for dim in reversed([d for d in array.dims if d not in dims]):
        now = max(array.chunksizes[dim])
        if now > left:
            sizes[dim] = left
        left = max(1, left // min(now, left))
    return array.chunk(sizes)


class Planes(Protocol):
    """A function of planes (..., y, x), each cell of whose result needs some of their cells."""

    def __call__(self, planes: Array) -> Array:
        """Return planes of another shape."""

    def needs(self, axis: int, cells: slice = slice(None)) -> Array:
        """Return which cells of y (0) or x (1) so many cells of the result need, ascending."""

    def begins(self, axis: int) -> Array:
        """Return the first cell of y or x that each cell of the result needs, -1 for none."""

    def part(self, cells: tuple[slice, slice], needed: tuple[Array, Array]) -> Planes:
        """Return the function from planes of the cells needed to some cells of the result."""


def each_plane(
    function: Planes,
    data: Any,
    axes: tuple[int, int],
    shape: tuple[int, int],
    dtype: np.dtype[Any],
) -> Any:
    """Apply a function of planes along two axes of an array, which keep their places.

    Of a dask array blocks stay about where they were: each block of the result is made of the cells
    that it needs, so that planes in one block are one layer of one task a block. Within a block,
    planes are taken a few at a time.
    """
    settings: dict[str, Any] = {"axes": axes, "dtype": dtype}
    if not hasattr(data, "dask"):
        return _few_planes(np.asarray(data), **settings, shape=shape, function=function)
    if all(data.numblocks[axis] == 1 for axis in axes):
        return _mapped(function, data, shape, settings)
    import dask.array as da

    rows, columns = (_like_blocks(function, data, axes, k, shape[k]) for k in (0, 1))
    needed = [function.needs(1, column) for column in columns]
    found = []
    for row in rows:
        above = function.needs(0, row)
        band, line = _cut(data, axes[0], above), []
        for column, beside in zip(columns, needed, strict=True):
            whole = _cut(band, axes[1], beside).rechunk(dict.fromkeys(axes, -1))
            size = row.stop - row.start, column.stop - column.start
            part = function.part((row, column), (above, beside))
            line.append(_mapped(part, whole, size, settings))
        found.append(da.concatenate(line, axes[1]))
    return da.concatenate(found, axes[0])


def _cut(data: Any, axis: int, cells: Array) -> Any:
    """Return some cells of an axis, as a slice where they follow each other."""
    first, last = int(cells[0]), int(cells[-1])
    close = last - first + 1 == len(cells)
    return data[(slice(None),) * axis + (slice(first, last + 1) if close else cells,)]


def _mapped(
    function: Planes, data: Any, shape: tuple[int, int], settings: Mapping[str, Any]
) -> Any:
    """Apply a function to each block of a dask array, which hold all that it needs of planes."""
    chunks = list(data.chunks)
    for axis, size in zip(settings["axes"], shape, strict=True):
        chunks[axis] = (size,)
    call = partial(_few_planes, **settings, shape=shape, function=function)
    kinds: dict[str, Any] = {"dtype": settings["dtype"], "name": None}
    kinds["meta"] = np.empty((0,) * data.ndim, settings["dtype"])
    return data.map_blocks(call, chunks=tuple(chunks), **kinds)


def _like_blocks(
    function: Planes, data: Any, axes: tuple[int, int], k: int, size: int
) -> list[slice]:
    """Return runs of cells of the result that begin in the same block of an axis."""
    begins = function.begins(k)
    known = np.flatnonzero(begins >= 0)
    if not len(known):
        return [slice(0, size)]
    beside = np.searchsorted(known, np.arange(size)).clip(max=len(known) - 1)
    begins = begins[known[beside]]  # cells beyond the edge go with those beside them
    block = np.searchsorted(np.cumsum(data.chunks[axes[k]]), begins, side="right")
    runs = [list(run) for _, run in groupby(range(size), key=lambda cell: block[cell])]
    return [slice(run[0], run[-1] + 1) for run in runs]


def _few_planes(
    block: Array,
    *,
    axes: tuple[int, int],
    shape: tuple[int, int],
    dtype: np.dtype[Any],
    function: Callable[[Array], Array],
) -> Array:
    """Apply a function of planes to a block, so many at a time that little memory is taken."""
    planes = np.moveaxis(block, axes, (-2, -1))
    found = np.empty((*planes.shape[:-2], *shape), dtype)
    size = max(shape[0] * shape[1], planes.shape[-2] * planes.shape[-1])
    many = max(1, _BYTES // (8 * _COPIES * size))
    places = list(np.ndindex(planes.shape[:-2]))
    flat = found.reshape(-1, *shape)
    for start in range(0, len(places), many):
        part = places[start : start + many]
        at = tuple(np.array(part).T)
        flat[start : start + many] = function(planes[at] if at else planes[None])
    return np.moveaxis(found, (-2, -1), axes)
