"""Stores of water as depth: any units, layers of soil summed, errors beside values."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr

from xsm.data.naming import ROLES
from xsm.data.naming.layers import Bounds, depth_dim, dim_bounds, layer_bounds
from xsm.data.units import conversion
from xsm.exceptions import GridError, MissingVariableError, UnitsError

__all__ = ["Store", "read_store"]


_ERRORS = ("_error", " error", "_std", "_stderr", "_uncertainty", "_sigma")
_BOUNDS = ("_bnds", "_bounds")
_SNOW_DEPTHS = {"surface_snow_thickness", "thickness_of_snowfall_amount"}
_VOLUMES = {
    "acre-feet": "acre_foot",
    "acre feet": "acre_foot",
    "af": "acre_foot",
    "thousand acre-feet": "kiloacre_foot",
    "taf": "kiloacre_foot",
    "million acre-feet": "megaacre_foot",
    "maf": "megaacre_foot",
}
"""Volumes of water as agencies of the United States write them; pint reads "acre feet" as an area
times a length of another survey."""


@dataclass(frozen=True)
class Store:
    """A store of water.

    Parameters
    ----------
    depth : DataArray
        mm of water (time, *space).
    error : DataArray or None
        Its standard error in mm, where it is known.
    """

    depth: xr.DataArray
    error: xr.DataArray | None


def read_store(
    data: xr.DataArray | xr.Dataset,
    what: str,
    *,
    area: float | xr.DataArray | None = None,
    layered: bool = False,
) -> Store:
    """Return a store of water in mm, with its error where the data hold one, lazily.

    Parameters
    ----------
    data : DataArray or Dataset
        Water (time, *space) with units of depth (mm, cm, m), of mass on an area (kg m-2) or of
        volume (km3, acre-feet). A Dataset holds one variable, and its standard error under the same
        name with ``_error``, ``_std``, ``_stderr``, ``_uncertainty`` or ``_sigma`` behind.
    what : str
        Name of the store, for errors.
    area : float or DataArray, optional
        Area that a volume spreads over: m2, or with units.
    layered : bool, default: False
        Layers of soil are summed, along a dimension of depth or as several variables; volumetric
        moisture (m3 m-3) is multiplied by their thickness.

    Returns
    -------
    Store
        mm, NaN where the value or a layer of it is NaN. Errors of layers are added in quadrature.

    Raises
    ------
    MissingVariableError
        If there is no variable, or several where one is needed.
    UnitsError
        If units are missing, or are no amount of water.
    GridError
        If bounds of layers are not known, layers overlap, or the area is of other cells.

    Examples
    --------
    >>> snow = xr.DataArray([0.1, 0.2], dims="time", attrs={"units": "m"})
    >>> read_store(snow, "snow").depth.values
    array([100., 200.])
    """
    ds = data if isinstance(data, xr.Dataset) else _as_dataset(data, what)
    errors = {e: v for v in ds.data_vars if (e := _error_of(ds, str(v))) is not None}
    names = [str(v) for v in ds.data_vars if v not in errors and not _is_bounds(ds, str(v))]
    _check_names(names, what, layered=layered)
    if layered:
        _check_overlap(ds, names, what)
    by_value = {str(value): error for error, value in errors.items()}
    depths = [_depth(ds, n, ds[n], what, area, layered=layered) for n in names]
    spreads = [_spread(ds, n, by_value[n], what, area, layered=layered) for n in by_value]
    total = depths[0]
    for depth in depths[1:]:
        total = total + depth
    return Store(total, _quadrature(spreads))


def _as_dataset(array: xr.DataArray, what: str) -> xr.Dataset:
    """Return an array as a data set of one variable."""
    return array.to_dataset(name=what if array.name is None else array.name)


def _error_of(ds: xr.Dataset, value: str) -> str | None:
    """Return the name of a variable's error, where there is one."""
    found = [f"{value}{end}" for end in _ERRORS if f"{value}{end}" in ds.data_vars]
    alone = [name for name in ("error", "std", "uncertainty") if name in ds.data_vars]
    if not found and alone and len(ds.data_vars) == 2 and value not in alone:
        found = alone
    return found[0] if found else None


def _is_bounds(ds: xr.Dataset, name: str) -> bool:
    """Tell whether a variable holds the bounds of a coordinate."""
    stated = {v.attrs.get("bounds", v.encoding.get("bounds")) for v in ds.variables.values()}
    return name in stated or name.endswith(_BOUNDS)


def _check_names(names: list[str], what: str, *, layered: bool) -> None:
    """Refuse no variable, and several where one is needed."""
    if len(names) == 1 or (names and layered):
        return
    msg = (
        f"{what} was given as a Dataset of {names}; one variable is needed, with its error where "
        f'it is known. Pass it alone: {what}=ds["name"], or ds[["name", "name_error"]].'
    )
    raise MissingVariableError(msg)


def _layers(ds: xr.Dataset, name: str) -> tuple[str | None, list[tuple[int, Bounds]]]:
    """Return the dimension of a variable's layers, and their positions and bounds."""
    dim = depth_dim(ds, name)
    if dim is None:
        return None, [(0, layer_bounds(ds, name, ROLES["soil_moisture"]))]
    return dim, dim_bounds(ds, name, dim)


def _check_overlap(ds: xr.Dataset, names: list[str], what: str) -> None:
    """Refuse to sum layers that share soil, or of which that is not known."""
    layers = [(n, bounds) for n in names for _, bounds in _layers(ds, n)[1]]
    unknown = sorted({name for name, bounds in layers if bounds is None})
    if unknown and len(names) > 1:
        raise GridError(_unknown_bounds(unknown[0], what))
    known = sorted((bounds, name) for name, bounds in layers if bounds is not None)
    for (upper, one), (lower, other) in pairwise(known):
        if lower[0] < upper[1] - 1e-6:
            msg = (
                f"Layers of {what} overlap: {one!r} {upper[0]:g}-{upper[1]:g} m and {other!r} "
                f"{lower[0]:g}-{lower[1]:g} m, so that their water would count twice. Pass layers "
                f'that do not: {what}=ds[["first", "second"]].'
            )
            raise GridError(msg)


def _unknown_bounds(name: str, what: str) -> str:
    """Say that bounds are not known, and how to state them."""
    return (
        f"The bounds of {name!r}, a layer of {what}, are not known. State them in m from the "
        f'surface down, one number more than layers: ds["{name}"].attrs["layer_edges_m"] = '
        "[0.0, 0.1]; or pass water in mm."
    )


def _depth(
    ds: xr.Dataset,
    name: str,
    array: xr.DataArray,
    what: str,
    area: float | xr.DataArray | None,
    *,
    layered: bool,
) -> xr.DataArray:
    """Return a variable in mm, its layers summed."""
    units = array.attrs.get("units", ds[name].attrs.get("units"))
    factor, kind = _factor(units, name, what, layered=layered)
    _check_snow(array, what)
    water = _bare(array) * factor
    if kind == "volume":
        water = _spread_over(water, _area(area, name, units), name)
    dim, layers = _layers(ds, name) if layered else (None, [])
    if kind == "moisture":
        thickness = _thickness(layers, name, what)
        if dim is None:
            return water * thickness[0]
        water = water * xr.DataArray(thickness, dims=dim).astype(water.dtype)
    return water if dim is None else water.sum(dim, skipna=False)


def _spread(
    ds: xr.Dataset,
    name: str,
    error: Hashable,
    what: str,
    area: float | xr.DataArray | None,
    *,
    layered: bool,
) -> xr.DataArray:
    """Return the error of a variable in mm; those of its layers in quadrature."""
    values = ds[error].assign_attrs(units=ds[error].attrs.get("units", ds[name].attrs.get("units")))
    dim = depth_dim(ds, name) if layered else None
    if dim is None or dim not in values.dims:  # of the whole column: no layer to multiply by
        return abs(_depth(ds, name, values, what, area, layered=layered and dim is None))
    parts = []
    for at, bounds in _layers(ds, name)[1]:
        one = ds[[name]].isel({dim: [at]})
        one[name].attrs["layer_edges_m"] = bounds
        part = values.isel({dim: [at]})
        parts.append(_depth(one, name, part, what, area, layered=True))
    found = _quadrature(parts)
    return abs(parts[0]) if found is None else found


def _quadrature(errors: list[xr.DataArray]) -> xr.DataArray | None:
    """Return the root of the sum of squares; None of nothing."""
    if not errors:
        return None
    total = errors[0] ** 2
    for error in errors[1:]:
        total = total + error**2
    return total**0.5


def _bare(array: xr.DataArray) -> xr.DataArray:
    """Return an array as numbers without attributes of its own; integers as float64."""
    plain = array.drop_attrs(deep=False)
    return plain if plain.dtype.kind == "f" else plain.astype(np.float64)


def _factor(units: object, name: str, what: str, *, layered: bool) -> tuple[float, str]:
    """Return mm (or m3 of volumes, 1000 m3 m-3) for each unit, and what kind of amount it is."""
    if units is None:
        msg = f'{what} {name!r} has no units. Set its attrs["units"], such as "mm" or "kg m-2".'
        raise UnitsError(msg)
    text = _VOLUMES.get(str(units).strip().lower(), str(units))
    conversion(text, text)  # says so where units cannot be read
    wanted = {"depth": "mm", "volume": "m3"} | ({"moisture": "1"} if layered else {})
    for kind, unit in wanted.items():
        try:
            factor = conversion(text, unit, water=True).factor
        except UnitsError:
            continue
        return factor * (1.0 if kind == "depth" else 1000.0), kind
    soil = ", or m3 m-3 of layers" if layered else ""
    msg = (
        f"{what} {name!r} has units {units!r}, which are no amount of water. Depth (mm, cm, m), "
        f"mass (kg m-2) or volume (km3){soil} is needed: correct its attrs['units']."
    )
    raise UnitsError(msg)


def _check_snow(array: xr.DataArray, what: str) -> None:
    """Refuse the depth of snow, which is no depth of water."""
    standard = str(array.attrs.get("standard_name", ""))
    if standard in _SNOW_DEPTHS:
        msg = (
            f"{what} {array.name!r} is {standard!r}, the depth of snow, not of its water. Pass the "
            "snow water equivalent (standard_name lwe_thickness_of_surface_snow_amount)."
        )
        raise UnitsError(msg)


def _spread_over(volume: xr.DataArray, area: Any, name: str) -> xr.DataArray:
    """Return a volume divided by an area, once cells are known to be the same."""
    if isinstance(area, xr.DataArray):
        try:
            volume, area = xr.align(volume, area, join="exact", copy=False)
        except ValueError as error:
            msg = (
                f"area= and {name!r} lie on different cells: {error}. Pass the area of the cells "
                "of the data, such as area=area.reindex_like(ds)."
            )
            raise GridError(msg) from error
    return (volume / area).transpose(*volume.dims, ...)


def _area(area: float | xr.DataArray | None, name: str, units: object) -> Any:
    """Return an area in m2."""
    if area is None:
        msg = (
            f"{name!r} is a volume ({units}), and its depth needs the area that it spreads over: "
            "pass area= in m2 (155,068 km2 are area=155.068e9), or a DataArray with units."
        )
        raise UnitsError(msg)
    if not isinstance(area, xr.DataArray):
        if np.ndim(area):
            msg = (
                f"area= was given as an array of shape {np.shape(area)} without coordinates; a "
                "number in m2 is needed, or a DataArray with the coordinates of the data: "
                'xr.DataArray(area, {...}, attrs={"units": "m2"}).'
            )
            raise GridError(msg)
        return float(area)
    if "units" not in area.attrs:
        msg = 'area= has no units. Set area.attrs["units"] = "m2", or pass a number in m2.'
        raise UnitsError(msg)
    return _bare(area) * conversion(str(area.attrs["units"]), "m2").factor


def _thickness(layers: list[tuple[int, Bounds]], name: str, what: str) -> list[float]:
    """Return the thickness of each layer in m, in the order of the data."""
    found = [0.0] * len(layers)
    for at, bounds in layers:
        if bounds is None:
            raise GridError(_unknown_bounds(name, what))
        found[at] = bounds[1] - bounds[0]
    return found
