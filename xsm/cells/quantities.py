"""Stores and fluxes beside a target, under the names and units of the user's data."""

from __future__ import annotations

from collections.abc import Collection

import xarray as xr

from xsm.data.naming import ROLES
from xsm.data.reading import Reading

__all__ = ["quantity_as_given"]


_SPREAD = "_std"
_LEVEL = "its level is not identified by what was observed: use its anomalies"


def quantity_as_given(
    name: str, array: xr.DataArray, beside: Collection[str], reading: Reading
) -> xr.DataArray:
    """Return an output as the data hold its role, named so; else canonical, named by its role.

    The spread of an output, which is ``beside`` it, follows it. What has no role stays as it is.
    """
    own = name.removesuffix(_SPREAD)
    spread = name != own and own in beside
    role = ROLES.get(own if spread else name)
    if role is None or array.attrs.get("units") != role.units:
        return array.rename(name)
    held = reading.lookup(role.name) if role.name in reading.table.roles else None
    attrs = dict(array.attrs)
    if held is not None and isinstance(held.name, str) and held.dim is None:
        own, attrs["units"] = held.name, held.units
        convert, factor = held.conversion.inverse(), abs(held.conversion.factor)
        array = array / factor if spread else convert(array)
    if spread:
        attrs["long_name"] = f"standard deviation of {own} over members"
        return array.rename(f"{own}{_SPREAD}").assign_attrs(attrs)
    attrs |= {"standard_name": role.output} if role.output else {}
    attrs |= {"comment": _LEVEL} if role.name.endswith("_storage") else {}
    attrs |= {"ancillary_variables": f"{own}{_SPREAD}"} if f"{name}{_SPREAD}" in beside else {}
    return array.rename(own).assign_attrs(attrs)
