"""The mean of each season of earlier years: what a prediction has to beat."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import xarray as xr
from scipy.ndimage import uniform_filter1d

from xsm.data.grid import time_dim
from xsm.data.joins import at_labels, on_labels_of, snap
from xsm.data.naming.dimensions import members
from xsm.exceptions import warn_outside
from xsm.typing import Array, FloatArray

__all__ = [
    "earlier_climatology",
    "from_climatology",
    "on_places",
    "season_of",
    "seasonal_mean",
    "tell_left_out",
]


_WEEKS = 28  # days; the shortest month
_DAYS = {"360_day": 360, "366_day": 366, "all_leap": 366}  # of a year, where it is not 365
_AROUND = 17  # days before and after: the five weeks of Albergel et al. (2012)
_LEAST = 5  # days with a value among these, as there


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


def on_places(
    known: xr.DataArray, cells: xr.DataArray, along: str | None = None
) -> tuple[xr.DataArray, str]:
    """Return a climatology on other places, and how these differ, else "".

    NaN where nothing is known of a place; nothing is repeated along space, but for members. Other
    places are not refused, however many: a model is scored at places that it was not trained on.
    Of another table, ``along`` is its dimension that is no place.
    """
    season = ("month" if "month" in known.dims else "dayofyear") if along is None else along
    own, wanted = {*known.dims} - {season}, {*cells.dims}
    places = {str(d): n for d, n in known.sizes.items() if d != season}
    if own - {*members(known)} != wanted - {*members(cells)}:
        nowhere = xr.full_like(known.isel(dict.fromkeys(places, 0), drop=True), np.nan)
        said = (
            f"It is of places along {places}, the data of {dict(cells.sizes)}: train on these too."
        )
        return nowhere.expand_dims(cells.sizes).assign_coords(cells.coords), said
    known = snap(known, cells)
    both = own & wanted
    labels = {str(d): cells.indexes[d] for d in both if d in known.indexes and d in cells.indexes}
    wide = on_labels_of(known, cells)
    there = np.prod([i.isin(known.indexes[d]).sum() for d, i in labels.items()])
    lost = int(np.prod([len(i) for i in labels.values()]) - there)
    said = f"{lost} of {cells.size} places are not among those of training: train on them too."
    return wide, said if lost else ""


def _seasons(times: xr.DataArray) -> xr.DataArray:
    """Return the day of the year, or the month where steps are four weeks or longer."""
    name = season_of(times.values)
    found: xr.DataArray = getattr(times.dt, name).rename(name)
    return found


def season_of(times: Any) -> str:
    """Return what seasons are: "month" where steps are four weeks or more, else "dayofyear"."""
    steps = np.abs(np.diff(np.asarray(times)).astype("m8[D]").astype(int))
    return "month" if len(steps) and np.median(steps) >= _WEEKS else "dayofyear"


def _sum_by_season(values: FloatArray, place: Array, *, seasons: int) -> FloatArray:
    """Return sum and number of a block's values for each season (1, 2, season, *space)."""
    sums = np.zeros((1, 2, seasons, *values.shape[1:]))
    for row, season in zip(values, place, strict=True):
        here = np.isfinite(row)
        sums[0, 0, season] += np.where(here, row, 0.0)
        sums[0, 1, season] += here
    return sums


def from_climatology(
    climatology: xr.DataArray, times: xr.DataArray, *, smooth: bool = False
) -> xr.DataArray:
    """Return the climatology at given times.

    Parameters
    ----------
    climatology : DataArray
        (dayofyear, ...) or (month, ...) as of :func:`seasonal_mean`.
    times : DataArray
        Dates along one dimension.
    smooth : bool, default: False
        Take the mean around of each day of the year, not only of those without a value.

    Returns
    -------
    DataArray
        (time, ...). A day of the year without a value is the mean of the days around it: of those
        from 17 before to 17 after, across the turn of the year, where at least five of them have
        one; else NaN. Day 366, where no year has one, is day 365. Days with a value, and months,
        stay as they are. Lazy where the climatology is.

    References
    ----------
    Albergel, C. et al. (2012). Remote Sens. Environ. 118:215-226: the window of five weeks and its
    five values; there it gives the seasonal part of each day, here of those without a value alone.

    Examples
    --------
    >>> import pandas as pd
    >>> mean = xr.DataArray([0.2, 0.4], coords={"dayofyear": [1, 2]}, dims="dayofyear")
    >>> days = pd.to_datetime(["2021-01-02", "2021-01-01"])
    >>> from_climatology(mean, xr.DataArray(days, coords={"time": days}, dims="time")).values
    array([0.4, 0.2])
    """
    if "month" in climatology.dims:
        whole = at_labels(climatology, {"month": np.arange(1, 13)})
        return whole.sel(month=times.dt.month).drop_vars("month")
    leap = 366 in climatology["dayofyear"].values
    days = times.dt.dayofyear.clip(max=366 if leap else 365)
    calendar = times.dt.calendar
    year = 365 if calendar in ("noleap", "365_day") else _DAYS.get(calendar, 366)
    whole = at_labels(climatology, {"dayofyear": np.arange(1, year + 1)})
    whole = _from_neighbours(whole, smooth=smooth)
    return whole.sel(dayofyear=days).drop_vars("dayofyear")


def _from_neighbours(whole: xr.DataArray, *, smooth: bool) -> xr.DataArray:
    """Return a climatology (dayofyear, ...): days, or those alone that lack, as those around."""
    if whole.chunks is not None:
        whole = whole.chunk(dayofyear=-1)
    elif not smooth and not whole.isnull().any():
        return whole
    found: xr.DataArray = xr.apply_ufunc(
        _mean_around,
        whole,
        input_core_dims=[["dayofyear"]],
        output_core_dims=[["dayofyear"]],
        kwargs={"smooth": smooth},
        dask="parallelized",
        output_dtypes=[whole.dtype],
        keep_attrs=True,
    )
    return found.transpose(*whole.dims)


def _mean_around(values: FloatArray, *, smooth: bool) -> FloatArray:
    """Return values (..., dayofyear), all or NaN alone, as the mean of those around."""
    there, size = np.isfinite(values), 2 * _AROUND + 1
    given = np.where(there, values, 0.0).astype(np.float64), there.astype(np.float64)
    total, share = (uniform_filter1d(part, size, axis=-1, mode="wrap") for part in given)
    enough = share * size > _LEAST - 0.5
    mean = np.divide(total, share, out=np.full(values.shape, np.nan), where=enough)
    return np.where(there & (not smooth), values, mean).astype(values.dtype)


def tell_left_out(
    table: xr.Dataset,
    climatology: xr.DataArray,
    times: xr.DataArray,
    dims: list[Hashable],
    elsewhere: str = "",
) -> None:
    """Warn where a climatology lacks steps that the other sources are scored on.

    Of scores in memory those are counted; for lazy ones only the days or months that it has are
    looked at. ``times`` are those of the scores, ascending, ``dims`` what these are taken over,
    ``elsewhere`` says how its places differ, where they do.
    """
    season = "month" if "month" in climatology.dims else "dayofyear"
    days = climatology[season].values
    ones = xr.DataArray(np.ones(len(days)), {season: days}, season)
    here = from_climatology(ones, times).notnull().values
    if table["count"].chunks is None:
        count = table["count"]
        scored = count.sel(source="model") > 0
        lost = scored & (count.sel(source="climatology") == 0)
        if not lost.any():
            return
        where = f"in {int(lost.sum())} of {int(scored.sum())} series"
    elif here.all() and not elsewhere:
        return
    else:
        where = "in series that were observed then"
    warn_outside(
        f"The climatology of training is not scored {where}: it lacks steps that the model is "
        "scored on, and takes none from it. Its scores are NaN there, and its count is 0. "
        + f"{elsewhere} ".lstrip()
        + (_in_other_cells(times, dims, season) if here.all() else _in_other_seasons(times, here))
    )


def _in_other_seasons(times: xr.DataArray, here: Array) -> str:
    """Say what to type where training holds no such season; ``here`` tells which steps it does."""
    said = (
        f"{int((~here).sum())} of {here.size} steps lie in seasons that the training data do not "
        f"hold. Train on a whole year, or pass baselines=False"
    )
    if not here.any():
        return f"{said}."
    edges = np.flatnonzero(np.diff([0, *here.astype(int), 0]))
    first, last = max(edges.reshape(-1, 2), key=lambda run: run[1] - run[0])
    a, b = (str(times.values[k])[:10] for k in (first, last - 1))
    return f"{said}, or what it holds: predicted.sel({times.name}=slice({a!r}, {b!r}))."


def _in_other_cells(times: xr.DataArray, dims: list[Hashable], season: str) -> str:
    """Say what to type where the observations of some cells have gaps in training."""
    said = "These were never observed in training in the month of some of the steps"
    if season == "dayofyear":
        said = (
            f"These have fewer than {_LEAST} days with observations in training within {_AROUND} "
            "days of some of the steps"
        )
    own = "" if dims == [times.name] else f', or score each cell by itself, dim="{times.name}"'
    return f"{said}. Train on a longer period, or pass baselines=False{own}."


def earlier_climatology(observed: xr.DataArray) -> xr.DataArray | None:
    """Return the climatology of observations that hold a whole year, lazily.

    Parameters
    ----------
    observed : DataArray
        Observations at ascending times.

    Returns
    -------
    DataArray or None
        As of :func:`seasonal_mean`; None where these steps miss a day of the year of their
        calendar (29 February may be missing), or a month.

    Examples
    --------
    >>> import pandas as pd
    >>> months = {"time": pd.date_range("2019", periods=12, freq="MS")}
    >>> earlier_climatology(xr.DataArray(np.arange(12.0), months, "time")).values
    array([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11.])
    """
    time = time_dim(observed)
    if not observed.sizes[time]:
        return None
    seasons = _seasons(observed[time])
    year = 12 if seasons.name == "month" else _DAYS.get(observed[time].dt.calendar, 365)
    return seasonal_mean(observed, time) if len(np.unique(seasons)) >= year else None
