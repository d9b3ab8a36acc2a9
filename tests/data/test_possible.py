"""Predictions that the target cannot have are told once, and left as they are."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xsm.data.possible import Impossible

pytestmark = pytest.mark.filterwarnings("error")

QUICK = {"window": 3, "epochs": 1, "iterations": 2, "hidden_size": 4, "progress": False}


@pytest.fixture(scope="module")
def world():
    """Return three places, and a model whose answers are moved by what a test says."""
    days, rng = pd.date_range("2020", periods=80), np.random.default_rng(0)
    own = {"tp": "mm/day", "t2m": "K", "swvl1": "m3 m-3"}
    values = {name: 0.3 * rng.random((80, 3)) + (280 if name == "t2m" else 0.3) for name in own}
    ds = xr.Dataset(
        {k: (("time", "site"), v, {"units": own[k]}) for k, v in values.items()},
        {"time": days, "site": list("abc")},
    )
    return ds, ds.physm.fit("lstm", **QUICK)


def moved(fitted, by):
    """Return a model whose target is scaled from another offset: answers are moved."""
    scaling = fitted.scaling.assign(target_offset=fitted.scaling["target_offset"] + by)
    return replace(fitted, scaling=scaling)


def test_negative_soil_moisture_is_told_with_its_number_and_stays(world):
    ds, fitted = world
    plain = fitted.predict(ds)["swvl1"]
    dry = moved(fitted, -0.3 - float(plain.min()))
    with pytest.warns(UserWarning, match=r"predicted values of soil_moisture lie outside") as told:
        found = dry.predict(ds)["swvl1"]
    np.testing.assert_allclose(found, plain - 0.3 - float(plain.min()), atol=1e-6)
    count, size = int((found < 0).sum()), found.size
    said = str(told[0].message)
    assert len(told) == 1
    assert said.startswith(f"{count:,} of {size:,} predicted values")
    assert f"0 to 1 m3 m-3: {float(found.min()):.3g} to" in said
    assert "pgdl_cnn_lstm" in said
    assert told[0].filename == __file__  # the line that predicts, though threads compute
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted.predict(ds)


def test_lazy_predictions_tell_once_when_they_are_computed(world):
    ds, fitted = world
    wet = moved(fitted, 2.0)
    lazy = wet.predict(ds.chunk(time=20, site=1))  # warnings are errors
    with pytest.warns(UserWarning, match="in one block; others may hold more") as told:
        found = lazy.compute()
    assert len(told) == 1
    assert told[0].filename == __file__
    assert float(found["swvl1"].min()) > 1
    with pytest.warns(UserWarning, match="234 of 234"):
        same = wet.predict(ds)
    xr.testing.assert_allclose(found, same)


def test_a_layer_that_is_named_is_soil_moisture_too(world):
    ds, _ = world
    ds = ds.rename(swvl1="swvl2").assign(swvl1=ds["swvl1"])
    fitted = ds.physm.fit("lstm", target="swvl2", **QUICK)
    with pytest.warns(UserWarning, match="values of soil_moisture lie outside"):
        moved(fitted, -2.0).predict(ds)


def test_a_downscaled_field_tells_too():
    axes = {"time": pd.date_range("2000", periods=8, freq="MS")}
    axes |= {"lat": np.arange(4.0), "lon": np.arange(4.0)}
    values = 0.3 + 0.02 * np.random.default_rng(0).random((8, 4, 4))
    coarse = xr.Dataset({"swvl1": (tuple(axes), values, {"units": "m3 m-3"})}, axes)
    small = {"hidden": 2, "widths": (2, 4), "epochs": 1, "iterations": 1, "valid": 0.0}
    settings = {"factor": 2, "target": "soil_moisture", "window": 2, "progress": False}
    fitted = coarse.physm.fit("convlstm_unet", **settings, **small)
    fitted.downscale(coarse)  # warnings are errors
    dry = coarse["swvl1"].copy(data=values - 1).assign_attrs(valid_min=-1.0).to_dataset()
    for ds in (dry, dry.chunk(time=1)):
        with pytest.warns(UserWarning, match="soil_moisture lie outside of what it can be, 0 to 1"):
            fitted.downscale(ds).compute()


@pytest.mark.parametrize("role", ["my_own", ""])
def test_what_has_no_role_can_be_all(role):
    Impossible(role)(np.array([-1e9, 1e9, np.nan]), lazy=False)


def test_the_edges_are_possible_and_it_travels_as_its_role():
    tell = pickle.loads(pickle.dumps(Impossible("soil_moisture")))
    tell(np.array([0.0, 1.0, np.nan], np.float32), lazy=False)
    with pytest.warns(UserWarning, match=r"1 of 2 .* -1e-06 to -1e-06\. They"):
        tell(np.array([-1e-6, 0.5]), lazy=False)
    tell(np.array([-1.0]), lazy=False)  # once
