"""The gallery of the site has all figures; they are drawn while it is built."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from types import ModuleType

from xsm.plotting.figures import FIGURES

SCRIPT = Path(__file__).parents[1] / "docs/_ext/gallery.py"


def gallery() -> ModuleType:
    """Return the script of the gallery."""
    made = importlib.util.spec_from_file_location("gallery", SCRIPT)
    assert made is not None
    module = importlib.util.module_from_spec(made)
    made.loader.exec_module(module)
    return module


def test_each_figure_has_a_picture_and_its_code() -> None:
    shown = gallery().FIGURES
    assert set(shown) == set(FIGURES)
    for kind, (_, code) in shown.items():
        assert f"plot.{kind}(" in code


def test_what_figures_need_runs_before_them() -> None:
    script = gallery()
    assert set(script.BEFORE) <= set(script.FIGURES)
    for code in script.BEFORE.values():
        ast.parse(code)
