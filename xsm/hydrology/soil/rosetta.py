"""Hydraulic parameters from texture and bulk density by the networks of Rosetta, version 3.

Schaap, M. G., Leij, F. J. and van Genuchten, M. Th. (2001). J. Hydrol. 251:163. Zhang, Y. and
Schaap, M. G. (2017). J. Hydrol. 547:39. The networks come with the package ``rosetta-soil``.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

from xsm.exceptions import warn_outside
from xsm.hydrology.soil.triangle import whole
from xsm.typing import Array, FloatArray

__all__ = ["is_installed", "rosetta_parameters"]


_VERSION = 3
_TEXTURE, _DENSITY = 2, 3  # codes of the models of texture, and of texture and bulk density
_DENSITIES = (0.5, 2.0)  # g cm-3, the range that Rosetta takes
_SLICE = 128  # soils at a time: 1,000 networks hold their output at once (128: 5 MB, and fastest)


def is_installed() -> bool:
    """Tell whether the package ``rosetta-soil`` is there, without importing it.

    Returns
    -------
    bool
        Whether :func:`rosetta_parameters` can run.

    Examples
    --------
    >>> is_installed()
    True
    """
    return importlib.util.find_spec("rosetta") is not None


def rosetta_parameters(
    sand: Array, silt: Array, clay: Array, bulk_density: Array | None = None
) -> FloatArray:
    """Return the parameters that Rosetta predicts: the mean of its ensemble.

    Parameters
    ----------
    sand, silt, clay : array
        Shares of the fine earth by weight, %, of one shape.
    bulk_density : array, optional
        g cm-3, of the same shape. Soils without (NaN, or outside 0.5 to 2) are predicted from
        texture alone.

    Returns
    -------
    array (..., 5)
        theta_r and theta_s (m3 m-3), alpha (m-1), n (1), saturated conductivity (m day-1), of
        which alpha, n and conductivity are means of logarithms, as published; NaN where a share
        is NaN. Equal soils are computed once.

    Raises
    ------
    UnitsError
        If the shares are no whole, see :func:`xsm.hydrology.soil.triangle.whole`.

    Warns
    -----
    UserWarning
        If bulk density was given, but some soils have none that can be used.

    Examples
    --------
    >>> rosetta_parameters(np.array(20.0), np.array(60.0), np.array(20.0)).round(4)
    array([0.0899, 0.4301, 0.3748, 1.4986, 0.1559])
    """
    shares = whole(sand, silt, clay)
    density = np.full(shares.shape[1:], np.nan)
    if bulk_density is not None:
        density = np.asarray(bulk_density, dtype=np.float64)
        density = np.where((density >= _DENSITIES[0]) & (density <= _DENSITIES[1]), density, np.nan)
    soils = np.stack([*shares, density], axis=-1).reshape(-1, 4)
    found = np.full((len(soils), 5), np.nan)
    known = ~np.isnan(soils[:, 0])
    if known.any():
        different, where = np.unique(soils[known], axis=0, return_inverse=True)
        if bulk_density is not None:
            _report(soils[known, 3])
        found[known] = _of_soils(different)[where.ravel()]
    return found.reshape(*shares.shape[1:], 5)


def _report(density: FloatArray) -> None:
    """Warn of soils without a bulk density."""
    count = int(np.isnan(density).sum())
    if count:
        warn_outside(
            f"bulk_density is missing, or not in {_DENSITIES[0]} to {_DENSITIES[1]} g cm-3, in "
            f"{count} of {density.size} cells of a block; Rosetta predicts these from texture "
            "alone."
        )


def _of_soils(soils: FloatArray) -> FloatArray:
    """Return the parameters (soil, 5) of soils (soil, 4), each by the model of what is known."""
    from rosetta import Rosetta

    found = np.empty((len(soils), 5))
    with_density = ~np.isnan(soils[:, 3])
    for code, chosen in ((_TEXTURE, ~with_density), (_DENSITY, with_density)):
        if chosen.any():
            found[chosen] = _predicted(Rosetta(_VERSION, code), soils[chosen, : code + 1])
    return found


def _predicted(model: Any, soils: FloatArray) -> FloatArray:
    """Return the ensemble's mean in canonical units; Rosetta has log10 of cm-1, 1 and cm day-1."""
    parts = []
    for start in range(0, len(soils), _SLICE):
        retention, conductivity = model.predict(soils[start : start + _SLICE])
        parts.append(np.concatenate([retention.mean(axis=0), conductivity.mean(axis=0)], axis=1))
    found = np.concatenate(parts)
    found[:, 2:] = 10.0 ** found[:, 2:]
    return found * np.array([1.0, 1.0, 100.0, 1.0, 0.01])
