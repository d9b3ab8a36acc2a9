"""Damped persistence is exact for first-order processes, whose errors are known by the lag."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.signal import lfilter

import xsm
from xsm.evaluation.autocorrelation import learn_persistence, level_at, rho_of
from xsm.evaluation.climatology import seasonal_mean

PHI = np.array([0.6, 0.8, 0.95])


def process(steps, times=None, seed=0, phi=PHI):
    """Return first-order processes of mean 0.3 and standard deviation 0.02, by cell."""
    noise = np.random.default_rng(seed).normal(size=(steps + 200, len(phi)))
    each = [lfilter([np.sqrt(1 - p**2)], [1, -p], noise[:, k]) for k, p in enumerate(phi)]
    values = np.stack(each, axis=1)[200:]
    times = pd.date_range("1970-01-01", periods=steps) if times is None else times
    attrs = {"units": "m3 m-3", "long_name": "soil"}
    coords = {"time": times, "cell": np.arange(len(phi))}
    return xr.DataArray(0.3 + 0.02 * values, coords, ("time", "cell"), name="swvl1", attrs=attrs)


@pytest.mark.parametrize("lead", [1, 3, 7])
def test_its_error_is_that_of_the_process(lead):
    """sigma sqrt(1 - phi^(2 lead)), below that of persistence, sigma sqrt(2 - 2 phi^lead)."""
    soil = process(24_000)
    test = soil.isel(time=slice(12_000, None))
    rmse = xsm.score(soil.to_dataset(), test, lead=lead)["rmse"]
    np.testing.assert_allclose(
        rmse.sel(source="damped_persistence"), 0.02 * np.sqrt(1 - PHI ** (2 * lead)), rtol=0.03
    )
    np.testing.assert_allclose(
        rmse.sel(source="persistence"), 0.02 * np.sqrt(2 - 2 * PHI**lead), rtol=0.03
    )


def test_it_knows_how_old_the_last_observation_is():
    """Of cells seen each day with p = 0.4, the age is geometric, and the error its mean."""
    soil = process(24_000)
    seen = np.random.default_rng(1).random(soil.shape) < 0.4
    gaps = soil.where(xr.DataArray(seen, dims=soil.dims)).assign_attrs(soil.attrs)
    test = soil.isel(time=slice(12_000, None))
    table = xsm.score(gaps.to_dataset(), test, lead=1, baselines=True)
    kept = 0.4 * PHI**2 / (1 - 0.6 * PHI**2)  # E phi^(2 lag), lag = 1, 2, ...
    found = table["rmse"].sel(source="damped_persistence")
    np.testing.assert_allclose(found, 0.02 * np.sqrt(1 - kept), rtol=0.03)


def test_later_observations_change_no_baseline():
    soil = process(2_000)
    test = soil.isel(time=slice(1_500, 1_700))
    changed = soil.where(soil["time"] <= test["time"][-1], 0.9).assign_attrs(soil.attrs)
    one, other = (xsm.score(each.to_dataset(), test, lead=5) for each in (soil, changed))
    xr.testing.assert_identical(one, other)
    inside = soil.copy(data=soil.values.copy())
    inside[1_600:] = 0.9  # of the test itself: what was forecast before is as it was
    found = [
        learn_persistence(each.isel(time=slice(0, 1_500)), None)["rho"] for each in (soil, inside)
    ]
    xr.testing.assert_identical(*found)


@pytest.mark.parametrize("chunks", [{"time": 100}, {"time": 333, "cell": 2}, {"cell": 1}])
def test_lazy_is_eager(chunks, no_compute):
    soil = process(1_500)
    soil[100:140, 0] = np.nan
    soil[:, 2] = np.nan
    test = soil.isel(time=slice(1_200, 1_400))
    eager = xsm.score(soil.to_dataset(), test, lead=2)
    with no_compute():
        lazy = xsm.score(soil.chunk(chunks).to_dataset(), test.chunk(chunks), lead=2)
    xr.testing.assert_allclose(lazy.compute(), eager)
    mean = seasonal_mean(soil, "time")
    with no_compute():
        lazy = learn_persistence(soil.chunk(chunks), seasonal_mean(soil.chunk(chunks), "time"))
    xr.testing.assert_allclose(lazy.compute(), learn_persistence(soil, mean))


def test_the_level_is_the_season_where_years_are_many():
    """Three years: the mean of the 17 days around; two years: the mean of the cell."""
    days = pd.date_range("2001-01-01", "2004-12-31")
    wave = 0.1 * np.cos(2 * np.pi * days.day_of_year / 365.25)
    soil = process(len(days), days) + xr.DataArray(wave, {"time": days}, "time")
    soil[:740, 2] = np.nan
    learnt = learn_persistence(soil, seasonal_mean(soil, "time"))
    assert learnt["seasonal"].values.tolist() == [True, True, False]
    level = level_at(learnt, seasonal_mean(soil, "time"), soil["time"])
    around = np.sinc(35 / 365.25)  # what a mean of 35 days leaves of a wave of a year
    assert abs(level[:, 0] - 0.3 - wave * around).max() < 0.015
    np.testing.assert_allclose(level[:, 2], soil[:, 2].mean())
    assert learnt["rho"].sel(lag=1)[0] == pytest.approx(0.6, abs=0.06)
    assert learnt["rho"].sel(lag=1)[2] > 0.95  # the season lasts too
    assert not learn_persistence(soil[:800], seasonal_mean(soil, "time"))["seasonal"].any()


def test_months_are_counted_by_the_calendar():
    times = pd.date_range("1960-01-01", periods=720, freq="MS")
    storage = process(720, times, phi=np.array([0.9]))
    learnt = learn_persistence(storage, seasonal_mean(storage, "time"))
    lags = learnt["lag"].values[:6]
    np.testing.assert_allclose(learnt["rho"][:6, 0], 0.9**lags, atol=0.1)
    holes = learn_persistence(storage.where(storage["time"].dt.month != 6, drop=True), None)
    np.testing.assert_allclose(holes["rho"][:6, 0], 0.9**lags, atol=0.1)


def test_between_and_beyond_the_lags_it_goes_on_by_the_step():
    table = xr.DataArray([1.0, 0.5, 0.125, -0.1], {"lag": [0, 1, 3, 5]}, "lag")
    steps = xr.DataArray([0.0, 2, 4, 9, np.nan], dims="time")
    np.testing.assert_allclose(rho_of(steps, table), [1, 0.25, 0.0125, 0, np.nan])
    np.testing.assert_allclose(rho_of(steps, table[:3]), [1, 0.25, 0.0625, 2.0**-9, np.nan])


def test_few_pairs_are_filled_and_none_are_nothing():
    """A satellite that returns every three days has no pair one day apart."""
    soil = process(4_000)
    every = soil.where(soil["time"].dt.dayofyear % 3 == 0)
    rho = learn_persistence(every, None)["rho"]
    np.testing.assert_allclose(rho.sel(lag=[1, 2, 3, 6]).T, PHI[:, None] ** [1, 2, 3, 6], atol=0.1)
    once = soil.where(soil["time"] == soil["time"][5])
    assert learn_persistence(once, None)["rho"].isnull().all()
    still = learn_persistence(xr.full_like(soil, 0.3), None)
    assert (still["rho"] == 0).all()


def test_a_model_takes_it_along(tmp_path):
    days = pd.date_range("2019-01-01", periods=500)
    soil = process(500, days)
    rain = xr.full_like(soil, 1.0).assign_attrs(units="mm day-1")
    ds = soil.to_dataset().assign(tp=rain * np.random.default_rng(0).random(soil.shape))
    ds["tp"].attrs = {"units": "mm day-1", "standard_name": "lwe_precipitation_rate"}
    quick = {"epochs": 1, "iterations": 2, "hidden_size": 4, "progress": False}
    fitted = xsm.fit(ds.isel(time=slice(0, 400)), "lstm", **quick)
    xr.testing.assert_identical(
        fitted.persistence, learn_persistence(ds["swvl1"][:400], fitted.climatology)
    )
    fitted.save(tmp_path / "model")
    again = xsm.load(tmp_path / "model")
    xr.testing.assert_identical(again.persistence, fitted.persistence)
    test = ds.isel(time=slice(400, None))
    table = xsm.score(test, again.predict(test), baselines=again)
    assert np.isfinite(table["rmse"].sel(source="damped_persistence")).all()
    assert float(table["rmse"].sel(source="damped_persistence")[0]) < 0.02


def test_what_cannot_be_known_is_told():
    soil = process(500)
    ds, late = soil.to_dataset(), soil.isel(time=slice(400, None))
    with pytest.warns(UserWarning, match=r"No persistence was scored, plain or damped, .* lead=1"):
        table = xsm.score(ds, late)
    assert table["rmse"].sel(source="damped_persistence").isnull().all()
    first = soil.isel(time=slice(10, None))
    with pytest.warns(
        UserWarning, match=r"Damped persistence is NaN: 11 steps .* baselines=fitted"
    ):
        table = xsm.score(ds, first, lead=1)
    assert (table["count"].sel(source="damped_persistence") == 0).all()
