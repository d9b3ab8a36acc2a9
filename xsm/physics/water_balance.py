"""Monotonic water balance: net inflow to the surface layer and its trend, on (time, cell) arrays.

Geng, Q., Yan, S., Li, Q. and Zhang, C. (2024). Front. For. Glob. Change 7:1353011.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from numba import njit

from xsm.exceptions import GridError, UnknownNameError, did_you_mean
from xsm.typing import FloatArray, Trend

__all__ = ["INPUTS", "OUTPUTS", "STATES", "inflow_trend", "initial_state"]

INPUTS = (
    "precipitation",
    "evaporation",
    "surface_runoff",
    "snow",
    "deep_storage",
    "observed",
)
OUTPUTS = ("inflow", "trend", "filtered", "previous")
STATES = ("snow", "deep_storage", "inflow", "observed", "total", "count")

# Cells of one tile. Measured with 6 float32 arrays of 365 x 120,000 on 2 threads, as a share of a
# preallocated copy: 8192 0.83, 32768 and more 0.90; strided cells want the lines of a tile in cache.
_TILE, _STRIDED_TILE = 32768, 256
_PAD = 704
_WORTH_A_THREAD = 1 << 18  # values; below that starting a thread costs more than it saves

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _compile(function: _Function) -> _Function:
    """Compile on the first call, without the lock of the interpreter, with IEEE division."""
    return njit(nogil=True, error_model="numpy")(function)  # type: ignore[no-any-return]


def initial_state(cells: int) -> npt.NDArray[np.float64]:
    """Return the state before the first step: nothing is known yet.

    Parameters
    ----------
    cells : int
        Number of cells.

    Returns
    -------
    ndarray
        (state, cell): the last snow and deep storage (mm), the inflow of the last pair (mm day-1),
        the last observation, sum and number of the inflows since it. NaN means not known.

    Examples
    --------
    >>> initial_state(2).shape
    (6, 2)
    """
    state = np.full((len(STATES), cells), np.nan)
    state[STATES.index("total") :] = 0.0
    return state


def inflow_trend(
    *,
    precipitation: FloatArray | None = None,
    evaporation: FloatArray | None = None,
    surface_runoff: FloatArray | None = None,
    snow: FloatArray | None = None,
    deep_storage: FloatArray | None = None,
    observed: FloatArray | None = None,
    outputs: Sequence[str] = ("inflow", "trend"),
    trend: Trend = "change",
    threshold: float = 0.0,
    step_days: float = 1.0,
    reverse_snow: bool = False,
    axis: int = 0,
    state: npt.NDArray[np.float64] | None = None,
    out: Mapping[str, FloatArray] | None = None,
    work: npt.DTypeLike = None,
    threads: int | None = None,
) -> dict[str, FloatArray]:
    """Return the net inflow to the surface layer and its trend.

    All asked outputs come from one pass: each input is read once and each output written once.

    Parameters
    ----------
    precipitation : ndarray (time, ...), optional
        mm day-1, downward positive. An input that is not given is no term of the balance.
    evaporation : ndarray (time, ...), optional
        mm day-1, upward positive.
    surface_runoff : ndarray (time, ...), optional
        mm day-1, away positive.
    snow : ndarray (time, ...), optional
        Snow water equivalent, mm, at the end of the step.
    deep_storage : ndarray (time, ...), optional
        Water below the target layer, mm, at the end of the step.
    observed : ndarray (time, ...), optional
        Observed soil moisture in any unit; NaN is a gap.
    outputs : sequence of {"inflow", "trend", "filtered", "previous"}
        What is wanted; ``filtered`` and ``previous`` need ``observed``.
    trend : {"change", "level"}, default: "change"
        Sign of the change of the inflow (Eq. 12), or of the inflow itself.
    threshold : float, default: 0.0
        The trend is 0 where the absolute value is not above it, mm day-1.
    step_days : float, default: 1.0
        Length of the uniform step, days.
    reverse_snow : bool, default: False
        Count ``SWE_t - SWE_{t-1}`` as inflow, as the authors' released code does.
    axis : int, default: 0
        The time axis of all arrays.
    state : ndarray (6, cell), optional
        State after the step before, float64, C order; updated in place, so that a series cut along
        time continues identically. Cells in C order of the axes but time.
    out : mapping of str to ndarray, optional
        Arrays to write the outputs into.
    work : dtype, optional
        Precision of the arithmetic: by default that of the inputs.
    threads : int, optional
        Threads that share the cells; by default one for each core, fewer for few values.

    Returns
    -------
    dict of str to ndarray
        By name, of the shape of the inputs. ``inflow``: W of each step, mm day-1. ``trend``: T,
        -1, 0 or 1. ``filtered``: T after Eq. 13. ``previous``: the last value observed strictly
        before the step. NaN where a term, the step before or, with ``observed``, this or any
        earlier observation is missing.

    Raises
    ------
    GridError
        If nothing is given, shapes differ, or the state or ``out`` does not fit.
    UnknownNameError
        If an output or trend does not exist, or an output needs ``observed``.

    Notes
    -----
    With P, E, R, S and D for the inputs and L for the length of the step::

        W_t = P_t - E_t - R_t + (S_{t-1} - S_t) / L - (D_t - D_{t-1}) / L     (Eq. 10, 11)
        T_t = sign(W_t - W_{t-1})  or  sign(W_t)                              (Eq. 12)
        T_t = 0 where T_t (SM_{t-1} - SM_t) > 0                               (Eq. 13)

    With gaps (ours) the pair is the last observation and this one: W is then the mean of the
    inflows after the last observation up to this step, and W_{t-1} that mean of the last
    observation (at the first observation, the inflow of its step). Without gaps this is Eq. 10-13.
    The result does not depend on tiles, threads or where a series is cut.

    References
    ----------
    Geng, Q. et al. (2024). Front. For. Glob. Change 7:1353011.

    Examples
    --------
    >>> rain = np.array([0.0, 5.0, 1.0])
    >>> moisture = np.array([0.20, 0.25, 0.26])
    >>> found = inflow_trend(precipitation=rain, observed=moisture, outputs=("trend", "filtered"))
    >>> found["trend"], found["filtered"]
    (array([nan,  1., -1.]), array([nan,  1.,  0.]))
    """
    given = (precipitation, evaporation, surface_runoff, snow, deep_storage, observed)
    arrays = {k: _floats(a) for k, a in zip(INPUTS, given, strict=True) if a is not None}
    shape = _check(arrays, outputs, trend, axis)
    results = _results(arrays, outputs, shape, out)
    cells = _cells(shape, axis)
    columns = {k: _columns(a, axis) for k, a in arrays.items()}
    targets = {k: _columns(a, axis) for k, a in results.items()}
    state = initial_state(cells) if state is None else _fitting(state, cells)
    number = np.dtype(np.result_type(*arrays.values()) if work is None else work).type
    rate = number(1.0 / step_days)
    _split(
        [columns.get(name) for name in INPUTS],
        [targets.get(name) for name in OUTPUTS],
        (state, rate, -rate if reverse_snow else rate, number(threshold), trend == "level"),
        shape[axis],
        cells,
        threads,
    )
    for name, target in targets.items():
        if not np.shares_memory(target, results[name]):
            results[name][...] = np.moveaxis(
                target.reshape(np.moveaxis(results[name], axis, 0).shape), 0, axis
            )
    return results


def _floats(array: npt.ArrayLike) -> FloatArray:
    """Return an array as float32 or float64 in native order, a view where it is that already."""
    values = np.asarray(array)
    wide = values.dtype.kind != "f" or values.dtype.itemsize > 4
    return np.asarray(values, dtype=np.float64 if wide else np.float32)


def _check(
    arrays: Mapping[str, FloatArray], outputs: Sequence[str], trend: str, axis: int
) -> tuple[int, ...]:
    """Return the common shape, or say what does not fit."""
    for name in outputs:
        if name not in OUTPUTS:
            msg = f"There is no output {name!r}. {did_you_mean(name, OUTPUTS)}"
            raise UnknownNameError(msg)
        if name in ("filtered", "previous") and "observed" not in arrays:
            msg = f"The output {name!r} needs observations: pass observed=."
            raise UnknownNameError(msg)
    if trend not in ("change", "level"):
        msg = f"There is no trend {trend!r}. {did_you_mean(trend, ('change', 'level'))}"
        raise UnknownNameError(msg)
    if not set(arrays) - {"observed"}:
        msg = f"No term of the balance was given; at least one of {INPUTS[:5]} is needed."
        raise GridError(msg)
    shapes = {name: array.shape for name, array in arrays.items()}
    shape = next(iter(shapes.values()))
    if len(set(shapes.values())) > 1 or not -len(shape) <= axis < len(shape):
        msg = f"All arrays need one shape with time on axis {axis}; given are {shapes}."
        raise GridError(msg)
    return shape


def _results(
    arrays: Mapping[str, FloatArray],
    outputs: Sequence[str],
    shape: tuple[int, ...],
    out: Mapping[str, FloatArray] | None,
) -> dict[str, FloatArray]:
    """Return the arrays to write into; deep storage, a sum, does not widen them."""
    narrow = [a.dtype for k, a in arrays.items() if k != "deep_storage"] or [np.float64]
    given = dict(out or {})
    odd = {k: a.shape for k, a in given.items() if k not in outputs or a.shape != shape}
    if odd:
        msg = f"out= holds {odd}; arrays of shape {shape} for {tuple(outputs)} are needed."
        raise GridError(msg)
    dtype = np.result_type(*narrow)
    return {k: given[k] if k in given else np.empty(shape, dtype) for k in outputs}


def _fitting(state: npt.NDArray[np.float64], cells: int) -> npt.NDArray[np.float64]:
    """Return a state that fits, or say what is needed."""
    if state.shape == (len(STATES), cells) and state.dtype == np.float64:
        return state
    msg = (
        f"The state has shape {state.shape} and type {state.dtype}; "
        f"{(len(STATES), cells)} and float64 are needed: initial_state({cells})."
    )
    raise GridError(msg)


def _cells(shape: tuple[int, ...], axis: int) -> int:
    """Return the number of cells: of all axes but time."""
    return int(np.prod([n for i, n in enumerate(shape) if i != axis % len(shape)], dtype=np.int64))


def _columns(array: FloatArray, axis: int) -> FloatArray:
    """Return an array as (time, cell), a view where the layout allows it."""
    return np.moveaxis(array, axis, 0).reshape(array.shape[axis], _cells(array.shape, axis))


def _split(
    inputs: Sequence[FloatArray | None],
    outputs: Sequence[FloatArray | None],
    settings: tuple[Any, ...],
    steps: int,
    cells: int,
    threads: int | None,
) -> None:
    """Share the cells between threads."""
    dense = all(a is None or a.strides[1] == a.itemsize for a in (*inputs, *outputs))
    tile = min(_TILE if dense else _STRIDED_TILE, max(cells, 1))
    if threads is None:
        threads = min(_cores(), max(steps * cells // _WORTH_A_THREAD, 1))
    bounds = [cells * k // threads for k in range(threads + 1)]
    jobs = [
        (
            *inputs,
            *outputs,
            *settings,
            steps,
            *part,
            tile,
            _scratch(tile, settings[1].dtype),
        )
        for part in zip(bounds[:-1], bounds[1:], strict=True)
    ]
    if threads == 1:
        _scan(*jobs[0])
        return
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(_scan, *job) for job in jobs]:
            done.result()


def _scratch(tile: int, dtype: np.dtype[Any]) -> FloatArray:
    """Return rows for the states of a tile that do not fall on the same lines of the cache."""
    return np.empty((len(STATES), tile + _PAD // dtype.itemsize), dtype)


def _cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@_compile
def _row(array: Any, t: int, lo: int, hi: int) -> Any:
    """Return a part of one step; nothing of nothing."""
    return None if array is None else array[t, lo:hi]


@_compile
def _step(
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
    rate: Any,
    snow_rate: Any,
    threshold: Any,
    level: bool,
) -> None:
    """Take one step for the cells of a tile, without branches, in the precision of the state."""
    number = total.dtype.type
    zero, one, missing = number(0), number(1), number(np.nan)
    for i in range(total.size):
        w = zero
        if precipitation is not None:
            w += number(precipitation[i])
        if evaporation is not None:
            w -= number(evaporation[i])
        if surface_runoff is not None:
            w -= number(surface_runoff[i])
        if snow is not None:
            w += snow_rate * (snow_before[i] - number(snow[i]))
            snow_before[i] = snow[i]
        if storage is not None:
            w -= rate * (number(storage[i]) - storage_before[i])
            storage_before[i] = storage[i]
        if inflow is not None:
            inflow[i] = w
        if observed is None:
            change = w - (zero if level else inflow_before[i])
            inflow_before[i] = w
        else:
            now, last = number(observed[i]), observed_before[i]
            here, first = now == now, last != last
            total_now, count_now = total[i] + w, count[i] + one
            mean = total_now / count_now
            change = mean - (zero if level else inflow_before[i])
            inflow_before[i] = mean if here else inflow_before[i]
            observed_before[i] = now if here else last
            # Before the first observation nothing accumulates: its mean is its own step.
            total[i] = zero if here | first else total_now
            count[i] = zero if here | first else count_now
        sign = (one if change > threshold else zero) - (one if change < -threshold else zero)
        sign = sign if change == change else missing
        if observed is not None:
            drop = last - now
            sign = sign if drop == drop else missing
            if filtered is not None:
                filtered[i] = zero if sign * drop > zero else sign
            if previous is not None:
                previous[i] = last
        if trend is not None:
            trend[i] = sign


@_compile
def _scan(
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
    state: Any,
    rate: Any,
    snow_rate: Any,
    threshold: Any,
    level: bool,
    steps: int,
    start: int,
    stop: int,
    tile: int,
    kept: Any,
) -> None:
    """Scan cells start..stop tile by tile, time outside, cells inside."""
    for lo in range(start, stop, tile):
        hi = min(lo + tile, stop)
        kept[:, : hi - lo] = state[:, lo:hi]
        for t in range(steps):
            _step(
                _row(precipitation, t, lo, hi),
                _row(evaporation, t, lo, hi),
                _row(surface_runoff, t, lo, hi),
                _row(snow, t, lo, hi),
                _row(storage, t, lo, hi),
                _row(observed, t, lo, hi),
                _row(inflow, t, lo, hi),
                _row(trend, t, lo, hi),
                _row(filtered, t, lo, hi),
                _row(previous, t, lo, hi),
                kept[0, : hi - lo],
                kept[1, : hi - lo],
                kept[2, : hi - lo],
                kept[3, : hi - lo],
                kept[4, : hi - lo],
                kept[5, : hi - lo],
                rate,
                snow_rate,
                threshold,
                level,
            )
        state[:, lo:hi] = kept[:, : hi - lo]
