"""For how long an amount is, by the steps between labels; or why they do not tell it."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xsm.data.grid import step, time_dim
from xsm.data.intervals import Intervals, bounds_of_time, intervals_of
from xsm.data.time_axis import months_of_index, steps_between
from xsm.exceptions import GridError, UnitsError

__all__ = [
    "MONTH",
    "check_days",
    "check_months",
    "each_month",
    "months_told",
    "per_day",
    "shortest_step",
    "step_of_amount",
]


MONTH = 28.0  # days of the shortest one
_YEAR = 360.0
_DAY = np.timedelta64(1, "D")


def check_days(array: xr.DataArray, units: str, shortest: float) -> None:
    """Refuse accumulations at 00 UTC alone, and amounts at two times that are days apart."""
    time, name = time_dim(array), array.name
    index: Any = array.indexes[time]
    if array.attrs.get("GRIB_stepType") == "accum" and (index == index.floor("D")).all():
        msg = (
            f"{name!r} is accumulated, and given at 00 UTC alone, where hourly ERA5-Land holds the "
            'total of the day before. If it is that, type xsm.daily(ds, accumulation="since_00"); '
            f'if it is the total of the day of its label, ds["{name}"].attrs["accumulation"] = '
            '"step".'
        )
        raise UnitsError(msg)
    if array.sizes[time] == 2 and shortest > 1.0:
        msg = (
            f"The units {units!r} of {name!r} are an amount, and two times along {time!r} do not "
            f"tell for how long. Give more times; or, where each is the amount of {shortest:g} "
            f'days, type ds["{name}"].attrs["accumulation"] = "step", where it is that of one day '
            '"daily_mean_rate".'
        )
        raise GridError(msg)


def months_told(array: xr.DataArray, units: str, shortest: float) -> str:
    """Say how to state what amounts at steps of months and years are."""
    name, time = str(array.name), time_dim(array)
    totals = '"step" for totals of calendar months'
    if not each_month(array.indexes[time]):
        lengths = {"days_in_month": "months", "days_in_year": "years"}
        if shortest < _YEAR:
            lengths.pop("days_in_year")
        totals = "for totals " + " or ".join(
            f'of {what} ds["{name}"] = (ds["{name}"] / ds["{time}"].dt.{days})'
            f'.assign_attrs(units="{per_day(units)}")'
            for days, what in lengths.items()
        )
    return (
        f"The units {units!r} of {name!r} are an amount, and steps of {shortest:g} days or more do "
        f'not tell for how long. Type what holds: ds["{name}"].attrs["accumulation"] = '
        '"daily_mean_rate" for means of daily amounts, as monthly ERA5-Land; "3_hourly_mean_rate" '
        f'of amounts of 3 hours, as monthly GLDAS; "hourly_mean_rate"; {totals}.'
    )


def each_month(index: Any) -> bool:
    """Tell whether labels are those of calendar months, of which some may be missing."""
    return bool(np.gcd.reduce(np.diff(months_of_index(index))) == 1)


def per_day(units: str) -> str:
    """Return an amount by day, in units that are read."""
    return f"{units.replace(' of water equivalent', '')} day-1"


def step_of_amount(ds: xr.Dataset, name: str, units: str) -> float | None:
    """Return for how many days an amount is; None where for the calendar month of each label.

    Bounds of time tell it, else the steps between labels. Others than even ones are refused.
    """
    array, time = ds[name], time_dim(ds[name])
    known = intervals_of(ds, time)
    if known is not None:
        return _of_bounds(ds, name, units, known)
    shortest, index = shortest_step(array, name, units), array.indexes[time]
    if shortest >= MONTH and each_month(index):
        return None  # also where months are missing
    try:
        even = step(array)
    except GridError as error:
        msg = (
            f"The units {units!r} are an amount for each time step, and there is no uniform step "
            f"to divide by: {_composites(array, name, units) or error}"
        )
        raise GridError(msg) from error
    if even.months:
        raise GridError(months_told(array, units, shortest))
    return float(even.length / _DAY)


def _of_bounds(ds: xr.Dataset, name: str, units: str, known: Intervals) -> float | None:
    """Return the same by the bounds of time."""
    if known.months:
        return None
    if np.allclose(known.days, known.days[0]):
        return round(float(known.days[0]), 9)
    bounds = bounds_of_time(ds, time_dim(ds[name]))
    msg = (
        f"The units {units!r} of {name!r} are an amount for the time between {bounds!r}, which is "
        f"{known.days.min():g} to {known.days.max():g} days. Divide by it: "
        f'ds["{name}"] = (ds["{name}"] / ((ds["{bounds}"][:, 1] - ds["{bounds}"][:, 0]) / '
        f'np.timedelta64(1, "D"))).assign_attrs(units="{per_day(units)}").'
    )
    raise GridError(msg)


def check_months(ds: xr.Dataset, name: str) -> None:
    """Refuse amounts of months whose labels lie in another month, where bounds of time say so."""
    time = time_dim(ds[name])
    known = intervals_of(ds, time)
    if known is None or not known.months:
        return
    if (months_of_index(ds.indexes[time]) != months_of_index(known.middles)).any():
        bounds = bounds_of_time(ds, time)
        msg = (
            f"Labels along {time!r} lie in the month after that of which {name!r} is, as "
            f"{bounds!r} say. Label months by their start: ds = ds.assign_coords("
            f'{time}=ds["{time}"].copy(data=ds["{bounds}"][:, 0].values)).'
        )
        raise GridError(msg)


def shortest_step(array: xr.DataArray, name: str, units: str) -> float:
    """Return the shortest time step in days."""
    _check_several(array, name, units)
    time = time_dim(array)
    steps = steps_between(array[time].values, time)
    return float(steps.min() / _DAY) if steps.size else 1.0


def _check_several(array: xr.DataArray, name: str, units: str) -> None:
    """Refuse an amount at one time, which may be that of an hour or of a day."""
    time = time_dim(array)
    if array.sizes[time] == 1:
        msg = (
            f"The units {units!r} of {name!r} are an amount for each time step, and one time along "
            f"{time!r} does not tell the step. Give more times and select one of the result; or, "
            f'where it is the amount of a day, type ds["{name}"].attrs["accumulation"] = '
            '"daily_mean_rate".'
        )
        raise GridError(msg)


def _composites(array: xr.DataArray, name: str, units: str) -> str:
    """Say how amounts for steps of several lengths become rates; nothing where steps are missing.

    Steps are missing where all are multiples of the shortest.
    """
    time = time_dim(array)
    steps = steps_between(np.asarray(array[time].values), time)
    if not (steps % steps.min()).any():
        return ""
    low, high = (round(float(length / _DAY), 3) for length in (steps.min(), steps.max()))
    return (
        f"steps last {low:g} to {high:g} days. Where each value is the amount until the next "
        f'label, type ds["{name}"] = (ds["{name}"] / (ds["{time}"].diff("{time}", label="lower") / '
        f'np.timedelta64(1, "D"))).assign_attrs(units="{per_day(units)}"), which leaves out the '
        "last one."
    )
