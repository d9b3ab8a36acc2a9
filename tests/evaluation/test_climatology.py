"""The climatology equals pandas', of days, of months, and of calendars of models."""

import functools
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm
from xsm.evaluation.autocorrelation import learn_persistence
from xsm.evaluation.climatology import from_climatology, seasonal_mean

SOURCES = ["model", "persistence", "damped_persistence", "climatology"]


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
    assert np.isnan(from_climatology(plain[20:100], last)).all()


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
    table = ds.physm.score(ds.isel(time=slice(year, 2 * year)), lead=1)
    assert table["source"].values.tolist() == SOURCES
    values = ds["swvl1"].values
    error = values[:year] - values[year : 2 * year]  # the climatology of one year is that year
    np.testing.assert_allclose(table["rmse"].sel(source="climatology"), (error**2).mean() ** 0.5)
    with pytest.warns(UserWarning, match="No climatology was scored.*do not hold each day"):
        short = ds.physm.score(ds.isel(time=slice(year - 1, None)), lead=1)
    assert "climatology" not in short["source"]


def test_every_day_of_a_leap_year_is_scored():
    ds = soil(pd.date_range("2018-01-01", "2020-12-31"))
    assert (ds.physm.score(ds.sel(time="2020"), lead=1)["count"] == 366).all()


@pytest.mark.parametrize("chunks", [None, {"x": 1}, {"dayofyear": 50}])
@pytest.mark.parametrize(("calendar", "year"), [("standard", 366), ("noleap", 365)])
def test_days_without_a_value_are_the_mean_of_five_weeks_around(calendar, year, chunks, no_compute):
    rng = np.random.default_rng(3)
    values = rng.normal(size=(year, 4))
    values[rng.random((year, 4)) < 0.3] = np.nan
    values[100:150, 1] = np.nan  # days 118 to 133 have fewer than five within 17 days
    values[:, 2] = np.nan
    values[:, 3] = 1.0
    start = "2020-01-01" if year == 366 else "2021-01-01"
    times = xr.date_range(start, periods=year, calendar=calendar, use_cftime=year == 365)
    mean = xr.DataArray(values, {"dayofyear": np.arange(1, year + 1)}, ("dayofyear", "x"))
    given = mean.chunk(chunks) if chunks else mean
    with no_compute():
        found = from_climatology(given, xr.DataArray(times, {"time": times}, "time"))
    assert found.dims == ("time", "x")
    around = mean.pad(dayofyear=17, mode="wrap").rolling(dayofyear=35, center=True, min_periods=5)
    wanted = mean.fillna(around.mean().isel(dayofyear=slice(17, -17)).values)
    np.testing.assert_allclose(found, wanted, rtol=1e-10)
    held = mean.notnull().values
    np.testing.assert_array_equal(found.values[held], values[held])  # as they were, to the bit
    assert found[:, 1].isnull().any()
    assert found[:, 2].isnull().all()


def wave(days):
    """Return a cell whose soil moisture is a sine of the day of the year."""
    values = 0.3 + 0.1 * np.sin(2 * np.pi * days.day_of_year.values / 365.25)
    return xr.DataArray(values, {"time": days}, "time", name="swvl1", attrs={"units": "m3 m-3"})


@functools.cache
def fitted():
    """Return any model."""
    ds = xsm.open_tutorial("land").isel(latitude=slice(0, 2), longitude=slice(20, 22))
    return xsm.fit(ds, "lstm", epochs=1, iterations=2, hidden_size=4, progress=False)


def trained_on(observed):
    """Return a model that keeps the climatology of some observations."""
    mean = seasonal_mean(observed, "time")
    return replace(fitted(), climatology=mean, persistence=learn_persistence(observed, mean))


def test_a_hole_of_twenty_days_takes_no_step_from_any_source():
    days = pd.date_range("2018-01-01", "2020-12-30")
    soil = wave(days)
    training = soil.sel(time=slice(None, "2019"))
    training = training.where(~training["time"].dt.dayofyear.isin(np.arange(100, 120)))
    test = soil.sel(time="2020")
    table = test.to_dataset().physm.score(test, baselines=trained_on(training), lead=1)
    assert table["count"].values.tolist() == [365, 364, 364, 365]  # none before the first
    truth = wave(days).sel(time=slice(None, "2019"))
    both = [seasonal_mean(part, "time") for part in (training, truth)]
    gap = [
        from_climatology(part, test["time"]).sel(time=slice("2020-04-09", "2020-04-28"))
        for part in both
    ]
    # The days around day 100 lie 8.5 days before it in the mean, and the wave rises by at most
    # 0.1 * 2 pi / 365 = 0.00172 a day.
    assert np.abs(gap[0] - gap[1]).max() < 8.5 * 0.00172


@pytest.mark.parametrize("lazy", [False, True])
def test_half_a_year_of_training_leaves_the_other_sources_whole(lazy):
    soil = wave(pd.date_range("2020-01-01", "2021-12-31"))
    model = trained_on(soil.sel(time=slice("2020-01-01", "2020-06-30")))
    test = soil.sel(time="2021")
    guess = test + 0.01
    guess.attrs = test.attrs
    ds = test.to_dataset().chunk() if lazy else test.to_dataset()
    with pytest.warns(UserWarning, match="climatology of training is not scored in") as told:
        table = ds.physm.score(guess, baselines=model, lead=1)
    assert table["count"].values.tolist() == [365, 364, 364, 0]
    np.testing.assert_allclose(table["rmse"].sel(source="model"), 0.01)
    assert np.isfinite(table["kge"].sel(source="persistence"))
    assert np.isnan(table["rmse"].sel(source="climatology"))
    said = str(told[0].message)
    assert "takes none from it" in said
    assert "158 of 365 steps lie in seasons that the training data do not hold" in said
    first, last = re.search(r"predicted\.sel\(time=slice\('(.*)', '(.*)'\)\)", said).groups()
    inside = guess.sel(time=slice(first, last))  # what it says
    part = ds.physm.score(inside, baselines=model, lead=1)
    assert part["count"].values.tolist() == [195, 194, 194, 195]
    assert np.isfinite(part["rmse"]).all()


def test_training_on_other_seasons_alone_is_told():
    soil = wave(pd.date_range("2020-01-01", "2020-12-31"))
    model = trained_on(soil.sel(time=slice("2020-01-01", "2020-04-30")))
    test = soil.sel(time=slice("2020-07-01", "2020-09-30"))
    said = "92 of 92 steps lie in seasons.* Train on a whole year, or pass baselines=False\\.$"
    with pytest.warns(UserWarning, match=said):
        table = test.to_dataset().physm.score(test, baselines=model, lead=1)
    assert table["count"].values.tolist() == [92, 91, 91, 0]
    assert "climatology" not in test.to_dataset().physm.score(test, baselines=False)["source"]


def test_cells_that_training_lacks_keep_their_other_scores():
    days = pd.date_range("2018-01-01", "2020-12-30")
    soil = wave(days).expand_dims(cell=["a", "b", "c"]).transpose("time", "cell")
    training = soil.sel(time=slice(None, "2019"))
    first = training.sel(cell=["a", "b"])  # the model was trained without c
    first = first.where((first["cell"] != "b") | (first["time"].dt.month < 7))
    model, test = trained_on(first), soil.sel(time="2020")
    ds = test.to_dataset()
    with pytest.warns(UserWarning, match="in 2 of 3 series.*within 17 days.*baselines=False\\.$"):
        table = ds.physm.score(test, baselines=model, lead=1)
    assert table["count"].sel(source="model").values.tolist() == [365] * 3
    assert table["count"].sel(source="climatology").values.tolist() == [365, 0, 0]
    assert np.isfinite(table["rmse"]).sel(source="climatology").values.tolist() == [
        True,
        False,
        False,
    ]
    with pytest.warns(UserWarning, match='in 1 of 1 series.*each cell by itself, dim="time"'):
        pooled = ds.physm.score(test, dim=("time", "cell"), baselines=model, lead=1)
    assert pooled["count"].values.tolist() == [1095, 1092, 728, 0]
    with pytest.warns(UserWarning, match="1 of 3 places are not among those of training"):
        lazy = ds.chunk(cell=1).physm.score(test.chunk(cell=1), baselines=model, lead=1)
    xr.testing.assert_allclose(lazy.compute(), table)


def test_stacked_cells_that_training_lacks_keep_their_other_scores():
    soil = wave(pd.date_range("2018-01-01", "2020-12-30")).expand_dims(y=[1, 2], x=[1, 2])
    soil = soil.stack(cell=("y", "x")).transpose("time", "cell")
    soil.attrs = {"units": "m3 m-3"}
    training, test = soil.sel(time=slice(None, "2019")), soil.sel(time="2020")
    whole = test.to_dataset().physm.score(test, baselines=trained_on(training), lead=1)
    assert whole["count"].values[:, 0].tolist() == [365, 364, 364, 365]
    model = trained_on(training.isel(cell=[0, 1, 3]))
    with pytest.warns(UserWarning, match="in 1 of 4 series"):
        table = test.to_dataset().physm.score(test, baselines=model, lead=1)
    assert table["count"].sel(source="model").values.tolist() == [365] * 4
    assert table["count"].sel(source="climatology").values.tolist() == [365, 365, 0, 365]


@pytest.mark.parametrize("names", [{"y": "station"}, {"y": "north"}])
def test_a_climatology_is_not_repeated_over_places_of_other_dimensions(names):
    days = pd.date_range("2018-01-01", "2020-12-30")
    soil = wave(days).expand_dims(y=[1, 2]).transpose("time", "y")
    test = soil.sel(time="2020").rename(names)
    with pytest.warns(UserWarning, match=r"It is of places along {'y': 2}, the data of"):
        table = test.to_dataset().physm.score(test, baselines=trained_on(soil), lead=1)
    assert table.sizes == {"source": 4, next(iter(names.values())): 2}
    assert (table["count"].sel(source="climatology") == 0).all()
    assert (table["count"].sel(source="model") == 365).all()


def test_a_single_place_is_none_of_a_grid_and_rounded_labels_are_the_same():
    days = pd.date_range("2018-01-01", "2020-12-30")
    soil = wave(days).expand_dims(y=[0.1, 0.2]).transpose("time", "y")
    test = soil.sel(time="2020")
    one = test.isel(y=0, drop=True)
    with pytest.warns(UserWarning, match="not scored in 1 of 1 series"):
        one.to_dataset().physm.score(one, baselines=trained_on(soil), lead=1)
    rounded = test.assign_coords(y=test["y"].astype("f4"))
    table = rounded.to_dataset().physm.score(rounded, baselines=trained_on(soil), lead=1)
    assert (table["count"].sel(source="climatology") == 365).all()
