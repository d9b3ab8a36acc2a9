"""Units under another name: files that call their attribute ``Units``, or ``UNITS``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from xsm.data.spelling import parse
from xsm.exceptions import UnitsError

__all__ = ["other_units", "two_units", "undecoded", "with_units"]


_SINCE = " since "  # units of time that was not decoded


def other_units(attrs: Mapping[Any, Any]) -> str | None:
    """Return the name of the attribute that is ``Units`` or ``unit``, where there is one."""
    found = [str(k) for k in attrs if str(k).lower() in {"units", "unit"} and k != "units"]
    return found[0] if found else None


def with_units(ds: xr.Dataset) -> xr.Dataset:
    """Return data whose units are called so; the data themselves where they are already.

    Those of time that was not decoded stay under their name, since xarray has not read them.
    """
    named = {
        name: str(variable.attrs[key])
        for name, variable in ds.variables.items()
        if "units" not in variable.attrs and (key := other_units(variable.attrs))
    }
    named = {name: units for name, units in named.items() if _SINCE not in units}
    if not named:
        return ds
    found = ds.copy(deep=False)
    for name, units in named.items():
        found[name].attrs = {**found[name].attrs, "units": units}
    return found


def two_units(name: str, attrs: Mapping[Any, Any]) -> str:
    """Say that a variable states two units that differ; nothing where it does not."""
    key = other_units(attrs)
    if key is None or "units" not in attrs or _same(str(attrs["units"]), str(attrs[key])):
        return ""
    return (
        f"{name!r} states units={attrs['units']!r} and {key}={attrs[key]!r}, which differ. "
        f'Take out what is wrong: del ds["{name}"].attrs["{key}"], or ds["{name}"].attrs["units"] '
        f"= {str(attrs[key])!r}."
    )


def _same(one: str, other: str) -> bool:
    """Tell whether two texts mean the same units."""
    if one.strip() == other.strip():
        return True
    try:
        return bool(parse(one) == parse(other))
    except UnitsError:
        return False


def undecoded(data: xr.Dataset | xr.DataArray) -> str:
    """Return what to type where a coordinate holds times that were not decoded; else nothing."""
    for name, variable in data.coords.items():
        keys = [k for k, v in variable.attrs.items() if str(k).lower() == "units"]
        said = sorted((str(k) for k in keys if _SINCE in str(variable.attrs[k])), key=str.islower)
        if said and said[0] != "units":
            at = f'ds["{name}"].attrs'
            return f'{at}["units"] = {at}["{said[0]}"]; ds = xr.decode_cf(ds)'
        if said:
            return "ds = xr.decode_cf(ds)"
    return ""
