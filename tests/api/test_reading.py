"""The variables of one data set are found once in one verb, and in one place of the package."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import xarray as xr

import xsm
from xsm.data import reading as place
from xsm.data.reading import read
from xsm.data.units import quantify

PACKAGE = Path(xsm.__file__).parent

FINDERS = {"data/naming/__init__.py", "data/naming/find.py", "data/reading.py", "api/variables.py"}
"""Where variables are found: the finder itself, what reads a data set, and the verb that shows."""


@pytest.fixture
def found(monkeypatch):
    """Return the data sets whose variables were found, one entry a time."""
    calls = []
    finder = place.find_variables

    def counted(ds, overrides=None):
        calls.append(ds)
        return finder(ds, overrides)

    monkeypatch.setattr(place, "find_variables", counted)
    return calls


@pytest.fixture(scope="module")
def land():
    return xsm.open_tutorial("land").isel(latitude=slice(4, 6), longitude=slice(20, 22))


@pytest.fixture(scope="module")
def guess(land):
    """Return a prediction with a spread."""
    mean = (land["swvl1"] + 0.01).assign_attrs(units="m3 m-3")
    return xr.Dataset({"swvl1": mean, "swvl1_std": xr.full_like(mean, 0.02)})


@pytest.fixture(scope="module")
def layers(land):
    """Return a prediction of all layers."""
    made = land[[f"swvl{k}" for k in (1, 2, 3, 4)]] + 0.001
    return made.map(lambda array: array.assign_attrs(units="m3 m-3"))


@pytest.fixture(scope="module")
def soil(land):
    return xsm.soil_parameters(land, method="texture_class")


def test_a_score_finds_variables_once(found, land, guess):
    xsm.score(land, guess.isel(time=slice(400, None)), lead=1)  # a climatology of the year before
    assert len(found) == 1
    xsm.score(land, guess["swvl1"], baselines=False)
    assert len(found) == 2


def test_an_audit_by_the_water_balance_finds_variables_once(found, land, guess):
    xsm.consistency(land)
    assert len(found) == 1
    xsm.consistency(land, guess["swvl1"], deep=True, trend="level")
    assert len(found) == 2


def test_an_audit_by_richards_finds_those_of_data_and_of_parameters_once(
    found, land, layers, soil, small_profile
):
    xsm.consistency(land, layers, law="richards", parameters=soil, quiet=1.0)
    assert len(found) == 2
    assert [set(ds.data_vars) for ds in found] == [set(land.data_vars), set(soil.data_vars)]
    xsm.consistency(small_profile.isel(time=slice(0, 9)), law="richards")  # holds its parameters
    assert len(found) == 3


def test_a_target_beside_the_layers_is_another_reading(found, land, layers, soil):
    whole = land.assign(other=land["swvl1"].drop_attrs().assign_attrs(units="m3 m-3"))
    with pytest.raises(xsm.exceptions.GridError, match="depths of the layers"):
        xsm.consistency(whole, law="richards", parameters=soil, target="other")
    assert len(found) == 2


def test_laws_on_data_and_spreads_find_variables_once(found, land, guess, soil):
    xsm.water_balance(land, deep=True)
    xsm.to_depths(land, [(0.0, 0.1)])
    xsm.reliability(land, guess)
    xsm.soil_parameters(land, method="texture_class")
    xsm.monthly(land)
    assert len(found) == 5
    xsm.richards_residual(land, parameters=soil)
    assert len(found) == 7


def test_figures_find_variables_once(found, land, layers, guess, soil):
    from matplotlib.figure import Figure

    one = {dim: float(land[dim][0]) for dim in ("latitude", "longitude")}
    plot = land.isel(time=slice(0, 60)).physm.plot
    two = {"one": guess, "two": guess + 0.01}
    two["two"] = two["two"].map(lambda array: array.assign_attrs(units="m3 m-3"))
    plot.series(two, ax=Figure().subplots(4))
    assert len(found) == 1
    plot.reliability(two, ax=Figure().subplots(1, 2))
    assert len(found) == 2
    plot.profile(layers, at=one, ax=Figure().subplots(3))
    assert len(found) == 3
    # what a prediction puts into the data is another data set, and so are parameters
    plot.profile(layers, at=one, parameters=soil, ax=Figure().subplots(4))
    assert len(found) == 6


def test_a_reading_knows_its_data(land):
    found = read(quantify(land[["tp", "swvl1"]]), {"precipitation": "tp"})
    assert found.quantified
    assert found.stated == {"precipitation": "tp"}
    assert found.ds["tp"].attrs["units"] == "meter"
    assert found.time == "time"
    assert "precipitation" in found
    assert "evaporation" not in found
    assert found.units("tp") == found.array("tp").attrs["units"] == "mm day-1"
    assert found.part(land).table is found.table
    assert found.given_back(found.ds)["tp"].pint.units is not None
    plain = read(land)
    assert not plain.quantified
    assert plain.given_back(land) is land


def finds(path: Path) -> bool:
    """Tell whether a file imports the finder of variables; examples do not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return any(name.name == "find_variables" for node in imports for name in node.names)


def test_variables_are_found_in_one_place():
    there = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if finds(path)}
    assert there <= FINDERS
