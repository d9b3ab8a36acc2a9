"""Conservative remapping between any two grids: exact overlap of areas, axis by axis."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xsm.data.nesting.axes import Axis, horizontal_axes
from xsm.data.nesting.planes import on_planes
from xsm.exceptions import GridError
from xsm.typing import FloatArray

__all__ = ["overlap_mean", "overlaps", "to_grid"]


_LEAST = 1e-9  # share of a target cell below which an overlap is rounding


def to_grid(array: xr.DataArray, y: Axis, x: Axis, *, what: str) -> xr.DataArray:
    """Carry an array to other cells, such that amounts are conserved.

    Parameters
    ----------
    array : DataArray
        (..., y, x) on a grid of the same kind, coarser or finer, in any direction.
    y, x : Axis
        The cells wanted.
    what : str
        Name of the array, for errors.

    Returns
    -------
    DataArray
        (..., y, x): the mean over the part of each wanted cell that lies in cells with a value,
        weighted by area; NaN where there is none. Lazy where the array is.

    Raises
    ------
    GridError
        If one grid is geographic and the other projected, or they do not overlap.

    Notes
    -----
    On both kinds of grid the area of a cell is a product of two lengths (along the sine of the
    latitude on the sphere), so the overlaps are those of the axes. Each is the difference of a
    running integral at two edges: exact, and the work grows with the number of cells alone.

    Examples
    --------
    >>> grid = xr.DataArray([[0.0, 4.0]] * 2, {"y": [0.0, 1.0], "x": [0.0, 1.0]})
    >>> y, x = (Axis(d, np.array([-0.5, 1.5]), "projected") for d in "yx")
    >>> to_grid(grid, y, x, what="rain").item()
    2.0
    """
    own = horizontal_axes(array)
    for mine, wanted in zip(own, (y, x), strict=True):
        if mine.kind != wanted.kind:
            msg = (
                f"{what} lies on a grid of {mine.kind} along {mine.dim!r}, the target on one of "
                f"{wanted.kind}. Reproject it first, for example with rioxarray or pyproj."
            )
            raise GridError(msg)
    rows, columns = overlaps(own, (y, x))
    for place, mine in ((rows, own[0]), (columns, own[1])):
        if not (place[:, 1] > place[:, 0]).any():
            msg = f"{what} does not overlap the target along {mine.dim!r}; give the same region."
            raise GridError(msg)
    named = array.rename({m.dim: w.dim for m, w in zip(own, (y, x), strict=True) if m.dim != w.dim})
    return on_planes(
        overlap_mean,
        [named],
        (y.dim, x.dim),
        (y.size, x.size),
        coords={a.dim: a.centres for a in (y, x)},
        lengths=(own[0].lengths, own[1].lengths),
        places=(rows, columns),
    )


def overlap_mean(
    values: FloatArray,
    *,
    lengths: tuple[FloatArray, FloatArray],
    places: tuple[FloatArray, FloatArray],
    least: FloatArray | None = None,
) -> FloatArray:
    """Return the mean of source cells over the part of each target cell that has values.

    Parameters
    ----------
    values : ndarray
        (..., y, x); NaN is missing.
    lengths : tuple of ndarray
        Lengths of the source cells along y and x.
    places : tuple of ndarray
        (part, 2, target) for y and x: where the parts of each target cell begin and end, counted
        in source cells.
    least : ndarray, optional
        (y, x) area of each target cell that has to have values.

    Returns
    -------
    ndarray
        (..., y, x) targets, in the precision of ``values``; NaN where no part has a value, or
        too small a one.

    Examples
    --------
    >>> middle = np.array([[[0.5], [1.5]]])  # from the middle of the first cell to the second's
    >>> whole, lengths = np.array([[[0.0], [1.0]]]), (np.ones(2), np.ones(1))
    >>> overlap_mean(np.array([[2.0], [4.0]]), lengths=lengths, places=(middle, whole))
    array([[3.]])
    """
    there = np.isfinite(values)
    parts = [np.where(there, values, 0.0).astype(float), there.astype(float)]
    for axis, length, place in zip((-2, -1), lengths, places, strict=True):
        parts = [_integrate(part, axis, length, place) for part in parts]
    total, share = parts
    good = share > _LEAST * max(share.max(initial=0.0), 1e-300)
    if least is not None:
        good &= share >= (1 - 1e-6) * least  # rounding of edges in float32
    found = np.where(good, total / np.where(good, share, 1.0), np.nan)
    return found.astype(values.dtype if values.dtype.kind == "f" else np.float64)


def overlaps(own: tuple[Axis, Axis], wanted: tuple[Axis, Axis]) -> tuple[FloatArray, FloatArray]:
    """Return where the wanted cells begin and end among the own ones, see :func:`overlap_mean`."""
    return _places(own[0], wanted[0]), _places(own[1], wanted[1])


def _places(own: Axis, wanted: Axis) -> FloatArray:
    """Return where the wanted cells begin and end among the cells of an axis (part, 2, cell)."""
    edges = np.sort(np.stack([wanted.edges[:-1], wanted.edges[1:]]) * wanted.unit, axis=0)
    mine = own.edges * own.unit
    parts = edges[None]
    if own.kind == "longitude":  # from the first edge on, and the part beyond a turn
        start = mine.min()
        low = start + (edges[0] - start) % 360.0
        first = np.stack([low, low + edges[1] - edges[0]])
        parts = np.stack([first, first - 360.0])
    rises = mine[-1] > mine[0]
    bare = Axis(own.dim, mine if rises else mine[::-1], own.kind)
    count = np.arange(own.size + 1.0)
    found = np.interp(bare.along(parts), bare.along(bare.edges), count)
    return found if rises else (own.size - found)[:, ::-1]


def _integrate(values: FloatArray, axis: int, length: FloatArray, place: FloatArray) -> FloatArray:
    """Return the integral along an axis from and to places between cells, summed over parts."""
    moved = np.moveaxis(values, axis, -1) * length
    running = np.zeros((*moved.shape[:-1], moved.shape[-1] + 1))
    np.cumsum(moved, axis=-1, out=running[..., 1:])
    cell = np.minimum(place.astype(int), moved.shape[-1] - 1)
    share = place - cell
    at = (1 - share) * running[..., cell] + share * running[..., cell + 1]  # (..., part, 2, cell)
    return np.moveaxis((at[..., 1, :] - at[..., 0, :]).sum(axis=-2), -1, axis)
