"""Soil hydraulic functions of one point, compiled: saturation, slope, conductivity, suction.

The equations and their sources are in :class:`xsm.physics.retention.Hydraulics`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, TypeAlias, TypeVar, cast

from numba import njit

__all__ = [
    "DRIEST",
    "MODELS",
    "WET_AND_DRY",
    "Curve",
    "RetentionModel",
    "compiled",
    "curve_at",
    "curve_of",
    "relative_conductivity",
    "suction_of",
]

RetentionModel: TypeAlias = Literal["van_genuchten", "brooks_corey", "gardner"]

MODELS: tuple[RetentionModel, ...] = ("van_genuchten", "brooks_corey", "gardner")
"""Names of the functions; kernels take the position."""

WET_AND_DRY = (1e-6, 1.0 - 1e-6)
"""Effective saturation is taken between these two where head or conductivity follow from water."""

DRIEST = 1e5
"""Suction is at most that, m: pF 7, oven-dry soil."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile on the first call, without the lock of the interpreter, with IEEE division.

    Parameters
    ----------
    function : callable
        Of numbers and arrays.

    Returns
    -------
    callable
        The same, compiled for each combination of types that it meets.

    Examples
    --------
    >>> compiled(lambda x: x + 1)(2)
    3
    """
    return cast("_Function", njit(nogil=True, error_model="numpy")(function))


Curve: TypeAlias = tuple[float, float, float, float, float]
"""alpha, shape, suction of air entry, and saturation and pores of the curve there."""


@compiled
def curve_of(model: int, alpha: float, shape: float, entry: float) -> Curve:
    """Return what the functions of one soil need, for kernels.

    Parameters
    ----------
    model : int
        Position in :data:`MODELS`.
    alpha, shape, entry : float
        As of :class:`Hydraulics`.

    Returns
    -------
    tuple of float
        alpha, shape, entry, and (1 + (alpha entry)^n)^-m with its share of the pores, 1 where air
        enters at once.

    Examples
    --------
    >>> [round(x, 3) for x in curve_of(0, 1.0, 2.0, 0.02)]
    [1.0, 2.0, 0.02, 1.0, 0.98]
    """
    if model != 0 or entry <= 0.0:
        return alpha, shape, 0.0, 1.0, 1.0
    s, _, k = curve_at(model, -entry, (alpha, shape, 0.0, 1.0, 1.0))
    return alpha, shape, entry, s, math.sqrt(k / math.sqrt(s))


@compiled
def curve_at(model: int, h: float, curve: Curve) -> tuple[float, float, float]:
    """Return saturation, its slope and the relative conductivity at a pressure head, for kernels.

    Parameters
    ----------
    model : int
        Position in :data:`MODELS`.
    h : float
        Pressure head, m, negative where unsaturated.
    curve : tuple of float
        As of :func:`curve_of`.

    Returns
    -------
    tuple of float
        S (1), dS/dh (m-1), K / K_s (1); no bounds are applied.

    Examples
    --------
    >>> [round(x, 3) for x in curve_at(0, -1.0, curve_of(0, 1.0, 2.0, 0.0))]
    [0.707, 0.354, 0.072]
    """
    alpha, shape, entry, top, widest = curve
    if h >= -entry:
        return 1.0, 0.0, 1.0
    x = -h * alpha
    if model == 2:
        s = math.exp(-x)
        return s, alpha * s, s
    if model == 1:
        if x <= 1.0:
            return 1.0, 0.0, 1.0
        log = math.log(x)
        s = math.exp(-shape * log)
        return s, -shape * s / h, math.exp(-(3.0 * shape + 2.0) * log)
    m = 1.0 - 1.0 / shape
    p = math.exp(shape * math.log(x))
    s = math.exp(-m * math.log1p(p))
    # In dry soil 1 - (p / (1 + p))^m loses its digits; there it is m / p.
    pores = (m / p if p > 1e6 else 1.0 - s * p / x) / widest
    s /= top
    return s, alpha * m * shape * (p / x) * s / (1.0 + p), math.sqrt(s) * pores * pores


@compiled
def _within(s: float) -> float:
    """Return the effective saturation within its bounds; NaN stays."""
    low, high = WET_AND_DRY
    if s < low:
        return low
    return min(s, high)


@compiled
def suction_of(model: int, s: float, curve: Curve) -> float:
    """Return the suction at an effective saturation, for kernels.

    Parameters
    ----------
    model : int
        Position in :data:`MODELS`.
    s : float
        Effective saturation; taken between the bounds of :data:`WET_AND_DRY`.
    curve : tuple of float
        As of :func:`curve_of`.

    Returns
    -------
    float
        -h, m, at most :data:`DRIEST`; NaN of NaN.

    Examples
    --------
    >>> round(suction_of(0, 0.5**0.5, curve_of(0, 1.0, 2.0, 0.0)), 6)
    1.0
    """
    log_s = math.log(_within(s) * curve[3])
    if model == 2:
        log = math.log(-log_s)
    elif model == 1:
        log = -log_s / curve[1]
    else:
        y = -log_s / (1.0 - 1.0 / curve[1])
        log = (y + math.log(-math.expm1(-y))) / curve[1]
    log -= math.log(curve[0])
    most = math.log(DRIEST)
    return math.exp(min(log, most))


@compiled
def relative_conductivity(model: int, s: float, curve: Curve) -> float:
    """Return K / K_s at an effective saturation, for kernels.

    Parameters
    ----------
    model : int
        Position in :data:`MODELS`.
    s : float
        Effective saturation; taken between the bounds of :data:`WET_AND_DRY`.
    curve : tuple of float
        As of :func:`curve_of`.

    Returns
    -------
    float
        1; NaN of NaN.

    Examples
    --------
    >>> round(relative_conductivity(0, 0.5**0.5, curve_of(0, 1.0, 2.0, 0.0)), 3)
    0.072
    """
    s, shape = _within(s), curve[1]
    if model == 2:
        return s
    if model == 1:
        return math.exp((3.0 + 2.0 / shape) * math.log(s))
    m = 1.0 - 1.0 / shape
    pores = -math.expm1(m * math.log1p(-math.exp(math.log(s * curve[3]) / m))) / curve[4]
    return math.sqrt(s) * pores * pores
