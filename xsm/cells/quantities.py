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
    role = own if spread else name
    if role not in ROLES or array.attrs.get("units") != ROLES[role].units:
        return array.rename(name)
    attrs = dict(array.attrs)
    if ROLES[role].output and not spread:
        attrs["standard_name"] = ROLES[role].output
    if f"{own}{_SPREAD}" in beside and not spread:
        attrs["ancillary_variables"] = f"{own}{_SPREAD}"
    if role.endswith("_storage") and not spread:
        attrs["comment"] = _LEVEL
    given = array
    if role in reading.table.roles:
        found = reading.lookup(role)
        if isinstance(found.name, str) and found.dim is None:
            name = f"{found.name}{_SPREAD}" if spread else found.name
            factor = abs(found.conversion.factor)
            given = array / factor if spread else found.conversion.inverse()(array)
            attrs["units"] = found.units
    if spread:
        attrs["long_name"] = f"standard deviation of {own} over members"
    elif "ancillary_variables" in attrs:
        attrs["ancillary_variables"] = f"{name}{_SPREAD}"
    given = given.rename(name)
    given.attrs = attrs
    return given
