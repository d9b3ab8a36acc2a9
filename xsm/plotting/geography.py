"""Where cells lie on a map: their edges, longitudes without a jump, and coasts."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xsm.data.grid import axis_of
from xsm.exceptions import GridError
from xsm.typing import FloatArray

__all__ = ["cell_edges", "coastline", "degrees", "map_axes", "on_globe", "placed", "space_of"]


_STATIONS = {"X": ("longitude", "lon", "x", "easting"), "Y": ("latitude", "lat", "y", "northing")}


def cell_edges(centres: FloatArray, *, alone: float = 1.0) -> FloatArray:
    """Return the edges of cells from their ascending or descending centres: one more than these.

    Half way between centres, and as far beyond the first and the last; ``alone`` is the size of a
    cell that has no neighbour.
    """
    centres = np.asarray(centres, dtype=float)
    if centres.size == 1:
        return centres[0] + np.array([-0.5, 0.5]) * alone
    middle = (centres[1:] + centres[:-1]) / 2
    ends = (2 * centres[0] - middle[0], 2 * centres[-1] - middle[-1])
    return np.concatenate([ends[:1], middle, ends[1:]])


def space_of(array: xr.DataArray) -> tuple[str, ...]:
    """Return the dimensions of an array that are space.

    Two of a grid; one of a list of cells, whose coordinates say where they lie; two of two,
    whatever they are; else none.
    """
    found = {axis_of(array, str(d)): str(d) for d in array.dims}
    if "X" in found and "Y" in found:
        return found["X"], found["Y"]
    for dim in map(str, array.dims):
        if all(_coordinate(array, axis, (dim,)) for axis in _STATIONS):
            return (dim,)
    if array.ndim == 2 and not any(found):
        return str(array.dims[1]), str(array.dims[0])
    return ()


def map_axes(array: xr.DataArray) -> tuple[str, str]:
    """Return the names of the axes of a map, across and along.

    Dimensions of a grid; of a list of cells the names of its coordinates. A GridError if they
    cannot be told; the message names the dimensions.
    """
    space = space_of(array)
    if len(space) == 2:
        return space[0], space[1]
    own = {axis: _coordinate(array, axis, space) for axis in _STATIONS}
    if all(own.values()):
        return own["X"], own["Y"]
    msg = (
        f"A map needs two dimensions of space, such as latitude and longitude, or one with these "
        f"as coordinates; {array.name!r} has {dict(array.sizes)} and the coordinates "
        f"{list(map(str, array.coords))}. Keep both, for example .isel(latitude=[0]), or name the "
        'axes by their attributes, ds["x"].attrs["axis"] = "X".'
    )
    raise GridError(msg)


def _coordinate(array: xr.DataArray, axis: str, dims: tuple[str, ...]) -> str:
    """Return the coordinate that says where the members of a list lie on an axis."""
    names = [str(c) for c in array.coords if array[c].dims == dims and str(c) not in dims]
    named = [n for n in names if n.lower() in _STATIONS[axis]]
    return next(iter([*named, *(n for n in names if axis_of(array, n) == axis)]), "")


def degrees(array: xr.DataArray, dim: str) -> bool:
    """Tell whether an axis of a map is in degrees, by its units, else by its name."""
    if dim not in array.coords:
        return False
    units = str(array[dim].attrs.get("units", ""))
    return units.startswith("degree") or (not units and dim.lower()[:3] in {"lat", "lon"})


def placed(array: xr.DataArray, dim: str) -> FloatArray:
    """Return the coordinate of an axis of a map, longitudes without a jump.

    Numbers of the cells where there is no coordinate. Longitudes that jump at 0 or 180 degrees go
    on beyond it: 359, 0, 1 becomes 359, 360, 361.
    """
    if dim not in array.coords or array[dim].dtype.kind not in "iuf":
        return np.arange(array.sizes[dim], dtype=float)
    values = np.asarray(array[dim].values, dtype=float)
    if axis_of(array, dim) == "X" and degrees(array, dim) and dim in array.dims:
        return np.unwrap(values, period=360.0)
    return values


def on_globe(panel: Any, array: xr.DataArray) -> dict[str, Any]:
    """Return what tells axes of cartopy that a map is in degrees: the argument ``transform``.

    Nothing for other axes, or other units than degrees.
    """
    if not hasattr(panel, "projection") or not all(degrees(array, d) for d in map_axes(array)):
        return {}
    import cartopy.crs

    return {"transform": cartopy.crs.PlateCarree()}


def coastline(scale: str = "110m") -> Path | None:
    """Return the file of the world's coasts at a scale of Natural Earth, where this machine has it.

    None where cartopy, or the file, is missing. Nothing is downloaded.
    """
    if importlib.util.find_spec("cartopy") is None:
        return None
    import cartopy

    name = f"ne_{scale}_coastline.shp"
    folders = (cartopy.config["pre_existing_data_dir"], cartopy.config["data_dir"])
    for folder in filter(None, map(str, folders)):
        path = Path(folder, "shapefiles", "natural_earth", "physical", name)
        if path.is_file():
            return path
    return None
