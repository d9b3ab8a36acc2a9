"""Python and numpy values as JSON and back, exactly, and without code."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from xsm.exceptions import ArtefactError, warn_outside

__all__ = ["canonical", "parse", "plain", "readable", "restore"]


_TAG = "__type__"
_KINDS = "biufUmM"  # of numpy values that JSON holds exactly


def canonical(value: Any) -> bytes:
    """Return the one text of a JSON value: sorted keys, no blanks, ASCII.

    >>> canonical({"b": 1, "a": [1.0, True]})
    b'{"a":[1.0,true],"b":1}'
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")


def readable(value: Any) -> bytes:
    """Return a JSON value as text for people, in the order it has; :func:`parse` reads it."""
    return json.dumps(value, indent=1, allow_nan=False).encode("ascii")


def parse(text: bytes, where: str) -> Any:
    """Read JSON (UTF-8) that may be damaged or made to harm; ``where`` names it in the error.

    An ArtefactError if it is no JSON, has a key twice, or numbers that JSON does not know.
    """
    try:
        return json.loads(
            text.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:
        msg = f"{where} is no readable JSON ({error}): the artefact is damaged, or none of xsm."
        raise ArtefactError(msg) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's members, each once."""
    found = dict(pairs)
    if len(found) < len(pairs):
        msg = "a key stands twice"
        raise ValueError(msg)
    return found


def _no_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which are no JSON."""
    msg = f"{name} is no number of JSON"
    raise ValueError(msg)


def plain(value: Any, where: str, *, exact: bool = False) -> Any:
    """Return a value as JSON, with tags where JSON has no such type; :func:`restore` gives it back.

    None, numbers, text, sequences, mappings, numpy scalars and arrays, in any nesting. What JSON
    cannot hold becomes text, with a warning; with ``exact`` it is refused by an ArtefactError.
    """
    if isinstance(value, np.generic | np.ndarray) and value.dtype.kind in _KINDS:
        return _plain_array(np.asarray(value), where, exact=exact)
    if value is None or type(value) in {bool, int, str}:
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {_TAG: "float", "value": repr(value)}
    if type(value) in {list, tuple}:
        items = [plain(item, where, exact=exact) for item in value]
        return items if type(value) is list else {_TAG: "tuple", "value": items}
    if isinstance(value, Mapping):
        return _plain_mapping(value, where, exact=exact)
    return _as_text(value, where, exact=exact)


def _plain_array(array: np.ndarray[Any, Any], where: str, *, exact: bool) -> dict[str, Any]:
    """Return a numpy array or scalar as a tagged list of its values."""
    time = array.dtype.kind in "mM"
    dtype = "str" if array.dtype.kind == "U" else array.dtype.name
    flat = (array.view(np.int64) if time else array).ravel().tolist()
    values = [plain(v, where, exact=exact) for v in flat]
    return {_TAG: "numpy", "dtype": dtype, "shape": list(array.shape), "value": values}


def _plain_mapping(value: Mapping[Any, Any], where: str, *, exact: bool) -> dict[str, Any]:
    """Return a mapping as an object, or as tagged pairs where its keys are no plain text."""
    pairs = [[plain(k, where, exact=exact), plain(v, where, exact=exact)] for k, v in value.items()]
    if all(type(k) is str for k in value) and _TAG not in value:
        return {k: v for k, v in pairs}  # noqa: C416  # pairs are lists
    return {_TAG: "dict", "value": pairs}


def _as_text(value: Any, where: str, *, exact: bool) -> str:
    """Return the text of a value that JSON cannot hold, with a warning, or refuse it."""
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if exact:
        msg = (
            f"{where} holds {value!r} ({kind}), which only a pickle could store, and artefacts "
            "hold no pickles. Use numbers, text, and lists, tuples or dicts of them."
        )
        raise ArtefactError(msg)
    warn_outside(f"{where} holds {value!r} ({kind}); it is stored as text.")
    return str(value)


def restore(value: Any) -> Any:
    """Return the value that :func:`plain` made JSON of.

    None, numbers, text, lists, tuples, dicts, numpy scalars and arrays; nothing else. An
    ArtefactError if a tag is unknown or its content does not fit.
    """
    if isinstance(value, list):
        return [restore(item) for item in value]
    if not isinstance(value, dict):
        return value
    if _TAG not in value:
        return {k: restore(v) for k, v in value.items()}
    try:
        return _TAGGED[value[_TAG]](value)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        shown = f"{value!r:.200}"
        msg = f"A stored value cannot be read: {shown} ({error!r}). The artefact is damaged."
        raise ArtefactError(msg) from error


def _restore_array(value: dict[str, Any]) -> Any:
    """Return a numpy array, or a scalar where it has no dimension."""
    name, items = value["dtype"], [restore(v) for v in value["value"]]
    if name == "str":
        array = np.array([_text(item) for item in items] or np.empty(0, "U1"))
    elif name.startswith(("datetime64", "timedelta64")):
        array = np.array(items, dtype=np.int64).view(name)
    else:
        array = np.array(items, dtype=_number(name))
    return array.reshape(value["shape"])[()]


def _number(name: str) -> np.dtype[Any]:
    """Return the dtype of a number by its name, and of nothing else."""
    dtype = np.dtype(name)
    if dtype.kind not in "biuf" or dtype.name != name:
        msg = f"{name} is no number"
        raise TypeError(msg)
    return dtype


def _text(item: Any) -> str:
    """Return a text and refuse all else."""
    if not isinstance(item, str):
        msg = f"{item!r} is no text"
        raise TypeError(msg)
    return item


_FLOATS = {repr(v): v for v in (math.inf, -math.inf, math.nan)}
_TAGGED = {
    "float": lambda value: _FLOATS[value["value"]],
    "tuple": lambda value: tuple(restore(v) for v in value["value"]),
    "dict": lambda value: {restore(k): restore(v) for k, v in value["value"]},
    "numpy": _restore_array,
}
