"""What lies around the values: flags, what is left over, longitudes, labels of time."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import xarray as xr

from xsm.data.doubt.finding import Finding
from xsm.data.grid import time_dim
from xsm.data.intervals import bounds_of_time
from xsm.data.naming import PRODUCTS, VariableTable
from xsm.data.naming.held import in_memory
from xsm.exceptions import GridError

__all__ = ["bounds_of", "facts_of", "flags_unused", "not_used"]


_FLAG = re.compile(r"(^|_)(qc|qa|qf|flags?|quality)(_|$|\d)", re.IGNORECASE)
_DAY = np.timedelta64(1, "D")
_MONTH = 28 * _DAY
_LABELS = {
    "start": ", labelled by their start",
    "middle": ", labelled in the middle",
    "end": ", labelled by their end",
}


def is_flag(name: str, array: xr.DataArray) -> bool:
    """Tell whether a variable says how good others are, by its name or attributes."""
    attrs = array.attrs
    return (
        bool(_FLAG.search(name))
        or "flag_masks" in attrs
        or "status_flag" in str(attrs.get("standard_name", ""))
        or "quality" in str(attrs.get("standard_name", ""))
    ) and array.dtype.kind in "fiub"


def flags_unused(
    ds: xr.Dataset, used: Collection[str], products: Collection[str] = ()
) -> list[Finding]:
    """Return the flags of variables that are used: xsm reads none of them."""
    found = []
    for name in sorted(used):
        of_product = {
            flag for key in products if name in PRODUCTS[key].known for flag in PRODUCTS[key].flags
        }
        for flag in _flags(ds, name, of_product):
            words = f"{flag!r} tells how good {name!r} is, and is not read.{{typed}}"
            line = _masked(ds, name, flag)
            found.append(Finding(name, name, "flag", "note", words, line))
    return found


def _flags(ds: xr.Dataset, name: str, of_product: Collection[str]) -> Iterable[str]:
    """Return the flags of a variable: those it names, those named after it, its product's."""
    beside = {*str(ds[name].attrs.get("ancillary_variables", "")).split(), *of_product}
    for other, array in ds.data_vars.items():
        own = str(other)
        near = own in beside or own.lower().startswith(f"{name.lower()}_")
        if own != name and near and is_flag(own, array):
            yield own


def _masked(ds: xr.Dataset, name: str, flag: str) -> str:
    """Return the call that keeps what a flag calls good, as far as its attributes say."""
    array = ds[flag]
    values = np.atleast_1d(array.attrs.get("flag_values", []))
    share = flag.endswith("_QC") and array.dtype.kind == "f" and not values.size  # of FLUXNET
    good = (
        f'ds["{flag}"] >= 0.8'
        if share
        else f'ds["{flag}"] == {int(values[0]) if values.size else 0}'
    )
    return f'ds["{name}"] = ds["{name}"].where({good})'


def not_used(ds: xr.Dataset, table: VariableTable, told: Iterable[Finding]) -> dict[str, str]:
    """Return which variables have no role, and are neither flags nor bounds."""
    known = {part for vs in table.found.values() for v in vs for part in _parts(v.name)}
    known |= {*table.others, *table.faults, *(f.variable for f in told)}
    every = ds.variables.values()
    maps = {v.attrs.get("grid_mapping", v.encoding.get("grid_mapping")) for v in every}
    left = [
        str(name)
        for name, array in ds.data_vars.items()
        if name not in known | bounds_of(ds) | maps and array.ndim and not is_flag(str(name), array)
    ]
    return {"left over (no role)": ", ".join(left)} if left else {}


def bounds_of(ds: xr.Dataset) -> set[Any]:
    """Return the names of variables that are bounds of others."""
    return {v.attrs.get("bounds", v.encoding.get("bounds")) for v in ds.variables.values()}


def _parts(name: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return the names that a variable is made of."""
    return (name,) if isinstance(name, str) else name


def facts_of(ds: xr.Dataset) -> dict[str, str]:
    """Return the convention of longitudes and what the labels of time suggest."""
    facts = {}
    for name in ("longitude", "lon", "long", "x", "xlong", "nav_lon"):
        found = next((n for n in ds.variables if str(n).lower() == name), None)
        if found is not None and in_memory(ds[found]) and ds[found].dtype.kind in "fiu":
            values = np.asarray(ds[found].values, dtype=float)
            said = _longitude(values[np.isfinite(values)], str(ds[found].attrs.get("units", "")))
            if said:
                facts["longitude"] = said
                break
    label = _label(ds)
    return facts | ({"time": label} if label else {})


def _longitude(values: Any, units: str) -> str:
    """Say where longitudes lie."""
    if not values.size or units in {"m", "km", "metre"} or abs(values).max() > 360:
        return ""
    ends = f"{values.min():g} to {values.max():g}"
    if values.min() < 0:
        return f"{ends}, counted -180 to 180"
    return f"{ends}, counted 0 to 360" if values.max() > 180 else f"{ends}, fits both conventions"


def _label(ds: xr.Dataset) -> str:
    """Say how far times are apart, and where in their interval labels seem to lie."""
    try:
        time = time_dim(ds)
    except GridError as error:
        return str(error).partition(" One time")[0]
    index: Any = ds.indexes[time]
    steps = np.diff(np.asarray(index)).astype("m8[ns]")
    if not len(steps):
        return f"one time, {index[0]}" if len(index) else "no time at all"
    if (steps <= np.timedelta64(0, "ns")).any():
        return f"does not ascend, from {index[0]} to {index[-1]}"
    said = f"{len(index):,} steps from {index[0]} to {index[-1]}"
    step = np.median(steps.astype(np.int64)).astype("m8[ns]")
    bounds = bounds_of_time(ds, time)
    if bounds in ds.variables:
        return f"{said}; bounds {bounds!r} tell the intervals"
    return f"{said}; {_suggested(index, step)}"


def _suggested(index: Any, step: Any) -> str:
    """Say what the labels of intervals suggest."""
    if step >= _MONTH:
        return f"months{_of_months(np.asarray(index.day))}"
    hours = np.asarray(index.hour) + np.asarray(index.minute) / 60
    if step >= _DAY:
        return f"days{_LABELS['start'] if (hours == 0).all() else _middle((hours == 12).all())}"
    length = float(step / np.timedelta64(1, "h"))
    shift = float((hours[0] / length) % 1)
    if shift:
        return f"every {length:g} h{_middle(abs(shift - 0.5) < 1e-6)}"
    whole = hours[0] == length and hours[-1] == 0  # the first interval to the last of days
    told = _LABELS["end"] if whole else "; labels at full steps, which tell neither start nor end"
    return f"every {length:g} h{told}"


def _middle(told: Any) -> str:
    """Return the words for labels in the middle, where these are told."""
    return _LABELS["middle"] if told else ""


def _of_months(days: Any) -> str:
    """Say where in months the days of their labels lie."""
    if (days == 1).all():
        return _LABELS["start"]
    if (days >= 28).all():
        return _LABELS["end"]
    return _middle(((days >= 14) & (days <= 17)).mean() > 0.5)
