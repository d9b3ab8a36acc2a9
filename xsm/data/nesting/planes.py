"""Functions of whole planes (y, x), one time after another, lazily."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from xsm.typing import Array

__all__ = ["on_planes"]


_BYTES = 2**27  # of a block of planes


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
