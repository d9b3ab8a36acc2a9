"""Going on from a network that downscales, with another truth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

import xsm
from tests.fields.fields import SMALL, coarse_of, forcing, static, truth
from xsm.exceptions import GridError

TRAIN = slice("2000", "2001")


@pytest.fixture(scope="module")
def world():
    fine = truth()
    return coarse_of(fine), fine, [forcing(), static()]


@pytest.fixture(scope="module")
def source(world) -> xsm.FittedModel:
    coarse, fine, covariates = world
    given = {"truth": fine.sel(time=TRAIN), "covariates": covariates}
    return coarse.sel(time=TRAIN).physm.fit("convlstm_unet", valid=0, epochs=2, **given, **SMALL)


SHORT = {"epochs": 1, "iterations": 2, "progress": False}


def test_the_target_gets_a_scale_and_covariates_keep_theirs(world, source):
    coarse, fine, (rain, ground) = world
    wet = rain.assign(pr=(2 * rain["pr"]).assign_attrs(rain["pr"].attrs))
    tuned = source.finetune(
        (10 * coarse).assign_attrs(coarse.attrs).to_dataset(),
        truth=(10 * fine).assign_attrs(fine.attrs),
        covariates=[wet, ground],
        valid=0,
        **SHORT,
    )
    for name in ("fine_offset", "fine_scale", "static_offset", "static_scale"):
        xr.testing.assert_equal(tuned.scaling[name], source.scaling[name])
    assert tuned.scaling["dynamic_scale"][1] == source.scaling["dynamic_scale"][1]
    longer = 10 * coarse.std() / coarse.sel(time=TRAIN).std()
    ratio = tuned.scaling["dynamic_scale"][0] / source.scaling["dynamic_scale"][0]
    np.testing.assert_allclose(ratio, longer, rtol=1e-3)
    assert tuned.fingerprint["lineage"][0]["token"] == source.token
    found = tuned.downscale(coarse.to_dataset(), covariates=[wet, ground])
    assert found["gws"].sizes["lat"] == fine.sizes["lat"]


def test_parts_stay(world, source):
    coarse, fine, covariates = world
    tuned = source.finetune(
        coarse.to_dataset(), truth=fine, covariates=covariates, freeze="recurrent", **SHORT
    )
    before, after = source.model.state_dict(), tuned.model.state_dict()
    changed = {n.partition(".")[0] for n in before if not torch.equal(before[n], after[n])}
    assert changed == {"unet", "head"}


def test_another_way_of_learning_is_refused(world, source):
    coarse, fine, covariates = world
    with pytest.raises(GridError, match="supervision='truth', from a truth: pass truth="):
        source.finetune(coarse.to_dataset(), covariates=covariates)
    wide = fine.coarsen(lat=2, lon=2).mean()
    with pytest.raises(GridError, match="truth"):
        source.finetune(coarse.to_dataset(), covariates=covariates, truth=wide)
