"""Values of the cells that trained, on the cells of other data, told by where they lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xsm.data.grid import axis_of
from xsm.data.joins import positions, snap
from xsm.hydrology.soil.layering import DEPTH

__all__ = ["at_cells"]


def at_cells(
    own: xr.DataArray, template: xr.DataArray, space: tuple[str, ...], fill: Any
) -> xr.DataArray | None:
    """Return values (*own space[, depth]) on the cells of other data, ``fill`` at other places.

    Cells are told by their coordinates, of a grid under any names, of points of it or of a single
    one; members of a place are alike. Those that trained without labels are told by their order,
    where there are as many. None where nothing tells.
    """
    at, known = {}, xr.DataArray(data=True)
    for d in (str(d) for d in own.dims if d != DEPTH):
        place = _places(own, template, d)
        if place is None or not set(place.dims) <= set(space):
            return None
        at[d], known = place, known & (place >= 0)
    found = own.drop_vars(list(own.coords)).isel(at).where(known, fill)
    alike = {d: template.sizes[d] for d in space if d not in found.dims}
    found = found.expand_dims(alike).transpose(*space, ...)
    return found.drop_vars(list(found.coords))


def _places(own: xr.DataArray, template: xr.DataArray, dim: str) -> xr.DataArray | None:
    """Return where cells stand along a dimension of those trained, -1 for others."""
    labels = _labels(own, template, dim)
    if labels is not None:
        flat = xr.DataArray(labels.values.ravel(), dims=dim, attrs=labels.attrs)
        near = snap(flat.assign_coords({dim: flat}), own.to_dataset(name="own"))
        found = positions(own.indexes[dim], near.indexes[dim])
        return xr.DataArray(found.reshape(labels.shape), dims=labels.dims)
    same = dim not in own.indexes and template.sizes.get(dim) == own.sizes[dim]
    return xr.DataArray(np.arange(own.sizes[dim]), dims=dim) if same else None


def _labels(own: xr.DataArray, template: xr.DataArray, dim: str) -> xr.DataArray | None:
    """Return the coordinate of the data that is along the axis of a trained dimension."""
    if dim not in own.indexes:
        return None
    if dim in template.coords:
        return template[dim]
    axis = axis_of(own, dim)
    alike = [str(c) for c in template.coords if axis and axis_of(template, str(c)) == axis]
    return template[alike[0]] if len(alike) == 1 else None
