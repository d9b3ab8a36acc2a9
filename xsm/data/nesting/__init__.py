"""Coarse and fine grids that nest: edges of cells, areas, and the ways between them."""

from xsm.nesting.axes import Axis, cell_area, horizontal_axes, refine
from xsm.nesting.blocks import coarsen, spread
from xsm.nesting.conservative import to_grid
from xsm.nesting.interpolation import interpolate
from xsm.nesting.nest import Nest, make_nest

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
