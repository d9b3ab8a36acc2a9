"""The compiled residual of the Richardson-Richards equation: time outside, cells in tiles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from xsm.physics.curves import Curve, compiled, curve_of, relative_conductivity, suction_of

__all__ = ["FACES", "face_conductivity", "scan_residual"]


FACES = ("geometric", "arithmetic", "upstream")
"""How the conductivity at a face follows from its two layers; kernels take the position."""


@compiled
def face_conductivity(face: int, above: float, below: float, drive: float) -> float:
    """Return the conductivity between two layers, for kernels.

    Parameters
    ----------
    face : int
        Position in :data:`FACES`.
    above, below : float
        Conductivities of the two layers, m day-1.
    drive : float
        1 - dh/dz, positive where water flows down.

    Returns
    -------
    float
        m day-1.

    Examples
    --------
    >>> [face_conductivity(face, 1.0, 4.0, 1.0) for face in range(3)]
    [2.0, 2.5, 1.0]
    """
    if face == 0:
        return math.sqrt(above) * math.sqrt(below)
    if face == 1:
        return 0.5 * (above + below)
    return above if drive > 0.0 else below


@compiled
def scan_residual(arrays: Any, soil: Any, grid: Any, outputs: Any, rules: Any, cells: Any) -> None:
    """Compute residual and fluxes of cells tile by tile.

    Parameters
    ----------
    arrays : tuple
        Water content (time, layer, cell); that before the first step (layer, cell); sink (time,
        layer, cell) or None; known fluxes (time, face, cell) or None.
    soil : tuple
        Code of the model; theta_r, theta_s, alpha, shape, k_sat, entry, each (layer or 1, cell).
    grid : tuple of ndarray
        Depths of the layers' centres and their thickness, m, (layer,).
    outputs : tuple of ndarray
        Residual (time, layer, cell) and flux (time, face, cell), written.
    rules : tuple
        Position in :data:`FACES`; 1 / step in days; whether the bottom drains freely.
    cells : tuple of int
        First cell, last cell plus one, cells of a tile.

    Examples
    --------
    >>> from xsm.physics.curves import MODELS
    >>> theta, flux = np.full((1, 1, 1), 0.2), np.empty((1, 2, 1))
    >>> soil = (0, *(np.full((1, 1), x) for x in (0.078, 0.43, 3.6, 1.56, 0.25, 0.0)))
    >>> grid, rate = (np.array([0.1]), np.array([0.2])), np.empty((1, 1, 1))
    >>> known = np.array([[[0.002], [0.001]]])
    >>> scan_residual(
    ...     (theta, theta[0], None, known), soil, grid, (rate, flux), (0, 1.0, False), (0, 1, 1)
    ... )
    >>> round(float(rate[0, 0, 0]), 6)
    -0.005
    """
    theta, before, sink, known = arrays
    steps, layers = theta.shape[:2]
    start, stop, tile = cells
    curves = np.empty((7, soil[1].shape[0], tile))
    work = (curves, np.empty((layers, tile)), np.empty((layers, tile)))
    last = np.full((layers + 1, tile), np.nan)
    now = np.full((layers + 1, tile), np.nan)
    for lo in range(start, stop, tile):
        hi = min(lo + tile, stop)
        _fill_curves(curves, soil, lo, hi)
        _darcy(before, soil, grid[0], work, last, rules, (lo, hi))
        for t in range(steps):
            _darcy(theta[t], soil, grid[0], work, now, rules, (lo, hi))
            for k in range(layers + 1):
                for c in range(lo, hi):
                    mean = 0.5 * (last[k, c - lo] + now[k, c - lo])
                    outputs[1][t, k, c] = _known(known, t, k, c, mean)
                    last[k, c - lo] = now[k, c - lo]
            for i in range(layers):
                for c in range(lo, hi):
                    old = before[i, c] if t == 0 else theta[t - 1, i, c]
                    r = (theta[t, i, c] - old) * rules[1]
                    r += (outputs[1][t, i + 1, c] - outputs[1][t, i, c]) / grid[1][i]
                    outputs[0][t, i, c] = r + _given(sink, t, i, c)


@compiled
def _known(array: Any, t: int, k: int, c: int, otherwise: float) -> float:
    """Return a value that is known, else the other."""
    if array is None:
        return otherwise
    value = array[t, k, c]
    return otherwise if np.isnan(value) else value


@compiled
def _given(array: Any, t: int, k: int, c: int) -> float:
    """Return a value of an array that is given, missing or not; else 0."""
    return 0.0 if array is None else array[t, k, c]


@compiled
def _fill_curves(curves: Any, soil: Any, lo: int, hi: int) -> None:
    """Write the curves of a tile's cells."""
    for i in range(curves.shape[1]):
        for c in range(lo, hi):
            curve = curve_of(soil[0], soil[3][i, c], soil[4][i, c], soil[6][i, c])
            for k in range(7):
                curves[k, i, c - lo] = curve[k]


@compiled
def _curve(curves: Any, i: int, c: int) -> Curve:
    """Return the curve of a layer of a cell."""
    return (
        curves[0, i, c],
        curves[1, i, c],
        curves[2, i, c],
        curves[3, i, c],
        curves[4, i, c],
        curves[5, i, c],
        curves[6, i, c],
    )


@compiled
def _darcy(
    theta: Any, soil: Any, centres: Any, work: Any, flux: Any, rules: Any, cells: tuple[int, int]
) -> None:
    """Write the fluxes at the faces of one time, positive downward, from the water content."""
    model, dry, wet, _, _, k_sat, _ = soil
    curves, head, rate = work
    lo, hi = cells
    layers = theta.shape[0]
    for i in range(layers):
        p = min(i, dry.shape[0] - 1)
        for c in range(lo, hi):
            s = (theta[i, c] - dry[p, c]) / (wet[p, c] - dry[p, c])
            curve = _curve(curves, p, c - lo)
            head[i, c - lo] = -suction_of(model, s, curve)
            rate[i, c - lo] = k_sat[p, c] * relative_conductivity(model, s, curve)
    for i in range(layers - 1):
        length = centres[i + 1] - centres[i]
        for c in range(hi - lo):
            drive = 1.0 - (head[i + 1, c] - head[i, c]) / length
            flux[i + 1, c] = drive * face_conductivity(rules[0], rate[i, c], rate[i + 1, c], drive)
    if rules[2]:
        for c in range(hi - lo):
            flux[layers, c] = rate[layers - 1, c]
