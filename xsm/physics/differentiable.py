"""Soil physics in torch: heads, conductivities and the Richardson-Richards residual, with gradients.

The same equations and bounds as in :mod:`xsm.physics.retention` and :mod:`xsm.physics.richards`.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from xsm.exceptions import GridError, check_choice
from xsm.physics.retention import DRIEST, WET_AND_DRY, Hydraulics
from xsm.physics.richards import FACES, Face

__all__ = ["log_conductivity", "pressure_head", "residual", "saturation"]

# exp(-60) m day-1 is no flow; below it single precision would lose the gradient of a product.
_SLOWEST = -60.0


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
        S, 1, between the bounds of ``WET_AND_DRY``; its gradient is 0 beyond them; NaN of NaN.

    Examples
    --------
    >>> soil = Hydraulics(0.1, 0.5, 1.0, 2.0, 0.2)
    >>> [round(x, 6) for x in saturation(torch.tensor([0.0, 0.3, 0.5]), soil).tolist()]
    [1e-06, 0.5, 0.999999]
    """
    return ((theta - soil.theta_r) / (soil.theta_s - soil.theta_r)).clamp(*WET_AND_DRY)


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
        h, m, negative, as of :func:`xsm.physics.retention.pressure_head`. Values and gradients are
        finite for every theta; NaN of NaN.

    Examples
    --------
    >>> soil = Hydraulics(0.0, 1.0, 1.0, 2.0, 0.2)
    >>> round(float(pressure_head(torch.tensor(0.5**0.5), soil)), 4)
    -1.0
    """
    alpha, shape, entry = _like(theta, soil.alpha, soil.shape, soil.entry)
    log_s = torch.log(saturation(theta, soil))
    if soil.model == "gardner":
        log = torch.log(-log_s)
    elif soil.model == "brooks_corey":
        log = -log_s / shape
    else:
        y = -(log_s + _log_top(alpha, shape, entry)) / (1.0 - 1.0 / shape)
        log = (y + torch.log(-torch.expm1(-y))) / shape
    return -torch.exp((log - torch.log(alpha)).clamp(max=math.log(DRIEST)))


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
    shape, alpha, entry, k_sat = _like(theta, soil.shape, soil.alpha, soil.entry, soil.k_sat)
    log_s = torch.log(saturation(theta, soil))
    if soil.model == "gardner":
        log = log_s
    elif soil.model == "brooks_corey":
        log = (3.0 + 2.0 / shape) * log_s
    else:
        m = 1.0 - 1.0 / shape
        top = _log_top(alpha, shape, entry)
        log = 0.5 * log_s + 2.0 * (_log_pores((log_s + top) / m, m) - _log_widest(top, m, entry))
    return (log + torch.log(k_sat)).clamp(min=_SLOWEST)


def residual(  # noqa: PLR0913
    theta_before: Tensor,
    theta: Tensor,
    soil: Hydraulics,
    *,
    centres: Tensor,
    thickness: Tensor,
    step_days: float = 1.0,
    sink: Tensor | None = None,
    fluxes: Tensor | None = None,
    face: Face = "geometric",
    free_drainage: bool = False,
) -> Tensor:
    """Return how far a step of a profile is from the Richardson-Richards equation.

    Parameters
    ----------
    theta_before, theta : Tensor (..., layer)
        Water content at the beginning and at the end of the step, m3 m-3, from the top down.
    soil : Hydraulics
        Parameters, tensors (..., layer), (..., 1) or numbers.
    centres, thickness : Tensor (layer,)
        Depth of the layers' centres, positive down, and their thickness, m.
    step_days : float, default: 1.0
        Length of the step, days.
    sink : Tensor (..., layer), optional
        Water taken up by roots, day-1.
    fluxes : Tensor (..., layer + 1), optional
        Known mean fluxes at the faces, m day-1, positive downward; NaN where not known.
    face : {"geometric", "arithmetic", "upstream"}, default: "geometric"
        How the conductivity at a face follows from its two layers.
    free_drainage : bool, default: False
        Close the last layer by K of its water, where no flux is known there.

    Returns
    -------
    Tensor (..., layer)
        r, day-1, by the equations of :func:`xsm.physics.richards.richards_residual`; NaN in the
        first and last layer where no flux closes them. ``torch.where(r.isfinite(), r, 0)`` passes
        no NaN to the gradients, which are finite for every theta.

    Raises
    ------
    GridError
        If the last dimensions do not fit.
    UnknownNameError
        If ``face`` does not exist.

    Examples
    --------
    >>> soil = Hydraulics(0.1, 0.5, 1.0, 2.0, 0.2)
    >>> wet = torch.full((3,), 0.3, requires_grad=True)
    >>> depth, size = torch.tensor([0.1, 0.2, 0.3]), torch.full((3,), 0.1)
    >>> r = residual(wet, wet, soil, centres=depth, thickness=size)
    >>> r.tolist()  # the same water everywhere: gravity alone, the same flux
    [nan, 0.0, nan]
    """
    check_choice("face", face, FACES)
    _check(theta, centres, thickness, fluxes)
    flux = 0.5 * (
        _darcy(theta_before, soil, centres, face, free_drainage)
        + _darcy(theta, soil, centres, face, free_drainage)
    )
    if fluxes is not None:
        flux = torch.where(fluxes.isnan(), flux, fluxes)
    change = (theta - theta_before) / step_days
    result = change + (flux[..., 1:] - flux[..., :-1]) / thickness
    return result if sink is None else result + sink


def _like(theta: Tensor, *values: Any) -> list[Tensor]:
    """Return parameters as tensors of the type and place of the water content."""
    return [torch.as_tensor(value, dtype=theta.dtype, device=theta.device) for value in values]


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


def _check(theta: Tensor, centres: Tensor, thickness: Tensor, fluxes: Tensor | None) -> None:
    """Refuse a profile whose last dimensions do not fit."""
    layers = theta.shape[-1]
    given = (*centres.shape, *thickness.shape, fluxes.shape[-1] if fluxes is not None else None)
    if given[:2] != (layers, layers) or given[2] not in {None, layers + 1}:
        msg = (
            f"theta has {layers} layers, centres {tuple(centres.shape)}, thickness "
            f"{tuple(thickness.shape)}, fluxes {given[2]} faces; as many centres and thicknesses as "
            "layers and one face more are needed."
        )
        raise GridError(msg)


def _darcy(
    theta: Tensor, soil: Hydraulics, centres: Tensor, face: Face, free_drainage: bool
) -> Tensor:
    """Return the fluxes at all faces of one time, NaN where nothing closes the profile."""
    head, log_k = pressure_head(theta, soil), log_conductivity(theta, soil)
    drive = 1.0 - head.diff(dim=-1) / centres.diff()  # (..., layer - 1)
    above, below = log_k[..., :-1], log_k[..., 1:]
    if face == "geometric":
        conductivity = torch.exp(0.5 * (above + below))
    elif face == "arithmetic":
        conductivity = 0.5 * (above.exp() + below.exp())
    else:
        conductivity = torch.exp(torch.where(drive > 0.0, above, below))
    open_end = torch.full_like(theta[..., :1], torch.nan)
    last = log_k[..., -1:].exp() if free_drainage else open_end
    return torch.cat([open_end, conductivity * drive, last], dim=-1)
