"""Stored facts as the dataclasses that they describe, each of the type that the class states."""

from __future__ import annotations

from dataclasses import MISSING, fields
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from xsm.exceptions import ArtefactError

__all__ = ["build_record", "check_mapping"]


_T = TypeVar("_T")


def check_mapping(value: Any, where: str) -> dict[str, Any]:
    """Return a mapping with names as keys, and refuse all else; ``where`` is what it should be."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        msg = f"{where} is {value!r:.100}, names and values are needed. Take another copy."
        raise ArtefactError(msg)
    return value


def build_record(record: type[_T], facts: Any) -> _T:
    """Return a dataclass of stored facts, each of which has the type that the class states.

    An ArtefactError if a fact is missing, unknown or of another type.
    """
    hints = get_type_hints(record)
    own = {field.name: field for field in fields(record)}  # type: ignore[arg-type]
    given = check_mapping(facts, record.__name__)
    wrong = [name for name, value in given.items() if not _is(value, hints.get(name, NoneType))]
    missing = [
        name
        for name, field in own.items()
        if name not in given and field.default is MISSING and field.default_factory is MISSING
    ]
    if wrong or missing:
        msg = (
            f"The stored {record.__name__} lacks {missing} and has {wrong!r:.200} that are unknown "
            "or of another type. It was changed, or written by another version of xsm."
        )
        raise ArtefactError(msg)
    return record(**given)


def _is(value: Any, hint: Any) -> bool:
    """Tell whether a value has the type of an annotation; True is no number."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return value in args
    if origin in {Union, UnionType}:
        return any(_is(value, arg) for arg in args)
    if origin is tuple:
        wanted = (
            args[:1] * len(value) if args[-1] is Ellipsis and isinstance(value, tuple) else args
        )
        same = isinstance(value, tuple) and len(value) == len(wanted)
        return same and all(map(_is, value, wanted))
    if origin is not None:  # Mapping[str, str]
        return isinstance(value, dict) and all(
            _is(k, args[0]) and _is(v, args[1]) for k, v in value.items()
        )
    return type(value) in {int, float} if hint is float else type(value) is hint
