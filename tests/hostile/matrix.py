"""All cells of the matrix, verb by verb, in processes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from multiprocessing import get_context

import dask

from tests.hostile.inputs import ARGUMENTS, INPUTS
from tests.hostile.invariances import INVARIANCES
from tests.hostile.outcomes import Outcome, try_argument, try_input, try_invariance

__all__ = ["TABLES", "Cell", "run"]

Cell = tuple[str, str, str, str, str]
"""Verb, table, change, class, text."""

TABLES = {
    "invariance": (INVARIANCES, try_invariance),
    "input": (INPUTS, try_input),
    "argument": (ARGUMENTS, try_argument),
}
"""Kinds of changes, and what tries one with a verb."""


def of_verb(name: str) -> list[Cell]:
    """Return all cells of a verb."""
    begin, cells = time.perf_counter(), []
    with dask.config.set(scheduler="synchronous"):
        for table, (changes, attempt) in TABLES.items():
            for change in changes:
                try:
                    found = attempt(name, change)
                except Exception as error:  # of the matrix itself: the rest still counts
                    found = Outcome("inside", f"cannot be tried: {type(error).__name__}: {error}")
                cells.append((name, table, change, found.kind, found.text))
    sys.stderr.write(f"{time.perf_counter() - begin:6.1f} s  {name}\n")
    return cells


def run(names: list[str], processes: int) -> Iterator[list[Cell]]:
    """Run verbs in processes, and return the cells of each as it is done."""
    if processes < 2:
        for name in names:
            yield of_verb(name)
        return
    with get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(of_verb, names, chunksize=1)
