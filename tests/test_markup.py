"""Pages of objects: whole, escaped, foldable, and the same as the text."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import xsm
from tests.parsing import read
from xsm.artefact.page import model_html
from xsm.markup import page, paragraph, section, table

HOSTILE = "</td></table><script>alert('x')</script>&amp;\"'"


@pytest.fixture(scope="module")
def land() -> xr.Dataset:
    return xsm.open_tutorial("land").isel(latitude=slice(4, 6), longitude=slice(20, 22))


@pytest.fixture(scope="module")
def fitted(land):
    settings = {"epochs": 3, "iterations": 2, "hidden_size": 4, "progress": False}
    return land.sel(time="2018").physm.fit("phy_lstm", validate_every=1, **settings)


def history(epochs: int = 3, *names: str) -> xr.Dataset:
    values = np.stack([np.linspace(1.0, 0.5, epochs), np.full(epochs, np.nan)])
    coords = {"part": ["training", "validation"], "epoch": np.arange(1, epochs + 1)}
    return xr.Dataset(dict.fromkeys(("total", *names), (("part", "epoch"), values)), coords)


def test_the_page_of_a_model(fitted):
    shown = fitted._repr_html_()
    found = read(shown)
    assert found.count("details") >= 4
    for key, value in fitted.card.items():
        assert key in found.texts
        assert value in found.texts
    assert repr(fitted) in found.texts  # where there is no style
    assert found.count("svg") >= 1
    assert found.count("polyline") == 2


def test_settings_and_history_begin_folded(fitted):
    shown = fitted._repr_html_()
    assert "<details open><summary>inputs and output</summary>" in shown
    assert "<details><summary>settings and versions</summary>" in shown
    assert "<details><summary>history of the loss" in shown


def test_hostile_names_of_a_model_stay_text():
    card = {"target": HOSTILE, HOSTILE: "x", "settings": HOSTILE}
    found = read(model_html(HOSTILE, card, history(3, HOSTILE), HOSTILE))
    assert found.texts.count(HOSTILE) >= 5


def test_the_curve_falls_as_the_loss_does():
    shown = model_html("m", {"target": "t"}, history(3), "")
    assert shown.count("<polyline") == 1  # no validation was logged
    points = shown.partition('points="')[2].partition('"')[0].split()
    x, y = np.array([[float(v) for v in p.split(",")] for p in points]).T
    np.testing.assert_allclose(np.diff(x), np.diff(x)[0])
    np.testing.assert_allclose(np.diff(y), np.diff(y)[0])
    assert np.diff(y)[0] > 0  # pixels go down


@pytest.mark.parametrize(
    "logged",
    [
        xr.Dataset(),
        history(1),
        history(3).where(False),
        history(3).drop_vars("total").assign(rmse=history(3)["total"]),
        xr.concat([history(3), history(3)], "member"),
        history(2000),
    ],
)
def test_any_history_has_a_page(logged):
    shown = model_html("m", {"target": "t"}, logged, "m")
    read(shown)
    assert len(shown.partition("<svg class")[2].partition("</svg>")[0]) < 12_000


def test_the_page_of_variables(land):
    ds = land.assign(sd=land["sd"].assign_attrs(units=HOSTILE))
    ds["tp"].attrs["units"] = "m"
    shown = ds.physm.variables()
    found = read(shown._repr_html_())
    assert repr(shown) in found.texts
    assert [t for t in found.texts if "<script>alert(" in t]
    for title in ("found ", "cannot be used ", "not found "):
        assert (title in found.texts) == (title != "not found " or "not found:" in repr(shown))
    assert "precipitation" in found.texts


def test_the_page_of_a_plan(land, fitted):
    plan = land.chunk(time=30).physm.plan(fitted)
    found = read(plan._repr_html_())
    assert repr(plan) in found.texts
    assert "what it takes" in found.texts


def test_scores_and_audits_are_datasets_that_explain_themselves(land, fitted):
    test = land.sel(time="2019")
    forecast = test.physm.predict(fitted)
    for found in (test.physm.score(forecast, baselines=False), test.physm.consistency(forecast)):
        assert type(found) is xr.Dataset
        shown = read(found._repr_html_())
        assert found.attrs["title"] in shown.texts
        for array in found.data_vars.values():
            assert array.attrs["long_name"] in shown.texts
            assert "units" in array.attrs


def test_pieces_escape():
    made = [
        table([[HOSTILE, HOSTILE]], [HOSTILE, HOSTILE]),
        section(HOSTILE, paragraph(HOSTILE, HOSTILE, wrong=True), count=2),
        page(HOSTILE, HOSTILE, "", HOSTILE),
    ]
    for html in made:
        assert HOSTILE in read(html).texts
        assert "<script>" not in html


def test_colours_are_variables_that_turn_dark():
    style = page("kind", "", "", "").partition("<style>")[2].partition("</style>")[0]
    light, dark = style.partition("html[theme='dark']")[::2]
    for name in ("--xsm-first", "--xsm-second", "--xsm-warn"):
        assert f"{name}: " in light
        assert f"{name}: " in dark
    assert "color: var(--xsm-text)" in light
