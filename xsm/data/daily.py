"""Daily values from hourly data: totals of fluxes, states at the end of the day or their mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, get_args

import numpy as np
import xarray as xr

from xsm.data.daily_ways import Day, States, Ways, ways_of
from xsm.data.doubt import doubt_fills
from xsm.data.grid import time_dim
from xsm.data.intervals import Label, label_of, with_bounds_read
from xsm.data.joins import assigned, at_labels, positions
from xsm.data.naming import Accumulation, roles_of, stated
from xsm.data.naming.dimensions import check_lead
from xsm.data.naming.products import label_of_products
from xsm.data.provenance import recorded
from xsm.data.reduction import CF, tell_left_out
from xsm.data.refused import check_moving, check_some
from xsm.data.time_axis import steps_between
from xsm.data.units import dequantify, quantify
from xsm.exceptions import GridError, check_choice
from xsm.typing import Array

__all__ = ["daily"]


_DAY = timedelta(days=1)
_STEP = "_step_of_day"


def daily(
    ds: xr.Dataset,
    *,
    accumulation: Accumulation | Mapping[str, Accumulation] | None = None,
    states: States = "end",
    label: Label | None = None,
    variables: Mapping[str, str] | None = None,
    product: str | None = None,
) -> xr.Dataset:
    """Return daily values of data with several steps a day, lazily.

    Each UTC day is labelled by its start. Amounts become the day's total, rates the day's mean,
    stores of water and heat their value at the end of the day or their mean, and meteorological
    states (temperature, humidity, pressure, wind) their mean. What has no role becomes what its
    ``cell_methods`` say; where they say nothing it is left out with a warning.

    Parameters
    ----------
    ds : xarray.Dataset
        Data with a time step that divides a day, of any space, in UTC; steps may be missing. Of
        sums since 00 UTC the fields at 00 UTC alone are enough.
    accumulation : str or mapping of str to str, optional
        What amounts (m, mm, kg m-2, J m-2) are, for all or by name of variable: ``"since_00"``
        (sums since 00 UTC, as raw hourly ERA5-Land), ``"step"`` (amounts of the step, as hourly
        ERA5), ``"rate"``, ``"daily_mean_rate"`` and its like (averaged). By default the attribute
        ``accumulation``, the product, or the values in memory tell. One for all holds for fluxes,
        and for variables without a role in these units, with a warning where their attributes do
        not say that they are sums.
    states : {"end", "mean"}, default: "end"
        Stores (soil moisture, snow, storage, soil temperature) and points without a role: the
        value at 00 UTC of the next day, or the mean of the day.
    label : {"end", "start", "middle"}, optional
        Where the label of an interval lies: ``"end"`` for ERA5, ERA5-Land and GLDAS (01:00 holds
        00-01), ``"start"`` for products that label intervals by their start. By default bounds of
        time tell, then the product (FLUXNET: ``"start"``), else ``"end"``. Labels at half steps
        (00:30, 01:30 as of MERRA-2) are middles, also where something else is stated.
    variables : mapping of str to str, optional
        Role to the name of a variable, where names are your own. What has no role becomes what
        its ``cell_methods`` (or the step type of GRIB) say of time: the day's sum, mean, maximum,
        minimum, or, of points, what ``states`` says.
    product : str, optional
        The product that the data are of, where it is not recognised, see
        :func:`xsm.list_products`.

    Returns
    -------
    xarray.Dataset
        The same variables, units and names at daily steps, with attributes ``cell_methods`` and,
        for amounts, ``accumulation = "step"``. A first or last day that is not complete is left
        out; a day inside that lacks a needed step is NaN, and so is a day with NaN. Lazy where
        the input is, for any chunks; quantities stay quantities. Bounds and further coordinates
        of time are left out; variables without time stay, text is taken at the end of the day.

    Raises
    ------
    GridError
        If the step does not divide a day, the data are daily already, no day is complete, or time
        does not ascend.
    UnitsError
        If it cannot be told what amounts are (they are lazy and nothing is stated), or units of
        fluxes are missing or do not fit; all in one error; or if fill values that nothing declares
        would be averaged in.
    MissingVariableError
        If ``accumulation`` or ``variables`` names a variable that is not there, or nothing says
        what the variables along time are.
    UnknownNameError
        If ``states``, ``label`` or ``accumulation`` has an unknown value, or ``variables`` names no
        role.

    Warns
    -----
    UserWarning
        If variables are left out, with the reason and what to type; if a word for all amounts is
        taken to hold for a variable of which only the units are known.

    Notes
    -----
    Sums since 00 UTC grow from 01:00 to 00:00 of the next day (Muñoz-Sabater et al. 2021), so the
    total of day D is the value at 00:00 of D + 1: one selection, no reduction. The components of
    the wind are averaged apart, so a speed made of them later is that of the mean wind.

    References
    ----------
    Muñoz-Sabater, J. et al. (2021). ERA5-Land. Earth Syst. Sci. Data 13:4349.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> hours = np.arange("2020-01-01T01", "2020-01-03T01", dtype="M8[h]").astype("M8[ns]")
    >>> tp = np.r_[np.arange(1, 25), np.arange(2, 50, 2)] / 1000  # grows from 00 UTC
    >>> ds = xr.Dataset({"tp": ("time", tp, {"units": "m"})}, {"time": hours})
    >>> daily(ds)["tp"].values
    array([0.024, 0.048])
    >>> own = xr.Dataset({"RAIN": ("time", np.full(48, 0.1), {"units": "mm"})}, {"time": hours})
    >>> daily(own, variables={"precipitation": "RAIN"})["RAIN"].values.round(3)
    array([2.4, 2.4])
    """
    check_choice("states", states, get_args(States))
    if label is not None:
        check_choice("label", label, get_args(Label))
    ds, quantified = dequantify(stated(ds, product))
    check_lead(ds)
    ds, time = with_bounds_read(ds), time_dim(ds)
    check_some(ds, time)
    roles = roles_of(ds, variables)
    check_moving(ds, [time], roles)
    step = _step(ds.indexes[time], time)
    ways = ways_of(ds, time, roles, accumulation, states)
    doubt_fills(ds, {name: roles.get(name) for name in ways.known})
    if step == _DAY:
        label = _check_midnight(ds.indexes[time], ways)
    else:
        label = label_of(ds, time, step, label, label_of_products(ds))
    if label == "middle":  # their ends are whole steps of the day
        ds, label = ds.assign_coords({time: ds.indexes[time] + step / 2}), "end"
    needed = {*ways.unknown, *ways.reasons} if not ways.known else (variables or {}).values()
    tell_left_out(ds, "daily", ways.unknown, ways.reasons, needed)
    axis = _axis(ds, time, step, label, ends="end" in {day.way for day in ways.known.values()})
    made = {name: _aggregate(ds[name], time, axis, day) for name, day in ways.known.items()}
    still = [name for name, array in ds.data_vars.items() if time not in array.dims]
    result = assigned(ds[still].drop_vars(_along(ds, time), errors="ignore"), made)
    result = result[[name for name in ds.data_vars if name in result]]
    if "accumulation" in ds.attrs:
        result.attrs["accumulation"] = "step"
    result = recorded(result, "daily", of=ds, title="Daily values")
    return quantify(result) if quantified else result


@dataclass(frozen=True)
class _Axis:
    """The days of the result and the times they need."""

    days: Any  # pandas.Index, of numpy or cftime dates
    steps: Any  # of all intervals, day by day
    ends: Any  # 00 UTC of the next day
    per_day: int


def _check_midnight(index: Any, ways: Ways) -> Label:
    """Of fields at 00 UTC alone take sums since 00 UTC and stores; refuse other daily data."""
    if not any(day.amount and day.way == "end" for day in ways.known.values()):
        msg = "The time step is one day: these data are daily already, and need no xsm.daily."
        raise GridError(msg)
    if (index != index.floor("D")).any():
        msg = (
            f"Sums since 00 UTC once a day, at {index[0]} and so on, are no totals of days. Give "
            "those of 00 UTC, or all hours."
        )
        raise GridError(msg)
    for name in [name for name, day in ways.known.items() if day.way != "end"]:
        del ways.known[name]
        ways.reasons[name] = "one value a day, at 00 UTC, does not tell the day. Give all hours."
    return "end"


def _along(ds: xr.Dataset, time: str) -> list[str]:
    """Return the coordinates along time."""
    return [str(name) for name, coordinate in ds.coords.items() if time in coordinate.dims]


def _axis(ds: xr.Dataset, time: str, step: timedelta, label: Label, *, ends: bool) -> _Axis:
    """Return the days that are complete, and those inside that are not."""
    index: Any = ds.indexes[time]
    days, parts, whole = _days(index, step, label, ends=ends)
    if not whole.any():
        raise GridError(_incomplete(index, step, label, ends=ends))
    # only the outer days are dropped; a hole inside stays as NaN
    kept = slice(0 if whole[0] else 1, len(days) if whole[-1] else len(days) - 1)
    every = np.stack([np.asarray(part[kept]) for part in parts], axis=1)
    return _Axis(days[kept], type(index)(every.ravel()), days[kept] + _DAY, len(parts))


def _days(index: Any, step: timedelta, label: Label, *, ends: bool) -> tuple[Any, list[Any], Array]:
    """Return the days of an index, the labels that each needs, and whether it has them all."""
    days = (index + (-step / 2 if label == "end" else step / 2)).floor("D").unique()
    days = _range(days)
    offset = step if label == "end" else timedelta(0)
    parts = [days + (offset + i * step) for i in range(int(_DAY / step))]
    needed = (*parts, *([days + _DAY] if ends else []))
    return days, parts, np.all([part.isin(index) for part in needed], axis=0)


def _incomplete(index: Any, step: timedelta, label: Label, *, ends: bool) -> str:
    """Say that no day is complete, and what makes one so, where that is known."""
    other: Label = "start" if label == "end" else "end"
    if _days(index, step, other, ends=ends)[2].any():
        advice = f'State label="{other}" if intervals are labelled by their {other}.'
    else:
        advice = "Give all steps of whole days."
    return f"No UTC day from {index[0]} to {index[-1]} is complete at steps of {step}. {advice}"


def _step(index: Any, time: str) -> timedelta:
    """Return the shortest time step; refuse one that does not divide a day."""
    steps = steps_between(np.asarray(index), time)
    if not steps.size:
        msg = f"Along {time!r} there is no more than one time; give all steps of whole days."
        raise GridError(msg)
    step = timedelta(microseconds=int(steps.min() / np.timedelta64(1, "us")))
    if step > _DAY or _DAY % step:
        msg = (
            f"The shortest time step is {step}; one that divides a day, such as 1 or 3 hours, is "
            "needed."
        )
        raise GridError(msg)
    return step


def _range(days: Any) -> Any:
    """Return all days from the first to the last, in the calendar of an index."""
    count = round((days[-1] - days[0]) / _DAY) + 1
    return days if count == len(days) else type(days)([days[0] + i * _DAY for i in range(count)])


def _aggregate(array: xr.DataArray, time: str, axis: _Axis, day: Day) -> xr.DataArray:
    """Return the daily values of a variable."""
    way, amount = day.way, day.amount
    method = "sum" if amount else {"end": "point", **CF}.get(way, way)
    attrs = {**array.attrs, "cell_methods": f"time: {method}"}
    attrs.pop("GRIB_stepType", None)
    attrs.pop("accumulation", None)
    if amount or day.mean_of:
        attrs["accumulation"] = day.mean_of or "step"
    others = [name for name in _along(array.to_dataset(name="_"), time) if name != time]
    array = array.drop_vars(others)
    if way == "end":
        found = _at(array, time, axis.ends)
    else:
        steps = _whole_days(_at(array, time, axis.steps), time, axis.per_day)
        bare = steps.drop_vars(list(steps.coords))  # an index of several levels is not reshaped
        by_day = bare.coarsen({time: axis.per_day}).construct({time: (time, _STEP)})
        found = getattr(by_day, way)(_STEP, skipna=False)
        found = found.assign_coords(steps.isel({time: 0}).drop_vars(time).coords)
    days = xr.Variable(time, axis.days, array[time].attrs)
    return found.assign_coords({time: days}).assign_attrs(attrs)


def _at(array: xr.DataArray, time: str, times: Any) -> xr.DataArray:
    """Return the values at times, NaN where there are none."""
    index = array.indexes[time]
    if not times.isin(index).all():
        return at_labels(array, {time: times})
    at = positions(index, times)
    if (np.diff(at) == 1).all():
        return array.isel({time: slice(int(at[0]), int(at[-1]) + 1)})
    return array.isel({time: at})


def _whole_days(array: xr.DataArray, time: str, per_day: int) -> xr.DataArray:
    """Let dask chunks begin and end with days."""
    if array.chunks is None:
        return array
    sizes = array.chunksizes[time]
    if all(size % per_day == 0 for size in sizes):
        return array
    return array.chunk({time: max(round(max(sizes) / per_day), 1) * per_day})
