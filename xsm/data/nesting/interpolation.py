"""Bilinear interpolation from the coarse to the fine grid, aware of missing cells and the seam."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xsm.data.nesting.axes import Axis
from xsm.data.nesting.nest import Nest
from xsm.data.nesting.planes import on_planes
from xsm.typing import Array, FloatArray

__all__ = ["Weights", "interpolate", "lerp_blocks", "lerp_weights"]


Weights = tuple[Array, Array, FloatArray]  # lower cell, upper cell, share of the upper


def interpolate(coarse: xr.DataArray, nest: Nest) -> xr.DataArray:
    """Interpolate bilinearly between the centres of coarse cells.

    Parameters
    ----------
    coarse : DataArray
        (..., y, x) on the coarse grid.
    nest : Nest
        Both grids.

    Returns
    -------
    DataArray
        (..., y, x) on the fine grid. Missing neighbours are left out and the other weights scaled
        up; fine cells of a missing coarse cell are NaN. Beyond the outer centres the value of the
        outer cell holds, but a longitude that goes around the globe closes. Lazy where ``coarse``
        is.

    Examples
    --------
    >>> from xsm.data.nesting.nest import make_nest
    >>> grid = xr.DataArray([[0.0, 4.0]] * 2, {"y": [2.0, 6.0], "x": [2.0, 6.0]})
    >>> interpolate(grid, make_nest(grid, 4)).values[0]
    array([0. , 0. , 0.5, 1.5, 2.5, 3.5, 4. , 4. ])
    """
    y, x = nest.fine
    return on_planes(
        lerp_blocks,
        [coarse],
        nest.dims,
        nest.shape,
        coords={a.dim: a.centres for a in (y, x)},
        rows=lerp_weights(nest.y, nest.factor[0]),
        columns=lerp_weights(nest.x, nest.factor[1]),
    )


def lerp_weights(axis: Axis, factor: int) -> Weights:
    """Return the two coarse cells that each fine cell lies between, and the share of the upper.

    Parameters
    ----------
    axis : Axis
        Coarse cells; a place is counted in cells, from the middle of one to that of the next.
    factor : int
        Fine cells of a coarse one.

    Returns
    -------
    tuple of ndarray
        Lower and upper cell, and the share of the upper, (fine cell,) each; beyond the
        outer centres both are the outer cell, or the one on the other side of the seam of a globe.

    Examples
    --------
    >>> axis = Axis("x", np.array([0.0, 1.0, 2.0]), "projected")
    >>> [part.tolist() for part in lerp_weights(axis, 2)]
    [[0, 0, 0, 1], [0, 1, 1, 1], [0.75, 0.25, 0.75, 0.25]]
    """
    place = (np.arange(axis.size * factor) + 0.5) / factor - 0.5
    lower = np.floor(place).astype(int)
    cells = np.stack([lower, lower + 1])
    cells = cells % axis.size if axis.ring else np.clip(cells, 0, axis.size - 1)
    return cells[0], cells[1], place - lower


def lerp_blocks(coarse: FloatArray, *, rows: Weights, columns: Weights) -> FloatArray:
    """Interpolate planes along y, then x; see :func:`interpolate`.

    Parameters
    ----------
    coarse : ndarray
        (..., y, x); NaN is missing.
    rows, columns : tuple of ndarray
        Lower and upper coarse cell of each fine row and column, and the share of the upper.

    Returns
    -------
    ndarray
        (..., y, x) fine, in the precision of ``coarse``.

    Examples
    --------
    >>> half = (np.array([0]), np.array([1]), np.array([0.5]))
    >>> lerp_blocks(np.array([[1.0, 3.0], [5.0, 7.0]]), rows=half, columns=half)
    array([[4.]])
    """
    dtype = coarse.dtype if coarse.dtype.kind == "f" else np.dtype(float)
    there = np.isfinite(coarse)
    total, share = np.where(there, coarse, 0).astype(dtype), there.astype(dtype)
    for axis, (lower, upper, part) in ((-2, rows), (-1, columns)):
        b: Array = part.astype(dtype).reshape((-1, 1) if axis == -2 else (-1,))
        total = (1 - b) * total.take(lower, axis) + b * total.take(upper, axis)
        share = (1 - b) * share.take(lower, axis) + b * share.take(upper, axis)
    own = [np.where(part < 0.5, lower, upper) for lower, upper, part in (rows, columns)]
    inside = there.take(own[0], -2).take(own[1], -1)
    found: FloatArray = np.where(inside, total / np.where(share > 0, share, 1), np.nan)
    return found.astype(dtype, copy=False)
