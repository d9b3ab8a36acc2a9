"""How long anomalies last: the correlation of a cell with itself some steps later, by the lag."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np
import xarray as xr

from xsm.data.grid import time_dim
from xsm.data.time_axis import months_of_index
from xsm.evaluation.climatology import from_climatology, season_of
from xsm.physics.rounding import significant
from xsm.typing import Array, FloatArray

__all__ = ["FEWEST", "at_lags", "count_steps", "learn_persistence", "level_at", "rho_of"]


FEWEST = 10
"""Pairs that tell how alike two steps are; a series needs a step more."""

_YEARS = 3  # with observations, from which on the mean of a season is more than noise
_CELLS = 1024  # at a time: what is computed on the way stays small
_LAGS = (*range(15), 16, 18, 21, 25, 30, 36, 45, 60, 75, 90, 120, 180)  # steps


def learn_persistence(observed: xr.DataArray, climatology: xr.DataArray | None) -> xr.Dataset:
    """Return what damped persistence needs to know of observations at ascending times, lazily.

    ``mean`` (*space), whether the level of a cell is ``seasonal`` (at least three years have
    observations, and there is a climatology), ``std`` (*space), the standard deviation about that
    level, and ``rho`` (lag, *space), the correlation of the anomalies from it with those ``lag``
    steps later. Lags with fewer than 10 pairs are as
    :func:`rho_of` has them; NaN where a cell has no lag with as many.
    """
    time = time_dim(observed)
    years = _years(observed, time) if climatology is not None else xr.DataArray(0)
    parts = {"mean": observed.mean(time), "seasonal": years >= _YEARS}
    level = level_at(xr.Dataset(parts), climatology, observed[time])
    anomalies = significant(observed - level, observed)
    parts["std"] = (anomalies**2).mean(time) ** 0.5
    parts["rho"] = at_lags(anomalies)
    return xr.Dataset({name: array.drop_attrs(deep=False) for name, array in parts.items()})


def at_lags(anomalies: xr.DataArray, over: Iterable[Hashable] = ()) -> xr.DataArray:
    """Return correlations with some steps later (lag, ...), lazily.

    Of all pairs along the dimensions ``over`` together, at ascending times.
    """
    time = time_dim(anomalies)
    place = count_steps(anomalies.indexes[time])
    longest = max(min(place[-1] - FEWEST, place[-1] // 3), 1)
    lags = np.array([lag for lag in _LAGS if lag <= longest])
    sums = _pairs(anomalies.transpose(time, ...), time, place, lags).sum(list(over))
    rho: xr.DataArray = xr.apply_ufunc(
        _correlation,
        sums,
        input_core_dims=[["_sum", "lag"]],
        output_core_dims=[["lag"]],
        kwargs={"lags": lags},
        dask="parallelized",
        output_dtypes=[np.float64],
    )
    return rho.assign_coords(lag=lags).transpose("lag", ...)


def count_steps(index: Any, like: Any = None) -> FloatArray:
    """Return how many median steps of ``like`` dates lie after its first one; of themselves.

    Steps of months are counted by the calendar.
    """
    like = index if like is None else like
    length = np.median(np.diff(_days(like, like))) if len(like) > 1 else 1.0
    return np.rint(_days(index, like) / length)


def _days(index: Any, like: Any) -> FloatArray:
    """Return dates as days after the first one of others, or as months where these go by months."""
    if season_of(like) == "month":
        return np.asarray(months_of_index(index) - months_of_index(like[:1]), float)
    after = (np.asarray(index) - np.asarray(like)[0]).astype("m8[us]")
    return np.asarray(after / np.timedelta64(1, "D"), float)


def _years(observed: xr.DataArray, time: str) -> xr.DataArray:
    """Return how many whole years of the record have an observation, by cell."""
    index = observed.indexes[time]
    length = 12 if season_of(index) == "month" else 365.25
    year = np.floor(_days(index, index) / length).astype(int)
    whole = (_days(index, index)[-1] + 0.02 * length) // length  # a leap day or two may be missing
    if whole < _YEARS:
        return xr.DataArray(0)
    edges = np.searchsorted(year, np.arange(whole + 1))
    parts = [slice(a, b) for a, b in itertools.pairwise(edges) if b > a]
    seen = [observed.isel({time: part}).notnull().any(time) for part in parts]
    return xr.concat(seen, "_year").sum("_year")


def level_at(
    persistence: xr.Dataset, climatology: xr.DataArray | None, times: xr.DataArray
) -> xr.DataArray:
    """Return what anomalies die down to at given dates (time, *space), lazily.

    The climatology, of days of the year as the mean of the 17 days around, where the cell is
    ``seasonal``; else, and where that lacks a value, its mean.
    """
    mean, seasonal = persistence["mean"], persistence["seasonal"]
    if climatology is None or (seasonal.chunks is None and not seasonal.any()):
        return mean.expand_dims({str(times.name): times})
    season = from_climatology(climatology, times, smooth=True)
    return season.where(seasonal, mean).fillna(mean)


def _pairs(anomalies: xr.DataArray, time: str, place: FloatArray, lags: Array) -> xr.DataArray:
    """Return sums over all pairs of steps (_sum, lag, *space), a task for each block."""
    ends = np.cumsum((0, *anomalies.chunksizes.get(time, (len(place),))))
    found = []
    for first, last in itertools.pairwise(ends):
        stop = int(np.searchsorted(place, place[last - 1] + lags[-1], side="right"))
        part = anomalies.isel({time: slice(first, stop)})
        made: xr.DataArray = xr.apply_ufunc(
            _sums,
            part.chunk({time: -1}) if part.chunks is not None else part,
            input_core_dims=[[time]],
            output_core_dims=[["_sum", "lag"]],
            kwargs={"place": place[first:stop], "own": int(last - first), "lags": lags},
            dask="parallelized",
            output_dtypes=[np.float64],
            dask_gufunc_kwargs={"output_sizes": {"_sum": 4, "lag": len(lags)}},
        )
        found.append(made)
    return sum(found[1:], start=found[0])


def _sums(values: FloatArray, *, place: FloatArray, own: int, lags: Array) -> FloatArray:
    """Return products, both squares and numbers of pairs (..., 4, lag) of anomalies (..., time).

    The first of each pair is one of the ``own`` first steps.
    """
    flat = values.reshape(-1, values.shape[-1])
    found = np.zeros((len(flat), 4, len(lags)))
    rows = [_rows(place, own, lag) for lag in lags]
    for start in range(0, len(flat), _CELLS):
        a = np.array(flat[start : start + _CELLS], dtype=np.float64, order="C")
        there = np.isfinite(a).astype(np.float64)
        a[there == 0] = 0.0
        square = a * a
        for k, (one, two) in enumerate(rows):
            pairs = ((a, a), (square, there), (there, square), (there, there))
            for m, (x, y) in enumerate(pairs):
                found[start : start + _CELLS, m, k] = np.einsum("ct,ct->c", x[:, one], y[:, two])
    return found.reshape(*values.shape[:-1], 4, len(lags))


def _rows(place: FloatArray, own: int, lag: int) -> tuple[Any, Any]:
    """Return where the first and the second steps of all pairs are: slices where steps are even."""
    partner = np.minimum(np.searchsorted(place, place[:own] + lag), len(place) - 1)
    first = np.flatnonzero(place[partner] == place[:own] + lag)
    second = partner[first]
    even = all((np.diff(rows) == 1).all() for rows in (first, second))
    if not even or not len(first):
        return first, second
    return slice(first[0], first[-1] + 1), slice(second[0], second[-1] + 1)


def _correlation(sums: FloatArray, *, lags: Array) -> FloatArray:
    """Return correlations (..., lag) of sums (..., 4, lag), filled where there are few pairs."""
    product, one, two, count = np.moveaxis(sums, -2, 0)
    size = np.sqrt(one * two)
    rho = np.divide(product, size, out=np.zeros(size.shape), where=size > 0)  # still: no anomaly
    known = count >= FEWEST
    known[..., 0] &= known[..., 1:].any(axis=-1)
    found = np.where(known.any(axis=-1, keepdims=True), rho, np.nan)
    for cell in map(tuple, np.argwhere(known.any(axis=-1) & ~known.all(axis=-1))):
        there = known[cell]
        found[cell] = _faded(lags, rho[cell][there][None], lags=lags[there])
    return found


def rho_of(lag: xr.DataArray, rho: xr.DataArray) -> xr.DataArray:
    """Return the correlation ``rho`` (lag, *space) at numbers of steps (time, *space), lazily.

    Between two lags of the table it goes on by a constant factor a step, or linearly where a sign
    changes; beyond the last one it dies down as from 1 to there, and is 0 where it was below.
    """
    table = rho.transpose("lag", ...)
    whole = table.chunk(lag=-1) if table.chunks is not None else table
    found: xr.DataArray = xr.apply_ufunc(
        _faded,
        lag,
        whole,
        input_core_dims=[[], ["lag"]],
        kwargs={"lags": rho["lag"].values},
        dask="parallelized",
        output_dtypes=[np.float64],
    )
    return found


def _faded(wanted: FloatArray, rho: FloatArray, *, lags: Array) -> FloatArray:
    """Return rho (..., lag) at wanted numbers of steps (...); NaN of NaN."""
    steps = np.where(np.isfinite(wanted), wanted, 0.0)
    high = np.clip(np.searchsorted(lags, steps), 1, len(lags) - 1)
    shape = np.broadcast_shapes(steps.shape, rho.shape[:-1])
    table = np.broadcast_to(rho, (*shape, len(lags)))
    place = np.broadcast_to(high, shape)[..., None]
    a, b = (np.take_along_axis(table, place - back, axis=-1)[..., 0] for back in (1, 0))
    share = (steps - lags[high - 1]) / (lags[high] - lags[high - 1])
    with np.errstate(divide="ignore", invalid="ignore"):
        even = np.exp((1 - share) * np.log(a) + share * np.log(b))
        beyond = np.where(b > 0, np.exp(np.log(b) * steps / lags[-1]), 0.0)
    found = np.where((a > 0) & (b > 0), even, (1 - share) * a + share * b)
    found = np.where(steps > lags[-1], np.where(np.isnan(b), np.nan, beyond), found)
    return np.where(np.isfinite(wanted), found, np.nan)
