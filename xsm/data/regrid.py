"""Data on the cells of another grid: conservative means, or the nearest cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import xarray as xr

from xsm.data.doubt import doubt_fills
from xsm.data.naming import roles_of
from xsm.data.nesting.axes import Axis, cell_area
from xsm.data.nesting.conservative import overlap_mean, overlaps
from xsm.data.nesting.pairs import nearest_cells, pair_axes
from xsm.data.nesting.planes import each_plane
from xsm.data.provenance import recorded
from xsm.data.refused import check_moving
from xsm.data.units import dequantify, quantify
from xsm.exceptions import GridError, check_choice, warn_outside
from xsm.typing import Array

__all__ = ["regrid"]


Data = TypeVar("Data", xr.Dataset, xr.DataArray)

_FLAGS = ("flag_values", "flag_masks", "flag_meanings")
_EXTENSIVE = frozenset({"m2", "m^2", "m**2", "km2", "km^2", "m3", "m^3", "m**3", "km3", "km^3"})
_BOUNDS = ("_bnds", "_bounds")


def regrid(
    ds: Data,
    like: xr.Dataset | xr.DataArray,
    *,
    method: Literal["conservative", "nearest"] = "conservative",
    share: float = 0.5,
) -> Data:
    """Carry data to the cells of another grid, conservatively or from the nearest cell, lazily.

    Parameters
    ----------
    ds : Dataset or DataArray
        Variables (..., y, x) on a grid whose horizontal axes have one-dimensional coordinates:
        latitude and longitude, or those of a projection. Latitudes may descend, longitudes begin
        at -180, at 0 or elsewhere.
    like : Dataset or DataArray
        Data on the grid wanted: any cells, finer or coarser, of a part of the globe or of all. Only
        its horizontal coordinates are used, with their bounds where there are any.
    method : {"conservative", "nearest"}, default: "conservative"
        ``"conservative"``: the mean over the part of each cell that has values, weighted by area.
        ``"nearest"``: the value of the cell with the nearest centre along each axis.
    share : float, default: 0.5
        Least share of a cell's area, above 0 and up to 1, that has to lie in cells with values;
        below it the cell is NaN. Of ``"conservative"`` alone.

    Returns
    -------
    Dataset or DataArray
        What was given, with the horizontal coordinates and names of dimensions of ``like``, at the
        place of the old ones; all else stays: names, attributes, other dimensions and coordinates,
        variables without a map, precision. NaN is missing and takes no part. Lazy where the input
        is, in blocks that lie where those of the input do; quantified where the input is.
        Coordinates along the old cells are dropped.

    Raises
    ------
    GridError
        If a grid has no horizontal axes of one dimension, one is geographic and the other projected
        or rotated, they do not overlap, or ``share`` is none.
    UnknownNameError
        If there is no such method.

    Warns
    -----
    UserWarning
        If variables are left out (along one of the axes alone, text, areas and volumes of cells, of
        which a mean makes no sense), or are classes or flags, which have no mean: they are taken
        from the nearest cell.

    Notes
    -----
    Cell j gets of the cells i with a value ::

        x_j = sum_i x_i |i and j| / sum_i |i and j|

    with areas on the sphere, ``(sin lat_2 - sin lat_1) (lon_2 - lon_1)``, or on the projection.
    Both are products, so the overlaps are those of the axes (first order conservative remapping,
    Jones 1999). Without missing values the integral over the area that both grids cover is kept to
    rounding. Edges of cells are their bounds, else halfway between centres; at the poles they end.

    References
    ----------
    Jones, P. W. (1999). Monthly Weather Review 127:2204-2210.

    Examples
    --------
    >>> west = {"lat": [-45.0, 45.0], "lon": [-135.0, -45.0, 45.0, 135.0]}
    >>> field = xr.DataArray([[1.0, 2.0, 3.0, 4.0]] * 2, west, ("lat", "lon"))
    >>> east = xr.DataArray(coords={"lat": [0.0], "lon": [90.0, 270.0]}, dims=("lat", "lon"))
    >>> east = east.to_dataset(name="x").assign_coords(lat_bnds=(("lat", "v"), [[-90.0, 90.0]]))
    >>> regrid(field, east).values  # 0 to 180, and 180 to 360 degrees
    array([[3.5, 1.5]])
    """
    check_choice("method", method, ("conservative", "nearest"))
    _check_share(share)
    _check_type("ds", ds)
    _check_type("like", like)
    if isinstance(ds, xr.Dataset):
        return _regridded(ds, like, method, share)
    name = "regridded" if ds.name is None else ds.name
    found = _regridded(ds.to_dataset(name=name), like, method, share)
    if name not in found.data_vars:
        msg = f"{name!r} cannot be carried to another grid: the warning says why."
        raise GridError(msg)
    return found[name].rename(ds.name)


def _check_type(name: str, given: object) -> None:
    """Refuse what holds no labelled cells."""
    if not isinstance(given, xr.Dataset | xr.DataArray):
        msg = (
            f"{name} is of the type {type(given).__name__}; a Dataset or DataArray with "
            "coordinates is needed: xsm.regrid(ds, like)."
        )
        raise TypeError(msg)


def _check_share(share: object) -> None:
    """Refuse what is no share of an area."""
    if not (isinstance(share, int | float) and 0 < share <= 1):
        msg = (
            f"share={share!r} was given; the least share of a cell's area that has values is "
            "needed, above 0 and up to 1: share=0.5."
        )
        raise GridError(msg)


def _regridded(
    ds: xr.Dataset, like: xr.Dataset | xr.DataArray, method: str, share: float
) -> xr.Dataset:
    """Carry the maps of a data set to another grid."""
    plain, quantified = dequantify(ds)
    own, wanted = pair_axes(plain, like)
    dims = {a.dim: w.dim for a, w in zip(own, wanted, strict=True)}
    ways = _ways(plain, own, method)
    roles = roles_of(plain)
    doubt_fills(plain, {n: roles.get(n) for n, way in ways.items() if way == "conservative"})
    near = nearest_cells(plain, own, like, wanted)
    how: dict[str, _Averaging | _Taking] = {"nearest": _Taking(near)}
    lengths, least = (own[0].lengths, own[1].lengths), share * cell_area(*wanted)
    how["conservative"] = _Averaging(lengths, overlaps(own, wanted), least)
    made = {
        name: _carried(plain[name].variable, dims, wanted, how[way]) for name, way in ways.items()
    }
    labels = _labels(like, wanted)
    kept = plain.drop_dims(list(dims)).drop_vars(labels, errors="ignore")
    known: dict[Any, Any] = {**kept.data_vars, **made}
    found = kept.drop_vars(list(kept.data_vars)).assign_coords(labels)
    found = found.assign({n: known[n] for n in plain.data_vars if n in known})
    found = recorded(found, f"regrid, {method}", of=ds, title="Values on another grid")
    return quantify(found) if quantified else found


def _ways(ds: xr.Dataset, own: tuple[Axis, Axis], method: str) -> dict[str, str]:
    """Return how each map is carried; warn of what is left out, and of classes."""
    dims = {axis.dim for axis in own}
    kinds = {name: role.kind for name, role in roles_of(ds).items()}
    check_moving(ds, dims, kinds)
    ways: dict[str, str] = {}
    lost, classes = [], []
    for name, array in ((str(n), a) for n, a in ds.data_vars.items() if dims & set(a.dims)):
        units = str(array.attrs.get("units", "")).replace(" ", "")
        if not dims <= set(array.dims):
            lost += [] if _is_bounds(ds, name, dims) else [f"{name!r} (along one axis alone)"]
        elif array.dtype.kind not in "fiubmM":
            lost.append(f"{name!r} (no numbers)")
        elif method == "conservative" and (_is_class(array) or kinds.get(name) == "categorical"):
            classes.append(repr(name))
            ways[name] = "nearest"
        elif method == "conservative" and units in _EXTENSIVE:
            lost.append(f"{name!r} (in {units}: divide it by the area of its cells first)")
        else:
            ways[name] = method
    _tell(lost, classes)
    return ways


def _is_class(array: xr.DataArray) -> bool:
    """Tell whether values are flags or dates, which have no mean."""
    return any(key in array.attrs for key in _FLAGS) or array.dtype.kind in "bmM"


def _is_bounds(ds: xr.Dataset, name: str, dims: set[str]) -> bool:
    """Tell whether a variable holds the bounds of one of the horizontal axes."""
    said = {ds[d].attrs.get("bounds", ds[d].encoding.get("bounds")) for d in dims}
    return name in said or name.endswith(_BOUNDS)


def _tell(lost: list[str], classes: list[str]) -> None:
    """Warn of what is left out, and of classes."""
    said = f"xsm.regrid: left out: {', '.join(lost)}. " if lost else ""
    if classes:
        said += (
            f"xsm.regrid: {', '.join(classes)} hold classes or flags, which have no mean; they are "
            "taken from the nearest cell. Leave them out where they are not needed: "
            f"ds.drop_vars([{', '.join(classes)}])."
        )
    if said:
        warn_outside(said.strip())


@dataclass(frozen=True, eq=False)
class _Averaging:
    """Averages planes over the parts of cells: ``overlap_mean`` with all but its values."""

    lengths: tuple[Array, Array]
    places: tuple[Array, Array]
    least: Array

    def __call__(self, planes: Array) -> Array:
        """Average planes."""
        return overlap_mean(planes, lengths=self.lengths, places=self.places, least=self.least)

    def kind(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """Return the precision of means."""
        return dtype if dtype.kind == "f" else np.dtype(float)

    def needs(self, axis: int, cells: slice = slice(None)) -> Array:
        """Return the cells that lie in some cells of the result, at least one."""
        first, last = self.places[axis][..., cells].swapaxes(0, 1)
        steps = np.zeros(len(self.lengths[axis]) + 1, int)
        there = last > first
        np.add.at(steps, np.floor(first[there]).astype(int), 1)
        np.add.at(steps, np.ceil(last[there]).astype(int), -1)
        found = np.flatnonzero(np.cumsum(steps[:-1]))
        return found if len(found) else np.zeros(1, int)

    def begins(self, axis: int) -> Array:
        """Return the first cell that lies in each cell of the result, -1 for none."""
        first, last = self.places[axis].swapaxes(0, 1)
        found = np.where(last > first, np.floor(first), np.inf).min(axis=0)
        return np.where(np.isfinite(found), found, -1).astype(int)

    def part(self, cells: tuple[slice, slice], needed: tuple[Array, Array]) -> _Averaging:
        """Return the function of the cells needed."""
        places = [p[..., some] for p, some in zip(self.places, cells, strict=True)]
        moved = [
            np.searchsorted(at, np.floor(p)) + np.where(np.isin(np.floor(p), at), p % 1, 0.0)
            for p, at in zip(places, needed, strict=True)
        ]
        lengths = [length[at] for length, at in zip(self.lengths, needed, strict=True)]
        pair = (lengths[0], lengths[1]), (moved[0], moved[1])
        return _Averaging(*pair, self.least[cells])


@dataclass(frozen=True, eq=False)
class _Taking:
    """Takes planes from the nearest cells; -1, and missing, where none is near."""

    places: tuple[Array, Array]

    def __call__(self, planes: Array) -> Array:
        """Return the values of the nearest cells."""
        found = planes.take(self.places[0], -2).take(self.places[1], -1)
        if self._there.all():
            return found
        missing = found.dtype.type("NaT") if found.dtype.kind in "mM" else np.float32(np.nan)
        return np.where(self._there, found, missing)

    @property
    def _there(self) -> Array:
        """Tell which cells of the result have a nearest cell."""
        rows, columns = self.places
        return (rows >= 0)[:, None] & (columns >= 0)

    def kind(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """Return the precision of values, some of which may be missing."""
        whole = dtype.kind in "iub" and not self._there.all()
        return np.result_type(dtype, np.float32) if whole else dtype

    def needs(self, axis: int, cells: slice = slice(None)) -> Array:
        """Return the nearest cells of some cells of the result, at least one."""
        found = np.unique(self.places[axis][cells])
        return found[found >= 0] if found[-1] >= 0 else np.zeros(1, int)

    def begins(self, axis: int) -> Array:
        """Return the nearest cell of each cell of the result, -1 for none."""
        return self.places[axis]

    def part(self, cells: tuple[slice, slice], needed: tuple[Array, Array]) -> _Taking:
        """Return the function of the cells needed."""
        some = [p[at] for p, at in zip(self.places, cells, strict=True)]
        rows, columns = (
            np.where(p >= 0, np.searchsorted(at, p), -1) for p, at in zip(some, needed, strict=True)
        )
        return _Taking((rows, columns))


def _carried(
    variable: xr.Variable,
    dims: Mapping[str, str],
    wanted: tuple[Axis, Axis],
    function: _Averaging | _Taking,
) -> xr.Variable:
    """Apply a function of planes to a variable."""
    axes = tuple(variable.dims.index(d) for d in dims)
    shape = (wanted[0].size, wanted[1].size)
    data = each_plane(
        function, variable.data, (axes[0], axes[1]), shape, function.kind(variable.dtype)
    )
    names = [dims.get(str(d), d) for d in variable.dims]
    attrs = {k: v for k, v in variable.attrs.items() if k != "coordinates"}
    return xr.Variable(names, data, attrs)


def _labels(
    like: xr.Dataset | xr.DataArray, wanted: tuple[Axis, Axis]
) -> dict[str, xr.DataArray | xr.Variable]:
    """Return the horizontal coordinates of the grid wanted, with their bounds."""
    dims = {axis.dim for axis in wanted}
    found = {str(n): c.variable for n, c in like.coords.items() if c.dims and set(c.dims) <= dims}
    for dim in dims:
        attrs = dict(found[dim].attrs)
        said = attrs.pop("bounds", found[dim].encoding.get("bounds"))
        known = like.variables if isinstance(like, xr.Dataset) else like.coords.variables
        for name in (n for n in (said, *(f"{dim}{end}" for end in _BOUNDS)) if n in known):
            attrs["bounds"] = str(name)
            found[str(name)] = known[name]
        found[dim] = xr.Variable(dim, found[dim].values, attrs)
    return dict(found)
