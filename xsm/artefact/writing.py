"""Writing an artefact: all of it, or nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr

from xsm.artefact.local import Content
from xsm.artefact.nodes import METADATA, Declared, array_node, group_node, node_name
from xsm.artefact.places import Place, place_of, refusing
from xsm.artefact.root import MARK, SCHEMA, begin_digest, read_root
from xsm.artefact.tables import Group
from xsm.artefact.values import readable
from xsm.exceptions import ArtefactError

__all__ = ["write_artefact"]


def write_artefact(
    path: str | os.PathLike[str],
    facts: Mapping[str, Any],
    groups: Mapping[str, Group],
    *,
    overwrite: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> None:
    """Write facts (JSON) and arrays (by group, of lower-case letters) as one artefact.

    Into a folder that does not exist yet, or to a URL of fsspec. An ArtefactError if something is
    there that is not to be replaced, or cannot be written; nothing is changed then.
    """
    place = place_of(path, storage_options)
    with refusing(f"Saving to {place} failed", "{hint}"):
        _check_free(place, overwrite=overwrite)
        place.write(_files(facts, groups))


def _check_free(place: Place, *, overwrite: bool) -> None:
    """Refuse to replace what may not be replaced."""
    if not place.exists():
        return
    if not overwrite:
        msg = (
            f"There is something at {place} already. Choose another name, or replace it: "
            "fitted.save(..., overwrite=True)."
        )
        raise ArtefactError(msg)
    try:
        root = read_root(place)
    except (ArtefactError, OSError) as error:
        if place.empty():
            return
        msg = (
            f"What is at {place} is no artefact of xsm, and overwrite=True replaces nothing else. "
            "Choose another name, or delete it yourself."
        )
        raise ArtefactError(msg) from error
    if foreign := _foreign(root, place.keys() or ()):
        msg = (
            f"{place} holds {len(foreign)} files that are no part of the artefact "
            f"({', '.join(foreign[:3])}), which overwrite=True would delete. Move them, or choose "
            "another name."
        )
        raise ArtefactError(msg)


def _foreign(root: Mapping[str, Any], there: Iterable[str]) -> list[str]:
    """Return the files that are neither metadata nor content of a node that the root names."""
    held = root.get("consolidated_metadata")
    nodes = held.get("metadata", {}) if isinstance(held, dict) else {}
    own = {METADATA, *(f"{path}/{METADATA}" for path in nodes)}
    return sorted(
        key
        for key in there
        if key not in own and key.partition("/c/")[0] not in nodes and key[:-2] not in nodes
    )


def _files(facts: Mapping[str, Any], groups: Mapping[str, Group]) -> Iterator[tuple[str, Content]]:
    """Make the files of an artefact, the root's metadata last."""
    nodes: dict[str, Any] = {}
    arrays: dict[str, tuple[Declared, xr.Variable]] = {}
    for name, group in groups.items():
        nodes[name] = group_node(group.attrs)
        for key, variable in group.arrays.items():
            path, dims = f"{name}/{node_name(key, name)}", [str(d) for d in variable.dims]
            dtype, shape = variable.dtype, variable.shape
            nodes[path] = array_node(dtype, shape, dims, variable.attrs)
            arrays[path] = Declared(dtype, shape, tuple(dims), variable.attrs), variable
    mark = {"schema": SCHEMA, "written_by": _versions(), "facts": dict(facts)}
    root = group_node({MARK: mark})
    root["consolidated_metadata"] = {"kind": "inline", "must_understand": False, "metadata": nodes}
    digest = begin_digest(root)
    for path, node in nodes.items():
        yield f"{path}/{METADATA}", readable(node)
    for path in sorted(arrays):
        own, variable = arrays[path]
        if own.chunk:
            content = variable.values.reshape(-1).view(np.uint8).data
            digest.update(content)
            yield f"{path}/{own.chunk}", content
    yield (
        METADATA,
        readable({**root, "attributes": {MARK: {**mark, "digest": digest.hexdigest()}}}),
    )


def _versions() -> dict[str, str]:
    """Return the versions of what made an artefact."""
    return {name: version(name) for name in ("xsm", "torch", "numpy")}
