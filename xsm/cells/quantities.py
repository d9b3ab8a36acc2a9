"""Stores and fluxes beside a target, under the names and units of the user's data."""

from __future__ import annotations

from collections.abc import Collection

import xarray as xr

from xsm.data.naming import ROLES, Role
from xsm.data.reading import Reading
from xsm.data.units import conversion
from xsm.exceptions import UnitsError

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
    attrs, known = dict(array.attrs), role.output
    if held is not None and isinstance(held.name, str) and held.dim is None:
        own, attrs["units"] = held.name, held.units
        known = _standard_name(reading.ds[own], role)
        convert, factor = held.conversion.inverse(), abs(held.conversion.factor)
        array = array / factor if spread else convert(array)
    if spread:
        attrs["long_name"] = f"standard deviation of {own} over members"
        return array.rename(f"{own}{_SPREAD}").assign_attrs(attrs)
    attrs |= {"standard_name": known} if known else {}
    attrs |= {"comment": _LEVEL} if role.name.endswith("_storage") else {}
    attrs |= {"ancillary_variables": f"{own}{_SPREAD}"} if f"{name}{_SPREAD}" in beside else {}
    return array.rename(own).assign_attrs(attrs)


def _standard_name(array: xr.DataArray, role: Role) -> str:
    """Return the standard name of a role as the user's data hold it; none where CF has none."""
    own = str(array.attrs.get("standard_name", "unknown"))
    if own != "unknown" or not role.flux:
        return own if own != "unknown" else role.output
    try:
        conversion(str(array.attrs.get("units", role.units)), role.units, water=role.water)
    except UnitsError:  # an amount has another name than a rate
        return next((n for n in role.standard_names if n.startswith("lwe_thickness_of")), "")
    return role.output
