"""Numbers in the byte order of this machine, which compiled code and torch need."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

__all__ = ["native"]


def native(ds: xr.Dataset) -> xr.Dataset:
    """Return the data with all numbers in this machine's byte order, lazily; else themselves.

    NetCDF classic files and GRIB hold big-endian numbers, and some readers pass them on.

    Examples
    --------
    >>> swapped = np.array([0.25], np.dtype("f4").newbyteorder())
    >>> native(xr.Dataset({"swvl1": ("time", swapped)}))["swvl1"].dtype.isnative
    True
    """
    swapped = {
        name: variable
        for name, variable in ds.variables.items()
        if isinstance(variable.dtype, np.dtype) and not variable.dtype.isnative
    }
    if not swapped:
        return ds
    made: dict[Any, Any] = {}
    for name, variable in swapped.items():
        turned = variable.astype(variable.dtype.newbyteorder("="))
        made[name] = turned.to_base_variable()
    coords = {name: variable for name, variable in made.items() if name in ds.coords}
    return ds.assign({n: v for n, v in made.items() if n not in coords}).assign_coords(coords)
