"""Cells at places that a reader names by their coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import numpy as np
import xarray as xr

from xsm.data.grid import axis_of
from xsm.exceptions import GridError
from xsm.plotting.geography import degrees, placed
from xsm.typing import Array, FloatArray

__all__ = ["at_places"]


Located = TypeVar("Located", bound=xr.Dataset | xr.DataArray)


def at_places(data: Located, at: Mapping[str, Any] | None) -> Located:
    """Return the cells nearest to some places, along ``place`` where there are several; lazily.

    ``at`` holds coordinates by dimension; of sequences, their first values are one place, their
    second values the next. Longitudes may count from -180 or from 0. A GridError if a dimension
    does not exist, the sequences differ in length, or a place lies further than a cell outside the
    data.
    """
    if not at:
        return data
    absent = [d for d in at if d not in data.dims]
    if absent:
        msg = f"at= names {absent[0]!r}, which is no dimension; the data have {dict(data.sizes)}."
        raise GridError(msg)
    lengths = {d: np.size(v) for d, v in at.items() if np.ndim(v)}
    if len(set(lengths.values())) > 1:
        msg = f"at= has {lengths} values; one for each place is needed in each dimension."
        raise GridError(msg)
    several = {d for d, n in lengths.items() if n > 1}
    numbers = {d for d in at if d in data.indexes and data.indexes[d].dtype.kind in "iuf"}
    cells = {d: _nearest(data[d], np.asarray(at[d], float)) for d in at if d in numbers}
    _check_near(data, at, {d: off for d, (_, off) in cells.items()})
    places = {**at, **{d: near for d, (near, _) in cells.items()}}
    places = {d: xr.DataArray(v, dims="place") if d in several else v for d, v in places.items()}
    named = {d: v for d, v in places.items() if d in data.indexes and d not in numbers}
    plain = {d: v for d, v in places.items() if d not in named}
    found: Any = data.sel(named, method="nearest").isel(plain)
    return cast("Located", found)


def _nearest(coordinate: xr.DataArray, asked: FloatArray) -> tuple[Array, Array]:
    """Return the positions of the nearest cells, and whether each is more than a cell away."""
    dim = str(coordinate.name)
    round_earth = axis_of(coordinate, dim) == "X" and degrees(coordinate, dim)
    own = placed(coordinate, dim)
    apart = asked[..., None] - own
    if round_earth:
        apart = (apart + 180.0) % 360.0 - 180.0
    near = abs(apart).argmin(axis=-1)
    size = np.array([1.0 if degrees(coordinate, dim) else np.inf])
    if own.size > 1:  # between cells nothing is further away than this
        order = own.argsort()
        size = np.gradient(own[order])[order.argsort()]
    off = np.take_along_axis(abs(apart), near[..., None], axis=-1)[..., 0]
    return near, ~(off <= size[near] * (1 + 1e-6))


def _check_near(
    data: xr.Dataset | xr.DataArray, at: Mapping[str, Any], off: Mapping[str, Array]
) -> None:
    """Refuse places outside the data."""
    parts = []
    for dim in (d for d in off if off[d].any()):
        odd = np.atleast_1d(at[dim])[np.atleast_1d(off[dim])].tolist()
        own = placed(data[dim], dim)
        named = ", ".join(f"{value:g}" for value in odd)
        parts.append(f"{dim} = {named}, where the data go from {own.min():g} to {own.max():g}")
    if parts:
        msg = f"at= names a place outside the data: {'; '.join(parts)}. Name a place within them."
        raise GridError(msg)
