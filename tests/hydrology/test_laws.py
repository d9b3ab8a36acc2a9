"""The table of laws: arguments and terms by row, and a law that a row adds."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.cells.collect import collect
from xsm.data.reading import read
from xsm.exceptions import MissingVariableError, UnknownNameError
from xsm.hydrology.laws import LAWS, Law
from xsm.losses import Richards, WaterBalance
from xsm.training.recipe import Recipe

SHARED = ("reading", "predicted", "dim", "target", "terms")
RECIPE = Recipe("soil_moisture", ("precipitation",), (), 2, 1, "cell")


@pytest.fixture(scope="module")
def land():
    ds = xsm.open_tutorial("land").isel(latitude=slice(4, 6), longitude=slice(20, 22))
    return ds.isel(time=slice(0, 60))


@dataclass(frozen=True)
class Dryness:
    """A term of a law that is added here."""

    needs: tuple[str, ...] = ("dryness",)


def _audit(reading, predicted, *, dim, target, terms, quiet=1.0):
    seen = {"target": str(target), "terms": str(terms), "quiet": quiet, "dim": str(dim)}
    return xr.Dataset({"rain": reading.array("precipitation")}, attrs=seen)


def _series(wanted):
    if "dryness" not in wanted.keys:
        return {}
    return {"dryness": 1.0 - wanted.reading.array(wanted.target)}


@pytest.fixture
def dryness(monkeypatch):
    """Add a law by a row."""
    law = Law(
        "dryness",
        audit=_audit,
        arguments=("quiet",),
        series=_series,
        maps=lambda wanted: {"stones": xr.DataArray(0.5)} if "stones" in wanted.keys else {},
        roles=lambda terms: ["snow_cover"] * any(isinstance(t, Dryness) for t in terms),
    )
    monkeypatch.setitem(LAWS, law.name, law)
    return law


@pytest.mark.parametrize("name", LAWS)
def test_a_law_takes_what_its_audit_takes(name):
    taken = inspect.signature(LAWS[name].audit).parameters
    assert tuple(taken)[:2] == SHARED[:2]
    assert set(taken) == {*SHARED, *LAWS[name].arguments}
    assert LAWS[name].name == name


def test_consistency_knows_every_argument_of_every_law():
    known = set(inspect.signature(xsm.consistency).parameters)
    assert {a for law in LAWS.values() for a in law.arguments} <= known


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"law": "richard"}, r"law='richard' was given. Did you mean 'richards'"),
        (
            {"law": "richards", "deep": True, "compat": "geng2024_code"},
            r"^deep, compat given with law='richards', which takes parameters, roots, quiet. Leave "
            r"them out, or type law='water_balance'.$",
        ),
        (
            {"roots": 0.9},
            r"^roots given with law='water_balance', which takes deep, trend, compat. Leave them "
            r"out, or type law='richards'.$",
        ),
    ],
)
def test_what_is_of_no_law_or_of_another_is_refused(land, given, text):
    with pytest.raises(UnknownNameError, match=text):
        xsm.consistency(land, **given)


def test_each_term_is_of_a_law():
    keys = {"trend_change_P.E.SRO.SD_single", "previous"}
    assert set(WaterBalance().needs) == keys
    assert LAWS["water_balance"].roles([WaterBalance(terms=("snow",)), Richards()]) == [
        "snow_water_equivalent"
    ]
    assert list(LAWS["richards"].roles([WaterBalance(), Richards()])) == []


def test_a_law_gives_terms_what_they_need_and_no_more(land):
    reading = read(land)
    features = collect(reading, RECIPE, terms=[WaterBalance(), WaterBalance(deep=True)])
    trends = ["trend_change_P.E.SRO.SD_single", "trend_change_P.E.SRO.SD_deep"]
    assert sorted(features.series) == sorted([*trends, "previous"])
    assert features.soil == {}
    assert collect(reading, RECIPE).series == {}


def test_a_row_is_a_law_that_audits(land, dryness):
    found = xsm.consistency(land, law="dryness", quiet=0.5, target="swvl2", terms=["rain"])
    said = {"target": "swvl2", "terms": "['rain']", "quiet": 0.5, "dim": "None"}
    assert {name: found.attrs[name] for name in said} == said
    with pytest.raises(UnknownNameError, match="trend given with law='dryness', which takes quiet"):
        xsm.consistency(land, law="dryness", trend="level")


def test_a_row_is_a_law_that_trains(land, dryness):
    features = collect(read(land), RECIPE, terms=[Dryness(("dryness", "stones"))])
    np.testing.assert_array_equal(features.series["dryness"], 1.0 - features.observed)
    assert features.soil["stones"].dims == ("latitude", "longitude")


def test_a_row_says_what_a_fit_requires(land, dryness):
    @dataclass(frozen=True)
    class Term(Dryness):
        weight: float = 1.0
        name: str = "dryness"
        reads: tuple[str, ...] = ("mean",)

        def __call__(self, output, batch):
            return (output["mean"] * batch["dryness"]).mean()

    fit = {"losses": [xsm.losses.RMSE(), Term()], "epochs": 1, "iterations": 2, "progress": False}
    fit |= {"window": 4, "hidden_size": 4}
    with pytest.raises(MissingVariableError, match="- snow_cover: not found"):
        xsm.fit(land, "lstm", **fit)
    covered = land.assign(snowc=land["tp"].copy(data=0 * land["tp"].values).assign_attrs(units="%"))
    fitted = xsm.fit(covered, "lstm", variables={"snow_cover": "snowc"}, **fit)
    assert "dryness" in fitted.history
