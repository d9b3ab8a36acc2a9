"""What is said to be supported is run: legs of ``.ci/matrix``, their table, other ways to run."""

from __future__ import annotations

import re
from pathlib import Path

from tests import ways

ROOT = Path(__file__).parents[1]
MATRIX = (ROOT / ".ci/matrix").read_text(encoding="utf-8")
PAGE = (ROOT / "docs/project.md").read_text(encoding="utf-8")
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def legs() -> list[str]:
    """Return the legs that the script runs where none is named."""
    return re.search(r"set -- (.*)", MATRIX)[1].split()


def rows() -> dict[str, list[str]]:
    """Return the rows of the page's table by leg: versions, result."""
    table = re.findall(r"^\| (.*) \|$", PAGE, re.MULTILINE)
    cells = [[cell.strip() for cell in row.split("|")] for row in table]
    return {row[0]: row[1:] for row in cells[1:]}


def test_the_table_has_a_row_for_each_leg_and_no_other():
    pythons = {leg for leg in rows() if re.fullmatch(r"3\.\d+", leg)}
    assert pythons
    assert rows().keys() - pythons == set(legs()) - {"pythons"}


def test_each_leg_can_be_asked_for():
    known = re.search(r"case \$name in\n(.*)esac", MATRIX, re.DOTALL)[1]
    named = re.findall(r"^    ([a-z0-9| ]+)\)", known, re.MULTILINE)
    assert {name.strip() for names in named for name in names.split("|")} == set(legs())


def test_the_lowest_leg_ran_with_the_bounds_of_today():
    """The table of the page is of this project file, not of an older one."""
    head = [
        cell.strip() for cell in re.search(r"^\| leg \|(.*)\|$", PAGE, re.MULTILINE)[1].split("|")
    ]
    for name, version in zip(head, rows()["lowest"], strict=True):
        bound = re.search(rf'^  "{name}(?:\[\w+\])?>=([\d.]+)"', PROJECT, re.MULTILINE)
        if bound and name != "Python":
            assert (version + ".").startswith(bound[1] + "."), name


def test_what_differs_is_told():
    plain = {"score": {"rmse": [1.0, 0.5, 0.5, 0.2], "r": [1.0, 0.0, 0.0, 0.0]}}
    near = {"score": {"rmse": [1.0, 0.5 + 1e-6, 0.5, 0.2], "r": [1.0, 0.0, 0.0, 0.0]}}
    far = {"score": {"rmse": [1.0, 0.6, 0.5, 0.2], "r": [1.0, 0.0, 0.0, 0.0]}}
    assert ways.differences(near, plain) == []
    assert ways.differences(plain, plain) == []
    [line] = ways.differences(far, plain)
    assert line == "score: rmse is off by 0.1, its size is 1"
    nothing = {"score": {"rmse": [1.0, float("nan"), 0.5, 0.2], "r": [1.0, 0.0, 0.0, 0.0]}}
    assert ways.differences(nothing, plain)
    assert ways.differences({"score": {"rmse": plain["score"]["rmse"]}}, plain) == [
        "score: other names"
    ]
