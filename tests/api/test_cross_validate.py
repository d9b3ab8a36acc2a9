"""Cross-validation: what is left out is never seen, and what comes back is what each fold says."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch
import xarray as xr
from distributed import Client

import xsm
from tests.worlds import bucket_dataset
from xsm.estimators import Estimator
from xsm.exceptions import GridError, MissingVariableError, NotEnoughDataError, UnknownNameError
from xsm.registry import list_models, model_class

VERB = importlib.import_module("xsm.api.cross_validate")
SHORT = {"epochs": 1, "iterations": 3, "hidden_size": 4, "progress": False, "batch_size": 16}
WINDOW = {**SHORT, "window": 4}
PIECES = {**SHORT, "sequence": 40, "warmup": 5}
TREES = {"window": 4, "n_estimators": 3, "progress": False}
pytestmark = pytest.mark.filterwarnings("ignore:The climatology of training is not scored")


@pytest.fixture(scope="module")
def ds() -> xr.Dataset:
    return bucket_dataset(steps=420)


@pytest.fixture(scope="module")
def halves(ds) -> xr.DataArray:
    west = xr.DataArray(np.array(["west", "west", "east", "east"]), {"lon": ds["lon"]}, "lon")
    return west.broadcast_like(ds["elevation"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("folds") / "cv"


@pytest.fixture(scope="module")
def validated(ds, halves, folder):
    return xsm.cross_validate(ds, "lstm", folds=halves, path=folder, **WINDOW)


def content(fitted: xsm.FittedModel) -> dict[str, np.ndarray]:
    """Return all that was learnt as arrays."""
    model = fitted.model
    weights = model.arrays if isinstance(model, Estimator) else model.state_dict()
    found = {f"weights {k}": np.asarray(v) for k, v in weights.items()}
    tables = {"scaling": fitted.scaling, "persistence": fitted.persistence}
    tables |= {"calibration": fitted.calibration, "climatology": fitted.climatology}
    for name, table in tables.items():
        whole = table.to_dataset(name="mean") if isinstance(table, xr.DataArray) else table
        if whole is not None:
            found |= {f"{name} {k}": v.values for k, v in whole.variables.items()}
    return found


def same(one: xsm.FittedModel, other: xsm.FittedModel) -> bool:
    mine, theirs = content(one), content(other)
    assert mine.keys() == theirs.keys()
    assert len(mine) > 10
    return all(np.array_equal(v, theirs[k], equal_nan=v.dtype.kind == "f") for k, v in mine.items())


def disturbed(ds: xr.Dataset, where: xr.DataArray) -> xr.Dataset:
    """Return data with other inputs, targets and maps in some places, as plausible as before."""
    rng = np.random.default_rng(1)
    changed = {}
    for name, array in ds.data_vars.items():
        mask = where if set(where.dims) <= set(array.dims) else None
        if mask is not None:
            noise = array.copy(data=rng.permutation(array.values.ravel()).reshape(array.shape))
            changed[name] = noise.where(mask, array).transpose(*array.dims).astype(array.dtype)
            changed[name].attrs = array.attrs
    return ds.assign(changed)


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("lstm", {**WINDOW, "head": "gaussian", "calibrate": "scale"}),
        ("lstm", {**PIECES, "head": "gaussian", "calibrate": "conformal"}),
        ("random_forest", TREES),
    ],
)
def test_a_fold_never_sees_what_it_leaves_out(ds, halves, model, options):
    before = xsm.cross_validate(ds, model, folds=halves, **options)
    after = xsm.cross_validate(disturbed(ds, halves == "east"), model, folds=halves, **options)
    assert same(before.models["east"], after.models["east"])
    assert not same(before.models["west"], after.models["west"])  # which has trained on them
    name = "soil_moisture"
    seen = [found.predicted[name].where(halves == "east") for found in (before, after)]
    assert not seen[0].equals(seen[1])


def test_a_fold_never_sees_its_year(ds):
    year = ds["time"].dt.year == 2020
    before = xsm.cross_validate(ds, "lstm", folds="years", **WINDOW)
    after = xsm.cross_validate(disturbed(ds, year), "lstm", folds="years", **WINDOW)
    assert same(before.models["2020"], after.models["2020"])
    assert not same(before.models["2019"], after.models["2019"])


def test_cells_within_the_buffer_do_not_train(ds, halves):
    options = {"folds": halves, "buffer": 112.0, **WINDOW}
    border = xr.DataArray([False, True, False, False], {"lon": ds["lon"]}, "lon")
    near = (border & (halves == "west")).broadcast_like(ds["elevation"])
    before = xsm.cross_validate(ds, "lstm", **options)
    after = xsm.cross_validate(disturbed(ds, near), "lstm", **options)
    assert same(before.models["east"], after.models["east"])


def test_each_cell_is_predicted_by_the_model_that_has_not_seen_it(ds, halves, validated):
    assert list(validated.models) == ["east", "west"]
    for name, fitted in validated.models.items():
        here = (halves == name).transpose("lat", "lon")
        alone = fitted.predict(ds)
        for own in ("soil_moisture", "extrapolation"):
            found = validated.predicted[own].where(here)
            xr.testing.assert_equal(found.drop_vars("fold"), alone[own].where(here))
        assert not fitted.scaling["trained_cell"].where(here, other=False).any()
    assert "trained_cell" not in validated.predicted  # none is
    assert (validated.predicted["fold"] == halves).all()


def test_scores_are_those_of_score(ds, halves, validated):
    plain = xsm.score(ds, validated.predicted.drop_vars("fold"), baselines=False)
    for name in ("r", "rmse", "bias"):
        found = validated.scores[name].sel(source="model")
        np.testing.assert_allclose(found, plain[name].sel(source="model"))
    by_fold = validated.by_fold()
    assert by_fold["r"].dims == ("fold", "source")
    east = validated.scores["rmse"].sel(source="model").where(halves == "east")
    assert float(by_fold["rmse"].sel(fold="east", source="model")) == float(east.median())
    assert "east" in repr(validated)
    assert "xsm.CrossValidation" in validated._repr_html_()


def test_the_climatology_of_a_new_place_is_that_of_the_training_cells(ds, halves, validated):
    days = ds["time"].dt.dayofyear
    west = ds["soil_moisture"].where(halves == "west")
    mean = west.groupby(days).mean("time").mean(("lat", "lon"))
    guess = mean.sel(dayofyear=days).drop_vars("dayofyear")
    error = guess - ds["soil_moisture"]
    steps = validated.predicted["time"].values[:-1]  # the last lies beyond the data
    rmse = (error.sel(time=steps) ** 2).mean("time") ** 0.5
    found = validated.scores["rmse"].sel(source="climatology")
    where = (halves == "east").transpose("lat", "lon").values
    np.testing.assert_allclose(found.values[where], rmse.values[where], rtol=1e-5)


def test_days_of_the_test_are_new_too(ds, halves):
    test = slice("2020-01-01", None)
    options = {"folds": halves, "test": test, **WINDOW}
    before = xsm.cross_validate(ds, "lstm", **options)
    later = disturbed(ds, ds["time"] >= np.datetime64("2020-01-01"))
    after = xsm.cross_validate(later, "lstm", **options)
    assert same(before.models["west"], after.models["west"])
    assert str(before.predicted["time"].values[0])[:10] == "2020-01-01"


def test_years_are_joined_along_time(ds):
    found = xsm.cross_validate(ds, "lstm", folds="years", **WINDOW)
    assert found.models["2019"].recipe.scaling == "cell"
    whole = found.predicted
    assert whole["fold"].dims == ("time",)
    assert (whole["fold"].astype(int) == whole["time"].dt.year).all()
    alone = found.models["2020"].predict(ds)["soil_moisture"]
    new = whole["soil_moisture"].sel(time="2020").drop_vars("fold")
    xr.testing.assert_allclose(new, alone.sel(time=new["time"]))
    assert new.notnull().all()  # the days before are there to begin from
    assert found.scores["r"].dims == ("fold", "source", "lat", "lon")
    assert found.by_fold().sizes["fold"] == 2
    with pytest.raises(UnknownNameError, match="Years were left out: they tell nothing of places"):
        found.domain()


def test_lazy_data_stay_lazy(ds, halves, validated, no_compute):
    lazy = xsm.cross_validate(ds.chunk(time=140, lat=2), "lstm", folds=halves, **WINDOW)
    assert lazy.predicted["soil_moisture"].chunks is not None
    with no_compute():
        assert "lazy" in repr(lazy)
        by_fold = lazy.by_fold()
    near = lazy.predicted["soil_moisture"].compute()
    xr.testing.assert_allclose(near, validated.predicted["soil_moisture"], atol=1e-5)
    np.testing.assert_allclose(by_fold["rmse"], validated.by_fold()["rmse"], rtol=1e-3)


def test_a_killed_run_goes_on(ds, halves, validated, tmp_path, monkeypatch):
    options = {"folds": halves, "path": tmp_path / "cv", **WINDOW}
    fits = []

    def fit(part, cls, **settings):
        if len(fits) == 1:
            raise KeyboardInterrupt("killed")
        fits.append(cls)
        return xsm.fit(part, cls, **settings)

    monkeypatch.setattr(VERB, "fit", fit)
    with pytest.raises(KeyboardInterrupt, match="killed"):
        xsm.cross_validate(ds, "lstm", **options)
    monkeypatch.setattr(VERB, "fit", lambda *a, **k: fits.append(0) or xsm.fit(*a, **k))
    found = xsm.cross_validate(ds, "lstm", **options)
    assert len(fits) == 2
    for name, fitted in found.models.items():
        assert same(fitted, validated.models[name])
    monkeypatch.setattr(VERB, "fit", None)  # all are done
    again = xsm.cross_validate(ds, "lstm", **options)
    xr.testing.assert_identical(again.predicted, found.predicted)
    xsm.cross_validate(ds, "lstm", **{**options, "progress": None})


@pytest.mark.parametrize(
    ("model", "change", "said"),
    [
        ("lstm", {"hidden_size": 5}, r"differs in \['settings'\]"),
        ("phy_lstm", {}, r"differs in \['model'\]"),
        ("lstm", {"folds": "regions", "count": 2}, r"differs in \['folds'\]"),
        ("lstm", {"seed": 1}, r"differs in \['settings'\]"),
    ],
)
def test_another_question_is_refused(ds, halves, folder, validated, model, change, said):
    with pytest.raises(UnknownNameError, match=said):
        xsm.cross_validate(ds, model, **{"folds": halves, "path": folder, **WINDOW, **change})


def test_other_data_are_refused(ds, halves, folder, validated, tmp_path):
    other = ds.copy(deep=True)
    other["precipitation"][3, 0, 0] += 1
    with pytest.raises(UnknownNameError, match=r"differs in \['data'\]. Name another folder"):
        xsm.cross_validate(other, "lstm", folds=halves, path=folder, **WINDOW)
    (tmp_path / "cross_validation.json").write_text("{")
    with pytest.raises(UnknownNameError, match="holds the folds of another question"):
        xsm.cross_validate(ds, "lstm", folds=halves, path=tmp_path, **WINDOW)


def test_folds_are_trained_on_a_cluster(ds, halves, validated):
    place = {"dashboard_address": "127.0.0.1:0"}
    with Client(processes=False, n_workers=1, threads_per_worker=1, **place) as client:
        found = xsm.cross_validate(ds, "lstm", folds=halves, client=client, **WINDOW)
    for name, fitted in found.models.items():
        assert same(fitted, validated.models[name])
    xr.testing.assert_identical(found.predicted, validated.predicted)


@pytest.mark.parametrize("name", [n for n in list_models() if not model_class(n).downscales])
def test_every_model_of_cells(name, request):
    land = xsm.open_tutorial("land").isel(latitude=slice(0, 4), longitude=slice(20, 24))
    if name == "pgdl_cnn_lstm":  # it is bounded by the parameters of its soil
        land = request.getfixturevalue("small_profile")
    land = land.isel(time=slice(0, 150))
    options = dict(SHORT)
    if issubclass(model_class(name), Estimator):
        options = {"progress": False, "n_estimators": 2}
    if name == "water_budget":
        options |= {"sequence": 40, "warmup": 5}
    found = xsm.cross_validate(land, name, folds="regions", count=2, **options)
    target = found.models["region 1"].variable.name
    there = found.predicted[target].isel(time=-2).notnull()
    places = found.folds.labels != ""  # not the sea
    assert (there == places).all()
    assert int(places.sum()) > 10
    assert (found.by_fold()["count"].sel(source="model") > 0).all()


def test_one_place_is_divided_by_years(ds):
    place = ds.isel(lat=0, lon=0, drop=True)
    found = xsm.cross_validate(place, "lstm", folds="years", **WINDOW)
    assert found.by_fold()["r"].dims == ("fold", "source")


def test_what_cannot_be_asked_is_told(ds, halves):
    ask = lambda **k: xsm.cross_validate(ds, "lstm", **{**WINDOW, **k})  # noqa: E731
    with pytest.raises(GridError, match="scaling='cell' was given, and places are left out"):
        ask(scaling="cell")
    with pytest.raises(UnknownNameError, match="checkpoint='a' was given, which is of one fit"):
        ask(checkpoint="a")
    with pytest.raises(NotEnoughDataError, match="calibrate='scale' was given with valid=0"):
        ask(calibrate="scale", valid=0)
    with pytest.raises(UnknownNameError, match="'convlstm_unet' downscales fields"):
        xsm.cross_validate(ds, "convlstm_unet")
    with pytest.raises(NotEnoughDataError, match="holds 0 steps and leaves 0 before them"):
        ask(folds=halves, test=slice("2030", None))
    with pytest.raises(UnknownNameError, match="with folds='years', which say which days"):
        ask(folds="years", test=slice("2020", None))
    with pytest.raises(NotEnoughDataError, match=r"'soil_moisture'.* is missing .* everywhere"):
        xsm.cross_validate(ds.assign(soil_moisture=ds["soil_moisture"] * np.nan), "lstm")
    with pytest.raises(MissingVariableError, match="soil_moisture"):
        xsm.cross_validate(ds.drop_vars("soil_moisture"), "lstm")
    with pytest.raises(UnknownNameError, match="5 was given as the name of a variable"):
        ask(target=5)
    with pytest.raises(UnknownNameError, match="has no hyper-parameter 'hidden'"):
        ask(folds=halves, hidden=3)
    assert torch.get_num_threads() == 1
