"""What the values of a flux mean: a rate, an amount for each time step, or a sum since 00 UTC."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import xarray as xr

from xsm.data.grid import time_dim
from xsm.data.intervals import intervals_of, method_of_time
from xsm.data.naming.durations import (
    MONTH,
    check_days,
    check_months,
    each_month,
    months_told,
    per_day,
    shortest_step,
    step_of_amount,
)
from xsm.data.naming.held import in_memory, sample
from xsm.data.naming.products import agreed, using
from xsm.data.naming.radiation import told_by_radiation
from xsm.data.naming.roles import Role
from xsm.data.time_axis import steps_between
from xsm.data.units import Conversion, conversion, is_amount
from xsm.exceptions import GridError, UnitsError, did_you_mean, warn_outside
from xsm.typing import FloatArray

__all__ = [
    "MEANS",
    "Accumulation",
    "UntoldError",
    "accumulation_of",
    "check_sign",
    "contradicted_sign",
    "flux_conversion",
    "sawtooth",
    "since_00",
]


Accumulation: TypeAlias = Literal[
    "step", "since_00", "rate", "daily_mean_rate", "3_hourly_mean_rate", "hourly_mean_rate"
]

MEANS = {"daily_mean_rate": 1.0, "3_hourly_mean_rate": 3 / 24, "hourly_mean_rate": 1 / 24}
"""Days that the amounts last whose means the values are."""
_METHODS: tuple[tuple[str, Accumulation], ...] = (
    (r"time: sum within days .*time: mean over days", "daily_mean_rate"),
    (r"time: mean \(interval: (1 day|24 hours?)\)", "daily_mean_rate"),
    (r"time: mean \(interval: 3 hours?\)", "3_hourly_mean_rate"),
    (r"time: mean \(interval: 1 hour\)", "hourly_mean_rate"),
)
"""Means of amounts, in the words of CF."""
_REANALYSES = {"era5_land", "era5"}  # monthly means of daily amounts, if nobody has summed them
_DAY = np.timedelta64(1, "D")
_DAYS = 60  # days that are looked at for a sawtooth
_WITHIN = 0.85  # share of steps within days that do not fall, in a sawtooth (dew lets some fall)
_AFTER = 0.5  # share of steps after 00 UTC that fall (a wet step may exceed a dry day's sum)
_NEGATIVE = 0.5  # share of negative values that contradicts a sign


class UntoldError(UnitsError):
    """What amounts are cannot be told without reading the data."""


def flux_conversion(ds: xr.Dataset, name: str, role: Role, units: str) -> Conversion:
    """Return the change of a flux to its canonical rate, without the sign.

    Parameters
    ----------
    ds : xarray.Dataset
        The data.
    name : str
        The variable.
    role : Role
        Its role.
    units : str
        Its units.

    Returns
    -------
    Conversion
        To the canonical rate. Amounts for each time step are divided by the step, of months by the
        days of each; means of amounts for some hours by these.

    Raises
    ------
    UnitsError
        If units do not convert, or the values are, or may be, sums since 00 UTC.
    GridError
        If amounts have no even time step to be divided by, there is one time, steps are those of
        months and nothing says what amounts are, or labels lie in the month after theirs.

    Examples
    --------
    >>> from xsm.data.naming import ROLES
    >>> import numpy as np, xarray as xr
    >>> hours = np.arange("2020-01-01T01", "2020-01-02T01", dtype="M8[h]").astype("M8[ns]")
    >>> tp = ("time", np.ones(24), {"units": "m", "accumulation": "step"})
    >>> ds = xr.Dataset({"tp": tp}, {"time": hours})
    >>> flux_conversion(ds, "tp", ROLES["precipitation"], "m")
    Conversion(factor=24000.0, offset=0.0, months=0)
    """
    if not is_amount(units, role.units):
        change = conversion(units, role.units, water=role.water)
        if change.months:
            check_months(ds, name)
        return change
    meaning = accumulation_of(ds, name, role)
    if meaning == "rate":
        msg = (
            f'accumulation="rate" is stated, but the units {units!r} are an amount. State a rate: '
            f'ds["{name}"].attrs["units"] = "{role.units}", or another accumulation.'
        )
        raise UnitsError(msg)
    if meaning == "since_00":
        raise UnitsError(since_00(name, "is stated or seen to be a sum since 00 UTC"))
    days = MEANS[meaning] if meaning in MEANS else step_of_amount(ds, name, units)
    if days is None:
        check_months(ds, name)
    change = conversion(units, role.units, water=role.water, step_days=days or 1.0)
    return change if days else replace(change, months=1)


def accumulation_of(ds: xr.Dataset, name: str, role: Role | None = None) -> Accumulation:
    """Return what the amounts of a variable are.

    Parameters
    ----------
    ds : xarray.Dataset
        The data.
    name : str
        The variable, whose units are an amount.
    role : Role, optional
        Its role, by which the product is known.

    Returns
    -------
    str
        What the attribute ``accumulation`` of the variable or of the data set states; else what
        the monthly files of a product are known for; else what ``cell_methods`` with bounds of
        time, GRIB or the product say; else ``"step"`` where the time step is a day or more, but
        below a month; else what the values in memory show. Steps may be missing.

    Raises
    ------
    UnitsError
        If the attribute has another value, or contradicts the product; if the step is below a day,
        nothing is stated and the values are not in memory; if accumulations lie at 00 UTC alone.
    GridError
        If nothing is stated and time does not ascend, there is one time alone, or two that are more
        than a day apart, or steps are those of months and years.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> hours = np.arange("2020-01-01T01", "2020-01-02T01", dtype="M8[h]").astype("M8[ns]")
    >>> tp = ("time", np.ones(24), {"units": "m", "accumulation": "step"})
    >>> ds = xr.Dataset({"tp": tp}, {"time": hours})
    >>> accumulation_of(ds, "tp")
    'step'
    """
    array = ds[name]
    products = using(ds, name, role.products(name)) if role else ()
    by_month = _of_months(ds, products)
    stated = array.attrs.get("accumulation", ds.attrs.get("accumulation"))
    if stated is not None:
        return _checked(str(stated), array, by_month)
    time = time_dim(array)
    known = intervals_of(ds, time)
    if by_month is not None and array.sizes[time] == 1:
        return by_month
    units = str(array.attrs.get("units"))
    shortest = shortest_step(array, name, units) if known is None else float(known.days.min())
    said = by_month if shortest >= MONTH else None
    told = known is not None or (shortest >= MONTH and each_month(array.indexes[time]))
    said = said or _by_methods(array, told=told and not agreed(products, "monthly"))
    if said is not None:
        return said
    if shortest >= MONTH:
        return _of_long_steps(ds, array, products, shortest)
    if known is not None and shortest >= 1.0:
        return "step"
    return _of_short_steps(array, products, shortest)


def _of_long_steps(
    ds: xr.Dataset, array: xr.DataArray, products: tuple[str, ...], shortest: float
) -> Accumulation:
    """Return what amounts at steps of months are by their product; refuse what is not known."""
    of_ecmwf = not _REANALYSES.isdisjoint(products)
    documented = agreed(products, "amounts") == "step" and not agreed(products, "monthly")
    if documented and not of_ecmwf:
        return "step"
    found = told_by_radiation(ds) if of_ecmwf else None
    if found is None:
        raise GridError(months_told(array, str(array.attrs.get("units")), shortest))
    return found


def _of_short_steps(
    array: xr.DataArray, products: tuple[str, ...], shortest: float
) -> Accumulation:
    """Return what amounts at steps below a month are, where the file does not say it."""
    said: Accumulation | None = agreed(products, "amounts")  # type: ignore[assignment]
    if said is not None:
        check_days(array, str(array.attrs.get("units")), shortest)
        return said
    if shortest >= 1.0:
        check_days(array, str(array.attrs.get("units")), shortest)
        return "step"
    if not in_memory(array):
        what = (
            "may be a sum since 00 UTC, as hourly ERA5-Land is; that cannot be told without "
            "reading the data"
        )
        raise UntoldError(since_00(str(array.name), what, told=False))
    return "since_00" if sawtooth(array) else "step"


def sawtooth(array: xr.DataArray) -> bool:
    """Tell whether values grow through each UTC day and fall after 00 UTC.

    Parameters
    ----------
    array : DataArray (time, ...)
        Values in memory, of steps below a day, of which some may be missing. At most 60 days, at
        about 24 positions of each other dimension, are looked at.

    Returns
    -------
    bool
        True where 85 % of the steps within days do not fall (in size), and half of the steps after
        00 UTC do, counted where the value before the step is not 0.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> hours = np.arange("2020-01-01T01", "2020-01-03T01", dtype="M8[h]").astype("M8[ns]")
    >>> rain = np.tile(np.r_[np.zeros(8), np.ones(4), np.zeros(12)], 2)
    >>> steps = xr.DataArray(rain, coords={"time": hours}, dims="time")
    >>> sums = steps.copy(data=rain.reshape(2, 24).cumsum(1).ravel())
    >>> sawtooth(steps), sawtooth(sums)
    (False, True)
    """
    time = time_dim(array)
    shortest = steps_between(array[time].values, time).min()
    per_day = max(round(_DAY / shortest), 1)
    thin = {d: slice(None, None, max(n // 24, 1)) for d, n in array.sizes.items() if d != time}
    head = array.isel({**thin, time: slice(None, _DAYS * per_day)}).transpose(time, ...)
    values = abs(np.asarray(head.values, dtype=float).reshape(head.sizes[time], -1))
    index: Any = head.indexes[time]
    half = timedelta(microseconds=int(shortest / np.timedelta64(2, "us")))
    days = np.asarray((index - half).floor("D"))  # the day in which each interval lies
    resets = days[1:] != days[:-1]
    rise, before = np.diff(values, axis=0), values[:-1]
    tolerance = 1e-4 * float(np.nanmax(values, initial=0.0))  # packing of GRIB: 16 bits
    counted = np.isfinite(rise) & (before > tolerance)
    within = rise[counted & ~resets[:, None]] >= -tolerance
    after = rise[counted & resets[:, None]] < -tolerance
    return bool(within.size and after.size and within.mean() > _WITHIN and after.mean() > _AFTER)


def check_sign(array: xr.DataArray, change: Conversion, role: Role) -> None:
    """Warn where values in memory contradict the sign that was assumed.

    Parameters
    ----------
    array : DataArray
        The variable as it is. Lazy arrays, and those that state ``positive``, are not looked at.
    change : Conversion
        To canonical unit and sign.
    role : Role
        The role, with its positive direction.

    Examples
    --------
    >>> import xarray as xr
    >>> from xsm.data.naming import ROLES
    >>> array = xr.DataArray([-1.0, -2.0], name="e")  # ERA5-Land: negative is evaporation
    >>> check_sign(array, Conversion(factor=-1.0), ROLES["evaporation"])
    """
    if role.positive and array.dtype.kind in "fiu" and in_memory(array):
        said = contradicted_sign(sample(array), array, change, role)
        if said:
            warn_outside(f"{role.name}: {said}")


def contradicted_sign(
    values: FloatArray, array: xr.DataArray, change: Conversion, role: Role
) -> str:
    """Say that values of a flux contradict its sign, and how to state it; nothing where they fit.

    One that states ``positive`` is believed.
    """
    if not role.positive or "positive" in array.attrs:
        return ""
    values = values * change.factor
    values = values[np.isfinite(values) & (values != 0)]
    if not values.size or values.mean() >= 0 or (values < 0).mean() <= _NEGATIVE:
        return ""
    other = {"up": "down", "down": "up"}[role.positive]
    given = role.positive if change.factor < 0 else other
    return (
        f"{(values < 0).mean():.0%} of the values of {array.name!r} are negative "
        f"where {role.sign} is meant. If its positive values point {given}ward, say so: "
        f'ds["{array.name}"].attrs["positive"] = "{given}"; if they are right, state '
        f'"{other if given == role.positive else role.positive}" to silence this.'
    )


def _checked(stated: str, array: xr.DataArray, by_month: Accumulation | None) -> Accumulation:
    """Return a stated accumulation, or raise with near misses; refuse what the product denies."""
    known = get_args(Accumulation)
    if stated not in known:
        msg = f"accumulation={stated!r} is stated. {did_you_mean(stated, known)}"
        raise UnitsError(msg)
    meaning: Accumulation = stated  # type: ignore[assignment]
    if by_month is not None and meaning in MEANS and meaning != by_month:
        msg = (
            f"accumulation={stated!r} is stated, and monthly files of this product hold "
            f'{by_month!r}. Type ds["{array.name}"].attrs["accumulation"] = "{by_month}"; or, '
            f'where values are amounts of a day, ds["{array.name}"].attrs["units"] = '
            f'"{per_day(str(array.attrs.get("units")))}".'
        )
        raise UnitsError(msg)
    return meaning


def _by_methods(array: xr.DataArray, *, told: bool) -> Accumulation | None:
    """Return what ``cell_methods``, or the averages of GRIB, say that amounts are.

    A sum is that of the step only where it is ``told`` by bounds of time, or is the month.
    """
    methods = str(array.attrs.get("cell_methods", ""))
    for pattern, meaning in _METHODS:
        if re.search(pattern, methods):
            return meaning
    if told and method_of_time(array, time_dim(array)) == "sum":
        return "step"
    averaged = str(array.attrs.get("GRIB_stepType", "")).startswith("avg")
    return "daily_mean_rate" if averaged else None


def _of_months(ds: xr.Dataset, products: tuple[str, ...]) -> Accumulation | None:
    """Return what amounts are in monthly files of a product, where the title says monthly."""
    if "monthly" not in str(ds.attrs.get("title", "")).lower():
        return None
    return agreed(products, "monthly")  # type: ignore[return-value]


def since_00(name: str, what: str, *, told: bool = True) -> str:
    """Say how to go on with sums since 00 UTC, or with what may be such and cannot be told."""
    call = "xsm.daily(ds)" if told else 'xsm.daily(ds, accumulation="since_00")'
    return (
        f"{name!r} {what}. Type {call} for daily totals{'' if told else ' of such sums'}, or, if "
        f'each value is the amount of its own step: ds["{name}"].attrs["accumulation"] = "step".'
    )
