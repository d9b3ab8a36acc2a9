"""Residual of the Richardson-Richards equation on (time, layer, cell) arrays.

Zhang et al. (2025), J. Hydrol., 10.1016/j.jhydrol.2025.133086, put this equation into the loss of a
network; their discretisation is not published, this one is ours.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from xsm.exceptions import GridError, check_choice
from xsm.physics.darcy import FACES, scan_residual
from xsm.physics.retention import Hydraulics
from xsm.physics.rounding import native_floats
from xsm.physics.threads import share_cells
from xsm.typing import FloatArray

__all__ = ["Face", "richards_residual"]


Face: TypeAlias = Literal["geometric", "arithmetic", "upstream"]

_TILE = 256  # cells whose heads and fluxes stay in cache
_WORTH_A_THREAD = 1 << 15  # values; below that starting a thread costs more than it saves


def richards_residual(  # noqa: PLR0913
    theta: FloatArray,
    soil: Hydraulics,
    *,
    centres: npt.ArrayLike,
    thickness: npt.ArrayLike,
    step_days: float = 1.0,
    before: FloatArray | None = None,
    sink: FloatArray | None = None,
    fluxes: FloatArray | None = None,
    face: Face = "geometric",
    free_drainage: bool = False,
    threads: int | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Return how far a profile of water contents is from the Richardson-Richards equation.

    Parameters
    ----------
    theta : ndarray (time, layer, cell)
        Volumetric water content at the end of each step, m3 m-3, layers from the top down.
    soil : Hydraulics
        Parameters (layer, cell), (1, cell), or numbers.
    centres : array_like (layer,)
        Depths of the layers' centres, m, positive down, ascending.
    thickness : array_like (layer,)
        Thickness of the layers, m; need not be equal.
    step_days : float, default: 1.0
        Length of the step, days.
    before : ndarray (layer, cell), optional
        Water content before the first step; without it the first residual is NaN.
    sink : ndarray (time, layer, cell), optional
        Water taken up by roots, mean of each step, day-1.
    fluxes : ndarray (time, layer + 1, cell), optional
        Known mean fluxes at the layers' faces, m day-1, positive downward, the surface of the first
        layer at the top, in place of Darcy's; NaN where they are not known.
    face : {"geometric", "arithmetic", "upstream"}, default: "geometric"
        How the conductivity at a face follows from its two layers.
    free_drainage : bool, default: False
        Close the last layer by K of its water, where no flux is known there.
    threads : int, optional
        Threads that share the cells; by default the option ``threads``, else one for each core.

    Returns
    -------
    residual : ndarray (time, layer, cell)
        r, day-1, positive where water appears; NaN where a value is missing and in the first and
        last layer where no flux closes them.
    flux : ndarray (time, layer + 1, cell)
        q, m day-1, positive downward, mean of each step; NaN where not known. Arithmetic is double
        precision; results have the precision of ``theta``.

    Raises
    ------
    GridError
        If shapes do not fit or depths do not ascend.
    UnknownNameError
        If ``face`` does not exist.

    Notes
    -----
    Finite volumes of thickness dz_i, depth z positive down, q positive downward, h the pressure
    head, S the sink, fluxes centred in time::

        r_i = (th_i^{t+1} - th_i^t) / dt + (q_{i+1/2} - q_{i-1/2}) / dz_i + S_i
        q_{i+1/2} = -K_{i+1/2} ((h_{i+1} - h_i) / (z_{i+1} - z_i) - 1),   q = (q^t + q^{t+1}) / 2

    K_{i+1/2} is sqrt(K_i K_{i+1}), (K_i + K_{i+1}) / 2, or K of the layer that the water comes
    from. Near both ends h and K keep within the bounds of :mod:`xsm.physics.retention`.

    References
    ----------
    Richards, L. A. (1931). Physics 1:318-333. Celia, M. A., Bouloutas, E. T. and Zarba, R. L.
    (1990). Water Resour. Res. 26:1483-1496.

    Examples
    --------
    Water at rest: the head falls by as much as the height rises.

    >>> from xsm.physics.retention import water_content
    >>> loam, centres = Hydraulics(0.078, 0.43, 3.6, 1.56, 0.25), np.array([0.1, 0.3, 0.6])
    >>> theta = np.broadcast_to(water_content(centres - 2.0, loam)[:, None], (2, 3, 1))
    >>> residual, flux = richards_residual(
    ...     theta, loam, centres=centres, thickness=[0.2, 0.2, 0.4], before=theta[0]
    ... )
    >>> bool(abs(residual[:, 1]).max() < 1e-12), residual.shape, flux.shape
    (True, (2, 3, 1), (2, 4, 1))
    """
    check_choice("face", face, FACES)
    theta = native_floats(theta)
    before, sink, fluxes = (None if a is None else native_floats(a) for a in (before, sink, fluxes))
    steps, layers, cells = _check(theta, before, sink, fluxes)
    grid = _grid(centres, thickness, layers)
    if before is None:
        before = np.full((layers, cells), np.nan)
    dtype = theta.dtype if theta.dtype == np.float32 else np.dtype(np.float64)
    residual = np.empty((steps, layers, cells), dtype)
    flux = np.empty((steps, layers + 1, cells), dtype)
    arrays = (theta, before, sink, fluxes)
    rules = (FACES.index(face), 1.0 / step_days, free_drainage)
    parameters = (soil.code, *_parameters(soil, layers, cells))

    def job(lo: int, hi: int) -> None:
        part = (lo, hi, min(_TILE, max(hi - lo, 1)))
        scan_residual(arrays, parameters, grid, (residual, flux), rules, part)

    share_cells(job, cells, threads, most=max(theta.size // _WORTH_A_THREAD, 1))
    return residual, flux


def _check(
    theta: FloatArray,
    before: FloatArray | None,
    sink: FloatArray | None,
    fluxes: FloatArray | None,
) -> tuple[int, int, int]:
    """Return steps, layers and cells, or say what does not fit."""
    if theta.ndim != 3:
        msg = f"theta has shape {theta.shape}; (time, layer, cell) is needed: theta[:, :, None]."
        raise GridError(msg)
    steps, layers, cells = theta.shape
    needed = {
        "before": (before, (layers, cells)),
        "sink": (sink, (steps, layers, cells)),
        "fluxes": (fluxes, (steps, layers + 1, cells)),
    }
    odd = [
        f"{name} has shape {array.shape}, {shape} is needed"
        for name, (array, shape) in needed.items()
        if array is not None and array.shape != shape
    ]
    if odd:
        raise GridError("; ".join(odd) + f", since theta has shape {theta.shape}.")
    return steps, layers, cells


def _grid(
    centres: npt.ArrayLike, thickness: npt.ArrayLike, layers: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return depth and thickness of the layers, or say what does not fit."""
    depth, size = np.asarray(centres, np.float64), np.asarray(thickness, np.float64)
    fits = depth.shape == size.shape == (layers,)
    if not fits or (size <= 0.0).any() or (np.diff(depth) <= 0.0).any():
        msg = (
            f"centres={depth.tolist()} and thickness={size.tolist()} were given; {layers} "
            "ascending depths and as many positive thicknesses in m are needed."
        )
        raise GridError(msg)
    return depth, size


def _parameters(soil: Hydraulics, layers: int, cells: int) -> tuple[Any, ...]:
    """Return the parameters as arrays (layer or 1, cell)."""
    values = [
        np.asarray(value, np.float64)
        for value in (soil.theta_r, soil.theta_s, soil.alpha, soil.shape, soil.k_sat, soil.entry)
    ]
    try:
        together = np.broadcast_arrays(*values, np.empty((1, cells)))[:-1]
    except ValueError as error:
        shapes = [value.shape for value in values]
        msg = f"The soil parameters have shapes {shapes}; {(layers, cells)} is needed, or numbers."
        raise GridError(msg) from error
    if together[0].shape not in {(1, cells), (layers, cells)}:
        msg = f"The soil parameters have shape {together[0].shape}; {(layers, cells)} is needed."
        raise GridError(msg)
    return tuple(np.array(value) for value in together)
