"""Where a result comes from: conventions, title, history, version, and the model, as CF names them.

The one place that says so; every verb that returns a data set ends with :func:`recorded`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import Any, Protocol

import xarray as xr

__all__ = ["CONVENTIONS", "Maker", "recorded"]


CONVENTIONS = "CF-1.8"
_LINKS = ("ancillary_variables", "bounds", "grid_mapping")  # attributes that name variables
_METHOD = re.compile(r"(\w+):(?!//)")  # a dimension in cell_methods


class Maker(Protocol):
    """A fitted model, as results name it."""

    @property
    def name(self) -> str:
        """Name of the model."""

    @property
    def digest(self) -> str:
        """Digest of all that it has learnt."""


def recorded(
    found: xr.Dataset,
    verb: str,
    *,
    of: xr.Dataset | xr.DataArray | None = None,
    title: str = "",
    by: Maker | None = None,
) -> xr.Dataset:
    """Return a result that says where it comes from, and that any file can hold; lazily.

    What the result says already stays. A line is appended to the history ``of`` the data, with the
    time (or that of the environment variable ``SOURCE_DATE_EPOCH``). Attributes name no variable
    that is not there, and texts no lists; coordinates are stored without a fill value, and labels
    as texts of any length.
    """
    own = found.copy(deep=False)
    source = {} if of is None else of.attrs
    line = f"{_now()} xsm {_version()}: {verb}" + (f" by {by.name} {by.digest}" if by else "")
    past = str(source.get("history", own.attrs.get("history", ""))).rstrip()
    said = {k: _plain(v) for k, v in own.attrs.items()}
    conventions = str(said.pop("Conventions", ""))
    own.attrs = {
        "Conventions": conventions if "CF-" in conventions else CONVENTIONS,
        "title": said.pop("title", "") or title,
        **said,
        "history": f"{past}\n{line}".lstrip(),
        "xsm_version": _version(),
    }
    if by is not None:
        own.attrs |= {"model": by.name, "model_fingerprint": by.digest}
    for name in own.variables:
        _tidy(own, name)
    return own


def _tidy(ds: xr.Dataset, name: Hashable) -> None:
    """Make the attributes of a variable such that files can hold them and nothing is missing."""
    variable = ds.variables[name]
    attrs = {k: _plain(v) for k, v in variable.attrs.items()}
    for link in (k for k in _LINKS if k in attrs):
        there = [n for n in str(attrs[link]).replace(":", " ").split() if n in ds.variables]
        attrs[link] = " ".join(there) if link == "ancillary_variables" else attrs[link]
        if not there:
            del attrs[link]
    measured = str(attrs.get("cell_measures", "")).split()[1::2]
    if measured and not set(measured) <= ds.variables.keys():
        del attrs["cell_measures"]
    over = set(_METHOD.findall(re.sub(r"\(.*?\)", "", str(attrs.get("cell_methods", "")))))
    if over - {"area"} - {str(n) for n in (*ds.variables, *ds.dims)}:
        del attrs["cell_methods"]
    variable.attrs = attrs
    if name in ds.coords and variable.dtype.kind == "f":
        variable.encoding.setdefault("_FillValue", None)
    if variable.dtype.kind == "U":
        variable.encoding["dtype"] = "O"  # of fixed length no store of Zarr 3 is specified


def _plain(value: Any) -> Any:
    """Return an attribute that comes back from a file as it was written."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        texts = [v for v in value if isinstance(v, str)]
        return ", ".join(texts) if texts or not len(value) else value
    if isinstance(value, Mapping):
        return ", ".join(f"{k}: {v}" for k, v in value.items())
    return int(value) if isinstance(value, bool) else "" if value is None else value


def _now() -> str:
    """Return the time, to the second, or the one that the environment states."""
    stated = os.environ.get("SOURCE_DATE_EPOCH")
    now = datetime.fromtimestamp(int(stated), UTC) if stated else datetime.now(UTC)
    return f"{now:%Y-%m-%dT%H:%M:%SZ}"


@cache
def _version() -> str:
    """Return the version of xsm."""
    return version("xsm")
