"""One cell of the matrix: a verb under a change, and what became of it."""

from __future__ import annotations

import linecache
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import xsm
from tests.hostile.changes import Leaves
from tests.hostile.inputs import ARGUMENTS, INPUTS, Must
from tests.hostile.invariances import INVARIANCES
from tests.hostile.verbs import VERBS, Verb
from tests.hostile.worlds import world

__all__ = [
    "GOOD",
    "Outcome",
    "answer",
    "judged",
    "run",
    "try_argument",
    "try_input",
    "try_invariance",
]

GOOD = frozenset({"right", "told", "other", "left out"})
"""Classes that are as they should be; the others are ``wrong``, ``inside`` and ``passed on``."""

_HOME = Path(xsm.__file__).parent


@dataclass(frozen=True)
class Outcome:
    """What became of a call: its class, and what was said or what differs."""

    kind: str
    text: str = ""


@dataclass(frozen=True)
class _Run:
    """What a call returned or raised, and what it warned of."""

    found: xr.Dataset | None
    error: BaseException | None
    said: tuple[str, ...]
    noise: tuple[str, ...]


def run(call: Callable[[], Any]) -> _Run:
    """Call, compute, and keep what is said."""
    found = error = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = call()
            if isinstance(found, xr.DataArray):
                found = found.to_dataset(name=str(found.name))
            found = found.load() if isinstance(found, xr.Dataset) else found
        except Leaves:
            raise
        except Exception as raised:
            error = raised
    said = tuple(str(w.message) for w in caught if issubclass(w.category, UserWarning))
    other = [w for w in caught if not issubclass(w.category, UserWarning)]
    noise = tuple(f"{w.category.__name__}: {w.message}" for w in other if _ours(w.filename))
    return _Run(found, error, said, noise)


def _ours(file: str) -> bool:
    """Tell whether a warning is no word about what this test itself imports or reads."""
    return "tests/hostile" not in file


@cache
def answer(name: str) -> _Run:
    """Return what a verb says of its unchanged data."""
    verb = VERBS[name]
    made = run(lambda: verb.run(world(verb.world)))
    if made.error is not None:
        raise made.error
    return made


def try_invariance(name: str, change: str) -> Outcome:
    """Return the outcome of a verb under a change that must not matter."""
    verb, way = VERBS[name], INVARIANCES[change]
    expected = answer(name)
    try:
        changed = way.change(world(verb.world))
    except Leaves:
        return Outcome("left out")
    if not way.of_process and _the_same(changed, world(verb.world)):
        return Outcome("left out")
    with way.around():
        made = run(lambda: verb.run(changed))
    return judged(expected, made, "told", verb, way.back)


def _the_same(one: xr.Dataset, other: xr.Dataset) -> bool:
    """Tell whether a change left data as they were, also in memory."""
    return one.identical(other) and not _laid_out_otherwise(one, other)


def _laid_out_otherwise(one: xr.Dataset, other: xr.Dataset) -> bool:
    """Tell whether data that are equal lie otherwise in memory."""
    for name, v in other.variables.items():
        a, b = one.variables[name].data, v.data
        if (
            type(a) is not type(b)
            or a.dtype != b.dtype
            or one.variables[name].encoding != v.encoding
        ):
            return True
        if isinstance(b, np.ndarray) and (a.strides, a.flags.writeable) != (
            b.strides,
            b.flags.writeable,
        ):
            return True
    return one.sizes != other.sizes or list(one.dims) != list(other.dims)


def try_input(name: str, change: str) -> Outcome:
    """Return the outcome of a verb under an input that must be told."""
    verb, hostile = VERBS[name], INPUTS[change]
    expected = answer(name)
    own = world(verb.world)
    try:
        changed = hostile.change(own, verb.key)
    except Leaves:
        return Outcome("left out")
    strict = {
        "told": True,
        "step": verb.learnt,
        "cells": verb.by_cell,
        "labels": not verb.joins,
        "dims": not verb.extra,
        "dates": not verb.dateless,
        "range": verb.key not in {"gws", "lwe_thickness", "soil"},
    }.get(hostile.must, False)
    must: Must = "told" if strict else "lawful"
    try:
        made = run(lambda: verb.run(changed))
    except Leaves:
        return Outcome("left out")
    found = judged(expected, made, must, verb)
    shown = hostile.of_values and verb.moves and found.kind in {"wrong", "passed on"}
    return Outcome("other", found.text) if shown else found


def try_argument(name: str, change: str) -> Outcome:
    """Return the outcome of a verb with an argument that is wrong."""
    verb, given = VERBS[name], ARGUMENTS[change]
    if not set(given) <= set(verb.takes):
        return Outcome("left out")
    expected = answer(name)
    made = run(lambda: verb.run(world(verb.world), **given))
    return judged(expected, made, "told", verb)


def judged(
    expected: _Run,
    made: _Run,
    must: Must,
    verb: Verb,
    back: Callable[[xr.Dataset], xr.Dataset] = lambda found: found,
) -> Outcome:
    """Return the class of what a call did."""
    if made.error is not None:
        where = _from(made.error)
        text = f"{type(made.error).__name__}: {made.error}"
        return Outcome("told" if where == "" else "inside", f"{text} {where}".strip())
    noise = [text for text in made.noise if text not in expected.noise]
    if noise:
        return Outcome("inside", noise[0])
    news = [text for text in made.said if text not in expected.said]
    try:
        differs = _difference(expected.found, back(made.found), verb.loose, verb.few)
    except Exception as error:
        differs = f"cannot be compared: {type(error).__name__}: {error}"
    if not differs:
        return Outcome("right")
    if news:
        return Outcome("told", news[0])
    strange = _impossible(expected.found, made.found)
    if strange:
        return Outcome("passed on", strange)
    return Outcome("other", differs) if must == "lawful" else Outcome("wrong", differs)


def _from(error: BaseException) -> str:
    """Return where an error comes from, if it is none that xsm raises by words."""
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1]
    inside = not Path(last.filename).is_relative_to(_HOME)
    line = linecache.getline(last.filename, last.lineno or 0).strip()
    by_hand = type(error).__module__ == "xsm.exceptions" or line.startswith("raise")
    return "" if not inside and by_hand else f"[{last.filename[-50:]}:{last.lineno}]"


def _impossible(expected: xr.Dataset, found: xr.Dataset) -> str:
    """Return which numbers of an answer nothing can be."""
    if not isinstance(found, xr.Dataset):
        return ""
    for name, v in found.data_vars.items():
        if v.dtype.kind not in "fi" or not v.size:
            continue
        values = np.asarray(v.values, float)
        if np.isinf(values).any():
            return f"{name} is infinite"
        known = expected.get(name)
        most = 0.0 if known is None or not known.size else 1e4 * float(abs(known).max())
        if np.nanmax(np.abs(values), initial=0.0) > max(most, 1e6):
            return f"{name} reaches {np.nanmax(np.abs(values)):.3g}"
    return ""


def _difference(expected: xr.Dataset, found: Any, loose: float, few: float = 0.0) -> str:
    """Say what differs; what is missing is no difference, nor are flags of what is missing."""
    if not isinstance(found, xr.Dataset):
        return f"a {type(found).__name__} came back"
    known, given = _plain(expected), _plain(found)
    for name, v in known.data_vars.items():
        if name not in given:
            return f"{name} is not there"
        if v.dtype.kind not in "fiub":
            continue
        other = given[name]
        if v.dtype.kind in "iub":
            for each in (w for w in given.values() if w.dtype.kind == "f" and w.dims == other.dims):
                other = other.where(each.notnull())
        text = _of_one(v, _converted(other, v), loose, few)
        if text:
            return f"{name} {text}"
    return ""


def _converted(found: xr.DataArray, like: xr.DataArray) -> xr.DataArray:
    """Return an answer in the units of the expected one."""
    units, wanted = found.attrs.get("units"), like.attrs.get("units")
    if units == wanted or units not in _UNITS:
        return found
    to, factor, offset = _UNITS[units].get(wanted, (None, 1.0, 0.0))
    spread = str(found.name).endswith("_std")
    return found if to is None else found * factor + (0.0 if spread else offset)


_UNITS: dict[Any, dict[Any, tuple[str, float, float]]] = {
    "mm": {"m": ("m", 1e-3, 0.0), "cm": ("cm", 0.1, 0.0)},
    "cm": {"mm": ("mm", 10.0, 0.0)},
    "%": {"m3 m-3": ("m3 m-3", 0.01, 0.0)},
    "1": {"%": ("%", 100.0, 0.0)},
    "degC": {"K": ("K", 1.0, 273.15)},
    "kg m-2 s-1": {"mm day-1": ("", 86400.0, 0.0), "m": ("m", 86.4, 0.0)},
    "m s-1": {"m": ("m", 86400.0, 0.0)},
    "kg m-3": {"g cm-3": ("g cm-3", 1e-3, 0.0)},
    "W m-2": {"J m-2": ("J m-2", 86400.0, 0.0)},
}


def _of_one(expected: xr.DataArray, found: xr.DataArray, loose: float, few: float) -> str:
    """Say where one variable differs on the labels that both have."""
    fault, found, expected = _met(found, expected)
    if fault or not found.size:
        return fault
    if found.dtype.kind not in "fiub":
        return f"holds {found.dtype}"
    a = expected.values.astype(float)
    b = found.transpose(*expected.dims).values.astype(float)
    both = np.isfinite(a) & np.isfinite(b)
    if (np.isinf(b) & ~np.isinf(a)).any():
        return "is infinite"
    if np.isnan(a).any() and (np.isfinite(b) & np.isnan(a)).mean() > 0.5:
        return "has values where none are"
    most = float(np.abs(a[both]).max(initial=0.0))
    off = np.abs(a - b)[both]
    count = int((off > loose * np.maximum(np.abs(a[both]), 0.1 * most) + 1e-12).sum())
    return (
        f"differs at {count} of {both.sum()} by {off.max():.3g} of {most:.3g}"
        if count > few * both.sum()
        else ""
    )


def _met(found: xr.DataArray, expected: xr.DataArray) -> tuple[str, xr.DataArray, xr.DataArray]:
    """Return both on the labels that both have, or say why they cannot be compared."""
    fault = ""
    extra = [d for d in found.dims if d not in expected.dims]
    if any(found.sizes[d] > 1 for d in extra):
        fault = f"has the dimensions {found.dims}"
    found = found.isel(dict.fromkeys(extra, 0), drop=True)
    lost = [d for d in expected.dims if d not in found.dims and d not in found.coords]
    if lost or fault:
        return fault or f"lacks the dimensions {lost}", found, expected
    found = found.expand_dims([d for d in expected.dims if d not in found.dims])
    some = bool(expected.size and found.size)  # of nothing there is nothing to say
    for dim in map(str, expected.dims):
        if dim in expected.indexes and dim in found.indexes:
            found, expected = _at(found, expected, dim)
    if some and not found.size:
        fault = "has no label in common"
    elif dict(found.sizes) != dict(expected.sizes):
        fault = f"has other sizes, {dict(found.sizes)}"
    return fault, found, expected


def _at(found: xr.DataArray, expected: xr.DataArray, dim: str) -> tuple[xr.DataArray, xr.DataArray]:
    """Return both on the labels that both have, within rounding."""
    own, other = found.indexes[dim], expected.indexes[dim]
    if own.equals(other):
        return found, expected
    if own.dtype.kind in "fi" and other.dtype.kind in "fi":
        a, b = np.asarray(own, float), np.asarray(other, float)
        if dim == "longitude":
            a, b = (a + 180) % 360 - 180, (b + 180) % 360 - 180
        near = np.abs(a[:, None] - b[None, :]) < 1e-4
    else:
        near = np.asarray(own)[:, None] == np.asarray(other)[None, :]
    rows, columns = np.nonzero(near)
    return found.isel({dim: rows}), expected.isel({dim: columns})


def _plain(ds: xr.Dataset) -> xr.Dataset:
    """Return numbers without units of pint, at times of numpy."""
    if any(hasattr(v.data, "dequantify") or hasattr(v.data, "magnitude") for v in ds.values()):
        ds = ds.pint.dequantify(format="~C")
    for dim in {"time", "init"} & set(ds.indexes):
        if isinstance(ds.indexes[dim], xr.CFTimeIndex):
            dates = [np.datetime64(t.isoformat(), "ns") for t in ds[dim].values]
            ds = ds.assign_coords({dim: dates})
    return ds
