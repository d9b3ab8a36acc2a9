"""Regression trees as plain arrays: checked before they are walked, evaluated by one kernel."""

from xsm.trees.boosted import Boosted, read_boosted
from xsm.trees.nodes import Trees, one_tree
from xsm.trees.ubjson import read_ubjson

__all__ = ["Boosted", "Trees", "one_tree", "read_boosted", "read_ubjson"]
