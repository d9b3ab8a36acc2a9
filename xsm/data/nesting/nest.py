"""A coarse grid and the fine one inside it, checked by the edges of cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from xsm.data.nesting.axes import Axis, cell_area, horizontal_axes, refine
from xsm.exceptions import GridError
from xsm.typing import Array, FloatArray

__all__ = ["Factor", "Nest", "make_nest"]


Factor = int | Mapping[str, int]
_NEAR = 0.01  # of a fine cell: edges nearer than this are the same


@dataclass(frozen=True, eq=False)
class Nest:
    """A coarse grid whose cells are each divided into fine ones.

    Parameters
    ----------
    y, x : Axis
        Coarse cells.
    factor : tuple of int
        Parts of a coarse cell along y and x.

    Examples
    --------
    >>> y, x = (Axis(d, np.array([0.0, 4.0, 8.0]), "projected") for d in "yx")
    >>> nest = Nest(y, x, (2, 4))
    >>> nest.fine[0].size, nest.fine[1].size, nest.shape
    (4, 8, (4, 8))
    """

    y: Axis
    x: Axis
    factor: tuple[int, int]

    @property
    def dims(self) -> tuple[str, str]:
        """Names of the horizontal dimensions."""
        return self.y.dim, self.x.dim

    @property
    def fine(self) -> tuple[Axis, Axis]:
        """The fine axes."""
        return refine(self.y, self.factor[0]), refine(self.x, self.factor[1])

    @property
    def shape(self) -> tuple[int, int]:
        """Number of fine cells along y and x."""
        return self.y.size * self.factor[0], self.x.size * self.factor[1]

    @property
    def area(self) -> FloatArray:
        """Areas of the fine cells (y, x), m2."""
        return cell_area(*self.fine)

    def coords(self, coarse: xr.Dataset | xr.DataArray) -> dict[str, xr.DataArray]:
        """Return the coordinates of the fine grid, with the attributes of the coarse ones.

        Parameters
        ----------
        coarse : xarray.Dataset or xarray.DataArray
            Data on the coarse grid.

        Returns
        -------
        dict of str to DataArray
            Centres of the fine cells.
        """
        found = {}
        for axis in self.fine:
            attrs = {k: v for k, v in coarse[axis.dim].attrs.items() if k != "bounds"}
            found[axis.dim] = xr.DataArray(axis.centres, dims=axis.dim, attrs=attrs)
        return found

    def place(self, array: xr.DataArray, what: str) -> xr.DataArray:
        """Put an array that lies on the fine grid into the order of its cells.

        Parameters
        ----------
        array : DataArray
            On the fine grid or a part of it, latitudes in any direction, longitudes from -180 or
            from 0.
        what : str
            Name of the argument, for errors.

        Returns
        -------
        DataArray
            On all cells of the fine grid, under its names of dimensions; NaN where the array has
            no cell. Lazy where the array is.

        Raises
        ------
        GridError
            If its cells are no parts of the coarse ones, or none lies inside.
        """
        own = horizontal_axes(array)
        _check(own, self, what)
        mine = self.fine
        for axis, other in zip(mine, own, strict=True):
            array = _take(array, other, axis, what).rename(
                {} if axis.dim == other.dim else {other.dim: axis.dim}
            )
        return array.assign_coords({a.dim: a.centres for a in mine})

    def holds(self, array: xr.DataArray) -> bool:
        """Tell whether an array lies on the fine grid, whole, in any order.

        Parameters
        ----------
        array : DataArray
            Any grid.

        Returns
        -------
        bool
            False too where it lies on no grid.
        """
        try:
            own = horizontal_axes(array)
            _check(own, self, "")
        except GridError:
            return False
        pairs = zip(own, self.fine, strict=True)
        return all((_places(other, axis) >= 0).all() for other, axis in pairs)


def make_nest(
    coarse: xr.Dataset | xr.DataArray,
    factor: Factor | None,
    fine: xr.Dataset | xr.DataArray | None = None,
) -> Nest:
    """Return the fine grid inside a coarse one.

    Parameters
    ----------
    coarse : xarray.Dataset or xarray.DataArray
        Data on the coarse grid.
    factor : int or mapping of str to int or None
        Parts of a coarse cell along each axis, or by name of the dimension; None takes it from
        ``fine``.
    fine : xarray.Dataset or xarray.DataArray, optional
        Data on the fine grid, which are checked.

    Returns
    -------
    Nest
        The two grids. Only coordinates are read.

    Raises
    ------
    GridError
        If the factor is no whole number of at least 1 or not known, or fine cells are no parts of
        coarse ones.

    Examples
    --------
    >>> grid = xr.DataArray(np.zeros((2, 2)), {"y": [2.0, 6.0], "x": [2.0, 6.0]})
    >>> make_nest(grid, {"y": 2, "x": 4}).fine[0].centres.tolist()
    [1.0, 3.0, 5.0, 7.0]
    """
    y, x = horizontal_axes(coarse)
    if factor is None:
        if fine is None:
            msg = "No factor was given; pass factor=4, or truth= on the fine grid."
            raise GridError(msg)
        factor = _between((y, x), horizontal_axes(fine))
    nest = Nest(y, x, _pair(factor, y.dim, x.dim))
    if fine is not None:
        _check(horizontal_axes(fine), nest, "truth")
    return nest


def _pair(factor: Factor, y: str, x: str) -> tuple[int, int]:
    """Return the factor along y and x."""
    given = [factor.get(d) for d in (y, x)] if isinstance(factor, Mapping) else [factor] * 2
    extra = set(factor) - {y, x} if isinstance(factor, Mapping) else set()
    whole = [int(f) for f in given if isinstance(f, int | np.integer) and f is not True and f > 0]
    if extra or len(whole) < 2:
        msg = (
            f"factor={factor!r} was given; a whole number of at least 1 is needed, or one for each "
            f'axis: factor={{"{y}": 4, "{x}": 4}}.'
        )
        raise GridError(msg)
    return whole[0], whole[1]


def _between(coarse: tuple[Axis, Axis], fine: tuple[Axis, Axis]) -> dict[str, int]:
    """Return the factor that two grids differ by."""
    pairs = list(zip(coarse, fine, strict=True))
    return {c.dim: max(1, round(c.width / f.width)) for c, f in pairs}


def _check(own: tuple[Axis, Axis], nest: Nest, what: str) -> None:
    """Refuse cells that are no parts of the coarse ones."""
    for axis, other, factor in zip((nest.y, nest.x), own, nest.factor, strict=True):
        ratio, step = axis.width / other.width, axis.width / factor
        if abs(other.width - step) > _NEAR * step:
            hint = f"factor={round(ratio)}" if abs(ratio - round(ratio)) < 0.01 else "another grid"
            msg = (
                f"{what} has cells of {other.width:g} along {other.dim!r}; factor={factor} divides "
                f"the coarse cells of {axis.width:g} into cells of {step:g}. Pass {hint}: the fine "
                "cells must be whole parts of the coarse ones."
            )
            raise GridError(msg)
        edge = other.edges[len(other.edges) // 2]
        place = (edge - axis.edges[0]) / step
        if axis.width * axis.size and abs(place - round(place)) > 0.05 and _even(axis):
            msg = (
                f"{what} is misaligned along {other.dim!r}: an edge of its cells lies at {edge:g}, "
                f"those of the coarse cells at {axis.edges[0]:g}, {axis.edges[1]:g}, ...: a fine "
                f"cell off by {place - round(place):+.2f}. Edges of coarse cells must be edges of "
                f"fine ones. Are the coordinates centres? Give bounds, or bring it to the fine "
                f"cells: {what} = xsm.regrid({what}, ds.physm.downscale({_shown(nest)}, "
                'model="nearest")).'
            )
            raise GridError(msg)


def _shown(nest: Nest) -> str:
    """Return the factor as it is typed."""
    y, x = nest.factor
    return str(y) if y == x else str(dict(zip(nest.dims, nest.factor, strict=True)))


def _even(axis: Axis) -> bool:
    """Tell whether all cells of an axis are equally wide."""
    widths = np.abs(np.diff(axis.edges))
    return bool(np.ptp(widths) < _NEAR * axis.width)


def _places(own: Axis, wanted: Axis) -> Array:
    """Return where each wanted cell lies among the cells of another axis, -1 where nowhere."""
    centres, targets = own.centres, wanted.centres
    if wanted.kind == "longitude":  # to within a turn of the wanted ones
        turn = 360.0 / wanted.unit
        start = min(wanted.edges[0], wanted.edges[-1])
        centres = start + (centres - start) % turn
    order = np.argsort(centres)
    at = np.clip(np.searchsorted(centres[order], targets), 1, max(len(order) - 1, 1))
    pair = np.stack([order[at - 1], order[np.minimum(at, len(order) - 1)]])
    off = np.abs(centres[pair] - targets)
    best = off.argmin(axis=0)
    found = pair[best, np.arange(len(targets))]
    good = off[best, np.arange(len(targets))] < 0.1 * wanted.width
    return np.where(good, found, -1)


def _take(array: xr.DataArray, own: Axis, wanted: Axis, what: str) -> xr.DataArray:
    """Select the wanted cells, NaN where there are none."""
    places = _places(own, wanted)
    there = places >= 0
    if not there.any():
        msg = (
            f"{what} and the coarse grid do not overlap along {own.dim!r}: {what} has "
            f"{own.edges.min():g} to {own.edges.max():g}, the coarse grid "
            f"{wanted.edges.min():g} to {wanted.edges.max():g}. Pass data of the same region."
        )
        raise GridError(msg)
    if there.all() and np.array_equal(places, np.arange(own.size)):
        return array
    found = array.drop_vars([c for c in array.coords if own.dim in array[c].dims])
    found = found.isel({own.dim: np.where(there, places, 0)})
    return found if there.all() else found.where(xr.DataArray(there, dims=own.dim))
