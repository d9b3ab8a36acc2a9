"""A column in other units than it says: which units would make its values plausible."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

from xsm.data.naming.roles import Role
from xsm.data.units import Conversion, conversion
from xsm.exceptions import UnitsError
from xsm.typing import FloatArray

__all__ = ["impossible_mean", "other_units", "says_saturation", "too_small"]


_UNITS = (
    *("degC", "K", "degF", "hPa", "kPa", "Pa", "%", "1", "g kg-1", "kg kg-1", "m", "mm", "cm"),
    *("mm day-1", "kg m-2 s-1", "m day-1", "mm h-1", "W m-2", "MJ m-2 day-1", "J m-2", "MJ m-2"),
    *("g cm-3", "kg m-3", "cg cm-3", "m3 m-3"),
)
"""Units that columns are in, best first."""

_LEAST = {
    "relative_humidity": 0.0105,
    "soil_moisture": 0.0105,
    "satellite_soil_moisture": 0.0105,
    "specific_humidity": 2.5e-5,
    "theta_s": 0.0105,
    "sand": 1.005,
    "silt": 1.005,
    "clay": 1.005,
}
"""Greatest values, canonical units, up to which a column may be a hundredth of itself, or less."""

_WETTEST = {"precipitation": 300.0, "rainfall": 300.0, "surface_runoff": 300.0, "runoff": 300.0}
"""Means in mm day-1 that no record reaches."""
_WETTEST_YEAR = 80.0  # the same of a year: 26.5 m fell at Cherrapunji from August 1860 on
_FEWEST = 30  # values that a mean is judged by
_FIT = 0.98  # share of the values that have to lie in the range
_RAIN = 0.3  # mm day-1 that no day exceeds where m are labelled mm
_SHOWER = 0.05, 0.08  # at least that share of values above that share of the largest
_DAYS = 60  # that a record lasts, at least
_DRY, _YEAR = 0.03, 300  # the same of evaporation
_SATURATION = ("saturation", "wetness", "saturated", "relative soil moisture")


def other_units(values: FloatArray, given: str, role: Role, change: Conversion) -> str | None:
    """Return the units that make most values lie in the role's range, and their mean usual."""
    for units, canonical in _tried(values, given, role, change):
        low, high = role.range or (-np.inf, np.inf)
        usual = role.usual or (low, high)
        inside = ((canonical >= low) & (canonical <= high)).mean() >= _FIT
        if inside and usual[0] <= canonical.mean() <= usual[1]:
            return units
    return None


def _tried(
    values: FloatArray, given: str, role: Role, change: Conversion
) -> Iterator[tuple[str, FloatArray]]:
    """Yield other units of the same kind with the canonical values that they would give."""
    for units in _UNITS:
        try:
            told = conversion(units, given, water=role.water)
        except UnitsError:
            continue
        if told.identity or (told.offset == 0 and abs(told.factor - 1) < 1e-9):
            continue
        both = told.then(change)
        yield units, both.factor * values + both.offset


def too_small(canonical: FloatArray, role: Role, days: float) -> bool:
    """Tell whether values in range are so small that they may be fractions or metres."""
    largest = float(canonical.max())
    if role.name in _LEAST:
        return 0 < largest <= _LEAST[role.name]
    if role.name == "evaporation":  # a year: polar winters have as little
        return 0 < largest < _DRY and days >= _YEAR
    if role.name not in {"precipitation", "rainfall"}:
        return False
    share, often = _SHOWER
    frequent = (canonical > share * largest).mean() >= often
    return 0 < largest < _RAIN and bool(frequent) and days >= _DAYS


def impossible_mean(canonical: FloatArray, role: Role, days: float) -> bool:
    """Tell whether the mean of a record of some days is one that nowhere on earth has."""
    most = _WETTEST.get(role.name, np.inf)
    if days >= _YEAR:
        most = min(most, _WETTEST_YEAR if role.name in _WETTEST else np.inf)
    return canonical.size >= _FEWEST and float(canonical.mean()) > most


def says_saturation(array: xr.DataArray) -> bool:
    """Tell whether the words of a variable call it a degree of saturation."""
    words = " ".join(
        str(array.attrs.get(key, "")) for key in ("long_name", "comment", "description")
    )
    return any(word in words.lower() for word in _SATURATION)
