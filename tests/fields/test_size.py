"""Sizes of what downscales: the network, the patches that validate, the parts of a batch."""

import numpy as np
import pytest
import torch

from tests.fields.fields import SMALL, coarse_of, truth
from xsm.exceptions import UnknownNameError
from xsm.fields.patches import Fields
from xsm.models.convlstm_unet import ConvLSTMUNet

QUICK = {"factor": 2, "epochs": 1, "iterations": 1, "batch_size": 2, "progress": False}


def size_of(**given):
    found = coarse_of(truth()).physm.fit("convlstm_unet", **QUICK, **given).parameters
    return found["hidden"], tuple(found["widths"])


def test_the_size_is_that_of_the_data_unless_it_is_stated():
    assert size_of() == (16, (16, 32, 64))
    assert size_of(hidden=4) == (4, (16, 32, 64))
    assert size_of(size="published", widths=(4, 8)) == (64, (4, 8))
    with pytest.raises(UnknownNameError, match=r"size='publishd'.*Did you mean 'published'"):
        size_of(size="publishd")


def test_more_values_take_more_channels_on_a_device_that_has_the_speed():
    sized = [ConvLSTMUNet.sized(n, "cuda")["hidden"] for n in (10**4, 6 * 10**6, 3 * 10**7)]
    assert sized == [16, 32, 64]
    assert ConvLSTMUNet.sized(3 * 10**7, "cpu")["hidden"] == 16


def fields(**given):
    """Return ten fields of 4 x 6 coarse cells, of which each is its number."""
    steps = np.arange(10.0, dtype="f4")[:, None, None, None]
    fine = {n: np.ones((10, 1, 8, 12), "f4") for n in ("plain", "regional", "local", "valid")}
    coarse = {n: np.ones((15, 1, 4, 6), "f4") for n in ("dynamic", "coarse", "present")}
    arrays = fine | coarse | {"covariate": fine["plain"], "area": np.ones((1, 8, 12), "f4")}
    arrays["target"] = steps + 0 * fine["plain"]
    return Fields(arrays, range(10), window=6, patch=(2, 3), **given)


def test_patches_that_validate_are_drawn_evenly():
    assert len(fields()) == 40
    few = fields(most=8)
    assert len(few) == 8
    seen = torch.cat([batch["target"][:, 0, 0, 0] for batch in few.slices(4096)])
    np.testing.assert_array_equal(seen, [0, 1, 2, 3, 5, 6, 7, 8])
    assert len({corner for _, corner in few.places}) > 1


def test_a_patch_without_a_target_is_left_out_beyond_the_seam_too():
    whole = fields()
    whole.arrays["target"][:, :, :, :6] = torch.nan
    cut = whole._fine(whole.arrays["target"], 3, (0, 5))  # columns 5, 0, 1
    assert torch.isnan(cut).sum() == 4 * 4
    assert torch.equal(cut[..., :2], torch.full((1, 4, 2), 3.0))


def test_both_cores_train_fields(monkeypatch):
    from xsm.training import loop

    made = []
    real = loop._step
    monkeypatch.setattr(loop, "_step", lambda *given: made.append(real(*given)) or made[-1])
    monkeypatch.setattr(loop, "thread_count", lambda: 2)
    gws = coarse_of(truth())
    settings = {"factor": 2, "epochs": 2, "precision": "float32", **SMALL}
    two = gws.physm.fit("convlstm_unet", **settings)
    assert made[0].count == 2
    monkeypatch.setattr(loop, "thread_count", lambda: 1)
    one = gws.physm.fit("convlstm_unet", **settings)
    assert type(made[1]).__name__ == "Whole"
    for left, right in zip(one.model.parameters(), two.model.parameters(), strict=True):
        torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-5)


def test_arguments_of_a_training_go_through_downscale():
    gws = coarse_of(truth())
    found = gws.physm.downscale(2, seed=3, epochs=2, **SMALL)
    fitted = gws.physm.fitted
    assert (fitted.parameters["seed"], fitted.parameters["epochs"]) == (3, 2)
    assert found["gws"].sizes["lat"] == 12
    for model in ("bilinear", fitted):
        with pytest.raises(
            UnknownNameError, match=r"seed is of a training, and nothing is trained"
        ):
            gws.physm.downscale(2, model=model, seed=3)
