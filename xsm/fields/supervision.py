"""What supervises: a truth, the same one scale up, or the interpolation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from xsm.data.nesting import Axis, Nest, coarsen, interpolate
from xsm.exceptions import GridError, MissingVariableError
from xsm.fields.anchors import fit_anchors
from xsm.fields.baselines import learn_maps
from xsm.fields.sources import Sources
from xsm.physics.conservation import block_mean
from xsm.training.recipe import NestedRecipe
from xsm.typing import FloatArray

__all__ = ["detail_below", "one_scale_up", "supervised", "with_maps"]


_SCALES = 8  # cells along an axis of which those of four still have neighbours


def supervised(native: Sources, supervision: str) -> Sources:
    """Return what trains."""
    if supervision == "truth":
        if native.truth is None:
            msg = (
                "supervision='truth' was given, but no truth. Pass truth= on the fine grid, or "
                "supervision='scale_transfer', which learns from the coarse data alone."
            )
            raise MissingVariableError(msg)
        return native
    if supervision == "scale_transfer":
        return one_scale_up(native)
    return replace(native, truth=None)


def with_maps(
    scaling: xr.Dataset, sources: Sources, training: slice, recipe: NestedRecipe
) -> tuple[xr.Dataset, FloatArray | None]:
    """Add what is known of each fine cell, and return what its regression says when left out."""
    if recipe.supervision != "truth" or sources.truth is None:
        return scaling, None
    pick = {sources.time: training}
    part = replace(
        sources,
        coarse={n: a.isel(pick) for n, a in sources.coarse.items()},
        truth=sources.truth.isel(pick),
    )
    axes = {axis.dim: axis.centres for axis in sources.nest.fine}
    scaling = scaling.assign_coords(axes)
    for axis in axes:
        scaling[axis].attrs = dict(sources.target[axis].attrs)
    scaling = scaling.assign({n: a.variable for n, a in learn_maps(part).items()})
    if not recipe.anchored:
        return scaling, None
    weights, left_out = fit_anchors(
        part.target.values.astype(float),
        sources.truth.isel(pick).values.astype(float),
        window=recipe.window,
        factor=recipe.factor,
    )
    return scaling.assign(anchor=(("lag", *sources.nest.dims), weights)), left_out


def one_scale_up(sources: Sources) -> Sources:
    """Return what trains a model one scale up: the coarse target as truth, its means as input.

    The coarse grid of ``sources`` is the fine one; a coarse cell joins ``factor`` of its cells
    along each axis. Rows and columns at the end that fill no such cell are left out; a grid with
    too few cells is refused.
    """
    high, wide = sources.nest.factor
    if min(sources.nest.y.size // high, sources.nest.x.size // wide) < 2:
        msg = (
            f"supervision='scale_transfer' learns from the grid {high} x {wide} times coarser, but "
            f"there are {sources.nest.y.size} x {sources.nest.x.size} coarse cells: fewer than two "
            "along an axis would remain. Pass truth=, or supervision='interpolation'."
        )
        raise GridError(msg)
    nest, cut = _coarser(sources.nest, (high, wide))
    fine = {n: a.isel(cut) for n, a in sources.coarse.items()}
    static = {n: coarsen(a, sources.nest).isel(cut) for n, a in sources.static.items()}
    area = block_mean(sources.area, area=np.ones_like(sources.area), factor=(high, wide))
    target = next(iter(fine))
    return replace(
        sources,
        nest=nest,
        coarse={n: coarsen(a, nest) for n, a in fine.items()},
        fine={n: a for n, a in fine.items() if n != target},
        static=static,
        truth=fine[target],
        area=area[tuple(cut.values())],
    )


def detail_below(native: Sources, training: slice) -> float:
    """Return how much is left to learn at the scale of the prediction, by that of the training.

    A network that was trained one scale up on the coarse field alone makes corrections as large as
    those of that scale; the finer one may be smoother. What interpolation leaves out, its root mean
    square, falls by a power of the scale (as of RainFARM, Rebora et al. 2006,
    10.1175/JHM517.1): the exponent is that from four to two cells, and two to one cell, of the
    coarse field. At most 1; 1 too where there are fewer than eight cells along an axis.
    """
    target = native.target.isel({native.time: training}).compute()
    nest, left = native.nest, []
    if min(nest.y.size, nest.x.size) < _SCALES:
        return 1.0
    for _ in range(2):
        nest, cut = _coarser(nest, (2, 2))
        fine = target.isel(cut)
        target = coarsen(fine, nest)
        error = fine.values.astype(float) - interpolate(target, nest).values
        left.append(float(np.nanmean(error**2)) if np.isfinite(error).any() else 0.0)
    steps = float(np.log2(np.prod(native.nest.factor))) / 2  # halvings of the scale
    return min(1.0, float(left[0] / left[1]) ** (steps / 2)) if left[1] > 0 else 1.0


def _coarser(nest: Nest, factor: tuple[int, int]) -> tuple[Nest, dict[str, slice]]:
    """Return the grid that joins coarse cells of a nest, and those of them that fill its cells."""
    axes, cut = [], {}
    for axis, cells in zip((nest.y, nest.x), factor, strict=True):
        whole = axis.size // cells * cells
        axes.append(Axis(axis.dim, axis.edges[: whole + 1 : cells], axis.kind, axis.unit))
        cut[axis.dim] = slice(whole)
    return Nest(axes[0], axes[1], factor), cut
