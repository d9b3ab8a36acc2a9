"""Values that can be looked at without computing: whether an array holds some, and a sample."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xsm.typing import FloatArray

__all__ = ["in_memory", "sample"]


_SAMPLE = 4096


def in_memory(array: xr.DataArray) -> bool:
    """Tell whether values can be looked at without computing or loading.

    Parameters
    ----------
    array : DataArray
        Any array.

    Returns
    -------
    bool
        False for dask arrays and for files not yet loaded.

    Examples
    --------
    >>> import xarray as xr
    >>> array = xr.DataArray([1.0, 2.0])
    >>> in_memory(array), in_memory(array.chunk())
    (True, False)
    """
    return isinstance(array.variable._data, np.ndarray) or (
        array.chunks is None and bool(array.variable._in_memory)
    )


def sample(array: xr.DataArray) -> FloatArray:
    """Return about 4,096 values of an array in memory, taken evenly."""
    values = np.asarray(array.variable._data)
    return np.asarray(values.flat[:: max(values.size // _SAMPLE, 1)], dtype=float)
