"""What is told of fine cells without a truth: memory of covariates, and one regression for all."""

import numpy as np
import pytest
import xarray as xr

from tests.fields.fields import FACTOR, coarse_of, grid, months, static
from xsm.fields.regional import fit_regional, regional_terms, remembered
from xsm.physics.conservation import block_mean

UNTRAINED = {"hidden": 2, "widths": (2, 4), "epochs": 1, "iterations": 1, "progress": False}
UNTRAINED |= {"learning_rate": 1e-9, "valid": 0.0, "window": 3, "conserve": "exact"}


@pytest.mark.filterwarnings("ignore:Mean of empty slice|Degrees of freedom:RuntimeWarning")
def test_means_and_spreads_over_windows_are_numpys():
    values = np.random.default_rng(0).normal(5.0, 2.0, size=(9, 2, 3, 4))
    values[values > 8] = np.nan
    values[:, 0, 0, 0] = np.nan
    found = remembered(values, 4)
    windows = np.lib.stride_tricks.sliding_window_view(values, 4, axis=0)
    wanted = [np.nanmean(windows, -1), np.nanstd(windows, -1)]
    np.testing.assert_allclose(found, np.concatenate(wanted, 1), rtol=1e-12, atol=1e-12)


def test_terms_have_mean_zero_in_each_coarse_cell_over_what_is_there():
    random = np.random.default_rng(1)
    area = random.uniform(0.5, 2.0, (4, 6))
    valid = random.random((4, 6)) < 0.7
    valid[:2, :2] = False
    given = random.normal(size=(2, 3)), random.normal(size=(4, 6)), random.normal(size=(3, 4, 6))
    terms = regional_terms(*given, valid, area=area, factor=(2, 2))
    assert terms.shape == (7, 4, 6)
    assert (terms[:, ~valid] == 0).all()
    means = block_mean(np.where(valid, terms, np.nan), area=area, factor=(2, 2))
    assert np.isnan(means[:, 0, 0]).all()
    np.testing.assert_allclose(np.nan_to_num(means), 0.0, atol=1e-12)


@pytest.fixture(scope="module")
def world() -> tuple[xr.DataArray, xr.DataArray, xr.Dataset]:
    """A rough storage whose fine cells hold 1 + 0.3 g of that of the coarse one, and 4 g more."""
    axes, maps = grid(), static()
    ground = maps["ground"] - coarse_of(maps["ground"]).reindex(axes, method="nearest")
    random = np.random.default_rng(3)
    series = 10 * months(24).copy(data=random.normal(size=24))
    place = xr.DataArray(random.normal(size=(6, 8)), dims=("y", "x"))
    blocks = place.values.repeat(FACTOR, 0).repeat(FACTOR, 1)
    smooth = series * ground.copy(data=1 + 0.5 * blocks)
    fine = (smooth * (1 + 0.3 * ground) + 4 * ground).transpose("time", "lat", "lon")
    fine = fine.rename("gws").assign_attrs(units="mm")
    return coarse_of(fine), fine, maps


def left_out(fine: xr.DataArray) -> xr.DataArray:
    rows, columns = np.indices((6, 8))
    out = ((rows + columns) % 4 == 0).repeat(FACTOR, 0).repeat(FACTOR, 1)
    return fine[0].drop_vars("time").copy(data=out)


def test_a_law_on_covariates_holds_in_cells_without_a_truth(world):
    coarse, fine, maps = world
    out = left_out(fine)
    known = fine.where(~out)
    fitted = coarse.physm.fit("convlstm_unet", truth=known, covariates=[maps], **UNTRAINED)
    found = fitted.downscale(coarse.to_dataset(), covariates=[maps])["gws"]
    error, nearest = (
        float(abs(field - fine).where(out).mean())
        for field in (found, coarse.physm.downscale(FACTOR, model="nearest")["gws"])
    )
    assert nearest > 2.0
    assert error < 0.05 * nearest  # a ridge shrinks, and areas in a cell differ a little


def test_a_law_holds_in_another_region(world):
    coarse, fine, maps = world
    fitted = coarse.physm.fit("convlstm_unet", truth=fine, covariates=[maps], **UNTRAINED)
    coarse, fine, maps = (a.assign_coords(lon=a.lon + 40.0) for a in (coarse, fine, maps))
    found = fitted.downscale(coarse.to_dataset(), covariates=[maps])["gws"]
    nearest = coarse.physm.downscale(FACTOR, model="nearest")["gws"]
    assert float(abs(found - fine).mean()) < 0.05 * float(abs(nearest - fine).mean())


def test_covariates_that_tell_nothing_leave_the_interpolation():
    random = np.random.default_rng(5)
    shape = (20, 1, 12, 12)
    y, x = np.indices(shape[2:]) / 3.0
    plain = random.normal(size=(20, 1, 1, 1)) * y + random.normal(size=(20, 1, 1, 1)) * x
    arrays = {
        "coarse": plain.reshape(20, 1, 6, 2, 6, 2).mean((3, 5)),
        "plain": plain,
        "target": plain,
        "covariate": random.normal(size=shape),
        "valid": np.ones(shape),
        "area": np.ones((1, 12, 12)),
    }
    assert (
        fit_regional(arrays, np.zeros((20, 0, 12, 12)), steps=np.arange(20), factor=(2, 2)) is None
    )


def test_a_truth_in_few_cells_is_not_enough(world):
    coarse, fine, maps = world
    known = fine.where((fine.lat > fine.lat[2]) & (fine.lon < fine.lon[2]))
    fitted = coarse.physm.fit("convlstm_unet", truth=known, covariates=[maps], **UNTRAINED)
    assert "regional" not in fitted.scaling
