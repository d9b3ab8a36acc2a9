"""A network that runs through the record: the same in any parts, and blind to what comes after."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
import xarray as xr

import xsm
from tests.worlds import bucket_dataset
from xsm.exceptions import GridError, UnknownNameError
from xsm.losses import RMSE, WaterBalance

QUICK = {"sequence": 30, "warmup": 8, "epochs": 1, "iterations": 4, "batch_size": 8}
SMALL = {"hidden_size": 4, "progress": False, "precision": "float32"}
RAIN = ("precipitation",)
KINDS = {
    "weather": {},
    "known": {"known_forcing": True},
    "day": {"lead": 0},
    "seen": {"data_integration": True},
    "late": {"data_integration": True, "latency": (3, 6), "lead": 2},
    "both": {"data_integration": True, "known_forcing": True},
    "pair": {"data_integration": True, "members": 2, "head": "gaussian"},
    "square": {"model": "cnn_lstm", "data_integration": True, "lead": 1},
    "map": {"model": "cnn_lstm", "patch": 5, "members": 2, "head": "gaussian"},
    "experts": {"model": "ismoe", "data_integration": True, "lead": 1, "known_forcing": True},
    "mean": {"model": "mean_expert", "patch": 1},
    "phy": {"model": "phy_lstm", "losses": [RMSE(0.5), WaterBalance(0.5, terms=RAIN)]},
    "phys": {"model": "phys_lstm", "losses": [RMSE(0.5), WaterBalance(0.5, terms=RAIN)]},
}


@pytest.fixture(scope="module")
def world() -> xr.Dataset:
    """A bucket with days that nobody observed, and with gaps of the weather in two cells."""
    ds = bucket_dataset(150).copy(deep=True)
    rng = np.random.default_rng(5)
    ds["soil_moisture"].values[rng.random(ds["soil_moisture"].shape) < 0.6] = np.nan
    ds["precipitation"].values[100:102, 0, 0] = np.nan
    ds["air_temperature"].values[90, 2, 3] = np.nan
    return ds


@pytest.fixture(scope="module")
def models(world) -> dict[str, xsm.FittedModel]:
    """One model of each kind, hardly trained."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        usual = {"model": "lstm", **QUICK, **SMALL}
        return {k: xsm.fit(world, **(usual | more)) for k, more in KINDS.items()}


@pytest.fixture(autouse=True)
def hardly_trained() -> object:
    """Pass over what a network that is hardly trained answers with."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s).*outside of what it can be")
        yield


def same(found: xr.Dataset, wanted: xr.Dataset) -> None:
    """Compare predictions to 1e-6, missing ones included."""
    xr.testing.assert_allclose(found.compute(), wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chunks", [{"time": 37, "lat": 2}, {"time": (1, 99, 2, 48)}, {"lon": 1}])
def test_it_is_the_same_in_any_chunks(kind, chunks, models, world) -> None:
    whole = models[kind].predict(world)
    assert xsm.predict(world.chunk(chunks), models[kind])["soil_moisture"].chunks is not None
    same(models[kind].predict(world.chunk(chunks)), whole)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", [5, 101])
def test_it_goes_on_from_a_state(kind, cut, models, world) -> None:
    fitted = models[kind]
    whole, later = fitted.predict(world), world.isel(time=slice(cut, None))
    state = fitted.state(world.isel(time=slice(cut)))
    found = fitted.predict(later, state=state)
    same(found, whole.sel(time=found["time"]))
    lazy = fitted.state(world.isel(time=slice(cut)).chunk(time=20, lat=1))
    same(later.chunk(time=11, lon=3).physm.predict(fitted, state=lazy), found)
    middle = fitted.state(later.isel(time=slice(7)), state=state)
    direct = fitted.state(world.isel(time=slice(cut + 7)))
    xr.testing.assert_allclose(middle, direct, rtol=1e-6, atol=1e-6)  # states are up to 10


def test_tomorrow_takes_one_day(models, world) -> None:
    fitted = models["seen"]
    state = fitted.state(world.isel(time=slice(140)))
    one = fitted.predict(world.isel(time=slice(140, 141)), state=state)
    same(one, fitted.predict(world).sel(time=one["time"]))


@pytest.mark.parametrize("kind", KINDS)
def test_days_after_leave_what_was_predicted(kind, models, world) -> None:
    fitted, other, last = models[kind], world.copy(deep=True), 99  # next to a gap in one cell
    for name in ("precipitation", "air_temperature", "soil_moisture"):
        other[name].values[last + 1 :] = other[name].values[:last:-1] + 0.5
    both = [
        f.sel(time=slice(None, world["time"][last])) for f in map(fitted.predict, (world, other))
    ]
    xr.testing.assert_identical(*both)


@pytest.mark.parametrize("kind", ["seen", "late", "both"])
def test_an_observation_is_used_once_it_is_old_enough(kind, models, world) -> None:
    fitted, other = models[kind], world.copy(deep=True)
    other["soil_moisture"].values[60, 1, 1] = 0.45
    change = fitted.predict(other)["soil_moisture"] != fitted.predict(world)["soil_moisture"]
    change = change & fitted.predict(world)["soil_moisture"].notnull()
    first = change.any(("lat", "lon")).argmax("time")
    late = max(fitted.recipe.latency[0], fitted.recipe.lead)
    assert change["time"][int(first)] == world["time"][60 + late]


def test_the_first_steps_and_those_after_a_gap_are_not_answered(models, world) -> None:
    found = models["day"].predict(world)["soil_moisture"].isnull()
    assert found.isel(lat=1, lon=1).values.tolist() == [True] * 8 + [False] * 142
    wanted = np.zeros(150, bool)
    wanted[:8] = wanted[100:110] = True
    assert (found.isel(lat=0, lon=0).values == wanted).all()


def test_after_a_gap_it_begins_anew(models, world) -> None:
    cell = {"lat": [0], "lon": [0]}
    whole = models["day"].predict(world.isel(cell))
    alone = models["day"].predict(world.isel(cell).isel(time=slice(102, None)))
    same(alone.sel(time=slice(world["time"][110], None)), whole.isel(time=slice(110, None)))


def test_a_state_is_of_one_model_one_time_and_one_place(models, world) -> None:
    fitted, later = models["seen"], world.isel(time=slice(100, None))
    state = fitted.state(world.isel(time=slice(100)))
    with pytest.raises(UnknownNameError, match="The state is of another model"):
        models["late"].predict(later, state=models["seen"].state(world.isel(time=slice(100))))
    with pytest.raises(GridError, match="The state goes on with 2019-04-11"):
        fitted.predict(later.isel(time=slice(1, None)), state=state)
    with pytest.raises(GridError, match="or at other coordinates"):
        fitted.predict(later.assign_coords(lat=later["lat"] + 5), state=state)
    part = {"lat": slice(2)}
    same(
        fitted.predict(later.isel(part), state=state), fitted.predict(later, state=state).isel(part)
    )
    with pytest.raises(UnknownNameError, match=r"as fitted\.state"):
        fitted.predict(later, state=later)
    windows = xsm.fit(world, "lstm", window=3, epochs=1, iterations=1, **SMALL)
    with pytest.raises(UnknownNameError, match="was trained on windows"):
        windows.state(world)
    with pytest.raises(UnknownNameError, match="state= is of models that run"):
        windows.predict(later, state=state)


def test_a_state_and_its_model_are_saved_and_loaded(models, world, tmp_path) -> None:
    fitted, later = models["pair"], world.isel(time=slice(120, None))
    state = fitted.state(world.isel(time=slice(120)))
    fitted.save(tmp_path / "model.xsm")
    state.to_netcdf(tmp_path / "state.nc", engine="h5netcdf")
    again = xsm.load(tmp_path / "model.xsm")
    with xr.open_dataset(tmp_path / "state.nc", engine="h5netcdf") as kept:
        found = again.predict(later, state=kept)
    assert again.recipe == fitted.recipe
    xr.testing.assert_identical(found, fitted.predict(later, state=state))


def test_one_time_of_another_step_is_refused(world) -> None:
    hours = world.isel(time=slice(120))
    hours = hours.assign_coords(
        time=world["time"].values[0] + np.arange(120) * np.timedelta64(6, "h")
    )
    fitted = xsm.fit(hours, "lstm", **QUICK, **SMALL)
    with pytest.raises(GridError, match="does not tell its step"):
        fitted.predict(hours.isel(time=[100]))
    with pytest.raises(GridError, match="its state would be of another time"):
        fitted.predict(world)


@pytest.mark.usefixtures("forks")
def test_it_is_sent_to_other_processes(models, world) -> None:
    import dask

    lazy = models["both"].predict(world.chunk(time=50, lat=1))
    with dask.config.set(scheduler="processes", num_workers=1):
        found = lazy.compute()
    same(found, models["both"].predict(world))


def test_the_spread_is_calibrated(models, world) -> None:
    fitted = models["pair"].calibrate(world)
    assert fitted.calibration is not None
    assert torch.isfinite(torch.tensor(float(fitted.score(world)["rmse"].mean())))


def test_a_state_meets_the_data_by_label(models, world) -> None:
    """A store of float32 labels, latitudes that ascend, and a part of the cells."""
    fitted = models["seen"]
    state = fitted.state(world.isel(time=slice(140)))
    later = world.isel(time=slice(140, None))
    whole = fitted.predict(later, state=state)
    name = next(iter(whole.data_vars))
    rounded = state.assign_coords({d: state[d].astype("f4") for d in ("lat", "lon")})
    turned = state.isel(lat=slice(None, None, -1))
    for given in (rounded, turned):
        xr.testing.assert_allclose(fitted.predict(later, state=given)[name], whole[name])
    part = later.isel(lat=slice(1, 2))
    found = fitted.predict(part, state=state)[name]
    xr.testing.assert_allclose(found, whole[name].isel(lat=slice(1, 2)), atol=1e-6)
    with pytest.raises(GridError, match=r"The state lies on .*Select cells that both have"):
        fitted.predict(later, state=state.isel(lat=[0]))
