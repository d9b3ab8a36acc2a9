"""Inputs that a network does without: what it is told, and that nothing of them matters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import xsm
from tests.worlds import bucket, bucket_dataset, recipe
from xsm.cells.hidden import hidden_of, with_masks
from xsm.cells.reading import make_windows
from xsm.cells.scaling import fit_scaling
from xsm.exceptions import MissingVariableError, NotEnoughDataError, UnknownNameError

SHORT: dict[str, Any] = {"epochs": 1, "iterations": 3, "hidden_size": 8, "progress": False}
AWAY = "ignore:The data lack:UserWarning"


@pytest.fixture(scope="module")
def ds() -> xr.Dataset:
    return bucket_dataset(120, (3, 4))


@pytest.fixture(scope="module")
def fitted(ds: xr.Dataset) -> xsm.FittedModel:
    return xsm.fit(ds, "lstm", sequence=40, warmup=5, input_dropout=0.3, **SHORT)


def masks(**changes: Any) -> Any:
    return hidden_of(recipe(bucket(20), input_dropout=0.25, **changes), ())


def test_as_many_are_hidden_as_was_asked():
    known = masks().draw(40_000, torch.Generator().manual_seed(0))
    assert known.shape == (40_000, 3)
    np.testing.assert_allclose(known.mean(0), 0.75, atol=0.01)
    assert torch.corrcoef(known.T)[0, 1].abs() < 0.02  # each for itself


def test_hidden_inputs_are_their_mean_and_the_masks_say_so():
    dynamic, static = torch.full((2, 5, 3), 7.0), torch.full((2, 1), 7.0)
    known = torch.tensor([[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    moving, still = masks().hide(dynamic, static, known, around=False)
    assert moving[0, 0].tolist() == [7, 0, 7]  # the third channel is no input with a role
    assert moving[1, 0].tolist() == [7, 7, 7]
    assert still.tolist() == [[7, 1, 0, 1], [0, 1, 1, 0]]


def test_masks_of_neighbours_stand_before_the_channel_of_what_is_there():
    dynamic = torch.ones(1, 5, 2, 3)
    static = torch.tensor([[[7.0, 1.0], [0.0, 0.0]]])  # a cell, and none
    known = torch.tensor([[1.0, 0.0, 1.0]])
    still = masks().hide(dynamic, static, known, around=True)[1]
    assert still.tolist() == [[[7, 1, 0, 1, 1], [0, 0, 0, 0, 0]]]


def test_inputs_in_plain_units_are_never_hidden():
    assert masks(plain=("precipitation",)).dynamic == (1,)


def test_a_prediction_is_told_as_training_was():
    own = recipe(bucket(20), input_dropout=0.25)
    found = with_masks(np.array([[3.0]], np.float32), own, ("elevation", "precipitation"))
    assert found.tolist() == [[0, 0, 1, 0]]


def test_without_input_dropout_samples_are_the_same():
    features = bucket(60)
    own = recipe(features, scaling="global")
    scaling = fit_scaling(features, slice(0, 60), scaling="global")
    plain = make_windows(features, scaling, own, slice(0, 60))
    told = make_windows(features, scaling, replace(own, input_dropout=0.5), slice(0, 60))
    assert plain.sight(2, 3, torch.Generator()) is None
    first, second = (each.batch(torch.arange(5)) for each in (plain, told))
    assert torch.equal(first["dynamic"], second["dynamic"])  # what validates hides nothing
    assert torch.equal(second["static"][:, 1:], torch.ones(5, 3))


@pytest.mark.filterwarnings(AWAY)
@pytest.mark.parametrize("away", ["air_temperature", "elevation"])
@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("lstm", {"sequence": 40, "warmup": 5}),
        ("lstm", {"scaling": "global"}),
        ("cnn_lstm", {"channels": 4}),
        ("ismoe", {"channels": 4, "sequence": 40, "warmup": 5}),
    ],
)
def test_what_is_missing_is_hidden(ds, model, options, away):
    """The network says what it says where the input is its mean and it is told so."""
    made = xsm.fit(ds, model, input_dropout=0.3, **options, **SHORT)
    found = made.predict(ds.drop_vars(away))
    assert found["soil_moisture"].notnull().any()
    lazy = made.predict(ds.drop_vars(away).chunk(time=50, lat=1))
    np.testing.assert_allclose(lazy["soil_moisture"], found["soil_moisture"], rtol=1e-5)
    every = made.predict(ds)
    assert (found["extrapolation"] <= every["extrapolation"]).all()
    assert abs(found["soil_moisture"] - every["soil_moisture"]).max() > 1e-4  # it knows


def test_what_is_missing_is_told(ds, fitted):
    with pytest.warns(UserWarning, match=r"The data lack \['air_temperature'\]: hidden from"):
        fitted.predict(ds.drop_vars("air_temperature"))


@pytest.mark.filterwarnings(AWAY)
@pytest.mark.parametrize(
    "names",
    [
        # NLDAS-2 forcing, file A (GES DISC README): APCP in kg m-2, TMP in K; no elevation
        {"precipitation": "APCP", "air_temperature": "TMP"},
        # CAMELS-US (Newman et al. 2015): prcp(mm/day) alone, no temperature of a day
        {"precipitation": "prcp"},
    ],
)
def test_products_that_lack_inputs_are_predicted(ds, fitted, names):
    part = ds[list(names)].rename(names)
    stated = dict(names)
    found = fitted.predict(part, variables=stated)
    plain = fitted.predict(ds[list(names)])
    np.testing.assert_allclose(found["soil_moisture"], plain["soil_moisture"], rtol=1e-6)


@pytest.mark.filterwarnings(AWAY)
def test_a_state_goes_on_without_an_input(ds, fitted):
    part = ds.drop_vars("air_temperature")
    whole = fitted.predict(part)["soil_moisture"]
    first, rest = part.isel(time=slice(0, 60)), part.isel(time=slice(60, None))
    after = fitted.predict(rest, state=fitted.state(first))["soil_moisture"]
    np.testing.assert_allclose(after, whole.sel(time=after["time"]), rtol=1e-5)
    ahead = fitted.forecast(part, init=part["time"].values[80], lead=3, weather="known")
    valid = whole.sel(time=ahead["valid_time"].values.ravel())
    np.testing.assert_allclose(ahead["soil_moisture"].values[0], valid.values, rtol=1e-5)


@pytest.mark.filterwarnings(AWAY)
def test_plans_and_audits_know_what_is_missing(ds, fitted):
    part = ds.drop_vars("air_temperature")
    assert xsm.plan(part.chunk(time=60), fitted).windows > 0
    audit = xsm.audit(fitted, part)
    assert audit["judged"].size


def test_it_is_saved(ds, fitted, tmp_path):
    fitted.save(tmp_path / "model.physm")
    again = xsm.load(tmp_path / "model.physm")
    assert again.recipe.hideable == ("precipitation", "air_temperature", "elevation")
    xr.testing.assert_identical(again.predict(ds), fitted.predict(ds))


def test_what_makes_no_sense_is_refused(ds, fitted):
    with pytest.raises(MissingVariableError, match="none of the model's dynamic inputs"):
        fitted.predict(ds[["elevation", "soil_moisture"]])
    with pytest.raises(NotEnoughDataError, match=r"input_dropout=1 was given; a share from 0"):
        xsm.fit(ds, "lstm", input_dropout=1, **SHORT)
    with pytest.raises(UnknownNameError, match="input_dropout"):
        xsm.fit(ds, "random_forest", input_dropout=0.2)
    faulty = ds.assign(air_temperature=ds["air_temperature"].assign_attrs(units="furlong"))
    with pytest.raises(ValueError, match="furlong"):
        fitted.predict(faulty)
