"""Soil columns through time: adaptive steps, the surface, sums for output."""

from __future__ import annotations

from typing import Any

import numpy as np

from xsm.physics.curves import compiled, curve_at, curve_of
from xsm.physics.picard import Column, Rules, new_column, solve_step

__all__ = ["CLOSED", "FREE", "HEAD", "run_columns"]


FREE, HEAD, CLOSED = 0, 1, 2  # what the bottom does
_FEW, _MANY = 6, 12  # iterations up to, and from, which the next step is longer, or shorter
_SHORTEST = 1e-9  # days; shorter steps are given up
_EXACT = 1e-5  # days; steps are not shortened below for accuracy's sake
_PONDING, _EVAPORATED, _RUNOFF, _PROPOSED = range(4)  # of Column.surface


@compiled
def run_columns(
    soil: Any, grid: Any, forcing: Any, state: Any, rules: Rules, outputs: Any, cells: Any
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
    rules : Rules
        What holds for all columns.
    outputs : tuple of ndarray
        theta (output, layer, cell); flux (output, face, cell), uptake (output, layer, cell), m;
        evaporation, runoff, ponding (output, cell), m; failed (cell,). What follows a step that
        could not be solved is left as it is.
    cells : tuple of int
        First cell and last cell plus one.

    Examples
    --------
    >>> from xsm.physics.columns import simulate
    >>> simulate.__name__  # which makes the arrays
    'simulate'
    """
    column = new_column(grid[0])
    for c in range(cells[0], cells[1]):
        _fill(column, rules, soil, grid[1], state, c)
        steps = forcing[0].shape[0]
        for k in range(steps):
            weather = (forcing[0][k, c], forcing[1][k, c], forcing[2][k, c])
            if not _interval(column, rules, weather):
                outputs[6][c] = True
                break
            if (k + 1) % rules.every == 0:
                _store(column, outputs, k // rules.every, c)
        for i in range(grid[0].size):
            state[0][i, c] = column.head[i]
        state[1][c] = column.surface[0]


@compiled
def _fill(column: Column, rules: Rules, soil: Any, roots: Any, state: Any, c: int) -> None:
    """Copy the soil and the state of a cell into the column."""
    for i in range(column.size.size):
        column.roots[i] = roots[i, c]
        column.dry[i], column.k_sat[i] = soil[0, i, c], soil[2, i, c]
        column.span[i] = soil[1, i, c] - soil[0, i, c]
        curve = curve_of(rules.model, soil[3, i, c], soil[4, i, c], soil[5, i, c])
        for k in range(7):
            column.curve[i, k] = curve[k]
        column.head[i] = state[0][i, c]
        s = curve_at(rules.model, column.head[i], curve)[0]
        column.water[i] = column.dry[i] + column.span[i] * s
        column.rate[i] = 0.0
    column.surface[0] = state[1][c]
    column.surface[3] = min(rules.longest, rules.length)
    _restart(column)


@compiled
def _restart(column: Column) -> None:
    """Start new sums."""
    column.sums[-1] = column.surface[1] = column.surface[2] = 0.0
    for i in range(column.size.size):
        column.sums[i] = column.taken[i] = 0.0


@compiled
def _interval(column: Column, rules: Rules, weather: tuple[float, float, float]) -> bool:
    """Take a column through a step of the forcing; tell whether it was solved."""
    rain, bare, demand = weather
    if not np.isfinite(rain + bare + demand):
        return False
    left = rules.length
    while left > 1e-12 * rules.length:
        dt = _cut(left, min(column.surface[3], rules.longest))
        pond = max(column.surface[0], 0.0)
        supply = rain - bare + pond / dt
        count = solve_step(column, rules, dt, supply, demand, pond)
        if count < 0:
            column.surface[3] = 0.3 * dt
            if column.surface[3] < _SHORTEST:
                return False
            continue
        error = _error(column, dt)
        if error > 2.0 * rules.accuracy and dt > _EXACT:
            column.surface[3] = dt * max(0.9 * np.sqrt(rules.accuracy / error), 0.2)
            continue
        left -= dt
        _propose(column, rules, dt, count, error)
        _advance(column, dt)
        if np.isnan(rules.surface_head):
            _surface(column, rules, dt, rain, bare, supply)
    return True


@compiled
def _cut(left: float, proposed: float) -> float:
    """Return a step that ends, or whose double ends, with the interval where that is near."""
    if proposed >= left:
        return left
    return 0.5 * left if 2.0 * proposed > left else proposed


@compiled
def _error(column: Column, dt: float) -> float:
    """Return the largest error of a layer's water by the change of its rate, m3 m-3."""
    worst = 0.0
    for i in range(column.size.size):
        rate = (column.flux[i] - column.flux[i + 1] - column.sink[i]) / column.size[i]
        worst = max(worst, 0.5 * dt * abs(rate - column.rate[i]))
    return worst


@compiled
def _propose(column: Column, rules: Rules, dt: float, count: int, error: float) -> None:
    """Note how long the next step should be."""
    longest = max(column.surface[3], dt)
    if count >= _MANY:
        column.surface[3] = 0.7 * dt
        return
    factor = min(2.0 if count <= _FEW else 1.0, 0.9 * np.sqrt(rules.accuracy / (error + 1e-30)))
    # A step that was cut short by the end of the interval says nothing against longer ones.
    column.surface[3] = max(factor * dt, longest if factor >= 1.0 else 0.2 * dt)


@compiled
def _advance(column: Column, dt: float) -> None:
    """Move water by the fluxes and sinks of a solved step, exactly, and add them up."""
    for i in range(column.size.size):
        column.head[i] = column.trial[i]
        rate = (column.flux[i] - column.flux[i + 1] - column.sink[i]) / column.size[i]
        column.water[i] += dt * rate
        column.rate[i] = rate
        column.taken[i] += dt * column.sink[i]
        column.sums[i] += dt * column.flux[i]
    column.sums[-1] += dt * column.flux[-1]


@compiled
def _surface(
    column: Column, rules: Rules, dt: float, rain: float, bare: float, supply: float
) -> None:
    """Share what did not enter between ponding, evaporation and runoff."""
    surface, top = column.surface, column.flux[0]
    if supply < 0.0:
        surface[1] += rain * dt + surface[0] - top * dt
        surface[0] = 0.0
        return
    surface[1] += bare * dt
    pond = max((supply - top) * dt, 0.0)
    surface[0] = min(pond, rules.max_ponding)
    surface[2] += pond - surface[0]


@compiled
def _store(column: Column, outputs: Any, step: int, c: int) -> None:
    """Write an output step, and start new sums."""
    for i in range(column.size.size):
        outputs[0][step, i, c] = column.water[i]
        outputs[1][step, i, c] = column.sums[i]
        outputs[2][step, i, c] = column.taken[i]
    outputs[1][step, -1, c] = column.sums[-1]
    outputs[3][step, c] = column.surface[1]
    outputs[4][step, c] = column.surface[2]
    outputs[5][step, c] = column.surface[0]
    _restart(column)
