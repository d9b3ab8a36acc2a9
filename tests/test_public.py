"""The public API is the one that is written down: names and signatures, of all that users call.

Who changes it on purpose types, in the root of the repository, and says so in CHANGELOG.md::

    python -m tests.test_public
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import get_origin, is_typeddict

import xarray as xr

import xsm
from xsm.api.verbs import Verb

FILE = Path(__file__).with_name("public_api.txt")
SHOWN = ("xsm.losses", "xsm.nn", "xsm.estimators", "xsm.plotting", "xsm.synthetic")
WHOLE = ("xsm.exceptions", "xsm.models", "xsm.physics")


def written() -> str:
    """Return a line a name: functions with their signature, classes with their members."""
    lines = [line for name in sorted(xsm.__all__) for line in of(f"xsm.{name}", getattr(xsm, name))]
    for kind in (xr.Dataset, xr.DataArray):
        accessor = vars(kind)["physm"]._accessor
        lines += of(f"{kind.__name__}.physm", accessor)
    for name in homes():
        home = importlib.import_module(name)
        for own in sorted(getattr(home, "__all__", ())):
            lines += of(f"{name}.{own}", getattr(home, own))
    return "\n".join(dict.fromkeys(lines)) + "\n"


def homes() -> Iterator[str]:
    """Return the public modules."""
    yield from SHOWN
    for name in WHOLE:
        home = importlib.import_module(name)
        yield name
        for module in pkgutil.iter_modules(getattr(home, "__path__", []), f"{name}."):
            yield module.name


def of(path: str, value: object) -> Iterator[str]:
    """Return the lines of a function, a class or something else."""
    if not callable(value):
        yield path
        return
    yield path + signature(value)
    if not inspect.isclass(value):
        return
    bases = [base for base in value.__mro__[:0:-1] if base.__module__.startswith("xsm.api")]
    members = {k: v for one in (*bases, value) for k, v in vars(one).items()}
    for name, member in sorted(members.items()):
        if name.startswith("_"):
            continue
        if isinstance(member, Verb):
            member = getattr(value, name)  # noqa: PLW2901
        call = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        if inspect.isfunction(call):
            yield f"{path}.{name}{signature(call)}"
        elif isinstance(call, property) or hasattr(call, "func"):
            yield f"{path}.{name}"


def signature(value: object) -> str:
    """Return parameters and defaults without types; nothing of what has none."""
    if get_origin(value) or is_typeddict(value):  # Pythons disagree on those of types
        return "()"
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return "()"
    plain = [p.replace(annotation=p.empty) for p in found.parameters.values()]
    return str(found.replace(parameters=plain, return_annotation=found.empty))


def test_the_public_api_is_the_one_that_is_written_down() -> None:
    there, now = (text.splitlines() for text in (FILE.read_text(encoding="utf-8"), written()))
    gone, new = sorted(set(there) - set(now)), sorted(set(now) - set(there))
    assert there == now, f"gone: {gone}; new: {new}; type python -m tests.test_public"


def test_what_is_written_down_is_readable() -> None:
    lines = FILE.read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if " at 0x" in line]
    assert (
        sum(line.startswith("xsm.fit(ds, model='phy_lstm', *, target=None") for line in lines) == 1
    )


if __name__ == "__main__":
    FILE.write_text(written(), encoding="utf-8")
