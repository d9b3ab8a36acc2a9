"""On a GPU results equal those of the CPU. These tests need one."""

import numpy as np
import pytest
import torch

import xsm
from tests.worlds import bucket, recipe
from xsm.cells.samples import make_samples
from xsm.cells.scaling import fit_scaling
from xsm.training.splits import chronological

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.fixture(scope="module")
def world():
    return xsm.open_tutorial("land").isel(latitude=slice(2, 10), longitude=slice(16, 26))


def run(world, **changes):
    settings = {"epochs": 4, "iterations": 30, "hidden_size": 16, "progress": False}
    return xsm.fit(world, "phy_lstm", **(settings | {"precision": "float32"} | changes))


def test_predictions_equal_those_of_the_cpu(world):
    fitted = run(world, device="cpu")
    one, two = (fitted.predict(world, device=d)["swvl1"] for d in ("cpu", "cuda"))
    np.testing.assert_allclose(one, two, atol=1e-4)
    lazy = fitted.predict(world.chunk(latitude=3, time=200), device="cuda")["swvl1"].compute()
    np.testing.assert_allclose(one, lazy, atol=1e-4)


@pytest.mark.parametrize("limit", ["2 GiB", "16 MiB"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_training_reaches_the_loss_of_the_cpu(world, limit, precision):
    totals = {}
    for device in ("cpu", "cuda"):
        fitted = run(world, device=device, memory_limit=limit, precision=precision)
        totals[device] = float(fitted.history.total.sel(part="validation").min())
        assert next(fitted.model.parameters()).device.type == "cpu"
    # the same samples in the same order; dropout draws from another generator
    assert totals["cuda"] == pytest.approx(totals["cpu"], rel=0.1)


def test_samples_without_room_on_the_device_come_from_pinned_memory(monkeypatch):
    features = bucket()
    settings = recipe(features)
    split = chronological(200, valid=0.25, window=settings.window, lead=settings.lead)
    scaling = fit_scaling(features, split.training, scaling="cell")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (0, 0))
    training, validation = make_samples(
        features, scaling, settings, split, limit=2**30, device="cuda"
    )
    assert training.describe() == "1 blocks, about 1,740 samples of each, all"
    assert training.example()["dynamic"].is_cuda
    assert next(iter(validation.slices(8)))["dynamic"].is_cuda
    training.close()
