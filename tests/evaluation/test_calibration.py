"""Recalibrated intervals cover as often as they say; the table survives laziness and storage."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import xsm
from tests.artefact.models import dataset, forge, parts
from tests.worlds import bucket
from xsm.evaluation.calibration import METHODS, learn_calibration
from xsm.evaluation.distribution import PROBABILITIES
from xsm.exceptions import ArtefactError, MissingVariableError, NotEnoughDataError, UnknownNameError
from xsm.models.lstm import LSTM
from xsm.nn import Sizes

HEAVY = stats.t(3)  # its deviation is sqrt(3), its tails are far from a Gaussian's
SKEWED = stats.gamma(2)


@pytest.fixture(scope="module")
def fitted() -> xsm.FittedModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = Sizes(dynamic=2, static=1, window=4, target=2, gaussian=True)
        model = LSTM(sizes, hidden_size=3).eval()
    return xsm.FittedModel(**parts(bucket(steps=60), model=model))


def observed_with(fitted, errors, steps: int = 600, seed: int = 0) -> xr.Dataset:
    """Return data whose observations are the prediction plus its spread times errors."""
    ds = dataset(bucket(steps=steps, seed=seed))
    predicted = fitted.predict(ds)
    z = errors.rvs(predicted["swvl1"].shape, random_state=seed + 1)
    soil = predicted["swvl1"] + predicted["swvl1_std"] * z
    anywhere = {
        **ds["swvl1"].attrs,
        "valid_min": -9.0,
        "valid_max": 9.0,
    }  # as the made network says
    return ds.assign(swvl1=soil.reindex(time=ds["time"]).assign_attrs(anywhere))


@pytest.mark.parametrize(
    ("method", "errors"),
    [
        ("scale", stats.norm(0, 2.5)),
        ("scale", stats.norm(0, 0.4)),
        ("isotonic", stats.norm(0.5, 2.5)),
        ("isotonic", HEAVY),
        ("isotonic", SKEWED),
        ("conformal", stats.norm(0.5, 0.4)),
        ("conformal", HEAVY),
        ("conformal", SKEWED),
    ],
)
def test_intervals_of_exchangeable_data_cover_as_they_say(fitted, method, errors):
    better = fitted.calibrate(observed_with(fitted, errors), method=method)
    held_out = observed_with(fitted, errors, seed=7)
    before = xsm.reliability(held_out, fitted.predict(held_out))
    after = xsm.reliability(held_out, better.predict(held_out))
    wanted = after["level"].sel(level=[0.5, 0.9])
    assert float(abs(before["coverage"].sel(level=[0.5, 0.9]) - wanted).max()) > 0.05
    assert float(abs(after["coverage"].sel(level=[0.5, 0.9]) - wanted).max()) < 0.02
    assert float(abs(after["coverage"] - after["level"]).max()) < 0.02
    assert float(after["crps"]) < float(before["crps"])
    if method == "isotonic" or errors.mean() == 0:  # symmetric intervals cannot mend a bias
        assert float(abs(after["pit"] - 1).max()) < 0.3  # 360 pairs in a bar, twice


@pytest.mark.slow
def test_held_out_blocks_of_the_tutorial_world_are_covered():
    ds = xsm.open_tutorial("land").isel(latitude=slice(0, 8), longitude=slice(16, 28)).load()
    train, test = ds.sel(time=slice("2018", "2019")), ds.sel(time="2020")
    settings = {"epochs": 8, "iterations": 100, "validate_every": 2, "hidden_size": 24}
    fitted = train.physm.fit("phy_lstm", head="gaussian", progress=False, **settings)
    steps, *space = test["swvl1"].shape
    drawn = np.random.default_rng(0).random((-(-steps // 30), *space)) < 0.5
    first = xr.DataArray(drawn.repeat(30, axis=0)[:steps], dims=test["swvl1"].dims)
    learn, judged = (test.assign(swvl1=test["swvl1"].where(half)) for half in (first, ~first))
    for method in ("isotonic", "conformal"):
        predicted = fitted.calibrate(learn, method=method).predict(judged)
        coverage = xsm.reliability(judged, predicted, levels=[0.5, 0.9])["coverage"]
        np.testing.assert_allclose(coverage, [0.5, 0.9], atol=0.02)


def test_intervals_are_where_they_should_be(fitted):
    shift = stats.norm(1.0, 2.0)
    ds = observed_with(fitted, shift, steps=2000)
    raw = fitted.predict(ds)
    found = xsm.intervals(fitted.calibrate(ds, method="isotonic").predict(ds), [0.5, 0.9])
    for end, sign in (("lower", -1), ("upper", 1)):
        for level in (0.5, 0.9):
            z = shift.ppf((1 + sign * level) / 2)
            edge = (found[f"swvl1_{end}"].sel(level=level) - raw["swvl1"]) / raw["swvl1_std"]
            np.testing.assert_allclose(edge, z, atol=0.1)
    assert found["swvl1_lower"].attrs["units"] == raw["swvl1"].attrs["units"]


@pytest.mark.parametrize("method", METHODS)
def test_std_is_the_standard_deviation_of_the_new_distribution(fitted, method):
    ds = observed_with(fitted, stats.norm(0, 3.0))
    ratio = fitted.calibrate(ds, method=method).predict(ds)["swvl1_std"]
    ratio = ratio / fitted.predict(ds)["swvl1_std"]
    np.testing.assert_allclose(ratio, 3.0, rtol=0.03)


def test_conformal_takes_the_rank_that_guarantees():
    # 999 errors of size 1, 2, ... 999: the level c is at rank ceil(1000 c)
    sizes = np.arange(1, 1000.0) * np.where(np.arange(999) % 2, 1, -1)
    learnt = learn_calibration(xr.DataArray(sizes, dims="time"), "conformal")
    upper = (learnt["quantile"] * learnt["scale"]).sel(probability=slice(0.5025, None))
    levels = 2 * upper["probability"] - 1
    np.testing.assert_allclose(upper, np.ceil(np.round(1000 * levels, 6)), rtol=2e-3)
    assert bool((upper >= np.ceil(np.round(1000 * levels, 6)) * (1 - 1e-12)).all())


def test_isotonic_is_the_empirical_distribution():
    z = np.random.default_rng(0).standard_t(3, 5000)
    learnt = learn_calibration(xr.DataArray(z, dims="time"), "isotonic")
    found = learnt["quantile"] * learnt["scale"]
    expected = np.quantile(z, PROBABILITIES, method="inverted_cdf")
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=2e-3)
    assert float(learnt["scale"]) == pytest.approx(z.std())
    # Kuleshov et al.: isotonic regression of the frequencies on the predicted probabilities
    from scipy.optimize import isotonic_regression

    u = np.sort(stats.norm.cdf(z))
    frequency = isotonic_regression(np.arange(1, 5001) / 5000).x
    mapped = np.interp(stats.norm.cdf(found), u, frequency)
    np.testing.assert_allclose(mapped, PROBABILITIES, atol=1e-3)


@settings(max_examples=10)
@given(st.sampled_from([1, 33, -1]), st.sampled_from(METHODS), st.integers(0, 99))
def test_chunks_and_gaps_change_nothing(chunk, method, seed):
    z = np.random.default_rng(seed).standard_t(4, (120, 3))
    gaps = np.insert(z, 100, np.nan, axis=0)
    eager = learn_calibration(xr.DataArray(z, dims=("time", "cell")), method)
    lazy = learn_calibration(xr.DataArray(gaps, dims=("time", "cell")).chunk(time=chunk), method)
    xr.testing.assert_allclose(lazy, eager, rtol=1e-12)
    assert lazy.attrs == eager.attrs


def test_calibrating_again_starts_from_the_network(fitted):
    ds = observed_with(fitted, stats.norm(0, 3.0))
    once = fitted.calibrate(ds, method="isotonic")
    twice = once.calibrate(ds, method="scale")
    xr.testing.assert_identical(twice.predict(ds), fitted.calibrate(ds).predict(ds))
    assert "isotonic" in once.card["calibration"]
    assert fitted.calibration is None


def test_with_a_halflife_the_last_errors_count(fitted):
    """Errors of 1 for 500 days, then of 3 for 100: half a month knows the latter alone."""
    ds = observed_with(fitted, stats.norm(0, 1.0))
    late = observed_with(fitted, stats.norm(0, 3.0))
    ds["swvl1"].values[-100:] = late["swvl1"].values[-100:]
    raw = fitted.predict(ds)["swvl1_std"]
    ratios = [
        float(
            (
                fitted.calibrate(ds, method="conformal", halflife=h).predict(ds)["swvl1_std"] / raw
            ).mean()
        )
        for h in (15, 1e6)
    ]
    mixed = np.sqrt((500 + 100 * 9) / 600)
    np.testing.assert_allclose(ratios, [3.0, mixed], rtol=0.15)


def test_a_halflife_is_of_conformal_and_above_nothing(fitted):
    ds = observed_with(fitted, HEAVY, steps=60)
    with pytest.raises(
        UnknownNameError, match=r'halflife=9 was given; it is of method="conformal"'
    ):
        fitted.calibrate(ds, halflife=9)
    with pytest.raises(NotEnoughDataError, match=r"halflife=0 was given; days above 0 are needed"):
        fitted.calibrate(ds, method="conformal", halflife=0)


def test_lazy_data_give_the_same_model_in_one_pass(fitted, no_compute):
    ds = observed_with(fitted, HEAVY)
    eager, lazy = fitted.calibrate(ds), fitted.calibrate(ds.chunk(time=100, lat=1))
    xr.testing.assert_allclose(lazy.calibration, eager.calibration, rtol=1e-5)
    with no_compute():
        found = xsm.intervals(lazy.predict(ds.chunk(time=100)))
    assert found["swvl1_upper"].chunks is not None


@pytest.mark.parametrize("method", METHODS)
def test_calibration_is_stored(fitted, method, tmp_path):
    ds = observed_with(fitted, HEAVY)
    better = fitted.calibrate(ds, method=method)
    better.save(tmp_path / "model.xsm")
    again = xsm.load(tmp_path / "model.xsm")
    xr.testing.assert_identical(again.calibration, better.calibration)
    xr.testing.assert_identical(again.predict(ds), better.predict(ds))
    assert again.predict(ds)["swvl1_std"].attrs["comment"] == f"recalibrated by method {method!r}"


def test_what_cannot_be_calibrated_is_refused(fitted, tmp_path):
    ds = observed_with(fitted, HEAVY)
    with pytest.raises(UnknownNameError, match=r"method='isotone'.*Did you mean 'isotonic'"):
        fitted.calibrate(ds, method="isotone")
    with pytest.raises(NotEnoughDataError, match=r"^156 pairs.*at least 200"):
        fitted.calibrate(ds.isel(time=slice(0, 17)))
    point = xsm.FittedModel(**parts(bucket(steps=60)))
    with pytest.raises(MissingVariableError, match=r"no swvl1_std.*head=\"gaussian\"|no <target>"):
        point.calibrate(ds)
    same = fitted.predict(ds)["swvl1"].reindex(time=ds["time"]).assign_attrs(units="m3 m-3")
    with pytest.raises(NotEnoughDataError, match=r"errors of all \d+ pairs are the same"):
        fitted.calibrate(ds.assign(swvl1=same), method="isotonic")
    with pytest.raises(MissingVariableError, match="soil_moisture: not found"):
        fitted.calibrate(ds.drop_vars("swvl1"))


def test_a_forged_number_of_members_is_refused(fitted, tmp_path):
    fitted.save(tmp_path / "model.xsm")

    def change(root):
        root["attributes"]["xsm_artefact"]["facts"]["model"]["members"] = 10**9

    forge(tmp_path / "model.xsm", change)
    with pytest.raises(ArtefactError, match="1000000000 members and 6 arrays of weights"):
        xsm.load(tmp_path / "model.xsm")


@pytest.mark.parametrize("method", METHODS)
def test_each_layer_has_a_factor_of_its_own(method):
    """Errors of known size by layer: the factors give them back, the shape is of all."""
    sizes = np.array([0.5, 1.0, 4.0])
    z = sizes * stats.norm.rvs(size=(4000, 3), random_state=0)
    z[:100, 1] = np.nan
    labels = {"depth": [0.1, 0.3, 0.5]}
    layers = xr.DataArray(z, labels, ("time", "depth"))
    found = learn_calibration(layers, method)
    whole = found["scale"] * found["layer_scale"]
    np.testing.assert_allclose(whole, sizes, rtol=0.04)
    lazy = learn_calibration(layers.chunk(time=1000, depth=1), method)
    xr.testing.assert_allclose(lazy, found)
    if "quantile" in found:
        inside = found["quantile"].sel(probability=[0.05, 0.95])
        np.testing.assert_allclose(inside, [-1.645, 1.645], rtol=0.05)


def test_layers_that_all_lie_right_have_a_factor_of_one():
    z = xr.DataArray(np.zeros((300, 2)), dims=("time", "depth"))
    z[:, 0] = stats.norm.rvs(size=300, random_state=1)
    found = learn_calibration(z, "scale")
    assert float(found["layer_scale"][1]) == 1.0
