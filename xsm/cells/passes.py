"""One pass over arrays along time: block by block, lazily where they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from xsm.typing import Array

__all__ = ["over_time"]


def over_time(
    data: Any,
    function: Callable[[Array], Array],
    merge: Callable[[Array], Array],
    *,
    rows: int,
    dtype: type[np.generic] = np.float64,
) -> Any:
    """Return what a function makes of (time, *space), (row, *space), of all blocks together.

    ``merge`` makes one (row, *space) of the results of blocks, (block, row, *space).
    """
    if isinstance(data, np.ndarray):
        return function(data)
    import dask.array as da

    def joined(parts: Array, axis: object, keepdims: object) -> Array:
        return merge(parts.reshape(-1, rows, *parts.shape[1:]))  # one after the other

    found = da.reduction(
        data,
        chunk=lambda x, axis, keepdims: function(x),
        combine=joined,
        aggregate=joined,
        axis=0,
        keepdims=True,
        output_size=rows,
        dtype=dtype,
        meta=np.empty((0,) * data.ndim, dtype),
    )
    sizes = ((rows,), *data.chunks[1:])
    return da.Array(found.dask, found.name, sizes, meta=found._meta)  # keepdims says 1
