"""Areas over which loss terms take means: the label of each cell, and what it counts."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xsm.data.grid import space_dims
from xsm.data.locations import latitude_of
from xsm.data.naming.dimensions import members
from xsm.exceptions import GridError
from xsm.hydrology.needs import Wanted
from xsm.typing import Array

__all__ = ["area_maps"]


_MOST = 2**24  # whole numbers that float32, as all maps of cells are held, tells apart


def area_maps(wanted: Wanted) -> dict[str, xr.DataArray]:
    """Return the areas of loss terms with a ``footprint``: maps of ``area`` and ``area_share``.

    ``area`` is a whole number, also of each member and of each cell outside of all areas, which is
    alone; ``area_share`` is the size of a cell, the cosine of its latitude, 1 where no latitude is
    known, and 0 outside. The labels are computed, since they decide what is read together.
    """
    names = {n for n in (getattr(term, "footprint", "") for term in wanted.terms) if n}
    if not names:
        return {}
    reading, (name,) = wanted.reading, names
    reading.require(name)
    labels = reading.ds[name].reset_coords(drop=True)
    like = reading.array("precipitation" if "precipitation" in reading else wanted.target)
    space = space_dims(like)
    wrong = [str(d) for d in labels.dims if d not in space]
    if wrong or not labels.dims:
        msg = (
            f"footprint={name!r} lies along {list(map(str, labels.dims))}; a map of labels along "
            f"{list(space)} is needed, one for each cell and all times."
        )
        raise GridError(msg)
    area = labels.copy(data=_numbered(labels.values, name)).drop_attrs()
    known = labels.copy(data=_known(labels.values)).drop_attrs()
    for dim, count in members(like).items():
        area = count * area + xr.DataArray(np.arange(count), dims=dim)
    if area.size and int(area.max()) >= _MOST:
        msg = (
            f"footprint={name!r} makes {int(area.max()) + 1:,} areas, of cells without one and of "
            f"members too; {_MOST:,} can be told apart. Give all cells outside of the areas one "
            "label, or train on a part of the data."
        )
        raise GridError(msg)
    share = xr.where(known, _sizes(like.isel({reading.time: 0}, drop=True)), 0.0)
    return {"area": area.astype(np.float32), "area_share": share.astype(np.float32)}


def _known(values: Array) -> Array:
    """Tell which cells have a label: neither NaN, None nor an empty text."""
    if values.dtype.kind == "f":
        return np.isfinite(values)
    if values.dtype.kind in "iub":
        return np.ones(values.shape, bool)
    return ~(xr.DataArray(values).isnull().values | (values == ""))


def _numbered(values: Array, name: str) -> Array:
    """Return labels as whole numbers from 0, of cells without one each a number of its own."""
    known = _known(values)
    found = values[known]
    if not found.size:
        msg = f"footprint={name!r} holds no label: all cells are missing. Give each cell its area."
        raise GridError(msg)
    if found.dtype.kind == "f" and (found != np.round(found)).any():
        msg = (
            f"footprint={name!r} holds {found[found != np.round(found)][0]:g}; labels are whole "
            'numbers or names: ds["footprint"] = (ds.lat // 3) * 1000 + ds.lon // 3 makes areas of '
            "3 degrees."
        )
        raise GridError(msg)
    numbers = np.empty(values.shape, np.int64)
    own = found if found.dtype.kind in "iubf" else found.astype(str)
    numbers[known] = np.unique(own, return_inverse=True)[1].ravel()
    numbers[~known] = numbers[known].max() + 1 + np.arange((~known).sum())
    return numbers


def _sizes(like: xr.DataArray) -> xr.DataArray:
    """Return sizes of cells in proportion: cosines of latitudes, 1 where there are none."""
    north = latitude_of(like)
    if north is None:
        return xr.DataArray(1.0)
    angle = np.deg2rad(north.values.astype(np.float64))
    sizes = north.copy(data=np.cos(angle).clip(1e-6))
    return sizes.reset_coords(drop=True).drop_attrs()
