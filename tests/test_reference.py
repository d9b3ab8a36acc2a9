"""The reference of the site names all that is public; links to other packages need no network."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import xsm
from xsm.api.accessor import PhysmDataset
from xsm.api.array_accessor import PhysmArray
from xsm.plotting.figures import FIGURES

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "docs/_ext"


@pytest.fixture(scope="module")
def reference() -> Iterator[ModuleType]:
    """Return the script that writes the pages."""
    sys.path.insert(0, str(SCRIPTS))
    yield importlib.import_module("reference")
    sys.path.remove(str(SCRIPTS))


def listed(page: str) -> set[str]:
    """Return the names in the tables of a page."""
    return set(re.findall(r"^   ([A-Za-z_][\w.]*)$", page, re.MULTILINE))


def test_every_public_name_is_listed(reference: ModuleType) -> None:
    names = listed(reference.users())
    assert set(xsm.__all__) <= names
    for owner, cls in (("Dataset", PhysmDataset), ("DataArray", PhysmArray)):
        public = {name for name in dir(cls) if not name.startswith("_")}
        assert {f"{owner}.physm.{name}" for name in public} <= names
    verbs = [n for n, v in inspect.getmembers(xsm.FittedModel) if not n.startswith("_")]
    assert {f"FittedModel.{name}" for name in verbs} - names <= {
        f"FittedModel.{name}" for name in reference.RECORD
    }


def test_every_figure_is_listed(reference: ModuleType) -> None:
    page = reference.users()
    for name, row in FIGURES.items():
        assert f".plot.{name}``" in page
        assert f"xsm.plotting.{row.draw.__name__}`" in page


def test_models_and_laws_are_listed(reference: ModuleType) -> None:
    own = {n for n in xsm.list_models() if f"xsm.models.{n}" in reference.extend()}
    assert {"phy_lstm", "ismoe", "water_budget"} <= own
    assert "xsm.physics.richards" in reference.physics()


def test_inventories_hold_what_the_list_says(tmp_path: Path, reference: ModuleType) -> None:
    assert reference  # its folder is on the path
    objects = importlib.import_module("objects")
    objects.write_inventories(tmp_path)
    for name, (address, file) in objects.mapping().items():
        head, _, packed = (tmp_path / file).read_bytes().partition(b"using zlib.\n")
        assert head.startswith(b"# Sphinx inventory version 2\n# Project: " + name.encode())
        lines = zlib.decompress(packed).decode().splitlines()
        assert address.startswith("https://")
        assert all(re.fullmatch(r"\S+ (py|std):\w+ 1 [^\s$]+ -", line) for line in lines)


def test_the_home_page_leads_to_each_tutorial() -> None:
    home = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    led_to = set(re.findall(r":link: notebooks/(\w+)", home))
    assert {"groundwater", "satellite_gaps", "forecast", "audit", "evaporation"} <= led_to
    assert [name for name in led_to if not (ROOT / f"examples/{name}.ipynb").is_file()] == []
