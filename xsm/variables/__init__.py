"""Which variable of a data set is what, in canonical units and signs."""

from __future__ import annotations

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
