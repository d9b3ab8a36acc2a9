"""The units of a variable: as its file states them, as its product has them, or what to type."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xsm.data.naming.products import PRODUCTS
from xsm.data.naming.roles import Role
from xsm.data.units import conversion
from xsm.exceptions import UnitsError
from xsm.typing import FloatArray

__all__ = ["contradicted", "own_units", "without_units"]


_EXAMPLES = {
    "mm day-1": ("mm day-1", "m", "kg m-2 s-1"),
    "mm": ("mm", "m", "kg m-2", "cm"),
    "m3 m-3": ("m3 m-3", "%", "kg m-2"),
    "K": ("K", "degC"),
    "Pa": ("Pa", "hPa", "kPa"),
    "W m-2": ("W m-2", "J m-2"),
    "kg kg-1": ("kg kg-1", "g kg-1"),
    "1": ("1", "%"),
    "%": ("%", "1", "g kg-1"),
    "m-1": ("m-1", "cm-1"),
    "m day-1": ("m day-1", "cm day-1", "m s-1"),
}
"""Units that files have, by canonical unit."""


def own_units(
    ds: xr.Dataset, products: tuple[str, ...], role: Role, name: str
) -> tuple[str, str] | None:
    """Return the units that files of a product have, and its title, where they may be taken.

    That is where the user states the product, or its files are known to leave units out.
    """
    for key in products:
        product = PRODUCTS[key]
        units = product.units_for(role.name, name)
        if units is not None and (product.unstated or ds.attrs.get("product") == key):
            return units, product.title
    return None


def without_units(ds: xr.Dataset, products: tuple[str, ...], role: Role, name: str) -> str:
    """Say that units are missing, and what to type: never xsm's own unit as that of the file."""
    by_name = role.products(name) if name != role.name else ()
    for key in dict.fromkeys([*products, *by_name]):
        product = PRODUCTS.get(key)
        units = None if product is None else product.units_for(role.name, name)
        if product is not None and units is not None:
            return (
                f"{name!r} has no units. Files of {product.title} have {units!r}; if that is still "
                f'so, type ds["{name}"].attrs["units"] = "{units}".'
            )
    shown = ", ".join(f'"{units}"' for units in _EXAMPLES.get(role.units, (role.units,)))
    return (
        f"{name!r} has no units. Look up what its values are in, and type it, "
        f'ds["{name}"].attrs["units"] = "...", for example {shown}.'
    )


def contradicted(
    values: FloatArray, products: tuple[str, ...], role: Role, name: str, units: str
) -> str:
    """Say that the file of a product that leaves units out states others than its values have.

    ``values`` are a sample, in the units of the data. Nothing where the stated ones may be right.
    """
    values = values[np.isfinite(values)]
    for product in (PRODUCTS[key] for key in products if values.size and role.usual is not None):
        own = product.units_for(role.name, name)
        if (
            own is not None
            and product.unstated
            and not _usual(values, units, role)
            and _usual(values, own, role)
        ):
            return (
                f"{name!r} is stated in {units!r}, files of {product.title} have {own!r}, and the "
                f"values, {values.min():.4g} to {values.max():.4g}, are what is usual in {own!r}. "
                f'Type ds["{name}"].attrs["units"] = "{own}"; or, where {units!r} is right, '
                f'variables={{"{role.name}": "{name}"}}.'
            )
    return ""


def _usual(values: FloatArray, units: str, role: Role) -> bool:
    """Tell whether the mean size of values is one that a record has, in some units."""
    try:
        change = conversion(units, role.units, water=role.water, step_days=1.0)
    except UnitsError:
        return True
    low, high = role.usual or (-np.inf, np.inf)
    return bool(low <= abs(change.factor * values + change.offset).mean() <= high)
