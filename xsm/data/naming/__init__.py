"""Which variable of a data set is what, in canonical units and signs."""

from __future__ import annotations

from xsm.naming.amounts import Accumulation, accumulation_of
from xsm.naming.find import find_variables
from xsm.naming.matching import roles_of
from xsm.naming.roles import METEOROLOGY, ROLES, STATIC, Role
from xsm.naming.table import Variable, VariableTable

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
