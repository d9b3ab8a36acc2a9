"""Stores of water as depth: any units, layers of soil summed, errors beside values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr

from xsm.data.joins import same_labels
from xsm.data.naming.layers import Bounds, depth_dim
from xsm.data.units import conversion
from xsm.exceptions import GridError, UnitsError
from xsm.hydrology.groundwater.choice import Chosen, layers_of

__all__ = ["Store", "read_store"]


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
    chosen: Chosen, what: str, *, area: float | xr.DataArray | None = None, layered: bool = False
) -> Store:
    """Return a store of water in mm, with its error where the data hold one, lazily.

    Layers of soil are summed, along a dimension of depth or as several variables; volumetric
    moisture (m3 m-3) is multiplied by their thickness. A volume (km3, acre-feet) is spread over
    ``area``. NaN where the value or a layer of it is NaN; errors of layers are added in quadrature.
    """
    ds, names, by_value = chosen.ds, chosen.names, chosen.errors
    if layered:
        _check_overlap(ds, names, what)
    depths = [_depth(ds, n, ds[n], what, area, layered=layered) for n in names]
    spreads = [_spread(ds, n, by_value[n], what, area, layered=layered) for n in by_value]
    total = depths[0]
    for depth in depths[1:]:
        total = total + depth
    return Store(total, _quadrature(spreads))


def _check_overlap(ds: xr.Dataset, names: Sequence[str], what: str) -> None:
    """Refuse to sum layers that share soil, or of which that is not known."""
    layers = [(n, bounds) for n in names for _, bounds in layers_of(ds, n)[1]]
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
    dim, layers = layers_of(ds, name) if layered else (None, [])
    if kind == "moisture":
        thickness = _thickness(layers, name, what)
        if dim is None:
            return water * thickness[0]
        water = water * xr.DataArray(thickness, dims=dim).astype(water.dtype)
    return water if dim is None else water.sum(dim, skipna=False)


def _spread(
    ds: xr.Dataset,
    name: str,
    error: str,
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
    for at, bounds in layers_of(ds, name)[1]:
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
        msg = (
            f"{what} {name!r} has no units. Where arithmetic dropped them, give them back: "
            f'{what} = {what}.assign_attrs(units=<the variable before it>.attrs["units"]); else '
            f'set what the documentation of the file says: {what}.attrs["units"] = "<units>", '
            "an amount of water (depth, mass on an area or volume)."
        )
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
            volume, area = same_labels([volume, area])
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
