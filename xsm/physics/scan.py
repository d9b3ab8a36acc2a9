"""The compiled scan of the water balance: time outside, cells inside, one pass over the memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

from xsm.typing import FloatArray

__all__ = ["STATES", "scan", "scratch"]


STATES = ("snow", "deep_storage", "inflow", "observed", "total", "count")
"""Rows of the state: what is known of a cell after a step."""

# Rows of the state are that many bytes longer than a tile, so that they do not fall on the same
# lines of the cache: without it 0.65 of a copy, with it 0.88 (tiles of 8192).
_PAD = 704

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _compile(function: _Function) -> _Function:
    """Compile on the first call, without the lock of the interpreter, with IEEE division."""
    return cast("_Function", njit(nogil=True, error_model="numpy")(function))


def scratch(tile: int, dtype: np.dtype[Any]) -> tuple[FloatArray, ...]:
    """Return rows for the states of a tile.

    Parameters
    ----------
    tile : int
        Cells of a tile.
    dtype : dtype
        Precision of the arithmetic.

    Returns
    -------
    tuple of ndarray (cell,)
        One row for each of the states. Separate arrays: of rows of one array the compiler cannot
        tell that they do not overlap, and would not vectorise.

    Examples
    --------
    >>> len(scratch(8, np.dtype("f4")))
    6
    """
    return tuple(np.empty((len(STATES), tile + _PAD // dtype.itemsize), dtype))


@_compile
def scan(
    inputs: Any, outputs: Any, state: Any, kept: Any, rates: Any, level: Any, steps: int, cells: Any
) -> None:
    """Scan cells tile by tile, time outside, cells inside.

    Parameters
    ----------
    inputs : tuple of ndarray (time, cell) or None
        Precipitation, evaporation, surface runoff, snow, deep storage, observations.
    outputs : tuple of ndarray (time, cell) or None
        Inflow, trend, filtered trend, previous observation.
    state : ndarray (6, cell)
        State before the first step; that after the last one is written there.
    kept : tuple of ndarray
        As of :func:`scratch`; their type is that of the arithmetic.
    rates : tuple
        Of each step (time,) one over its length in days, the same with the sign of the snow term,
        and its weight in means of several steps; the threshold; the share of the terms below which
        a change is what rounding leaves; and what each input is multiplied by (6,).
    level : bool
        Compare the inflow with 0, not with the inflow before.
    steps : int
        Number of steps.
    cells : tuple of int
        First cell, last cell plus one, cells of a tile.

    Examples
    --------
    >>> rain, trend = np.array([[1.0], [3.0]]), np.empty((2, 1))
    >>> absent, state = (None,) * 5, np.full((6, 1), np.nan)
    >>> rows, rates = scratch(1, rain.dtype), (*np.ones((3, 2)), 0.0, 1e-15, (1.0,) * 6)
    >>> scan((rain, *absent), (None, trend, None, None), state, rows, rates, False, 2, (0, 1, 1))
    >>> trend.ravel()
    array([nan,  1.])
    """
    start, stop, tile = cells
    for lo in range(start, stop, tile):
        hi = min(stop, lo + tile)
        for k in range(6):
            row = kept[k]
            for i in range(lo, hi):
                row[i - lo] = state[k, i]
        waiting = True  # some cells may wait for an observation
        for t in range(steps):
            here = (rates[0][t], rates[1][t], rates[2][t], rates[3], rates[4])
            if waiting:
                waiting = _step(
                    t, lo, hi, here, rates[5], level, waiting, *(inputs + outputs + kept)
                )
            else:
                waiting = _step(t, lo, hi, here, rates[5], level, None, *(inputs + outputs + kept))
        for k in range(6):
            row = kept[k]
            for i in range(lo, hi):
                state[k, i] = row[i - lo]


@_compile
def _step(  # noqa: C901, PLR0912, PLR0913, PLR0915, PLR0917
    t: Any,
    lo: Any,
    hi: Any,
    rates: Any,
    factors: Any,
    level: Any,
    waiting: Any,
    precipitation: Any,
    evaporation: Any,
    surface_runoff: Any,
    snow: Any,
    storage: Any,
    observed: Any,
    inflow: Any,
    trend: Any,
    filtered: Any,
    previous: Any,
    snow_before: Any,
    storage_before: Any,
    inflow_before: Any,
    observed_before: Any,
    total: Any,
    count: Any,
) -> Any:
    """Take one step for the cells of a tile, without branches, in the precision of the state.

    Tell whether some cell waits for an observation then. ``waiting`` is None where none did before:
    then no division is needed.
    """
    rate, snow_rate, weight, threshold, rounding = rates
    number = inflow_before.dtype.type
    zero, one, open_ = number(0), number(1), False
    # Rows are cut here: what a function returns may be None to the compiler in each turn.
    if precipitation is not None:
        precipitation_now = precipitation[t, lo:hi]
    if evaporation is not None:
        evaporation_now = evaporation[t, lo:hi]
    if surface_runoff is not None:
        surface_runoff_now = surface_runoff[t, lo:hi]
    if snow is not None:
        snow_now = snow[t, lo:hi]
    if storage is not None:
        storage_now = storage[t, lo:hi]
    if observed is not None:
        observed_now = observed[t, lo:hi]
    if inflow is not None:
        inflow_now = inflow[t, lo:hi]
    if trend is not None:
        trend_now = trend[t, lo:hi]
    if filtered is not None:
        filtered_now = filtered[t, lo:hi]
    if previous is not None:
        previous_now = previous[t, lo:hi]
    for i in range(hi - lo):
        w = size = zero
        if precipitation is not None:
            rain = number(precipitation_now[i]) * factors[0]
            w += rain
            size += abs(rain)
        if evaporation is not None:
            lost = number(evaporation_now[i]) * factors[1]
            w -= lost
            size += abs(lost)
        if surface_runoff is not None:
            away = number(surface_runoff_now[i]) * factors[2]
            w -= away
            size += abs(away)
        if snow is not None:
            pack = number(snow_now[i]) * factors[3]
            w += snow_rate * (snow_before[i] - pack)
            snow_before[i] = pack
            size += rate * abs(pack)
        if storage is not None:
            deep = number(storage_now[i]) * factors[4]
            w -= rate * (deep - storage_before[i])
            storage_before[i] = deep
            size += rate * abs(deep)
        if inflow is not None:
            inflow_now[i] = w
        before, mean, drop, close = inflow_before[i], w, zero, zero
        if observed is None:
            inflow_before[i] = w
        else:
            now, last = number(observed_now[i]) * factors[5], observed_before[i]
            here = now == now  # noqa: PLR0124
            first = last != last  # noqa: PLR0124
            total_now, count_now = weight * w, weight
            if waiting is not None:
                total_now, count_now = total[i] + total_now, count[i] + count_now
                mean = w if count[i] == zero else total_now / count_now
            # Before the first observation nothing accumulates: its mean is its own step.
            total[i] = zero if here | first else total_now
            count[i] = zero if here | first else count_now
            open_ |= not (here | first)
            inflow_before[i] = mean if here else before
            observed_before[i] = now if here else last
            drop, close = last - now, rounding * abs(now)
            if previous is not None:
                previous_now[i] = last
        before = zero if level else before
        change = mean - before
        least = threshold + rounding * (size + abs(before))  # what rounding leaves is no change
        # Missing values spread by arithmetic: a choice here would make the loop branch.
        missing = zero * (change + drop)
        up, down = change > least, change < -least
        if trend is not None:
            trend_now[i] = (one if up else zero) - (one if down else zero) + missing
        if filtered is not None:
            up, down = up & (drop <= close), down & (-drop <= close)
            filtered_now[i] = (one if up else zero) - (one if down else zero) + missing
    return open_
