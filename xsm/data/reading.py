"""A data set whose variables are known: found once, and carried with it to all that works on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import xarray as xr

from xsm.data.grid import time_dim
from xsm.data.naming import ROLES, Variable, VariableTable, find_variables, stated
from xsm.data.naming.matching import check_overrides
from xsm.data.refused import check_names
from xsm.data.units import Conversion, dequantify, quantify

__all__ = ["Reading", "names_of_both", "read"]


@dataclass(frozen=True, eq=False, repr=False)
class Reading:
    """A data set, lazy or not, and which of its variables is what.

    ``ds`` holds no pint quantities, ``quantified`` tells whether the user's did; ``stated`` are the
    roles whose variables he named; ``doubted`` the variables whose values were looked at, and
    whether some were told to lie beyond their range. Nothing is computed.
    """

    ds: xr.Dataset
    table: VariableTable
    stated: Mapping[str, str]
    quantified: bool = False
    doubted: dict[Variable, bool] = field(default_factory=dict)

    @cached_property
    def time(self) -> str:
        """The dimension of time."""
        return time_dim(self.ds)

    def __contains__(self, role: object) -> bool:
        """Tell whether a role was found, see :class:`VariableTable`."""
        return role in self.table

    def array(self, key: str | Variable) -> xr.DataArray:
        """Return a variable in canonical unit and sign, see :meth:`VariableTable.array`."""
        found = self.table.array(self.ds, key)
        check_names(found)
        return found

    def scaled(self, key: str | Variable) -> tuple[xr.DataArray, float]:
        """Return a variable as it is held, and the number that it is multiplied by to be canonical.

        For compiled scans, which multiply as they read. 1 and :meth:`array` where units need more
        than a number.
        """
        variable = self.lookup(key) if isinstance(key, str) else key
        change = variable.conversion
        plain = variable.how != "derived" and not change.offset and not change.months
        if not plain or self.ds[variable.name].dtype.kind != "f":
            return self.array(key), 1.0
        found = self.array(replace(variable, conversion=Conversion()))
        return found.rename(key if isinstance(key, str) else found.name), change.factor

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
    ds: xr.Dataset,
    variables: Mapping[str, str] | None = None,
    product: str | None = None,
    *,
    remembered: Mapping[str, str] | None = None,
) -> Reading:
    """Find the variables of a data set.

    ``variables`` are roles whose variable is stated, ``product`` is the product that it is of. What
    is ``remembered`` of other data counts where these names are there, and nothing else is stated
    of role or name.
    """
    plain, quantified = dequantify(stated(ds, product))
    if remembered:
        said = check_overrides(plain, variables or {})
        there = {role: name for role, name in remembered.items() if name in plain.variables}
        variables = names_of_both(said, there)
    return Reading(plain, find_variables(plain, variables), dict(variables or {}), quantified)


def names_of_both(stated: Mapping[str, str], remembered: Mapping[str, str]) -> dict[str, str]:
    """Return roles with their variables: what is stated, and what else is remembered."""
    taken = set(stated.values())
    rest = {r: n for r, n in remembered.items() if r not in stated and n not in taken}
    return {**stated, **rest}
