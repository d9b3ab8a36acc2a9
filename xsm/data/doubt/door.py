"""The door of the verbs: variables that are used are doubted first, once a call."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import xarray as xr

from xsm.data.doubt.extremes import extremes_together
from xsm.data.doubt.fills import CODES
from xsm.data.doubt.finding import Finding
from xsm.data.doubt.guard import Guard
from xsm.data.doubt.judge import Judged, judge
from xsm.data.doubt.limits import codes_said, limits_of
from xsm.data.doubt.sample import take
from xsm.data.naming import PRODUCTS, ROLES, Role, Variable, products_of
from xsm.data.naming.held import in_memory
from xsm.data.reading import Reading
from xsm.data.refused import check_numbers
from xsm.data.units import conversion
from xsm.exceptions import UnitsError, warn_outside

__all__ = ["doubt", "doubt_fills", "guard_of", "guarded", "guards_of", "judge_all"]


def doubt(
    reading: Reading, names: Iterable[str | Variable], *, inputs: Collection[str] = ()
) -> None:
    """Refuse fill values and impossible columns of what a verb uses, warn of the rest.

    ``names`` are roles or variables; each is looked at once a reading. Of lazy data some blocks
    are read. Of ``inputs`` of a training, those that do not vary are warned of too.
    """
    every = dict.fromkeys(v for name in names for v in _used(reading, name))
    used = [v for v in every if v not in reading.doubted]
    for v in used:
        role = ROLES.get(v.role)
        check_numbers(reading.ds[str(v.name)], v.name, role.units if role is not None else "1")
    judged = judge_all(reading.ds, used)
    beyond = {j.variable for j in judged if {"range", "units"} & {f.kind for f in j.findings}}
    reading.doubted.update({v: v in beyond for v in used})
    tell([f for each in judged for found in each.findings for f in _told(each, found, inputs)])


def doubt_fills(ds: xr.Dataset, roles: Mapping[str, Role | None]) -> None:
    """Refuse what a mean would swallow, of variables with their role or None.

    Fill values, infinite ones, and columns that cannot be: amounts of less than a day are read as
    those of a day, so that what is too much even so is.
    """
    for name, role in roles.items():
        if role is not None:  # text beside the numbers, as flags are, is no fault
            check_numbers(ds[name], name, role.units)
    used = [_by_units(ds, name, role) for name, role in roles.items()]
    found = [f for each in judge_all(ds, used) for f in each.findings if _swallowed(f)]
    tell(found)


def _swallowed(found: Finding) -> bool:
    """Tell whether a mean would hide what was found."""
    return found.kind in {"fill", "infinite"} or (
        found.kind == "units" and found.severity == "stop"
    )


def _by_units(ds: xr.Dataset, name: str, role: Role | None) -> Variable:
    """Return a variable as its units alone let it be read; without a role where they do not."""
    units = str(ds[name].attrs.get("units", ""))
    try:
        change = conversion(units, role.units, water=role.water, step_days=1.0) if role else None
    except UnitsError:
        change = None
    if role is None or change is None:
        return Variable(f"variable {name}", name, "name", units)  # no role, whatever its name
    return Variable(role.name, name, "alias", units, change)


def judge_all(ds: xr.Dataset, variables: Sequence[Variable]) -> list[Judged]:
    """Return what is found in variables, whose samples are taken in one go."""
    layers = {str(v.name): v.dim for v in variables}
    samples = take(ds, layers)
    products = [PRODUCTS[key] for key in products_of(ds)]
    fills = {name: [c for p in products if name in p.known for c in p.fills] for name in samples}
    names = [(v, str(v.name)) for v in variables]
    judged = [judge(ds, v, samples[name], fills[name]) for v, name in names if name in samples]
    return extremes_together(_shares_together(judged))


def _shares_together(judged: list[Judged]) -> list[Judged]:
    """Return what was judged, shares of the soil in other units than they say refused.

    One of three may be that small in each cell, and the sum of all is looked at; two cannot, and of
    one or two that are given none is left to tell.
    """
    shares = {each.variable.role for each in judged} & {"sand", "silt", "clay"}
    odd = {f.role for each in judged for f in each.findings if f.kind == "units"} & shares
    if len(odd) < 2 and len(shares) == 3:
        return judged

    def stopped(found: Finding) -> Finding:
        sure = found.kind == "units" and found.role in odd
        return replace(found, severity="stop") if sure else found

    return [replace(each, findings=tuple(map(stopped, each.findings))) for each in judged]


def tell(findings: Sequence[Finding]) -> None:
    """Raise one error for all that stops; warn once of the rest."""
    stops = [str(found) for found in findings if found.severity == "stop"]
    if stops:
        raise UnitsError("Values cannot be right:\n" + "\n".join(f"- {s}" for s in stops))
    said = [str(found) for found in findings if found.severity == "warn"]
    if said:
        text = said[0] if len(said) == 1 else "\n".join(f"- {s}" for s in said)
        warn_outside(text)


def _told(judged: Judged, found: Finding, inputs: Collection[str]) -> list[Finding]:
    """Return a finding where it is news: signs of values in memory are told when they are found."""
    if found.kind == "constant" and not {found.role, found.variable}.isdisjoint(inputs):
        return [replace(found, severity="warn")]
    return [] if found.kind == "sign" and in_memory(judged.array) else [found]


def _used(reading: Reading, name: str | Variable) -> list[Variable]:
    """Return the variables that a role or a name stands for; the parts of a derived one."""
    table = reading.table
    variable = table.lookup(name) if isinstance(name, str) else name
    if variable.how != "derived":
        return [variable]
    known = {v.name: v for vs in table.found.values() for v in vs}
    return [known[part] for part in variable.name if part in known]


def guards_of(reading: Reading, names: Iterable[str]) -> dict[str, Guard]:
    """Return what looks at the canonical values of roles or variables as they are computed."""
    return {name: guard for name in names for guard in _guard(reading, name)}


def _guard(reading: Reading, name: str) -> list[Guard]:
    """Return the guard of a role or a variable; none of what is derived or has no range."""
    variable = reading.table.lookup(name)
    if variable.how == "derived":
        return []
    quiet = reading.doubted.get(variable, False)
    guard = guard_of(reading.ds[str(variable.name)], variable, name, quiet=quiet)
    return [] if guard is None else [guard]


def guard_of(array: xr.DataArray, variable: Variable, name: str, *, quiet: bool) -> Guard | None:
    """Return what looks at the canonical values of an array; None where its role has no range."""
    role, change = ROLES.get(variable.role), variable.conversion
    if role is None or role.range is None:
        return None
    limits = limits_of(array, role, change)
    ends = (limits.low - limits.slack, limits.high + limits.slack)
    low, high = sorted(change.factor * end + change.offset for end in ends)
    given = [c for c in dict.fromkeys((*codes_said(array.attrs), *CODES)) if limits.outside(c)]
    codes = tuple(change.factor * c + change.offset for c in given)
    return Guard(name, str(variable.name), low, high, codes, tuple(given), quiet)


def guarded(array: xr.DataArray, guard: Guard | None) -> xr.DataArray:
    """Return an array that was looked at whole, lazy ones block by block when they are computed."""
    if guard is None:
        return array
    if array.chunks is None:
        guard(array.values)
        return array
    data: Any = array.data
    return array.copy(data=data.map_blocks(guard, dtype=data.dtype, meta=data._meta))
