"""Which variable of a data set is what, in canonical units and signs."""

from __future__ import annotations

from xsm.data.naming.amounts import Accumulation, accumulation_of, since_00
from xsm.data.naming.find import find_variables
from xsm.data.naming.matching import roles_of
from xsm.data.naming.products import PRODUCTS, Product, products_of, stated
from xsm.data.naming.roles import METEOROLOGY, ROLES, STATIC, Role
from xsm.data.naming.table import VariableTable
from xsm.data.naming.variable import Variable

__all__ = [
    "METEOROLOGY",
    "PRODUCTS",
    "ROLES",
    "STATIC",
    "Accumulation",
    "Product",
    "Role",
    "Variable",
    "VariableTable",
    "accumulation_of",
    "find_variables",
    "products_of",
    "roles_of",
    "since_00",
    "stated",
]
