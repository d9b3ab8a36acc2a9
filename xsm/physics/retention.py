"""Soil hydraulic functions: what a soil holds and how fast it conducts, by pressure head or water.

van Genuchten (1980) with Mualem (1976), Brooks and Corey (1964) with Clapp and Hornberger (1978),
and Gardner (1958), whose exponential makes analytic solutions possible.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar, cast

import numpy as np
from numba import njit, vectorize

from xsm.exceptions import check_choice
from xsm.typing import FloatArray

__all__ = [
    "DRIEST",
    "MODELS",
    "WET_AND_DRY",
    "Curve",
    "Hydraulics",
    "RetentionModel",
    "capacity",
    "clapp_hornberger",
    "conductivity",
    "conductivity_of_water",
    "curve_at",
    "curve_of",
    "pressure_head",
    "relative_conductivity",
    "suction_of",
    "water_content",
]

RetentionModel: TypeAlias = Literal["van_genuchten", "brooks_corey", "gardner"]

MODELS: tuple[RetentionModel, ...] = ("van_genuchten", "brooks_corey", "gardner")
"""Names of the functions; kernels take the position."""

WET_AND_DRY = (1e-6, 1.0 - 1e-6)
"""Effective saturation is taken between these two where head or conductivity follow from water."""

DRIEST = 1e5
"""Suction is at most that, m: pF 7, oven-dry soil."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _compile(function: _Function) -> _Function:
    """Compile on the first call, without the lock of the interpreter, with IEEE division."""
    return cast("_Function", njit(nogil=True, error_model="numpy")(function))


def _by_element(function: _Function) -> _Function:
    """Make a function of numbers one of arrays that broadcast, compiled on the first call."""
    return cast("_Function", vectorize(nopython=True)(function))


@dataclass(frozen=True)
class Hydraulics:
    """Parameters of the hydraulic functions; arrays, tensors or numbers that broadcast.

    Parameters
    ----------
    theta_r, theta_s : array
        Residual and saturated water content, m3 m-3.
    alpha : array
        m-1. van Genuchten's alpha; one over the suction of air entry (Brooks and Corey); Gardner's
        exponent.
    shape : array
        van Genuchten's n, above 1; Brooks and Corey's lambda, above 0; unused by Gardner.
    k_sat : array
        Saturated hydraulic conductivity, m day-1.
    model : {"van_genuchten", "brooks_corey", "gardner"}, default: "van_genuchten"
        The functions.
    entry : array, default: 0.0
        van Genuchten only: suction below which the soil stays saturated, m. A small one, 0.02 m,
        takes away the steep fall of K at saturation of fine soils (n < 1.3), which no simulation
        resolves (Vogel et al. 2001).

    Raises
    ------
    UnknownNameError
        If there is no such model.

    Notes
    -----
    With the pressure head h < 0, S = (theta - theta_r) / (theta_s - theta_r) and m = 1 - 1 / n::

        van_genuchten  S = (1 + |alpha h|^n)^-m    K = K_s S^(1/2) (1 - (1 - S^(1/m))^m)^2
        brooks_corey   S = |alpha h|^-lambda       K = K_s S^(3 + 2 / lambda)      (S = 1 if wetter)
        gardner        S = exp(alpha h)            K = K_s S

    With ``entry`` h_e the curve is stretched to reach 1 there (Ippisch et al. 2006, Eq. 9, 11)::

        S = (1 + |alpha h|^n)^-m / S_e,   S_e = (1 + (alpha h_e)^n)^-m
        K = K_s S^(1/2) ((1 - (1 - (S S_e)^(1/m))^m) / (1 - (1 - S_e^(1/m))^m))^2

    References
    ----------
    van Genuchten, M. T. (1980). Soil Sci. Soc. Am. J. 44:892-898. Mualem, Y. (1976). Water Resour.
    Res. 12:513-522. Brooks, R. H. and Corey, A. T. (1964). Hydrology Paper 3, Colorado State
    University. Gardner, W. R. (1958). Soil Sci. 85:228-232. Vogel, T., van Genuchten, M. T. and
    Cislerova, M. (2001). Adv. Water Resour. 24:133-144. Ippisch, O., Vogel, H.-J. and Bastian, P.
    (2006). Adv. Water Resour. 29:1780-1789.
    """

    theta_r: Any
    theta_s: Any
    alpha: Any
    shape: Any
    k_sat: Any
    model: RetentionModel = "van_genuchten"
    entry: Any = 0.0

    def __post_init__(self) -> None:
        check_choice("model", self.model, MODELS)

    @property
    def code(self) -> int:
        """Position of the model in :data:`MODELS`."""
        return MODELS.index(self.model)


def clapp_hornberger(
    theta_s: Any, entry_suction: Any, exponent: Any, k_sat: Any, theta_r: Any = 0.0
) -> Hydraulics:
    """Return the functions of Clapp and Hornberger as those of Brooks and Corey.

    Parameters
    ----------
    theta_s : array
        Saturated water content, m3 m-3.
    entry_suction : array
        Suction at saturation, m, positive.
    exponent : array
        Their b.
    k_sat : array
        m day-1.
    theta_r : array, default: 0.0
        They have no residual water.

    Returns
    -------
    Hydraulics
        With lambda = 1 / b, so that S = (h / h_e)^(-1 / b) and K = K_s S^(2 b + 3).

    References
    ----------
    Clapp, R. B. and Hornberger, G. M. (1978). Water Resour. Res. 14:601-604.

    Examples
    --------
    Their sandy loam, 1 m of suction:

    >>> soil = clapp_hornberger(0.435, 0.218, 4.90, 2.99)
    >>> round(float(water_content(-1.0, soil)), 3)
    0.319
    """
    return Hydraulics(
        theta_r, theta_s, 1.0 / entry_suction, 1.0 / exponent, k_sat, model="brooks_corey"
    )


Curve: TypeAlias = tuple[float, float, float, float, float]
"""alpha, shape, suction of air entry, and saturation and pores of the curve there."""


@_compile
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


@_compile
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


@_compile
def _within(s: float) -> float:
    """Return the effective saturation within its bounds; NaN stays."""
    low, high = WET_AND_DRY
    if s < low:
        return low
    return high if s > high else s


@_compile
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
    return math.exp(most if log > most else log)


@_compile
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


@_by_element
def _water_content(
    model: Any, h: Any, alpha: Any, shape: Any, entry: Any, dry: Any, wet: Any
) -> Any:
    """Return theta(h) of numbers."""
    return dry + (wet - dry) * curve_at(model, h, curve_of(model, alpha, shape, entry))[0]


@_by_element
def _capacity(model: Any, h: Any, alpha: Any, shape: Any, entry: Any, dry: Any, wet: Any) -> Any:
    """Return dtheta/dh of numbers."""
    return (wet - dry) * curve_at(model, h, curve_of(model, alpha, shape, entry))[1]


@_by_element
def _conductivity(model: Any, h: Any, alpha: Any, shape: Any, entry: Any, k_sat: Any) -> Any:
    """Return K(h) of numbers."""
    return k_sat * curve_at(model, h, curve_of(model, alpha, shape, entry))[2]


@_by_element
def _pressure_head(
    model: Any, theta: Any, alpha: Any, shape: Any, entry: Any, dry: Any, wet: Any
) -> Any:
    """Return h(theta) of numbers."""
    s = (theta - dry) / (wet - dry)
    return -suction_of(model, s, curve_of(model, alpha, shape, entry))


@_by_element
def _conductivity_of_water(
    model: Any, theta: Any, alpha: Any, shape: Any, entry: Any, dry: Any, wet: Any, k_sat: Any
) -> Any:
    """Return K(theta) of numbers."""
    s = (theta - dry) / (wet - dry)
    return k_sat * relative_conductivity(model, s, curve_of(model, alpha, shape, entry))


def _on_arrays(function: Any, x: Any, soil: Hydraulics, *more: Any) -> FloatArray:
    """Call a function of numbers on arrays, in double precision; NaN passes without a warning."""
    values = (x, soil.alpha, soil.shape, soil.entry, *more)
    with np.errstate(all="ignore"):
        return function(soil.code, *(np.asarray(value, np.float64) for value in values))


def water_content(h: Any, soil: Hydraulics) -> FloatArray:
    """Return the water content at a pressure head.

    Parameters
    ----------
    h : array
        Pressure head, m, negative where unsaturated.
    soil : Hydraulics
        Parameters that broadcast with it.

    Returns
    -------
    ndarray
        theta, m3 m-3, float64; theta_s where h >= 0; NaN of NaN.

    Examples
    --------
    Loam of Carsel and Parrish (1988) at 1 m and at 150 m of suction:

    >>> loam = Hydraulics(0.078, 0.43, 3.6, 1.56, 0.2496)
    >>> water_content(np.array([-1.0, -150.0]), loam).round(3)
    array([0.242, 0.088])
    """
    return _on_arrays(_water_content, h, soil, soil.theta_r, soil.theta_s)


def capacity(h: Any, soil: Hydraulics) -> FloatArray:
    """Return the water capacity, the slope of the retention curve.

    Parameters
    ----------
    h : array
        Pressure head, m, negative where unsaturated.
    soil : Hydraulics
        Parameters that broadcast with it.

    Returns
    -------
    ndarray
        C = dtheta/dh, m-1, float64; 0 where saturated; NaN of NaN.

    Examples
    --------
    >>> loam = Hydraulics(0.078, 0.43, 3.6, 1.56, 0.2496)
    >>> capacity(np.array([-1.0, 0.0]), loam).round(3)
    array([0.081, 0.   ])
    """
    return _on_arrays(_capacity, h, soil, soil.theta_r, soil.theta_s)


def conductivity(h: Any, soil: Hydraulics) -> FloatArray:
    """Return the hydraulic conductivity at a pressure head.

    Parameters
    ----------
    h : array
        Pressure head, m, negative where unsaturated.
    soil : Hydraulics
        Parameters that broadcast with it.

    Returns
    -------
    ndarray
        K, m day-1, float64; k_sat where h >= 0; NaN of NaN.

    Examples
    --------
    >>> loam = Hydraulics(0.078, 0.43, 3.6, 1.56, 0.2496)
    >>> conductivity(np.array([0.0, -1.0]), loam).round(5)
    array([0.2496 , 0.00034])
    """
    return _on_arrays(_conductivity, h, soil, soil.k_sat)


def pressure_head(theta: Any, soil: Hydraulics) -> FloatArray:
    """Return the pressure head at a water content.

    Parameters
    ----------
    theta : array
        Water content, m3 m-3.
    soil : Hydraulics
        Parameters that broadcast with it.

    Returns
    -------
    ndarray
        h, m, negative, float64; NaN of NaN. The effective saturation is taken between the bounds
        of :data:`WET_AND_DRY` and the suction is at most :data:`DRIEST`, so that all values, also
        beyond theta_r and theta_s, are finite.

    Examples
    --------
    >>> loam = Hydraulics(0.078, 0.43, 3.6, 1.56, 0.2496)
    >>> theta = water_content(np.array([-1.0, -150.0]), loam)
    >>> pressure_head(theta, loam).round(6)
    array([  -1., -150.])
    """
    return _on_arrays(_pressure_head, theta, soil, soil.theta_r, soil.theta_s)


def conductivity_of_water(theta: Any, soil: Hydraulics) -> FloatArray:
    """Return the hydraulic conductivity at a water content.

    Parameters
    ----------
    theta : array
        Water content, m3 m-3.
    soil : Hydraulics
        Parameters that broadcast with it.

    Returns
    -------
    ndarray
        K, m day-1, float64; NaN of NaN. The effective saturation is taken between the bounds of
        :data:`WET_AND_DRY`: the upper one gives 0.997 K_s for n = 2, 0.90 for n = 1.31 and 0.37 for
        n = 1.09, where van Genuchten's curve falls off steeply at saturation.

    Examples
    --------
    >>> loam = Hydraulics(0.078, 0.43, 3.6, 1.56, 0.2496)
    >>> conductivity_of_water(np.array([0.43, 0.242, 0.078]), loam).round(5)
    array([0.24457, 0.00034, 0.     ])
    """
    return _on_arrays(
        _conductivity_of_water, theta, soil, soil.theta_r, soil.theta_s, soil.k_sat
    )
