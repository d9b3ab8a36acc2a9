"""Series by calendar month, whatever day a month is labelled by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
import xarray as xr

from xsm.data.grid import step, time_dim, without_scalars
from xsm.exceptions import NotEnoughDataError
from xsm.typing import Array

__all__ = ["MONTH", "baseline_months", "by_month", "month_text", "months_of"]


MONTH = "month_number"
_DATE = re.compile(r"(\d{4})(?:-(0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01])(?:[T ].*)?)?)?")
_FINE = np.timedelta64(20, "D")  # steps of months are longer, also of odd GRACE solutions


def months_of(array: xr.DataArray) -> Array:
    """Return the number of the calendar month of each step.

    Parameters
    ----------
    array : DataArray
        A series with one time dimension, of any calendar.

    Returns
    -------
    ndarray
        (time,) months since the year 0.

    Examples
    --------
    >>> days = np.array(["2004-01-15", "2004-02-01"], "M8[ns]")
    >>> months_of(xr.DataArray([1, 2], {"time": days}, "time")) - 2004 * 12
    array([0, 1])
    """
    times = array[time_dim(array)].dt
    return np.asarray(times.year.values * 12 + times.month.values - 1)


def month_text(month: int) -> str:
    """Return a month as text.

    Parameters
    ----------
    month : int
        Months since the year 0.

    Returns
    -------
    str
        Year and month.

    Examples
    --------
    >>> month_text(2004 * 12 + 11)
    '2004-12'
    """
    return f"{month // 12:04d}-{month % 12 + 1:02d}"


def by_month(array: xr.DataArray) -> xr.DataArray:
    """Return monthly means, labelled by the number of the month, lazily.

    Parameters
    ----------
    array : DataArray
        A series (time, *space).

    Returns
    -------
    DataArray
        ``month_number`` in the place of time, ascending. Of a series by months each value is that
        of its calendar month, and of two in one month (as GRACE has) their mean. Of a finer series
        it is the mean of the month's steps: NaN where one is NaN, and in a first or last month
        that the series does not fill, as of :func:`xsm.monthly`.

    Raises
    ------
    GridError
        If there is no time, or a finer series is irregular.

    Examples
    --------
    >>> days = np.arange("2004-01-31", "2004-03-01", dtype="M8[D]").astype("M8[ns]")
    >>> by_month(xr.DataArray(np.ones(30), {"time": days}, "time")).values
    array([nan,  1.])
    """
    time = time_dim(array)
    months = months_of(array)
    plain = without_scalars(array).drop_vars(time)
    fine = _fine(array)
    if not fine and len(np.unique(months)) == len(months):
        named = plain.rename({time: MONTH}).assign_coords({MONTH: months})
        return named.isel({MONTH: np.argsort(months)})
    means = plain.assign_coords({MONTH: (time, months)}).groupby(MONTH).mean(time, skipna=False)
    means = means.transpose(*(MONTH if d == time else d for d in array.dims))
    return means.where(_whole(array, means[MONTH].values)) if fine else means


def _fine(array: xr.DataArray) -> bool:
    """Tell whether the steps of a series are shorter than months."""
    steps = np.diff(np.sort(array[time_dim(array)].values)).astype("m8[ns]")
    return bool(steps.size) and bool(np.median(steps) < _FINE)


def _whole(array: xr.DataArray, wanted: Array) -> xr.DataArray:
    """Tell of which months a fine series, which has even steps, holds all of them."""
    step(array)  # refuses uneven ones
    index = array.indexes[time_dim(array)]
    apart = index[1] - index[0]
    there = np.ones(len(wanted), bool)
    there[0] = (index[0] - apart).month != index[0].month
    there[-1] &= (index[-1] + apart).month != index[-1].month
    return xr.DataArray(there, {MONTH: wanted}, MONTH)


def baseline_months(baseline: Sequence[str] | slice) -> tuple[int, int]:
    """Return the first and the last month of a period.

    Parameters
    ----------
    baseline : (str, str) or slice
        First and last year, month or day, as ``("2004", "2009")``, in the spelling of ISO 8601;
        both count.

    Returns
    -------
    tuple of int
        Months since the year 0.

    Raises
    ------
    NotEnoughDataError
        If it is no period.

    Examples
    --------
    >>> [month_text(m) for m in baseline_months(("2004", "2009-06-15"))]
    ['2004-01', '2009-06']
    """
    ends: Iterable[object] = ()
    if isinstance(baseline, slice):
        ends = (baseline.start, baseline.stop)
    elif isinstance(baseline, Iterable):
        ends = baseline
    found = [_DATE.fullmatch(str(end)) for end in ends]
    if len(found) == 2 and found[0] and found[1]:
        first = int(found[0][1]) * 12 + int(found[0][2] or 1) - 1
        last = int(found[1][1]) * 12 + int(found[1][2] or 12) - 1
        if first <= last:
            return first, last
    msg = (
        f"baseline={baseline!r} was given; the first and the last month of a period are needed, "
        'in this spelling: ("2004-01", "2009-12"); or None for anomalies of one period already.'
    )
    raise NotEnoughDataError(msg)
