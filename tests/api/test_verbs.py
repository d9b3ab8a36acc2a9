"""Functions as methods: they find the model, say little when they fail, and write to the log."""

from __future__ import annotations

import inspect
import io
import logging
import traceback

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.api.verbs import without_parameter
from xsm.exceptions import MissingVariableError

QUICK = {"epochs": 2, "iterations": 2, "hidden_size": 4, "progress": False}


@pytest.fixture(scope="module")
def land() -> xr.Dataset:
    whole = xsm.open_tutorial("land").isel(latitude=slice(0, 3), longitude=slice(20, 23))
    return whole.isel(time=slice(0, 120))


def test_verbs_take_the_model_that_was_fitted_through_the_data(land):
    ds = land.copy()
    fitted = ds.physm.fit("lstm", **QUICK)
    assert ds.physm.fitted is fitted
    xr.testing.assert_equal(ds.physm.predict(), fitted.predict(ds))
    xr.testing.assert_equal(ds.physm.audit(), xsm.audit(fitted, ds))
    with pytest.raises(MissingVariableError, match=r"No model was given.*ds.physm.audit\(fitted\)"):
        land.copy().physm.audit()


def test_verbs_of_arrays_have_the_array_as_target(land):
    array, forcing = land["swvl1"], land.drop_vars(["swvl1", "swvl2", "swvl3", "swvl4"])
    fitted = array.physm.fit("lstm", forcing=forcing, **QUICK)
    assert array.physm.fitted is fitted
    guess = array.physm.predict(forcing=forcing)
    xr.testing.assert_equal(
        array.physm.water_balance(forcing=forcing, terms=["precipitation"])["inflow"],
        land.physm.water_balance(terms=["precipitation"])["inflow"],
    )
    assert float(array.physm.score(guess, baselines=False)["count"].max()) > 0


def test_verbs_of_data_are_their_functions(land):
    xr.testing.assert_identical(land.physm.monthly(), xsm.monthly(land))
    edges = [(0.0, 0.1)]
    xr.testing.assert_identical(land.physm.to_depths(edges), xsm.to_depths(land, edges))
    soil = land.physm.soil_parameters(method="texture_class")
    residual = land.physm.richards_residual(parameters=soil)
    xr.testing.assert_identical(residual, xsm.richards_residual(land, parameters=soil))
    guess = land[["swvl1"]].assign(swvl1_std=xr.full_like(land["swvl1"], 0.01))
    xr.testing.assert_identical(guess.physm.intervals(0.9), xsm.intervals(guess, 0.9))
    xr.testing.assert_identical(
        land.physm.reliability(guess, levels=0.9), xsm.reliability(land, guess, levels=0.9)
    )


def test_an_error_shows_the_line_of_the_user_and_where_it_rose():
    with pytest.raises(MissingVariableError, match="soil_moisture: not found") as told:
        xr.Dataset({"tp": ("x", [1.0])}).physm.fit("lstm")
    frames = traceback.extract_tb(told.value.__traceback__)
    assert [frame.filename == __file__ for frame in frames] == [True, False, False]
    assert frames[-1].line.startswith("raise MissingVariableError")


def test_an_error_that_is_not_expected_keeps_all_frames(land, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr("xsm.api.check.report_of", fail)
    with pytest.raises(ZeroDivisionError, match="a fault") as told:
        land.physm.check()
    names = [frame.name for frame in traceback.extract_tb(told.value.__traceback__)]
    assert names[-2:] == ["check", "fail"]


def test_a_parameter_is_taken_out_of_a_docstring():
    text = "Do.\n\nParameters\n----------\na : int\n    One.\n\n    Two.\nb : str\n    B.\n"
    assert without_parameter(text, "b").endswith("    Two.")
    assert without_parameter("Do.\n\nParameters\n----------\nb : str\n    B.\n", "b") == "Do."


def test_methods_are_typed_and_named_as_written():
    method = type(xr.Dataset().physm).score
    assert method.__qualname__ == "PhysmDataset.score"
    assert inspect.signature(method).parameters["dim"].annotation != inspect.Parameter.empty
    assert inspect.signature(xr.Dataset().physm.score).parameters["predicted"].name == "predicted"


def test_training_writes_to_the_log(land, caplog):
    with caplog.at_level(logging.INFO, logger="xsm"):
        fitted = land.physm.fit("lstm", **QUICK)
    told = [record.getMessage() for record in caplog.records]
    assert told[-2].startswith("2 of 2 epochs: total 0.")
    assert told[-1] == f"lstm {fitted.digest} is trained"
    assert {record.name.partition(".")[0] for record in caplog.records} == {"xsm"}


def test_nothing_is_shown_until_someone_listens(land, capsys):
    assert logging.getLogger("xsm").handlers
    land.physm.fit("lstm", **QUICK)
    shown = capsys.readouterr()
    assert shown.out + shown.err == ""


def test_versions_are_of_what_is_imported(capsys):
    xsm.show_versions()
    lines = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert (lines["numpy"], lines["xarray"]) == (np.__version__, xr.__version__)
    assert lines["xsm"] == xsm.__version__
    assert {"python", "platform", "accelerator"} <= lines.keys()
    text = io.StringIO()
    xsm.show_versions(text)
    assert text.getvalue().count("\n") == len(lines)


def test_what_is_not_installed_is_said(monkeypatch, capsys):
    monkeypatch.setattr("xsm.api.versions._PACKAGES", ("no_such_package",))
    xsm.show_versions()
    assert capsys.readouterr().out.startswith("no_such_package: not installed\n")
