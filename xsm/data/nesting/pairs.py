"""Two grids between which data can be carried: refused where their axes do not measure the same."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr

from xsm.data.nesting.axes import Axis, horizontal_axes
from xsm.data.nesting.conservative import overlaps
from xsm.exceptions import GridError
from xsm.typing import Array, FloatArray

__all__ = ["convention", "extent", "nearest_cells", "pair_axes"]


Pair = tuple[Axis, Axis]

_ROTATED = {"rlat", "rlon", "grid_latitude", "grid_longitude"}
_LATITUDE = {"lat", "latitude", "xlat", "nav_lat", "lat2d", "degrees_north", "degree_north"}
_LONGITUDE = {"lon", "longitude", "xlong", "nav_lon", "lon2d", "degrees_east", "degree_east"}


def pair_axes(
    data: xr.Dataset | xr.DataArray, like: xr.Dataset | xr.DataArray
) -> tuple[Pair, Pair]:
    """Return the axes of both grids, y first, which are of one kind and overlap."""
    own, wanted = _axes(data, "ds"), _axes(like, "like")
    for mine, other in zip(own, wanted, strict=True):
        kinds = (_named(data, mine), _named(like, other))
        if kinds[0] != kinds[1]:
            msg = (
                f"ds lies on a grid of {kinds[0]} along {mine.dim!r}, like on one of {kinds[1]} "
                f"along {other.dim!r}. Reproject one first, with rioxarray or pyproj."
            )
            raise GridError(_two_dimensional(data, "ds") or msg)
    shared = [(place[:, 1] > place[:, 0]).any() for place in overlaps(own, wanted)]
    if not all(shared):
        msg = (
            f"The grids do not overlap: ds has {_extent(own)}; like has {_extent(wanted)}. Pass "
            "data of the same region, and coordinates in the same units."
        )
        raise GridError(msg)
    return own, wanted


def _axes(data: xr.Dataset | xr.DataArray, what: str) -> Pair:
    """Return the horizontal axes; say more where their coordinates have two dimensions, or none."""
    try:
        return horizontal_axes(data)
    except GridError as error:
        said = _two_dimensional(data, what) or _places(data, what)
        if said:
            raise GridError(said) from error
        msg = f"{what}: {error}"
        raise GridError(msg) from error


def _named(data: xr.Dataset | xr.DataArray, axis: Axis) -> str:
    """Return what an axis is, that of a rotated pole apart from a true latitude."""
    names = {axis.dim.lower(), str(data[axis.dim].attrs.get("standard_name", ""))}
    return f"rotated {axis.kind}" if names & _ROTATED else axis.kind


def _two_dimensional(data: xr.Dataset | xr.DataArray, what: str) -> str:
    """Say how to go on where latitude and longitude have two dimensions; else nothing."""
    known = data.variables if isinstance(data, xr.Dataset) else data.coords
    two = {str(n): data[n] for n, v in known.items() if v.ndim == 2 and v.dtype.kind == "f"}
    lat = next((n for n in two if _says(two[n], _LATITUDE)), None)
    lon = next((n for n in two if _says(two[n], _LONGITUDE)), None)
    if lat is None or lon is None:
        return ""
    said = f"{what} has latitude {lat!r} and longitude {lon!r} along {tuple(two[lat].dims)}: "
    y, x = (_along(two[name]) for name in (lat, lon))
    if y is None or x is None or y == x:
        return (
            f"{said}a curvilinear grid, whose cells lie along no meridians. One-dimensional axes "
            "are needed: regrid it first with xesmf (xesmf.Regridder) or CDO (cdo remapcon)."
        )
    names = dict(zip((y, x), ("lat", "lon"), strict=True))
    renamed = ", ".join(f"{old}={new!r}" for old, new in names.items() if old != new)
    drop = "" if {lat, lon} <= {y, x} else f".drop_vars([{lat!r}, {lon!r}])"
    return (
        f"{said}each varies along one of them alone. Make them axes: {what} = {what}.assign_coords("
        f"{y}={what}[{lat!r}].max({x!r}).values, {x}={what}[{lon!r}].max({y!r}).values){drop}"
        + (f".rename({renamed})." if renamed else ".")
    )


def _says(array: xr.DataArray, words: set[str]) -> bool:
    """Tell whether a name or attributes are among words."""
    attrs = (array.attrs.get("standard_name"), array.attrs.get("units"))
    return not words.isdisjoint({str(w).lower() for w in (array.name, *attrs)})


def _along(array: xr.DataArray) -> str | None:
    """Return the one dimension along which a map varies; None where it is not one."""
    found = [
        str(d)
        for d, other in zip(array.dims, map(str, array.dims[::-1]), strict=True)
        if float((array.max(other) - array.min(other)).max()) < 1e-4
    ]
    return found[0] if len(found) == 1 else None


def _places(data: xr.Dataset | xr.DataArray, what: str) -> str:
    """Say how stations take their values from a grid; nothing where there are none."""
    known = data.variables if isinstance(data, xr.Dataset) else data.coords
    one = {str(n): v for n, v in known.items() if v.ndim == 1}
    pairs = [
        (a, b)
        for a in one
        for b in one
        if _says(data[a], _LATITUDE) and _says(data[b], _LONGITUDE) and one[a].dims == one[b].dims
    ]
    if what != "like" or not pairs:
        return ""
    lat, lon = pairs[0]
    return (
        f"like has places along {str(one[lat].dims[0])!r}, no grid. Take the nearest cell of each: "
        f'ds.sel(lat=like["{lat}"], lon=like["{lon}"], method="nearest"), by the names of ds, with '
        f'longitudes as ds has them: like["{lon}"] % 360 where these begin at 0.'
    )


def extent(data: xr.Dataset | xr.DataArray) -> str:
    """Return from where to where a grid reaches, in words; nothing where there is no grid."""
    try:
        return _extent(horizontal_axes(data))
    except GridError:
        return ""


def convention(data: xr.Dataset | xr.DataArray) -> str:
    """Return how longitudes count, "0 to 360" or "-180 to 180"; nothing where both would do.

    Nothing too of a single series, or of places without a grid.
    """
    try:
        axis = horizontal_axes(data)[1]
    except GridError:
        return ""
    if axis.kind != "longitude":
        return ""
    low, high = np.sort(axis.edges[[0, -1]] * axis.unit)
    slack = axis.width * axis.unit
    if low < -slack:
        return "-180 to 180"
    return "0 to 360" if high > 180.0 + slack else ""


def _extent(axes: Iterable[Axis]) -> str:
    """Return from where to where axes reach."""
    return " and ".join(
        f"{a.dim} {a.edges.min():g} to {a.edges.max():g} in steps of {a.width:g}" for a in axes
    )


def nearest_cells(
    data: xr.Dataset | xr.DataArray, own: Pair, like: xr.Dataset | xr.DataArray, wanted: Pair
) -> tuple[Array, Array]:
    """Return the cell with the nearest centre along y and x for each wanted one, -1 outside."""
    pairs = zip(own, wanted, strict=True)
    found = [_nearest(m, _centres(data, m), _centres(like, w)) for m, w in pairs]
    return found[0], found[1]


def _centres(data: xr.Dataset | xr.DataArray, axis: Axis) -> FloatArray:
    """Return the labels of cells in degrees or metres."""
    return np.asarray(data[axis.dim].values, float) * axis.unit


def _nearest(axis: Axis, centres: FloatArray, targets: FloatArray) -> Array:
    """Return the nearest of the centres to each target, -1 where it lies beyond all cells."""
    low, high = np.sort(axis.edges[[0, -1]] * axis.unit)
    slack = 1e-6 * axis.width * axis.unit
    off, place = targets[:, None] - centres, targets - low
    if axis.kind == "longitude":
        off, place = (off + 180.0) % 360.0 - 180.0, (place + slack) % 360.0 - slack
    inside = (place >= -slack) & (place <= high - low + slack)
    return np.where(inside, abs(off).argmin(axis=1), -1)
