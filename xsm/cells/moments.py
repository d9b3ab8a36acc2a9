"""Moments of each cell in one pass over the memory, and their merging (Chan et al. 1979)."""

from __future__ import annotations

import numpy as np

from xsm.typing import FloatArray

__all__ = ["MOMENTS", "cell_moments", "merge_moments", "pool_moments"]


MOMENTS = ("count", "mean", "squares", "low", "high")
"""Rows of the moments: number of finite values, mean, sum of squared deviations, extremes."""

# Values at a time, so that all steps stay in cache: 5 ns a value. A compiled loop took 1 ns, and of
# each process 0.7 s to be compiled, as long as 170 million values take more here.
_TOGETHER = 2**16


def cell_moments(values: FloatArray) -> FloatArray:
    """Return the moments of each cell over time.

    Parameters
    ----------
    values : ndarray (time, *space)
        Any type of numbers, any units; what is not finite does not count.

    Returns
    -------
    ndarray (5, *space)
        float64, rows as in ``MOMENTS``. A cell without a value has a count of 0, a mean of 0 and
        extremes of +inf and -inf, the neutral element of :func:`merge_moments`.

    Notes
    -----
    Deviations are taken from the cell's first value ``x0`` and summed in float64: with ``d = x -
    x0``, ``mean = x0 + sum(d) / n`` and ``squares = sum(d^2) - sum(d)^2 / n``. So the variance of
    float32 values far from 0 (a pressure of 1e5 Pa that varies by 1) keeps its digits.

    Examples
    --------
    >>> cell_moments(np.array([[1.0], [np.nan], [3.0]])).ravel().tolist()
    [2.0, 2.0, 2.0, 1.0, 3.0]
    """
    flat = values.reshape(values.shape[0], -1)
    cells = flat.shape[1]
    first, count, total, squares = np.zeros((4, cells))
    low, high = np.full(cells, np.inf), np.full(cells, -np.inf)
    step = max(1, _TOGETHER // max(cells, 1))
    for row in range(0, len(flat), step):
        part = flat[row : row + step].astype(np.float64)
        here = np.isfinite(part)
        values_at = part[here.argmax(axis=0), np.arange(cells)]  # the first finite one
        first = np.where((count == 0) & here.any(axis=0), values_at, first)
        with np.errstate(invalid="ignore"):
            d = np.where(here, part - first, 0.0)
        count += here.sum(axis=0)
        total += d.sum(axis=0)
        squares += np.einsum("ti,ti->i", d, d)
        low = np.minimum(low, np.where(here, part, np.inf).min(axis=0))
        high = np.maximum(high, np.where(here, part, -np.inf).max(axis=0))
    some = np.maximum(count, 1.0)
    mean = np.where(count > 0, first + total / some, 0.0)
    spread = np.maximum(squares - total * total / some, 0.0)
    found = np.stack([count, mean, spread, low, high])
    return found.reshape(5, *values.shape[1:])


def merge_moments(parts: FloatArray) -> FloatArray:
    """Merge the moments of several periods of the same cells.

    Parameters
    ----------
    parts : ndarray (part, 5, *space)
        Moments of :func:`cell_moments`.

    Returns
    -------
    ndarray (5, *space)
        Moments of all parts together.

    Notes
    -----
    ``M2 = sum(M2_k + n_k (mean_k - mean)^2)`` (Chan et al. 1979, for any number of parts).

    References
    ----------
    Chan, T. F., Golub, G. H. and LeVeque, R. J. (1979). Updating formulae and a pairwise algorithm
    for computing sample variances. Stanford University, STAN-CS-79-773.

    Examples
    --------
    >>> parts = np.stack([cell_moments(np.array([[x]])) for x in (1.0, 3.0)])
    >>> merge_moments(parts).ravel().tolist()
    [2.0, 2.0, 2.0, 1.0, 3.0]
    """
    count, mean, squares, low, high = np.moveaxis(parts, 1, 0)
    total = count.sum(axis=0)
    middle = (count * mean).sum(axis=0) / np.maximum(total, 1.0)
    spread = (squares + count * (mean - middle) ** 2).sum(axis=0)
    return np.stack([total, middle, spread, low.min(axis=0), high.max(axis=0)])


def pool_moments(moments: FloatArray, chosen: FloatArray) -> FloatArray:
    """Merge the moments of several cells.

    Parameters
    ----------
    moments : ndarray (5, *space)
        Moments of :func:`cell_moments`.
    chosen : ndarray (*space)
        True where a cell counts.

    Returns
    -------
    ndarray (5,)
        Moments of all values of these cells.

    Examples
    --------
    >>> moments = cell_moments(np.array([[1.0, 9.0, 5.0], [3.0, 9.0, 7.0]]))
    >>> pool_moments(moments, np.array([True, False, True])).tolist()
    [4.0, 4.0, 20.0, 1.0, 7.0]
    """
    return merge_moments(moments[:, chosen].T)
