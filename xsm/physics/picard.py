"""Compiled solver of the Richardson-Richards equation: columns one by one, modified Picard.

Celia, M. A., Bouloutas, E. T. and Zarba, R. L. (1990). Water Resour. Res. 26:1483-1496.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

from xsm.physics.darcy import face_conductivity
from xsm.physics.retention import curve_at, curve_of

__all__ = ["CLOSED", "FREE", "HEAD", "run_columns", "stress"]

FREE, HEAD, CLOSED = 0, 1, 2  # what the bottom does
_MOST = 14  # iterations of a step; more, and it is taken again, shorter
_FEW = 5  # iterations up to which the next step is longer
_SHORTEST = 1e-9  # days
_FLOOR = 1e-6  # m-1; keeps the matrix regular where all is saturated, and changes no solution
_DRY_SURFACE = -150.0  # m, the head to which evaporation can dry the surface

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _compile(function: _Function) -> _Function:
    """Compile on the first call, without the lock of the interpreter, with IEEE division."""
    return cast("_Function", njit(nogil=True, error_model="numpy")(function))


@_compile
def stress(h: float, limits: tuple[float, float, float, float]) -> float:
    """Return the share of the demand that roots take up (Feddes et al. 1978), for kernels.

    Parameters
    ----------
    h : float
        Pressure head, m.
    limits : tuple of float
        Heads, m: no uptake above the first, full between the second and the third, none below the
        fourth, linear between.

    Returns
    -------
    float
        0 to 1.

    Examples
    --------
    >>> limits = (-0.1, -0.25, -8.0, -80.0)
    >>> [stress(h, limits) for h in (0.0, -1.0, -44.0, -100.0)]
    [0.0, 1.0, 0.5, 0.0]
    """
    anaerobic, wet, dry, wilting = limits
    if h >= anaerobic or h <= wilting:
        return 0.0
    if h > wet:
        return (anaerobic - h) / (anaerobic - wet)
    return 1.0 if h >= dry else (h - wilting) / (dry - wilting)


@_compile
def run_columns(
    soil: Any, grid: Any, forcing: Any, state: Any, rules: Any, outputs: Any, cells: Any
) -> None:
    """Run columns through all steps of their forcing.

    Parameters
    ----------
    soil : ndarray (parameter, layer, cell)
        theta_r, theta_s, k_sat, alpha, shape, entry.
    grid : tuple
        Thickness of the layers, m (layer,); shares of the roots (layer, cell).
    forcing : tuple
        Rain, demand of the bare soil, demand of plants, m day-1, each (step, cell).
    state : tuple of ndarray
        Pressure head (layer, cell) and water on the surface (cell,), m; overwritten by the last.
    rules : tuple
        Length of a step (days), steps of an output, longest step of the solver (days), tolerance
        (m3 m-3), position of the face, what the bottom does and its head (m), head at the surface
        (m, NaN: the atmosphere), deepest ponding (m), heads of root stress (m), position of the
        retention model.
    outputs : tuple of ndarray
        theta (output, layer, cell); flux (output, face, cell), uptake (output, layer, cell), m;
        evaporation, runoff, ponding (output, cell), m; failed (cell,).
    cells : tuple of int
        First cell and last cell plus one.

    Examples
    --------
    >>> from xsm.physics.columns import simulate
    >>> simulate.__name__  # which makes the arrays
    'simulate'
    """
    layers = grid[0].size
    work = np.zeros((16, layers + 1))
    for c in range(cells[0], cells[1]):
        _soil_of_column(rules[10], soil, c, work)
        if not _run(grid, forcing, state, rules, outputs, c, work):
            outputs[6][c] = True


@_compile
def _soil_of_column(model: int, soil: Any, c: int, work: Any) -> None:
    """Copy the parameters of a column to the first eight rows of the scratch."""
    for i in range(soil.shape[1]):
        for row in range(3):
            work[row, i] = soil[row, i, c]
        curve = curve_of(model, soil[3, i, c], soil[4, i, c], soil[5, i, c])
        for row in range(5):
            work[3 + row, i] = curve[row]


@_compile
def _curve(work: Any, i: int) -> tuple[float, float, float, float, float]:
    """Return the curve of a layer."""
    return work[3, i], work[4, i], work[5, i], work[6, i], work[7, i]


@_compile
def _run(
    grid: Any, forcing: Any, state: Any, rules: Any, outputs: Any, c: int, work: Any
) -> bool:
    """Run one column; tell whether every step was solved."""
    length, every, longest = rules[0], rules[1], rules[2]
    size, roots = grid[0], grid[1][:, c]
    layers = size.size
    head, water = state[0][:, c].copy(), np.empty(layers)
    pond = state[1][c]
    for i in range(layers):
        s = curve_at(rules[10], head[i], _curve(work, i))[0]
        water[i] = work[0, i] + (work[1, i] - work[0, i]) * s
    total_flux, total_sink = np.zeros(layers + 1), np.zeros(layers)
    evaporated = runoff = 0.0
    proposed = min(longest, length)
    trial = np.empty(layers)
    for k in range(forcing[0].shape[0]):
        rain, bare, demand = forcing[0][k, c], forcing[1][k, c], forcing[2][k, c]
        left = length
        while left > 1e-12 * length:
            dt = min(proposed, longest)
            dt = left if dt >= left else 0.5 * left if 2.0 * dt > left else dt
            supply = rain - bare + pond / dt
            trial[:] = head
            count = _solve(
                size, roots, water, trial, work, rules, dt, supply, demand, max(pond, 0.0)
            )
            if count < 0:
                proposed = 0.3 * dt
                if proposed < _SHORTEST:
                    _fail(outputs, k // every, c)
                    return False
                continue
            left -= dt
            if count <= _FEW:
                proposed = max(proposed, 1.5 * dt)
            elif count > 10:
                proposed = 0.7 * dt
            head[:] = trial
            _advance(water, size, work, dt, total_flux, total_sink)
            top = work[14, 0]
            if not np.isnan(rules[7]):
                continue
            if supply >= 0.0:
                evaporated += bare * dt
                pond = max((supply - top) * dt, 0.0)
                over = max(pond - rules[8], 0.0)
                runoff += over
                pond -= over
            else:
                evaporated += rain * dt + pond - top * dt
                pond = 0.0
        if (k + 1) % every == 0:
            _store(outputs, k // every, c, water, total_flux, total_sink)
            outputs[3][k // every, c] = evaporated
            outputs[4][k // every, c] = runoff
            outputs[5][k // every, c] = pond
            evaporated = runoff = 0.0
    state[0][:, c] = head
    state[1][c] = pond
    return True


@_compile
def _advance(water: Any, size: Any, work: Any, dt: float, flux: Any, sink: Any) -> None:
    """Move water by the fluxes and sinks of a solved step, exactly, and add them up."""
    layers = size.size
    for i in range(layers):
        change = work[14, i] - work[14, i + 1] - work[15, i]
        water[i] += dt * change / size[i]
        sink[i] += dt * work[15, i]
    for i in range(layers + 1):
        flux[i] += dt * work[14, i]


@_compile
def _store(outputs: Any, step: int, c: int, water: Any, flux: Any, sink: Any) -> None:
    """Write water, fluxes and uptake of an output step, and start new sums."""
    for i in range(water.size):
        outputs[0][step, i, c] = water[i]
        outputs[2][step, i, c] = sink[i]
        sink[i] = 0.0
    for i in range(flux.size):
        outputs[1][step, i, c] = flux[i]
        flux[i] = 0.0


@_compile
def _fail(outputs: Any, step: int, c: int) -> None:
    """Leave what follows of a column blank."""
    outputs[0][step:, :, c] = np.nan
    outputs[1][step:, :, c] = np.nan
    outputs[2][step:, :, c] = np.nan
    outputs[3][step:, c] = np.nan
    outputs[4][step:, c] = np.nan
    outputs[5][step:, c] = np.nan


@_compile
def _solve(
    size: Any,
    roots: Any,
    water: Any,
    head: Any,
    work: Any,
    rules: Any,
    dt: float,
    supply: float,
    demand: float,
    pond: float,
) -> int:
    """Solve one step from the water before it; return the iterations, -1 where it fails.

    Rows of the scratch: 0-2 theta_r, theta_s, k_sat, 3-7 the curve, 8 conductivity, 9-11 the matrix,
    12 the right side, 13 of the elimination, 14 fluxes at faces, 15 uptake, m day-1.
    """
    layers = size.size
    for iteration in range(_MOST + 1):
        worst = _assemble(size, roots, water, head, work, rules, dt, supply, demand, pond)
        if worst < rules[3]:
            return iteration
        if not worst < 1e6:
            return -1
        _eliminate(work, layers)
        for i in range(layers):
            head[i] += work[12, i]
    return -1


@_compile
def _assemble(
    size: Any,
    roots: Any,
    water: Any,
    head: Any,
    work: Any,
    rules: Any,
    dt: float,
    supply: float,
    demand: float,
    pond: float,
) -> float:
    """Fill matrix and right side at the heads; return the largest error of a layer, m3 m-3."""
    layers = size.size
    conductivity, lower, diagonal, upper, right = work[8], work[9], work[10], work[11], work[12]
    flux, sink = work[14], work[15]
    for i in range(layers):
        s, slope, k = curve_at(rules[10], head[i], _curve(work, i))
        span = work[1, i] - work[0, i]
        conductivity[i] = work[2, i] * k
        diagonal[i] = (span * slope + _FLOOR) * size[i] / dt
        right[i] = (work[0, i] + span * s - water[i]) * size[i] / dt
        sink[i] = demand * roots[i] * stress(head[i], rules[9])
    flux[0], steep = _top(head[0], size[0], work, rules, supply, pond)
    diagonal[0] += steep
    for i in range(layers - 1):
        length = 0.5 * (size[i] + size[i + 1])
        drive = 1.0 - (head[i + 1] - head[i]) / length
        k = face_conductivity(rules[4], conductivity[i], conductivity[i + 1], drive)
        flux[i + 1] = k * drive
        upper[i] = lower[i + 1] = -k / length
        diagonal[i] += k / length
        diagonal[i + 1] += k / length
    flux[layers], steep = _bottom(head[layers - 1], size[layers - 1], work, rules)
    diagonal[layers - 1] += steep
    worst = 0.0
    for i in range(layers):
        right[i] = -(right[i] + flux[i + 1] - flux[i] + sink[i])
        worst = max(worst, abs(right[i]) * dt / size[i])
    return worst if np.isfinite(right.sum() - right[layers]) else np.inf


@_compile
def _top(
    h: float, size: float, work: Any, rules: Any, supply: float, pond: float
) -> tuple[float, float]:
    """Return the flux into the first layer, m day-1, and its fall with the head there, day-1."""
    k, k_sat, half = work[8, 0], work[2, 0], 0.5 * size
    if not np.isnan(rules[7]):
        drive = 1.0 - (h - rules[7]) / half
        wet = k_sat * curve_at(rules[10], rules[7], _curve(work, 0))[2]
        k = face_conductivity(rules[4], wet, k, drive)
        return k * drive, k / half
    if supply >= 0.0:
        k = 0.5 * (k_sat + k)
        most = k * (1.0 + (pond - h) / half)
        return (supply, 0.0) if supply <= most else (most, k / half)
    k = 0.5 * k
    most = max(k * ((h - _DRY_SURFACE) / half - 1.0), 0.0)
    return (supply, 0.0) if -supply <= most else (-most, k / half)


@_compile
def _bottom(h: float, size: float, work: Any, rules: Any) -> tuple[float, float]:
    """Return the flux out of the last layer, m day-1, and its rise with the head there, day-1."""
    last = work.shape[1] - 2
    k, half = work[8, last], 0.5 * size
    if rules[5] == 0:
        return k, 0.0
    if rules[5] == 2:
        return 0.0, 0.0
    drive = 1.0 - (rules[6] - h) / half
    wet = work[2, last] * curve_at(rules[10], rules[6], _curve(work, last))[2]
    k = face_conductivity(rules[4], k, wet, drive)
    return k * drive, k / half


@_compile
def _eliminate(work: Any, layers: int) -> None:
    """Solve the tridiagonal system into the right side."""
    lower, diagonal, upper, right, ratio = work[9], work[10], work[11], work[12], work[13]
    pivot = diagonal[0]
    right[0] /= pivot
    for i in range(1, layers):
        ratio[i] = upper[i - 1] / pivot
        pivot = diagonal[i] - lower[i] * ratio[i]
        right[i] = (right[i] - lower[i] * right[i - 1]) / pivot
    for i in range(layers - 2, -1, -1):
        right[i] -= ratio[i + 1] * right[i + 1]
