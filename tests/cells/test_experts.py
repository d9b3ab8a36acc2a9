"""Mixtures of experts: batched as they would be one by one, with weights that tell the truth."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm
from xsm.exceptions import (
    GridError,
    MissingVariableError,
    NotEnoughDataError,
    TrainingError,
    UnitsError,
    UnknownNameError,
)
from xsm.losses import RMSE, Absence, BetaNLL, LoadBalance, WaterBalance
from xsm.models.ismoe import ISMoE
from xsm.nn import Sizes, members_of
from xsm.synthetic import driver_world

NAMES = ("wind_speed", "precipitation", "shortwave_down", "longwave_down")
QUICK = {"epochs": 1, "iterations": 2, "hidden_size": 8, "progress": False}


def planted(seed: int = 0, steps: int = 360, shape: tuple[int, int] = (6, 10)) -> xr.Dataset:
    """Return a world whose soil follows rain in the west and radiation in the east."""
    rng = np.random.default_rng(seed)
    rain, light, wind = (rng.gamma(2.0, 2.0, (steps, *shape)) for _ in range(3))
    east = np.broadcast_to(np.arange(shape[1]) >= shape[1] // 2, shape)
    drive, soil = np.where(east, light, rain), np.empty((steps, *shape))
    level = np.full(shape, 4.0)
    for t in range(steps):
        level = 0.7 * level + 0.3 * drive[t]
        soil[t] = level
    dims = ("time", "lat", "lon")
    coords = {
        "time": pd.date_range("2020-01-01", periods=steps),
        "lat": np.arange(shape[0])[::-1] * 1.0,
        "lon": np.arange(shape[1]) * 1.0,
        "half": (dims[1:], np.where(east, "east", "west")),
    }
    moving = {
        "precipitation": (rain, "mm day-1"),
        "shortwave_down": (40 * light, "W m-2"),
        "wind_speed": (wind, "m s-1"),
        "swvl1": (0.05 * soil, "m3 m-3"),
    }
    arrays = {k: (dims, values, {"units": units}) for k, (values, units) in moving.items()}
    clay = (dims[1:], 10.0 + 20.0 * east, {"units": "%"})
    return xr.Dataset({**arrays, "clay": clay}, coords)


@pytest.fixture(scope="module")
def small() -> xr.Dataset:
    """A planted world with a cell of sea, a gap in the rain and a gap in the target."""
    ds = planted(steps=60, shape=(4, 6))
    rain, soil = ds["precipitation"].copy(), ds["swvl1"].copy()
    rain[:, 1, 1], rain[30, 2, 3], soil[20, 0, 0] = np.nan, np.nan, np.nan
    return ds.assign(precipitation=rain, swvl1=soil)


@pytest.fixture(autouse=True)
def hardly_trained():
    """Pass over what importance says of weights that mislead: most networks are hardly trained."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Weights and permutation importance order the experts")
        warnings.filterwarnings("ignore", r"The weight of .* is nowhere above")  # true of noise
        yield


@pytest.fixture(scope="module")
def fitted(small: xr.Dataset) -> xsm.FittedModel:
    return small.physm.fit("ismoe", window=8, **QUICK)


@pytest.mark.parametrize(("kind", "epochs"), [("noise", 3), ("together", 3), ("seasons", 4)])
def test_the_weights_find_the_planted_truth(kind, epochs):
    ds = driver_world(kind, steps=360, shape=(4, 6))
    short = {"epochs": epochs, "learning_rate": 4e-3}  # in longer steps; else the defaults of ismoe
    fitted = ds.physm.fit("ismoe", progress=False, **short)
    weight = fitted.predict(ds)["expert_weight"]
    driver = ds["driver"].sel(time=weight["time"])
    for name in np.unique(driver):
        mean = weight.where(driver == name).mean("time").stack(cell=("lat", "lon")).dropna("cell")
        known = ["precipitation", "radiation"] if name == "both" else [name]
        others = mean.drop_sel(expert=known).max("expert")
        assert (mean.sel(expert=known).min("expert") > others).mean() >= 0.9
    told = ["precipitation", "radiation", *(["temperature"] if kind == "seasons" else [])]
    assert float(weight.drop_sel(expert=told).mean(("time", "lat", "lon")).max()) < 0.1
    if kind == "noise":
        lost = fitted.importance(ds, by="half", repeats=1)["permutation"].sel(half="east")
        assert lost["expert"].values[int(lost.argmax("expert"))] == "radiation"


def test_weights_that_explain_leave_the_prediction_as_it_is(small):
    how = {**QUICK, "iterations": 12, "window": 8}  # by chance a fourth of the batches is asked
    fitted = small.physm.fit("ismoe", **how)
    assert fitted.history["absence"].sel(part="training").item() != 0.0
    with pytest.warns(UserWarning, match=r"No term of the loss trains the weights"):
        plain = small.physm.fit("ismoe", losses=[RMSE()], **how)
    both = [one.predict(small)["swvl1"] for one in (fitted, plain)]
    np.testing.assert_array_equal(*both)


def test_groups_that_do_not_fit_are_refused_with_the_near_misses(small):
    wrong = {"water": ["precipitatoin"], "none": [], "light": "shortwave_down"}
    with pytest.raises(
        UnknownNameError,
        match=r"'none' is empty; 'precipitatoin' \(in 'water'\) is no dynamic input\. Did you mean "
        r"'precipitation'\?; \['precipitation', 'wind_speed'\] are in no group: add them",
    ):
        small.physm.fit("ismoe", groups=wrong, **QUICK)
    with pytest.raises(UnknownNameError, match=r"groups=3 was given; the inputs of each expert"):
        small.physm.fit("ismoe", groups=3, **QUICK)
    with pytest.raises(UnknownNameError, match=r"size='larg' was given\. Choose from 'full'"):
        small.physm.fit("ismoe", size="larg", **QUICK)
    with pytest.raises(GridError, match=r"patch=2 was given; an odd number"):
        ISMoE(Sizes(4, 1, 5), patch=2)


def test_weights_add_up_and_are_missing_where_the_prediction_is(small, fitted):
    found = fitted.predict(small)
    weight = found["expert_weight"]
    assert weight.dims == ("time", "lat", "lon", "expert")
    assert weight["expert"].values.tolist() == ["precipitation", "radiation", "wind"]
    words = "share of what would be lost without the inputs of each expert"
    assert weight.attrs == {"long_name": words, "units": "1"}
    words = "share of each expert in the prediction"
    assert found["expert_share"].attrs == {"long_name": words, "units": "1"}
    assert "expert_weight" in found["swvl1"].attrs["ancillary_variables"].split()
    missing = found["swvl1"].isnull()
    assert 0 < int(missing.sum()) < missing.size
    assert (weight.isnull() == missing).all()
    assert float(abs(weight.sum("expert", skipna=False) - 1).max()) < 1e-6
    assert float(weight.min()) >= 0


@pytest.mark.parametrize("form", [{}, {"data_integration": True, "lead": 1}])
@pytest.mark.parametrize("model", ["ismoe", "mean_expert"])
def test_experts_times_weights_are_the_prediction(small, model, form):
    fitted = small.physm.fit(model, window=8, **QUICK, **form)
    found = fitted.predict(small)
    experts = fitted.experts(small)["swvl1"]
    assert experts.dims == ("time", "lat", "lon", "expert")
    assert experts.attrs["units"] == "m3 m-3"
    total = (experts * found["expert_share"]).sum("expert", skipna=False)
    np.testing.assert_allclose(total, found["swvl1"], atol=1e-6)


def test_all_layers_share_the_weights(small):
    ds = small.assign(swvl2=0.5 * small["swvl1"] + 0.1)
    names = ["swvl1", "swvl2"]
    fitted = ds.physm.fit("ismoe", layered=True, window=5, **QUICK)
    found, experts = fitted.predict(ds), fitted.experts(ds)
    assert fitted.recipe.layers == 2
    assert found["expert_weight"].dims == ("time", "lat", "lon", "expert")
    for name in names:
        total = (experts[name] * found["expert_share"]).sum("expert", skipna=False)
        np.testing.assert_allclose(total, found[name], atol=1e-6)
    table = fitted.importance(ds, repeats=1)
    errors = [(found[name] - ds[name]) ** 2 for name in names]
    expected = xr.concat(errors, "depth").mean("depth").mean() ** 0.5
    np.testing.assert_allclose(table["rmse"], expected, rtol=1e-5)


def test_lazy_answers_are_those_of_memory(small, fitted, no_compute):
    chunked = small.chunk(time=13, lat=3, lon=2)
    region = small["half"].drop_vars("half").rename("region")
    with no_compute():
        predicted, experts = fitted.predict(chunked), fitted.experts(chunked)
        table = fitted.importance(chunked, by=["season", region], repeats=2)
    for found in (predicted["expert_weight"], experts["swvl1"], *table.data_vars.values()):
        assert found.chunks is not None
    xr.testing.assert_allclose(predicted.compute(), fitted.predict(small), atol=1e-6)
    xr.testing.assert_allclose(experts.compute(), fitted.experts(small), atol=1e-6)
    whole = fitted.importance(small, by=["season", region], repeats=2)
    xr.testing.assert_allclose(table.compute(), whole, atol=1e-6)
    assert whole["weight"].dims == ("expert", "season", "region")
    assert whole["region"].values.tolist() == ["east", "west"]


def test_importance_is_what_its_parts_say(small, fitted):
    found = fitted.predict(small)
    east = small["half"] == "east"
    mask = east.rename("lat").drop_vars("half")  # a name that is taken
    table = fitted.importance(small, by=mask, repeats=1)
    assert table["region"].values.tolist() == [False, True]
    mean = found["expert_weight"].where(east).mean(["time", "lat", "lon"])
    np.testing.assert_allclose(table["weight"].sel(region=True), mean, rtol=1e-5)
    error = (found["swvl1"] - small["swvl1"]).where(east)
    np.testing.assert_allclose(table["rmse"].sel(region=True), (error**2).mean() ** 0.5, rtol=1e-5)
    assert table["permutation"].attrs["units"] == "m3 m-3"
    season = fitted.importance(small, by="season", repeats=1)
    assert season["weight"].sel(season="JJA").isnull().all()  # the data are of January to March
    march = found["expert_weight"].sel(time=found["time"].dt.month == 3)
    mean = march.mean(["time", "lat", "lon"])
    np.testing.assert_allclose(season["weight"].sel(season="MAM"), mean, rtol=1e-5)


def test_turned_inputs_are_those_of_another_time(small, fitted):
    table = fitted.importance(small, repeats=1, seed=3)
    (move,) = table.attrs["moved_by_steps"]
    turned = small.assign(wind_speed=small["wind_speed"].roll(time=move))
    there = fitted.predict(small)["swvl1"].notnull()
    error = (fitted.predict(turned)["swvl1"] - small["swvl1"]).where(there)
    rise = (error**2).mean() ** 0.5 - table["rmse"]
    np.testing.assert_allclose(table["permutation"].sel(expert="wind"), rise, atol=1e-7)


def test_importance_refuses_what_it_cannot_take(small, fitted):
    with pytest.raises(UnknownNameError, match=r"by='sesaon' was given: pass 'season', a map of"):
        fitted.importance(small, by="sesaon")
    with pytest.raises(MissingVariableError, match=r"lies on \('time',\); \['lat', 'lon'\] are"):
        fitted.importance(small, by=small["time"])
    nowhere = small["half"].drop_vars("half").assign_coords(lat=small["lat"] + 0.3)
    with pytest.raises(MissingVariableError, match=r"regions 'map' names none: it is empty on the"):
        fitted.importance(small.assign(map=nowhere), by="map")
    with pytest.raises(NotEnoughDataError, match=r"repeats=0 and 53 predicted steps were given"):
        fitted.importance(small, repeats=0)
    plain = small.physm.fit("cnn_lstm", **QUICK)
    for verb in (plain.importance, plain.experts):
        with pytest.raises(UnknownNameError, match=r"'cnn_lstm' has no experts\. Train one that"):
            verb(small)


def test_groups_by_variable_survive_saving_in_their_order(small, tmp_path):
    ds = small.rename(precipitation="tp", shortwave_down="ssr_light")
    groups = {"water": ["tp", "wind_speed"], "air": ["light", "wind_speed"]}
    names = {"shortwave_down": "light", "precipitation": "tp"}
    ds = ds.rename(ssr_light="light")
    fitted = ds.physm.fit("ismoe", groups=groups, variables=names, window=8, **QUICK)
    assert fitted.model.groups == {
        "water": ("precipitation", "wind_speed"),
        "air": ("shortwave_down", "wind_speed"),
    }
    fitted.save(tmp_path / "model.xsm")
    again = xsm.load(tmp_path / "model.xsm")
    assert list(again.model.groups) == ["water", "air"]
    assert again.model.sizes == fitted.model.sizes
    assert again.predict(ds).identical(fitted.predict(ds))
    assert again.experts(ds).identical(fitted.experts(ds))


FORMS = [
    {"head": "gaussian"},
    {"members": 2},
    {"members": 2, "head": "gaussian", "data_integration": True, "lead": 1},
]


@pytest.mark.parametrize("form", FORMS)
def test_spreads_and_ensembles_keep_weights_and_experts(small, form, no_compute, tmp_path):
    fitted = small.physm.fit("ismoe", window=8, **QUICK, **form)
    found, experts = fitted.predict(small), fitted.experts(small)
    weight = found["expert_weight"]
    assert (weight.isnull() == found["swvl1"].isnull()).all()
    assert float(abs(weight.sum("expert", skipna=False) - 1).max()) < 1e-6
    assert (found["swvl1_std"].where(found["swvl1"].notnull(), 1) > 0).all()
    assert list(experts.data_vars) == ["swvl1"]
    total = (experts["swvl1"] * found["expert_share"]).sum("expert", skipna=False)
    np.testing.assert_allclose(total, found["swvl1"], atol=1e-6)
    with no_compute():
        lazy = fitted.predict(small.chunk(time=13, lon=2))
    xr.testing.assert_allclose(lazy.compute(), found, atol=1e-6)
    calibrated = fitted.calibrate(small)
    ratio = calibrated.predict(small)["swvl1_std"] / found["swvl1_std"]
    np.testing.assert_allclose(ratio.max(), float(calibrated.calibration["scale"]), rtol=1e-5)
    calibrated.save(tmp_path / "model.xsm")
    again = xsm.load(tmp_path / "model.xsm")
    xr.testing.assert_identical(again.experts(small), experts)
    mean = fitted.importance(small, repeats=1)["weight"]
    np.testing.assert_allclose(mean, weight.mean(["time", "lat", "lon"]), rtol=1e-5)
    xr.testing.assert_identical(again.importance(small, repeats=1)["weight"], mean)


@pytest.mark.parametrize("name", ["expert_weight", "expert_share"])
def test_the_weights_of_an_ensemble_are_the_mean_of_its_members(small, name):
    fitted = small.physm.fit("ismoe", window=8, members=2, **{**QUICK, "iterations": 12})
    members = [replace(fitted, model=m) for m in members_of(fitted.model)]
    weights = [member.predict(small)[name] for member in members]
    assert not weights[0].equals(weights[1])
    expected = (weights[0] + weights[1]) / 2
    np.testing.assert_allclose(fitted.predict(small)[name], expected, atol=1e-6)


def test_a_layered_mixture_has_a_spread_for_each_layer(small):
    ds = small.assign(swvl2=0.5 * small["swvl1"] + 0.1)
    fitted = ds.physm.fit("ismoe", layered=True, head="gaussian", window=5, **QUICK)
    found, experts = fitted.predict(ds), fitted.experts(ds)
    for name in ("swvl1", "swvl2"):
        assert (found[f"{name}_std"].isnull() == found[name].isnull()).all()
        total = (experts[name] * found["expert_share"]).sum("expert", skipna=False)
        np.testing.assert_allclose(total, found[name], atol=1e-6)


def test_a_streamed_mixture_is_that_of_memory():
    ds = planted(steps=700, shape=(30, 40))
    sizes = {"window": 8, "patch": 1, "memory_limit": "16 MiB", **QUICK}
    fitted = ds.chunk(lat=10, lon=10).physm.fit("ismoe", **sizes)
    assert "blocks, about" in fitted.card["training"]
    assert list(fitted.model.groups) == ["precipitation", "radiation", "wind"]
    part = ds.isel(time=slice(0, 30))
    weight = fitted.predict(part)["expert_weight"]
    assert float(abs(weight.sum("expert") - 1).max()) < 1e-6


def test_estimators_have_no_experts(small):
    pytest.importorskip("sklearn")
    trees = small.isel(lat=slice(2, 4)).physm.fit("random_forest", n_estimators=2, progress=False)
    for verb in (trees.importance, trees.experts):
        with pytest.raises(UnknownNameError, match=r"'random_forest' has no experts\. Train one"):
            verb(small)
    with pytest.raises(UnknownNameError, match=r"RandomForest has no hyper-parameter 'groups'"):
        small.physm.fit("random_forest", groups={"water": ["precipitation"]})
    with pytest.raises(TrainingError, match=r"needs? .*expert_share|expert_share.* need"):
        small.physm.fit("lstm", losses=[RMSE(), LoadBalance()], epochs=1, progress=False)


class Jumps:
    """A term that compares three steps."""

    weight, name, needs, reads, answered = 0.1, "jumps", (), ("mean",), 3

    def __call__(self, output, batch):
        """Return the mean square of second differences."""
        return output["mean"].diff(dim=1).diff(dim=1).square().mean()


def test_a_term_over_three_steps_trains_a_mixture(monkeypatch):
    ds, told = planted(steps=120, shape=(3, 4)), []
    monkeypatch.setattr(ISMoE, "remarks", lambda _, output: told.append(output) or ())
    losses = [BetaNLL(0.5), WaterBalance(0.5, terms=("precipitation",)), LoadBalance(), Jumps()]
    losses.append(Absence())
    form = {"head": "gaussian", "members": 2, "data_integration": True, "lead": 1}
    fitted = ds.physm.fit("ismoe", losses=losses, **form, **QUICK)
    assert np.isfinite(fitted.history["jumps"]).all()
    assert len(told) == 2
    for output in told:  # of the last step
        assert output["expert_weight"].ndim == output["mean"].ndim == 2
    assert {"swvl1", "swvl1_std", "expert_weight"} <= set(fitted.predict(ds))


def test_physics_and_balance_combine():
    ds = planted(steps=60, shape=(3, 4))
    losses = [RMSE(0.5), WaterBalance(0.5, terms=("precipitation",)), LoadBalance(0.01), Absence()]
    fitted = ds.physm.fit("ismoe", losses=losses, epochs=1, iterations=3, progress=False)
    assert {"rmse", "load_balance", "total"} < set(fitted.history.data_vars)
    assert any("balance" in n and n != "load_balance" for n in fitted.history.data_vars)
    assert np.isfinite(fitted.history["total"].sel(part="training")).all()


class Collapsed(ISMoE):
    """A router that has made up its mind."""

    def __init__(self, sizes: Sizes, *, hidden_size: int = 8, patch: int = 1) -> None:
        super().__init__(sizes, hidden_size=hidden_size, patch=patch)
        self.logits.bias.data[0] = 20.0
        self.explainer[-1].bias.data[0] = 20.0


def test_a_collapse_is_told(small):
    settings = {"window": 8, "epochs": 1, "iterations": 1, "progress": False}
    with pytest.warns(UserWarning, match=r"collapsed onto 1\.00 of 3|never matter") as told:
        fitted = small.physm.fit(Collapsed, **settings)
    collapse = "The router has collapsed onto 1.00 of 3 experts (mean shares {'precipitation': 1.0"
    assert any(str(warning.message).startswith(collapse) for warning in told)
    idle = "The weight of ['radiation', 'wind'] is nowhere above 0.01: these experts never matter"
    assert any(str(warning.message).startswith(idle) for warning in told)
    with pytest.warns(UserWarning, match=r"collapsed onto|never matter"):
        fitted.importance(small, repeats=1)


def test_a_prediction_warns_of_nothing(small, fitted):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted.importance(small, repeats=1)


@pytest.mark.parametrize("verb", ["experts", "importance"])
def test_experts_are_asked_at_the_step_that_they_were_trained_at(fitted, small, verb):
    weekly = small.assign_coords(time=pd.date_range("2020-01-01", periods=60, freq="7D"))
    with pytest.raises(GridError, match=r"trained at steps of 1 day, the data are at steps of 7 d"):
        getattr(fitted, verb)(weekly)


def test_importance_doubts_what_it_compares_with(fitted, small):
    bad = small.copy(deep=True)
    bad["swvl1"][5:20, 1, 1] = -9999.0
    with pytest.raises(UnitsError, match="are -9999"):
        fitted.importance(bad)
