"""The model file of xgboost as trees: what is asked of it is read and checked, all else refused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from xsm.estimators.nodes import Trees, one_tree
from xsm.estimators.ubjson import read_ubjson
from xsm.exceptions import ArtefactError
from xsm.typing import Array, FloatArray

__all__ = ["Boosted", "read_boosted"]


@dataclass(frozen=True, eq=False)
class Boosted:
    """Boosted trees for some outputs: all in float32.

    ``trees`` are one column wide, ``output`` (tree,) is which output a tree adds to, ``base``
    (output,) what they are added to.
    """

    trees: Trees
    output: Array
    base: FloatArray

    def predict(self, inputs: FloatArray) -> FloatArray:
        """Return the outputs (sample, output) of finite inputs (sample, feature), float32.

        Base and trees are added up in their order: bit for bit what xgboost returns.
        """
        return self.trees.total(inputs, output=self.output, start=self.base)


def read_boosted(content: bytes, *, features: int) -> Boosted:
    """Read what ``xgboost.Booster.save_raw("ubj")`` returned, without xgboost, and check its trees.

    A regression by trees (``gbtree``, ``reg:squarederror``) on numbers (Introduction to Model IO,
    https://xgboost.readthedocs.io: the JSON schema of models). A sample goes left where ``x <
    threshold`` in float32, that is ``x <= t`` with ``t`` the next smaller float32. The leaf values
    are stored among the thresholds. An ArtefactError if it is damaged, no such model, or made for
    another number of inputs; or if a node, a child or an input does not exist, or a walk would not
    end.
    """
    learner = _get(read_ubjson(content), "learner", dict)
    param = _get(learner, "learner_model_param", dict)
    booster = _get(learner, "gradient_booster", dict)
    kinds = booster.get("name"), _get(learner, "objective", dict).get("name")
    if kinds != ("gbtree", "reg:squarederror"):
        _refuse(f"is of the kind {kinds!r:.80}, not a regression by trees")
    count, width = _whole(param, "num_feature"), max(_whole(param, "num_target"), 1)
    if count != features:
        _refuse(f"takes {count} inputs, {features} are given")
    base = _base(param, width)
    model = _get(booster, "model", dict)
    stored = _get(model, "trees", list)
    output = _numbers(model, "tree_info", len(stored), "iu")
    if not stored or output.min() < 0 or output.max() >= width:
        _refuse(f"has {len(stored)} trees for {width} outputs that are not numbered")
    trees = Trees.joined([_tree(tree) for tree in stored])
    trees.check(features=features)
    return Boosted(trees, output, base)


def _tree(stored: Any) -> Trees:
    """Return one tree."""
    left = _numbers(stored, "left_children", None, "iu")
    size = len(left)
    right = _numbers(stored, "right_children", size, "iu")
    feature = _numbers(stored, "split_indices", size, "iu")
    number = _numbers(stored, "split_conditions", size, "f").astype(np.float32)
    if _numbers(stored, "split_type", size, "iu").any():
        _refuse("splits by categories")
    below = np.nextafter(number, np.float32(-np.inf))
    return one_tree(left, right, feature, below, number[:, None])


def _base(param: dict[str, Any], width: int) -> FloatArray:
    """Return what trees are added to: one number, or one for each output, as text."""
    text = _get(param, "base_score", str)
    try:
        values = np.atleast_1d(np.asarray(json.loads(text), np.float64)).astype(np.float32)
    except (ValueError, TypeError, RecursionError) as error:
        msg = f"The stored model of xgboost has base_score={text!r:.50}, no number. {_TAKE}"
        raise ArtefactError(msg) from error
    if values.ndim != 1 or len(values) not in {1, width} or not np.isfinite(values).all():
        _refuse(f"has base_score={text!r:.50} for {width} outputs")
    return np.array(np.broadcast_to(values, width))


_TAKE = "It was changed, or is of a version that is not known: take another copy, or train again."


def _refuse(what: str) -> NoReturn:
    """Say that the model is none that can be read."""
    msg = f"The stored model of xgboost {what}. {_TAKE}"
    raise ArtefactError(msg)


def _get(found: Any, key: str, kind: type) -> Any:
    """Return a member of an object, of a type."""
    value = found.get(key) if isinstance(found, dict) else None
    if not isinstance(value, kind):
        _refuse(f"lacks {key!r}")
    return value


def _whole(param: dict[str, Any], key: str) -> int:
    """Return a whole number that is stored as text."""
    text = _get(param, key, str)
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        _refuse(f"has {key}={text!r:.50}, no number")
    return int(text)


def _numbers(found: Any, key: str, size: int | None, kinds: str) -> Array:
    """Return an array of a length and of numbers of a kind."""
    value: Any = found.get(key) if isinstance(found, dict) else None
    if isinstance(value, list) and all(type(v) in {int, float} for v in value):
        value = np.array(value) if value else np.empty(0, np.dtype(kinds[0]))
    good = isinstance(value, np.ndarray) and value.dtype.kind in kinds
    if not good or (size is not None and len(value) != size):
        _refuse(f"has no array {key!r} of {'some' if size is None else size} numbers")
    return value
