"""Spreads of downscaled fields: heads, ensembles, calibration, and what they refuse."""

import numpy as np
import pytest
import torch
import xarray as xr

import xsm
from tests.fields.fields import SMALL, coarse_of, forcing, static, truth
from xsm.exceptions import MissingVariableError, TrainingError, UnknownNameError
from xsm.losses import RMSE, BetaNLL, Richards
from xsm.nn import FieldEnsemble, members_of

NAME = "convlstm_unet"
TRAIN, LATER = slice("2000", "2001"), slice("2002", "2004")
MONTHS = 60


@pytest.fixture(scope="module")
def fine() -> xr.DataArray:
    exact = truth(MONTHS)
    noise = np.random.default_rng(5).normal(size=exact.shape)  # what no map tells
    return exact + exact.copy(data=noise)


@pytest.fixture(scope="module")
def coarse(fine) -> xr.DataArray:
    return coarse_of(fine)


@pytest.fixture(scope="module")
def covariates() -> list[xr.Dataset]:
    return [forcing(MONTHS), static()]


@pytest.fixture(scope="module")
def fitted(coarse, fine, covariates):
    return coarse.sel(time=TRAIN).physm.fit(
        NAME,
        truth=fine.sel(time=TRAIN),
        covariates=covariates,
        conserve="exact",
        valid=0.0,
        epochs=4,
        members=2,
        **SMALL,
    )


@pytest.fixture(scope="module")
def later(coarse) -> xr.Dataset:
    return coarse.sel(time=LATER).to_dataset()


@pytest.fixture(scope="module")
def halves(fine) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the truth at a random half of all cells and months, and at the other."""
    mask = fine.copy(data=np.random.default_rng(0).random(fine.shape) < 0.5)
    return fine.where(mask), fine.where(~mask)


@pytest.mark.parametrize("method", ["isotonic", "conformal"])
def test_intervals_cover_as_they_say_on_exchangeable_cells(
    fitted, later, covariates, halves, method
):
    known, others = halves
    better = fitted.calibrate(later, truth=known, covariates=covariates, method=method)
    found = better.downscale(later, covariates=covariates)
    table = xsm.reliability(others.to_dataset(), found, levels=[0.5, 0.9])
    np.testing.assert_allclose(table["coverage"], [0.5, 0.9], atol=0.03)
    plain = fitted.downscale(later, covariates=covariates)
    before = xsm.reliability(others.to_dataset(), plain, levels=[0.5, 0.9])
    assert float(table["crps"]) < float(before["crps"])
    assert better.card["calibration"].startswith(method)


def test_one_factor_makes_errors_of_mean_square_one(fitted, later, covariates, fine):
    better = fitted.calibrate(later, truth=fine, covariates=covariates)
    found = better.downscale(later, covariates=covariates)
    z = (fine - found["gws"]) / found["gws_std"]
    assert float((z**2).mean()) == pytest.approx(1.0, rel=1e-4)
    plain = fitted.downscale(later, covariates=covariates)
    factor = found["gws_std"] / plain["gws_std"]
    np.testing.assert_allclose(factor, float(factor.mean()), rtol=1e-5)
    xr.testing.assert_equal(found["gws"], plain["gws"])


def test_intervals_enclose_the_field_lazily(fitted, later, covariates, fine, no_compute):
    better = fitted.calibrate(later, truth=fine, covariates=covariates, method="isotonic")
    with no_compute():
        lazy = better.downscale(later.chunk(time=4), covariates=covariates)
        ends = xsm.intervals(lazy)
    assert set(ends) == {"gws_lower", "gws_upper"}
    assert "gws_quantile" in lazy["gws"].attrs["ancillary_variables"]
    found = ends.compute()
    inner, outer = (found.sel(level=level) for level in (0.5, 0.9))
    assert (outer["gws_lower"] < inner["gws_lower"]).all()
    assert (outer["gws_upper"] > inner["gws_upper"]).all()


def test_calibration_is_saved(fitted, later, covariates, fine, tmp_path):
    better = fitted.calibrate(later, truth=fine, covariates=covariates, method="conformal")
    better.save(tmp_path / "model.xsm")
    again = xsm.load(tmp_path / "model.xsm")
    assert isinstance(again.model, FieldEnsemble)
    found, wanted = (m.downscale(later, covariates=covariates) for m in (again, better))
    xr.testing.assert_identical(found, wanted)


def test_an_ensemble_is_the_mixture_of_its_members(fitted):
    members = members_of(fitted.model)
    assert len(members) == 2
    assert fitted.history.sizes["member"] == 2
    random = torch.Generator().manual_seed(0)
    shapes = {"dynamic": (1, 6, 4, 3, 3), "fine": (1, 6, 6, 6), "base": (1, 1, 6, 6)}
    batch = {name: torch.randn(*shape, generator=random) for name, shape in shapes.items()}
    batch |= {"valid": torch.ones(1, 1, 6, 6), "present": torch.ones(1, 1, 3, 3)}
    batch |= {"coarse": torch.zeros(1, 1, 3, 3), "area": torch.ones(1, 1, 6, 6)}
    with torch.inference_mode():
        whole, parts = fitted.model.evaluate(batch), [m.evaluate(batch) for m in members]
    means = torch.stack([p["mean"] for p in parts])
    square = torch.stack([p["std"] ** 2 + p["mean"] ** 2 for p in parts]).mean(0)
    torch.testing.assert_close(whole["mean"], means.mean(0))
    torch.testing.assert_close(whole["std"] ** 2, square - means.mean(0) ** 2, rtol=1e-3, atol=1e-5)
    assert not torch.equal(means[0], means[1])


def test_each_member_goes_on_from_a_checkpoint_of_its_own(coarse, tmp_path):
    settings = {"factor": 2, "valid": 0.0, "members": 2, **SMALL}
    place = tmp_path / "run.ckpt"
    once = coarse.physm.fit(NAME, epochs=1, checkpoint=place, **settings)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.ckpt", "run.ckpt.member1"]
    again = coarse.physm.fit(NAME, epochs=1, checkpoint=place, **settings)
    assert again.token == once.token


def test_a_point_head_predicts_the_field_alone(coarse, fine):
    fitted = coarse.physm.fit(NAME, factor=2, head="point", epochs=1, **SMALL)
    assert set(fitted.downscale(coarse.to_dataset())) == {"gws"}
    assert "rmse" in fitted.history
    with pytest.raises(MissingVariableError, match=r"predicts no spread to calibrate.*gaussian"):
        fitted.calibrate(coarse.to_dataset(), truth=fine)


def test_what_is_refused(fitted, coarse, later, covariates):
    with pytest.raises(TrainingError, match='head="gaussian" was given, but none of the loss'):
        coarse.physm.fit(NAME, factor=2, losses=[RMSE()], epochs=1, **SMALL)
    with pytest.raises(TrainingError, match=r"terms \['richards'\] compare 2 steps"):
        coarse.physm.fit(NAME, factor=2, losses=[BetaNLL(), Richards()], epochs=1, **SMALL)
    with pytest.raises(UnknownNameError, match="members=0 was given"):
        coarse.physm.fit(NAME, factor=2, members=0)
    with pytest.raises(MissingVariableError, match="judged by the truth: pass truth="):
        fitted.calibrate(later, covariates=covariates)
    with pytest.raises(UnknownNameError, match="downscales fields and takes no batch_size"):
        fitted.calibrate(later, covariates=covariates, batch_size=8)
    land = xsm.open_tutorial("land").isel(latitude=slice(0, 4), longitude=slice(20, 24))
    lstm = land.physm.fit("lstm", epochs=1, iterations=2, hidden_size=4, progress=False)
    with pytest.raises(UnknownNameError, match="'lstm' predicts cells and takes no covariates"):
        lstm.score(land, covariates=land)
