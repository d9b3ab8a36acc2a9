"""Each error of xsm is matched by its text in a test; others are listed, with why.

Read from the source alone: of each ``raise`` the words of its message, through the names and the
functions that make it; of the tests all their texts. A raise is matched where a test holds ten
letters in a row of its message that no two other raises have.
"""

from __future__ import annotations

import ast
import functools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
LETTERS = 10
DEEP = 6  # names and functions behind each other
UNMATCHED = {
    "xsm/api/verbs.py method: ": "any error of a verb again, with fewer frames",
    "xsm/data/nesting/pairs.py _axes: : ": "the error of horizontal_axes, matched there, by name",
}
"""Where (file, function, first words) and why no test matches it."""

Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module


def parsed(folder: str) -> dict[str, ast.Module]:
    """Return the files of a folder, read."""
    files = sorted((ROOT / folder).rglob("*.py"))
    return {f.relative_to(ROOT).as_posix(): ast.parse(f.read_text(encoding="utf-8")) for f in files}


SOURCE = parsed("xsm")


def functions(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    """Return the functions of a file by name: some make a message."""
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


OWN = {path: functions(tree) for path, tree in SOURCE.items()}
EVERY = {name: node for found in OWN.values() for name, node in found.items()}


def words(node: ast.AST | None, scope: Scope, path: str, depth: int = 0) -> Iterator[str]:
    """Yield the literal pieces of an expression that makes a message."""
    if depth > DEEP or node is None:
        return
    if isinstance(node, ast.Constant):
        yield from [node.value] if isinstance(node.value, str) else []
        return
    parts = [(part, scope, depth) for part in ast.iter_child_nodes(node)]
    if isinstance(node, ast.Name):
        parts = [(part, scope, depth + 1) for part in given_to(node.id, scope)]
    elif isinstance(node, ast.Call):
        parts = [(part, own, depth + 2) for part, own in returned(node, path)]
        arguments = (*node.args, *(keyword.value for keyword in node.keywords))
        parts += [(part, scope, depth + 1) for part in arguments]
    for part, own, deep in parts:
        yield from words(part, own, path, deep)


def given_to(name: str, scope: Scope) -> list[ast.AST | None]:
    """Return what a name of a function is, and what is appended to it."""
    return given_in(scope).get(name, [])


@functools.cache
def given_in(scope: Scope) -> dict[str, list[ast.AST | None]]:
    """Return what all names of a function are, and what is appended to them."""
    found: dict[str, list[ast.AST | None]] = {}
    for part in ast.walk(scope):
        if isinstance(part, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = part.targets if isinstance(part, ast.Assign) else [part.target]
            for name in {t.id for t in targets if isinstance(t, ast.Name)}:
                found.setdefault(name, []).append(part.value)
        elif isinstance(part, ast.Call) and getattr(part.func, "attr", "") == "append":
            name = getattr(getattr(part.func, "value", None), "id", "")
            found.setdefault(name, []).append(part.args[0])
    return found


def returned(call: ast.Call, path: str) -> Iterator[tuple[ast.AST | None, ast.FunctionDef]]:
    """Yield what a function of the package that is called returns."""
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    maker = None if name in {"join", "format"} else OWN[path].get(name) or EVERY.get(name)
    for part in ast.walk(maker) if maker is not None else ():
        if isinstance(part, ast.Return | ast.Yield):
            yield part.value, maker


def scopes(tree: ast.Module) -> Iterator[tuple[str, Scope, ast.Raise]]:
    """Yield each raise with the function that holds it."""

    def visit(node: ast.AST, name: str, scope: Scope) -> Iterator[tuple[str, Scope, ast.Raise]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Raise):
                yield name, scope, child
            inner = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            own = child if inner else scope
            yield from visit(child, child.name if inner else name, own)

    yield from visit(tree, "", tree)


def messages() -> dict[tuple[str, str, int], list[str]]:
    """Return the pieces of the message of each raise, by file, function and line."""
    found = {}
    for path, tree in SOURCE.items():
        for name, scope, node in scopes(tree):
            call = node.exc
            if isinstance(call, ast.Call):  # one that is passed on has been raised elsewhere
                made = [call] if ast.unparse(call.func) in EVERY else call.args
                found[path, name, node.lineno] = [
                    p for arg in made for p in words(arg, scope, path)
                ]
    return found


def grams(text: str) -> set[str]:
    """Return all runs of letters of a text."""
    plain = re.sub(r"\s+", " ", text)
    return {plain[i : i + LETTERS] for i in range(len(plain) - LETTERS + 1)}


def texts() -> set[str]:
    """Return the runs of letters of all texts in tests, and of errors that doctests show."""
    found: set[str] = set()
    for tree in parsed("tests").values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= grams(re.sub(r"\\(.)", r"\1", node.value))
    for tree in SOURCE.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and "Traceback (most" in str(node.value):
                found |= grams(str(node.value).partition("Traceback (most")[2])
    return found


def unmatched() -> dict[str, list[str]]:
    """Return each raise that no test matches, and its words."""
    said = messages()
    own = {at: set().union(*map(grams, pieces)) for at, pieces in said.items()}
    shared = Counter(gram for each in own.values() for gram in each)
    tested, missing = texts(), {}
    for (path, name, line), each in own.items():
        alone = {gram for gram in each if shared[gram] < 3} or each
        if not alone & tested:
            first = max(said[path, name, line], key=len, default="")
            missing[f"{path} {name}: {first[:40]}"] = said[path, name, line]
    return missing


def test_every_raise_is_matched_by_its_text() -> None:
    missing = unmatched()
    assert sorted(set(missing) - set(UNMATCHED)) == []
    assert sorted(set(UNMATCHED) - set(missing)) == []  # matched by now: take it out
