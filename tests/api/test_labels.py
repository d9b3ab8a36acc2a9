"""Predictions meet data by label: of rounded labels, of one variable alone, of both conventions."""

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.exceptions import GridError

FIT = {"epochs": 1, "iterations": 2, "hidden_size": 4, "progress": False}


@pytest.fixture(scope="module")
def land() -> xr.Dataset:
    ds = xsm.open_tutorial("land").isel(latitude=slice(0, 4), longitude=slice(18, 22))
    ds = ds.isel(time=slice(0, 90)).load()
    tenths = 0.1 * np.arange(4)
    return ds.assign_coords(latitude=np.round(44 - tenths, 1), longitude=np.round(tenths - 0.2, 1))


@pytest.fixture(scope="module")
def fitted(land) -> xsm.FittedModel:
    return xsm.fit(land, "lstm", lead=7, **FIT)


def test_a_model_by_cell_knows_its_cells_by_rounded_labels(land, fitted):
    whole = fitted.predict(land)["swvl1"]
    rounded = land.assign_coords({d: land[d].astype("f4") for d in ("latitude", "longitude")})
    east = land.assign_coords(longitude=land["longitude"] % 360)
    for other in (rounded, east):
        found = fitted.predict(other)["swvl1"]
        np.testing.assert_array_equal(found.values, whole.values)
        assert found["longitude"].equals(other["longitude"])


def test_other_cells_are_told_and_most_are_refused(land, fitted):
    some = land.assign_coords(latitude=[44.0, 43.9, 43.8, 30.0])
    with pytest.warns(UserWarning, match=r"4 of 16 cells of the data .* predicted as NaN"):
        found = fitted.predict(some)["swvl1"]
    assert found.isel(latitude=3).isnull().all()
    most = land.assign_coords(latitude=[44.0, 32.0, 31.0, 30.0])
    with pytest.raises(GridError, match=r"12 of 16 cells .*scaling='global'"):
        fitted.predict(most)


def test_consistency_compares_what_score_compares(land, fitted):
    forecast = fitted.predict(land)
    rounded = forecast.assign_coords(latitude=forecast["latitude"].astype("f4"))
    one, other = (xsm.consistency(land, p, trend="level") for p in (forecast, rounded))
    np.testing.assert_array_equal(one["count"], other["count"])
    np.testing.assert_array_equal(one["consistency"], other["consistency"])


def test_a_variable_of_a_prediction_keeps_its_lead(land, fitted):
    forecast = fitted.predict(land)
    parts = (forecast, forecast["swvl1"], forecast["swvl1"].to_dataset())
    with pytest.warns(UserWarning, match="No climatology"):
        tables = [xsm.score(land, part) for part in parts]
    for table in tables[1:]:
        xr.testing.assert_equal(table["rmse"], tables[0]["rmse"])
