"""Predictive distributions on bare arrays: one shape, moved by a mean and stretched by a spread.

The shape is that of z = (y - mean) / std: a standard Gaussian, or a table of quantiles that was
learnt from data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from xsm.exceptions import NotEnoughDataError
from xsm.typing import FloatArray

__all__ = ["PROBABILITIES", "Shape", "crps_ensemble", "crps_gaussian"]


PROBABILITIES: npt.NDArray[np.float64] = np.arange(1, 200) / 200
"""Probabilities of tables: every half percent, so that central intervals reach 99 %."""


@dataclass(frozen=True, eq=False)
class Shape:
    """The distribution of z = (y - mean) / std.

    Parameters
    ----------
    quantiles : ndarray or None
        (probability,) quantiles of z at :data:`PROBABILITIES`, ascending; None is a standard
        Gaussian.

    Examples
    --------
    >>> Shape().quantile(np.array([0.5, 0.975])).round(2)
    array([0.  , 1.96])
    """

    quantiles: npt.NDArray[np.float64] | None = None

    def quantile(self, probability: npt.ArrayLike) -> FloatArray:
        """Return the quantiles of z.

        Parameters
        ----------
        probability : array_like
            Above 0 and below 1; of a table from 0.005 to 0.995.

        Returns
        -------
        ndarray
            Of the same shape; between the lines of a table linear.

        Raises
        ------
        NotEnoughDataError
            If the table does not reach as far.
        """
        wanted = np.asarray(probability, dtype=float)
        low, high = (PROBABILITIES[0], PROBABILITIES[-1]) if self.quantiles is not None else (0, 1)
        inside = (wanted >= low - 1e-9) & (wanted <= high + 1e-9) & (wanted > 0) & (wanted < 1)
        if not inside.all():
            msg = (
                f"The probabilities {wanted[~inside].tolist()} were asked for; the distribution is "
                f"known from {low} to {high}. Pass levels of intervals above 0 and "
                f"{'up to 0.99' if self.quantiles is not None else 'below 1'}."
            )
            raise NotEnoughDataError(msg)
        if self.quantiles is None:
            return np.asarray(ndtri(wanted))
        return np.interp(wanted, PROBABILITIES, self.quantiles)

    def cdf(self, z: FloatArray) -> FloatArray:
        """Return the probability of at most z.

        Parameters
        ----------
        z : ndarray
            Standardised values.

        Returns
        -------
        ndarray
            0 to 1; beyond a table's ends 0.0025 and 0.9975, the middle of what is not resolved.
            NaN of NaN.
        """
        if self.quantiles is None:
            return np.asarray(ndtr(z))
        first, last = PROBABILITIES[0] / 2, (1 + PROBABILITIES[-1]) / 2
        return np.interp(z, self.quantiles, PROBABILITIES, left=first, right=last)

    def crps(self, z: FloatArray) -> FloatArray:
        """Return the continuous ranked probability score of z.

        Parameters
        ----------
        z : ndarray
            Standardised observations.

        Returns
        -------
        ndarray
            In units of std, 0 is best; NaN of NaN.

        Notes
        -----
        A table is integrated as the quantile score (Gneiting and Ranjan 2011, Eq. 17), with the
        tails beyond it at its ends::

            CRPS = 2 int_0^1 (1[z < q(p)] - p) (q(p) - z) dp

        For a table of Gaussian quantiles this is the closed form to 0.003 of std.

        References
        ----------
        Gneiting, T. and Ranjan, R. (2011). J. Bus. Econ. Stat. 29:411-422.
        """
        if self.quantiles is None:
            return crps_gaussian(z)
        points, tail = self.quantiles, PROBABILITIES[0] / 2
        edge = np.array([tail / 2, 1 - tail / 2])  # the middle of each tail, of half the weight
        p = np.concatenate([PROBABILITIES, edge])
        q = np.concatenate([points, points[[0, -1]]])
        weight = np.concatenate([np.full(len(points), 2 * tail), [tail, tail]])
        below = points[:, None] < q
        at_points = (2 * weight * (below - p) * (q - points[:, None])).sum(axis=1)
        inner = np.interp(z, points, at_points)  # linear in z between the quantiles
        return np.asarray(inner + np.maximum(points[0] - z, 0) + np.maximum(z - points[-1], 0))


def crps_gaussian(z: FloatArray) -> FloatArray:
    """Return the continuous ranked probability score of a Gaussian, in units of its spread.

    Parameters
    ----------
    z : ndarray
        Observation minus mean, divided by the standard deviation.

    Returns
    -------
    ndarray
        0 is best; NaN of NaN.

    Notes
    -----
    ``CRPS / s = z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi)`` (Gneiting et al. 2005, Eq. 5).

    References
    ----------
    Gneiting, T. et al. (2005). Mon. Weather Rev. 133:1098-1118.

    Examples
    --------
    >>> crps_gaussian(np.array([0.0, 10.0])).round(4)
    array([0.2337, 9.4358])
    """
    density: Any = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    return np.asarray(z * (2 * ndtr(z) - 1) + 2 * density - 1 / np.sqrt(np.pi))


def crps_ensemble(observed: FloatArray, members: FloatArray) -> FloatArray:
    """Return the continuous ranked probability score of an ensemble.

    Parameters
    ----------
    observed : ndarray
        (...) observations.
    members : ndarray
        (..., member) equally likely values; NaN is no member.

    Returns
    -------
    ndarray
        In units of both, 0 is best; NaN where there is no observation or no member.

    Notes
    -----
    ``mean |x_i - y| - mean |x_i - x_j| / 2`` over all pairs, of the distribution function of the
    members as it is (Gneiting and Raftery 2007, Eq. 21): not corrected for their number.

    References
    ----------
    Gneiting, T. and Raftery, A. E. (2007). J. Am. Stat. Assoc. 102:359-378.

    Examples
    --------
    >>> crps_ensemble(np.array([0.0, 0.5]), np.array([0.0, 1.0]))
    array([0.25, 0.25])
    """
    ordered = np.sort(members, axis=-1)  # NaN last
    there = np.isfinite(ordered)
    count = there.sum(axis=-1)
    known = np.where(there, ordered, 0.0)
    rank = 2 * np.arange(ordered.shape[-1]) + 1 - count[..., None]
    away = np.where(there, np.abs(ordered - observed[..., None]), 0.0).sum(axis=-1)
    apart = (np.where(there, rank, 0) * known).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = away / count - apart / count**2.0
    return np.where(np.isfinite(observed), found, np.nan)
