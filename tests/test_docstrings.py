"""Every public name is documented: what it is, what goes in, what comes out, an example.

The checks stand in ``[tool.numpydoc_validation]`` of pyproject.toml. Functions that a module lists
in ``__all__`` pass all of them, classes all but the example; methods and properties need a summary,
and so do exceptions, mappings, protocols and abstract classes, which nobody calls.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from numpydoc.validate import validate

import xsm

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CHECKS = frozenset(SETTINGS["tool"]["numpydoc_validation"]["checks"])
SUMMARY = CHECKS & {"GL08", "SS01", "SS02", "SS03", "SS04"}


def modules() -> Iterator[str]:
    """Return the names of all modules of the package."""
    for module in pkgutil.walk_packages(xsm.__path__, "xsm."):
        yield module.name


def exported(module: str) -> Iterator[tuple[str, object]]:
    """Return path and object of each function and class that a module exports and defines."""
    home = importlib.import_module(module)
    for name in getattr(home, "__all__", ()):
        found = getattr(home, name)
        if getattr(found, "__module__", "") == module and callable(found):
            yield f"{module}.{name}", found


def members(path: str, cls: type) -> Iterator[str]:
    """Return the paths of the public methods and properties that a class itself defines."""
    for name, member in vars(cls).items():
        documented = inspect.isfunction(member) or isinstance(member, property | classmethod)
        if documented and not name.startswith("_"):
            yield f"{path}.{name}"


def checks_of(value: object) -> frozenset[str]:
    """Return the checks that hold for a function or a class."""
    if not inspect.isclass(value):
        return CHECKS
    abstract = inspect.isabstract(value) or getattr(value, "_is_protocol", False)
    return SUMMARY if abstract or issubclass(value, BaseException | dict) else CHECKS - {"EX01"}


def problems(path: str, checks: frozenset[str]) -> list[str]:
    """Return what numpydoc finds, one line each."""
    return [f"{path}: {code} {text}" for code, text in validate(path)["errors"] if code in checks]


@pytest.mark.parametrize("module", list(modules()))
def test_public_names_are_documented(module: str) -> None:
    found = []
    for path, value in exported(module):
        found += problems(path, checks_of(value))
        for member in members(path, value) if inspect.isclass(value) else ():
            found += problems(member, SUMMARY)
    assert not found, "\n" + "\n".join(found)


def test_every_module_says_what_it_exports() -> None:
    found = [importlib.import_module(name) for name in modules()]
    files = [module for module in found if not hasattr(module, "__path__")]
    assert [module.__name__ for module in files if not hasattr(module, "__all__")] == []
