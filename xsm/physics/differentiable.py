"""The Richardson-Richards residual in torch, for losses, as in :mod:`xsm.physics.richards`.

The hydraulic functions are those of :mod:`xsm.physics.retention_torch`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from xsm.exceptions import GridError, check_choice
from xsm.physics.darcy import FACES
from xsm.physics.retention import Hydraulics
from xsm.physics.retention_torch import log_conductivity, pressure_head
from xsm.physics.richards import Face

__all__ = ["residual"]


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
        _darcy(theta_before, soil, centres, face, free_drainage=free_drainage)
        + _darcy(theta, soil, centres, face, free_drainage=free_drainage)
    )
    if fluxes is not None:
        flux = torch.where(fluxes.isnan(), flux, fluxes)
    change = (theta - theta_before) / step_days
    result = change + (flux[..., 1:] - flux[..., :-1]) / thickness
    return result if sink is None else result + sink


def _check(theta: Tensor, centres: Tensor, thickness: Tensor, fluxes: Tensor | None) -> None:
    """Refuse a profile whose last dimensions do not fit."""
    layers = theta.shape[-1]
    given = (*centres.shape, *thickness.shape, fluxes.shape[-1] if fluxes is not None else None)
    if given[:2] != (layers, layers) or given[2] not in {None, layers + 1}:
        msg = (
            f"theta has {layers} layers, centres {tuple(centres.shape)}, thickness "
            f"{tuple(thickness.shape)}, fluxes {given[2]} faces; as many centres and thicknesses "
            "as layers and one face more are needed."
        )
        raise GridError(msg)


def _darcy(
    theta: Tensor, soil: Hydraulics, centres: Tensor, face: Face, *, free_drainage: bool
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
