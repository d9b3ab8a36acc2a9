"""The texture triangle of the USDA: shares of sand, silt and clay that are a whole, and classes.

Soil Science Division Staff (2017). Soil Survey Manual. USDA Handbook 18, chapter 3.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from xsm.exceptions import UnitsError, warn_outside
from xsm.typing import Array, FloatArray

__all__ = ["CLASSES", "TOLERANCE", "classify", "definitions", "whole"]


CLASSES = (
    "sand",
    "loamy_sand",
    "sandy_loam",
    "silt_loam",
    "silt",
    "loam",
    "sandy_clay_loam",
    "silty_clay_loam",
    "clay_loam",
    "sandy_clay",
    "silty_clay",
    "clay",
)
"""Classes 1 to 12 in the order of Miller and White (1998), as in STATSGO, NLDAS and Noah."""

TOLERANCE = 1.0
"""By how much a sum may miss 100 % (as in Rosetta) before it is refused."""
_ROUNDING = 0.15  # %; three shares of one decimal each miss 100 % by up to this
_DIGITS = 4  # of a per cent: float32 holds no more, and classes meet at whole numbers

Masks = list[npt.NDArray[np.bool_]]


def whole(sand: Array, silt: Array, clay: Array) -> FloatArray:
    """Return shares that sum to 100 %.

    Parameters
    ----------
    sand, silt, clay : array
        Shares of the fine earth by weight, %, of one shape.

    Returns
    -------
    array (3, ...)
        Sand, silt and clay in double precision, scaled to sum to 100 %; all NaN where one is.

    Raises
    ------
    UnitsError
        If a share is negative, or a sum misses 100 %, by more than 1 %.

    Warns
    -----
    UserWarning
        If a share is negative, or a sum misses 100 %, by more than the 0.15 % of rounded shares.

    Examples
    --------
    >>> whole(np.array([40.1]), np.array([40.0]), np.array([20.0])).round(2).ravel()
    array([40.06, 39.96, 19.98])
    """
    shares = np.stack([np.asarray(a, dtype=np.float64) for a in (sand, silt, clay)])
    shares = np.where(np.isnan(shares).any(axis=0), np.nan, shares)
    total = shares.sum(axis=0)
    off = np.maximum(abs(total - 100.0), -shares.min(axis=0, initial=0.0))
    _check(off, total)
    shares = np.clip(shares, 0.0, None)
    found: FloatArray = shares * (100.0 / shares.sum(axis=0))
    return found


def _check(off: FloatArray, total: FloatArray) -> None:
    """Refuse or report shares that are no whole; NaN is neither."""
    count, cells = int((off > TOLERANCE).sum()), off.size
    if count:
        worst = total.flat[int(np.nanargmax(off))]
        msg = (
            f"Sand, silt and clay sum to {worst:.6g} %, or one is negative, in {count} of {cells} "
            f"cells of a block; 100 % is needed, within {TOLERANCE:g} %. State the units if they "
            'are others, ds["sand"].attrs["units"] = "1"; mask cells that are not soil alone, '
            'ds.where(abs(ds["sand"] + ds["silt"] + ds["clay"] - 100) <= 1); or scale the three '
            "to 100 % yourself."
        )
        raise UnitsError(msg)
    count = int((off > _ROUNDING).sum())
    if count:
        warn_outside(
            f"Sand, silt and clay miss 100 % by up to {np.nanmax(off):.2g} % in {count} of {cells} "
            "cells of a block; they are scaled to 100 %."
        )


def definitions(sand: FloatArray, silt: FloatArray, clay: FloatArray) -> Masks:
    """Return where each class's definition holds; everywhere it is exactly one.

    Parameters
    ----------
    sand, silt, clay : array
        Shares in % that sum to 100, of one shape.

    Returns
    -------
    list of array of bool
        In the order of :data:`CLASSES`; all False where a share is NaN.

    Examples
    --------
    >>> masks = definitions(np.array([40.0]), np.array([40.0]), np.array([20.0]))
    >>> [name for name, mask in zip(CLASSES, masks, strict=True) if mask[0]]
    ['loam']
    """
    light = np.round(silt + 1.5 * clay, _DIGITS) < 15
    lighter = np.round(silt + 2.0 * clay, _DIGITS) < 30
    sandy = (clay >= 7) & (clay < 20) & (sand > 52) | (clay < 7) & (silt < 50) & (sand > 43)
    heavy = (clay >= 27) & (clay < 40)
    return [
        light,
        ~light & lighter,
        sandy & ~light & ~lighter,
        (silt >= 50) & (clay >= 12) & (clay < 27) | (silt >= 50) & (silt < 80) & (clay < 12),
        (silt >= 80) & (clay < 12),
        (clay >= 7) & (clay < 27) & (silt >= 28) & (silt < 50) & (sand <= 52),
        (clay >= 20) & (clay < 35) & (silt < 28) & (sand > 45),
        heavy & (sand <= 20),
        heavy & (sand > 20) & (sand <= 45),
        (clay >= 35) & (sand > 45),
        (clay >= 40) & (silt >= 40),
        (clay >= 40) & (sand <= 45) & (silt < 40),
    ]


def classify(sand: Array, silt: Array, clay: Array) -> FloatArray:
    """Return the number of the texture class.

    Parameters
    ----------
    sand, silt, clay : array
        Shares of the fine earth by weight, %, of one shape.

    Returns
    -------
    array
        1 to 12, the position in :data:`CLASSES` counted from one, in single precision; NaN where a
        share is NaN.

    Raises
    ------
    UnitsError
        As of :func:`whole`.

    Examples
    --------
    >>> classify(np.array([92.0, 10.0]), np.array([5.0, 30.0]), np.array([3.0, 60.0]))
    array([ 1., 12.], dtype=float32)
    """
    shares = np.round(whole(sand, silt, clay), _DIGITS)
    masks = definitions(*shares)
    numbers = np.arange(1, len(CLASSES) + 1, dtype=np.float32)
    found: FloatArray = np.select(masks, list(numbers), np.float32(np.nan)).astype(np.float32)
    return found
