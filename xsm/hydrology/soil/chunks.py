"""The Richards residual over blocks: eager arrays, or dask arrays of any chunks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xsm.typing import Array, FloatArray

__all__ = ["ResidualPlan", "residual_arrays"]


@dataclass(frozen=True)
class ResidualPlan:
    """What a residual is computed of; see :func:`xsm.physics.richards.richards_residual`.

    Parameters
    ----------
    centres, thickness : tuple of float
        Geometry of the layers, m.
    step_days : float
        Length of the step.
    face : str
        How the conductivity at a face follows from its layers.
    free_drainage : bool
        Close the last layer by free drainage.
    sink, fluxes : bool
        Whether these arrays are given.

    Examples
    --------
    >>> ResidualPlan((0.1, 0.2), (0.1, 0.1), 1.0, "geometric", False, False, False).face
    'geometric'
    """

    centres: tuple[float, ...]
    thickness: tuple[float, ...]
    step_days: float
    face: Any
    free_drainage: bool
    sink: bool
    fluxes: bool


def residual_arrays(plan: ResidualPlan, arrays: Sequence[Any]) -> tuple[Any, Any]:
    """Return residual and fluxes, lazily where any array is a dask array.

    Parameters
    ----------
    plan : ResidualPlan
        What to compute.
    arrays : sequence of array
        Water content (time, layer, ...), the sink (time, layer, ...) and the fluxes (time, face,
        ...) where the plan says so, and six parameters (layer or 1, ...).

    Returns
    -------
    tuple of array
        Residual (time, layer, ...), day-1, and flux (time, face, ...), m day-1. Each block in time
        takes the last step of the one before, so that any chunks give identical results.

    Examples
    --------
    >>> plan = ResidualPlan((0.1, 0.2, 0.3), (0.1,) * 3, 1.0, "geometric", False, False, False)
    >>> loam = [np.full((1, 1), x) for x in (0.078, 0.43, 3.6, 1.56, 0.25, 0.0)]
    >>> residual, flux = residual_arrays(plan, [np.full((2, 3, 1), 0.2), *loam])
    >>> residual[:, 1, 0]
    array([nan,  0.])
    """
    layers = len(plan.centres)
    if any(hasattr(array, "dask") for array in arrays):
        stacked = _lazy(plan, arrays)
    else:
        theta = np.asarray(arrays[0])
        unknown = np.full((1, *theta.shape[1:]), np.nan)
        stacked = _block(plan, None, theta, unknown, *map(np.asarray, arrays[1:]))
    return stacked[:, :layers], stacked[:, layers:]


def _block(
    plan: ResidualPlan, threads: int | None, theta: Array, before: Array, *rest: Array
) -> FloatArray:
    """Return residual and fluxes of one block, one below the other."""
    from xsm.physics.retention import Hydraulics
    from xsm.physics.richards import richards_residual

    flat = [np.ascontiguousarray(a).reshape(*a.shape[:2], -1) for a in (theta, before)]
    series = [np.ascontiguousarray(a).reshape(*a.shape[:2], -1) for a in rest[:-6]]
    soil = [np.ascontiguousarray(a).reshape(a.shape[0], -1) for a in rest[-6:]]
    dry, wet, alpha, shape, k_sat, entry = soil
    possible = (dry < wet) & (alpha > 0.0) & (shape > 1.0) & (k_sat > 0.0)
    dry = np.where(possible, dry, np.nan)
    residual, flux = richards_residual(
        flat[0],
        Hydraulics(dry, wet, alpha, shape, k_sat, entry=entry),
        centres=plan.centres,
        thickness=plan.thickness,
        step_days=plan.step_days,
        before=flat[1][0],
        sink=series[0] if plan.sink else None,
        fluxes=series[-1] if plan.fluxes else None,
        face=plan.face,
        free_drainage=plan.free_drainage,
        threads=threads,
    )
    shape_of = (theta.shape[0], residual.shape[1] + flux.shape[1], *theta.shape[2:])
    return np.concatenate([residual, flux], axis=1).reshape(shape_of)


def _lazy(plan: ResidualPlan, arrays: Sequence[Any]) -> Any:
    """Return residual and fluxes (time, layer and face, ...) as a dask array."""
    import dask.array as da

    space = tuple(range(2, arrays[0].ndim))
    whole = [da.asarray(a) for a in arrays]
    series, soil = whole[:-6], whole[-6:]
    # Depths are labelled apart, since their sizes differ; each becomes one chunk.
    labels: list[tuple[int, ...]] = [(0, -1 - i, *space) for i in range(len(series))]
    labels += [(-10 - i, *space) for i in range(6)]
    pairs = [part for pair in zip([*series, *soil], labels, strict=True) for part in pair]
    _, even = da.core.unify_chunks(*pairs)
    even = [a.rechunk({label.index(min(label)): -1}) for a, label in zip(even, labels, strict=True)]
    theta, layers = even[0], len(plan.centres)
    before = _last_before(theta)
    given = [theta, before, *even[1:]]
    named = [labels[0], labels[0], *labels[1:]]
    dtype = np.dtype(np.float32) if theta.dtype == np.float32 else np.dtype(np.float64)
    return da.blockwise(
        _block,
        (0, 1, *space),
        plan,
        None,
        1,
        None,
        *[part for pair in zip(given, named, strict=True) for part in pair],
        new_axes={1: 2 * layers + 1},
        concatenate=True,
        align_arrays=False,
        dtype=dtype,
        meta=np.empty((0,) * theta.ndim, dtype),
        name=None,
        token="richards-residual",
    )


def _last_before(theta: Any) -> Any:
    """Return for each chunk in time the step before it, NaN before the first."""
    import dask.array as da

    starts = np.cumsum([0, *theta.chunks[0][:-1]])
    first = da.full_like(theta[:1], np.nan)
    steps = [first, *(theta[s - 1 : s] for s in starts[1:])]
    return da.concatenate(steps) if len(steps) > 1 else first
