"""Inventories of other packages' pages, written from ``objects.txt``: links need no network."""

from __future__ import annotations

import zlib
from pathlib import Path

LIST = Path(__file__).with_name("objects.txt")
FOLDER = "generated/objects"


def projects() -> dict[str, tuple[str, list[str]]]:
    """Return the address and the lines of the inventory of each project."""
    found: dict[str, tuple[str, list[str]]] = {}
    for block in LIST.read_text(encoding="utf-8").split("\n\n"):
        first, *rest = [line for line in block.splitlines() if not line.startswith("#")]
        name, address = first.split()
        found[name] = address, [_entry(*line.split()) for line in rest if line]
    return found


def _entry(kind: str, name: str, place: str) -> str:
    """Return a line of an inventory."""
    domain = "std" if kind in {"label", "term"} else "py"
    return f"{name} {domain}:{kind} 1 {place.replace('$', name)} -"


def names() -> list[str]:
    """Return the full names of objects, as docstrings write them."""
    lines = [line for _, entries in projects().values() for line in entries]
    return [line.split()[0] for line in lines if " py:" in line and "." in line.split()[0]]


def mapping() -> dict[str, tuple[str, str]]:
    """Return what ``intersphinx_mapping`` takes: the address, and the file in the source."""
    return {name: (address, f"{FOLDER}/{name}.inv") for name, (address, _) in projects().items()}


def write_inventories(docs: Path) -> None:
    """Write the inventories, in the form that Sphinx reads."""
    (docs / FOLDER).mkdir(parents=True, exist_ok=True)
    for name, (_, lines) in projects().items():
        head = (
            "# Sphinx inventory version 2\n"
            f"# Project: {name}\n# Version: \n"
            "# The remainder of this file is compressed using zlib.\n"
        )
        packed = zlib.compress("\n".join([*lines, ""]).encode())
        (docs / FOLDER / f"{name}.inv").write_bytes(head.encode() + packed)
