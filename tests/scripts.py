"""Scripts that run in processes of their own, forked of one that has imported all: see `forks`."""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
import tempfile
import textwrap
from pathlib import Path

__all__ = ["run"]


def run(script: str, *arguments: object) -> str:
    """Run a script in a process of its own, and return what it printed."""
    start = multiprocessing.get_context("forkserver").Process
    with tempfile.TemporaryDirectory() as folder:
        printed = Path(folder) / "printed"
        process = start(target=_execute, args=(script, printed, *map(str, arguments)))
        process.start()
        process.join(300)
        assert process.exitcode == 0
        return printed.read_text(encoding="utf-8")


def _execute(script: str, printed: Path, *arguments: str) -> None:
    """Execute a script, and print into a file."""
    sys.argv = ["script", *arguments]
    with printed.open("w", encoding="utf-8") as file, contextlib.redirect_stdout(file):
        exec(textwrap.dedent(script), {"__name__": "script"})
