"""What data a model was trained on, told by names, sizes and coordinates, not by values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from dask.base import compute, tokenize

from xsm.data.naming import VariableTable

if TYPE_CHECKING:
    from dask.array import Array as LazyArray

__all__ = ["data_token", "fingerprint"]


def fingerprint(arrays: Mapping[str, xr.DataArray], table: VariableTable) -> dict[str, Any]:
    """Return what tells one set of training data from another, without reading values.

    Parameters
    ----------
    arrays : mapping of str to DataArray
        Inputs and target, by role or name; lazy ones stay lazy.
    table : VariableTable
        Which variable of the data each is.

    Returns
    -------
    dict
        ``variables`` (names and units in the data, by role), ``sizes`` (by dimension) and
        ``coordinates`` (SHA-256 of the labels of each dimension that has any).

    Examples
    --------
    >>> from xsm.data.naming import find_variables
    >>> rain = xr.DataArray([0.0, 1.0], {"x": [1, 2]}, "x", attrs={"units": "mm day-1"})
    >>> found = fingerprint({"precipitation": rain}, find_variables(xr.Dataset({"pr": rain})))
    >>> found["variables"], found["sizes"]
    ({'precipitation': {'name': 'pr', 'units': 'mm day-1'}}, {'x': 2})
    """
    variables: dict[str, Any] = {}
    sizes: dict[str, int] = {}
    labels: dict[str, str] = {}
    for role, array in arrays.items():
        found = table.lookup(role)
        variables[role] = {"name": found.name, "units": found.units}
        sizes |= {str(d): size for d, size in array.sizes.items()}
        new = [d for d in array.indexes if d in array.dims and str(d) not in labels]
        labels |= {str(d): _digest(array[d].values) for d in new}
    return {"variables": variables, "sizes": sizes, "coordinates": labels}


def _digest(values: np.ndarray[Any, Any]) -> str:
    """Return the SHA-256 of labels: of their bytes, or of their text where they are objects."""
    if values.dtype.kind == "O":
        return hashlib.sha256(repr(values.tolist()).encode()).hexdigest()
    return hashlib.sha256(f"{values.dtype}".encode() + values.tobytes()).hexdigest()


def data_token(arrays: Mapping[str, xr.DataArray]) -> str:
    """Return a checksum of values and coordinates.

    Parameters
    ----------
    arrays : mapping of str to DataArray
        In memory or lazy; lazy ones are read once.

    Returns
    -------
    str
        The same for any chunks, also for none; another one where one value is another or in
        another place, or a label.

    Examples
    --------
    >>> soil = xr.DataArray([[0.1, 0.2], [0.3, np.nan]], {"x": [1, 2]}, ("time", "x"))
    >>> data_token({"soil": soil}) == data_token({"soil": soil.chunk(time=1)})
    True
    >>> data_token({"soil": soil}) == data_token({"soil": soil[::-1]})
    False
    """
    sums = {name: _checksum(array) for name, array in arrays.items()}
    lazy = any(array.chunks is not None for array in arrays.values())
    (found,) = compute(sums, **({} if lazy else {"scheduler": "threads"}))
    labels = {
        name: {d: array[d].values.astype(str) for d in array.dims if d in array.coords}
        for name, array in arrays.items()
    }
    return tokenize({name: int(value) for name, value in found.items()}, labels)


def _checksum(array: xr.DataArray) -> LazyArray:
    """Return the sum of all values' bits, each times an odd number of its place, modulo 2**64."""
    import dask.array as da

    data = array.data
    if array.chunks is None:
        data = da.from_array(array.values, chunks="auto", name=False)
    bits = data.astype(np.float64).view(np.uint64)
    odd, stride = np.uint64(1), 2
    for size, chunks in zip(reversed(data.shape), reversed(data.chunks), strict=True):
        places = da.arange(size, chunks=(chunks,), dtype=np.uint64) * np.uint64(stride)
        odd = places.reshape(-1, *[1] * odd.ndim) + odd
        stride *= size
    return (bits * odd).sum(dtype=np.uint64)
