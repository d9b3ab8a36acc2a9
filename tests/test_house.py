"""The house stands as CONTRIBUTING says: rooms, no circle, paths that exist, kinds seldom asked."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "xsm"
KINDS = {"Estimator", "FieldModel", "Model", "NestedRecipe", "Recipe", "WaterBalance"}
FILES = {
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__"): (
        path
    )
    for path in PACKAGE.rglob("*.py")
}


def imports(path: Path) -> Iterator[str]:
    """Return the modules of xsm that a file imports, also inside functions and for types alone."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                module = f"{node.module}.{name.name}"
                yield module if module in FILES else node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def run_by(name: str) -> set[str]:
    """Return what a module imports, with the packages around it, whose files run first."""
    found = {module for module in imports(FILES[name]) if module in FILES}
    around = {module[:at] for module in found for at in range(len(module)) if module[at] == "."}
    return found | {package for package in around - {"xsm"} if not name.startswith(f"{package}.")}


def test_at_most_five_modules_lie_at_the_root() -> None:
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert len(modules) <= 5, modules


def test_no_import_runs_in_a_circle() -> None:
    graph = {name: run_by(name) - {name} for name in FILES}
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError, which names them
    assert set(order) == set(FILES)


def test_no_file_is_longer_than_400_lines() -> None:
    files = [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {path.name: length for path, length in lengths.items() if length > 400} == {}


def test_places_that_contributing_names_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition("## Where a new thing goes")[2].partition("\n## ")[0]
    places = re.findall(r"`((?:xsm|tests|docs|benchmarks)/[^`]*)`", section)
    assert len(set(places)) >= 10
    missing = [place for place in places if "<" not in place and not (ROOT / place).exists()]
    folders = [place.partition("<")[0] for place in places if "<" in place]
    assert missing + [folder for folder in folders if not (ROOT / folder).is_dir()] == []


def test_the_rooms_of_contributing_are_those_of_the_package() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition("## The house")[2].partition("\n## ")[0]
    told = set(re.findall(r"`([a-z]+)/`", section))
    assert told == {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}


def names(node: ast.AST) -> set[str]:
    """Return the names that an expression holds, without the modules before them."""
    found = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return found | {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}


def asked(path: Path) -> Iterator[int]:
    """Return the lines of a file that ask an object or a class for its kind of model."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and names(node.func) & {"isinstance", "issubclass"}:
            yield from [node.lineno] * bool(names(node.args[1]) & KINDS)


def test_few_places_ask_for_the_kind_of_a_model() -> None:
    places = [f"{path}:{line}" for path in sorted(PACKAGE.rglob("*.py")) for line in asked(path)]
    assert len(places) <= 12, "\n".join(places)


_JOINS = ("xr.align(", "join=", ".reindex(", ".reindex_like(", ".get_indexer(")
_NO_JOINS = {
    "api/array_accessor.py": "the user's forcing, snapped, and refused where it is not exact",
    "artefact/card.py": "epochs of members that stopped earlier",
    "cells/labels.py": "layers of one prediction",
    "data/joins.py": "the one place",
    "hydrology/soil/known.py": "faces of one array",
    "hydrology/soil/layering.py": "layers that were just made the same",
    "evaluation/leads.py": "scores of the leads of one forecast",
    "hydrology/soil/profile.py": "layers that were just made the same",
}


def test_data_meet_by_label_in_one_place() -> None:
    """All else goes through ``xsm.data.joins``; what stands in a message is no call."""
    found = set()
    for path in (PACKAGE).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = f".{ast.unparse(node.func).rpartition('.')[2]}("
                joins = any(k.arg == "join" for k in node.keywords)
                named = called in {".align(", *_JOINS}
                if joins or named:
                    found.add(path.relative_to(PACKAGE).as_posix())
    assert found <= _NO_JOINS.keys(), "bring labels together by xsm.data.joins"
