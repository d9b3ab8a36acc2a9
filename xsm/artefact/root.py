"""The root of an artefact: the mark, the schema and the digest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from xsm.artefact.nodes import METADATA
from xsm.artefact.places import Place
from xsm.artefact.values import canonical, parse
from xsm.exceptions import ArtefactError

__all__ = ["LARGEST", "MARK", "SCHEMA", "begin_digest", "check_schema", "read_root"]


SCHEMA = 1
"""Number of the layout. It rises when a reader of the number before could not read the new one."""

_READ_BY: dict[int, str] = {}
"""Numbers that are read no more, and the last version of xsm that did."""

MARK = "xsm_artefact"
LARGEST = 1 << 24  # bytes of metadata


def begin_digest(root: Mapping[str, Any]) -> Any:
    """Return a digest (SHA-256) of all metadata, to be continued with the arrays' bytes by path.

    The root holds the metadata of all nodes: paths, types, shapes, attributes. A digest that it
    holds is left out.
    """
    mark = {k: v for k, v in root["attributes"][MARK].items() if k != "digest"}
    return hashlib.sha256(canonical({**root, "attributes": {MARK: mark}}))


def read_root(place: Place) -> dict[str, Any]:
    """Return the root's metadata, if they carry the mark of an artefact; no more is known then.

    An ArtefactError if there are none, or another program's.
    """
    try:
        root = parse(bytes(place.read(METADATA, LARGEST)), f"{METADATA} of {place}")
    except (OSError, KeyError) as error:
        msg = _nothing(place, f"its {METADATA} cannot be read ({error})")
        raise ArtefactError(msg) from error
    attributes = root.get("attributes") if isinstance(root, dict) else None
    if not isinstance(attributes, dict) or not isinstance(attributes.get(MARK), dict):
        msg = _nothing(place, f"its {METADATA} is another program's")
        raise ArtefactError(msg)
    return dict(root)


def _nothing(place: Place, why: str) -> str:
    """Say that there is no artefact."""
    return (
        f"There is no artefact of xsm at {place}: {why}. Pass the path that fitted.save(path) was "
        "given; an upload that was interrupted has to be saved again."
    )


def check_schema(mark: Mapping[str, Any], place: Place) -> None:
    """Refuse other schemas than :data:`SCHEMA`, and say which version reads them."""
    number, by = mark.get("schema"), mark.get("written_by")
    if number == SCHEMA and type(number) is int:
        return
    writer = str(by.get("xsm")) if isinstance(by, dict) else ""
    writer = writer if re.fullmatch(r"\d[\w.+]{0,30}", writer, re.ASCII) else "an unknown version"
    reader = _READ_BY.get(number, writer) if type(number) is int else writer
    if type(number) is int and number > SCHEMA:
        advice = "Upgrade to read it: pip install --upgrade xsm"
    else:
        advice = f"xsm {reader} reads it: pip install 'xsm=={reader}'"
    msg = (
        f"{place} has schema {number!r:.20}, written by xsm {writer}; xsm {version('xsm')} reads "
        f"schema {SCHEMA}. {advice}"
    )
    raise ArtefactError(msg)
