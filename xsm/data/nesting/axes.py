"""The two horizontal axes of a grid: edges of cells, what they measure, whether they close."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import xarray as xr

from xsm.data.units import conversion
from xsm.exceptions import GridError, UnitsError
from xsm.typing import FloatArray

__all__ = ["Axis", "cell_area", "horizontal_axes", "refine"]


Kind: TypeAlias = Literal["latitude", "longitude", "projected"]

_EARTH = 6_371_007.2  # m: radius of the sphere with the area of WGS 84 (authalic)
_NAMES: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "y": (
        frozenset({"latitude", "lat", "nav_lat", "rlat", "y", "northing"}),
        frozenset({"latitude", "projection_y_coordinate", "grid_latitude"}),
    ),
    "x": (
        frozenset({"longitude", "lon", "nav_lon", "rlon", "x", "easting"}),
        frozenset({"longitude", "projection_x_coordinate", "grid_longitude"}),
    ),
}
_GEOGRAPHIC: dict[str, Kind] = {"y": "latitude", "x": "longitude"}
_POLE = 90.001
_UNEVEN = 5.0  # median widths: a wider cell of longitude is none, but a jump of the labels


@dataclass(frozen=True, eq=False)
class Axis:
    """Cells along one horizontal axis.

    Parameters
    ----------
    dim : str
        Name of the dimension.
    edges : ndarray
        (cell + 1,) ascending or descending, in the units of the coordinate.
    kind : {"latitude", "longitude", "projected"}
        What the coordinate is.
    unit : float, default: 1.0
        Metres (projected) or degrees in a unit of the coordinate.

    Examples
    --------
    >>> axis = Axis("lat", np.array([90.0, 0.0, -90.0]), "latitude")
    >>> axis.centres.tolist(), axis.size, axis.ring
    ([45.0, -45.0], 2, False)
    """

    dim: str
    edges: FloatArray
    kind: Kind
    unit: float = 1.0

    @property
    def size(self) -> int:
        """Number of cells."""
        return len(self.edges) - 1

    @property
    def centres(self) -> FloatArray:
        """Middles of the cells (cell,)."""
        middle: FloatArray = (self.edges[1:] + self.edges[:-1]) / 2
        return middle

    @property
    def width(self) -> float:
        """Median width of a cell, positive."""
        return float(np.median(np.abs(np.diff(self.edges))))

    @property
    def ring(self) -> bool:
        """Whether the axis goes around the globe."""
        span = abs(self.edges[-1] - self.edges[0]) * self.unit
        gap = abs(span - 360.0)
        return bool(self.kind == "longitude" and gap < 1e-3 * self.width * self.unit)

    def along(self, edges: FloatArray) -> FloatArray:
        """Return places along the axis in which lengths are proportional to areas.

        Parameters
        ----------
        edges : ndarray
            Places in the units of the coordinate.

        Returns
        -------
        ndarray
            Metres, such that the area of a cell is the product of its two lengths.
        """
        if self.kind == "latitude":
            return _EARTH * np.sin(np.deg2rad(edges * self.unit))
        if self.kind == "longitude":
            return _EARTH * np.deg2rad(edges * self.unit)
        return edges * self.unit

    @property
    def lengths(self) -> FloatArray:
        """Lengths of the cells (cell,) whose product over both axes is their area, m."""
        found: FloatArray = np.abs(np.diff(self.along(self.edges)))
        return found


def horizontal_axes(data: xr.Dataset | xr.DataArray) -> tuple[Axis, Axis]:
    """Return the two horizontal axes of a grid.

    They are found by ``standard_name``, ``axis`` or units of the coordinate, else by its name.
    Edges are those of the variable that the attribute ``bounds`` names (or ``<dim>_bnds``), else
    halfway between the centres; latitudes end at the poles.

    Parameters
    ----------
    data : xarray.Dataset or xarray.DataArray
        Data on a grid whose horizontal dimensions have one-dimensional coordinates.

    Returns
    -------
    tuple of Axis
        y, then x. Only coordinates are read.

    Raises
    ------
    GridError
        If an axis is not found, is empty, is not monotonic, has one cell and no bounds, or units
        of no length; if longitudes jump, as where a region crosses the antimeridian.

    Examples
    --------
    >>> grid = xr.DataArray(np.zeros((2, 4)), {"lat": [0.5, 1.5], "lon": [0, 90, 180, 270]})
    >>> y, x = horizontal_axes(grid)
    >>> y.edges.tolist(), x.edges.tolist(), x.ring
    ([0.0, 1.0, 2.0], [-45.0, 45.0, 135.0, 225.0, 315.0], True)
    """
    return _axis(data, "y"), _axis(data, "x")


def _axis(data: xr.Dataset | xr.DataArray, which: str) -> Axis:
    """Return one horizontal axis."""
    dims = [str(d) for d in data.dims if d in data.indexes and _is(data[d], which)]
    if len(dims) != 1:
        given = ", ".join(f"{d!r}: {n}" for d, n in data.sizes.items()) or "none"
        what = "no dimension is" if not dims else f"{dims} are"
        names = "latitude, lat or y" if which == "y" else "longitude, lon or x"
        msg = (
            f"A grid with two horizontal axes is needed; {what} the {which} axis (dimensions: "
            f"{given}). Rename one to {names}, with a one-dimensional coordinate, or set "
            f'its attribute axis="{which.upper()}".'
        )
        raise GridError(msg)
    coordinate = data[dims[0]]
    kind, unit = _kind(coordinate, which)
    edges = _edges(data, dims[0], kind)
    if kind == "latitude":
        _check_latitudes(coordinate)
        edges = np.clip(edges, -90.0, 90.0)
    return Axis(dims[0], edges, kind, unit)


def _check_latitudes(coordinate: xr.DataArray) -> None:
    """Refuse latitudes beyond the poles: these are longitudes, or of another unit."""
    far = float(np.abs(coordinate.values).max(initial=0.0))
    if far > _POLE:
        msg = (
            f"{str(coordinate.name)!r} reaches {far:g} degrees of latitude, and 90 is the pole. "
            "Where longitude and latitude were mixed up, type ds.rename(lat='lon', lon='lat'), by "
            "their names."
        )
        raise GridError(msg)


def _is(coordinate: xr.DataArray, which: str) -> bool:
    """Tell whether a coordinate is the y, or the x, axis."""
    if coordinate.dtype.kind not in "fiu":
        return False
    names = _NAMES[which][0]
    attrs = coordinate.attrs
    for other in _NAMES:
        said = attrs.get("axis") == other.upper()
        if said or attrs.get("standard_name") in _NAMES[other][1]:
            return other == which
    return str(coordinate.name).lower() in names


def _kind(coordinate: xr.DataArray, which: str) -> tuple[Kind, float]:
    """Return what a coordinate is, and its unit."""
    units = str(coordinate.attrs.get("units", ""))
    geographic = units.startswith("degree") or str(coordinate.name).lower()[:3] in {"lat", "lon"}
    if geographic or str(coordinate.name).lower() in {"rlat", "rlon"}:  # also of a rotated pole
        return _GEOGRAPHIC[which], 1.0
    try:
        return "projected", conversion(units or "m", "m").factor
    except UnitsError as error:
        name = str(coordinate.name)
        msg = (
            f"{name!r} has units {units!r}, which are neither a length nor degrees. Give "
            f'metres, ds["{name}"].attrs["units"] = "m", once its values are.'
        )
        raise GridError(msg) from error


def _edges(data: xr.Dataset | xr.DataArray, dim: str, kind: Kind) -> FloatArray:
    """Return the edges of the cells along a dimension."""
    centres = np.asarray(data[dim].values, float)
    if not centres.size:
        msg = (
            f"{dim!r} is empty: nothing was selected. A slice follows the order of the coordinate: "
            f"ds.sel({dim}=slice(high, low)) where it descends."
        )
        raise GridError(msg)
    if not _monotonic(centres):
        advice = _unwrapped(centres, dim) if kind == "longitude" else None
        msg = f"{dim!r} is not monotonic; type {advice or f'ds.sortby({dim!r})'}."
        raise GridError(msg)
    bounds = _bounds(data, dim, 360.0 if kind == "longitude" else np.inf)
    if bounds is not None:
        return bounds
    if centres.size < 2:
        msg = (
            f"{dim!r} has one cell, whose edges cannot be inferred. Give its bounds: "
            f'ds.assign_coords({dim}_bnds=(("{dim}", "bnds"), [[lower, upper]])), a Dataset.'
        )
        raise GridError(msg)
    steps = np.diff(centres)
    middle = (centres[1:] + centres[:-1]) / 2
    ends = [centres[0] - steps[0] / 2], [centres[-1] + steps[-1] / 2]
    edges = np.concatenate([ends[0], middle, ends[1]])
    if kind == "longitude":
        _check_turn(edges, centres, dim)
    return edges


def _monotonic(values: FloatArray) -> bool:
    """Tell whether values ascend, or descend."""
    steps = np.diff(values)
    return bool((steps > 0).all() or (steps < 0).all())


def _unwrapped(centres: FloatArray, dim: str) -> str | None:
    """Return what to type so that longitudes that a seam parts lie in a row."""
    gap = np.diff(np.sort(centres)).max()
    ways = {
        f"ds.{dim} % 360": centres % 360,
        f"(ds.{dim} + 180) % 360 - 180": (centres + 180) % 360 - 180,
    }
    for text, values in ways.items():
        in_order = _monotonic(values)
        if np.diff(np.sort(values)).max() < gap / 2 or (in_order and not _monotonic(centres)):
            return f"ds.assign_coords({dim}={text})" + ("" if in_order else f".sortby({dim!r})")
    return None


def _check_turn(edges: FloatArray, centres: FloatArray, dim: str) -> None:
    """Refuse longitudes that jump, or go around the globe more than once."""
    widths = np.abs(np.diff(edges))
    width, span = float(np.median(widths)), float(widths.sum())
    around = span > 360.0 + 1e-3 * width
    if not around and widths.max() < _UNEVEN * width:
        return
    advice = _unwrapped(centres, dim)
    if advice is not None:
        advice = f"Where they cross a seam, type {advice}."
    elif around:
        advice = f"Where the last column repeats the first, type ds.isel({dim}=slice(-1))."
    else:
        advice = f"Select a region without gaps, or give the bounds of the cells as {dim}_bnds."
    msg = (
        f"{dim!r} makes cells of {widths.min():g} to {widths.max():g} degrees, {span:g} together: "
        f"no row of longitudes. {advice}"
    )
    raise GridError(msg)


def _bounds(data: xr.Dataset | xr.DataArray, dim: str, turn: float) -> FloatArray | None:
    """Return the edges that bounds give, in the order of the cells; these lie in them."""
    said = data[dim].attrs.get("bounds", data[dim].encoding.get("bounds"))
    known = data.variables if isinstance(data, xr.Dataset) else data.coords
    names = [n for n in (said, f"{dim}_bnds", f"{dim}_bounds") if n is not None and n in known]
    if not names:
        return None
    pairs = np.sort(np.asarray(data[names[0]].values, float), axis=1)
    falls = data.sizes[dim] > 1 and data[dim].values[1] < data[dim].values[0]
    near, far = (pairs[:, 1], pairs[:, 0]) if falls else (pairs[:, 0], pairs[:, 1])
    if not np.allclose(near[1:], far[:-1], rtol=0, atol=1e-3 * np.ptp(pairs, axis=1).min()):
        msg = (
            f"The bounds {names[0]!r} of {dim!r} leave gaps or overlap; cells must adjoin. Where "
            f"the coordinate alone is right, type ds = ds.drop_vars({names[0]!r})."
        )
        raise GridError(msg)
    off = np.abs(np.asarray(data[dim].values, float) - pairs.mean(axis=1))
    if (np.minimum(off, np.abs(off - turn)) > 0.501 * np.ptp(pairs, axis=1)).any():
        msg = (
            f"{dim!r} does not lie in its bounds {names[0]!r}, {pairs.min():g} to {pairs.max():g}: "
            f"one of both is of other cells. Drop what is wrong, ds = ds.drop_vars({names[0]!r})."
        )
        raise GridError(msg)
    return np.append(near, far[-1])


def refine(axis: Axis, factor: int) -> Axis:
    """Divide each cell of an axis into equal parts.

    Parameters
    ----------
    axis : Axis
        Coarse cells.
    factor : int
        Parts of each.

    Returns
    -------
    Axis
        The same edges, and ``factor - 1`` more in each cell, equally far apart in the units of
        the coordinate.

    Examples
    --------
    >>> refine(Axis("x", np.array([0.0, 4.0, 8.0]), "projected"), 2).edges.tolist()
    [0.0, 2.0, 4.0, 6.0, 8.0]
    """
    places = np.arange(axis.size * factor + 1) / factor
    edges = np.interp(places, np.arange(axis.size + 1), axis.edges)
    return Axis(axis.dim, edges, axis.kind, axis.unit)


def cell_area(y: Axis, x: Axis) -> FloatArray:
    """Return the areas of the cells of a grid.

    Parameters
    ----------
    y, x : Axis
        Its axes.

    Returns
    -------
    ndarray
        (y, x) in m2: exact on the sphere of 6371.0072 km radius between meridians and parallels;
        the product of the sides on a projection, which is exact where it keeps areas.

    Examples
    --------
    >>> y = Axis("lat", np.array([-90.0, 90.0]), "latitude")
    >>> x = Axis("lon", np.array([0.0, 360.0]), "longitude")
    >>> round(float(cell_area(y, x)[0, 0]) / 1e12, 1)  # the Earth, million km2
    510.1
    """
    return y.lengths[:, None] * x.lengths[None, :]
