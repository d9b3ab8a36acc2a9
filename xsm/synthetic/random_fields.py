"""Random fields that are correlated in space and persist in time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["correlated_noise", "normal_cdf", "persistent_noise"]


Array = NDArray[np.float64]


def correlated_noise(
    rng: np.random.Generator,
    steps: int,
    shape: tuple[int, int],
    *,
    length: float,
    spacing: float = 1.0,
) -> Array:
    """Draw independent standard normal fields (step, row, column) that are correlated in space.

    ``length`` of correlation, in the unit of ``spacing``, the distance of neighbouring cells. The
    first fields do not depend on how many are drawn. The covariance is squared-exponential, the
    only isotropic one that separates into rows and columns, so that two small matrix roots make
    each field::

        C(d) = exp(-d^2 / (2 length^2)),   field = A_row Z A_column^T,   A A^T = C
    """
    white = rng.standard_normal((steps, *shape))
    rows, columns = (_root(size, length / spacing) for size in shape)
    return np.asarray(rows @ white @ columns.T)


def _root(size: int, length: float) -> Array:
    """Return a root of the squared-exponential covariance of cells in a row."""
    at = np.arange(size)
    values, vectors = np.linalg.eigh(np.exp(-0.5 * ((at[:, None] - at) / length) ** 2))
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def persistent_noise(
    rng: np.random.Generator,
    steps: int,
    shape: tuple[int, int],
    *,
    length: float,
    spacing: float,
    persistence: float,
) -> Array:
    """Draw standard normal fields (step, row, column), correlated in space, that persist in time.

    As :func:`correlated_noise`, with ``persistence`` p, 0 to 1, the correlation of one step with
    the next: a first-order autoregression, stationary from the first step::

        x_t = p x_{t-1} + sqrt(1 - p^2) z_t
    """
    fields = correlated_noise(rng, steps, shape, length=length, spacing=spacing)
    fresh = np.sqrt(1.0 - persistence**2)
    for step in range(1, steps):
        fields[step] = persistence * fields[step - 1] + fresh * fields[step]
    return fields


def normal_cdf(x: Array) -> Array:
    """Return the standard normal distribution function, 0 to 1; NaN stays NaN.

    The logistic form of Bowling, S. R. et al. (2009). A logistic approximation to the cumulative
    normal distribution. J. Ind. Eng. Manag. 2:114-127; off by less than 1.5e-4 everywhere::

        Phi(x) = 1 / (1 + exp(-0.07056 x^3 - 1.5976 x))
    """
    return np.asarray(1.0 / (1.0 + np.exp(-x * (1.5976 + 0.07056 * x * x))))
