"""A sample of the matrix, one verb a change, and what its classes mean.

All of it: ``python -m tests.hostile``, with ``--write`` for the table of the docs.
"""

from __future__ import annotations

import warnings
import zlib

import dask
import numpy as np
import pytest
import xarray as xr

from tests.hostile.inputs import ARGUMENTS, INPUTS
from tests.hostile.invariances import INVARIANCES
from tests.hostile.matrix import TABLES
from tests.hostile.outcomes import GOOD, answer, judged, run
from tests.hostile.table import HEADS, PAGE, rows_of, written
from tests.hostile.verbs import VERBS, Verb
from xsm.exceptions import GridError

QUICK = sorted(name for name, verb in VERBS.items() if not verb.slow)
CASES = [(table, change) for table, (changes, _) in TABLES.items() for change in changes]


@pytest.mark.parametrize(("table", "change"), CASES, ids=str)
def test_a_change_is_answered_right_or_told(table, change):
    """The verb is drawn by the name of the change, among those that it can be tried with."""
    attempt = TABLES[table][1]
    first = zlib.crc32(change.encode()) % len(QUICK)
    with dask.config.set(scheduler="synchronous"):
        for name in [*QUICK[first:], *QUICK[:first]]:
            found = attempt(name, change)
            if found.kind != "left out":
                break
    assert found.kind in GOOD, f"{name}: {found.text}"


def test_each_change_can_be_tried_with_some_verb():
    """By the same rule as in the test above: none is left out everywhere."""
    assert len(VERBS) >= 25
    assert len(INVARIANCES) >= 40
    assert len(INPUTS) + len(ARGUMENTS) >= 40


def test_the_page_of_the_docs_has_the_rows_that_there_are():
    assert PAGE.exists(), "type python -m tests.hostile --write"
    text = PAGE.read_text(encoding="utf-8")
    assert rows_of(text) == HEADS, "type python -m tests.hostile --write"


def test_the_page_of_the_docs_says_that_nothing_is_wrong():
    text = PAGE.read_text(encoding="utf-8")
    head = next(line for line in text.splitlines() if line.startswith("| verb "))
    total = next(line for line in text.splitlines() if line.startswith("| all "))
    cells = dict(
        zip(*([c.strip() for c in line.split("|")] for line in (head, total)), strict=True)
    )
    assert (cells["wrong"], cells["inside"], cells["passed on"]) == ("", "", "")
    assert int(cells["right"]) + int(cells["told"]) > 5000


def test_a_table_counts_each_cell_once():
    cells = [(v, t, c, "right", "") for v in VERBS for t, (cs, _) in TABLES.items() for c in cs]
    text = written(cells)
    assert rows_of(text) == HEADS
    assert f"| all | {len(cells)} |" in text


KNOWN = xr.Dataset({"a": ("x", [1.0, np.nan, 3.0])}, {"x": [10, 20, 30]})


def raising(error: Exception):
    def call():
        raise error

    return call


def dividing():
    warnings.warn_explicit("divide by zero", RuntimeWarning, "xsm/physics/any.py", 1)
    return KNOWN


@pytest.mark.parametrize(
    ("call", "must", "kind"),
    [
        (lambda: KNOWN, "told", "right"),
        (lambda: KNOWN.isel(x=[2, 0]), "told", "right"),
        (lambda: KNOWN.where(KNOWN.x < 30), "told", "right"),
        (lambda: KNOWN * 2, "told", "wrong"),
        (lambda: KNOWN * 2, "lawful", "other"),
        (lambda: KNOWN * 1e9, "lawful", "passed on"),
        (lambda: KNOWN.rename(a="b"), "told", "wrong"),
        (lambda: KNOWN.assign_coords(x=[1, 2, 3]), "told", "wrong"),
        (dividing, "told", "inside"),
        (raising(KeyError("a")), "told", "inside"),
        (raising(GridError("words")), "told", "inside"),  # raised here, not in the package
        (lambda: answer("flatten_steps").found.drop_vars("nothing"), "told", "inside"),
    ],
)
def test_classes(call, must, kind):
    verb = Verb(call, "a")
    assert judged(run(lambda: KNOWN), run(call), must, verb).kind == kind


def test_what_the_package_says_is_told():
    import xsm

    refused = run(lambda: xsm.flatten_steps(xr.Dataset()))
    assert judged(run(lambda: KNOWN), refused, "told", Verb(len, "a")).kind == "told"
