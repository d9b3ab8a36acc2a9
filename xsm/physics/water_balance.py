"""Monotonic water balance: net inflow to the surface layer and its trend, on (time, cell) arrays.

Geng, Q., Yan, S., Li, Q. and Zhang, C. (2024). Front. For. Glob. Change 7:1353011.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from xsm.exceptions import GridError, UnknownNameError, did_you_mean
from xsm.options import thread_count
from xsm.physics.rounding import native_floats
from xsm.physics.scan import STATES, scan, scratch
from xsm.typing import FloatArray, Trend

__all__ = ["INPUTS", "OUTPUTS", "inflow_trend", "initial_state"]


INPUTS = (
    "precipitation",
    "evaporation",
    "surface_runoff",
    "snow",
    "deep_storage",
    "observed",
)
OUTPUTS = ("inflow", "trend", "filtered", "previous")

# Cells of one tile. Measured with 6 float32 arrays of 365 x 120,000 on 2 threads, as a share of a
# preallocated copy: 8192 0.80, 32768 0.88; strided cells want the lines of a tile in cache.
_TILE, _STRIDED_TILE = 32768, 256
_WORTH_A_THREAD = 1 << 18  # values; below that starting a thread costs more than it saves


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


def inflow_trend(  # noqa: PLR0913
    *,
    precipitation: FloatArray | None = None,
    evaporation: FloatArray | None = None,
    surface_runoff: FloatArray | None = None,
    snow: FloatArray | None = None,
    deep_storage: FloatArray | None = None,
    observed: FloatArray | None = None,
    factors: Mapping[str, float] | None = None,
    outputs: Sequence[str] = ("inflow", "trend"),
    trend: Trend = "change",
    threshold: float = 0.0,
    step_days: float | FloatArray = 1.0,
    reverse_snow: bool = False,
    axis: int = 0,
    state: npt.NDArray[np.float64] | None = None,
    out: Mapping[str, FloatArray] | None = None,
    work: npt.DTypeLike | None = None,
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
    factors : mapping of str to float, optional
        Numbers that make inputs of other units those above, by name of the input. They are applied
        in the same pass, in the precision of the arithmetic.
    outputs : sequence of {"inflow", "trend", "filtered", "previous"}
        What is wanted; ``filtered`` and ``previous`` need ``observed``.
    trend : {"change", "level"}, default: "change"
        Sign of the change of the inflow (Eq. 12), or of the inflow itself.
    threshold : float, default: 0.0
        The trend is 0 where the absolute value is not above it, mm day-1.
    step_days : float or ndarray (time,), default: 1.0
        Length of the step, days; of each where they differ, as those of months do.
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
        Threads that share the cells; by default the option ``threads``, else one for each core,
        fewer for few values.

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
    With P, E, R, S and D for the inputs and L for the length of the step t::

        W_t = P_t - E_t - R_t + (S_{t-1} - S_t) / L - (D_t - D_{t-1}) / L     (Eq. 10, 11)
        T_t = sign(W_t - W_{t-1})  or  sign(W_t)                              (Eq. 12)
        T_t = 0 where T_t (SM_{t-1} - SM_t) > 0                               (Eq. 13)

    With gaps (ours) the pair is the last observation and this one: W is then the mean of the
    inflows after the last observation up to this step, weighted by the length of their steps, and
    W_{t-1} that mean of the last observation (at the first observation, the inflow of its step).
    Without gaps this is Eq. 10-13.
    The result does not depend on tiles, threads or where a series is cut. A change below four steps
    of the coarsest type of the inputs (5e-7 in float32, 9e-16 in float64) of the sum of the terms
    is none, nor is such a change of the soil moisture: it is what rounding leaves.

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
    arrays = {k: native_floats(a) for k, a in zip(INPUTS, given, strict=True) if a is not None}
    shape = _check(arrays, outputs, trend, axis)
    results = _results(arrays, outputs, shape, out)
    cells = _cells(shape, axis)
    columns = {k: _columns(a, axis) for k, a in arrays.items()}
    targets = {k: _columns(a, axis) for k, a in results.items()}
    state = initial_state(cells) if state is None else _fitting(state, cells)
    dtype = np.result_type(*arrays.values()) if work is None else np.dtype(work)
    number: Any = dtype.type
    lengths = _lengths(step_days, shape[axis])
    rate = (1.0 / lengths).astype(dtype)
    weight = (np.ones_like(lengths) if np.ndim(step_days) == 0 else lengths).astype(dtype)
    kinds = {dtype, *(array.dtype for array in arrays.values())}
    rounding = number(4 * max(np.finfo(kind).eps for kind in kinds))
    scales = tuple(number((factors or {}).get(name, 1.0)) for name in INPUTS)
    _split(
        tuple(columns.get(name) for name in INPUTS),
        tuple(targets.get(name) for name in OUTPUTS),
        state,
        (rate, -rate if reverse_snow else rate, weight, number(threshold), rounding, scales),
        trend == "level",
        threads,
    )
    for name, target in targets.items():
        if not np.may_share_memory(target, results[name]):
            _put(target, results[name], axis)
    return results


def _lengths(step_days: float | FloatArray, steps: int) -> npt.NDArray[np.float64]:
    """Return the length of each step, or say that there are others than steps."""
    given = np.asarray(step_days, dtype=np.float64)
    if given.ndim and given.shape != (steps,):
        msg = f"step_days holds {given.shape} lengths; one, or one for each of {steps} steps."
        raise GridError(msg)
    return np.broadcast_to(given, (steps,))


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
    if not set(arrays) - {"observed"} and set(outputs) != {"previous"}:
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
    narrow: list[np.dtype[Any]] = [a.dtype for k, a in arrays.items() if k != "deep_storage"]
    given = dict(out or {})
    odd = {k: a.shape for k, a in given.items() if k not in outputs or a.shape != shape}
    if odd:
        msg = f"out= holds {odd}; arrays of shape {shape} for {tuple(outputs)} are needed."
        raise GridError(msg)
    dtype = np.result_type(*narrow) if narrow else np.dtype(np.float64)
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


def _put(columns: FloatArray, target: FloatArray, axis: int) -> None:
    """Write (time, cell) into an array of which that form is no view."""
    moved = np.moveaxis(target, axis, 0)
    moved[...] = columns.reshape(moved.shape)


def _split(
    inputs: tuple[FloatArray | None, ...],
    outputs: tuple[FloatArray | None, ...],
    state: npt.NDArray[np.float64],
    rates: tuple[Any, ...],
    level: object,
    threads: int | None,
) -> None:
    """Share the cells between threads."""
    given = [a for a in (*inputs, *outputs) if a is not None]
    steps, cells = given[0].shape
    dense = all(a.strides[1] == a.itemsize for a in given)
    tile = min(_TILE if dense else _STRIDED_TILE, max(cells, 1))
    number = _threads(threads, steps * cells)
    bounds = [cells * k // number for k in range(number + 1)]
    jobs = [
        (inputs, outputs, state, scratch(tile, rates[0].dtype), rates, level, steps, (*part, tile))
        for part in pairwise(bounds)
    ]
    if number == 1:
        scan(*jobs[0])
        return
    with ThreadPoolExecutor(number) as pool:
        for done in [pool.submit(scan, *job) for job in jobs]:
            done.result()


def _threads(wanted: int | None, values: int) -> int:
    """Return the number of threads: as wanted, else by the option or the cores, and the size."""
    if wanted is not None:
        return wanted
    most = thread_count()
    return max(min(most, values // _WORTH_A_THREAD), 1)
