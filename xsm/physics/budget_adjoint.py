"""The adjoint of the closed water budget of :mod:`xsm.physics.budget`."""

from __future__ import annotations

from typing import Any

import numpy as np

from xsm.physics.budget import LEAST_WORK, MOST, increment, layer_count
from xsm.physics.curves import compiled
from xsm.physics.threads import share_cells
from xsm.typing import FloatArray

__all__ = ["budget_adjoint"]


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
    """Return derivatives of a number by what the budget was given.

    Parameters
    ----------
    given, fixed, start, stores : ndarray
        What :func:`xsm.physics.budget.budget` was given, and the stores that it returned.
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
    >>> from xsm.physics.budget import budget
    >>> given, fixed, start = np.zeros((9, 1, 1)), np.full((4, 1), 0.5), np.zeros((4, 1))
    >>> stores, fluxes = budget(given, fixed, start)
    >>> one = np.ones_like(stores)  # all water that is stored
    >>> by_given, _, _ = budget_adjoint(given, fixed, start, stores, one, np.zeros_like(fluxes))
    >>> by_given[0].item()  # snow stays: a mm more of it is a mm more
    1.0
    """
    layers = layer_count(given, fixed, start)
    by_given, by_fixed = np.zeros_like(given), np.zeros_like(fixed)
    by_start = np.zeros_like(start)

    def job(lo: int, hi: int) -> None:
        wanted = (wanted_stores, wanted_fluxes)
        answers = (by_given, by_fixed, by_start)
        _backward(given, fixed, start, stores, wanted, answers, layers, lo, hi)

    share_cells(job, given.shape[2], threads, 1 + given[0].size // LEAST_WORK)
    return by_given, by_fixed, by_start


@compiled
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
    zero, one, most_share = given.dtype.type(0), given.dtype.type(1), given.dtype.type(MOST)
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
                    w += increment(gain, seen, before[3, c], w, most)
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
