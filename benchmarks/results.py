"""Results that benchmarks keep line by line, and pages whose tables are made of them."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from pathlib import Path
from typing import Any


def arguments(doc: str | None) -> argparse.ArgumentParser:
    """Return what all benchmarks take that keep their results; networks run on one thread."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", required=True, help="folder of the data sets")
    parser.add_argument("--results", type=Path, required=True, help="kept line by line, as JSON")
    parser.add_argument("--write", type=Path, default=None, help="page whose tables are replaced")
    return parser


class Results:
    """A file of JSON lines: what stands there is not made again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
        self.commit = commit()

    def add(self, row: dict[str, Any]) -> dict[str, Any]:
        """Append a result, with the commit that it is of, and return both."""
        self.rows.append(row | {"commit": self.commit})
        with self.path.open("a") as file:
            file.write(json.dumps(self.rows[-1]) + "\n")
        return self.rows[-1]

    def made_with(self, script: str) -> str:
        """Return the command and the commits that all of it was made with."""
        commits = ", ".join(sorted({f"`{row['commit']}`" for row in self.rows}))
        return f"Made with `python benchmarks/{script} --data DIR --results FILE`, {commits}."


def by_columns(rows: list[dict[str, Any]], name: str) -> dict[str, dict[str, Any]]:
    """Return rows as columns of values by name, as the page of all benchmarks takes them."""
    columns = dict.fromkeys(key for row in rows for key in row if key != name)
    return {c: {row[name]: "" if row.get(c) is None else row[c] for row in rows} for c in columns}


def with_earlier(path: Path, rows: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Return rows, and those that a file of :func:`by_columns` holds under other names."""
    held = json.loads(path.read_text("utf-8")) if path.exists() else {}
    found: dict[str, dict[str, Any]] = {}
    for columns in held.values():
        for column, values in columns.items():
            for key, value in values.items():
                row = found.setdefault(key, {name: key})
                row[column] = None if value == "" else value
    return list((found | {row[name]: row for row in rows}).values())


def commit() -> str:
    """Return the commit that is measured."""
    command = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def write_tables(page: Path, text: str) -> None:
    """Replace the tables of a page."""
    before, _, rest = page.read_text().partition("<!-- tables -->")
    after = rest.partition("<!-- end of tables -->")[2]
    page.write_text(f"{before}<!-- tables -->\n\n{text}\n\n<!-- end of tables -->{after}")
