"""Predictions meet data by label: of rounded labels, of one variable alone, of both conventions."""

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.exceptions import GridError, UnknownNameError

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
        assert found.indexes["longitude"].equals(other.indexes["longitude"])


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


@pytest.mark.filterwarnings("ignore:Along 'time' model has steps of 2 days")
def test_whatever_is_made_of_a_prediction_keeps_its_lead(land, fitted, tmp_path):
    forecast = fitted.predict(land)
    forecast.to_netcdf(tmp_path / "forecast.nc")
    stored = xr.open_dataset(tmp_path / "forecast.nc")
    bare = xr.Dataset({"swvl1": (forecast["swvl1"].dims, forecast["swvl1"].values)})
    parts = {
        "variable": forecast["swvl1"],
        "data set of it": forecast["swvl1"].to_dataset(),
        "arithmetic": (forecast["swvl1"] + 0.01).assign_attrs(units="m3 m-3"),
        "smoothed": forecast["swvl1"].rolling(time=3).mean().assign_attrs(units="m3 m-3"),
        "a subset": forecast["swvl1"].isel(time=slice(5, None, 2)),
        "without attributes": forecast.drop_attrs()["swvl1"].assign_attrs(units="m3 m-3"),
        "from a file": stored["swvl1"],
        "with members": forecast["swvl1"].expand_dims(member=2),
        "rebuilt": bare["swvl1"].assign_coords(forecast["swvl1"].coords).assign_attrs(units="1"),
    }
    before = land["swvl1"].shift(time=7)  # what was known seven days earlier
    for what, part in parts.items():
        there = part.notnull().all(set(part.dims) - {"time"})
        days = land["time"].isin(part["time"].where(there, drop=True)["time"])
        truth = (((before - land["swvl1"]).where(days)) ** 2).mean("time") ** 0.5
        with pytest.warns(UserWarning, match="No climatology"):
            found = xsm.score(land, part)["rmse"].sel(source="persistence").drop_attrs()
        wanted = truth.broadcast_like(found).transpose(*found.dims)
        np.testing.assert_allclose(found, wanted, rtol=1e-5, err_msg=what)


@pytest.mark.filterwarnings("ignore:No climatology")
def test_where_the_lead_is_not_known_persistence_is_asked_for(land, fitted):
    values = fitted.predict(land)["swvl1"].drop_vars("lead")
    with pytest.warns(UserWarning, match=r"No persistence was scored, .* Type lead=1 where"):
        table = xsm.score(land, values)
    assert table["count"].sel(source="persistence").max() == 0
    assert table["rmse"].sel(source="model").notnull().all()
    stated, same = xsm.score(land, values, lead=7), xsm.score(land, fitted.predict(land))
    xr.testing.assert_allclose(stated, same)


@pytest.mark.filterwarnings("ignore:No climatology")
def test_a_stated_lead_may_not_contradict_the_prediction(land, fitted):
    forecast = fitted.predict(land)
    said = r"lead=1 was given, and the prediction says that it was made 7 days ahead.*drop_vars"
    with pytest.raises(UnknownNameError, match=said):
        xsm.score(land, forecast, lead=1)
    both = xr.concat([forecast, forecast.assign_coords(lead=forecast["lead"] * 2)], "lead")
    with pytest.raises(GridError, match=r"holds 2 leads along 'lead'.*isel\(lead=0\)"):
        xsm.score(land, both["swvl1"])
