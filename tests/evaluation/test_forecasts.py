"""Forecasts whose truth is known: first-order processes, their spread, their members."""

import functools

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm
from tests.evaluation.test_persistence import PHI, process
from xsm.evaluation.distribution import crps_ensemble, crps_gaussian
from xsm.evaluation.leads import as_forecast, is_forecast, on_time
from xsm.exceptions import GridError

LEADS = np.array([1, 3])
UNITS = {"units": "m3 m-3"}


@functools.cache
def world(members=0):
    """Return a record, and the best forecast from each second day of its last third."""
    soil = process(2_400)
    rows = np.arange(1_600, 2_390, 2)
    phi = PHI ** LEADS[:, None]
    start = soil.values[rows][:, None]
    mean = 0.3 + phi * (start - 0.3)
    std = np.broadcast_to(0.02 * np.sqrt(1 - phi**2), mean.shape)
    init = soil["time"].values[rows]
    lead = LEADS.astype("m8[D]").astype("m8[ns]")
    coords = {
        "init": ("init", init, {"standard_name": "forecast_reference_time"}),
        "lead": ("lead", lead, {"standard_name": "forecast_period"}),
        "cell": soil["cell"].values,
        "valid_time": (("init", "lead"), init[:, None] + lead),
    }
    dims = ("init", "lead", "cell")
    if members:
        noise = np.random.default_rng(7).normal(size=(members, *mean.shape))
        values = (("member", *dims), mean + std * noise, UNITS)
        return soil.to_dataset(), xr.Dataset({"swvl1": values}, coords)
    parts = {"swvl1": (dims, mean, UNITS), "swvl1_std": (dims, std, UNITS)}
    return soil.to_dataset(), xr.Dataset(parts, coords)


def best(lead):
    """Return the standard deviation of the error of the best forecast."""
    return 0.02 * np.sqrt(1 - PHI ** (2 * lead))


def test_scores_of_the_best_forecast_are_those_of_the_process():
    """RMSE s; CRPS s / sqrt(pi), of a Gaussian that is right (Gneiting et al. 2005)."""
    ds, forecast = world()
    table = xsm.score(ds, forecast)
    assert table["source"].values.tolist() == [
        *("model", "persistence", "damped_persistence", "climatology"),
        "climatological_ensemble",
    ]
    assert table.sizes == {"source": 5, "lead": 2, "cell": 3}
    for k, lead in enumerate(LEADS):
        model, damped = (table.isel(lead=k).sel(source=s) for s in ("model", "damped_persistence"))
        np.testing.assert_allclose(model["rmse"], best(lead), rtol=0.12)
        np.testing.assert_allclose(model["crps"], best(lead) / np.sqrt(np.pi), rtol=0.12)
        np.testing.assert_allclose(model["spread_error"], 1, atol=0.12)
        np.testing.assert_allclose(model["acc"], PHI**lead, atol=0.12)
        np.testing.assert_allclose(damped["rmse"], model["rmse"], rtol=0.02)
        np.testing.assert_allclose(model["crps_skill"], 0, atol=0.03)  # nothing beats it
    assert (table["crps_skill"].sel(source="damped_persistence") == 0).all()
    assert table["crps"].attrs["units"] == "m3 m-3"


def test_members_are_scored_as_their_distribution():
    """CRPS of m members of the right distribution: (1 + 1 / m) s / sqrt(pi) (Ferro et al. 2008)."""
    ds, forecast = world(10)
    table = xsm.score(ds, forecast, dim=("init", "cell")).sel(source="model")
    each, single = (np.sqrt((best(LEADS[:, None]) ** 2).mean(1)), best(LEADS[:, None]).mean(1))
    np.testing.assert_allclose(table["crps"], 1.1 * single / np.sqrt(np.pi), rtol=0.07)
    np.testing.assert_allclose(table["rmse"], each * np.sqrt(1.1), rtol=0.07)
    np.testing.assert_allclose(table["spread_error"], 1, atol=0.07)


def test_ranks_are_even_and_show_what_is_wrong():
    ds, forecast = world(10)
    table = xsm.reliability(ds, forecast, levels=[0.5, 9 / 11])
    assert table["rank_histogram"].sizes == {"lead": 2, "rank": 11}
    np.testing.assert_allclose(table["rank_histogram"].mean("rank"), 1)
    np.testing.assert_allclose(table["rank_histogram"], 1, atol=0.45)
    np.testing.assert_allclose(table["coverage"].sel(level=9 / 11), 9 / 11, atol=0.04)
    mean = forecast["swvl1"].mean("member")
    narrow = (mean + (forecast["swvl1"] - mean) / 3).assign_attrs(UNITS)
    ends = xsm.reliability(ds, narrow.to_dataset())["rank_histogram"].sel(rank=[0, 10])
    assert (ends > 2).all()


def test_reliability_of_a_spread_is_by_lead():
    ds, forecast = world()
    table = xsm.reliability(ds, forecast, levels=[0.9])
    assert table["coverage"].sizes == {"lead": 2, "level": 1}
    np.testing.assert_allclose(table["coverage"], 0.9, atol=0.03)
    one = on_time(as_forecast(forecast).isel(lead=1), "time").drop_vars("lead")
    xr.testing.assert_allclose(
        table.isel(lead=1, drop=True),
        xsm.reliability(ds.sel(time=one["time"]), one, levels=[0.9]),
        rtol=1e-6,
    )
    maps = xsm.reliability(ds, forecast, dim="init", levels=[0.9])
    assert set(maps["crps"].dims) == {"lead", "cell"}


def test_intervals_of_members_and_of_spreads():
    _, forecast = world(9)
    found = xsm.intervals(forecast, [0.8])  # the ends of nine members: 1 of 10 on each side
    np.testing.assert_allclose(found["swvl1_lower"][0], forecast["swvl1"].min("member"))
    np.testing.assert_allclose(found["swvl1_upper"][0], forecast["swvl1"].max("member"))
    _, wide = world()
    assert xsm.intervals(wide, [0.8])["swvl1_lower"].dims == ("level", "init", "lead", "cell")


@pytest.mark.parametrize("members", [0, 5])
def test_lazy_is_eager_and_nothing_is_computed(members, no_compute):
    ds, forecast = world(members)
    part = forecast.isel(init=slice(None, None, 40))
    chunked = ds.chunk(time=900), part.chunk(init=5, lead=1)
    with no_compute():
        lazy = xsm.score(*chunked), xsm.reliability(*chunked), xsm.intervals(chunked[1])
    eager = xsm.score(ds, part), xsm.reliability(ds, part), xsm.intervals(part)
    for one, other in zip(lazy, eager, strict=True):
        xr.testing.assert_allclose(one.compute(), other)


def test_forecasts_of_the_same_day_do_not_overwrite_each_other():
    """Two starts a day apart are for the same day at leads of one and two days."""
    ds, forecast = world()
    off = forecast.copy()
    wrong = forecast["swvl1"] + xr.DataArray([0.0, 0.1], dims="lead")
    off["swvl1"] = wrong.assign_attrs(UNITS)
    table = xsm.score(ds, off)["bias"].sel(source="model")
    np.testing.assert_allclose(table.isel(lead=0), xsm.score(ds, forecast)["bias"][0, 0])
    np.testing.assert_allclose(table.isel(lead=1), 0.1, atol=0.01)


def test_later_observations_change_no_baseline():
    ds, forecast = world()
    few = forecast.isel(init=slice(0, 3))
    last = few["valid_time"].values.max()
    later = ds["swvl1"].where(ds["time"] <= last, 0.5).assign_attrs(UNITS)
    xr.testing.assert_identical(xsm.score(ds, few), xsm.score(later.to_dataset(), few))
    first = few["init"].values.min()
    after = ds["swvl1"].where(ds["time"] <= first, ds["swvl1"] + 0.2).assign_attrs(UNITS)
    moved = xsm.score(after.to_dataset(), few.isel(init=[0]), dim="init")
    plain = xsm.score(ds, few.isel(init=[0]), dim="init")
    for source in moved["source"].values:  # the forecasts are as they were, the truth is 0.2 above
        gone = moved["bias"].sel(source=source) - plain["bias"].sel(source=source)
        np.testing.assert_allclose(gone, -0.2, atol=1e-6)


@pytest.mark.parametrize(
    ("names", "lead"),
    [  # cfgrib's names (github.com/ecmwf/cfgrib), climpred's lead with units in attributes
        ({"init": "time", "lead": "step", "member": "number"}, None),
        ({"init": "forecast_reference_time", "lead": "forecast_period"}, None),
        ({"member": "realization"}, ("lead", [1, 3], {"units": "days"})),
        ({}, ("lead", [24.0, 72.0], {"units": "hours"})),
    ],
)
def test_products_are_known_by_what_cf_says(names, lead):
    ds, forecast = world(5)
    wanted = xsm.score(ds, forecast)
    given = forecast.drop_vars("valid_time")
    given = given.assign_coords(lead=lead) if lead else given
    table = xsm.score(ds, given.rename(names))
    xr.testing.assert_allclose(table, wanted)


def test_months_take_their_valid_times():
    times = pd.date_range("1990-01-01", periods=240, freq="MS")
    soil = process(240, times)
    init = times[200:230]
    valid = np.stack([times[201:231].values, times[202:232].values], axis=1)
    values = np.stack([soil.values[201:231], soil.values[202:232]], axis=1)
    coords = {
        "init": init,
        "lead": ("lead", [1, 2], {"units": "months"}),
        "cell": soil["cell"].values,
        "valid_time": (("init", "lead"), valid),
    }
    forecast = xr.Dataset({"swvl1": (("init", "lead", "cell"), values, UNITS)}, coords)
    table = xsm.score(soil.to_dataset(), forecast)
    assert (table["rmse"].sel(source="model") == 0).all()
    error = (soil - soil.shift(time=2)).sel(time=valid[:, 1])
    np.testing.assert_allclose(
        table["rmse"].sel(source="persistence")[1], (error**2).mean("time") ** 0.5
    )
    with pytest.raises(GridError, match=r"do not say which times.*coordinate valid_time"):
        xsm.score(soil.to_dataset(), forecast.drop_vars("valid_time"))


def test_what_is_no_length_and_no_dimension_is_refused():
    ds, forecast = world()
    number = forecast.assign_coords(lead=[1, 3])
    with pytest.raises(GridError, match=r"no lengths of time \(units: ''\).*astype\(\"m8\[D\]\"\)"):
        xsm.score(ds, number)
    with pytest.raises(GridError, match=r"lead by lead, and dim= names 'lead'.*mean\('lead'\)"):
        xsm.score(ds, forecast, dim=("init", "lead"))
    assert not is_forecast(ds)


def test_the_age_of_the_last_observation_is_reported():
    ds, forecast = world()
    days = xr.DataArray(np.arange(len(forecast["init"])) % 2.0, {"init": forecast["init"]}, "init")
    aged = forecast.assign(observation_age=days.expand_dims(cell=3).assign_attrs(units="d"))
    age = xsm.score(ds, aged)["observation_age"]
    np.testing.assert_allclose(age, 0.5, atol=0.01)
    assert age.attrs["units"] == "d"


def test_crps_of_members_is_that_of_all_pairs():
    rng = np.random.default_rng(0)
    members, truth = rng.normal(size=(50, 7)), rng.normal(size=50)
    away = np.abs(members - truth[:, None]).mean(axis=1)
    apart = np.abs(members[:, :, None] - members[:, None]).mean(axis=(1, 2))
    np.testing.assert_allclose(crps_ensemble(truth, members), away - apart / 2)
    gap = np.where(np.arange(7) < 5, members, np.nan)
    np.testing.assert_allclose(crps_ensemble(truth, gap), crps_ensemble(truth, members[:, :5]))
    many = rng.normal(size=(20, 20_000))
    np.testing.assert_allclose(
        crps_ensemble(truth[:20], many), crps_gaussian(truth[:20]), atol=0.02
    )
