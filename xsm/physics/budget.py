"""A closed water budget: a chain of stores, each flux a share of what is there, and its adjoint.

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

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

from xsm.exceptions import GridError
from xsm.physics.threads import share_cells
from xsm.typing import FloatArray

__all__ = ["FIXED", "FLUXES", "GIVEN", "STORES", "budget", "budget_adjoint", "layer_count"]


GIVEN = ("snowfall", "rain", "demand", "melt", "surface", "canopy", "interflow")
"""First rows of ``given``: amounts (snowfall, rain, E_0) and shares m, q, a, k of a step."""

FIXED = ("percolation", "baseflow")
"""First rows of ``fixed``: the shares k_p and k_b of a step; capacities and exponents follow."""

STORES = ("snow", "unsaturated", "groundwater")
"""First rows of the stores; the layers follow."""

FLUXES = ("melt", "surface", "canopy", "drainage", "interflow", "recharge", "baseflow")
"""First rows of the fluxes; evaporation of the layers follows, then what observations moved."""

_MOST = 0.9  # of a layer's water that evaporates in a step at most: at 1 gradients would end at 0
_LEAST_WORK = 2000  # steps of a cell that are worth a thread

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _compile(function: _Function) -> _Function:
    """Compile on the first call, without the lock of the interpreter, with IEEE division."""
    return cast("_Function", njit(nogil=True, error_model="numpy")(function))


def layer_count(given: int, fixed: int) -> int:
    """Return the number of layers that rows of ``given`` and ``fixed`` hold, and check them.

    Parameters
    ----------
    given, fixed : int
        Rows: 7 + 2 N, or 8 + 3 N with observations, and 2 + 2 N.

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
    >>> layer_count(13, 8)
    3
    """
    layers, odd = divmod(fixed - len(FIXED), 2)
    fits = (len(GIVEN) + 2 * layers, len(GIVEN) + 3 * layers + 1)
    if odd or layers < 0 or given not in fits:
        msg = (
            f"fixed has {fixed} rows and given {given}; 2 + 2 N rows of N layers are needed, and "
            "7 + 2 N, or with observations 8 + 3 N."
        )
        raise GridError(msg)
    return layers


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
    layers = _check(given, fixed, start)
    rows = len(FLUXES) + layers * (2 if len(given) > len(GIVEN) + 2 * layers else 1)
    stores = np.empty((len(start), *given.shape[1:]), given.dtype)
    fluxes = np.empty((rows, *given.shape[1:]), given.dtype)

    def job(lo: int, hi: int) -> None:
        _forward(given, fixed, start, stores, fluxes, layers, lo, hi)

    share_cells(job, given.shape[2], threads, 1 + given[0].size // _LEAST_WORK)
    return stores, fluxes


def budget_adjoint(
    given: FloatArray,
    fixed: FloatArray,
    start: FloatArray,
    stores: FloatArray,
    wanted_stores: FloatArray,
    wanted_fluxes: FloatArray,
    *,
    threads: int | None = None,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return derivatives of a number by what :func:`budget` was given.

    Parameters
    ----------
    given, fixed, start, stores : ndarray
        What :func:`budget` was given, and the stores that it returned.
    wanted_stores, wanted_fluxes : ndarray (row, time, cell)
        Derivatives of the number by stores and fluxes.
    threads : int, optional
        Threads that share the cells.

    Returns
    -------
    tuple of ndarray
        Derivatives by ``given``, ``fixed`` and ``start``.

    Raises
    ------
    GridError
        If shapes do not fit.

    Examples
    --------
    >>> given, fixed, start = np.zeros((9, 1, 1)), np.full((4, 1), 0.5), np.zeros((4, 1))
    >>> stores, fluxes = budget(given, fixed, start)
    >>> one = np.ones_like(stores)  # all water that is stored
    >>> by_given, _, _ = budget_adjoint(given, fixed, start, stores, one, np.zeros_like(fluxes))
    >>> by_given[0].item()  # snow stays: a mm more of it is a mm more
    1.0
    """
    layers = _check(given, fixed, start)
    by_given, by_fixed = np.zeros_like(given), np.zeros_like(fixed)
    by_start = np.zeros_like(start)

    def job(lo: int, hi: int) -> None:
        wanted = (wanted_stores, wanted_fluxes)
        answers = (by_given, by_fixed, by_start)
        _backward(given, fixed, start, stores, wanted, answers, layers, lo, hi)

    share_cells(job, given.shape[2], threads, 1 + given[0].size // _LEAST_WORK)
    return by_given, by_fixed, by_start


def _check(given: FloatArray, fixed: FloatArray, start: FloatArray) -> int:
    """Return the number of layers, or refuse shapes that do not fit."""
    layers = layer_count(len(given), len(fixed))
    cells = given.shape[2]
    if fixed.shape[1:] != (cells,) or start.shape != (len(STORES) + layers, cells):
        msg = (
            f"given has {cells} cells, fixed is {fixed.shape}, start {start.shape}; fixed "
            f"{(len(fixed), cells)} and start {(len(STORES) + layers, cells)} are needed."
        )
        raise GridError(msg)
    return layers


@_compile
def _moved(gain: Any, seen: Any, first: Any, water: Any, most: Any) -> Any:
    """Return by how much an observation moves a layer."""
    number = type(water)
    if not np.isfinite(seen):
        return number(0)
    moved = gain * (seen - first)
    moved = max(moved, number(-_MOST) * water)
    return min(moved, max(most - water, number(0)))


@_compile
def _forward(  # noqa: PLR0915
    given: Any, fixed: Any, start: Any, stores: Any, fluxes: Any, layers: int, lo: int, hi: int
) -> None:
    """Run some cells, time outside, cells inside.

    ``min`` and ``max`` return their first argument where one is NaN: what is missing comes first.
    """
    integrates = len(given) > 7 + 2 * layers
    zero, one, most_share = given.dtype.type(0), given.dtype.type(1), given.dtype.type(_MOST)
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
                    moved = _moved(gain, seen, before[3, c], w, most)
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


@_compile
def _backward(  # noqa: C901, PLR0912, PLR0913, PLR0915, PLR0917
    given: Any,
    fixed: Any,
    start: Any,
    stores: Any,
    wanted: Any,
    answers: Any,
    layers: int,
    lo: int,
    hi: int,
) -> None:
    """Run some cells back: each step again from the stores before it, then its adjoint."""
    integrates = len(given) > 7 + 2 * layers
    zero, one, most_share = given.dtype.type(0), given.dtype.type(1), given.dtype.type(_MOST)
    by_stores, by_fluxes = wanted
    by_given, by_fixed, by_start = answers
    # Of the layers: water, that after evaporation, left to evaporate, wetness, its power, drained.
    kept = np.empty((6, layers), given.dtype)
    for t in range(given.shape[1] - 1, -1, -1):
        before = start if t == 0 else stores[:, t - 1]
        for c in range(lo, hi):
            snow = before[0, c] + given[0, t, c]
            melt = given[3, t, c] * snow
            wet = given[1, t, c] + melt
            dry = wet - given[4, t, c] * wet  # what does not run off
            canopy = given[5, t, c] * given[2, t, c]
            held = dry < canopy
            canopy = dry if held else canopy
            water, left = dry - canopy, given[2, t, c] - canopy
            for i in range(layers):
                w, most = before[3 + i, c], fixed[2 + i, c]
                if integrates:
                    seen, gain = given[7 + 3 * layers, t, c], given[7 + 2 * layers + i, t, c]
                    w += _moved(gain, seen, before[3, c], w, most)
                w += water
                x = w / most
                x = min(x, one)
                power = x ** fixed[2 + layers + i, c]
                kept[0, i], kept[2, i], kept[3, i], kept[4, i] = w, left, x, power
                taken, limit = left * given[7 + i, t, c] * x, most_share * w
                taken = min(taken, limit)
                w -= taken
                left -= taken
                water = w * given[7 + layers + i, t, c] * power
                kept[1, i], kept[5, i] = w, water
                over = w - water - most
                water += max(over, zero)
            below = before[1, c] + water
            rest = below - given[6, t, c] * below
            ground = before[2, c] + fixed[0, c] * rest

            # The ground and what lies between.
            now = by_start[2, c] + by_stores[2, t, c]
            by_fixed[1, c] += (by_fluxes[6, t, c] - now) * ground
            now += fixed[1, c] * (by_fluxes[6, t, c] - now)
            by_start[2, c] = now
            after = by_start[1, c] + by_stores[1, t, c]
            flow = by_fluxes[5, t, c] + now - after
            by_fixed[0, c] += flow * rest
            after += flow * fixed[0, c]
            flow = by_fluxes[4, t, c] - after
            by_given[6, t, c] = flow * below
            after += flow * given[6, t, c]
            by_start[1, c] = after
            by_water = after + by_fluxes[3, t, c]  # by the water that leaves the layer above

            # The layers, from below.
            by_left = by_first = zero
            for i in range(layers - 1, -1, -1):
                most, beta = fixed[2 + i, c], fixed[2 + layers + i, c]
                uptake, drain = given[7 + i, t, c], given[7 + layers + i, t, c]
                w, dried, left = kept[0, i], kept[1, i], kept[2, i]
                x, power, drained = kept[3, i], kept[4, i], kept[5, i]
                by_w = by_start[3 + i, c] + by_stores[3 + i, t, c]
                if dried - drained > most:
                    by_fixed[2 + i, c] += by_w - by_water
                    by_w = by_water
                by_drained = by_water - by_w
                by_given[7 + layers + i, t, c] = by_drained * dried * power
                by_power = by_drained * dried * drain
                by_w += by_drained * drain * power
                by_taken = by_fluxes[7 + i, t, c] - by_left - by_w
                by_x = zero
                if x > zero:
                    by_x = by_power * beta * power / x
                    by_fixed[2 + layers + i, c] += by_power * power * np.log(x)
                if most_share * w < left * uptake * x:
                    by_w += most_share * by_taken
                else:
                    by_left += by_taken * uptake * x
                    by_given[7 + i, t, c] = by_taken * left * x
                    by_x += by_taken * left * uptake
                if w <= most:
                    by_w += by_x / most
                    by_fixed[2 + i, c] -= by_x * x / most
                by_water = by_w
                if integrates:
                    seen, gain = given[7 + 3 * layers, t, c], given[7 + 2 * layers + i, t, c]
                    by_moved = by_w + by_fluxes[7 + layers + i, t, c]
                    w, first = before[3 + i, c], before[3, c]
                    moved = gain * (seen - first)
                    if not np.isfinite(seen):
                        pass
                    elif moved < -most_share * w:
                        by_w -= most_share * by_moved
                    elif moved > max(most - w, zero):
                        if most > w:
                            by_w -= by_moved
                            by_fixed[2 + i, c] += by_moved
                    else:
                        by_given[7 + 2 * layers + i, t, c] = by_moved * (seen - first)
                        by_given[7 + 3 * layers, t, c] += by_moved * gain
                        by_first -= by_moved * gain
                by_start[3 + i, c] = by_w
            if layers:
                by_start[3, c] += by_first

            # The canopy, the surface, the snow.
            by_canopy = by_fluxes[2, t, c] - by_water - by_left
            if held:
                by_water += by_canopy
            else:
                by_left += by_canopy * given[5, t, c]
                by_given[5, t, c] = by_canopy * given[2, t, c]
            by_given[2, t, c] = by_left
            by_surface = by_fluxes[1, t, c] - by_water
            by_given[4, t, c] = by_surface * wet
            by_water += by_surface * given[4, t, c]
            by_given[1, t, c] = by_water
            by_snow = by_start[0, c] + by_stores[0, t, c]
            by_melt = by_fluxes[0, t, c] + by_water - by_snow
            by_given[3, t, c] = by_melt * snow
            by_snow += by_melt * given[3, t, c]
            by_given[0, t, c] = by_snow
            by_start[0, c] = by_snow
