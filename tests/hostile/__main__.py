"""Run the whole matrix: ``python -m tests.hostile``; ``--write`` renews the table of the docs."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("MPLBACKEND", "Agg")


def main() -> int:
    """Run, write, and return how many cells are not as they should be."""
    from tests.hostile.matrix import run
    from tests.hostile.outcomes import GOOD
    from tests.hostile.table import PAGE, written
    from tests.hostile.verbs import VERBS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verbs", nargs="*", help="verbs to run; all by default")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--json", type=Path, help="keep each cell with its text, those of other verbs too"
    )
    parser.add_argument("--write", action="store_true", help=f"renew {PAGE.name}")
    given = parser.parse_args()
    names = [n for n in given.verbs or VERBS if n in VERBS]
    begin, bad, cells = time.perf_counter(), 0, []
    if given.json and given.json.exists():  # of other verbs, from an earlier run
        cells = [
            tuple(c) for c in json.loads(given.json.read_text()) if c[0] in {*VERBS} - {*names}
        ]
    for found in run(names, given.processes):
        cells += found
        wrong = [cell for cell in found if cell[3] not in GOOD]
        bad += len(wrong)
        for name, _, change, kind, text in wrong:
            _say(f"{kind}: {name}, {change}: {text:.300}")
        if given.json:
            given.json.write_text(json.dumps(sorted(cells), indent=0))
    if given.write:
        PAGE.write_text(written(cells), encoding="utf-8")
    _say(f"{len(cells)} cells, {bad} bad, {time.perf_counter() - begin:.0f} s")
    return bad


def _say(text: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(bool(main()))
