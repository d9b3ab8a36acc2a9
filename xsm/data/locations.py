"""Where cells lie on the Earth, as points whose distances are kilometres."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xsm.data.grid import axis_of
from xsm.exceptions import GridError
from xsm.typing import FloatArray

__all__ = ["coordinates", "flat_places", "in_degrees", "latitude_of", "locate", "straight"]


_RADIUS = 6371.0  # km


def coordinates(cells: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the northing and the easting of cells (*space), in degrees where there are both.

    A GridError if the cells have none; only coordinates are read.
    """
    found: dict[tuple[str, bool], xr.DataArray] = {}
    for name, coordinate in cells.coords.items():
        axis = axis_of(cells, str(name))
        if axis and coordinate.dtype.kind in "iuf" and set(coordinate.dims) <= set(cells.dims):
            found.setdefault((axis, in_degrees(coordinate)), coordinate)
    for degrees in (True, False):
        if ("Y", degrees) in found and ("X", degrees) in found:
            return found["Y", degrees], found["X", degrees]
    msg = (
        f"The cells along {list(map(str, cells.dims))} have no coordinates that say where they "
        "lie. Give them: ds = ds.assign_coords(lat=(dims, degrees), lon=(dims, degrees)); or pass "
        "a map of classes, folds=<DataArray>."
    )
    raise GridError(msg)


def latitude_of(cells: xr.DataArray) -> xr.DataArray | None:
    """Return the latitude of cells, degrees north, as it lies along them; None where it is unknown.

    Only coordinates are read.
    """
    for name, coordinate in cells.coords.items():
        number = coordinate.dtype.kind in "iuf" and set(coordinate.dims) <= set(cells.dims)
        if number and axis_of(cells, str(name)) == "Y" and in_degrees(coordinate):
            return coordinate
    return None


def in_degrees(coordinate: xr.DataArray) -> bool:
    """Tell whether a horizontal coordinate is in degrees: by its units, else by its name."""
    units = str(coordinate.attrs.get("units", ""))
    if units:
        return units.lower().startswith("deg")
    said = (str(coordinate.attrs.get("standard_name", "")), str(coordinate.name).lower())
    return any(text.endswith(("latitude", "longitude", "lat", "lon")) for text in said)


def flat_places(cells: xr.DataArray) -> tuple[FloatArray, FloatArray, bool]:
    """Return northing and easting of cells in the order of the flat array, and if in degrees.

    Of others than degrees in km, where their units are metres; of unknown units as they are.
    """
    pair = coordinates(cells)
    y, x = (
        xr.broadcast(each.reset_coords(drop=True), cells)[0]
        .transpose(*cells.dims)
        .values.ravel()
        .astype(np.float64)
        for each in pair
    )
    degrees = in_degrees(pair[0])
    metres = not degrees and pair[0].attrs.get("units") in {"m", "metre", "meter", "metres"}
    scale = 1e-3 if metres else 1.0
    return y * scale, x * scale, degrees


def locate(cells: xr.DataArray) -> FloatArray:
    """Return the places of cells as points (cell, axis), km, in the order of the flat array.

    Of degrees on a sphere (three axes), of others on a plane: of metres as kilometres, of unknown
    units as they are. Cells without a finite coordinate are NaN.
    """
    y, x, degrees = flat_places(cells)
    if not degrees:
        return np.stack([y, x], axis=1)
    lat, lon = np.deg2rad(y), np.deg2rad(x)
    points = [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]
    return _RADIUS * np.stack(points, axis=1)


def straight(distance: float, points: FloatArray) -> float:
    """Return how long the straight line between two points is whose way on the Earth is given."""
    if points.shape[1] == 2:
        return distance
    return float(2 * _RADIUS * np.sin(min(distance / (2 * _RADIUS), np.pi / 2)))
