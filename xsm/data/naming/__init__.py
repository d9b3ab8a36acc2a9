"""Which variable of a data set is what, in canonical units and signs."""

from __future__ import annotations

from xsm.data.naming.amounts import Accumulation, accumulation_of, since_00
from xsm.data.naming.find import find_variables, packed, still_packed
from xsm.data.naming.matching import roles_of
from xsm.data.naming.roles import METEOROLOGY, ROLES, STATIC, Role
from xsm.data.naming.table import VariableTable
from xsm.data.naming.variable import Variable

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
    "packed",
    "roles_of",
    "since_00",
    "still_packed",
]
