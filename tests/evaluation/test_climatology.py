"""The climatology equals pandas', of days, of months, and of calendars of models."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xsm.evaluation.climatology import from_climatology, seasonal_mean


@pytest.fixture
def observed():
    rng = np.random.default_rng(0)
    days = pd.date_range("2019-03-01", periods=900)  # a leap year, and parts of two others
    values = rng.random((900, 2, 3)).astype(np.float32)
    values[rng.random(values.shape) < 0.2] = np.nan
    values[:, 1, 2] = np.nan
    return xr.DataArray(values, {"time": days, "x": [1, 2]}, ("time", "x", "y"), name="soil")


@pytest.mark.parametrize("chunks", [None, {"time": 7}, {"time": 400, "x": 1}, {"y": 2}])
def test_climatology_equals_that_of_pandas(observed, chunks, no_compute):
    array = observed.chunk(chunks) if chunks else observed
    with no_compute():
        mean = seasonal_mean(array, "time")
    table = pd.DataFrame(
        observed.values.reshape(900, 6).astype(float), index=observed.indexes["time"]
    )
    truth = table.groupby(table.index.day_of_year).mean()
    assert mean.dims == ("dayofyear", "x", "y")
    assert mean.x.values.tolist() == [1, 2]
    np.testing.assert_array_equal(mean.dayofyear, truth.index)
    np.testing.assert_allclose(mean.values.reshape(-1, 6), truth.values, rtol=1e-6)


def test_a_lazy_climatology_takes_one_task_for_each_block(observed):
    array = observed.chunk(time=90, x=1, y=1)
    tasks = len(dict(seasonal_mean(array, "time").data.__dask_graph__()))
    assert tasks < 10 * array.data.npartitions


@pytest.mark.parametrize("chunks", [None, {"time": 7}])
@pytest.mark.parametrize("day", [1, 15, 28])
def test_that_of_monthly_data_is_by_month(chunks, day):
    months = pd.date_range("2002", periods=30, freq="MS") + pd.Timedelta(days=day - 1)
    values = np.random.default_rng(0).random(30)
    series = xr.DataArray(values, {"time": months}, "time")
    mean = seasonal_mean(series.chunk(chunks) if chunks else series, "time")
    truth = pd.Series(values, months.month).groupby(level=0).mean()
    np.testing.assert_array_equal(mean.month, np.arange(1, 13))
    np.testing.assert_allclose(mean, truth)
    found = from_climatology(mean, series["time"])
    np.testing.assert_allclose(found, truth[months.month])
    assert found.dims == ("time",)


def test_day_366_is_that_of_leap_years_else_day_365():
    last = xr.DataArray(pd.to_datetime(["2020-12-30", "2020-12-31"]), dims="time")
    plain = xr.DataArray(np.arange(1.0, 366), {"dayofyear": np.arange(1, 366)}, "dayofyear")
    assert from_climatology(plain, last).values.tolist() == [365.0, 365.0]
    leap = xr.DataArray(np.arange(1.0, 367), {"dayofyear": np.arange(1, 367)}, "dayofyear")
    assert from_climatology(leap, last).values.tolist() == [365.0, 366.0]
    assert np.isnan(from_climatology(plain[:100], last)).all()


def soil(times):
    values = np.random.default_rng(0).random(len(times))
    return xr.Dataset({"swvl1": ("time", values, {"units": "m3 m-3"})}, {"time": times})


@pytest.mark.parametrize(
    ("times", "year"),
    [
        (pd.date_range("2002-01", periods=200, freq="MS"), 12),
        (pd.date_range("2002-01", periods=200, freq="ME"), 12),
        (xr.date_range("2000-01-01", periods=900, calendar="360_day", use_cftime=True), 360),
        (xr.date_range("2001-01-01", periods=900, calendar="noleap", use_cftime=True), 365),
        (pd.date_range("2001-01-01", periods=900), 365),
    ],
)
def test_one_year_before_the_prediction_is_enough(times, year):
    ds = soil(times)
    table = ds.physm.score(ds.isel(time=slice(year, 2 * year)))
    assert table["source"].values.tolist() == ["model", "persistence", "climatology"]
    values = ds["swvl1"].values
    error = values[:year] - values[year : 2 * year]  # the climatology of one year is that year
    np.testing.assert_allclose(table["rmse"][2], (error**2).mean() ** 0.5)
    with pytest.warns(UserWarning, match="No climatology was scored.*do not hold each day"):
        short = ds.physm.score(ds.isel(time=slice(year - 1, None)))
    assert "climatology" not in short["source"]


def test_every_day_of_a_leap_year_is_scored():
    ds = soil(pd.date_range("2018-01-01", "2020-12-31"))
    assert (ds.physm.score(ds.sel(time="2020"))["count"] == 366).all()
