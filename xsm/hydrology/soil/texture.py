"""Texture of the soil with labels: shares of sand, silt and clay, and the class of the USDA."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from xsm.data.doubt import doubt
from xsm.data.reading import Reading, read
from xsm.hydrology.soil.layering import aligned, role_array, same_layers
from xsm.hydrology.soil.triangle import CLASSES, classify
from xsm.typing import Array, FloatArray

__all__ = ["SHARES", "by_block", "shares_of", "texture_class"]


SHARES = ("sand", "silt", "clay")


def texture_class(ds: xr.Dataset, *, variables: Mapping[str, str] | None = None) -> xr.DataArray:
    """Return the texture class of the soil by the triangle of the USDA, lazily.

    Parameters
    ----------
    ds : xarray.Dataset
        Sand, silt and clay as shares of the fine earth by weight, under any names and units that
        ``ds.physm.variables()`` finds, by cell or by layer. One of the three may be missing: it
        is what the others leave of 100 %.
    variables : mapping of str to str, optional
        Role to variable name, where a variable is not found or another one is wanted.

    Returns
    -------
    DataArray
        1 to 12, single precision, with the dimensions of the shares (one variable for each layer:
        along ``depth``) and the names of the classes in ``flag_meanings``: 1 sand, 2 loamy sand,
        3 sandy loam, 4 silt loam, 5 silt, 6 loam, 7 sandy clay loam, 8 silty clay loam, 9 clay
        loam, 10 sandy clay, 11 silty clay, 12 clay (the order of Miller and White 1998). NaN where
        a share is NaN. Lazy where any share is; quantified where the input is.

    Raises
    ------
    MissingVariableError, UnitsError
        If two of the three are missing, or have no usable units; and, when lazy data are
        computed, if a share is negative or a sum misses 100 % by more than 1 %.
    GridError
        If coordinates or layers differ.

    Warns
    -----
    UserWarning
        If a sum misses 100 % by more than 0.15 %, which shares of one decimal do; within 1 % it is
        scaled to 100 %.

    Notes
    -----
    The definitions of the Soil Survey Manual, each a set of inequalities, of which exactly one
    holds at each point of the triangle. Loamy sand and sandy loam are kept apart by
    ``silt + 2 clay < 30`` also below 7 % clay, where the manual leaves it to the reader. Shares are
    compared to four decimals.

    References
    ----------
    Soil Science Division Staff (2017). Soil Survey Manual. USDA Handbook 18. Miller, D. A. and
    White, R. A. (1998). Earth Interact. 2(2).

    Examples
    --------
    >>> percent = {"units": "%"}
    >>> ds = xr.Dataset({"sand": ("x", [92.0, 10.0], percent), "clay": ("x", [3.0, 60.0], percent)})
    >>> found = texture_class(ds)
    >>> [found.attrs["flag_meanings"].split()[int(i) - 1] for i in found]
    ['sand', 'clay']
    """
    reading = read(ds, variables)
    same_layers(reading.table, [role for role in SHARES if role in reading.table.found])
    arrays = shares_of(reading)
    found = by_block(classify, arrays, np.dtype(np.float32)).rename("texture_class")
    found.attrs = {
        "long_name": "texture class of the soil (USDA)",
        "units": "1",
        "flag_values": np.arange(1, 13, dtype=np.float32),
        "flag_meanings": " ".join(CLASSES),
    } | _edges(arrays)
    return reading.given_back(found.to_dataset())["texture_class"]


def shares_of(reading: Reading) -> list[xr.DataArray]:
    """Return sand, silt and clay in % on the same coordinates, lazily.

    One that is missing is what the others leave. Two that are missing are refused.
    """
    table = reading.table
    known = [role for role in SHARES if role in table.found]
    if len(known) < 2 or any(role in table.problems for role in SHARES):
        table.require(*SHARES)
    doubt(reading, known)
    arrays = dict(zip(known, aligned([role_array(reading, r) for r in known]), strict=True))
    for role in SHARES:
        if role not in arrays:
            first, second = arrays.values()
            arrays[role] = (100.0 - first - second).rename(role)
    return [arrays[role] for role in SHARES]


def by_block(
    function: Callable[..., FloatArray],
    arrays: Sequence[xr.DataArray],
    dtype: np.dtype[Any],
    outputs: int | None = None,
) -> xr.DataArray:
    """Return a function of each cell, in one task for each block where any array is lazy.

    Labelled as the first array; ``outputs`` is the length of a last axis of the function's result,
    the dimension ``parameter``.
    """
    together = aligned(arrays)
    dims: tuple[Any, ...] = together[0].dims
    if any(array.chunks is not None for array in together):
        data = _lazy(function, [array.data for array in together], dtype, outputs)
    else:
        data = function(*[array.values for array in together]).astype(dtype, copy=False)
    coords = together[0].coords
    return xr.DataArray(data, coords, dims if outputs is None else (*dims, "_parameter"))


def _lazy(
    function: Callable[..., FloatArray],
    arrays: Sequence[Array],
    dtype: np.dtype[Any],
    outputs: int | None,
) -> Any:
    """Return the function of blocks as a dask array."""
    import dask.array as da

    index = tuple(range(arrays[0].ndim))
    out = index if outputs is None else (*index, -1)
    return da.blockwise(
        function,
        out,
        *[part for array in arrays for part in (array, index)],
        new_axes={} if outputs is None else {-1: outputs},
        dtype=dtype,
        meta=np.empty((0,) * len(out), dtype),
    )


def _edges(arrays: Sequence[xr.DataArray]) -> dict[str, Any]:
    """Return the attribute of layers where an array has it."""
    key = "layer_edges_m"
    return next(({key: a.attrs[key]} for a in arrays if key in a.attrs), {})
