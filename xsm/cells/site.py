"""Where the cells of a model lie that no index tells apart: one site, or cells by their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from xsm.data.grid import axis_of
from xsm.exceptions import GridError

__all__ = ["check_site", "site_of"]


_MOST = 1000  # values of a coordinate that are noted
_NEAR = 0.01  # degrees, about a kilometre: of the same site, rounded
_WORDS = ("station", "site", "location", "platform", "basin", "gauge", "catchment", "cell")
_ROLES = {"timeseries_id", "platform_name", "platform_id", "station_wmo_id"}


def site_of(array: xr.DataArray, space: Sequence[str]) -> dict[str, list[Any]]:
    """Return names and horizontal coordinates of cells without an index, by coordinate.

    Of one site these are scalars; coordinates in memory of at most a thousand cells are noted.
    """
    found: dict[str, list[Any]] = {}
    for name, coordinate in array.coords.items():
        where = set(coordinate.dims) <= {d for d in space if d not in array.indexes}
        if name in array.indexes or not where or coordinate.size > _MOST or coordinate.chunks:
            continue
        values = coordinate.values.ravel().tolist()
        text = bool(values) and all(isinstance(v, str) for v in values)
        if text and _names_places(str(name), coordinate):
            found[str(name)] = values
        elif coordinate.dtype.kind == "f" and axis_of(array, str(name)):
            found[str(name)] = [float(v) for v in values]
    return found


def check_site(scaling: xr.Dataset, array: xr.DataArray, space: Sequence[str]) -> None:
    """Refuse data of another site than those that a model that is scaled by cell was trained on.

    Only what both have is compared: names by their text, coordinates within 0.01.
    """
    if scaling.attrs["scaling"] == "global":
        return
    trained, given = scaling.attrs.get("site", {}), site_of(array, space)
    both = [name for name in trained if name in given]
    other = [name for name in both if not _same(trained[name], given[name])]
    if not other:
        return
    said = "; ".join(
        f"{name} trained {_short(trained[name])}, given {_short(given[name])}" for name in other
    )
    msg = (
        f"The data are not of the site that the model was trained on, and it is scaled by cell: "
        f"{said}. It would answer in the range of the trained site. Train it to predict elsewhere, "
        f"fit(..., scaling='global'), or, if it is the same site, ds.drop_vars({other})."
    )
    raise GridError(msg)


def _names_places(name: str, coordinate: xr.DataArray) -> bool:
    """Tell whether a coordinate of text says where, not which version or product."""
    said = {str(coordinate.attrs.get(key)) for key in ("cf_role", "standard_name")}
    return bool(said & _ROLES) or any(word in name.lower() for word in _WORDS)


def _same(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Tell whether two lists are of the same places."""
    if len(one) != len(other) or any(isinstance(v, str) for v in (*one, *other)):
        return list(one) == list(other)
    return bool(np.allclose(one, other, rtol=0, atol=_NEAR, equal_nan=True))


def _short(values: Sequence[Any]) -> str:
    """Return the first values."""
    return ", ".join(f"{v:.6g}" if isinstance(v, float) else repr(v) for v in values[:3])
