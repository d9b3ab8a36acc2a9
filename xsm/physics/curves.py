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
    "DRY",
    "MODELS",
    "WET",
    "Curve",
    "RetentionModel",
    "State",
    "compiled",
    "curve_at",
    "curve_of",
    "relative_conductivity",
    "suction_of",
]


RetentionModel: TypeAlias = Literal["van_genuchten", "brooks_corey", "gardner"]

MODELS: tuple[RetentionModel, ...] = ("van_genuchten", "brooks_corey", "gardner")
"""Names of the functions; kernels take the position."""

DRY = 1e-6
"""Effective saturation is at least that where head or conductivity follow from water."""

WET = 1e-4
"""van Genuchten's curves, infinitely steep at saturation, are lines where less is empty."""

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


State: TypeAlias = tuple[float, float, float, float]
"""Saturation and its slope with the head, relative conductivity and its slope."""

Curve: TypeAlias = tuple[float, float, float, float, float, float, float]
"""alpha, shape; suction of air entry, saturation and pores of the curve there; suction and relative
conductivity where the line up to saturation begins."""


@compiled
def curve_of(model: int, alpha: float, shape: float, entry: float) -> Curve:
    """Return what the functions of one soil need, for kernels.

    Parameters
    ----------
    model : int
        Position in :data:`MODELS`.
    alpha, shape, entry : float
        As of :class:`~xsm.physics.retention.Hydraulics`.

    Returns
    -------
    tuple of float
        alpha, shape, entry; (1 + (alpha entry)^n)^-m with its share of the pores, 1 where air
        enters at once; suction (m) and K / K_s at S = 1 - WET, 0 and 1 of the other models.

    Examples
    --------
    >>> [round(x, 3) for x in curve_of(0, 1.0, 2.0, 0.02)]
    [1.0, 2.0, 0.02, 1.0, 0.98, 0.024, 0.991]
    """
    if model != 0:
        return alpha, shape, 0.0, 1.0, 1.0, 0.0, 1.0
    top = widest = 1.0
    if entry > 0.0:
        top, _, widest, _ = _van_genuchten(entry, (alpha, shape, 0.0, 1.0, 1.0, 0.0, 1.0))
        widest = math.sqrt(widest / math.sqrt(top))
    plain = (alpha, shape, entry, top, widest, 0.0, 1.0)
    join = _suction(1.0 - WET, plain)
    return alpha, shape, entry, top, widest, join, _van_genuchten(join, plain)[2]


@compiled
def _van_genuchten(suction: float, curve: Curve) -> State:
    """Return the state of van Genuchten's and Mualem's functions below the line to saturation."""
    alpha, shape, _, top, widest, _, _ = curve
    m = 1.0 - 1.0 / shape
    x = alpha * suction
    p = math.exp(shape * math.log(x))
    s = math.exp(-m * math.log1p(p))
    shut = s * p / x  # (p / (1 + p))^m
    # In dry soil 1 - shut loses its digits; there it is m / p.
    pores = (m / p if p > 1e6 else 1.0 - shut) / widest
    steep = alpha * m * shape / (x * (1.0 + p))
    s /= top
    k = math.sqrt(s) * pores * pores
    slope = 0.5 * k * steep * p + 2.0 * math.sqrt(s) * pores * shut * steep / widest
    return s, steep * p * s, k, slope


@compiled
def _suction(s: float, curve: Curve) -> float:
    """Return van Genuchten's suction at a saturation."""
    y = -math.log(s * curve[3]) / (1.0 - 1.0 / curve[1])
    log = (y + math.log(-math.expm1(-y))) / curve[1] - math.log(curve[0])
    return math.exp(min(log, math.log(DRIEST)))


@compiled
def curve_at(model: int, h: float, curve: Curve) -> State:
    """Return saturation, relative conductivity and their slopes at a pressure head, for kernels.

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
        S (1), dS/dh (m-1), K / K_s (1) and its slope (m-1); S has no lower bound but 0.

    Examples
    --------
    >>> [round(x, 3) for x in curve_at(0, -1.0, curve_of(0, 1.0, 2.0, 0.0))]
    [0.707, 0.354, 0.072, 0.192]
    """
    alpha, shape, entry, _, _, join, k_join = curve
    if h >= -entry:
        return 1.0, 0.0, 1.0, 0.0
    if model == 0:
        if h <= -join:
            return _van_genuchten(-h, curve)
        dry, slow = WET / (join - entry), (1.0 - k_join) / (join - entry)
        return 1.0 + dry * (h + entry), dry, 1.0 + slow * (h + entry), slow
    x = -h * alpha
    if model == 2:
        s = math.exp(-x)
        return s, alpha * s, s, alpha * s
    if x <= 1.0:
        return 1.0, 0.0, 1.0, 0.0
    log, power = math.log(x), 3.0 * shape + 2.0
    s, k = math.exp(-shape * log), math.exp(-power * log)
    return s, -shape * s / h, k, -power * k / h


@compiled
def _within(s: float) -> float:
    """Return the effective saturation within its bounds; NaN stays."""
    if s < DRY:
        return DRY
    return 1.0 if s > 1.0 else s  # noqa: FURB136 - min would lose NaN


@compiled
def suction_of(model: int, s: float, curve: Curve) -> float:
    """Return the suction at an effective saturation, for kernels.

    Parameters
    ----------
    model : int
        Position in :data:`MODELS`.
    s : float
        Effective saturation; taken between :data:`DRY` and 1.
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
    s = _within(s)
    if model == 0:
        if s > 1.0 - WET:
            return curve[2] + (curve[5] - curve[2]) * (1.0 - s) / WET
        return _suction(s, curve)
    if model == 2:
        return min(-math.log(s) / curve[0], DRIEST)
    return math.exp(min(-math.log(s) / curve[1] - math.log(curve[0]), math.log(DRIEST)))


@compiled
def relative_conductivity(model: int, s: float, curve: Curve) -> float:
    """Return K / K_s at an effective saturation, for kernels.

    Parameters
    ----------
    model : int
        Position in :data:`MODELS`.
    s : float
        Effective saturation; taken between :data:`DRY` and 1.
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
    if s > 1.0 - WET:
        return 1.0 - (1.0 - curve[6]) * (1.0 - s) / WET
    m = 1.0 - 1.0 / shape
    pores = -math.expm1(m * math.log1p(-math.exp(math.log(s * curve[3]) / m))) / curve[4]
    return math.sqrt(s) * pores * pores
