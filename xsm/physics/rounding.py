"""How exact numbers are: what rounding leaves of a difference, and what compiled code takes."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from xsm.typing import FloatArray

__all__ = ["ROUNDING", "native_floats", "significant"]


ROUNDING = 4 * float(np.finfo(np.float32).eps)
"""Share of a number that means nothing, 2**-21 or 5e-7: four steps of float32.

Data of this field are stored in float32. A conversion of units, an average and a way back each
round once, to half a step; what is left of a difference below is noise, also where the arithmetic
is in float64. What is measured is above: a pressure of 1e5 Pa is told apart to 0.05 Pa.
"""

_Number = TypeVar("_Number", bound=Any)


def significant(difference: _Number, size: Any) -> _Number:
    """Return a difference, 0 where it is what rounding leaves of numbers of a size.

    Parameters
    ----------
    difference, size : float, ndarray or DataArray
        A difference, and the numbers that it is one of, in the same units; lazy ones stay so.

    Returns
    -------
    float, ndarray or DataArray
        The difference where it is more than :data:`ROUNDING` of the size; NaN stays NaN.

    Examples
    --------
    >>> float(significant(0.1 + 0.2 - 0.3, 0.3)), float(significant(np.float64(0.01), 0.3))
    (0.0, 0.01)
    """
    return difference * (abs(difference) > ROUNDING * abs(size))


def native_floats(array: npt.ArrayLike) -> FloatArray:
    """Return an array as float32 or float64 in the byte order of this machine.

    Parameters
    ----------
    array : array_like
        Numbers, of any type and byte order.

    Returns
    -------
    ndarray
        float32 of floats of at most 32 bits, float64 of others; a view where it is that already.

    Examples
    --------
    >>> native_floats(np.array([1], ">f4")).dtype
    dtype('float32')
    """
    values = np.asarray(array)
    wide = values.dtype.kind != "f" or values.dtype.itemsize > 4
    return np.asarray(values, dtype=np.float64 if wide else np.float32)
