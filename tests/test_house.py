"""What differs between kinds of models is a protocol: few places ask which kind they hold."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "xsm"
KINDS = {"Estimator", "FieldModel", "Model", "NestedRecipe", "Recipe", "WaterBalance"}
MOST = 15


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
    assert len(places) <= MOST, "\n".join(places)
