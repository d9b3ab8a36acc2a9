"""The built site in a real browser: pages open without an error, and what is shown can be seen.

Build it, then say where it is:

    sphinx-build -W --keep-going docs /tmp/site
    XSM_SITE=/tmp/site pytest tests/test_site.py
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted(path.stem for path in (ROOT / "examples").glob("*.ipynb"))
PAGES = ["index", "getting_started/first_look", "getting_started/own_data", "api/index"]
PAGES += ["models/phy_lstm", "howto/own_names", "physics/groundwater", "benchmarks", "design"]
PAGES += ["conventions", "water_balance", "real_data", "contributing"]
LOOKED_AT = ["index", "getting_started/first_look", "models/phy_lstm", "api/generated/xsm.fit"]
LOOKED_AT += ["api/index", "gallery", "conventions"]
WAIT = 60.0  # seconds for an answer of the browser

REPRS = """
[...document.querySelectorAll('[class^="xsm-"], .xr-wrap')].filter(e => !e.parentElement.closest(
  '[class^="xsm-"], .xr-wrap')).map(e => [e.className, e.offsetWidth, e.offsetHeight])
"""
TOGGLED = """
[...document.querySelectorAll('details')].map(e => {
  e.open = false; const closed = e.offsetHeight; e.open = true; return e.offsetHeight > closed })
"""
IMAGES = "[...document.images].map(e => [e.src, e.complete && e.naturalWidth > 0])"
WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
CLIPPED = """
[...document.querySelectorAll('.bd-article .highlight pre')]
  .filter(e => Math.max(...e.textContent.split('\\n').map(line => line.length)) <= 79)
  .filter(e => e.scrollWidth > e.clientWidth).map(e => e.textContent)
"""
COLUMN = "document.querySelector('.bd-article').clientWidth"
CONTRAST = """
(() => {
  const pixel = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const parse = text => {  // any colour of CSS as red, green, blue, opacity
    pixel.clearRect(0, 0, 1, 1); pixel.fillStyle = text; pixel.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = pixel.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255];
  };
  const over = (top, under) => under.map((v, k) => k < 3 ? top[3] * top[k] + (1 - top[3]) * v : 1);
  const ground = e => {
    if (!e) return [255, 255, 255, 1];
    const own = parse(getComputedStyle(e).backgroundColor);
    return own[3] > 0.99 ? own : over(own, ground(e.parentElement));
  };
  const veil = e => e ? getComputedStyle(e).opacity * veil(e.parentElement) : 1;
  const light = c => c.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const found = [];
  const article = document.querySelector('.bd-article');
  const walker = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
  const left_out = 'svg, mjx-container, script, style, .xr-icon-database';
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (!text || !e.getClientRects().length || e.closest(left_out)) continue;
    const under = ground(e), colour = parse(getComputedStyle(e).color);
    if (veil(e) < 0.05 || colour[3] < 0.05) continue;  // shown when the pointer is there
    colour[3] *= veil(e);
    const [a, b] = [light(over(colour, under)), light(under)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < LEAST) found.push([ratio.toFixed(2), e.className || e.tagName, text.slice(0, 40)]);
  }
  return found;
})()
"""


class Browser:
    """A headless Chromium that opens pages and answers questions about them."""

    def __init__(self, program: str, folder: str) -> None:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        flags += [
            "--remote-debugging-port=0",
            f"--user-data-dir={folder}",
            "--window-size=1400,1000",
        ]
        self.process = subprocess.Popen(
            [program, *flags, "about:blank"], stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        said = iter(self.process.stderr.readline, "")
        address = next(re.search(r"ws://[^/]*", line) for line in said if "ws://" in line)
        assert address is not None
        self.place = address[0].replace("ws://", "http://")

    def close(self) -> None:
        """End the browser."""
        self.process.terminate()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()

    def look(
        self, page: Path, *questions: str, width: int = 1400, mode: str = "light"
    ) -> tuple[list[str], list[Any]]:
        """Open a page; return its errors, and its answers to questions in JavaScript."""
        return asyncio.run(self._look(page.as_uri(), questions, width, mode))

    async def _look(
        self, url: str, questions: tuple[str, ...], width: int, mode: str
    ) -> tuple[list[str], list[Any]]:
        """Talk to the browser by its protocol."""
        from tornado.httpclient import AsyncHTTPClient
        from tornado.websocket import websocket_connect

        made = await AsyncHTTPClient().fetch(f"{self.place}/json/new", method="PUT", body="")
        tab = json.loads(made.body)
        link = await websocket_connect(tab["webSocketDebuggerUrl"], max_message_size=2**28)
        errors: list[str] = []

        async def ask(number: int, method: str, until: str | None = None, **what: Any) -> Any:
            """Send a message; return its answer, or the event that is waited for."""
            await link.write_message(json.dumps({"id": number, "method": method, "params": what}))
            while True:
                text = await asyncio.wait_for(link.read_message(), WAIT)
                message = json.loads(text or "{}")
                errors.extend(problem(message))
                if message.get("method") == until if until else message.get("id") == number:
                    return message.get("result")

        for number, domain in enumerate(("Page", "Runtime", "Log")):
            await ask(number, f"{domain}.enable")
        size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        await ask(8, "Emulation.setDeviceMetricsOverride", **size)
        wanted = [{"name": "prefers-color-scheme", "value": mode}]
        await ask(9, "Emulation.setEmulatedMedia", features=wanted)
        await ask(10, "Page.navigate", until="Page.loadEventFired", url=url)
        answers = []
        for number, question in enumerate(questions, 20):
            said = await ask(
                number,
                "Runtime.evaluate",
                expression=question,
                returnByValue=True,
                awaitPromise=True,
            )
            answers.append(said["result"].get("value"))
        link.close()
        await AsyncHTTPClient().fetch(f"{self.place}/json/close/{tab['id']}")
        return errors, answers


def problem(message: dict[str, Any]) -> Iterator[str]:
    """Return what a message of the browser complains of."""
    method, what = message.get("method"), message.get("params", {})
    if method == "Runtime.exceptionThrown":
        yield str(what["exceptionDetails"])
    if method == "Runtime.consoleAPICalled" and what["type"] == "error":
        yield str(what["args"])
    if method == "Log.entryAdded" and what["entry"]["level"] == "error":
        yield f"{what['entry']['text']} {what['entry'].get('url', '')}"


@pytest.fixture(scope="module")
def site() -> Path:
    """Return the folder of the built site."""
    folder = os.environ.get("XSM_SITE")
    if not folder:
        pytest.skip("XSM_SITE names no built site; .ci/run builds one and comes back here")
    assert (Path(folder) / "index.html").is_file(), f"there is no built site in {folder}"
    return Path(folder)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a browser, where one is installed."""
    found = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    program = next(found, None)
    if program is None:
        pytest.skip("no chromium on this machine")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(program, folder)
        yield browser
        browser.close()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_without_an_error(site: Path, browser: Browser, page: str) -> None:
    errors, (images, wide) = browser.look(site / f"{page}.html", IMAGES, WIDE)
    assert errors == []
    assert [source for source, loaded in images if not loaded] == []
    assert wide <= 0, "the page scrolls sideways"


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("page", [*LOOKED_AT, *(f"notebooks/{name}" for name in NOTEBOOKS)])
def test_text_differs_from_its_ground(site: Path, browser: Browser, page: str, mode: str) -> None:
    """The contrast of WCAG 2.2 (level AA) for all text of the article, in both modes."""
    told = "document.documentElement.dataset.theme"
    ask = CONTRAST.replace("LEAST", "4.5")
    _, (shown, pale) = browser.look(site / f"{page}.html", told, ask, mode=mode)
    assert shown == mode
    assert pale == []


@pytest.mark.parametrize("width", [420, 1280])
@pytest.mark.parametrize("page", LOOKED_AT)
def test_nothing_is_clipped(site: Path, browser: Browser, page: str, width: int) -> None:
    """Code of 79 characters and figures of 7 inches (of 96 px) fit beside both sidebars."""
    asked = (WIDE, COLUMN, CLIPPED)
    _, (wide, column, clipped) = browser.look(site / f"{page}.html", *asked, width=width)
    assert wide <= 0, "the page scrolls sideways"
    if width >= 1280:
        assert column >= 7 * 96
        assert clipped == []


@pytest.mark.parametrize("name", [*NOTEBOOKS, "../getting_started/first_look"])
def test_a_notebook_shows_what_it_made(site: Path, browser: Browser, name: str) -> None:
    page = site / "notebooks" / f"{name}.html"
    errors, (reprs, toggled, images) = browser.look(page, REPRS, TOGGLED, IMAGES)
    assert errors == []
    assert any(kind.startswith("xsm-") for kind, _, _ in reprs), "no repr of xsm on the page"
    small = [kind for kind, width, height in reprs if width < 100 or height < 30]
    assert small == [], "a repr that cannot be seen"
    assert all(toggled), "a part that does not open"
    assert images, "a story without a figure"
    assert [source for source, loaded in images if not loaded] == []


def test_mathematics_is_drawn_without_the_network(site: Path, browser: Browser) -> None:
    drawn = "MathJax.startup.promise.then(() => document.querySelectorAll('mjx-container').length)"
    wait = f"(async () => await {drawn})()"
    errors, (text,) = browser.look(site / "models/phy_lstm.html", wait)
    assert errors == []
    assert text is not None
    source = (site / "models/phy_lstm.html").read_text(encoding="utf-8")
    assert "cdn." not in source


def test_every_notebook_was_run(site: Path) -> None:
    for name in NOTEBOOKS:
        text = (site / "notebooks" / f"{name}.html").read_text(encoding="utf-8")
        assert "cell_output" in text
        assert "Traceback" not in text
