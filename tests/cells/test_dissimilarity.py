"""The dissimilarity index: by hand, against the paper's definition, lazily, and what it refuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.spatial.distance import cdist, pdist

import xsm
from tests.worlds import bucket_dataset
from xsm.cells.dissimilarity import place_features
from xsm.cells.domain import _whisker
from xsm.cells.features import Features
from xsm.exceptions import NotEnoughDataError, UnknownNameError

SHORT = {"epochs": 1, "iterations": 3, "hidden_size": 4, "progress": False, "window": 4}


@pytest.fixture(scope="module")
def ds() -> xr.Dataset:
    world = bucket_dataset(steps=420, shape=(4, 4))
    season = 5 * np.cos(2 * np.pi * world["time"].dt.dayofyear / 365.25)
    warm = world["air_temperature"] + season * world["lat"]
    return world.assign(air_temperature=warm.astype("f4").assign_attrs(units="K"))


@pytest.fixture(scope="module")
def validated(ds):
    return xsm.cross_validate(ds, "lstm", folds="regions", count=3, **SHORT)


@pytest.fixture(scope="module")
def domain(validated) -> xr.Dataset:
    return validated.domain(importance=False)


def test_seasons_are_found_as_they_were_made():
    days = pd.date_range("2001-01-01", periods=1461)
    turn = 2 * np.pi * days.day_of_year.to_numpy() / 365.25
    warm = 10 + 3 * np.cos(turn) - 2 * np.sin(turn)
    rain = xr.DataArray(warm[:, None], {"time": days}, ("time", "x"))
    hill = xr.DataArray([7.0], dims="x")
    found = place_features(Features({"t": rain}, {"hill": hill}, None, {}, "time", ("x",)))
    assert found["feature"].values.tolist()[:2] == ["t: mean", "t: spread"]
    spread = np.sqrt((9 + 4) / 2)
    np.testing.assert_allclose(found.values[:, 0], [10, spread, 3, -2, 7], atol=0.01)


def test_the_index_is_that_of_the_paper(ds, validated, domain):
    rows = domain["training"].values
    np.testing.assert_allclose(domain["mean_distance"], pdist(rows).mean())
    away = cdist(rows, rows)
    fold = domain["fold"].values
    other = np.where(fold[:, None] != fold[None], away, np.inf).min(axis=1)
    np.testing.assert_allclose(domain["dissimilarity"], other / pdist(rows).mean())
    hill = ds["elevation"].values.ravel()
    at = domain["feature"].values.tolist().index("elevation")
    np.testing.assert_allclose(rows[:, at], (hill - hill.mean()) / hill.std(), rtol=1e-5)
    assert float(domain["dissimilarity"].max()) >= float(domain["threshold"])


def test_the_threshold_is_the_upper_whisker():
    """As R's boxplot.stats(c(1:10, 50))$stats[5], which is 10."""
    assert _whisker(np.array([*range(1, 11), 50.0, np.nan])) == 10
    assert _whisker(np.array([1.0, 1.0, 1.0])) == 1


def test_a_prediction_says_how_unlike_its_places_are(ds, domain, no_compute):
    fitted = xsm.fit(ds, "lstm", scaling="global", **SHORT)
    found = xsm.predict(ds, fitted, domain=domain)
    np.testing.assert_allclose(found["dissimilarity"], 0, atol=1e-6)  # they have trained
    assert found["applicable"].dtype == np.int8
    assert (found["applicable"] == 1).all()
    assert found["soil_moisture"].attrs["ancillary_variables"].endswith("dissimilarity applicable")
    high = ds.assign(elevation=(ds["elevation"] + 5000.0).assign_attrs(units="m"))
    away = high.physm.predict(fitted, domain=domain)
    assert (away["applicable"] == 0).all()
    assert (away["dissimilarity"] > float(domain["threshold"])).all()
    hidden = high.copy(deep=True)
    hidden["elevation"][0, 0] = np.nan
    with no_compute():
        lazy = hidden.chunk(time=100, lat=2).physm.predict(fitted, domain=domain)
    assert lazy["dissimilarity"].chunks is not None
    index = lazy["dissimilarity"].compute()
    assert np.isnan(index[0, 0])
    assert int(lazy["applicable"][0, 0]) == 0
    np.testing.assert_allclose(index[1:], away["dissimilarity"][1:], rtol=1e-5)


def test_a_domain_survives_a_file(ds, domain, tmp_path):
    domain.to_netcdf(tmp_path / "domain.nc")
    read = xr.load_dataset(tmp_path / "domain.nc")
    fitted = xsm.fit(ds, "lstm", scaling="global", **SHORT)
    one, other = (fitted.predict(ds, domain=each) for each in (domain, read))
    xr.testing.assert_allclose(one, other)


def test_an_input_that_decides_weighs_more():
    """Rain moves the bucket; what is added to a map of noise moves nothing."""
    world = bucket_dataset(steps=400, shape=(4, 4))
    wet = xr.DataArray(np.linspace(0.2, 2, 16).reshape(4, 4), dims=("lat", "lon"))
    rain = (world["precipitation"] * wet).assign_attrs(units="mm day-1")
    soil = (rain.rolling(time=4, min_periods=1).mean() / 100).clip(max=0.5)
    world = world.assign(precipitation=rain, soil_moisture=soil.assign_attrs(units="m3 m-3"))
    options = {"epochs": 12, "iterations": 40, "hidden_size": 8, "progress": False, "window": 4}
    found = xsm.cross_validate(
        world, "lstm", folds="blocks", size=120.0, count=4, lead=0, learning_rate=0.02, **options
    )
    domain = found.domain()
    rise = domain["importance"]
    assert float(rise.sel(input="precipitation")) > 5 * float(rise.sel(input="elevation"))
    weight = domain["weight"].values
    assert weight[0] == pytest.approx(weight[1])  # all of rain
    shares = [weight[0] * 2, weight[4] * 2, weight[8]]
    assert sum(shares) == pytest.approx(3)


def test_what_tells_nothing_of_places_is_refused(ds, validated, domain):
    fitted = xsm.fit(ds, "lstm", scaling="global", **SHORT)
    with pytest.raises(NotEnoughDataError, match="span 99 days; a year of inputs is needed"):
        fitted.predict(ds.isel(time=slice(0, 100)), domain=domain)
    fewer = xsm.fit(ds, "lstm", scaling="global", dynamic=["precipitation"], **SHORT)
    with pytest.raises(UnknownNameError, match=r"they differ in \['air_temperature'\]"):
        fewer.predict(ds, domain=domain)
    with pytest.raises(UnknownNameError, match="domain= was learnt of other inputs"):
        fitted.predict(ds, domain=xr.Dataset())
    flat = ds.map(lambda a: a.isel(lat=[0] * 4, lon=[0] * 4).copy(data=_alike(a)))
    flat = flat.assign_coords(ds.coords)
    for name in flat:
        flat[name].attrs = ds[name].attrs
    same = xsm.cross_validate(flat, "lstm", folds="regions", count=2, **SHORT)
    with pytest.raises(NotEnoughDataError, match="16 places with all inputs are alike"):
        same.domain(importance=False)


def _alike(array: xr.DataArray) -> np.ndarray:
    """Return the values of the first cell in all cells."""
    first = array.isel(lat=slice(0, 1), lon=slice(0, 1)).values
    return np.broadcast_to(first, array.shape).copy()
