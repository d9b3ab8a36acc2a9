"""What data a model was trained on, told by names, sizes and coordinates, not by values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from xsm.naming import VariableTable

__all__ = ["fingerprint"]


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
    >>> from xsm.naming import find_variables
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
