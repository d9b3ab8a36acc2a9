"""What is installed, for a report of a problem."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TextIO

__all__ = ["show_versions"]

_PACKAGES = (
    *("xsm", "xarray", "dask", "distributed", "numpy", "pandas", "torch", "numba", "scipy"),
    *("scores", "zarr", "fsspec", "netCDF4", "h5netcdf", "cf_xarray", "pint", "pint-xarray"),
    *("matplotlib", "cartopy", "scikit-learn", "xgboost", "rosetta-soil", "s3fs"),
)


def show_versions(file: TextIO | None = None) -> None:
    """Write the versions of xsm, of what it works with, and of the machine.

    Copy the text into a report of a problem.

    Parameters
    ----------
    file : file, optional
        Where to write it; by default what is shown to the user.

    Examples
    --------
    >>> import io, xsm
    >>> text = io.StringIO()
    >>> xsm.show_versions(text)
    >>> [line.partition(":")[0] for line in text.getvalue().splitlines()][:4]
    ['xsm', 'xarray', 'dask', 'distributed']
    """
    rows = [(name, _version(name)) for name in _PACKAGES]
    rows += [("python", sys.version.partition("\n")[0]), ("platform", platform.platform())]
    rows += [("accelerator", _accelerator())]
    (file or sys.stdout).write("".join(f"{name}: {text}\n" for name, text in rows))


def _version(name: str) -> str:
    """Return the version of a package, which is not imported."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _accelerator() -> str:
    """Return what networks can be trained on beside the CPU."""
    import torch

    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"
    return "mps" if torch.backends.mps.is_available() else "none"
