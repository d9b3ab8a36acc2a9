"""Daily values from hourly data: totals of fluxes, states at the end of the day or their mean."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import xarray as xr

from xsm.data.grid import time_dim
from xsm.data.naming import ROLES, Accumulation, Role, accumulation_of, roles_of
from xsm.data.naming.dimensions import check_lead
from xsm.data.time_axis import steps_between
from xsm.data.units import dequantify, is_amount, quantify
from xsm.exceptions import (
    GridError,
    MissingVariableError,
    UnitsError,
    check_choice,
    did_you_mean,
)

__all__ = ["daily"]


States: TypeAlias = Literal["end", "mean"]
Label: TypeAlias = Literal["end", "start"]
_Way: TypeAlias = Literal["sum", "mean", "end"]

_STEP = "_step_of_day"
_METHODS = {"sum": "time: sum", "mean": "time: mean", "end": "time: point"}
_STORES = {
    role.name
    for role in ROLES.values()
    if role.layered
    or role.name
    in {
        "snow_water_equivalent",
        "snow_cover",
        "groundwater_storage",
        "terrestrial_water_storage",
        "satellite_soil_moisture",
    }
}
"""States that the water balance differences, or that belong to the ground: ``states=`` rules."""


def daily(
    ds: xr.Dataset,
    *,
    accumulation: Accumulation | Mapping[str, Accumulation] | None = None,
    states: States = "end",
    label: Label = "end",
) -> xr.Dataset:
    """Return daily values of data with several steps a day, lazily.

    Each UTC day is labelled by its start. Amounts become the day's total, rates the day's mean,
    stores of water and heat their value at the end of the day or their mean, and meteorological
    states (temperature, humidity, pressure, wind) their mean.

    Parameters
    ----------
    ds : xarray.Dataset
        Data with a time step that divides a day, of any space, in UTC; steps may be missing.
    accumulation : str or mapping of str to str, optional
        What amounts (m, mm, kg m-2, J m-2) are, for all or by name of variable: ``"since_00"``
        (sums since 00 UTC, as raw hourly ERA5-Land), ``"step"`` (amounts of the step, as hourly
        ERA5), ``"rate"`` or ``"daily_mean_rate"`` (averaged). By default the attribute
        ``accumulation``, the product, or the values in memory tell. One for all holds for fluxes,
        and for variables without a role in these units, with a warning where their attributes do
        not say that they are sums.
    states : {"end", "mean"}, default: "end"
        Stores (soil moisture, snow, storage, soil temperature) and variables without a role: the
        value at 00 UTC of the next day, or the mean of the day.
    label : {"end", "start"}, default: "end"
        Where the label of an interval lies: ``"end"`` for ERA5, ERA5-Land and GLDAS (01:00 holds
        00-01), ``"start"`` for products that label intervals by their start.

    Returns
    -------
    xarray.Dataset
        The same variables, units and names at daily steps, with attributes ``cell_methods`` and,
        for amounts, ``accumulation = "step"``. A first or last day that is not complete is left
        out; a day inside that lacks a needed step is NaN, and so is a day with NaN. Lazy where
        the input is, for any chunks; quantities stay quantities. Bounds and further coordinates
        of time are left out; variables without time stay.

    Raises
    ------
    GridError
        If the step does not divide a day, the data are daily already, no day is complete, or time
        does not ascend.
    UnitsError
        If it cannot be told what amounts are: they are lazy and nothing is stated.
    MissingVariableError
        If ``accumulation`` names a variable that is not there.
    UnknownNameError
        If ``states``, ``label`` or ``accumulation`` has an unknown value.

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
    """
    check_choice("states", states, get_args(States))
    check_choice("label", label, get_args(Label))
    ds, quantified = dequantify(ds)
    check_lead(ds)
    time = time_dim(ds)
    moving = _moving(ds, time)
    roles = roles_of(ds)
    stated = _stated(ds, accumulation, [name for name in moving if name not in roles])
    ways = {name: _way(ds, name, roles.get(name), stated, states) for name in moving}
    axis = _axis(ds, time, label, ends="end" in {way for way, _ in ways.values()})
    made = {n: _aggregate(ds[n], time, axis, way, amount=a) for n, (way, a) in ways.items()}
    still = [name for name, array in ds.data_vars.items() if time not in array.dims]
    result = ds[still].drop_vars(_along(ds, time), errors="ignore").assign(made)
    result = result[[name for name in ds.data_vars if name in result]]
    if "accumulation" in ds.attrs:
        result.attrs["accumulation"] = "step"
    return quantify(result) if quantified else result


@dataclass(frozen=True)
class _Axis:
    """The days of the result and the times they need."""

    days: Any  # pandas.Index, of numpy or cftime dates
    steps: Any  # of all intervals, day by day
    ends: Any  # 00 UTC of the next day
    per_day: int


def _stated(
    ds: xr.Dataset,
    accumulation: Accumulation | Mapping[str, Accumulation] | None,
    unknown: Sequence[str],
) -> Mapping[str, str]:
    """Return what the user states, by variable; of those without a role, of amounts alone."""
    if accumulation is None:
        return {}
    if isinstance(accumulation, str):
        check_choice("accumulation", accumulation, get_args(Accumulation))
        unlike = {name for name in unknown if not (_sums(ds[name]) or _may_sum(ds[name]))}
        _warn_of(ds, accumulation, [n for n in unknown if n not in unlike and not _sums(ds[n])])
        return {str(name): accumulation for name in ds.data_vars if name not in unlike}
    for name, meaning in accumulation.items():
        check_choice(f"accumulation[{name!r}]", meaning, get_args(Accumulation))
        if name not in ds.data_vars:
            hint = did_you_mean(name, map(str, ds.data_vars))
            msg = f"accumulation= names {name!r}, which is no variable of the data. {hint}"
            raise MissingVariableError(msg)
    return accumulation


def _along(ds: xr.Dataset, time: str) -> list[str]:
    """Return the coordinates along time."""
    return [str(name) for name, coordinate in ds.coords.items() if time in coordinate.dims]


def _moving(ds: xr.Dataset, time: str) -> list[str]:
    """Return the variables along time, without the bounds of time."""
    bounds = {v.attrs.get("bounds", v.encoding.get("bounds")) for v in ds.coords.values()}
    return [str(n) for n, a in ds.data_vars.items() if time in a.dims and n not in bounds]


def _way(
    ds: xr.Dataset, name: str, role: Role | None, stated: Mapping[str, str], states: States
) -> tuple[_Way, bool]:
    """Return how a variable becomes daily, and whether it is an amount."""
    units = ds[name].attrs.get("units")
    if ds[name].dtype.kind not in "fiub":
        return "end", False
    if role is not None and role.flux:
        if units is None:
            msg = (
                f"{name!r} has no units, so it cannot be told whether it is an amount or a rate. "
                f'Type ds["{name}"].attrs["units"] = "{role.units}", or what it is.'
            )
            raise UnitsError(msg)
        amount = is_amount(str(units), role.units)
    else:
        amount = role is None and (name in stated or _sums(ds[name]))
    if amount:
        meaning = stated.get(name) or accumulation_of(ds, name, role)
        ways: dict[str, _Way] = {"since_00": "end", "step": "sum"}
        return ways.get(meaning, "mean"), meaning in ways
    if (role is not None and role.name not in _STORES) or "mean" in _methods(ds[name]):
        return "mean", False
    return states, False


def _methods(array: xr.DataArray) -> str:
    """Return the cell methods."""
    return str(array.attrs.get("cell_methods", ""))


def _sums(array: xr.DataArray) -> bool:
    """Tell whether the attributes of a variable without a role say that it is a sum over time."""
    attrs = array.attrs
    return (
        "accumulation" in attrs
        or attrs.get("GRIB_stepType") == "accum"
        or ("time: sum" in _methods(array))
    )


def _may_sum(array: xr.DataArray) -> bool:
    """Tell whether units are those of amounts, and no attribute says that values are states."""
    units = array.attrs.get("units")
    state = array.attrs.get("GRIB_stepType", "instant" if _methods(array) else "")
    if units is None or state:
        return False
    for rate in ("mm day-1", "W m-2"):
        with suppress(UnitsError):
            return is_amount(str(units), rate)
    return False


def _warn_of(ds: xr.Dataset, accumulation: str, names: Sequence[str]) -> None:
    """Warn of variables that are taken for amounts by their units alone."""
    if not names:
        return
    listed = ", ".join(f"{name!r} ({ds[name].attrs['units']})" for name in names)
    warnings.warn(
        f"accumulation={accumulation!r} is taken to hold for {listed} too, of which only the units "
        f'are known. Where one is a state, say so: ds["{names[0]}"].attrs["cell_methods"] = '
        '"time: point"; where it is an amount, "time: sum" silences this.',
        UserWarning,
        stacklevel=4,
    )


def _axis(ds: xr.Dataset, time: str, label: Label, *, ends: bool) -> _Axis:
    """Return the days that are complete, and those inside that are not."""
    index: Any = ds.indexes[time]
    step, day = _step(index, time), timedelta(days=1)
    days = (index + (-step / 2 if label == "end" else step / 2)).floor("D").unique()
    days = _range(days, day)
    offset = step if label == "end" else timedelta(0)
    per_day = int(day / step)
    parts = [days + (offset + i * step) for i in range(per_day)]
    whole = np.all([part.isin(index) for part in (*parts, *([days + day] if ends else []))], axis=0)
    if not whole.any():
        msg = (
            f"No UTC day between {index[0]} and {index[-1]} is complete at steps of {step}. Give "
            'whole days, or state label="start" if intervals are labelled by their start.'
        )
        raise GridError(msg)
    # only the outer days are dropped; a hole inside stays as NaN
    kept = slice(0 if whole[0] else 1, len(days) if whole[-1] else len(days) - 1)
    every = np.stack([np.asarray(part[kept]) for part in parts], axis=1)
    return _Axis(days[kept], type(index)(every.ravel()), days[kept] + day, per_day)


def _step(index: Any, time: str) -> timedelta:
    """Return the shortest time step; refuse one that does not divide a day."""
    steps, day = steps_between(np.asarray(index), time), timedelta(days=1)
    if not steps.size:
        msg = f"Along {time!r} there is no more than one time; give all steps of whole days."
        raise GridError(msg)
    step = timedelta(microseconds=int(steps.min() / np.timedelta64(1, "us")))
    if step >= day or day % step:
        msg = (
            f"The shortest time step is {step}; one that divides a day, such as 1 or 3 hours, is "
            "needed. Daily data are what they should be already."
        )
        raise GridError(msg)
    return step


def _range(days: Any, day: timedelta) -> Any:
    """Return all days from the first to the last, in the calendar of an index."""
    count = round((days[-1] - days[0]) / day) + 1
    return days if count == len(days) else type(days)([days[0] + i * day for i in range(count)])


def _aggregate(
    array: xr.DataArray, time: str, axis: _Axis, way: _Way, *, amount: bool
) -> xr.DataArray:
    """Return the daily values of a variable."""
    attrs = {**array.attrs, "cell_methods": _METHODS["sum" if amount else way]}
    attrs.pop("GRIB_stepType", None)
    if amount:
        attrs["accumulation"] = "step"
    else:
        attrs.pop("accumulation", None)
    others = [name for name in _along(array.to_dataset(name="_"), time) if name != time]
    array = array.drop_vars(others)
    if way == "end":
        found = _at(array, time, axis.ends)
    else:
        steps = _whole_days(_at(array, time, axis.steps), time, axis.per_day)
        by_day = (
            steps.drop_vars(time).coarsen({time: axis.per_day}).construct({time: (time, _STEP)})
        )
        found = getattr(by_day, way)(_STEP, skipna=False)
    return found.assign_coords({time: axis.days}).assign_attrs(attrs)


def _at(array: xr.DataArray, time: str, times: Any) -> xr.DataArray:
    """Return the values at times, NaN where there are none."""
    index = array.indexes[time]
    if not times.isin(index).all():
        return array.reindex({time: times})
    at = index.get_indexer(times)
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
