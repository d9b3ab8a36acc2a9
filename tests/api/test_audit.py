"""Questions whose answers need no observation, asked of an account and of a network without one."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.exceptions import MissingVariableError, NotEnoughDataError

SHORT = {"epochs": 1, "iterations": 2, "hidden_size": 4, "progress": False}
PIECE = {"sequence": 40, "warmup": 5, "batch_size": 8, "valid": 0}


@pytest.fixture(scope="module")
def ds() -> xr.Dataset:
    whole = xsm.open_tutorial("land").isel(latitude=slice(0, 2), longitude=slice(20, 22))
    return whole.isel(time=slice(0, 90))


def test_an_account_passes_for_any_weights(ds):
    fitted = xsm.fit(ds, "water_budget", **SHORT, **PIECE)
    found = xsm.audit(fitted, ds)
    assert found["question"].values.tolist() == ["no_rain", "more_rain", "no_demand", "deep_frost"]
    assert found["judged"].values.tolist() == [
        "terrestrial_water_storage",
        "terrestrial_water_storage",
        "evaporation",
        "snow_water_equivalent",
    ]
    assert float(found["share"].max()) == 0.0
    lazy = xsm.audit(fitted, ds.chunk(time=30))
    assert lazy["share"].chunks is not None
    xr.testing.assert_allclose(lazy.compute(), found)


def test_a_network_that_turns_rain_around_is_told(ds):
    fitted = xsm.fit(ds, "lstm", **SHORT)
    found = xsm.audit(fitted, ds)
    assert found["judged"].values.tolist() == ["soil_moisture", "soil_moisture", "", ""]
    asked = found["share"].sel(question=["no_rain", "more_rain"])
    assert asked.notnull().all()
    assert np.isnan(found["share"].sel(question="deep_frost")).all()
    more = ds.assign(tp=ds["tp"] + 0.01 * (ds["time"] == ds["time"][45]))  # m
    day = {"time": ds["time"][46]}  # a day ahead
    fall = (fitted.predict(ds)["swvl1"] - fitted.predict(more)["swvl1"]).sel(day)
    assert (found["share"].sel(question="more_rain") == (fall > 1e-5)).all()
    np.testing.assert_allclose(
        found["worst"].sel(question="more_rain"), fall.clip(min=0), atol=1e-7
    )
    assert float(abs(fall).max()) > 0


def test_what_can_be_asked_nothing_is_refused(ds):
    few = xsm.fit(ds, "lstm", dynamic=["t2m"], **SHORT)
    with pytest.raises(MissingVariableError, match="'lstm' can be asked nothing"):
        xsm.audit(few, ds)
    with pytest.raises(NotEnoughDataError, match="hold 3 steps; four or more"):
        xsm.audit(few, ds.isel(time=slice(0, 3)))


def test_days_without_a_prediction_are_no_answer(ds):
    fitted = xsm.fit(ds, "lstm", **SHORT)
    found = xsm.audit(fitted, ds.assign(tp=ds["tp"].where(ds["latitude"] < ds["latitude"][0])))
    north = found.isel(latitude=0).sel(question="no_rain")
    assert north["share"].isnull().all()  # there is no answer to compare with
    assert north["worst"].isnull().all()
    assert found["share"].isel(latitude=1).sel(question="no_rain").notnull().all()
