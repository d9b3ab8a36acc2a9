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
        for t in range(steps):
            here = (rates[0][t], rates[1][t], rates[2][t], rates[3], rates[4])
            _step(
                _row(inputs[0], t, lo, hi),
                _row(inputs[1], t, lo, hi),
                _row(inputs[2], t, lo, hi),
                _row(inputs[3], t, lo, hi),
                _row(inputs[4], t, lo, hi),
                _row(inputs[5], t, lo, hi),
                _row(outputs[0], t, lo, hi),
                _row(outputs[1], t, lo, hi),
                _row(outputs[2], t, lo, hi),
                _row(outputs[3], t, lo, hi),
                kept[0][: hi - lo],
                kept[1][: hi - lo],
                kept[2][: hi - lo],
                kept[3][: hi - lo],
                kept[4][: hi - lo],
                kept[5][: hi - lo],
                here,
                rates[5],
                level,
            )
        for k in range(6):
            row = kept[k]
            for i in range(lo, hi):
                state[k, i] = row[i - lo]


@_compile
def _row(array: Any, t: int, lo: int, hi: int) -> Any:
    """Return a part of one step; nothing of nothing."""
    return None if array is None else array[t, lo:hi]


@_compile
def _step(  # noqa: C901, PLR0912, PLR0913, PLR0915, PLR0917
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
    rates: Any,
    factors: Any,
    level: Any,
) -> None:
    """Take one step for the cells of a tile, without branches, in the precision of the state."""
    rate, snow_rate, weight, threshold, rounding = rates
    number = total.dtype.type
    zero = number(0)
    for i in range(total.size):
        w = size = zero
        if precipitation is not None:
            rain = number(precipitation[i]) * factors[0]
            w += rain
            size += abs(rain)
        if evaporation is not None:
            lost = number(evaporation[i]) * factors[1]
            w -= lost
            size += abs(lost)
        if surface_runoff is not None:
            away = number(surface_runoff[i]) * factors[2]
            w -= away
            size += abs(away)
        if snow is not None:
            pack = number(snow[i]) * factors[3]
            w += snow_rate * (snow_before[i] - pack)
            snow_before[i] = pack
            size += rate * abs(pack)
        if storage is not None:
            deep = number(storage[i]) * factors[4]
            w -= rate * (deep - storage_before[i])
            storage_before[i] = deep
            size += rate * abs(deep)
        if inflow is not None:
            inflow[i] = w
        if observed is None:
            before = zero if level else inflow_before[i]
            change = w - before
            inflow_before[i] = w
        else:
            now, last = number(observed[i]) * factors[5], observed_before[i]
            here, first = now == now, last != last  # noqa: PLR0124
            total_now, count_now = total[i] + weight * w, count[i] + weight
            mean = total_now / count_now
            before = zero if level else inflow_before[i]
            change = mean - before
            inflow_before[i] = mean if here else inflow_before[i]
            observed_before[i] = now if here else last
            # Before the first observation nothing accumulates: its mean is its own step.
            total[i] = zero if here | first else total_now
            count[i] = zero if here | first else count_now
        least = threshold + rounding * (size + abs(before))  # what rounding leaves is no change
        sign = number(change > least) - number(change < -least)
        # Missing values spread by arithmetic: a choice here would make the loop branch.
        sign += zero * change
        if observed is not None:
            drop = last - now
            sign += zero * drop
            if filtered is not None:
                filtered[i] = sign * number(sign * drop <= rounding * abs(now)) + zero  # no -0
            if previous is not None:
                previous[i] = last
        if trend is not None:
            trend[i] = sign
