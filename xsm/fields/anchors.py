"""A regression for each fine cell on the coarse window: what a cell with a truth knows of itself.

Array code: no labels.
"""

from __future__ import annotations

import numpy as np

from xsm.physics.rounding import ROUNDING
from xsm.typing import FloatArray

__all__ = ["cell_regression", "fit_anchors"]


_RIDGES = (1e-3, 1e-2, 1e-1, 1.0)
_LEAST = 4  # windows


def cell_regression(coarse: FloatArray, truth: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Fit a line for each fine cell on the series of its coarse one.

    Parameters
    ----------
    coarse : ndarray
        (time, y, x) the coarse field, given to each fine cell.
    truth : ndarray
        (time, y, x); NaN is missing.

    Returns
    -------
    tuple of ndarray
        Offset and slope (y, x) of ``truth = offset + slope coarse`` by least squares over the times
        with both; NaN where there are fewer than three or the coarse series is constant.

    Examples
    --------
    >>> coarse = np.arange(4.0).reshape(4, 1, 1)
    >>> [float(a[0, 0]) for a in cell_regression(coarse, 2 * coarse + 1)]
    [1.0, 2.0]
    """
    both = np.isfinite(coarse) & np.isfinite(truth)
    count = both.sum(axis=0)
    x, y = (np.where(both, a, 0.0) for a in (coarse, truth))
    some = np.maximum(count, 1)
    mean_x, mean_y = x.sum(axis=0) / some, y.sum(axis=0) / some
    x = np.where(both, x - mean_x, 0.0)
    square = (x * x).sum(axis=0)
    good = (count >= 3) & (square > 1e-12 * np.maximum(some * mean_x**2, 1e-300))
    slope = np.where(good, (x * y).sum(axis=0) / np.where(good, square, 1.0), np.nan)
    return mean_y - slope * mean_x, slope


def fit_anchors(
    coarse: FloatArray, truth: FloatArray, *, window: int, factor: tuple[int, int]
) -> tuple[FloatArray, FloatArray]:
    """Fit a ridge regression for each fine cell on the coarse values of a window.

    Parameters
    ----------
    coarse : ndarray
        (time, h, w) coarse target of the steps that train.
    truth : ndarray
        (time, y, x) fine target; NaN is missing.
    window : int
        Steps of input.
    factor : tuple of int
        Fine cells of a coarse one along y and x.

    Returns
    -------
    weights : ndarray
        (window + 1, y, x): of the coarse value ``0, 1, ...`` steps back, and the offset. NaN for
        cells whose truth is missing in any window that trains.
    left_out : ndarray
        (time - window + 1, y, x): what the regression says of each step when it is fitted without
        that step; NaN where there is none.

    Notes
    -----
    Lags are scaled by their spread; the coarse value of the step itself is not shrunk, the others
    are, by the ridge among 0.001, 0.01, 0.1 and 1 (of the number of windows) whose error over
    steps left out is least. Leaving a step out costs no fit: the residual grows by ``1 / (1 - H)``
    with the diagonal of the hat matrix ``H``.

    Examples
    --------
    >>> series = np.random.default_rng(0).normal(size=(40, 1, 1))
    >>> lagged = 1 + 2 * series + 0.5 * np.roll(series, 1, axis=0)
    >>> weights, _ = fit_anchors(series[1:], lagged[1:], window=2, factor=(1, 1))
    >>> weights[:, 0, 0].round(1).tolist()
    [2.0, 0.5, 1.0]
    """
    steps = len(coarse) - window + 1
    lags = np.stack([coarse[window - 1 - k : window - 1 - k + steps] for k in range(window)])
    wanted = truth[window - 1 :]
    rows = np.asarray(np.isfinite(wanted).any(axis=(1, 2)) & np.isfinite(lags).any(axis=(0, 2, 3)))
    left = np.full(wanted.shape, np.nan)
    weights = np.full((window + 1, *wanted.shape[1:]), np.nan)
    if rows.sum() < _LEAST:
        return weights, left
    best = np.inf
    for ridge in _RIDGES:
        found = _fit(lags[:, rows], wanted[rows], ridge, factor)
        error = np.nanmean((found[1] - wanted[rows]) ** 2) if np.isfinite(found[1]).any() else 0.0
        if error < best:
            best, weights = float(error), found[0]
            left[rows] = found[1]
    return weights, left


def _fit(
    lags: FloatArray, wanted: FloatArray, ridge: float, factor: tuple[int, int]
) -> tuple[FloatArray, FloatArray]:
    """Return weights and left-out predictions for one ridge."""
    window, steps, height, width = lags.shape
    lines = lags.reshape(window, steps, -1).transpose(2, 1, 0)  # (cell, step, lag)
    there = np.asarray(np.isfinite(lines).all(axis=(1, 2)))
    lines = np.where(there[:, None, None], lines, 0.0)
    mean, spread = lines.mean(axis=1), lines.std(axis=1)
    spread = np.where(spread > ROUNDING * np.abs(mean), spread, 1.0)
    scaled = (lines - mean[:, None]) / spread[:, None]
    penalty = ridge * steps * np.eye(window)
    penalty[0, 0] = 1e-9 * steps
    gram = np.einsum("ctl,ctm->clm", scaled, scaled) + penalty
    solve = np.linalg.solve(gram, scaled.transpose(0, 2, 1))  # (cell, lag, step)
    hat = 1 / steps + np.einsum("ctl,clt->ct", scaled, solve)
    blocks = _blocks(wanted, (height, width), factor)  # (cell, step, part)
    centre = blocks.mean(axis=1, keepdims=True)  # NaN where a step is missing
    slopes = np.einsum("clt,ctp->clp", solve, blocks - centre)
    residual = blocks - centre - np.einsum("ctl,clp->ctp", scaled, slopes)
    left = blocks - residual / np.maximum(1 - hat, 1e-6)[..., None]
    slopes = slopes / spread[..., None]
    offset = centre[:, 0] - np.einsum("cl,clp->cp", mean, slopes)
    slopes = np.concatenate([slopes, offset[:, None]], axis=1)
    slopes, left = (np.where(there[:, None, None], a, np.nan) for a in (slopes, left))
    return tuple(_unblocked(a, (height, width), factor) for a in (slopes, left))  # type: ignore[return-value]


def _blocks(fine: FloatArray, size: tuple[int, int], factor: tuple[int, int]) -> FloatArray:
    """Return the fine cells of each coarse one (cell, step, part)."""
    parts = fine.reshape(len(fine), size[0], factor[0], size[1], factor[1])
    return parts.transpose(1, 3, 0, 2, 4).reshape(size[0] * size[1], len(fine), -1)


def _unblocked(blocks: FloatArray, size: tuple[int, int], factor: tuple[int, int]) -> FloatArray:
    """Return what :func:`_blocks` took apart."""
    parts = blocks.reshape(*size, -1, *factor).transpose(2, 0, 3, 1, 4)
    return parts.reshape(len(parts), size[0] * factor[0], size[1] * factor[1])
