"""The table of outcomes of the whole matrix, as a page of the docs includes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.hostile.inputs import ARGUMENTS, INPUTS
from tests.hostile.invariances import INVARIANCES
from tests.hostile.verbs import VERBS

__all__ = ["HEADS", "PAGE", "rows_of", "written"]

PAGE = Path(__file__).parents[2] / "docs" / "hostile_outcomes.txt"
_KINDS = ("right", "told", "other", "wrong", "inside", "passed on", "left out")
HEADS = {
    "verb": list(VERBS),
    "change that must not matter": list(INVARIANCES),
    "input that must be told": list(INPUTS),
    "argument that must be told": list(ARGUMENTS),
}


def written(cells: Iterable[Sequence[str]]) -> str:
    """Return four tables: outcomes of each verb, and of each change."""
    cells = list(cells)
    of = {
        "verb": Counter((c[0], c[3]) for c in cells),
        "change that must not matter": Counter((c[2], c[3]) for c in cells if c[1] == "invariance"),
        "input that must be told": Counter((c[2], c[3]) for c in cells if c[1] == "input"),
        "argument that must be told": Counter((c[2], c[3]) for c in cells if c[1] == "argument"),
    }
    parts = [_table(head, names, of[head]) for head, names in HEADS.items()]
    return "\n\n".join(parts) + "\n"


def _table(head: str, names: Sequence[str], counts: Counter[tuple[str, str]]) -> str:
    lines = [f"| {head} | {' | '.join(_KINDS)} |", f"|---|{'---|' * len(_KINDS)}"]
    total = [sum(counts[name, kind] for name in names) for kind in _KINDS]
    lines += [_line(name, [counts[name, kind] for kind in _KINDS]) for name in names]
    return "\n".join([*lines, _line("all", total)])


def _line(name: str, numbers: Sequence[int]) -> str:
    return f"| {name} | {' | '.join(str(n) if n else '' for n in numbers)} |"


def rows_of(text: str) -> dict[str, list[str]]:
    """Return the names of the rows of each table of a page."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        first = line.strip("|").split("|")[0].strip()
        if first in HEADS:
            rows = found.setdefault(first, [])
        elif first and not first.startswith("---") and first != "all":
            rows.append(first)
    return found
