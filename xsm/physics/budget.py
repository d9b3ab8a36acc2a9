"""A closed water budget: a chain of stores, each flux a share of what is there.

After Kraft, B., Jung, M., Koerner, M., Koirala, S. and Reichstein, M. (2022), Hydrol. Earth Syst.
Sci. 26:1579-1614, with any number of layers; the order within a step and the limits are ours. Of
each step, in this order, with the water S of snow, w_i of the layers, U below them, G in the
ground, and the shares m, q, a, u_i, d_i, k of the step:

    S += snowfall;  M = m S;  S -= M
    L = rain + M;  Q_s = q L;  L -= Q_s;  E_c = min(L, a E_0);  L -= E_c;  e = E_0 - E_c
    layer i   w_i += in_i (in_1 = L);  x = min(w_i / c_i, 1);  E_i = min(0.9 w_i, e u_i x)
              w_i -= E_i;  e -= E_i;  D_i = w_i d_i x^beta_i;  w_i -= D_i
              O_i = max(0, w_i - c_i);  w_i -= O_i;  in_{i+1} = D_i + O_i
    below     U += in_{N+1};  Q_i = k U;  U -= Q_i;  R = k_p U;  U -= R
              G += R;  Q_b = k_b G;  G -= Q_b

Water is given once and taken once, so that for all shares in 0..1

    snowfall + rain - E_c - sum E_i - Q_s - Q_i - Q_b = d(S + sum w_i + U + G)

and no store falls below 0. Where water of the first layer was observed (``seen``), the layers are
moved towards it first, by w_i += g_i (seen - w_1), at most to c_i and at least to 0.1 w_i; what
moved is a flux of the account.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from xsm.exceptions import GridError
from xsm.physics.curves import compiled
from xsm.physics.threads import share_cells
from xsm.typing import FloatArray

__all__ = [
    "FIXED",
    "FLUXES",
    "GIVEN",
    "LEAST_WORK",
    "MOST",
    "STORES",
    "budget",
    "increment",
    "layer_count",
]


GIVEN = ("snowfall", "rain", "demand", "melt", "surface", "canopy", "interflow")
"""First rows of ``given``: amounts (snowfall, rain, E_0) and shares m, q, a, k of a step."""

FIXED = ("percolation", "baseflow")
"""First rows of ``fixed``: the shares k_p and k_b of a step; capacities and exponents follow."""

STORES = ("snow", "unsaturated", "groundwater")
"""First rows of the stores; the layers follow."""

FLUXES = ("melt", "surface", "canopy", "drainage", "interflow", "recharge", "baseflow")
"""First rows of the fluxes; evaporation of the layers follows, then what observations moved."""

MOST = 0.9
"""Share of a layer's water that leaves in a step at most: at 1 gradients would end at 0."""

LEAST_WORK = 2000
"""Steps of a cell that are worth a thread."""


def layer_count(given: FloatArray, fixed: FloatArray, start: FloatArray) -> int:
    """Return the number of layers that arrays of :func:`budget` hold, and check their shapes.

    Parameters
    ----------
    given, fixed, start : ndarray
        7 + 2 N rows, or 8 + 3 N with observations; 2 + 2 N rows; 3 + N rows.

    Returns
    -------
    int
        N.

    Raises
    ------
    GridError
        If they do not fit.

    Examples
    --------
    >>> layer_count(np.ones((13, 5, 1)), np.ones((8, 1)), np.ones((6, 1)))
    3
    """
    layers, cells = (len(fixed) - len(FIXED)) // 2, given.shape[2]
    rows = (len(GIVEN) + 2 * layers, len(GIVEN) + 3 * layers + 1)
    shapes = ((len(FIXED) + 2 * layers, cells), (len(STORES) + layers, cells))
    if layers < 0 or len(given) not in rows or (fixed.shape, start.shape) != shapes:
        msg = (
            f"given is {given.shape}, fixed {fixed.shape}, start {start.shape}; of N layers "
            "(7 + 2 N, time, cell), or with observations (8 + 3 N, time, cell), (2 + 2 N, cell) "
            "and (3 + N, cell) are needed."
        )
        raise GridError(msg)
    return layers


@compiled
def increment(gain: Any, seen: Any, first: Any, water: Any, most: Any) -> Any:
    """Return by how much an observation moves the water of a layer.

    Parameters
    ----------
    gain : float
        Share of the difference of the first layer that this layer is moved by.
    seen, first : float
        Water of the first layer, observed (NaN where it was not) and stored, mm.
    water, most : float
        Water of the layer and its capacity, mm.

    Returns
    -------
    float
        mm; at least 0.1 of the water stays, at most the pores are full.

    Examples
    --------
    >>> increment(0.5, 30.0, 20.0, 10.0, 100.0), increment(0.5, np.nan, 20.0, 10.0, 100.0)
    (5.0, 0.0)
    """
    number = type(water)
    if not np.isfinite(seen):
        return number(0)
    moved = max(gain * (seen - first), number(-MOST) * water)
    return min(moved, max(most - water, number(0)))


def budget(
    given: FloatArray, fixed: FloatArray, start: FloatArray, *, threads: int | None = None
) -> tuple[FloatArray, FloatArray]:
    """Run the chain of stores through all steps.

    Parameters
    ----------
    given : ndarray (row, time, cell)
        The rows of :data:`GIVEN`, then uptake u_i and drainage d_i of the layers from the top
        down; with observations also g_i of the layers, and water of the first layer, NaN where
        none was observed. Amounts are mm a step, shares 0..1.
    fixed : ndarray (row, cell)
        The rows of :data:`FIXED`, then capacities c_i (mm) and exponents beta_i (at least 1).
    start : ndarray (row, cell)
        Stores before the first step, mm: snow, unsaturated, groundwater, layers.
    threads : int, optional
        Threads that share the cells.

    Returns
    -------
    stores : ndarray (row, time, cell)
        Water at the end of each step, mm.
    fluxes : ndarray (row, time, cell)
        The rows of :data:`FLUXES`, evaporation E_i, and with observations what they moved, mm a
        step. What is missing in a step is missing in all that depends on it, and stays so.

    Raises
    ------
    GridError
        If shapes do not fit.

    Examples
    --------
    >>> given = np.zeros((9, 2, 1))
    >>> given[1, 0] = 10.0  # rain of the first step
    >>> fixed = np.array([[0.1], [0.1], [100.0], [2.0]])
    >>> stores, _ = budget(given, fixed, np.zeros((4, 1)))
    >>> stores[3].ravel()
    array([10., 10.])
    """
    layers = layer_count(given, fixed, start)
    rows = len(FLUXES) + layers * (2 if len(given) > len(GIVEN) + 2 * layers else 1)
    stores = np.empty((len(start), *given.shape[1:]), given.dtype)
    fluxes = np.empty((rows, *given.shape[1:]), given.dtype)

    def job(lo: int, hi: int) -> None:
        _forward(given, fixed, start, stores, fluxes, layers, lo, hi)

    share_cells(job, given.shape[2], threads, 1 + given[0].size // LEAST_WORK)
    return stores, fluxes


@compiled
def _forward(  # noqa: PLR0915
    given: Any, fixed: Any, start: Any, stores: Any, fluxes: Any, layers: int, lo: int, hi: int
) -> None:
    """Run some cells, time outside, cells inside.

    ``min`` and ``max`` return their first argument where one is NaN: what is missing comes first.
    """
    integrates = len(given) > 7 + 2 * layers
    zero, one, most_share = given.dtype.type(0), given.dtype.type(1), given.dtype.type(MOST)
    for t in range(given.shape[1]):
        before = start if t == 0 else stores[:, t - 1]
        for c in range(lo, hi):
            snow = before[0, c] + given[0, t, c]
            melt = given[3, t, c] * snow
            stores[0, t, c] = snow - melt
            water = given[1, t, c] + melt
            surface = given[4, t, c] * water
            water -= surface
            canopy = given[5, t, c] * given[2, t, c]
            canopy = min(canopy, water)
            water -= canopy
            left = given[2, t, c] - canopy
            fluxes[0, t, c], fluxes[1, t, c], fluxes[2, t, c] = melt, surface, canopy
            for i in range(layers):
                w, most = before[3 + i, c], fixed[2 + i, c]
                if integrates:
                    seen, gain = given[7 + 3 * layers, t, c], given[7 + 2 * layers + i, t, c]
                    moved = increment(gain, seen, before[3, c], w, most)
                    fluxes[7 + layers + i, t, c] = moved
                    w += moved
                w += water
                x = w / most
                x = min(x, one)
                taken, limit = left * given[7 + i, t, c] * x, most_share * w
                taken = min(taken, limit)
                w -= taken
                left -= taken
                water = w * given[7 + layers + i, t, c] * x ** fixed[2 + layers + i, c]
                w -= water
                over = w - most
                over = max(over, zero)
                stores[3 + i, t, c] = min(w, most)
                water += over
                fluxes[7 + i, t, c] = taken
            fluxes[3, t, c] = water
            below = before[1, c] + water
            aside = given[6, t, c] * below
            below -= aside
            recharge = fixed[0, c] * below
            ground = before[2, c] + recharge
            base = fixed[1, c] * ground
            stores[1, t, c], stores[2, t, c] = below - recharge, ground - base
            fluxes[4, t, c], fluxes[5, t, c], fluxes[6, t, c] = aside, recharge, base
