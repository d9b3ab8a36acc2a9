"""Inputs that must be told, or be answered right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from tests.hostile.changes import Leaves
from tests.hostile.invariances import LAT, LON

__all__ = ["ARGUMENTS", "INPUTS", "Hostile"]

Must = Literal["told", "lawful", "step", "cells", "labels", "dims", "range", "dates"]


@dataclass(frozen=True)
class Hostile:
    """A change of the data by the key variable of a verb, and what may become of it.

    ``"told"``: the answer is that of the unchanged data, or missing, or something is told.
    ``"lawful"``: these are other data, whose answer may differ. ``"step"``, ``"cells"``: they are,
    but for a verb whose model knows its step, or its cells; ``"labels"``: they are for a verb that
    takes of two data sets the labels which both have; ``"dims"``: for one that takes any
    variables, of any dimensions; ``"range"``: for one of anomalies, which may be that large and
    negative; ``"dates"``: for one that treats all steps alike. ``of_values``: labels and dimensions
    stay.
    """

    change: Callable[[xr.Dataset, str], Any]
    must: Must = "told"
    of_values: bool = False


def _values(change: Callable[[xr.DataArray], Any], must: Must = "told") -> Hostile:
    """Return a change of the values of the key variable; its attributes stay."""

    def changed(ds: xr.Dataset, key: str) -> xr.Dataset:
        v = ds[key]
        found = change(v)
        values = found.values if isinstance(found, xr.DataArray) else found
        return ds.assign({key: (v.dims, values, v.attrs)})

    return Hostile(changed, must, of_values=True)


def _some(v: xr.DataArray, value: float, share: float = 0.2) -> Any:
    """Return the values, a share of them replaced."""
    drawn = np.random.default_rng(0).random(v.shape) < share
    drawn.flat[0] = True
    return np.where(drawn, value, v.values)


def _units(units: str | None) -> Hostile:
    def changed(ds: xr.Dataset, key: str) -> xr.Dataset:
        attrs = {k: w for k, w in ds[key].attrs.items() if k != "units"}
        return ds.assign({key: ds[key].drop_attrs().assign_attrs(attrs, **_given(units))})

    return Hostile(changed, of_values=True)


def _given(units: str | None) -> dict[str, str]:
    return {} if units is None else {"units": units}


def _whole(change: Callable[[xr.Dataset], Any], *dims: str, must: Must = "told") -> Hostile:
    """Return a change of all data, where these have some dimensions."""

    def changed(ds: xr.Dataset, key: str) -> Any:
        if not set(dims) <= set(ds.dims):
            raise Leaves
        return change(ds)

    return Hostile(changed, must)


def _labelled(dim: str, labels: Callable[[Any], Any], must: Must = "told") -> Hostile:
    """Return other labels along a dimension."""

    def change(ds: xr.Dataset) -> xr.Dataset:
        found = labels(ds.indexes[dim])
        return ds.assign_coords({dim: (dim, found, ds[dim].attrs)})

    return _whole(change, dim, must=must)


def _zoned(ds: xr.Dataset) -> xr.Dataset:
    return ds.assign_coords(time=ds.indexes["time"].tz_localize("Asia/Tokyo"))


def _steps(freq: str, must: Must) -> Hostile:
    return _labelled("time", lambda t: pd.date_range(t[0], periods=len(t), freq=freq), must)


def _calendar(name: str) -> Hostile:
    def change(ds: xr.Dataset) -> xr.Dataset:
        return ds.convert_calendar(name, align_on="year", use_cftime=True)

    return _whole(change, "time", must="lawful")


def _packed(ds: xr.Dataset, key: str) -> xr.Dataset:
    v = ds[key].fillna(0)
    scale = float(abs(v).max()) / 30000
    packed = (v / scale).round().astype("i2")
    return ds.assign({key: packed.assign_attrs(ds[key].attrs | {"scale_factor": scale})})


def _two_grids(ds: xr.Dataset, key: str) -> xr.Dataset:
    if not {LAT, LON} <= set(ds[key].dims):
        raise Leaves
    return ds.assign({key: ds[key].rename({LAT: "lat", LON: "lon"})})


def _flavoured(ds: xr.Dataset, key: str) -> xr.Dataset:
    return ds.assign(
        {key: xr.concat([ds[key], ds[key] * 2], "flavour").assign_attrs(ds[key].attrs)}
    )


def _members(ds: xr.Dataset, key: str) -> xr.Dataset:
    return ds.assign({key: xr.concat([ds[key], ds[key] * 2], "number").assign_attrs(ds[key].attrs)})


def _without(dim: str) -> Hostile:
    """Return a key variable that lacks a dimension, which the others have."""

    def change(ds: xr.Dataset, key: str) -> xr.Dataset:
        if dim not in ds[key].dims:
            raise Leaves
        return ds.assign({key: ds[key].isel({dim: 0}, drop=True)})

    return Hostile(change, "lawful")


def _shifted(ds: xr.Dataset) -> xr.Dataset:
    step = float(ds[LAT][1] - ds[LAT][0])
    moved = ds[LAT].values + step * (ds.sizes[LAT] // 2)
    return ds.assign_coords({LAT: (LAT, moved, ds[LAT].attrs)})


def _nan_label(labels: Any) -> Any:
    found = np.asarray(labels, float).copy()
    found[1] = np.nan
    return found


def _nat(times: Any) -> Any:
    found = times.to_numpy().copy()
    found[1] = np.datetime64("NaT")
    return found


def _twice(labels: Any) -> Any:
    found = labels.to_numpy().copy()
    found[1] = found[0]
    return found


def _irregular(times: Any) -> Any:
    return times + pd.to_timedelta(np.arange(len(times)) % 3 * 5, unit="h")


def _gap(ds: xr.Dataset) -> xr.Dataset:
    if ds.sizes["time"] < 10:
        raise Leaves
    return ds.drop_isel(time=[5, 6, ds.sizes["time"] // 2])


def _shuffled(ds: xr.Dataset) -> xr.Dataset:
    return ds.isel(time=np.random.default_rng(0).permutation(ds.sizes["time"]))


def _hundredfold(ds: xr.Dataset, key: str) -> xr.Dataset:
    """Return percent, or a hundred times that, in the attributes of before."""
    if ds[key].attrs.get("units") not in {"m3 m-3", "%"}:
        raise Leaves
    return ds.assign({key: (100 * ds[key]).assign_attrs(ds[key].attrs)})


def _again(ds: xr.Dataset, key: str) -> xr.Dataset:
    """Return two variables of one name of the standard."""
    return ds.assign({f"{key}_2": ds[key] * 2})


def _swapped(ds: xr.Dataset) -> xr.Dataset:
    found = ds.rename({LAT: LON, LON: LAT})
    for name in (LAT, LON):
        found[name].attrs = {"units": "degrees_east" if name == LON else "degrees_north"}
    return found


def _half_sea(ds: xr.Dataset) -> xr.Dataset:
    return ds.where(ds[LAT] > float(ds[LAT][1]))


def _dropped(ds: xr.Dataset, key: str) -> xr.Dataset:
    return ds.drop_vars(key)


def _as_text(times: Any) -> Any:
    return times.strftime("%d.%m.%Y")


def _alone(ds: xr.Dataset, key: str) -> Any:
    return ds[key]


def _bare(ds: xr.Dataset) -> xr.Dataset:
    return ds.drop_attrs()


def _constant(v: xr.DataArray) -> Any:
    first = float(v.mean())
    return v.where(v.isnull(), first)


_DAY = np.timedelta64(1, "D")

INPUTS: Mapping[str, Hostile] = {
    "all missing": _values(lambda v: np.full(v.shape, np.nan)),
    "one pixel": _whole(lambda ds: ds.isel({LAT: [1], LON: [1]}), LAT, LON, must="lawful"),
    "one pixel, scalars": _whole(lambda ds: ds.isel({LAT: 1, LON: 1}), LAT, LON, must="lawful"),
    "no pixel left, no labels": _whole(
        lambda ds: ds.isel({LAT: 1, LON: 1}, drop=True), LAT, LON, must="lawful"
    ),
    "no time selected": _whole(lambda ds: ds.isel(time=slice(0, 0)), "time"),
    "no latitude selected": _whole(lambda ds: ds.isel({LAT: slice(0, 0)}), LAT),
    "no longitude selected": _whole(lambda ds: ds.isel({LON: slice(0, 0)}), LON),
    "three steps": _whole(lambda ds: ds.isel(time=slice(0, 3)), "time", must="lawful"),
    "one step": _whole(lambda ds: ds.isel(time=slice(0, 1)), "time", must="lawful"),
    "a label twice": _labelled(LAT, _twice),
    "a time twice": _labelled("time", _twice),
    "a missing label": _labelled(LAT, _nan_label),
    "a missing time": _labelled("time", _nat),
    "shuffled times": _whole(_shuffled, "time"),
    "backwards": _whole(lambda ds: ds.isel(time=slice(None, None, -1)), "time"),
    "missing steps": _whole(_gap, "time", must="lawful"),
    "irregular steps": _labelled("time", _irregular, "labels"),
    "times with a zone": _whole(_zoned, "time"),
    "times as text": _labelled("time", _as_text, "dates"),
    "times as numbers": _labelled("time", lambda t: np.arange(len(t), dtype=float), "dates"),
    "times as seconds": _labelled(
        "time", lambda t: t.to_numpy().astype("M8[s]").astype("i8"), "dates"
    ),
    "no times": _whole(lambda ds: ds.drop_vars("time"), "time"),
    "without time": _whole(lambda ds: ds.isel(time=0, drop=True), "time", must="lawful"),
    "one time, scalar": _whole(lambda ds: ds.isel(time=0), "time", must="lawful"),
    "3-hourly": _steps("3h", "step"),
    "weekly": _steps("7D", "step"),
    "monthly": _steps("MS", "step"),
    "a calendar of 360 days": _calendar("360_day"),
    "a calendar without leap days": _calendar("noleap"),
    "other years": _labelled("time", lambda t: t + 18262 * _DAY, "lawful"),
    "half the years": _labelled("time", lambda t: t + len(t) // 2 * _DAY, "lawful"),
    "packed integers": Hostile(_packed, of_values=True),
    "text": _values(lambda v: v.values.astype("U8")),
    "objects": _values(lambda v: v.values.astype(object)),
    "complex": _values(lambda v: v.values + 1j),
    "dates": _values(lambda v: np.full(v.shape, np.datetime64("2020-01-01", "ns"))),
    "durations": _values(lambda v: np.full(v.shape, np.timedelta64(1, "h").astype("m8[ns]"))),
    "true and false": _values(lambda v: v.values > 0.2),
    "infinite values": _values(lambda v: _some(v, np.inf)),
    "negative infinite values": _values(lambda v: _some(v, -np.inf)),
    "-9999": _values(lambda v: _some(v, -9999.0)),
    "1e20": _values(lambda v: _some(v, 1e20)),
    "65535": _values(lambda v: _some(v, 65535.0)),
    "-9999 alone": _values(lambda v: np.full(v.shape, -9999.0)),
    "a hundred times, of fractions": Hostile(_hundredfold, of_values=True),
    "a thousand times": _values(lambda v: v.values * 1000, "range"),
    "a hundredth": _values(lambda v: v.values / 100, "lawful"),
    "a million times": _values(lambda v: v.values * 1e6),
    "negative values": _values(lambda v: -abs(v.values) - 0.5, "range"),
    "constant": _values(_constant, "lawful"),
    "zero": _values(lambda v: 0 * v.values, "lawful"),
    "no units": _units(None),
    "empty units": _units(""),
    "unreadable units": _units("millimetrics of rain"),
    "units of another kind": _units("kg"),
    "units of a temperature": _units("degC"),
    "no attributes": _whole(_bare),
    "dimensions a, b": _whole(
        lambda ds: ds.rename({LAT: "a", LON: "b"}).drop_attrs(), LAT, LON, must="dims"
    ),
    "dimensions without labels": _whole(
        lambda ds: ds.drop_vars([LAT, LON]), LAT, LON, must="lawful"
    ),
    "an unknown dimension": Hostile(_flavoured, "dims"),
    "two members": Hostile(_members, "lawful"),
    "two grids": Hostile(_two_grids, "dims"),
    "one variable without longitude": _without(LON),
    "one variable without time": _without("time"),
    "other cells": _labelled(LAT, lambda y: y - 20, "cells"),
    "half of the cells": _whole(_shifted, LAT, must="cells"),
    "latitudes beyond the pole": _labelled(LAT, lambda y: y + 60, "cells"),
    "latitude and longitude swapped": _whole(_swapped, LAT, LON, must="cells"),
    "labels as text": _labelled(LAT, lambda y: y.astype(str), "lawful"),
    "half at sea": _whole(_half_sea, LAT, must="lawful"),
    "the variable is missing": Hostile(_dropped, "dims"),
    "the variable stands twice": Hostile(_again),
    "an empty data set": _whole(lambda ds: xr.Dataset()),
    "an array": Hostile(_alone, "dims"),
    "a list": _whole(lambda ds: [ds]),
    "nothing": _whole(lambda ds: None),
    "a mapping": _whole(lambda ds: dict(ds.data_vars)),
    "numbers": Hostile(lambda ds, key: ds[key].values),
    "a table of pandas": Hostile(lambda ds, key: ds[[key]].to_dataframe()),
    "a path": _whole(lambda ds: "data.nc"),
}

ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "variables= of an unknown role": {"variables": {"rainfal": "tp"}},
    "variables= of a missing name": {"variables": {"precipitation": "raain"}},
    "variables= a list": {"variables": ["tp"]},
    "variables= one name": {"variables": "tp"},
    "variables= names None": {"variables": {"precipitation": None}},
    "product= unknown": {"product": "era6"},
    "product= a number": {"product": 5},
    "target= unknown": {"target": "swvl9"},
    "target= a number": {"target": 5},
    "target= a list": {"target": ["swvl1"]},
}
