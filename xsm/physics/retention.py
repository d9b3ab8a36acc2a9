"""Soil hydraulic functions: what a soil holds and how fast it conducts, by pressure head or water.

van Genuchten (1980) with Mualem (1976), Brooks and Corey (1964) with Clapp and Hornberger (1978),
and Gardner (1958), whose exponential makes analytic solutions possible.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
from numba import vectorize

from xsm.exceptions import check_choice
from xsm.physics.curves import (
    MODELS,
    RetentionModel,
    curve_at,
    curve_of,
    relative_conductivity,
    suction_of,
)
from xsm.typing import FloatArray

__all__ = [
    "Hydraulics",
    "capacity",
    "clapp_hornberger",
    "conductivity",
    "conductivity_of_water",
    "pressure_head",
    "water_content",
]


_Function = TypeVar("_Function", bound=Callable[..., Any])


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

    van Genuchten's h and K have infinite slopes at saturation. Where S > 1 - 1e-4, suctions of some
    mm, both are lines in S up to h = -h_e and K = K_s (ours); so every function here is finite with
    its slopes, theta(h) and h(theta) stay inverse, and K(theta_s) is K_s.

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
        """Position of the model in :data:`~xsm.physics.curves.MODELS`."""
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


@_by_element
def _water_content(
    model: Any, h: Any, alpha: Any, shape: Any, entry: Any, dry: Any, wet: Any
) -> Any:
    """Return theta(h) of numbers."""
    s = curve_at(model, h, curve_of(model, alpha, shape, entry))[0]
    # Exact at both ends: dry + (wet - dry) may miss wet by its rounding.
    return wet - (wet - dry) * (1.0 - s) if s > 0.5 else dry + (wet - dry) * s


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
        h, m, not positive, float64; NaN of NaN. The saturation is taken between 1e-6 and 1
        and the suction is at most 1e5 m, so that all values, also beyond theta_r and theta_s, are
        finite.

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
        K, m day-1, float64; NaN of NaN. The effective saturation is taken between 1e-6 and 1; K is
        k_sat at theta_s.

    Examples
    --------
    >>> loam = Hydraulics(0.078, 0.43, 3.6, 1.56, 0.2496)
    >>> conductivity_of_water(np.array([0.43, 0.242, 0.078]), loam).round(5)
    array([0.2496 , 0.00034, 0.     ])
    """
    return _on_arrays(_conductivity_of_water, theta, soil, soil.theta_r, soil.theta_s, soil.k_sat)
