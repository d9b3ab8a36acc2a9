"""Infiltration as a share of the rain, and its anomaly from the usual of the month."""

from __future__ import annotations

import numpy as np

from xsm.physics.rounding import significant
from xsm.typing import Array, FloatArray

__all__ = ["infiltration", "monthly_anomaly"]


def infiltration(precipitation: FloatArray, soil_moisture: FloatArray) -> FloatArray:
    """Return the share of the precipitation that infiltrates.

    Parameters
    ----------
    precipitation : ndarray
        mm day-1, downward positive.
    soil_moisture : ndarray
        m3 m-3, same shape.

    Returns
    -------
    ndarray
        ``a(th) P`` in mm day-1 with ``a(th) = 0.1 + 0.4 th``; NaN where either is.

    Notes
    -----
    The form is that of Ibrahim et al. (2026): wetter soil lets more of the rain through. It is an
    index that moves as recharge does, no measured rate.

    References
    ----------
    Ibrahim et al. (2026). IRE Journals, 10.64388/irev9i9-1714801.

    Examples
    --------
    >>> infiltration(np.array([10.0]), np.array([0.25]))
    array([2.])
    """
    found: FloatArray = (0.1 + 0.4 * soil_moisture) * precipitation
    return found


def monthly_anomaly(values: FloatArray, months: Array, training: slice) -> FloatArray:
    """Return the difference from the mean of the same month of the year in training.

    0 where it is what rounding leaves.

    Parameters
    ----------
    values : ndarray
        (time, ...).
    months : ndarray
        (time,) month of the year, 1 to 12.
    training : slice
        Steps that the mean is taken over.

    Returns
    -------
    ndarray
        (time, ...) in the units of ``values``; NaN where a value is, and in months that training
        does not hold.

    Examples
    --------
    >>> monthly_anomaly(np.array([1.0, 3.0, 5.0]), np.array([1, 1, 1]), slice(0, 2))
    array([-1.,  1.,  3.])
    """
    found = np.full(values.shape, np.nan)
    there = np.isfinite(values)
    used = np.zeros(len(months), bool)
    used[training] = True
    for month in np.unique(months[used]):
        rows = months == month
        count = there[rows & used].sum(axis=0)
        total = np.where(there[rows & used], values[rows & used], 0.0).sum(axis=0)
        mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        found[rows] = significant(values[rows] - mean, mean)
    return found
