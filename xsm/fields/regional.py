"""What fine covariates tell of differences inside coarse cells, in all cells alike.

Array code: no labels.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from xsm.physics.conservation import block_mean, repeat_blocks
from xsm.physics.rounding import ROUNDING
from xsm.typing import Array, FloatArray

__all__ = ["fit_regional", "regional_terms", "remembered", "told_by_region"]


_RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_FOLDS = 5


def remembered(values: FloatArray, window: int) -> FloatArray:
    """Return means and spreads of moving fields over windows.

    What a fine cell does with the water of its coarse one shows in how it moves over months more
    than in one of them: on mHM Mosel, over windows of six months, :func:`fit_regional` leaves
    1.60 mm of error in coarse cells that it has not seen, of the month alone 2.00.

    Parameters
    ----------
    values : ndarray
        (time, covariate, y, x), NaN where missing.
    window : int
        Steps of a window.

    Returns
    -------
    ndarray
        (time - window + 1, 2 covariate, y, x): means and standard deviations of what is there, NaN
        where nothing is.

    Examples
    --------
    >>> series = np.array([1.0, 3.0, 8.0]).reshape(3, 1, 1, 1)
    >>> remembered(series, 2)[:, :, 0, 0].tolist()
    [[2.0, 1.0], [5.5, 2.5]]
    """
    steps = len(values) - window + 1
    lags = [values[k : k + steps] for k in range(window)]
    count, total, squares = np.zeros((3, *lags[0].shape))
    for lag in lags:
        count += np.isfinite(lag)
        total += np.nan_to_num(lag)
    some = np.where(count > 0, count, np.nan)
    for lag in lags:
        squares += np.nan_to_num(lag - total / some) ** 2
    return np.concatenate([total / some, np.sqrt(squares / some)], axis=1)


def regional_terms(
    coarse: FloatArray,
    plain: FloatArray,
    covariate: FloatArray,
    valid: Array,
    *,
    area: FloatArray,
    factor: tuple[int, int],
) -> FloatArray:
    """Return what may tell fine cells of a coarse one apart; each term has mean zero in it.

    Parameters
    ----------
    coarse : ndarray
        (h, w) the coarse field.
    plain : ndarray
        (y, x) the same, interpolated.
    covariate : ndarray
        (channel, y, x).
    valid : ndarray of bool
        (y, x) where all of these are there.
    area : ndarray
        (y, x) areas of the fine cells.
    factor : tuple of int
        Fine cells of a coarse one along y and x.

    Returns
    -------
    ndarray
        (1 + 2 channel, y, x): interpolated minus coarse; the departures of the channels from their
        means over the coarse cell; the same times the coarse field, since what one cell has more of
        is more where there is more. 0 where nothing is valid.

    Examples
    --------
    >>> slope = np.array([[1.0, 3.0]])
    >>> flat, given = np.full((1, 2), 5.0), {"area": np.ones((1, 2)), "factor": (1, 2)}
    >>> regional_terms(np.array([[5.0]]), flat, slope[None], flat > 0, **given)[:, 0].tolist()
    [[0.0, 0.0], [-1.0, 1.0], [-5.0, 5.0]]
    """
    own = repeat_blocks(coarse, factor=factor)
    fields = np.where(valid, np.concatenate([(plain - own)[None], covariate]), np.nan)
    means = block_mean(fields, area=area, factor=factor)
    departures = np.nan_to_num(fields - repeat_blocks(means, factor=factor))
    return np.concatenate([departures, departures[1:] * np.nan_to_num(own)])


def fit_regional(
    arrays: Mapping[str, Array], memory: FloatArray, *, steps: Array, factor: tuple[int, int]
) -> FloatArray | None:
    """Fit one regression of fine cells on :func:`regional_terms`, for cells without a truth.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        As of :meth:`xsm.fields.frame.Frame.inputs`, and ``target`` (step, 1, y, x), NaN where
        missing.
    memory : ndarray
        (step, channel, y, x) of :func:`remembered`.
    steps : sequence of int
        Those that train.
    factor : tuple of int
        Fine cells of a coarse one along y and x.

    Returns
    -------
    ndarray or None
        (1 + 2 channel,) weights of the terms, in units of the scaled target; None where
        interpolation does better in coarse cells left out, or too few have a truth.

    Notes
    -----
    ``target = coarse + sum(w terms)`` by ridge regression, without an offset, so that the mean over
    a coarse cell stays. The ridge, among 0.0001 to 1 of the number of samples with terms scaled by
    their root mean square, is that of the least square error when each fifth of the coarse cells
    is left out in turn.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> slope = random.normal(size=(1, 1, 8, 8)).repeat(9, 0)
    >>> coarse = random.normal(size=(9, 1, 4, 4))
    >>> own = repeat_blocks(coarse, factor=(2, 2))
    >>> arrays = {"coarse": coarse, "plain": own, "covariate": slope, "area": np.ones((1, 8, 8))}
    >>> terms = [
    ...     regional_terms(c[0], o[0], s, o[0] < 9, area=np.ones((8, 8)), factor=(2, 2))
    ...     for c, o, s in zip(coarse, own, slope)
    ... ]
    >>> arrays |= {"target": own + 0.5 * np.stack(terms)[:, 2:], "valid": np.ones_like(own)}
    >>> abs(fit_regional(arrays, slope[:, :0], steps=range(9), factor=(2, 2))).round(2).tolist()
    [0.0, 0.0, 0.5]
    """
    size = arrays["coarse"].shape[-2:]
    many = 1 + 2 * (arrays["covariate"].shape[1] + memory.shape[1])
    drawn = np.random.default_rng(0).integers(_FOLDS, size=size).astype(float)
    folds = repeat_blocks(drawn, factor=factor)
    gram, moment = np.zeros((_FOLDS, many, many)), np.zeros((_FOLDS, many))
    square, count = np.zeros(_FOLDS), np.zeros(_FOLDS)
    for step in steps:
        own, terms, valid = _at(arrays, memory, step, factor)
        left = arrays["target"][step, 0] - own
        good = np.isfinite(left) & valid
        for fold in range(_FOLDS):
            here = good & (folds == fold)
            x, y = terms[:, here], left[here].astype(float)
            gram[fold] += x @ x.T
            moment[fold] += x @ y
            square[fold] += y @ y
            count[fold] += len(y)
    if np.count_nonzero(count) < _FOLDS or many == 1:
        return None
    return _best(gram, moment, square, count)


def told_by_region(
    weights: FloatArray, arrays: Mapping[str, Array], memory: FloatArray, factor: tuple[int, int]
) -> FloatArray:
    """Return what the regression of :func:`fit_regional` says of all fine cells.

    Parameters
    ----------
    weights : ndarray
        Of the terms.
    arrays : mapping of str to ndarray
        As of :func:`fit_regional`; no target is needed.
    memory : ndarray
        (step, channel, y, x) of :func:`remembered`.
    factor : tuple of int
        Fine cells of a coarse one along y and x.

    Returns
    -------
    ndarray
        (step, 1, y, x) scaled; 0 where nothing is valid.

    Examples
    --------
    >>> arrays = {"coarse": np.full((1, 1, 1, 1), 5.0), "plain": np.full((1, 1, 1, 2), 5.0)}
    >>> arrays |= {"covariate": np.array([[[[1.0, 3.0]]]]), "valid": np.ones((1, 1, 1, 2))}
    >>> arrays |= {"area": np.ones((1, 1, 2))}
    >>> given = arrays, np.zeros((1, 0, 1, 2)), (1, 2)
    >>> told_by_region(np.array([0.0, 0.0, 0.1]), *given).tolist()
    [[[[4.5, 5.5]]]]
    """
    found = np.zeros(arrays["plain"].shape, np.float32)
    for step in range(len(found)):
        own, terms, valid = _at(arrays, memory, step, factor)
        found[step] = np.where(valid, own + np.tensordot(weights, terms, 1), 0.0)
    return found


def _at(
    arrays: Mapping[str, Array], memory: FloatArray, step: int, factor: tuple[int, int]
) -> tuple[FloatArray, FloatArray, Array]:
    """Return the coarse field on the fine grid, the terms, and what is valid, of a step."""
    begin = len(arrays["coarse"]) - len(arrays["plain"])
    coarse, valid = arrays["coarse"][begin + step, 0].astype(float), arrays["valid"][step, 0] > 0
    covariate = np.concatenate([arrays["covariate"][step], memory[step]])
    area, plain = arrays["area"][0], arrays["plain"][step, 0]
    terms = regional_terms(coarse, plain, covariate, valid, area=area, factor=factor)
    return repeat_blocks(coarse, factor=factor), terms, valid


def _best(
    gram: FloatArray, moment: FloatArray, square: FloatArray, count: FloatArray
) -> FloatArray | None:
    """Return the weights of the ridge that serves cells left out best, if any serves."""
    scale = np.sqrt(np.einsum("fkk->k", gram) / count.sum())
    scale = np.where(scale > ROUNDING, scale, np.inf)  # covariates are scaled: of 1
    gram, moment = gram / np.multiply.outer(scale, scale), moment / scale

    def solve(among: Array, ridge: float) -> FloatArray:
        penalty = ridge * count[among].sum() * np.eye(len(scale))
        found: FloatArray = np.linalg.solve(gram[among].sum(0) + penalty, moment[among].sum(0))
        return found

    def error(weights: FloatArray, fold: int) -> float:
        return float(square[fold] - (2 * moment[fold] - gram[fold] @ weights) @ weights)

    every, folds = np.arange(len(count)), range(len(count))
    errors = [sum(error(solve(every != fold, ridge), fold) for fold in folds) for ridge in _RIDGES]
    first = np.zeros(len(scale))
    first[0] = scale[0] if np.isfinite(scale[0]) else 0.0
    if min(errors) >= sum(error(first, fold) for fold in folds):
        return None
    return solve(every >= 0, _RIDGES[int(np.argmin(errors))]) / scale
