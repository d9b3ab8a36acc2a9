"""The mean of each season of earlier years: what a prediction has to beat."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xsm.data.grid import time_dim
from xsm.typing import Array, FloatArray

__all__ = ["earlier_climatology", "from_climatology", "seasonal_mean"]


_WEEKS = 28  # days; the shortest month
_DAYS = {"360_day": 360, "366_day": 366, "all_leap": 366}  # of a year, where it is not 365


def seasonal_mean(observed: xr.DataArray, dim: str) -> xr.DataArray:
    """Return the climatology: the mean of the observations of each day of the year, or month.

    Parameters
    ----------
    observed : DataArray
        Observations along time.
    dim : str
        The time dimension.

    Returns
    -------
    DataArray
        (dayofyear, ...), or (month, ...) where steps are four weeks or longer, in the units of the
        input; NaN for days of the year that were never observed. Lazy where the input is.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.to_datetime(["2019-01-01", "2020-01-01"])
    >>> seasonal_mean(xr.DataArray([0.2, 0.4], coords={"time": days}, dims="time"), "time").values
    array([0.3])
    """
    seasons = _seasons(observed[dim])
    if observed.chunks is None:
        return observed.groupby(seasons).mean(dim)
    import dask.array as da

    found, place = np.unique(seasons.values, return_inverse=True)
    moving = observed.transpose(dim, ...)
    data, space = moving.data, tuple(range(3, moving.ndim + 2))
    sums = da.blockwise(  # one task a block: groupby would make one for each season and block
        _sum_by_season,
        (0, 1, 2, *space),
        data,
        (0, *space),
        da.from_array(place, chunks=(data.chunks[0],)),
        (0,),
        seasons=len(found),
        new_axes={1: 2, 2: len(found)},
        adjust_chunks={0: 1},
        dtype=np.float64,
        meta=np.empty((0,) * (moving.ndim + 2)),
    ).sum(axis=0)
    mean = da.where(sums[1] > 0, sums[0] / da.maximum(sums[1], 1), np.nan)
    coords = {k: v for k, v in observed.coords.items() if dim not in v.dims}
    coords[seasons.name] = found
    dims = (seasons.name, *moving.dims[1:])
    return xr.DataArray(mean, coords=coords, dims=dims, name=observed.name)


def _seasons(times: xr.DataArray) -> xr.DataArray:
    """Return the day of the year, or the month where steps are four weeks or longer."""
    steps = np.abs(np.diff(times.values).astype("m8[D]").astype(int))
    name = "month" if len(steps) and np.median(steps) >= _WEEKS else "dayofyear"
    found: xr.DataArray = getattr(times.dt, name).rename(name)
    return found


def _sum_by_season(values: FloatArray, place: Array, *, seasons: int) -> FloatArray:
    """Return sum and number of a block's values for each season (1, 2, season, *space)."""
    sums = np.zeros((1, 2, seasons, *values.shape[1:]))
    for row, season in zip(values, place, strict=True):
        here = np.isfinite(row)
        sums[0, 0, season] += np.where(here, row, 0.0)
        sums[0, 1, season] += here
    return sums


def from_climatology(climatology: xr.DataArray, times: xr.DataArray) -> xr.DataArray:
    """Return the climatology at given times.

    Parameters
    ----------
    climatology : DataArray
        (dayofyear, ...) or (month, ...) as of :func:`seasonal_mean`.
    times : DataArray
        Dates along one dimension.

    Returns
    -------
    DataArray
        (time, ...); NaN on days of the year that the climatology does not hold, but for day 366,
        which then is day 365. Lazy where the climatology is.

    Examples
    --------
    >>> import pandas as pd
    >>> mean = xr.DataArray([0.2, 0.4], coords={"dayofyear": [1, 2]}, dims="dayofyear")
    >>> days = pd.to_datetime(["2021-01-02", "2021-01-01"])
    >>> from_climatology(mean, xr.DataArray(days, coords={"time": days}, dims="time")).values
    array([0.4, 0.2])
    """
    if "month" in climatology.dims:
        whole = climatology.reindex(month=np.arange(1, 13))
        return whole.sel(month=times.dt.month).drop_vars("month")
    leap = 366 in climatology["dayofyear"].values
    days = times.dt.dayofyear.clip(max=366 if leap else 365)
    whole = climatology.reindex(dayofyear=np.arange(1, 367))
    return whole.sel(dayofyear=days).drop_vars("dayofyear")


def earlier_climatology(observed: xr.DataArray, predicted: xr.DataArray) -> xr.DataArray | None:
    """Return the climatology of the steps before the first predicted one, lazily.

    Parameters
    ----------
    observed : DataArray
        Observations at ascending times.
    predicted : DataArray
        A prediction, at times in any order.

    Returns
    -------
    DataArray or None
        As of :func:`seasonal_mean`; None where these steps miss a day of the year of their
        calendar (29 February may be missing), or a month.

    Examples
    --------
    >>> import pandas as pd
    >>> months = {"time": pd.date_range("2019", periods=18, freq="MS")}
    >>> soil = xr.DataArray(np.arange(18.0), months, "time")
    >>> earlier_climatology(soil, soil[12:]).values
    array([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11.])
    """
    time = time_dim(observed)
    before = int((observed[time].values < predicted[time].values.min()).sum())
    earlier = observed.isel({time: slice(0, before)})
    if not before:
        return None
    seasons = _seasons(earlier[time])
    year = 12 if seasons.name == "month" else _DAYS.get(earlier[time].dt.calendar, 365)
    return seasonal_mean(earlier, time) if len(np.unique(seasons)) >= year else None
