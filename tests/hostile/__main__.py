"""Run the whole matrix: ``python -m tests.hostile``; ``--write`` renews the table of the docs."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

Cell = tuple[str, str, str, str, str]
"""Verb, table, change, class, text."""


def of_verb(name: str) -> list[Cell]:
    """Return all cells of a verb."""
    import dask

    from tests.hostile.inputs import ARGUMENTS, INPUTS
    from tests.hostile.invariances import INVARIANCES
    from tests.hostile.outcomes import try_argument, try_input, try_invariance

    tables = (
        ("invariance", INVARIANCES, try_invariance),
        ("input", INPUTS, try_input),
        ("argument", ARGUMENTS, try_argument),
    )
    cells = []
    begin = time.perf_counter()
    with dask.config.set(scheduler="synchronous"):
        for table, changes, attempt in tables:
            for change in changes:
                found = attempt(name, change)
                cells.append((name, table, change, found.kind, found.text))
    print(f"{time.perf_counter() - begin:6.1f} s  {name}", file=sys.stderr, flush=True)
    return cells


def run(names: list[str], processes: int) -> Iterator[Cell]:
    """Run verbs in processes."""
    if processes < 2:
        for name in names:
            yield from of_verb(name)
        return
    with get_context("spawn").Pool(processes) as pool:
        for cells in pool.imap_unordered(of_verb, names, chunksize=1):
            yield from cells


def main() -> int:
    """Run, write, and return how many cells are not as they should be."""
    from tests.hostile.outcomes import GOOD
    from tests.hostile.table import PAGE, written
    from tests.hostile.verbs import VERBS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verbs", nargs="*", help="verbs to run; all by default")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="write each cell with its text")
    parser.add_argument("--write", action="store_true", help=f"renew {PAGE.name}")
    given = parser.parse_args()
    names = [n for n in VERBS if not given.verbs or n in given.verbs]
    begin = time.perf_counter()
    cells = sorted(run(names, given.processes))
    bad = [cell for cell in cells if cell[3] not in GOOD]
    if given.json:
        given.json.write_text(json.dumps(cells, indent=0))
    for name, _, change, kind, text in bad:
        print(f"{kind}: {name}, {change}: {text:.300}")
    if given.write:
        PAGE.write_text(written(cells), encoding="utf-8")
    print(f"{len(cells)} cells, {len(bad)} bad, {time.perf_counter() - begin:.0f} s")
    return len(bad)


if __name__ == "__main__":
    sys.exit(bool(main()))
