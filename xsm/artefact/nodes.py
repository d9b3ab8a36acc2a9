"""The part of Zarr v3 that an artefact is written in: nodes as JSON, one chunk for each array.

Arrays are not compressed, so that a file's size is its array's size: nothing is decoded, and
nothing can grow in memory. Whatever metadata say, it must be what this module would have written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

import numpy as np

from xsm.artefact.values import canonical
from xsm.exceptions import ArtefactError

__all__ = ["METADATA", "Declared", "array_node", "declared", "group_node", "node_name", "real_name"]


METADATA = "zarr.json"
_CORE = {
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
}
_TIMES = {"M": "numpy.datetime64", "m": "numpy.timedelta64"}
_UNITS = ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as")
_LONGEST = 1 << 20  # bytes of a text


@dataclass(frozen=True)
class Declared:
    """What metadata say of an array: little-endian type, sizes, dimensions, attributes as JSON."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    dims: tuple[str, ...]
    attrs: Mapping[str, Any]

    @property
    def nbytes(self) -> int:
        """Size of the array's only chunk."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def chunk(self) -> str | None:
        """Key of the chunk below the array; None where there is nothing to store."""
        return "/".join(["c", *("0" for _ in self.shape)]) if self.nbytes else None


def group_node(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of a group, for its ``zarr.json``."""
    return {"zarr_format": 3, "node_type": "group", "attributes": dict(attributes)}


def array_node(
    dtype: np.dtype[Any],
    shape: Sequence[int],
    dims: Iterable[str],
    attributes: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the metadata of an array, in one chunk of plain little-endian bytes.

    ``dtype`` is of numbers, booleans, times or text of fixed width; an ArtefactError for others.
    """
    order: dict[str, Any] = {"configuration": {"endian": "little"}} if dtype.itemsize > 1 else {}
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": _type_of(dtype),
        "chunk_grid": {
            "name": "regular",
            "configuration": {"chunk_shape": [max(size, 1) for size in shape]},
        },
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": _fill(dtype),
        "codecs": [{"name": "bytes", **order}],
        "attributes": dict(attributes),
        "dimension_names": list(dims),
    }


def _type_of(dtype: np.dtype[Any]) -> str | dict[str, Any]:
    """Return the data type's name, with its configuration where it has one."""
    if dtype.kind == "U":
        return {"name": "fixed_length_utf32", "configuration": {"length_bytes": dtype.itemsize}}
    if dtype.kind in _TIMES:
        unit, count = np.datetime_data(dtype)
        return {"name": _TIMES[dtype.kind], "configuration": {"unit": unit, "scale_factor": count}}
    if dtype.name not in _CORE:
        msg = (
            f"Arrays of dtype {dtype} cannot be stored without pickle. Use numbers, times or text, "
            "or drop the variable."
        )
        raise ArtefactError(msg)
    return dtype.name


def _fill(dtype: np.dtype[Any]) -> Any:
    """Return the fill value, which Zarr asks for and no artefact uses."""
    if dtype.kind == "c":
        return [0.0, 0.0]
    if dtype.kind in _TIMES:
        return int(np.iinfo(np.int64).min)
    return {"U": "", "f": 0.0, "b": False}.get(dtype.kind, 0)


def declared(node: Any, where: str, *, limit: int) -> Declared:
    """Return what metadata say of an array, if they say it as :func:`array_node` does.

    ``node`` is the JSON of a ``zarr.json``, ``where`` its path for the error, ``limit`` the largest
    size in bytes. An ArtefactError if a type, a codec or anything else is not what xsm writes, or
    the array is too large.
    """
    found: dict[str, Any] = node if isinstance(node, dict) else {}
    shape, dims, attrs = (found.get(k, 0) for k in ("shape", "dimension_names", "attributes"))
    sizes = shape if _all(shape, int) and all(size >= 0 for size in shape) else None
    dtype = _dtype_of(found.get("data_type"))
    if dtype is None or sizes is None or not _all(dims, str) or not isinstance(attrs, dict):
        msg = (
            f"{where} declares {found.get('data_type')!r:.80} of shape {shape!r:.80} on "
            f"dimensions {dims!r:.80}, which is no array of an artefact. {_FOREIGN}"
        )
        raise ArtefactError(msg)
    if math.prod(max(size, 1) for size in sizes) * dtype.itemsize > limit or len(sizes) > 32:
        msg = (
            f"{where} declares an array of shape {sizes} ({dtype}), larger than the memory of this "
            f"machine ({limit:,} bytes). {_FOREIGN}"
        )
        raise ArtefactError(msg)
    _check_same(found, array_node(dtype, sizes, dims, attrs), where)
    if len(dims) != len(sizes):
        msg = f"{where} names the dimensions {dims} of an array of shape {sizes}. {_FOREIGN}"
        raise ArtefactError(msg)
    return Declared(dtype.newbyteorder("<"), tuple(sizes), tuple(dims), attrs)


_FOREIGN = "It is damaged, was made by something else, or is not to be trusted: take another copy."


def _check_same(found: dict[str, Any], wanted: dict[str, Any], where: str) -> None:
    """Refuse metadata that differ from those that xsm writes: other codecs, layouts, extensions."""
    for key in sorted(found.keys() | wanted.keys()):
        if key not in found or key not in wanted or canonical(found[key]) != canonical(wanted[key]):
            given = found.get(key, "nothing")
            msg = (
                f"{where} has {key}={given!r:.200}, artefacts have {wanted.get(key, 'nothing')!r}. "
                f"Nothing was decoded. {_FOREIGN}"
            )
            raise ArtefactError(msg)


def _all(values: Any, kind: type) -> bool:
    """Tell whether JSON is a list of one type; True is no int."""
    return isinstance(values, list) and all(type(v) is kind for v in values)


def _dtype_of(data_type: Any) -> np.dtype[Any] | None:
    """Return the dtype of a data type, or None where artefacts have no such type."""
    if isinstance(data_type, str):
        return np.dtype(data_type) if data_type in _CORE else None
    configuration = data_type.get("configuration") if isinstance(data_type, dict) else None
    if not isinstance(configuration, dict):
        return None
    if data_type.get("name") == "fixed_length_utf32":
        size = configuration.get("length_bytes", 0)
        good = type(size) is int and 0 < size <= _LONGEST and size % 4 == 0
        return np.dtype(f"U{size // 4}") if good else None
    unit, count = configuration.get("unit"), configuration.get("scale_factor")
    kind = {v: k for k, v in _TIMES.items()}.get(str(data_type.get("name")))
    good = unit in _UNITS and type(count) is int and 0 < count < 1 << 31
    return np.dtype(f"{kind}8[{count}{unit}]") if kind and good else None


def node_name(name: object, where: str) -> str:
    """Return the name of a node for the name of a variable: letters, digits, ``_.-~`` and ``%``.

    It is safe in a path and a URL. An ArtefactError if the name is no text, or empty.

    >>> node_name("../soil moisture", "scaling")
    '%2E.%2Fsoil%20moisture'
    """
    if not isinstance(name, str) or not name:
        msg = f"{where} holds a variable named {name!r}; artefacts need names that are text."
        raise ArtefactError(msg)
    safe = quote(name, safe="")
    special = safe[0] == "." or safe.startswith("__") or safe == METADATA
    return f"%{ord(safe[0]):02X}{safe[1:]}" if special else safe


def real_name(node: str, where: str) -> str:
    """Return the name of a variable for the name of its node.

    An ArtefactError if :func:`node_name` returns no such name: a path that leads elsewhere.

    >>> real_name("%2E.%2Fsoil%20moisture", "scaling")
    '../soil moisture'
    """
    name = unquote(node, errors="replace") if re.fullmatch(r"[\w.~%-]+", node, re.ASCII) else ""
    if not name or node_name(name, where) != node:
        msg = f"{where!r:.200} is no name of a node of an artefact. {_FOREIGN}"
        raise ArtefactError(msg)
    return name
