"""A reader of Universal Binary JSON that expects the worst: lengths that lie, endless nesting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from xsm.exceptions import ArtefactError

__all__ = ["read_ubjson"]


_NUMBERS = {"i": "i1", "U": "u1", "I": ">i2", "l": ">i4", "L": ">i8", "d": ">f4", "D": ">f8"}
_CONSTANTS = {"Z": None, "T": True, "F": False}
_DEEPEST = 32


def read_ubjson(content: bytes) -> Any:
    r"""Return the value of a document in Universal Binary JSON (draft 12), whoever wrote it.

    dict, list, str, int, float, bool, None; arrays of one numeric type are ndarrays, views of the
    content as far as they can (https://ubjson.org: markers, and containers with ``$`` type and
    ``#`` count). An ArtefactError if it is none, is cut off, goes on after its end, or has a key
    twice. What is read takes no more memory than some times the document.
    """
    reader = _Reader(content)
    try:
        found = reader.value(reader.marker(), 0)
        if reader.at != len(content):
            reader.refuse("something follows its end")
    except (UnicodeDecodeError, OverflowError) as error:
        msg = f"The stored UBJSON is damaged ({error}): take another copy."
        raise ArtefactError(msg) from error
    return found


class _Reader:
    """A place in a document."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0
        self._containers: dict[str, Callable[[int], Any]] = {"[": self.array, "{": self.object}

    def refuse(self, what: str) -> None:
        """Say where the document is wrong."""
        msg = f"The stored UBJSON is damaged at byte {self.at}: {what}. Take another copy."
        raise ArtefactError(msg)

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        if not 0 <= count <= len(self.content) - self.at:
            self.refuse(f"{count} bytes are announced, {len(self.content) - self.at} follow")
        self.at += count
        return self.content[self.at - count : self.at]

    def marker(self) -> str:
        """Return the next type, behind any fillers."""
        found = "N"
        while found == "N":
            found = self.take(1).decode("latin-1")
        return found

    def number(self, marker: str) -> Any:
        """Return a number of a type."""
        dtype = np.dtype(_NUMBERS[marker])
        return np.frombuffer(self.take(dtype.itemsize), dtype)[0].item()

    def length(self) -> int:
        """Return a length: a whole number, not negative."""
        marker = self.marker()
        found = self.number(marker) if marker in "iUIlL" else -1
        if found < 0:
            self.refuse("a length is needed")
        return int(found)

    def text(self) -> str:
        """Return a text."""
        return self.take(self.length()).decode("utf-8")

    def value(self, marker: str, depth: int) -> Any:
        """Return the value of a type."""
        if depth > _DEEPEST:
            self.refuse(f"it is nested deeper than {_DEEPEST}")
        if marker in _NUMBERS:
            return self.number(marker)
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker == "S":
            return self.text()
        if marker == "C":
            return self.take(1).decode("ascii")
        if marker not in self._containers:
            self.refuse(f"{marker!r} is no type")
        return self._containers[marker](depth + 1)

    def head(self) -> tuple[str | None, int | None]:
        """Return the type of all elements and their number, where a container announces them."""
        kind = None
        if self.content[self.at : self.at + 1] == b"$":
            self.take(1)
            kind = self.marker()
        if self.content[self.at : self.at + 1] == b"#":
            self.take(1)
            return kind, self.length()
        if kind is not None:
            self.refuse("a container announces a type without a number")
        return None, None

    def array(self, depth: int) -> Any:
        """Return an array."""
        kind, count = self.head()
        if kind in _NUMBERS and count is not None:
            dtype = np.dtype(_NUMBERS[kind])
            values = np.frombuffer(self.take(count * dtype.itemsize), dtype)
            return values.astype(dtype.newbyteorder("="), copy=False)
        if kind in _CONSTANTS:
            self.refuse("an array of constants takes no bytes for each")
        found: list[Any] = []
        while count is None or len(found) < count:
            marker = self.marker() if kind is None else kind
            if count is None and marker == "]":
                break
            found.append(self.value(marker, depth))
        return found

    def object(self, depth: int) -> dict[str, Any]:
        """Return an object."""
        kind, count = self.head()
        found: dict[str, Any] = {}
        while count is None or len(found) < count:
            if count is None and self.content[self.at : self.at + 1] == b"}":
                self.take(1)
                break
            key = self.text()
            if key in found:
                self.refuse(f"the key {key!r:.50} stands twice")
            found[key] = self.value(self.marker() if kind is None else kind, depth)
        return found
