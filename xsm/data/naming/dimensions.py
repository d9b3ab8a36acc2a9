"""What a dimension is: time, lead time, depth, place or member; or what to type."""

from __future__ import annotations

from collections import Counter

import xarray as xr

from xsm.data.naming.layers import depth_dim
from xsm.data.naming.places import WORDS, along, is_horizontal, sensors, values_of
from xsm.exceptions import GridError

__all__ = ["check_lead", "is_lead", "members", "unplaced"]


_NAMES = {kind: frozenset(entry["names"]) for kind, entry in WORDS.items()}
_NEW = ("station", "cell", "site", "point")


def unplaced(ds: xr.Dataset, name: str, *, deep: bool) -> str:
    """Say which dimension of a variable is none that xsm knows, and what to type; else nothing.

    ``deep`` allows one dimension of depth. Only names and coordinates are read.
    """
    layers = depth_dim(ds, name) if deep else None
    for dim in map(str, ds.variables[name].dims):
        if dim != layers and not _is_time(ds, dim):
            said = _problem(ds, name, dim)
            if said:
                return f"{name!r} lies along {dim!r} ({ds.sizes[dim]}), {said}"
    return ""


def check_lead(ds: xr.Dataset) -> None:
    """Refuse data along a lead time, whose values lie at other times than their labels say."""
    for dim in map(str, ds.dims):
        if is_lead(ds, dim):
            msg = f"The data lie along {dim!r}, {_lead(dim)}"
            raise GridError(msg)


def is_lead(ds: xr.Dataset, dim: str) -> bool:
    """Tell whether a dimension is the time since the start of a forecast."""
    coordinate = ds.variables.get(dim)
    if coordinate is not None and (
        coordinate.dtype.kind == "m" or coordinate.attrs.get("standard_name") == "forecast_period"
    ):
        return True
    return dim.lower() in _NAMES["lead"]


def members(array: xr.DataArray) -> dict[str, int]:
    """Return the dimensions of members of an ensemble, by their sizes."""
    return {str(d): n for d, n in array.sizes.items() if str(d).lower() in _NAMES["member"]}


def _is_time(ds: xr.Dataset, dim: str) -> bool:
    """Tell whether a dimension is time."""
    index = ds.indexes.get(dim)
    dates = getattr(getattr(index, "dtype", None), "kind", "") == "M"
    return dates or type(index).__name__ == "CFTimeIndex" or dim.lower() == "time"


def _problem(ds: xr.Dataset, name: str, dim: str) -> str:
    """Say why a dimension that is neither time nor the layers of a variable is no place."""
    if is_lead(ds, dim):
        return _lead(dim)
    if dim.lower() == "expver":
        return f"final and preliminary data beside each other. Type ds = {_joined(ds, dim)}."
    if sensors(ds, dim) == "mixed":
        return _mixed(ds, dim)
    if depth_dim(ds, name) == dim:
        return (
            "which is depth, and this variable has no layers here. Take one: "
            f'ds["{name}"] = ds["{name}"].isel({dim}=0, drop=True).'
        )
    place = is_horizontal(ds, dim) or _on_a_map(ds, name, dim)
    return "" if place or dim.lower() in _NAMES["member"] else _unknown(ds, dim)


def _unknown(ds: xr.Dataset, dim: str) -> str:
    """Say how to go on with a dimension that is none that xsm knows."""
    one = f"ds = ds.isel({dim}=0, drop=True)"
    if ds.sizes[dim] == 1 or dim.lower() in {"band", "bands"}:
        return f"which is no place. Take one: {one}."
    new = next((n for n in _NEW if n not in ds.variables and n not in ds.dims), "place")
    return (
        "and neither its name nor its coordinates say what that is: it is not taken for space. "
        f'Where each is a place: ds = ds.rename({dim}="{new}"); where they are layers of soil, '
        f'from the top: ds = ds.rename({dim}="layer"); else take one: {one}.'
    )


def _lead(dim: str) -> str:
    """Say how to go on with lead times."""
    return (
        "the time since the start of a forecast, so that values lie at the time of the start plus "
        f"{dim}. Type ds = xsm.flatten_steps(ds)."
    )


def _joined(ds: xr.Dataset, dim: str) -> str:
    """Return the call that takes the first version, and where it has no value the next one."""
    way, labels = "isel", list(range(ds.sizes[dim]))
    if dim in ds.indexes:
        way, labels = "sel", ds.indexes[dim].tolist()
    first, *rest = (f"ds.{way}({dim}={label!r}, drop=True)" for label in labels)
    return first + "".join(f".combine_first({each})" for each in rest)


def _mixed(ds: xr.Dataset, dim: str) -> str:
    """Say how to go on with sensors at several depths of several places."""
    depth, places = along(ds, dim)
    deep = Counter(values_of(ds, str(depth))).most_common(1)[0][0]
    texts = [p for p in places if isinstance(values_of(ds, p)[0], str)]
    place = (texts or places)[0]
    label = values_of(ds, place)[0]
    return (
        "sensors at several depths of several places. Take those at one depth, one a place: "
        f'ds = ds.isel({dim}=ds["{depth}"].values == {deep!r}); or the profile of '
        f'one place: ds = ds.isel({dim}=ds["{place}"].values == {label!r}).'
    )


def _on_a_map(ds: xr.Dataset, name: str, dim: str) -> bool:
    """Tell whether a dimension is an axis in the plane of a map projection."""
    attrs = ds.variables[name].attrs | ds.variables[name].encoding
    units = ds.variables[dim].attrs.get("units") if dim in ds.variables else None
    return "grid_mapping" in attrs and units in {"m", "km", "metre", "degrees"}
