"""Reading an artefact: metadata first, arrays only when nothing speaks against them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from xsm.artefact.nodes import METADATA, Declared, declared, group_node, node_name, real_name
from xsm.artefact.places import Place, place_of, refusing
from xsm.artefact.root import LARGEST, MARK, begin_digest, check_schema, read_root
from xsm.artefact.tables import Group
from xsm.artefact.values import canonical, parse
from xsm.exceptions import ArtefactError

__all__ = ["Artefact", "open_artefact"]


_CHECK = "Check the path and your permissions, or take another copy."


@dataclass(frozen=True)
class Artefact:
    """An artefact whose metadata were checked and whose arrays were not read yet.

    ``facts`` stand beside the arrays; ``arrays`` gives type and shape of each, by group and name;
    ``root`` holds the metadata of the root.
    """

    place: Place
    facts: Mapping[str, Any]
    arrays: Mapping[str, Mapping[str, Declared]]
    root: Mapping[str, Any]

    def read(self) -> dict[str, Group]:
        """Read all arrays, by group; an ArtefactError if a byte differs from what was written."""
        nodes = self.root["consolidated_metadata"]["metadata"]
        with refusing(f"Reading {self.place} failed", _CHECK):
            content = self._content()
            return {
                group: Group(
                    {
                        name: _variable(one, content, _path(group, name))
                        for name, one in own.items()
                    },
                    nodes[group]["attributes"],
                )
                for group, own in self.arrays.items()
            }

    def _content(self) -> dict[str, bytearray]:
        """Read the chunks in the order of their paths and compare the digest."""
        every = {
            _path(group, name): one
            for group, own in self.arrays.items()
            for name, one in own.items()
        }
        chunks = {
            f"{path}/{every[path].chunk}": every[path].nbytes
            for path in sorted(every)
            if every[path].chunk
        }
        digest, content = begin_digest(self.root), {}
        for key, data in self.place.read_all(chunks):
            _check_length(key, len(data), chunks[key], self.place)
            digest.update(data)
            content[key] = data
        if digest.hexdigest() != self.root["attributes"][MARK]["digest"]:
            msg = (
                f"The content of {self.place} is not what was saved: its SHA-256 digest differs. "
                "It was changed or damaged; take another copy, or train again."
            )
            raise ArtefactError(msg)
        return content


def _path(group: str, name: str) -> str:
    """Return the path of an array."""
    return f"{group}/{node_name(name, group)}"


def _variable(own: Declared, content: Mapping[str, bytearray], path: str) -> xr.Variable:
    """Return an array of its bytes, none of which may stand for what its type does not have."""
    data = content.get(f"{path}/{own.chunk}", bytearray())
    native = own.dtype.newbyteorder("=")
    values = np.frombuffer(data, dtype=own.dtype).astype(native).reshape(own.shape)  # aligned
    raw = np.frombuffer(data, dtype="<u4" if own.dtype.kind == "U" else "u1")
    most = {"U": 0x10FFFF, "b": 1}.get(own.dtype.kind)
    if most is not None and raw.size and int(raw.max()) > most:
        msg = f"{path} holds bytes that are no {own.dtype.name}. Take another copy."
        raise ArtefactError(msg)
    return xr.Variable(own.dims, values, dict(own.attrs))


def _check_length(key: str, found: int, wanted: int, place: Place) -> None:
    """Refuse a file that was cut off."""
    if found != wanted:
        msg = (
            f"{key} in {place} has {found:,} bytes, its metadata declare {wanted:,}: it was cut "
            "off, or changed. Take another copy, or train again."
        )
        raise ArtefactError(msg)


def open_artefact(
    path: str | os.PathLike[str], *, storage_options: Mapping[str, Any] | None = None
) -> Artefact:
    """Check the metadata of an artefact, in a folder or at a URL of fsspec, and read nothing else.

    An ArtefactError if there is none, it is incomplete, holds anything that xsm does not write, or
    is of another schema.
    """
    place = place_of(path, storage_options)
    with refusing(f"{place} cannot be read as an artefact", _CHECK):
        root = read_root(place)
        mark = root["attributes"][MARK]
        check_schema(mark, place)
        arrays = _declared(root, place)
        _check_files(place, root, arrays)
        return Artefact(place, mark["facts"], arrays, root)


def _declared(root: Mapping[str, Any], place: Place) -> dict[str, dict[str, Declared]]:
    """Return what the metadata say of each array, by group and name."""
    nodes, limit = root["consolidated_metadata"]["metadata"], _memory()
    keys = {*group_node({}), "consolidated_metadata"}
    if set(root) != keys or set(root["attributes"]) != {MARK}:
        msg = f"The root of {place} holds more than an artefact's: {sorted(root)!r:.200}. {_TAKE}"
        raise ArtefactError(msg)
    found: dict[str, dict[str, Declared]] = {}
    for path, node in nodes.items():
        where = f"{path!r:.200} of {place}"
        group, _, name = path.partition("/")
        if not re.fullmatch("[a-z]+", group) or group not in nodes:
            msg = f"{where} lies in no group of an artefact. {_TAKE}"
            raise ArtefactError(msg)
        own = found.setdefault(group, {})
        if "/" in path:
            own[real_name(name, where)] = declared(node, where, limit=limit)
        elif canonical(node) != canonical(group_node(node["attributes"])):
            msg = f"{where} is no group as artefacts have them. {_TAKE}"
            raise ArtefactError(msg)
    total = sum(d.nbytes for own in found.values() for d in own.values())
    if total > limit:
        msg = f"{place} declares {total:,} bytes, more than this machine's memory ({limit:,})."
        raise ArtefactError(msg)
    return found


_TAKE = "It was changed or damaged: take another copy."


def _memory() -> int:
    """Return the bytes of this machine's memory; an exbibyte where they cannot be had."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 1 << 60


def _check_files(
    place: Place, root: Mapping[str, Any], arrays: Mapping[str, Mapping[str, Declared]]
) -> None:
    """Refuse files that are missing, that do not belong there, or that contradict the root."""
    nodes = root["consolidated_metadata"]["metadata"]
    texts = {f"{path}/{METADATA}": node for path, node in nodes.items()}
    wanted = {METADATA, *texts}
    for group, own in arrays.items():
        wanted |= {f"{_path(group, n)}/{d.chunk}" for n, d in own.items() if d.chunk}
    listed = place.keys()
    there = wanted if listed is None else listed
    missing, extra = sorted(wanted - there), sorted(there - wanted)
    if missing:
        shown = ", ".join(missing[:3])
        msg = f"{place} lacks {len(missing)} of its files ({shown}). Take another copy."
        raise ArtefactError(msg)
    if extra:
        shown = ", ".join(extra[:3])
        msg = f"{place} holds {len(extra)} files that are no part of it ({shown}). Delete these."
        raise ArtefactError(msg)
    for key, text in place.read_all(dict.fromkeys(texts, LARGEST)):
        if canonical(parse(bytes(text), f"{key} of {place}")) != canonical(texts[key]):
            msg = f"{key} and the root of {place} contradict each other. {_TAKE}"
            raise ArtefactError(msg)
