"""What an accessor shows: variables that were found, and needs that are those of the verbs."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.api.overview import overview
from xsm.exceptions import GridError, MissingVariableError, UnitsError

CALLS = {
    "monthly": lambda ds: ds.physm.monthly(),
    "daily": lambda ds: ds.physm.daily(),
    "regrid": lambda ds: ds.physm.regrid(ds),
    'fit("phy_lstm")': lambda ds: ds.physm.fit("phy_lstm", **QUICK),
    'fit("lstm")': lambda ds: ds.physm.fit("lstm", **QUICK),
    'cross_validate("lstm")': lambda ds: ds.physm.cross_validate("lstm", count=2, **QUICK),
    "intervals": lambda ds: ds.physm.intervals(),
    "water_balance": lambda ds: ds.physm.water_balance(),
    "consistency": lambda ds: ds.physm.consistency(),
    'consistency(law="budget")': lambda ds: ds.physm.consistency(law="budget"),
    'richards_residual, consistency(law="richards")': lambda ds: ds.physm.richards_residual(),
    "soil_parameters": lambda ds: ds.physm.soil_parameters(method="texture_class"),
    "texture_class": lambda ds: ds.physm.texture_class(),
    "to_depths": lambda ds: ds.physm.to_depths([(0.0, 0.07)]),
    "simulate_columns": lambda ds: ds.physm.simulate_columns(),
    "downscale": lambda ds: ds.physm.downscale(2, model="nearest"),
}
QUICK = {"epochs": 1, "iterations": 1, "hidden_size": 2, "progress": False}


def land() -> xr.Dataset:
    whole = xsm.open_tutorial("land").isel(latitude=slice(0, 3), longitude=slice(20, 23))
    return whole.isel(time=slice(0, 120))


def stored() -> xr.Dataset:
    ds = land()
    gws = (1000 * ds["swvl1"]).drop_attrs(deep=False).assign_attrs(units="mm")
    return ds[[]].assign(groundwater_storage=gws)


WORLDS = {
    "land": land,
    "without rain": lambda: land().drop_vars("tp"),
    "without soil": lambda: land().drop_vars([f"swvl{k}" for k in (1, 2, 3, 4)]),
    "one layer and no clay": lambda: land().drop_vars(["swvl2", "swvl3", "swvl4", "clay", "silt"]),
    "runoff without units": lambda: land().assign(sro=land()["sro"].drop_attrs()),
    "with parameters": lambda: land().assign(land().physm.soil_parameters(method="texture_class")),
    "storage": stored,
}


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.filterwarnings("ignore:.* lie beyond theta_r and theta_s:UserWarning")
@pytest.mark.filterwarnings("ignore:.* is left out:UserWarning")
def test_what_is_needed_is_what_verbs_ask_for(world: str) -> None:
    ds = WORLDS[world]()
    verbs = overview(ds).verbs
    for verb, call in CALLS.items():
        told = ""
        try:
            call(ds)
        except (MissingVariableError, UnitsError, GridError) as error:
            told = str(error)
        assert bool(told) == bool(verbs[verb]), (verb, verbs[verb], told)
        needs = [need for text in verbs[verb] for need in text.split(" or ")]
        roles = [need for need in needs if re.fullmatch(r"\w+", need)]
        assert not roles or any(role in told for role in roles), (verb, roles, told)


def test_variables_are_told_by_role_with_units_and_how_they_were_found() -> None:
    rows = {row[0]: row[1:] for row in overview(land()).rows if row[0]}
    assert rows["precipitation"] == ("tp", "m", "standard_name")
    assert rows["evaporation"] == ("e", "m", "alias")
    lines = repr(land().physm).splitlines()
    assert lines[0] == "<xsm: verbs of a Dataset>"
    assert sum(line.startswith("precipitation ") for line in lines) == 1
    assert lines[-1] == "fitted: none"


def test_a_model_that_was_fitted_serves_the_verbs_that_need_one() -> None:
    ds = land()
    assert overview(ds).verbs["predict, forecast, plan, audit"]
    ds.physm.fit("lstm", **QUICK)
    assert not overview(ds).verbs["predict, forecast, plan, audit"]
    assert repr(ds.physm).splitlines()[-1] == "fitted: lstm"


def test_predictions_with_a_spread_have_intervals() -> None:
    guess = land()[["swvl1"]]
    assert overview(guess).verbs["intervals"]
    assert not overview(guess.assign(swvl1_std=0.1 * guess["swvl1"])).verbs["intervals"]


def test_nothing_is_computed(no_compute) -> None:
    ds = land().chunk(time=30)
    with no_compute():
        assert repr(ds.physm) == repr(land().physm)
        assert "available" in ds["swvl1"].physm._repr_html_()


def test_arrays_show_the_verbs_that_they_have() -> None:
    text = repr(land()["swvl1"].physm)
    assert text.startswith("<xsm: verbs of a DataArray, other variables with forcing=>")
    assert "soil_parameters " not in text
    assert re.search(r"downscale +available", text)
    assert re.search(r"water_balance +needs precipitation; evaporation", text)


@pytest.mark.parametrize(
    "data",
    [
        xr.Dataset(),
        xr.DataArray([1.0]),
        xr.DataArray(1.0, name="tp"),
        xr.Dataset({"tp": (("time", "odd"), np.zeros((0, 2)))}),
        xr.Dataset({"swvl1": ("x", ["a"])}),
        xr.Dataset({("a", 1): ("x", [1.0])}),
    ],
)
def test_odd_data_are_shown_and_raise_nothing(data: xr.Dataset | xr.DataArray) -> None:
    assert "check, variables" in repr(data.physm) or "! data" in repr(data.physm)
    assert data.physm._repr_html_()


def test_what_cannot_be_used_is_told() -> None:
    bad = WORLDS["runoff without units"]()
    assert "! surface_runoff: 'sro' has no units" in repr(bad.physm)
    assert "cannot be used" in bad.physm._repr_html_()


def test_the_page_is_whole_and_escaped() -> None:
    ds = xr.Dataset({"<b>": ("x", [1.0], {"standard_name": "precipitation_flux"})})
    page = ds.physm._repr_html_()
    assert "<b>" not in re.sub(r"<b>fitted: none</b>", "", page).replace("<b>precipitation</b>", "")
    opened: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert opened.pop() == tag

    Parser().feed(page)
    assert opened == []
