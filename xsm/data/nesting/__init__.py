"""Coarse and fine grids that nest: edges of cells, areas, and the ways between them."""

from xsm.data.nesting.axes import Axis, cell_area, horizontal_axes, refine
from xsm.data.nesting.conservative import to_grid
from xsm.data.nesting.interpolation import interpolate
from xsm.data.nesting.means import coarsen, spread
from xsm.data.nesting.nest import Nest, make_nest

__all__ = [
    "Axis",
    "Nest",
    "cell_area",
    "coarsen",
    "horizontal_axes",
    "interpolate",
    "make_nest",
    "refine",
    "spread",
    "to_grid",
]
