"""Words of a figure: what is drawn, in which units, of which place and time."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import xarray as xr

from xsm.data.naming import ROLES

__all__ = ["axis_label", "describe", "pretty_units", "role_label", "title_of"]


_RAISED = str.maketrans("0123456789-+", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺")
_SPELLINGS = {
    **dict.fromkeys(("degrees_north", "degree_north", "degrees_N"), "°N"),
    **dict.fromkeys(("degrees_east", "degree_east", "degrees_E"), "°E"),
    **dict.fromkeys(("degC", "celsius", "degree_Celsius", "degrees_Celsius"), "°C"),
    "degrees": "°",
    "percent": "%",
}


def pretty_units(units: str) -> str:
    """Return units, in the spelling of CF or of pint, with raised exponents.

    >>> pretty_units("m3 m-3"), pretty_units("m**3 m**-3"), pretty_units("degrees_north")
    ('m³ m⁻³', 'm³ m⁻³', '°N')
    """
    text = str(units).strip()
    if text in _SPELLINGS:
        return _SPELLINGS[text]
    raised = re.sub(r"(?:\*\*|\^)([-+]?\d+)", lambda m: m[1].translate(_RAISED), text)
    return re.sub(r"(?<=[A-Za-z%)])([-+]?\d+)", lambda m: m[1].translate(_RAISED), raised)


def describe(words: str, units: object) -> str:
    """Return the text of an axis: words, and the units in brackets, where there are some."""
    shown = "" if units is None else pretty_units(str(units))
    return f"{words} [{shown}]" if shown else words


def axis_label(array: xr.DataArray) -> str:
    """Return what an array is: ``long_name``, ``standard_name`` or the name, and its ``units``."""
    attrs = array.attrs
    name = "" if array.name is None else str(array.name)
    standard = str(attrs.get("standard_name", "")).replace("_", " ")
    words = str(attrs.get("long_name") or standard or name.replace("_", " "))
    return describe(words, attrs.get("units"))


def role_label(role: str, units: str | None = None) -> str:
    """Return what a role (or a variable without one) is, in its canonical or in other units."""
    if role not in ROLES:
        return describe(role, units)
    return describe(role.replace("_", " "), units or ROLES[role].units)


def title_of(coordinate: xr.DataArray) -> str:
    """Return the title of the panel at one value of a coordinate: dates as short as they are exact.

    >>> title_of(xr.DataArray(0.07, name="depth", attrs={"units": "m"}))
    'depth = 0.07 m'
    >>> title_of(xr.DataArray(np.datetime64("2020-03-01", "ns"), name="time"))
    'time = 2020-03-01'
    """
    units = coordinate.attrs.get("units", "")
    shown = f" {pretty_units(units)}" if units and units != "1" else ""
    return f"{coordinate.name} = {_value(coordinate.values[()])}{shown}"


def _value(value: Any) -> str:
    """Return a value as short text."""
    if isinstance(value, np.datetime64):
        text = np.datetime_as_string(value, unit="m")
        return str(text.removesuffix("T00:00")).replace("T", " ")
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    return str(value)
