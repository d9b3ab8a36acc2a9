"""Which variable of a data set is what, in canonical units and signs.

``xsm.variables(ds)`` is the verb of the accessor too: Python binds a subpackage to its name in the
parent once it is imported, so this package can be called.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType

import xarray as xr

from xsm.variables.amounts import Accumulation, accumulation_of
from xsm.variables.find import find_variables
from xsm.variables.matching import roles_of
from xsm.variables.roles import METEOROLOGY, ROLES, STATIC, Role
from xsm.variables.table import Variable, VariableTable

__all__ = [
    "METEOROLOGY",
    "ROLES",
    "STATIC",
    "Accumulation",
    "Role",
    "Variable",
    "VariableTable",
    "accumulation_of",
    "find_variables",
    "roles_of",
]


class _Verb(ModuleType):
    """The package as a function: the verb of the same name."""

    def __call__(self, ds: xr.Dataset, overrides: Mapping[str, str] | None = None) -> VariableTable:
        """Return the table of variables; see :func:`xsm.api.variables`."""
        return find_variables(ds, overrides)


sys.modules[__name__].__class__ = _Verb
