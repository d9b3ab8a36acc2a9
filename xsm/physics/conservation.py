"""Area-weighted block means, and the correction that makes a fine field reproduce a coarse one."""

from __future__ import annotations

import numpy as np

from xsm.typing import FloatArray

__all__ = ["block_mean", "conserve", "repeat_blocks"]


def block_mean(fine: FloatArray, *, area: FloatArray, factor: tuple[int, int]) -> FloatArray:
    """Return the area-weighted mean of each block of fine cells.

    Parameters
    ----------
    fine : ndarray
        (..., y, x); NaN is missing.
    area : ndarray
        (y, x) areas, or weights, of the fine cells; not negative.
    factor : tuple of int
        Fine cells of a block along y and x.

    Returns
    -------
    ndarray
        (..., block y, block x) in the precision of ``fine``: ``sum(A f) / sum(A)`` over the cells
        that are not missing; NaN where there is none. Sums are taken in float64.

    Examples
    --------
    >>> fine = np.array([[1.0, 3.0], [np.nan, 5.0]])
    >>> block_mean(fine, area=np.array([[1.0, 1.0], [9.0, 2.0]]), factor=(2, 2))
    array([[3.5]])
    """
    there = np.isfinite(fine)
    total = _block_sum(np.where(there, fine * area.astype(float), 0.0), factor)
    share = _block_sum(there * area.astype(float), factor)
    good = share > 0
    found = np.where(good, total / np.where(good, share, 1.0), np.nan)
    return found.astype(fine.dtype if fine.dtype.kind == "f" else np.float64)


def _block_sum(fine: FloatArray, factor: tuple[int, int]) -> FloatArray:
    """Return the sum of each block."""
    *outer, rows, columns = fine.shape
    blocks = (rows // factor[0], factor[0], columns // factor[1], factor[1])
    found: FloatArray = fine.reshape(*outer, *blocks).sum(axis=(-3, -1))
    return found


def repeat_blocks(coarse: FloatArray, *, factor: tuple[int, int]) -> FloatArray:
    """Give each cell of a block the block's value.

    Parameters
    ----------
    coarse : ndarray
        (..., block y, block x).
    factor : tuple of int
        Fine cells of a block along y and x.

    Returns
    -------
    ndarray
        (..., y, x).

    Examples
    --------
    >>> repeat_blocks(np.array([[1, 2]]), factor=(1, 2))
    array([[1, 1, 2, 2]])
    """
    return coarse.repeat(factor[0], axis=-2).repeat(factor[1], axis=-1)


def conserve(
    fine: FloatArray, coarse: FloatArray, *, area: FloatArray, factor: tuple[int, int]
) -> FloatArray:
    """Shift the fine cells of each coarse one by one number, so that their mean is its value.

    Parameters
    ----------
    fine : ndarray
        (..., y, x); NaN is missing, such as the sea in a cell at the coast.
    coarse : ndarray
        (..., block y, block x), same units; NaN is missing.
    area : ndarray
        (y, x) areas of the fine cells.
    factor : tuple of int
        Fine cells of a coarse one along y and x.

    Returns
    -------
    ndarray
        (..., y, x) in the precision of ``fine``; NaN where ``fine`` is, and in coarse cells that
        are missing.

    Notes
    -----
    ``f' = f + c - sum(A f) / sum(A)`` over the cells of the block that are not missing: the
    additive layer of Harder et al. (2023), weighted by area. It suits anomalies of any sign,
    where a factor would divide by zero, and changes no difference between cells of a block.

    References
    ----------
    Harder, P. et al. (2023). Hard-constrained deep learning for climate downscaling. JMLR 24.

    Examples
    --------
    >>> conserve(np.array([[1.0, 3.0]]), np.array([[5.0]]), area=np.ones((1, 2)), factor=(1, 2))
    array([[4., 6.]])
    """
    mean = block_mean(fine.astype(float), area=area, factor=factor)
    shifted = fine + repeat_blocks(coarse - mean, factor=factor)
    return shifted.astype(fine.dtype, copy=False)
