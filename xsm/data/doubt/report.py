"""All that looks wrong in a data set, as one table of text and of HTML."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
import xarray as xr

from xsm.data.doubt.door import judge_all
from xsm.data.doubt.finding import Finding, Severity
from xsm.data.doubt.judge import Judged, missing_share
from xsm.data.doubt.surroundings import bounds_of, facts_of, flags_unused, not_used
from xsm.data.naming import ROLES, Variable
from xsm.data.reading import read
from xsm.data.refused import check_numbers
from xsm.exceptions import UnitsError
from xsm.markup import columns, page, paragraph, section, table

__all__ = ["Report", "report_of"]


_HEAD = ("role", "variable", "units", "least", "greatest", "range", "missing", "looks")
_ORDER = {"stop": 0, "warn": 1, "note": 2}
_MANY = 6  # layers of one variable that are shown one by one
_MARK = {"stop": "!", "warn": "!", "note": "*"}


@dataclass(frozen=True, repr=False, eq=False)
class Report:
    """What looks wrong in a data set; made by :func:`xsm.check`.

    It is true where something looks wrong, and iterates over its findings, the worst first.

    Parameters
    ----------
    rows : tuple of tuple of str
        Role, variable, units, least and greatest value of a sample, range, share missing, and the
        kinds of findings of each variable.
    findings : tuple of Finding
        What looks wrong, and remarks.
    facts : dict of str to str
        What the data are: convention of longitude, labels of time, what is left over.
    """

    rows: tuple[tuple[str, ...], ...]
    findings: tuple[Finding, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def wrong(self) -> tuple[Finding, ...]:
        """The findings that verbs refuse or warn of."""
        return tuple(found for found in self.findings if found.severity != "note")

    def __bool__(self) -> bool:
        """Tell whether something looks wrong; remarks do not count."""
        return bool(self.wrong)

    def __iter__(self) -> Iterator[Finding]:
        """Return the findings, the worst first."""
        return iter(self.findings)

    def __len__(self) -> int:
        """Return the number of findings."""
        return len(self.findings)

    def __repr__(self) -> str:
        """Return the table as text."""
        lines = ["<xsm.Report>", *columns([_HEAD, *self.rows])]
        lines += [f"{_MARK[found.severity]} {found}" for found in self.findings]
        lines += [f"{title}: {text}" for title, text in self.facts.items()]
        return "\n".join(lines if self.wrong else [*lines, "Nothing looks wrong."])

    def _repr_html_(self) -> str:
        """Return the table as HTML, in the colours of the page."""
        body = ""
        for title, wrong in (("looks wrong", True), ("remarks", False)):
            told = [found for found in self.findings if (found.severity != "note") == wrong]
            if told:
                inside = "".join(
                    paragraph(str(f).partition(": ")[2], f.role, wrong=wrong) for f in told
                )
                body += section(title, inside, count=len(told), opened=wrong)
        body += section("values", table(self.rows, _HEAD), count=len(self.rows))
        if self.facts:
            body += section("data", table(list(self.facts.items())))
        return page("xsm.Report", "" if self.wrong else "nothing looks wrong", body, repr(self))


def report_of(ds: xr.Dataset, variables: Mapping[str, str] | None) -> Report:
    """Look at all variables with a role and at what is around them; bad data raise nothing."""
    with warnings.catch_warnings():  # what finding the variables warns of is found again
        warnings.simplefilter("ignore", UserWarning)
        reading = read(ds, variables)
    plain, found = reading.ds, reading.table
    used = [v for vs in found.found.values() for v in vs if v.how != "derived"]
    looked = [*used, *found.others.values()]
    judged = judge_all(plain, looked)
    findings = [finding for each in judged for finding in each.findings]
    findings += _no_numbers(plain, looked)
    edges = bounds_of(plain)
    unplaced = {name: text for name, text in found.unplaced.items() if name not in edges}
    faults = {**found.problems, **found.faults, **unplaced}
    findings += [
        Finding(name, name, "unusable", _unusable(text, used=name not in unplaced), text)
        for name, text in _once(faults).items()
    ]
    findings += [Finding(name, name, "told", "note", text) for name, text in found.notes.items()]
    findings += flags_unused(plain, {str(v.name) for v in used}, found.products)
    findings.sort(key=lambda f: _ORDER[f.severity])
    left = not_used(plain, found, findings)
    rows = tuple(_rows(judged))
    return Report(rows, tuple(findings), {**facts_of(plain), **left})


def _no_numbers(ds: xr.Dataset, variables: Sequence[Variable]) -> list[Finding]:
    """Return what verbs refuse before they look at values: text, dates, complex."""
    found: dict[str, Finding] = {}
    for variable in variables:
        role, name = ROLES.get(variable.role), str(variable.name)
        try:
            check_numbers(ds[name], name, role.units if role is not None else "1")
        except UnitsError as error:
            found.setdefault(name, Finding(variable.role, name, "unusable", "stop", str(error)))
    return list(found.values())


def _unusable(text: str, *, used: bool) -> Severity:
    """Return a note for what is not used anyway, and for hourly sums that ``xsm.daily`` takes."""
    hourly = "sum since 00 UTC" in text or "cannot be told without" in text
    return "warn" if used and not hourly else "note"


def _once(faults: Mapping[str, str]) -> dict[str, str]:
    """Return texts of which none is told twice."""
    kept: dict[str, str] = {}
    for name, text in faults.items():
        if not any(text in other or other in text for other in kept.values()):
            kept[name] = text
    return kept


def _rows(judged: Sequence[Judged]) -> Iterator[tuple[str, ...]]:
    """Return a row for each variable, one for all its layers where these are many."""
    for _, group in groupby(judged, lambda each: (each.variable.role, each.variable.name)):
        layers = list(group)
        if len(layers) <= _MANY:
            yield from map(_row, layers)
            continue
        rows = [_row(each) for each in layers]
        first, seen = list(rows[0]), [row for row in rows if row[3]]
        first[1] = f"{layers[0].variable.name}[{layers[0].variable.dim}: {len(layers)}]"
        first[3] = min((row[3] for row in seen), key=float, default="")
        first[4] = max((row[4] for row in seen), key=float, default="")
        first[6] = max((row[6] for row in rows), key=lambda text: float(text.rstrip("%")))
        first[7] = ", ".join(dict.fromkeys(row[7] for row in rows if row[7]))
        yield tuple(first)


def _row(judged: Judged) -> tuple[str, ...]:
    """Return the cells of a variable."""
    variable, role = judged.variable, ROLES.get(judged.variable.role)
    name = str(variable.name)
    if variable.dim is not None:
        name += f"[{variable.dim}={variable.index}]"
    values = np.asarray(judged.values.values, dtype=float)
    seen = values[np.isfinite(values)]
    ends = [f"{seen.min():.4g}", f"{seen.max():.4g}"] if seen.size else ["", ""]
    limits = "" if role is None else str(judged.limits)
    kinds = ", ".join(dict.fromkeys(found.kind for found in judged.findings))
    share = f"{missing_share(judged):.0%}"
    return (variable.role, name, variable.units, *ends, limits, share, kinds)
