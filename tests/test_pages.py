"""The pages of the site are true: all their Python runs, in order, without a warning.

Pages whose outputs are shown (``{code-cell}``) are run when the site is built, see test_site.py.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import xsm

ROOT = Path(__file__).parents[1]
CODE = re.compile(r"^ *```python\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
ELSEWHERE = Path(__file__).with_name("test_readme.py").read_text(encoding="utf-8")
"""Pages that another test runs, with more questions than here."""


def blocks(page: str) -> list[str]:
    """Return the Python of a page, padded so that errors show the page's lines."""
    found = CODE.finditer(page)
    return ["\n" * page.count("\n", 0, b.start(1)) + textwrap.dedent(b[1]) for b in found]


def sources() -> list[Path]:
    """Return the pages that are kept in the repository."""
    made = {"generated", "notebooks", "_build", "jupyter_execute"}
    found = (ROOT / "docs").rglob("*.md")
    return sorted(page for page in found if not made & set(page.relative_to(ROOT).parts))


def pages() -> list[str]:
    """Return the pages with Python in them that no other test runs."""
    found = [(str(page.relative_to(ROOT)), page.read_text(encoding="utf-8")) for page in sources()]
    return [name for name, text in found if blocks(text) and f'"{name}"' not in ELSEWHERE]


def check_own_names(names: dict[str, Any]) -> None:
    assert names["forecast"]["SM_0_7"].attrs["units"] == "%"
    assert names["table"]["evaporation"].conversion.factor < 0
    assert "soil_moisture: not found" in names["problem"]
    assert float(names["audit"]["count"].min()) > 0


def check_hourly(names: dict[str, Any]) -> None:
    assert names["days"]["tp"].values == pytest.approx(0.0048)
    assert names["days"].sizes["time"] == 3
    assert "sum since 00 UTC" in names["problem"]


def check_chunks(names: dict[str, Any]) -> None:
    assert names["forecast"].chunks
    assert names["scores"].chunks
    assert names["advice"].better["time"] == -1
    assert names["plan"].halo == 0


def check_from_phy_lstm(names: dict[str, Any]) -> None:
    target = "volumetric_soil_water_layer_1"
    assert target in names["forecast"]
    assert names["fitted"].card["losses"] == "0.1 rmse + 0.9 water_balance_deep (change)"
    assert names["as_in_the_code"].compat == "geng2024_code"


def check_term(names: dict[str, Any]) -> None:
    assert "evaporation_from_mars" in names["problem"]
    assert names["fitted"].history["within_pores"].dims == ("part", "epoch")


def check_model(names: dict[str, Any]) -> None:
    assert "swvl1_std" in names["wide"].predict(names["ds"])
    assert names["again"].token == names["fitted"].token


def check_groundwater(names: dict[str, Any]) -> None:
    assert float(names["found"]["groundwater_storage"].mean()) < 0
    assert float(names["with_error"]["groundwater_storage_std"].min()) >= 0


def check_own_data(names: dict[str, Any]) -> None:
    assert names["forecast"]["Bodenfeuchte"].attrs["units"] == "%"
    assert names["share"].dims == ("station",)
    assert 0 <= names["outside"] < 1


CHECKS: dict[str, Callable[[dict[str, Any]], None]] = {
    "docs/howto/own_names.md": check_own_names,
    "docs/howto/era5land_hourly.md": check_hourly,
    "docs/howto/zarr_and_chunks.md": check_chunks,
    "docs/howto/from_phy_lstm.md": check_from_phy_lstm,
    "docs/howto/adding_a_physics_term.md": check_term,
    "docs/howto/adding_a_model.md": check_model,
    "docs/physics/groundwater.md": check_groundwater,
    "docs/getting_started/own_data.md": check_own_data,
}


@pytest.mark.parametrize("page", pages())
def test_the_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    with xsm.set_options(progress=False):
        for block in blocks((ROOT / page).read_text(encoding="utf-8")):
            exec(compile(block, page, "exec"), names)
    CHECKS.get(page, lambda _: None)(names)


def test_all_checks_belong_to_pages() -> None:
    assert set(CHECKS) <= set(pages())


def test_every_model_has_a_page() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in sources())
    missing = [name for name in xsm.list_models() if f'"{name}"' not in text]
    assert missing == []


def test_every_language_of_a_block_is_known() -> None:
    known = {"python", "sh", "text", "toml"}
    used = {
        (page.name, language)
        for page in sources()
        for language in re.findall(
            r"^ *```([a-z]+)$", page.read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    assert {language for _, language in used} <= known, used


def test_messages_that_the_page_of_errors_quotes_are_those_of_the_package() -> None:
    page = (ROOT / "docs/faq.md").read_text(encoding="utf-8").replace("\n", " ")
    quoted = re.findall(r'\*\*"([^"]+)"\*\*', page)
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "xsm").rglob("*.py"))
    joined = re.sub(r'"\s*\n\s*f?"', "", code)  # pieces of one text
    assert len(quoted) >= 5
    assert [text for text in quoted if text not in joined] == []
