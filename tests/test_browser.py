"""Pages in a real browser: sections unfold, nothing is logged, dark is dark.

Chromium is needed (``apt-get install chromium``); where CI is set and there is none, that is an
error.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import xsm

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)

pytestmark = pytest.mark.skipif(
    BROWSER is None and not os.environ.get("CI"),
    reason=f"no browser; install one of {', '.join(NAMES)}",
)

# unfolds what is folded, as a click on each title does, then tells what it sees
PROBE = """
<script>
window.problems = [];
window.addEventListener("error", event => window.problems.push(String(event.message)));
console.error = (...all) => window.problems.push(all.join(" "));
</script>
%s
<script>
const folded = [...document.querySelectorAll(".xsm-repr details")];
const before = folded.filter(each => each.open).length;
folded.filter(each => !each.open).forEach(each => each.querySelector("summary").click());
const seen = element => element.getClientRects().length > 0;
const lines = element => {
  const range = document.createRange();
  range.selectNodeContents(element);
  return new Set([...range.getClientRects()].map(each => each.top)).size;
};
const repr = document.querySelector(".xsm-repr");
document.body.insertAdjacentHTML("beforeend", "<pre id='told'></pre>");
document.getElementById("told").textContent = JSON.stringify({
  problems: window.problems,
  sections: folded.length,
  before: before,
  open: folded.filter(each => each.open).length,
  inside: [...document.querySelectorAll(".xsm-inside")].filter(seen).length,
  fallback: [...document.querySelectorAll(".xsm-text")].filter(seen).length,
  loaded: performance.getEntriesByType("resource").map(each => each.name),
  colour: getComputedStyle(repr).color,
  wide: [...document.querySelectorAll(".xsm-repr")].map(
    each => each.scrollWidth - each.clientWidth),
  cut: [...document.querySelectorAll(".xsm-table td")].map(each => [each.textContent, lines(each)])
    .filter(each => /^\\S{1,40}$/.test(each[0]) && each[1] > 1).map(each => each[0]),
});
</script>
"""


def browse(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the browser without a window."""
    if BROWSER is None:
        pytest.fail(f"no browser; install one of {', '.join(NAMES)}, as apt-get install chromium")
    settings = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
    command = [BROWSER, *settings, "--hide-scrollbars", "--enable-logging=stderr", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def answer(dom: str) -> dict[str, Any]:
    """Return what the probe saw."""
    found = re.search(r'<pre id="told">(.*?)</pre>', dom, re.DOTALL)
    assert found, dom[-2000:]
    return json.loads(unescape(found[1]))


def written(folder: Path, parts: list[str], theme: str) -> Path:
    """Write a page that holds the reprs and a probe."""
    colours = {"light": "#ffffff; color: #111111", "dark": "#121212; color: #eeeeee"}[theme]
    style = f"<style>body {{background: {colours}; font-family: sans-serif}}</style>"
    body = PROBE % "<hr>".join(parts)
    path = folder / f"{theme}.html"
    path.write_text(
        f'<!doctype html><html data-theme="{theme}"><head><meta charset="utf-8"><title>reprs'
        f"</title>{style}</head><body>{body}</body></html>",
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="module")
def parts() -> list[str]:
    """Return the reprs of a model, its variables, its plan, its scores and an audit."""
    ds = xsm.open_tutorial("land").isel(latitude=slice(4, 6), longitude=slice(20, 22))
    settings = {"epochs": 3, "iterations": 2, "hidden_size": 4, "progress": False}
    fitted = ds.sel(time="2018").physm.fit("phy_lstm", **settings)
    forecast = fitted.predict(ds.sel(time="2019"))
    odd = ds.assign(sd=ds["sd"].assign_attrs(units="<script>throw Error('ran')</script>"))
    shown = [
        fitted,
        odd.physm.variables(),
        ds.chunk(time=30).physm.plan(fitted),
        ds.physm.score(forecast, baselines=fitted),
        ds.physm.consistency(forecast),
    ]
    return [each._repr_html_() for each in shown]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_sections_unfold_without_errors(tmp_path, parts, theme):
    path = written(tmp_path, parts, theme)
    done = browse("--dump-dom", "--virtual-time-budget=2000", path.as_uri())
    told = answer(done.stdout)
    assert told["problems"] == []
    assert "CONSOLE" not in done.stderr
    assert told["sections"] > told["before"] > 0
    assert told["open"] == told["sections"] == told["inside"]
    assert told["fallback"] == 0
    assert told["loaded"] == []
    assert told["colour"] == {"light": "rgb(17, 17, 17)", "dark": "rgb(238, 238, 238)"}[theme]
    assert max(told["wide"]) <= 0  # nothing is cut off


def test_a_long_name_leaves_other_words_whole(tmp_path):
    ds = xsm.open_tutorial("land").isel(latitude=[4], longitude=[20])
    table = ds.rename(tp="precipitation_" * 16).physm.variables()
    path = written(tmp_path, [table._repr_html_()], "light")
    told = answer(browse("--dump-dom", "--window-size=1000,800", path.as_uri()).stdout)
    assert told["cut"] == []
    assert max(told["wide"]) <= 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_have_the_brightness_of_their_theme(tmp_path, parts, theme):
    path, shot = written(tmp_path, parts, theme), tmp_path / "shot.png"
    browse("--window-size=1000,2400", f"--screenshot={shot}", path.as_uri())
    grey = np.asarray(Image.open(shot).convert("L"), dtype=float)
    assert (np.median(grey) > 200) == (theme == "light")
    ink = abs(grey - np.median(grey)) > 100
    assert 0.005 < ink.mean() < 0.3  # text, in the other brightness


def test_without_style_the_text_is_read(tmp_path, parts):
    bare = [re.sub(r"<style>.*?</style>", "", part, flags=re.DOTALL) for part in parts[:3]]
    done = browse(
        "--dump-dom", "--virtual-time-budget=2000", written(tmp_path, bare, "light").as_uri()
    )
    told = answer(done.stdout)
    assert told["fallback"] == 3
    assert told["inside"] == 0
