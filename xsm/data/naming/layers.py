"""Layers of soil: which dimension is depth, and the bounds of each layer in m, positive down."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from xsm.data.naming.model_layers import in_metres, level_depths, thicknesses
from xsm.data.naming.places import WORDS, along, sensors
from xsm.data.naming.points import halfway, named, of_model, reading_of, tiles
from xsm.data.naming.roles import Role
from xsm.exceptions import GridError, UnitsError
from xsm.typing import FloatArray

__all__ = ["Bounds", "depth_dim", "dim_bounds", "dim_depths", "dim_points", "layer_bounds"]


Bounds = tuple[float, float] | None

_DEPTH_NAME = re.compile(
    r"^(\w*_)?(depth|layers?|horizons?|lev|level|levels|z)\d*$|^depth\w*$|^(s|sol)depth\w*$",
    re.IGNORECASE,
)
_IN_NAME = re.compile(r"(\d+)[_-](\d+)\s?cm", re.IGNORECASE)
_DUST = 1e-6  # m
_FACTORS = {"m": 1.0, "cm": 0.01, "mm": 0.001}


def depth_dim(ds: xr.Dataset, name: str) -> str | None:
    """Return the dimension along which a variable holds layers.

    Parameters
    ----------
    ds : xarray.Dataset
        The data.
    name : str
        A variable.

    Returns
    -------
    str or None
        The dimension whose coordinate is a depth (``axis``, ``positive`` or ``standard_name``), or
        that is named like one, or along which a variable ``*depth*`` with units of length lies.

    Examples
    --------
    >>> import xarray as xr
    >>> depth = ("depth", [5.0, 20.0], {"units": "cm", "positive": "down"})
    >>> ds = xr.Dataset({"theta": ("depth", [0.2, 0.3])}, {"depth": depth})
    >>> depth_dim(ds, "theta")
    'depth'
    """
    found = [dim for dim in map(str, ds[name].dims) if _is_depth(ds, dim)]
    found.sort(key=lambda dim: dim in ds.coords and ds[dim].dtype.kind in "USO")  # kinds of soil
    return found[0] if found else None


def dim_bounds(ds: xr.Dataset, name: str, dim: str) -> list[tuple[int, Bounds]]:
    """Return position and bounds of each layer along a dimension, from the top down.

    Parameters
    ----------
    ds : xarray.Dataset
        The data.
    name : str
        A variable with the dimension.
    dim : str
        The dimension of its layers.

    Returns
    -------
    list of (int, tuple of float or None)
        Bounds in m, positive down. They come from, first found: the attribute ``layer_edges_m``
        of the variable (numbers from the surface down), the CF bounds of the coordinate, variables
        ``*top`` and ``*bottom`` (or ``depth_from`` and ``depth_to``) along the dimension with
        units, thicknesses (``DZS`` of WRF, the global attribute of LIS), or the coordinate: read as
        the middles of layers that fill the ground from the surface without gaps, else as sensors,
        each of which stands for the layer halfway to its neighbours (:func:`reading_of`). None
        where none of these fits. Only coordinates are read.

    Raises
    ------
    UnitsError
        If ``layer_edges_m`` holds no numbers from the surface down.

    Examples
    --------
    >>> import xarray as xr
    >>> depth = ("depth", [5.0, 20.0], {"units": "cm", "positive": "down"})
    >>> ds = xr.Dataset({"theta": ("depth", [0.2, 0.3])}, {"depth": depth})
    >>> dim_bounds(ds, "theta", "depth")
    [(0, (0.0, 0.1)), (1, (0.1, 0.3))]
    """
    size = ds.sizes[dim]
    pairs = _known(ds, name, dim)
    depths = dim_depths(ds, dim)
    if pairs is None and depths is not None:
        way = reading_of(ds, name, dim, depths)
        pairs = tiles(depths) if way == "tiles" else halfway(depths)
    if pairs is None:
        order = range(size) if depths is None else np.argsort(depths, kind="stable").tolist()
        return [(int(i), None) for i in order]
    return sorted(enumerate(pairs), key=lambda item: item[1] or (0.0, 0.0))


def _known(ds: xr.Dataset, name: str, dim: str) -> list[Bounds] | None:
    """Return the bounds along a dimension that the user or the file states."""
    return (
        _in_place(ds, name, dim, _stated(ds[name]))
        or _cf_bounds(ds, dim)
        or _tops_bottoms(ds, dim)
        or thicknesses(ds, dim)
    )


def _in_place(
    ds: xr.Dataset, name: str, dim: str, stated: list[Bounds] | None
) -> list[Bounds] | None:
    """Return stated bounds of the layers that the data have, turned or selected since.

    Each depth of the coordinate has to lie in its layer, else in another one; what does not fit is
    refused. Without depths the bounds count where they are as many as the layers, and labels, as
    numbers of layers or depths without units, ascend.
    """
    if stated is None:
        return None
    depths = dim_depths(ds, dim)
    if depths is None:
        _check_order(ds, name, dim)
        return stated if len(stated) == ds.sizes[dim] else None
    if len(depths) == len(stated) and _lie_in(depths, stated):
        return stated
    inside = [[p for p in stated if p and _lie_in([z], [p])] for z in depths.tolist()]
    found: list[Bounds] = [layers[0] for layers in inside if layers]
    if len(set(found)) == len(depths):
        return found
    msg = (
        f"{name!r} states layer_edges_m from the surface down, {', '.join(map(describe, stated))}, "
        f"and its coordinate {dim!r} is {depths.tolist()} m: not each depth lies in a layer of its "
        f'own. Correct ds["{name}"].attrs["layer_edges_m"], one more than layers, or drop what is '
        f"wrong: ds.drop_vars({dim!r})."
    )
    raise GridError(msg)


def _check_order(ds: xr.Dataset, name: str, dim: str) -> None:
    """Refuse labels of layers that do not ascend, where edges from the surface down are stated."""
    labels = ds[dim].values if dim in ds.coords else np.arange(1)
    if labels.dtype.kind not in "iuf" or (np.diff(abs(labels)) > 0).all():
        return
    msg = (
        f"{name!r} states layer_edges_m from the surface down, and its coordinate {dim!r} is "
        f"{labels.tolist()}, without units: the layers may have been turned since. Sort them, "
        f"ds = ds.sortby({dim!r}), or drop what is wrong: ds.drop_vars({dim!r})."
    )
    raise GridError(msg)


def _lie_in(depths: FloatArray | Sequence[float], pairs: Sequence[Bounds]) -> bool:
    """Tell whether each depth lies in its layer, or at an edge."""
    both = zip(depths, pairs, strict=True)
    return all(p is None or p[0] - _DUST <= z <= p[1] + _DUST for z, p in both)


def layer_bounds(ds: xr.Dataset, name: str, role: Role) -> Bounds:
    """Return the bounds of a variable that is one layer.

    Parameters
    ----------
    ds : xarray.Dataset
        The data.
    name : str
        A variable.
    role : Role
        Its role, whose table knows the layers of products.

    Returns
    -------
    tuple of float or None
        Top and bottom in m, positive down. They come from, first found: the attribute
        ``layer_edges_m`` (two numbers), the attributes ``layer_top_cm`` and ``layer_bottom_cm`` (or
        ``_m``, ``_mm``), the table of aliases, GRIB levels in cm, a name such as ``0_10cm``, the
        depth of a sensor in the name (``sm_5cm``), which stands for the layer halfway to the
        sensors of the same name.

    Raises
    ------
    UnitsError
        If such attributes hold no numbers from the surface down.

    Examples
    --------
    >>> import xarray as xr
    >>> from xsm.data.naming import ROLES
    >>> ds = xr.Dataset({"swvl2": ("x", [0.2]), "wet_30_60cm": ("x", [0.2])})
    >>> layer_bounds(ds, "swvl2", ROLES["soil_moisture"])
    (0.07, 0.28)
    >>> layer_bounds(ds, "wet_30_60cm", ROLES["soil_moisture"])
    (0.3, 0.6)
    """
    array = ds[name]
    stated = _stated_of_one(ds, name)
    if stated is not None:
        return stated
    for unit, factor in _FACTORS.items():
        keys = (f"layer_top_{unit}", f"layer_bottom_{unit}")
        if all(key in array.attrs for key in keys):
            return _between(array, keys, factor)
    if name in role.layers:
        return role.layers[name]
    levels = ("GRIB_topLevel", "GRIB_bottomLevel")
    if array.attrs.get("GRIB_typeOfLevel") == "depthBelowLandLayer" and (
        set(levels) <= set(array.attrs)
    ):
        return _between(array, levels, 0.01)
    found = _IN_NAME.search(name)
    if found:
        return _metres(found[1], found[2], 0.01)
    at = named(ds, name)
    return at[0] if at else None


def _stated_of_one(ds: xr.Dataset, name: str) -> Bounds:
    """Return the stated bounds of one layer, of all layers the one that its depth lies in."""
    stated = _stated(ds[name]) or []
    depths = [
        (key, in_metres(ds, str(key)))
        for key, c in ds[name].coords.items()
        if not c.ndim and (_DEPTH_NAME.match(str(key)) or c.attrs.get("standard_name") == "depth")
    ]
    known = [(key, abs(float(values))) for key, values in depths if values is not None]
    fitting = [p for p in stated if all(_lie_in([z], [p]) for _, z in known)]
    if len(stated) == 1 and not fitting:
        key, depth = known[0]
        msg = (
            f"{name!r} states the layer {describe(stated[0])}, layer_edges_m, and its coordinate "
            f"{key!r} is {depth:g} m, outside of it. Correct one of both, or drop what is wrong: "
            f"ds.drop_vars({key!r})."
        )
        raise GridError(msg)
    return fitting[0] if len(stated) == 1 or (known and len(fitting) == 1) else None


def _between(array: xr.DataArray, keys: tuple[str, str], factor: float) -> tuple[float, float]:
    """Return top and bottom in m that two attributes state."""
    stated = {key: array.attrs[key] for key in keys}
    top, bottom = _downward(array, stated, list(stated.values()))
    return _metres(top, bottom, factor)


def _downward(array: xr.DataArray, stated: dict[str, Any], given: Any) -> list[float]:
    """Return the depths that attributes state, or say what they have to be."""
    try:
        depths = np.asarray(given, dtype=float).ravel()
        right = bool(np.isfinite(depths).all() and (np.diff(depths) >= 0).all())
    except (TypeError, ValueError):
        right = False
    if not right:
        said = ", ".join(f"{key}={value!r}" for key, value in stated.items())
        msg = (
            f"{array.name!r} states {said}; numbers from the surface down are needed. "
            f'Type ds["{array.name}"].attrs["layer_edges_m"] = [0.0, 0.1], one more than layers.'
        )
        raise UnitsError(msg)
    return [float(depth) for depth in depths]


def _metres(top: Any, bottom: Any, factor: float) -> tuple[float, float]:
    """Return top and bottom in m, without binary dust."""
    return round(float(top) * factor, 9), round(float(bottom) * factor, 9)


def _is_depth(ds: xr.Dataset, dim: str) -> bool:
    """Tell whether a dimension is depth in the soil."""
    if dim in ds.coords:
        coordinate = ds[dim]
        if coordinate.dtype.kind == "M" or dim in _horizontal(coordinate):
            return False
        attrs = coordinate.attrs
        if attrs.get("standard_name") == "depth" or attrs.get("axis") == "Z":
            return True
        if attrs.get("positive") in {"up", "down"}:
            return True
    named = bool(_DEPTH_NAME.match(dim)) or dim.lower() in WORDS["depth"]["names"]
    return named or sensors(ds, dim) == "profile"


def _horizontal(coordinate: xr.DataArray) -> set[str]:
    """Return the coordinate's own name where its axis is horizontal."""
    return {str(coordinate.name)} if coordinate.attrs.get("axis") in {"X", "Y", "T"} else set()


def _stated(array: xr.DataArray) -> list[Bounds] | None:
    """Return the bounds that the attribute ``layer_edges_m`` states."""
    edges = array.attrs.get("layer_edges_m")
    if edges is None:
        return None
    depths = _downward(array, {"layer_edges_m": edges}, edges)
    return list(itertools.pairwise(depths))


def _cf_bounds(ds: xr.Dataset, dim: str) -> list[Bounds] | None:
    """Return the bounds of the depth coordinate by CF."""
    if dim not in ds.coords:
        return None
    coordinate = ds[dim]
    name = coordinate.attrs.get("bounds", coordinate.encoding.get("bounds"))
    if name is None or name not in ds.variables or ds.variables[name].ndim != 2:
        return None
    values = in_metres(ds, name, coordinate.attrs.get("units"))
    if values is None:
        return None
    pairs, depths = _pairs(values[:, 0], values[:, 1]), dim_depths(ds, dim)
    if depths is not None and not _lie_in(depths, pairs):
        msg = (
            f"The bounds {name!r} of {dim!r} are {', '.join(map(describe, pairs))}, and the depths "
            f"{depths.tolist()} m: these lie elsewhere. Correct the units or the order of one of "
            f"both, or drop what is wrong: ds = ds.drop_vars({str(name)!r})."
        )
        raise GridError(msg)
    return pairs


def _tops_bottoms(ds: xr.Dataset, dim: str) -> list[Bounds] | None:
    """Return the bounds that two variables along the dimension hold."""
    mine = [str(n) for n, v in ds.variables.items() if v.dims == (dim,)]
    for top in mine:
        bottom = top.replace("top", "bottom").replace("depth_from", "depth_to")
        if bottom != top and bottom in mine:
            tops, bottoms = in_metres(ds, top), in_metres(ds, bottom)
            if tops is not None and bottoms is not None and (tops != bottoms).all():
                return _pairs(tops, bottoms)
    return None


def _pairs(tops: FloatArray, bottoms: FloatArray) -> list[Bounds]:
    """Return (top, bottom) of each layer, positive down."""
    lower, upper = np.minimum(abs(tops), abs(bottoms)), np.maximum(abs(tops), abs(bottoms))
    return list(zip(lower.tolist(), upper.tolist(), strict=True))


def dim_depths(ds: xr.Dataset, dim: str) -> FloatArray | None:
    """Return the depth of each position along a dimension.

    Parameters
    ----------
    ds : xarray.Dataset
        The data.
    dim : str
        A dimension of layers, sensors or faces.

    Returns
    -------
    ndarray or None
        m, positive down, in the order of the data; None where no coordinate with units of length
        says so. Only coordinates are read.

    Examples
    --------
    >>> import xarray as xr
    >>> ds = xr.Dataset(coords={"depth": ("depth", [5.0, 20.0], {"units": "cm"})})
    >>> dim_depths(ds, "depth")
    array([0.05, 0.2 ])
    """
    name = dim if dim in ds.coords else along(ds, dim)[0]
    values = None if name is None else in_metres(ds, name)
    if values is None:
        return level_depths(ds, dim)
    lower = str(name).replace("depth_from", "depth_to")
    other = in_metres(ds, lower) if lower != name and lower in ds.variables else None
    return abs(values if other is None else (values + other) / 2)


def dim_points(ds: xr.Dataset, name: str, dim: str) -> tuple[str, dict[int, float]]:
    """Return how depths along a dimension were read, and these in m by position.

    ``"points"`` where they are taken for sensors, ``"tiles"`` for middles of layers of which
    nothing says that they are; empty where bounds are stated, known or unknown.
    """
    depths = dim_depths(ds, dim)
    if depths is None or _known(ds, name, dim) is not None or halfway(depths) is None:
        return "", {}
    way = reading_of(ds, name, dim, depths)
    if way == "tiles" and (of_model(ds, name, dim) or tiles(depths) == halfway(depths)):
        return "", {}
    return way, dict(enumerate(depths.tolist()))


def describe(bounds: Sequence[float] | None) -> str:
    """Return bounds as text in m."""
    return "" if bounds is None else f"{bounds[0]:g}-{bounds[1]:g} m"
