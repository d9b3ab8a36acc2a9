"""The mean of several models: weights that are known, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.api.blend import least_error
from xsm.exceptions import NotEnoughDataError, UnknownNameError

SHORT = {"epochs": 1, "iterations": 2, "hidden_size": 4, "progress": False}


@pytest.fixture(scope="module")
def ds() -> xr.Dataset:
    whole = xsm.open_tutorial("land").isel(latitude=slice(0, 2), longitude=slice(20, 22))
    return whole.isel(time=slice(0, 120))


@pytest.fixture(scope="module")
def pair(ds: xr.Dataset) -> list[xsm.FittedModel]:
    return [xsm.fit(ds, name, **SHORT) for name in ("lstm", "phy_lstm")]


def test_weights_are_those_of_a_plain_search():
    random = np.random.default_rng(0)
    for count in (2, 3):
        errors = random.normal(size=(count, 200)) * np.arange(1, count + 1)[:, None] + 0.3
        products = errors @ errors.T / 200
        shares = random.dirichlet(np.ones(count), 20_000)
        searched = np.einsum("si,ij,sj->s", shares, products, shares).min()
        found = least_error(products)
        assert found.sum() == pytest.approx(1.0)
        assert (found >= 0).all()
        assert found @ products @ found <= searched + 1e-9


def test_equal_models_and_one_without_error():
    assert least_error(np.ones((2, 2))).sum() == pytest.approx(1.0)
    assert least_error(np.array([[0.0, 0.0], [0.0, 2.0]])).tolist() == [1.0, 0.0]
    assert least_error(np.array([[1.0, 2.0], [2.0, 4.0]])).tolist() == [1.0, 0.0]


def test_a_blend_errs_no_more_than_the_best_where_it_was_weighed(ds, pair):
    made = xsm.blend(pair, ds)
    found = made.predict(ds)
    assert list(found.data_vars) == ["swvl1"]
    assert found["swvl1"].attrs["units"] == "m3 m-3"
    errors = [
        float(((p["swvl1"] - ds["swvl1"]) ** 2).mean())
        for p in (found, *(m.predict(ds) for m in pair))
    ]
    assert errors[0] <= min(errors[1:]) + 1e-9
    lazy = xsm.blend(pair, ds.chunk(time=50))
    assert lazy.weights == pytest.approx(made.weights, abs=1e-5)
    assert lazy.predict(ds.chunk(time=50))["swvl1"].chunks is not None
    assert "0." in repr(made)
    assert "lstm" in found.attrs["model"]


def test_a_blend_is_of_several_models_of_one_target(ds, pair):
    other = xsm.fit(ds, "lstm", target="swvl2", **SHORT)
    for models in (pair[:1], [], [pair[0], other]):
        with pytest.raises(UnknownNameError, match="two or more of one target and depth"):
            xsm.blend(models, ds)
    with pytest.raises(NotEnoughDataError, match="no step that all models predict"):
        xsm.blend(pair, ds.assign(swvl1=ds["swvl1"] * np.nan))


def test_the_lead_of_a_blend_is_the_shortest_of_its_models(ds):
    """The weather up to the day before is needed where one model needs it."""
    models = [xsm.fit(ds, "lstm", lead=lead, **SHORT) for lead in (3, 1)]
    found = xsm.blend(models, ds).predict(ds)
    assert found["lead"].values == np.timedelta64(1, "D")
    assert found["swvl1"].notnull().all()
    assert found["swvl1"].attrs["units"] == "m3 m-3"
