"""The notebooks are kept without outputs, and each is the same as the script of its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = sorted(path.stem for path in EXAMPLES.glob("*.ipynb"))


def cells(name: str) -> list[dict[str, Any]]:
    """Return the cells of a notebook."""
    found: list[dict[str, Any]] = json.loads((EXAMPLES / f"{name}.ipynb").read_text("utf-8"))[
        "cells"
    ]
    return found


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_has_no_outputs(name: str) -> None:
    code = [cell for cell in cells(name) if cell["cell_type"] == "code"]
    assert [cell for cell in code if cell["outputs"] or cell["execution_count"]] == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_its_script(name: str) -> None:
    jupytext = pytest.importorskip("jupytext", reason="jupytext is in the extra docs")
    script = jupytext.read(EXAMPLES / f"{name}.py").cells
    text = [(cell["cell_type"], cell["source"]) for cell in script]
    kept = [(cell["cell_type"], "".join(cell["source"])) for cell in cells(name)]
    assert kept == text, f"type: jupytext --to ipynb examples/{name}.py"


def test_there_is_a_notebook_for_each_task() -> None:
    assert {"audit", "forecast", "satellite_gaps", "profiles", "groundwater", "evaporation"} <= set(
        NOTEBOOKS
    )
    assert {"experts", "pangeo"} <= set(NOTEBOOKS)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_draws_with_the_figures_of_xsm(name: str) -> None:
    assert ".plot." in "".join("".join(cell["source"]) for cell in cells(name))
