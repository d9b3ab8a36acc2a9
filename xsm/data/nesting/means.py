"""From fine to coarse by area-weighted means, and back by repetition; lazily."""

from __future__ import annotations

import xarray as xr

from xsm.data.nesting.nest import Nest
from xsm.data.nesting.planes import on_planes
from xsm.physics.conservation import block_mean, repeat_blocks
from xsm.typing import FloatArray

__all__ = ["coarsen", "spread"]


def coarsen(fine: xr.DataArray, nest: Nest, area: FloatArray | None = None) -> xr.DataArray:
    """Return the area-weighted mean of the fine cells of each coarse one.

    Parameters
    ----------
    fine : DataArray
        (..., y, x) on the fine grid of the nest, in its order.
    nest : Nest
        Both grids.
    area : ndarray, optional
        (y, x) areas of the fine cells; by default those of the grid.

    Returns
    -------
    DataArray
        (..., y, x) on the coarse grid: the mean over the fine cells that are not NaN, NaN where
        there is none. Lazy where ``fine`` is.

    Examples
    --------
    >>> import numpy as np
    >>> from xsm.data.nesting.nest import make_nest
    >>> grid = xr.DataArray(np.zeros((2, 2)), {"y": [1.0, 3.0], "x": [1.0, 3.0]})
    >>> fine = xr.DataArray([[1.0, 3.0, np.nan, 8.0]] * 4, dims=("y", "x"))
    >>> coarsen(fine, make_nest(grid, 2)).values[0]
    array([2., 8.])
    """
    weights = nest.area if area is None else area
    return on_planes(
        block_mean,
        [fine],
        nest.dims,
        (nest.y.size, nest.x.size),
        coords={a.dim: a.centres for a in (nest.y, nest.x)},
        area=weights,
        factor=nest.factor,
    )


def spread(coarse: xr.DataArray, nest: Nest) -> xr.DataArray:
    """Give each fine cell the value of its coarse one.

    Parameters
    ----------
    coarse : DataArray
        (..., y, x) on the coarse grid.
    nest : Nest
        Both grids.

    Returns
    -------
    DataArray
        (..., y, x) on the fine grid. NaN stays NaN; lazy where ``coarse`` is.

    Examples
    --------
    >>> from xsm.data.nesting.nest import make_nest
    >>> grid = xr.DataArray([[1.0, 2.0], [3.0, 4.0]], {"y": [1.0, 3.0], "x": [1.0, 3.0]})
    >>> spread(grid, make_nest(grid, 2)).values[:2]
    array([[1., 1., 2., 2.],
           [1., 1., 2., 2.]])
    """
    return on_planes(
        repeat_blocks,
        [coarse],
        nest.dims,
        nest.shape,
        coords={a.dim: a.centres for a in nest.fine},
        factor=nest.factor,
    )
