"""One step of a soil column: the mixed form of the Richardson-Richards equation, solved for heads.

Celia, M. A., Bouloutas, E. T. and Zarba, R. L. (1990). Water Resour. Res. 26:1483-1496.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from xsm.physics.curves import Curve, compiled, curve_at, suction_of
from xsm.physics.darcy import face_conductivity

__all__ = ["Column", "Rules", "new_column", "solve_step", "stress"]


_MOST = 20  # iterations of a step; more, and it is taken again, shorter
# m-1, of saturated and of other soil: they keep the matrix regular, and change no solution.
_FLOOR, _DRY_FLOOR = 1e-6, 1e-15
_DRY_SURFACE = -150.0  # m, the head to which evaporation can dry the surface
_NEARLY_WET = 0.9  # saturation below which a wetting layer is updated by its water


class Rules(NamedTuple):
    """What holds for all columns of a simulation.

    Parameters
    ----------
    length : float
        Length of a step of the forcing, days.
    every : int
        Steps of the forcing in an output step.
    longest : float
        Longest step of the solver, days.
    tolerance : float
        Error of a layer's water that iterations may leave, m3 m-3.
    accuracy : float
        Error of a layer's water in a step of the solver, m3 m-3.
    face : int
        Position in :data:`xsm.physics.darcy.FACES`.
    bottom : int
        What the bottom does: 0 drains freely, 1 has a fixed head, 2 is closed.
    bottom_head : float
        Its head, m.
    surface_head : float
        Fixed head at the surface, m; NaN: the atmosphere.
    max_ponding : float
        Deepest water on the surface, m.
    limits : tuple of float
        Heads of root stress, m, as of :func:`stress`.
    model : int
        Position in :data:`xsm.physics.curves.MODELS`.

    Examples
    --------
    >>> Rules._fields[:2]
    ('length', 'every')
    """

    length: Any
    every: Any
    longest: Any
    tolerance: Any
    accuracy: Any
    face: Any
    bottom: Any
    bottom_head: Any
    surface_head: Any
    max_ponding: Any
    limits: Any
    model: Any


class Column(NamedTuple):
    """Soil, state and scratch of one column, (layer,) unless told.

    Parameters
    ----------
    size, roots : ndarray
        Thickness, m; share of the roots.
    dry, span, k_sat : ndarray
        theta_r, theta_s - theta_r, m day-1.
    curve : ndarray (layer, 7)
        As of :func:`xsm.physics.curves.curve_of`.
    head, water, rate : ndarray
        Head (m), water content and its change (day-1) at the end of the last step.
    trial, saturation, capacity : ndarray
        Head, saturation and dtheta/dh of the iteration.
    k, slope : ndarray
        Conductivity, m day-1, and dK/dh, day-1.
    lower, diagonal, upper, change, ratio : ndarray
        The tridiagonal matrix, its right side and then the solution, and a row to eliminate.
    flux : ndarray (layer + 1,)
        Through the faces, m day-1, positive downward.
    sink : ndarray
        Taken up by roots, m day-1.
    sums, taken : ndarray
        Of flux (layer + 1,) and sink since the last output, m.
    surface : ndarray (4,)
        Water on the surface, evaporation and runoff since the last output, m; proposed step, days.

    Examples
    --------
    >>> new_column(np.array([0.1, 0.2])).flux.shape
    (3,)
    """

    size: Any
    roots: Any
    dry: Any
    span: Any
    k_sat: Any
    curve: Any
    head: Any
    water: Any
    rate: Any
    trial: Any
    saturation: Any
    capacity: Any
    k: Any
    slope: Any
    lower: Any
    diagonal: Any
    upper: Any
    change: Any
    ratio: Any
    flux: Any
    sink: Any
    sums: Any
    taken: Any
    surface: Any


@compiled
def new_column(size: Any) -> Column:
    """Return the arrays of a column, zero but for the thickness, for kernels.

    Parameters
    ----------
    size : ndarray (layer,)
        Thickness of the layers, m.

    Returns
    -------
    Column
        To be filled.

    Examples
    --------
    >>> new_column(np.array([0.1, 0.2])).curve.shape
    (2, 7)
    """
    n = size.size
    a = np.zeros((19, n))
    b = np.zeros((2, n + 1))
    return Column(
        size, a[0], a[1], a[2], a[3], np.zeros((n, 7)), a[4], a[5], a[6], a[7], a[8], a[9],
        a[10], a[11], a[12], a[13], a[14], a[15], a[16], b[0], a[17], b[1], a[18], np.zeros(4),
    )  # fmt: skip


@compiled
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


@compiled
def _stress_slope(h: float, limits: tuple[float, float, float, float]) -> float:
    """Return how the share changes with the head, m-1."""
    anaerobic, wet, dry, wilting = limits
    if wet < h < anaerobic:
        return 1.0 / (wet - anaerobic)
    return 1.0 / (dry - wilting) if wilting < h < dry else 0.0


@compiled
def solve_step(
    column: Column, rules: Rules, dt: float, supply: float, demand: float, pond: float
) -> int:
    """Solve one step from the water before it, for kernels.

    Parameters
    ----------
    column : Column
        Heads of the last step are where iterations begin; ``trial``, ``flux`` and ``sink`` are
        those of the step afterwards.
    rules : Rules
        What holds for all columns.
    dt : float
        Length of the step, days.
    supply : float
        Water that the atmosphere brings to the surface, or demands (negative), m day-1.
    demand : float
        Demand of plants, m day-1.
    pond : float
        Water on the surface before the step, m.

    Returns
    -------
    int
        Iterations, -1 where they fail.

    Examples
    --------
    >>> solve_step.__name__  # called by xsm.physics.stepping
    'solve_step'
    """
    for i in range(column.size.size):  # a copy by slices takes seconds to compile
        column.trial[i] = column.head[i]
    for iteration in range(_MOST + 1):
        worst = _assemble(column, rules, dt, supply, demand, pond)
        if worst < rules.tolerance:
            return iteration
        if not worst < 1e6:
            return -1
        _eliminate(column)
        _update(column, rules.model)
    return -1


@compiled
def _curve(column: Column, i: int) -> Curve:
    """Return the curve of a layer."""
    a = column.curve
    return a[i, 0], a[i, 1], a[i, 2], a[i, 3], a[i, 4], a[i, 5], a[i, 6]


@compiled
def _assemble(
    column: Column, rules: Rules, dt: float, supply: float, demand: float, pond: float
) -> float:
    """Fill matrix and right side at the heads; return the largest error of a layer, m3 m-3."""
    last = column.size.size - 1
    for i in range(last + 1):
        _storage(column, rules, i, dt, demand)
    column.flux[0], slope = _top(column, rules, supply, pond)
    column.diagonal[0] -= slope
    for i in range(last):
        _face(column, rules.face, i)
    column.flux[last + 1], slope = _bottom(column, rules)
    column.diagonal[last] += slope
    worst = 0.0
    for i in range(last + 1):
        column.change[i] -= column.flux[i + 1] - column.flux[i]
        error = abs(column.change[i]) * dt / column.size[i]
        worst = error if error > worst or error != error else worst  # noqa: PLR0124
    return worst


@compiled
def _storage(column: Column, rules: Rules, i: int, dt: float, demand: float) -> None:
    """Evaluate the curves of a layer, and start its row with storage and uptake."""
    h, curve = column.trial[i], _curve(column, i)
    s, slope, k, steep = curve_at(rules.model, h, curve)
    column.saturation[i] = s
    column.k[i] = column.k_sat[i] * k
    column.slope[i] = column.k_sat[i] * steep
    column.capacity[i] = max(column.span[i] * slope, _FLOOR if slope == 0.0 else _DRY_FLOOR)
    roots = demand * column.roots[i]
    column.sink[i] = roots * stress(h, rules.limits)
    content = column.dry[i] + column.span[i] * s
    column.diagonal[i] = column.capacity[i] * column.size[i] / dt
    column.diagonal[i] += roots * _stress_slope(h, rules.limits)
    column.change[i] = (column.water[i] - content) * column.size[i] / dt - column.sink[i]


@compiled
def _face(column: Column, face: int, i: int) -> None:
    """Compute the flux between a layer and the next, and its slopes with both heads."""
    length = 0.5 * (column.size[i] + column.size[i + 1])
    drive = 1.0 - (column.trial[i + 1] - column.trial[i]) / length
    above, below = column.k[i], column.k[i + 1]
    k = face_conductivity(face, above, below, drive)
    by_above, by_below = _face_slopes(face, above, below, drive)
    up = k / length + drive * by_above * column.slope[i]
    down = -k / length + drive * by_below * column.slope[i + 1]
    column.flux[i + 1] = k * drive
    column.diagonal[i] += up
    column.upper[i] = down
    column.lower[i + 1] = -up
    column.diagonal[i + 1] -= down


@compiled
def _face_slopes(face: int, above: float, below: float, drive: float) -> tuple[float, float]:
    """Return how the conductivity of a face changes with those of its layers."""
    if face == 0:
        if above <= 0.0 or below <= 0.0:
            return 0.0, 0.0
        ratio = np.sqrt(below / above)
        return 0.5 * ratio, 0.5 / ratio
    if face == 1:
        return 0.5, 0.5
    return (1.0, 0.0) if drive > 0.0 else (0.0, 1.0)


@compiled
def _top(column: Column, rules: Rules, supply: float, pond: float) -> tuple[float, float]:
    """Return the flux into the first layer, m day-1, and its change with the head there, day-1."""
    h, k, slope, half = column.trial[0], column.k[0], column.slope[0], 0.5 * column.size[0]
    if not np.isnan(rules.surface_head):
        drive = 1.0 - (h - rules.surface_head) / half
        wet = column.k_sat[0] * curve_at(rules.model, rules.surface_head, _curve(column, 0))[2]
        slope *= _face_slopes(rules.face, wet, k, drive)[1]
        k = face_conductivity(rules.face, wet, k, drive)
        return k * drive, slope * drive - k / half
    if supply >= 0.0:
        k, drive = 0.5 * (column.k_sat[0] + k), 1.0 + (pond - h) / half
        most = k * drive
        return (supply, 0.0) if supply <= most else (most, 0.5 * slope * drive - k / half)
    drive = (h - _DRY_SURFACE) / half - 1.0
    most = max(0.5 * k * drive, 0.0)
    return (supply, 0.0) if -supply <= most else (-most, -0.5 * (slope * drive + k / half))


@compiled
def _bottom(column: Column, rules: Rules) -> tuple[float, float]:
    """Return the flux out of the last layer, m day-1, and its change with the head, day-1."""
    last = column.size.size - 1
    h, k, slope = column.trial[last], column.k[last], column.slope[last]
    if rules.bottom == 0:
        return k, slope
    if rules.bottom == 2:
        return 0.0, 0.0
    half = 0.5 * column.size[last]
    drive = 1.0 - (rules.bottom_head - h) / half
    wet = column.k_sat[last] * curve_at(rules.model, rules.bottom_head, _curve(column, last))[2]
    slope *= _face_slopes(rules.face, k, wet, drive)[0]
    k = face_conductivity(rules.face, k, wet, drive)
    return k * drive, slope * drive + k / half


@compiled
def _eliminate(column: Column) -> None:
    """Solve the tridiagonal system into the right side."""
    lower, upper, ratio, change = column.lower, column.upper, column.ratio, column.change
    pivot = column.diagonal[0]
    change[0] /= pivot
    for i in range(1, change.size):
        ratio[i] = upper[i - 1] / pivot
        pivot = column.diagonal[i] - lower[i] * ratio[i]
        change[i] = (change[i] - lower[i] * change[i - 1]) / pivot
    for i in range(change.size - 2, -1, -1):
        change[i] -= ratio[i + 1] * change[i + 1]


@compiled
def _update(column: Column, model: int) -> None:
    """Add the changes of the heads; where a layer wets, that of its water, nearly linear."""
    for i in range(column.size.size):
        h, s, change = column.trial[i], column.saturation[i], column.change[i]
        if change > 0.0 and s < _NEARLY_WET and column.span[i] > 0.0:
            s = min(s + change * column.capacity[i] / column.span[i], 0.5 + 0.5 * _NEARLY_WET)
            column.trial[i] = -suction_of(model, s, _curve(column, i))
        else:
            # A head that falls steeply, since little water is left, falls by three times at most.
            column.trial[i] = max(h + change, min(3.0 * h, h - 1.0))
