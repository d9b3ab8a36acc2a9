"""Networks of profiles and of experts that run through the record."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.losses import RMSE, Absence, LoadBalance, Richards

QUICK = {"sequence": 40, "warmup": 10, "epochs": 2, "iterations": 4, "batch_size": 4}
QUICK |= {"hidden_size": 8, "channels": 4, "progress": False}


@pytest.fixture(scope="module")
def land() -> xr.Dataset:
    ds = xsm.open_tutorial("land").isel(time=slice(0, 200), latitude=slice(8, 12))
    return ds.isel(longitude=slice(18, 22))


@pytest.fixture(scope="module")
def profile(land) -> xr.Dataset:
    """Three layers of 10 cm with parameters, made of the land's top layer; one day in four."""
    soil = xsm.soil_parameters(land, method="texture_class")
    depth = xr.DataArray([5.0, 15.0, 25.0], dims="depth", attrs={"units": "cm"})
    depth.attrs |= {"positive": "down", "bounds": "depth_bnds"}
    upper = land["swvl1"]
    theta = upper + 0.1 * (upper.mean("time") - upper) * xr.DataArray(np.arange(3), dims="depth")
    theta = theta.where(land["time"].dt.day % 4 == 0).transpose("time", "depth", ...)
    kept = land.drop_vars([v for v in land if str(v).startswith("swvl")])
    bounds = xr.DataArray([[d - 5.0, d + 5.0] for d in depth.values], dims=("depth", "bnds"))
    made = kept.merge(soil).assign(theta=theta.assign_attrs(upper.attrs))
    return made.assign_coords(depth=depth, depth_bnds=bounds)


@pytest.mark.parametrize("excess", [True, False])
def test_a_bounded_profile_runs_under_richards_between_its_own_days(profile, excess) -> None:
    losses = [RMSE(1.0), Richards(0.5, excess=excess)]
    own = QUICK | {"head": "point", "losses": losses, "known_forcing": True, "lead": 1}
    fitted = profile.physm.fit("pgdl_cnn_lstm", data_integration=True, **own)
    assert float(fitted.history["richards"].isel(epoch=0).max()) > 0
    found = profile.physm.predict(fitted)["theta"]
    assert found.dims == profile["theta"].dims
    low, high = profile["theta_r"], profile["theta_s"]
    inside = (found > low - 1e-6) & (found < high + 1e-6)
    assert bool(inside.where(found.notnull(), True).all())
    state = fitted.state(profile.isel(time=slice(77)))
    later = profile.isel(time=slice(77, None)).physm.predict(fitted, state=state)["theta"]
    xr.testing.assert_allclose(later, found.sel(time=later["time"]), rtol=0, atol=1e-6)
    lazy = profile.chunk(time=60, latitude=3, longitude=1).physm.predict(fitted)["theta"]
    xr.testing.assert_allclose(lazy.compute(), found, rtol=0, atol=1e-6)
    other = profile.copy(deep=True)  # days after t leave what is predicted up to t, bit by bit
    for name in ("tp", "t2m", "theta"):
        other[name].values[100:] = other[name].values[:99:-1] * 0.9
    blind, early = other.physm.predict(fitted)["theta"], slice(None, profile["time"][99])
    xr.testing.assert_identical(blind.sel(time=early), found.sel(time=early))
    assert not blind.equals(found)


def test_experts_run_and_say_how_much_each_counts(land) -> None:
    losses = [RMSE(1.0), LoadBalance(0.1), Absence()]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s).*(collapsed|nowhere above|order the experts)")
        fitted = land.physm.fit("ismoe", losses=losses, members=2, **QUICK)
        found = land.physm.predict(fitted)
        weights = found["expert_weight"]
        known = found["swvl1"].notnull()
        assert int(known.sum()) == 16 * (200 - 10)
        np.testing.assert_allclose(weights.sum("expert").where(known, 1.0), 1.0, atol=1e-5)
        apart = fitted.experts(land)
        total = (apart["swvl1"] * found["expert_share"]).sum("expert")
        np.testing.assert_allclose(total.where(known, 0), found["swvl1"].where(known, 0), atol=1e-5)
        assert np.isfinite(fitted.importance(land, repeats=1)["permutation"]).all()


def test_windows_of_a_bounded_profile_take_observations_with_their_neighbours(profile) -> None:
    whole = profile.assign(theta=profile["theta"].ffill("time").bfill("time"))
    own = {"epochs": 1, "iterations": 2, "hidden_size": 8, "channels": 4, "progress": False}
    fitted = whole.physm.fit("pgdl_cnn_lstm", window=4, lead=1, data_integration=True, **own)
    found = whole.physm.predict(fitted)["theta"]
    assert int(found.notnull().sum()) == 16 * 3 * (200 - 3)


def test_layers_are_forecast_as_they_are_predicted(profile) -> None:
    own = QUICK | {"known_forcing": True, "lead": 1, "cuts": 5, "head": "gaussian"}
    fitted = profile.physm.fit("pgdl_cnn_lstm", data_integration=True, **own)
    found = profile.physm.forecast(fitted, init="2018-06-01", lead=5, weather="known")
    assert found["theta"].dims == ("init", "lead", "latitude", "longitude", "depth")
    blind = profile.assign(
        theta=profile["theta"].where(profile["time"] <= np.datetime64("2018-06-01"))
    )
    wanted = blind.physm.predict(fitted).sel(time=slice("2018-06-02", "2018-06-06"))
    for name in ("theta", "theta_std"):
        one = found[name].isel(init=0).transpose("lead", "depth", ...)
        np.testing.assert_allclose(one, wanted[name].transpose("time", "depth", ...), atol=1e-6)
    assert found["observation_age"].sizes["depth"] == 3
    hidden = profile.chunk(time=50, latitude=2).physm.forecast(fitted, lead=5)
    xr.testing.assert_allclose(
        hidden.compute(), profile.physm.forecast(fitted, lead=5), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("turn", [1, -1])
def test_each_layer_is_calibrated_by_itself(profile, turn) -> None:
    """The mean square of (observed - mean) / std is 1 in each layer, which had been far apart."""
    ds = profile.isel(depth=slice(None, None, turn))
    own = QUICK | {"known_forcing": True, "lead": 1, "head": "gaussian"}
    raw = ds.physm.fit("pgdl_cnn_lstm", data_integration=True, **own)
    inits = ds["time"].values[60:180]
    made = raw.forecast(ds, init=inits, lead=[1, 3], weather="known")

    def square(found: xr.Dataset) -> xr.DataArray:
        seen = ds["theta"].sel(time=found["valid_time"])
        z = (seen - found["theta"]) / found["theta_std"]
        return (z**2).mean(["init", "latitude", "longitude"])

    assert float(abs(square(made) - 1).max()) > 0.1
    fitted = raw.calibrate(ds, forecast=made)
    again = fitted.forecast(ds, init=inits, lead=[1, 3], weather="known")
    np.testing.assert_allclose(square(again), 1.0, rtol=1e-4)
    plain = raw.calibrate(ds)
    found = ds.physm.predict(plain)
    z = ((ds["theta"] - found["theta"]) / found["theta_std"]).transpose("depth", ...)
    np.testing.assert_allclose((z**2).mean(z.dims[1:]), 1.0, rtol=1e-4)
