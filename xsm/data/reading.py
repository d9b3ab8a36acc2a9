"""A data set whose variables are known: found once, and carried with it to all that works on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import xarray as xr

from xsm.data.grid import time_dim
from xsm.data.naming import ROLES, Variable, VariableTable, find_variables, stated
from xsm.data.units import dequantify, quantify

__all__ = ["Reading", "read"]


@dataclass(frozen=True, eq=False, repr=False)
class Reading:
    """A data set, lazy or not, and which of its variables is what.

    ``ds`` holds no pint quantities, ``quantified`` tells whether the user's did; ``stated`` are the
    roles whose variables he named. Nothing is computed.
    """

    ds: xr.Dataset
    table: VariableTable
    stated: Mapping[str, str]
    quantified: bool = False

    @cached_property
    def time(self) -> str:
        """The dimension of time."""
        return time_dim(self.ds)

    def __contains__(self, role: object) -> bool:
        """Tell whether a role was found, see :class:`VariableTable`."""
        return role in self.table

    def array(self, key: str | Variable) -> xr.DataArray:
        """Return a variable in canonical unit and sign, see :meth:`VariableTable.array`."""
        return self.table.array(self.ds, key)

    def lookup(self, name: str) -> Variable:
        """Return a variable by its role or its name, see :meth:`VariableTable.lookup`."""
        return self.table.lookup(name)

    def layers(self, role: str = "soil_moisture") -> tuple[Variable, ...]:
        """Return the layers of a role from the top down, see :meth:`VariableTable.layers`."""
        return self.table.layers(role)

    def require(self, *roles: str) -> None:
        """Raise one error with all that is missing or wrong, see :meth:`VariableTable.require`."""
        self.table.require(*roles)

    def units(self, name: str) -> str:
        """Return the units that :meth:`array` gives a role or a variable."""
        found = self.lookup(name)
        return ROLES[found.role].units if found.role in ROLES else found.units

    def part(self, ds: xr.Dataset) -> Reading:
        """Return the reading of a part of the data, or of the same variables changed."""
        return replace(self, ds=ds)

    def given_back(self, result: xr.Dataset) -> xr.Dataset:
        """Return a result with units of pint where the user's data have them."""
        return quantify(result) if self.quantified else result


def read(
    ds: xr.Dataset, variables: Mapping[str, str] | None = None, product: str | None = None
) -> Reading:
    """Find the variables of a data set.

    ``variables`` are roles whose variable is stated, ``product`` is the product that it is of.
    """
    plain, quantified = dequantify(stated(ds, product))
    return Reading(plain, find_variables(plain, variables), dict(variables or {}), quantified)
