"""What a text of units means, in the spelling of CF, GRIB or a product.

pint reads the units, by the registry of pint-xarray, imported on first use.
"""

from __future__ import annotations

import re
from typing import Any

from xsm.exceptions import UnitsError

__all__ = ["by_day", "cancelled", "parse", "per_month", "unit_registry"]


_SPELLINGS = {
    "": "dimensionless",
    "-": "dimensionless",
    "~": "dimensionless",
    "0 - 1": "dimensionless",
    "0-1": "dimensionless",
    "1": "dimensionless",
    "fraction": "dimensionless",
    "frac": "dimensionless",
    "none": "dimensionless",
    "proportion": "dimensionless",
    "unitless": "dimensionless",
    "v/v": "dimensionless",
    "vol/vol": "dimensionless",
    "m-3 m-3": "dimensionless",  # as the files of MERRA-2 spell m3 m-3
    "pct": "percent",
    "% vol": "percent",
    "vol%": "percent",
    "vol.%": "percent",
    "c": "degC",
    "deg c": "degC",
    "degc": "degC",
    "deg_c": "degC",
    "celsius": "degC",
    "degrees celsius": "degC",
    "degrees_celsius": "degC",
    "degree_c": "degC",
    "degf": "degF",
    "deg f": "degF",
    "degrees_fahrenheit": "degF",
    "kelvin": "kelvin",  # pint knows it in lower case only
    "mb": "millibar",
}
"""Spellings that pint does not read, or reads as something else (C is its coulomb)."""

_REWRITES = (
    (re.compile(r"\s*(of\s+)?\b(liquid\s+)?water(\s*[- ]?equivalent)?\b", re.IGNORECASE), ""),
    (re.compile(r"\s*\b(H2O|w\.\s?e\.?|swe|lwe)(?=\s|$)", re.IGNORECASE), ""),
    (re.compile(r"(?<=[A-Za-z0-9])\.(?=[A-Za-z])"), " "),  # the dot of UDUNITS: kg.m-2
    (re.compile(r"([A-Za-z]+)([+-]?\d+)"), r"\1**\2"),  # the exponents of CF: m-2
    (re.compile(r"\b(mon|mth)\b"), "month"),
)


def unit_registry() -> Any:
    """Return the registry of pint-xarray.

    Returns
    -------
    pint.UnitRegistry
        Imported on first use.

    Examples
    --------
    >>> str(unit_registry()("1 m").to("cm"))
    '100.0 centimeter'
    """
    import pint_xarray

    return pint_xarray.unit_registry


def parse(text: str) -> Any:
    """Return the unit that a text means.

    Parameters
    ----------
    text : str
        Units in any spelling.

    Returns
    -------
    pint.Unit
        Of pint-xarray's registry.

    Raises
    ------
    UnitsError
        If the text cannot be read.

    Examples
    --------
    >>> str(parse("kg.m-2")), str(parse("vol%"))
    ('kilogram / meter ** 2', 'percent')
    """
    try:
        return unit_registry().parse_units(_plain(text))
    except Exception as error:  # pint's parser raises errors of many classes
        msg = (
            f"The units {text!r} cannot be read. Units that pint or CF know are needed: "
            'correct the attribute, for example ds["tp"].attrs["units"] = "mm day-1".'
        )
        raise UnitsError(msg) from error


def per_month(unit: Any) -> int:
    """Return the power of months in a unit of pint: -1 of mm month-1."""
    return int(unit._units.get("month", 0))


def by_day(unit: Any) -> Any:
    """Return a unit of pint with days in the place of months, which are not all as long."""
    registry = unit_registry()
    return unit * (registry.day / registry.month) ** per_month(unit)


def cancelled(text: str) -> str:
    """Return the dimension that cancels in the units of a ratio.

    Parameters
    ----------
    text : str
        Units without a dimension that :func:`parse` reads.

    Returns
    -------
    str
        ``"mass"``, ``"length"`` (also of volumes), another one of pint, or empty where the text
        says none, as ``"1"`` and ``"%"``.

    Examples
    --------
    >>> cancelled("kg kg-1"), cancelled("m3 m-3"), cancelled("%")
    ('mass', 'length', '')
    """
    words = re.findall(r"(?<![\w.])[A-Za-z]+", _plain(text))
    kinds = [dict(unit_registry().parse_units(word).dimensionality) for word in words]
    return " ".join(sorted({kind.strip("[]") for found in kinds for kind in found}))


def _plain(text: str) -> str:
    """Return a text of units as pint spells them."""
    plain = text.strip().strip("()[]").strip()
    plain = _SPELLINGS.get(plain.lower(), plain)
    for pattern, by in _REWRITES:
        plain = pattern.sub(by, plain)
    return plain.strip()
