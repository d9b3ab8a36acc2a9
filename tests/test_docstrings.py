"""What users call is documented: what it is, what goes in, what comes out, an example.

The checks stand in ``[tool.numpydoc_validation]`` of pyproject.toml. What users call is
``xsm.__all__`` and what the public packages show (``SHOWN`` by their own ``__all__``, all modules
of ``WHOLE``): functions pass all checks, classes all but the example. Their methods and properties,
exceptions, mappings, protocols and abstract classes, and all that is internal, need a summary.
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
SHOWN = ("xsm.losses", "xsm.nn", "xsm.estimators", "xsm.plotting", "xsm.synthetic")
WHOLE = ("xsm.exceptions", "xsm.models.", "xsm.physics.")


def shown() -> set[int]:
    """Return which objects users call, wherever they are defined."""
    homes = [xsm, *(importlib.import_module(name) for name in SHOWN)]
    return {id(getattr(home, name)) for home in homes for name in home.__all__}


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


def checks_of(path: str, value: object) -> frozenset[str]:
    """Return the checks that hold for a function or a class."""
    if id(value) not in shown() and not path.startswith(WHOLE):
        return SUMMARY
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
        found += problems(path, checks_of(path, value))
        for member in members(path, value) if inspect.isclass(value) else ():
            found += problems(member, SUMMARY)
    assert not found, "\n" + "\n".join(found)


def test_every_module_says_what_it_exports() -> None:
    found = [importlib.import_module(name) for name in modules()]
    files = [module for module in found if not hasattr(module, "__path__")]
    assert [module.__name__ for module in files if not hasattr(module, "__all__")] == []


def test_what_users_call_passes_all_checks() -> None:
    for value in (xsm.fit, xsm.losses.RMSE, xsm.physics.retention.pressure_head):
        path = f"{value.__module__}.{value.__qualname__}"
        assert checks_of(path, value) >= CHECKS - {"EX01"}, path
