"""Layers that files of models tell beside their dimension: ``ZS`` and ``DZS`` of WRF, LIS."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import xarray as xr

from xsm.data.units import conversion
from xsm.exceptions import UnitsError
from xsm.typing import FloatArray

__all__ = ["in_metres", "level_depths", "thicknesses"]


Bounds = tuple[float, float] | None

_THICK = {"dzs", "dzsoil", "dz_soil", "soil_layer_thickness", "soil_layer_thicknesses"}
_DEEP = {"zs", "zsoil"}
_LIS = "soil_layer_thicknesses"  # a global attribute, in cm; in m in old files of LVT
_THICKEST = 20.0  # m: layers that are thicker together are in cm


def in_metres(ds: xr.Dataset, name: str, units: object = None) -> FloatArray | None:
    """Read a small coordinate in m; None where its units are missing or no length."""
    variable = ds.variables[name]
    units = variable.attrs.get("units", units)
    if units is None or variable.dtype.kind not in "iuf":
        return None
    try:
        change = conversion(str(units), "m")
    except UnitsError:
        return None
    values = variable.data
    if hasattr(values, "dask"):  # of a Zarr store; the scheduler of the data stays idle
        values = values.compute(scheduler="synchronous")
    return np.round(np.asarray(values, dtype=float) * change.factor, 9)


def thicknesses(ds: xr.Dataset, dim: str) -> list[Bounds] | None:
    """Return the bounds of layers from the top down whose thickness is told."""
    found = _beside(ds, dim, _THICK)
    for key, value in ds.attrs.items():
        if found is None and str(key).lower() == _LIS and np.size(value) == ds.sizes[dim]:
            size = np.round(np.asarray(value, dtype=float).ravel(), 4)
            found = size / 100 if size.sum() > _THICKEST else size
    if found is None or not (found > 0).all():
        return None
    edges = np.round(np.concatenate([[0.0], np.cumsum(found)]), 6).tolist()
    return list(pairwise(edges))


def level_depths(ds: xr.Dataset, dim: str) -> FloatArray | None:
    """Return the depths of levels that are told beside their dimension, in m."""
    return _beside(ds, dim, _DEEP)


def _beside(ds: xr.Dataset, dim: str, names: set[str]) -> FloatArray | None:
    """Return a variable of one of these names along a dimension, at its first time."""
    for name, variable in ds.variables.items():
        if str(name).lower() in names and dim in variable.dims and variable.ndim <= 2:
            first = ds[[name]].isel({d: 0 for d in variable.dims if d != dim})
            return in_metres(first, str(name))
    return None
