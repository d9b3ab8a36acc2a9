"""A model that adds what is left of its last known error: by the equation, and nothing later."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

import xsm
from tests.worlds import bucket_dataset
from xsm.exceptions import (
    GridError,
    MissingVariableError,
    NotEnoughDataError,
    UnknownNameError,
)

SHORT = {"hidden_size": 4, "epochs": 1, "iterations": 3, "batch_size": 8}
QUICK = {**SHORT, "progress": False, "precision": "float32"}
RUNS = {**QUICK, "sequence": 30, "warmup": 8, "data_integration": True}
KINDS = {
    "seen": {**RUNS, "known_forcing": True},
    "late": {**RUNS, "latency": (3, 6), "lead": 2},
    "pair": {**RUNS, "members": 2, "head": "gaussian", "known_forcing": True},
    "map": {**RUNS, "model": "cnn_lstm", "patch": 5, "known_forcing": True, "lead": 1},
    "day": {**QUICK, "sequence": 30, "warmup": 8, "lead": 0},
    "window": {**QUICK, "window": 5, "lead": 1},
    "trees": {"model": "random_forest", "window": 3, "lead": 1},
}
CARRY = ("seen", "late", "pair", "map", "day")


@pytest.fixture(scope="module")
def world() -> xr.Dataset:
    """A year and more of a bucket, a third of the days not observed."""
    ds = bucket_dataset(420).copy(deep=True)
    rng = np.random.default_rng(5)
    ds["soil_moisture"].values[rng.random(ds["soil_moisture"].shape) < 0.35] = np.nan
    return ds


@pytest.fixture(scope="module")
def pairs(world) -> dict[str, tuple[xsm.FittedModel, xsm.FittedModel]]:
    """Models of each kind, hardly trained, and corrected."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        raw = {k: xsm.fit(world, **({"model": "lstm"} | more)) for k, more in KINDS.items()}
    return {k: (one, one.correct(world)) for k, one in raw.items()}


def age_of(seen: np.ndarray, known: int) -> tuple[np.ndarray, np.ndarray]:
    """Return row and age of the last value at least ``known`` steps old, by a loop."""
    rows = np.full(seen.shape, -1)
    for t in range(len(seen)):
        for at in np.ndindex(seen.shape[1:]):
            before = np.flatnonzero(seen[(slice(0, max(t - known + 1, 0)), *at)])
            rows[(t, *at)] = before[-1] if before.size else -1
    return rows, np.arange(len(seen)).reshape(-1, *[1] * (seen.ndim - 1)) - rows


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_equation(kind, pairs, world) -> None:
    raw, better = pairs[kind]
    plain = raw.predict(world)["soil_moisture"].transpose("time", "lat", "lon")
    observed = world["soil_moisture"].reindex(time=plain["time"]).transpose("time", "lat", "lon")
    error = observed.values - plain.values  # NaN beyond the data
    rows, age = age_of(np.isfinite(error), 3 if kind == "late" else 1)
    learnt, young = better.correction, 3 if kind == "late" else 1
    left = np.zeros(age.shape)
    whole = np.isin(age, learnt["lag"]) & (rows >= 0)
    rho = learnt["fading"]
    first = float(rho.sel(lag=young))
    assert first > 0 or kind == "late"  # who sees the value of three days ago knows its error
    left[whole] = np.minimum(rho.sel(lag=age[whole]) / (first or np.inf), 1)
    found = better.predict(world)["soil_moisture"].transpose("time", "lat", "lon").values
    held, then = (np.take_along_axis(a, np.maximum(rows, 0), axis=0) for a in (error, plain.values))
    error_share, change_share = float(learnt["error"]), float(learnt["change"])
    added = left * (error_share * held - change_share * (plain.values - then))
    wanted = np.where(rows >= 0, plain.values + added, plain.values)
    there = whole | (rows < 0)
    assert there.mean() > 0.95
    inside = (wanted >= 0) & (wanted <= 1)
    compare = there & inside & np.isfinite(wanted)
    assert compare.sum() > 1000
    assert np.allclose(found[compare], wanted[compare], atol=1e-6)
    assert abs(held[rows >= 0]).max() > 0.01  # there was something to add


@pytest.mark.parametrize("kind", KINDS)
def test_chunks_change_nothing_and_nothing_is_computed(kind, pairs, world, no_compute) -> None:
    better = pairs[kind][1]
    lazy = world.chunk(time=90, lat=2, lon=2)
    with no_compute():
        found = better.predict(lazy)
    xr.testing.assert_allclose(found.compute(), better.predict(world), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_later_is_known(kind, pairs, world) -> None:
    better, last = pairs[kind][1], 300
    other = world.copy(deep=True)
    other["soil_moisture"].values[last + 1 :] += 0.1
    found, usual = better.predict(other), better.predict(world)
    until = slice(None, world["time"].values[last + 1])
    xr.testing.assert_identical(
        found["soil_moisture"].sel(time=until), usual["soil_moisture"].sel(time=until)
    )
    if kind != "trees":  # of leaves that may all say the same
        assert not found.equals(usual)


@pytest.mark.parametrize("kind", CARRY)
def test_a_forecast_is_a_prediction_that_saw_nothing_later(kind, pairs, world) -> None:
    better, last = pairs[kind][1], 300
    found = better.forecast(world, init=world["time"].values[[last]], lead=9, weather="known")
    blind = world.copy(deep=True)
    blind["soil_moisture"].values[last + 1 :] = np.nan
    one = found["soil_moisture"].isel(init=0)
    wanted = better.predict(blind)["soil_moisture"].sel(time=one["valid_time"].values)
    assert np.allclose(one.transpose("lead", "lat", "lon"), wanted, atol=1e-6, equal_nan=True)
    lazy = world.chunk(time=90, lat=2, lon=2)
    again = better.forecast(lazy, init=world["time"].values[[last]], lead=9, weather="known")
    xr.testing.assert_allclose(again.compute(), found, rtol=0, atol=1e-6)


def test_each_lead_has_shares_by_least_squares(pairs, world) -> None:
    raw, inits = pairs["seen"][0], world["time"].values[50:390]
    hindcast = raw.forecast(world, init=inits, lead=[1, 2, 5], weather="known")
    better = raw.correct(world, forecast=hindcast)
    guess = raw.predict(world)["soil_moisture"].transpose("time", "lat", "lon")
    error = (world["soil_moisture"] - guess).transpose("time", "lat", "lon")
    for k, lead in enumerate((1, 2, 5)):
        before, then = (a.sel(time=inits).values for a in (error, guess))
        mean = hindcast["soil_moisture"].isel(lead=k).transpose("init", "lat", "lon").values
        valid = world["soil_moisture"].sel(time=inits + np.timedelta64(lead, "D")).values
        both = np.isfinite(before) & np.isfinite(
            valid
        )  # older errors weigh less, and differ little
        known = np.stack([before[both], (then - mean)[both]], axis=1)
        wanted = np.linalg.lstsq(known, (valid - mean)[both])[0]
        found = [float(better.correction[f"lead_{n}"][k]) for n in ("error", "change")]
        assert found == pytest.approx(np.clip(wanted, 0, 1), abs=0.08)
    found = better.forecast(world, init=inits[-1:], lead=[2], weather="known")["soil_moisture"]
    usual = raw.forecast(world, init=inits[-1:], lead=[2], weather="known")["soil_moisture"]
    at, then = error.sel(time=inits[-1]), guess.sel(time=inits[-1])
    left, wrong = (better.correction[f"lead_{n}"].values[1] for n in ("error", "change"))
    added = (found - usual).isel(init=0, lead=0)
    wanted = left * at - wrong * (usual.isel(init=0, lead=0) - then)
    there = at.notnull()
    assert there.any()
    assert np.allclose(added.where(there), wanted.where(there), atol=1e-6, equal_nan=True)
    with pytest.raises(NotEnoughDataError, match="correction was learnt for forecasts of 3 leads"):
        better.forecast(world, init=inits[-1:], lead=[1, 3], weather="known")
    members = raw.correct(world, forecast=hindcast.expand_dims(member=2))
    assert np.allclose(members.correction["lead_error"], better.correction["lead_error"])
    turned = hindcast.isel(lat=slice(None, None, -1), init=slice(None, None, -1))
    again = raw.correct(world, forecast=turned.transpose("lon", ...))
    assert np.allclose(again.correction["lead_change"], better.correction["lead_change"])


def test_a_network_that_knows_no_soil_is_corrected_to_what_it_should_say(world) -> None:
    slow = bucket_dataset(400)
    slow["soil_moisture"] = (0.02 * slow["lat"] + 0.1 + 0 * slow["precipitation"]).assign_attrs(
        units="m3 m-3"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        raw = xsm.fit(world, "lstm", **KINDS["window"])
    better = raw.correct(slow.isel(time=slice(200)))
    later = slow.isel(time=slice(200, None))
    wrong = [abs(m.predict(later) - later)["soil_moisture"].mean().item() for m in (raw, better)]
    assert wrong[1] < 0.2 * wrong[0]  # errors of still soil last


def test_layers_stations_and_a_single_series(small_profile) -> None:
    ds = small_profile.isel(latitude=slice(2), longitude=slice(1, 3))
    options = {**QUICK, "sequence": 30, "warmup": 8, "data_integration": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        raw = xsm.fit(ds, "cnn_lstm", target="soil_moisture", lead=1, patch=1, **options)
        better = raw.correct(ds)
        assert better.correction["error"].dims == ("depth",)
        names = [n for n in better.predict(ds) if n in ds]
        stations = ds.stack(station=("latitude", "longitude")).reset_index("station")
        of_stations = better.predict(stations)[names].transpose("station", ...)
        grid = better.predict(ds)[names].stack(station=("latitude", "longitude"))
        one = better.predict(ds.isel(latitude=1, longitude=0))[names]
    for name in names:
        wanted = grid[name].transpose("station", ...).values
        assert np.allclose(of_stations[name].values, wanted, atol=1e-5, equal_nan=True)
        assert np.allclose(one[name].values, wanted[2], atol=1e-5, equal_nan=True)
        score = [m.score(ds)["rmse"].sel(source="model").max().item() for m in (raw, better)]
        assert score[1] < score[0]


def test_it_is_saved_shown_and_calibrated_after(pairs, world, tmp_path) -> None:
    raw, better = pairs["pair"]
    better.save(tmp_path / "model")
    again = xsm.load(tmp_path / "model")
    xr.testing.assert_identical(again.predict(world), better.predict(world))
    assert "of an error is left after 1 step" in better.card["correction"]
    assert "error_updating" in better.predict(world).attrs
    assert "error_updating" not in raw.predict(world).attrs
    right = better.calibrate(world)
    mean = xsm.reliability(world, right.predict(world), levels=0.9)["coverage"]
    assert 0.8 < float(mean.mean()) < 0.99
    with pytest.raises(UnknownNameError, match=r"fitted.correct\(ds\).calibrate\(ds\)"):
        right.correct(world)
    some = {"init": world["time"].values[50:80], "lead": 1, "weather": "known"}
    hindcast = better.forecast(world, **some)
    with pytest.raises(GridError, match="was corrected already"):
        raw.correct(world, forecast=hindcast)
    with pytest.raises(GridError, match="has no init and lead"):
        raw.correct(world, forecast=raw.predict(world))


def test_what_it_needs_is_told(pairs, world) -> None:
    raw, better = pairs["window"]
    with pytest.raises(MissingVariableError, match="corrects itself by its last errors, and the"):
        better.predict(world.drop_vars("soil_moisture"))
    with pytest.raises(NotEnoughDataError, match="errors have an error before them"):
        raw.correct(world.isel(time=slice(20), lat=slice(1), lon=slice(1)))
    account = replace(raw, recipe=replace(raw.recipe, shown=("soil_moisture",)))
    with pytest.raises(
        UnknownNameError, match="keeps an account of the water, which what is added"
    ):
        account.correct(world)
    assert xsm.blend([raw, better], world).predict(world).sizes == better.predict(world).sizes
    blind = world.assign(soil_moisture=world["soil_moisture"] * np.nan)
    plain = raw.predict(world)["soil_moisture"]
    xr.testing.assert_allclose(better.predict(blind)["soil_moisture"], plain)  # no error is known
