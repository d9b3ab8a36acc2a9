"""Where the values along a dimension were taken: places, and sensors with a depth each."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Literal

import numpy as np
import xarray as xr

__all__ = ["WORDS", "along", "is_horizontal", "sensors", "values_of"]


WORDS: Mapping[str, Mapping[str, Any]] = tomllib.loads(
    files("xsm.data.naming").joinpath("dimensions.toml").read_text(encoding="utf-8")
)
"""What dimensions are called, by kind."""

_HORIZONTAL = WORDS["horizontal"]
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")

_NAMES = frozenset(
    {
        *("lat", "latitude", "lon", "long", "longitude", "xlat", "xlong", "nav_lat", "nav_lon"),
        *("station", "station_id", "station_name", "site", "site_id", "site_name", "gauge_id"),
        *("easting", "northing", "location_id", "basin_id"),
    }
)
_STANDARD = frozenset(
    {
        *("latitude", "longitude", "grid_latitude", "grid_longitude"),
        *("projection_x_coordinate", "projection_y_coordinate", "platform_name", "platform_id"),
    }
)
_UNITS = frozenset(
    {*("degrees_north", "degree_north", "degrees_n"), *("degrees_east", "degree_east", "degrees_e")}
)


def is_horizontal(ds: xr.Dataset, dim: str) -> bool:
    """Tell whether a dimension is an axis of a map or a list of places, by name or coordinates."""
    return _named(dim) or any(
        dim in variable.dims and _tells_place(str(name), variable)
        for name, variable in ds.variables.items()
    )


def _named(dim: str) -> bool:
    """Tell whether the name of a dimension is one of places."""
    words = [word.lower() for word in _WORD.findall(dim)]
    return dim.lower() in _HORIZONTAL["names"] or any(
        word in _HORIZONTAL["words"] or word.startswith(tuple(_HORIZONTAL["stems"]))
        for word in words
    )


def _tells_place(name: str, variable: xr.Variable) -> bool:
    """Tell whether a variable is a horizontal coordinate or the name of a station."""
    attrs: Mapping[str, object] = variable.attrs
    return (
        name.lower() in _NAMES
        or attrs.get("standard_name") in _STANDARD
        or attrs.get("cf_role") == "timeseries_id"
        or attrs.get("axis") in {"X", "Y"}
        or str(attrs.get("units", "")).lower() in _UNITS
    )


def along(ds: xr.Dataset, dim: str) -> tuple[str | None, list[str]]:
    """Return the variable with a depth for each position along a dimension, and those of places."""
    mine = {str(n): v for n, v in ds.variables.items() if v.dims == (dim,)}
    deep = [n for n, v in mine.items() if "depth" in n.lower() and "units" in v.attrs]
    return (deep[0] if deep else None), [n for n, v in mine.items() if _tells_place(n, v)]


def sensors(ds: xr.Dataset, dim: str) -> Literal["", "profile", "places", "mixed"]:
    """Tell what positions with a depth each are; empty where they have none.

    A profile lies at one place, places have one depth or one sensor each, all else is mixed. Only
    coordinates along the dimension are read.
    """
    depth, places = along(ds, dim)
    if depth is None:
        return ""
    where = set(zip(*(values_of(ds, p) for p in places), strict=True))
    if len(where) <= 1 and (ds.sizes[dim] > 1 or not places):
        return "places" if _named(dim) and not places else "profile"
    one = len(set(values_of(ds, depth))) == 1
    return "places" if one or len(where) == ds.sizes[dim] else "mixed"


def values_of(ds: xr.Dataset, name: str) -> list[Any]:
    """Return the values of a small coordinate; the scheduler of the data stays idle."""
    values = ds.variables[name].data
    if hasattr(values, "dask"):
        values = values.compute(scheduler="synchronous")
    found: list[Any] = np.asarray(values).tolist()
    return found
