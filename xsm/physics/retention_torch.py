"""Soil hydraulic functions in torch, with the ends of :mod:`xsm.physics.retention`.

Values and gradients are finite for every argument, so that they can stand in a loss.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from xsm.physics.curves import DRIEST, DRY, WET
from xsm.physics.retention import Hydraulics

__all__ = ["capacity", "log_conductivity", "pressure_head", "saturation", "water_content"]


# exp(-60) m day-1 is no flow; below it single precision would lose the gradient of a product.
_SLOWEST = -60.0


def water_content(h: Tensor, soil: Hydraulics) -> Tensor:
    """Return the water content at a pressure head.

    Parameters
    ----------
    h : Tensor
        Pressure head, m, negative where unsaturated.
    soil : Hydraulics
        Parameters, tensors or numbers that broadcast.

    Returns
    -------
    Tensor
        theta, m3 m-3, as of :func:`xsm.physics.retention.water_content`; NaN of NaN.

    Examples
    --------
    >>> soil = Hydraulics(0.0, 1.0, 1.0, 2.0, 0.2)
    >>> round(float(water_content(torch.tensor(-1.0), soil)), 4)
    0.7071
    """
    dry, wet = _like(h, soil.theta_r, soil.theta_s)
    return torch.lerp(*torch.broadcast_tensors(dry, wet, _saturation_at(h, soil)[0]))


def capacity(h: Tensor, soil: Hydraulics) -> Tensor:
    """Return the water capacity, the slope of the retention curve.

    Parameters
    ----------
    h : Tensor
        Pressure head, m, negative where unsaturated.
    soil : Hydraulics
        Parameters, tensors or numbers that broadcast.

    Returns
    -------
    Tensor
        C = dtheta/dh, m-1, as of :func:`xsm.physics.retention.capacity`; NaN of NaN.

    Examples
    --------
    >>> soil = Hydraulics(0.0, 1.0, 1.0, 2.0, 0.2)
    >>> round(float(capacity(torch.tensor(-1.0), soil)), 4)
    0.3536
    """
    dry, wet = _like(h, soil.theta_r, soil.theta_s)
    return (wet - dry) * _saturation_at(h, soil)[1]


def saturation(theta: Tensor, soil: Hydraulics) -> Tensor:
    """Return the effective saturation within its bounds.

    Parameters
    ----------
    theta : Tensor
        Water content, m3 m-3.
    soil : Hydraulics
        Parameters, tensors or numbers that broadcast.

    Returns
    -------
    Tensor
        S, 1, between 1e-6 and 1; its gradient is 0 beyond them, not at 1; NaN of NaN.

    Examples
    --------
    >>> soil = Hydraulics(0.1, 0.5, 1.0, 2.0, 0.2)
    >>> [round(x, 6) for x in saturation(torch.tensor([0.0, 0.3, 0.5]), soil).tolist()]
    [1e-06, 0.5, 1.0]
    """
    dry, wet = _like(theta, soil.theta_r, soil.theta_s)
    return ((theta - dry) / (wet - dry)).clamp(DRY, 1.0)


def pressure_head(theta: Tensor, soil: Hydraulics) -> Tensor:
    """Return the pressure head at a water content.

    Parameters
    ----------
    theta : Tensor
        Water content, m3 m-3.
    soil : Hydraulics
        Parameters, tensors or numbers that broadcast.

    Returns
    -------
    Tensor
        h, m, not positive, as of :func:`xsm.physics.retention.pressure_head`. Values and gradients
        are finite for every theta; NaN of NaN.

    Examples
    --------
    >>> soil = Hydraulics(0.0, 1.0, 1.0, 2.0, 0.2)
    >>> round(float(pressure_head(torch.tensor(0.5**0.5), soil)), 4)
    -1.0
    """
    return _head(saturation(theta, soil), theta, soil)


def log_conductivity(theta: Tensor, soil: Hydraulics) -> Tensor:
    """Return the logarithm of the hydraulic conductivity at a water content.

    Parameters
    ----------
    theta : Tensor
        Water content, m3 m-3.
    soil : Hydraulics
        Parameters, tensors or numbers that broadcast.

    Returns
    -------
    Tensor
        log(K), K in m day-1, as of :func:`xsm.physics.retention.conductivity_of_water`, at least
        -60. Values and gradients are finite for every theta, so that means of conductivities have
        gradients in dry soil too; NaN of NaN.

    Examples
    --------
    >>> soil = Hydraulics(0.0, 1.0, 1.0, 2.0, 1.0)
    >>> round(float(log_conductivity(torch.tensor(0.5**0.5), soil).exp()), 3)
    0.072
    """
    return _log_conductivity(saturation(theta, soil), theta, soil)


def _like(theta: Tensor, *values: Any) -> list[Tensor]:
    """Return parameters as tensors of the type and place of the water content."""
    return [torch.as_tensor(value, dtype=theta.dtype, device=theta.device) for value in values]


def _head(s: Tensor, theta: Tensor, soil: Hydraulics) -> Tensor:
    """Return the pressure head at a saturation."""
    alpha, shape, entry = _like(theta, soil.alpha, soil.shape, soil.entry)
    if soil.model == "gardner":
        return -(-torch.log(s) / alpha).clamp(max=DRIEST)
    if soil.model == "brooks_corey":
        return -_suction(-torch.log(s) / shape, alpha)
    y = -(torch.log(s.clamp(max=1.0 - WET)) + _log_top(alpha, shape, entry)) / (1.0 - 1.0 / shape)
    suction = _suction((y + torch.log(-torch.expm1(-y))) / shape, alpha)
    return -(entry + (suction - entry) * _share(s))


def _saturation_at(h: Tensor, soil: Hydraulics) -> tuple[Tensor, Tensor]:
    """Return saturation and its slope at a pressure head."""
    alpha, shape, entry = _like(h, soil.alpha, soil.shape, soil.entry)
    if soil.model == "gardner":
        s = torch.exp(alpha * h.clamp(max=0.0))
        return s, torch.where(h < 0.0, alpha * s, 0.0 * s)
    if soil.model == "brooks_corey":
        x = (-alpha * h).clamp(min=1.0)
        s = torch.exp(-shape * torch.log(x))
        return s, torch.where(-alpha * h > 1.0, shape * s * alpha / x, 0.0 * s)
    join = -_head(torch.as_tensor(1.0 - WET, dtype=h.dtype, device=h.device), h, soil)
    suction = torch.maximum(-h, join)
    log_p, m = shape * torch.log(alpha * suction), 1.0 - 1.0 / shape
    log_s = -m * torch.nn.functional.softplus(log_p) - _log_top(alpha, shape, entry)
    s = torch.exp(log_s)
    line = ((-h - entry) / (join - entry)).clamp(0.0, 1.0)
    slope = torch.where(-h > entry, WET / (join - entry), 0.0)
    wet = -h < join
    steep = m * shape / suction * torch.sigmoid(log_p) * s
    return torch.where(wet, 1.0 - WET * line, s), torch.where(wet, slope, steep)


def _suction(log: Tensor, alpha: Tensor) -> Tensor:
    """Return the suction of which the logarithm, times alpha, is given, up to the driest."""
    return torch.exp((log - torch.log(alpha)).clamp(max=math.log(DRIEST)))


def _share(s: Tensor) -> Tensor:
    """Return how much of the line to saturation is left: 1 below the line, 0 at saturation."""
    return ((1.0 - s) / WET).clamp(max=1.0)


def _log_conductivity(s: Tensor, theta: Tensor, soil: Hydraulics) -> Tensor:
    """Return log(K) at a saturation."""
    shape, k_sat = _like(theta, soil.shape, soil.k_sat)
    if soil.model == "gardner":
        log = torch.log(s)
    elif soil.model == "brooks_corey":
        log = (3.0 + 2.0 / shape) * torch.log(s)
    else:
        log = _log_mualem(s.clamp(max=1.0 - WET), theta, soil)
        share = _share(s)
        wet = share < 1.0  # elsewhere the line would lose the digits of small numbers
        line = torch.log1p(torch.expm1(log) * torch.where(wet, share, 0.5))
        log = torch.where(wet, line, log)
    return (log + torch.log(k_sat)).clamp(min=_SLOWEST)


def _log_mualem(s: Tensor, theta: Tensor, soil: Hydraulics) -> Tensor:
    """Return log(K / K_s) of Mualem's model at a saturation below the line."""
    shape, alpha, entry = _like(theta, soil.shape, soil.alpha, soil.entry)
    m = 1.0 - 1.0 / shape
    top, log_s = _log_top(alpha, shape, entry), torch.log(s)
    return 0.5 * log_s + 2.0 * (_log_pores((log_s + top) / m, m) - _log_widest(top, m, entry))


def _log_top(alpha: Tensor, shape: Tensor, entry: Tensor) -> Tensor:
    """Return the logarithm of the original curve's saturation where air enters."""
    return -(1.0 - 1.0 / shape) * torch.log1p((alpha * entry) ** shape)


def _log_pores(log_x: Tensor, m: Tensor) -> Tensor:
    """Return log(1 - (1 - x)^m); near x = 0, where single precision loses 1 - x, log(m x)."""
    small = log_x < -12.0
    safe = torch.where(small, -12.0, log_x)
    pores = torch.log(-torch.expm1(m * torch.log1p(-torch.exp(safe))))
    return torch.where(small, torch.log(m) + log_x, pores)


def _log_widest(log_top: Tensor, m: Tensor, entry: Tensor) -> Tensor:
    """Return the logarithm of the pores where air enters; 0 where it enters at once."""
    none = entry <= 0.0
    return torch.where(none, 0.0, _log_pores(torch.where(none, -1.0, log_top) / m, m))
