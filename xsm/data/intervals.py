"""For which intervals values are, as the bounds of time say (CF), and where labels lie in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeAlias

import numpy as np
import xarray as xr

from xsm.data.time_axis import month_starts, months_of_index
from xsm.exceptions import warn_outside
from xsm.typing import FloatArray

__all__ = [
    "Intervals",
    "Label",
    "bounds_of_time",
    "intervals_of",
    "label_of",
    "method_of_time",
    "with_bounds_read",
    "without_bounds",
]


Label: TypeAlias = Literal["end", "start", "middle"]

_BOUNDS = {"bounds", "climatology"}
_DAY = np.timedelta64(1, "D")
_NEAR = 0.05  # of its length that a label may lie beside a place: a day and a half of a month
_ENTRY = re.compile(r"((?:\w+:\s+)+)(\w+)")  # "area: time: mean", without what stands in brackets


@dataclass(frozen=True)
class Intervals:
    """The intervals of the steps of a data set.

    ``days`` are their lengths, ``middles`` an index of their middles, ``label`` where labels lie in
    them (None where at no one place), ``months`` whether each is a calendar month.
    """

    days: FloatArray
    middles: Any
    label: Label | None
    months: bool


def bounds_of_time(data: xr.Dataset | xr.DataArray, time: str) -> str | None:
    """Return the name of the variable that holds the bounds of time, there or not."""
    coordinate = data[time]
    name = coordinate.attrs.get("bounds", coordinate.encoding.get("bounds"))
    return None if name is None else str(name)


def without_bounds(times: xr.DataArray) -> xr.DataArray:
    """Return a coordinate of other times, which names no bounds any more."""
    found = times.copy(deep=False)
    found.attrs = {k: v for k, v in times.attrs.items() if k not in _BOUNDS}
    found.encoding = {k: v for k, v in times.encoding.items() if k not in _BOUNDS}
    return found


def with_bounds_read(ds: xr.Dataset) -> xr.Dataset:
    """Return the data with the bounds of time in memory, so that they are read once."""
    dates = [str(dim) for dim in ds.dims if dim in ds.coords and ds[dim].dtype.kind in "MO"]
    names = [name for name in (bounds_of_time(ds, dim) for dim in dates) if name in ds.variables]
    lazy = {name: ds[name].compute() for name in names if ds[name].chunks is not None}
    return ds.assign({n: a for n, a in lazy.items() if n in ds.data_vars}).assign_coords(
        {n: a for n, a in lazy.items() if n in ds.coords}
    )


def intervals_of(ds: xr.Dataset, time: str) -> Intervals | None:
    """Return the intervals that the bounds of time say; None where there are none, or no dates.

    Lazy bounds are computed, see :func:`with_bounds_read`. Intervals that do not hold their
    label, as those of climatologies over years, are none.
    """
    name = bounds_of_time(ds, time)
    if name not in ds.variables or time not in ds[name].dims:
        return None
    bounds = ds[name].transpose(time, ...)
    index: Any = ds.indexes[time]
    kind = "M" if index.dtype.kind == "M" else "O"
    wrong = bounds.shape[1:] != (2,) or bounds.dtype.kind != kind
    if wrong or not len(index) or bool(bounds.isnull().any()):
        return None
    starts, ends = (type(index)(bounds.values[:, k]) for k in (0, 1))
    lengths, before = ends - starts, index - starts
    days = np.asarray(lengths / _DAY, dtype=float)
    share = np.asarray(before / lengths, dtype=float) if (days > 0).all() else np.full(1, np.nan)
    if not ((share > -_NEAR) & (share < 1 + _NEAR)).all():
        return None
    middles = starts + lengths / 2
    places: tuple[tuple[Label, float], ...] = (("start", 0.0), ("middle", 0.5), ("end", 1.0))
    label = next((k for k, at in places if (np.abs(share - at) <= _NEAR).all()), None)
    months = months_of_index(middles)
    edges = ((starts, month_starts(index, months)), (ends, month_starts(index, months + 1)))
    whole = all((np.abs(np.asarray(a - b).astype("m8[ns]")) <= _DAY).all() for a, b in edges)
    return Intervals(days, middles, label, bool(whole))


def method_of_time(array: xr.DataArray, time: str) -> str:
    """Return the last method along time in ``cell_methods``, in the word of CF, or nothing."""
    text = re.sub(r"\([^)]*\)", "", str(array.attrs.get("cell_methods", "")))
    for dims, method in reversed(_ENTRY.findall(text)):
        if {time, "time"} & set(re.findall(r"\w+", dims)):
            return str(method)
    return ""


def label_of(
    ds: xr.Dataset, time: str, step: timedelta, stated: Label | None, product: str = ""
) -> Label:
    """Return where labels at steps below a day lie in their intervals.

    At half steps of the day (00:30, 01:30) they can only be middles, which is said where something
    else is stated; else what is stated holds, then what bounds of time say, then what the
    ``product`` is known for, then ``"end"``.
    """
    index: Any = ds.indexes[time]
    halves = index + step / 2
    if (halves.floor(step) == halves).all():
        if stated not in {None, "middle"}:
            warn_outside(
                f"Labels along {time!r}, {index[0]} and so on, lie in the middle of steps of "
                f"{step}: label={stated!r} is not used."
            )
        return "middle"
    known = None if stated is not None else intervals_of(ds, time)
    told: Label = "start" if product == "start" else "end"
    return stated or (known.label if known is not None else None) or told
