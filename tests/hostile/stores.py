"""Data as they are read back from files."""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import xarray as xr

__all__ = ["encoded", "stored"]


def encoded(ds: xr.Dataset) -> xr.Dataset:
    for v in ds.data_vars.values():
        if v.dtype.kind == "f":
            v.encoding = {"dtype": "int16", "scale_factor": 0.01, "_FillValue": -9999}
    return ds


@functools.cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="xsm-hostile-"))


def stored(kind: str) -> Callable[[xr.Dataset], xr.Dataset]:
    """Return the data as they are read back from a file."""

    def changed(ds: xr.Dataset) -> xr.Dataset:
        path = _folder() / f"{time.perf_counter_ns()}.{'nc' if kind == 'nc' else 'zarr'}"
        if kind == "nc":
            ds.to_netcdf(path)
            with xr.open_dataset(path) as found:
                return found.load()
        ds.to_zarr(path, zarr_format=int(kind), consolidated=False)
        return xr.open_zarr(path, consolidated=False)

    return changed
