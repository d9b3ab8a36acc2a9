"""Which variable of a data set is what, in canonical units and signs."""

from __future__ import annotations

from xsm.variables.find import find_variables
from xsm.variables.roles import METEOROLOGY, ROLES, STATIC, Role
from xsm.variables.table import Variable, VariableTable

__all__ = [
    "METEOROLOGY",
    "ROLES",
    "STATIC",
    "Role",
    "Variable",
    "VariableTable",
    "find_variables",
]
