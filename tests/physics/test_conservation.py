"""Exact conservation: hand-made coasts, both implementations alike, gradients that pass."""

import numpy as np
import pytest
import torch

from xsm.physics.conservation import block_mean, conserve, repeat_blocks
from xsm.physics.conservation_torch import block_means, conserve_means


def coast(seed: int = 0, dtype=np.float64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    fine = random.normal(0, 20, size=(3, 12, 20)).astype(dtype)
    fine[:, random.random((12, 20)) < 0.4] = np.nan
    fine[:, :4, :5] = np.nan  # a coarse cell of nothing but sea
    coarse = random.normal(0, 20, size=(3, 3, 4)).astype(dtype)
    area = np.cos(np.linspace(0, 1.4, 12))[:, None] * np.ones(20) * 1e9
    return fine, coarse, area


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_coarse_cell_is_reproduced_with_coasts(dtype):
    fine, coarse, area = coast(dtype=dtype)
    found = conserve(fine, coarse, area=area, factor=(4, 5))
    for k in range(3):
        for i in range(3):
            for j in range(4):
                block = np.s_[k, 4 * i : 4 * i + 4, 5 * j : 5 * j + 5]
                there = np.isfinite(fine[block])
                if there.any():
                    weights = area[block[1:]][there]
                    mean = np.average(found[block][there].astype(float), weights=weights)
                    assert mean == pytest.approx(coarse[k, i, j], abs=1e-5 * float(coarse.std()))
    np.testing.assert_array_equal(np.isnan(found), np.isnan(fine))


def test_nothing_changes_where_means_are_right_and_shapes_inside_cells_stay():
    fine, coarse, area = coast()
    once = conserve(fine, coarse, area=area, factor=(4, 5))
    np.testing.assert_allclose(conserve(once, coarse, area=area, factor=(4, 5)), once)
    np.testing.assert_allclose(np.diff(once[:, :4, :5], axis=2), np.diff(fine[:, :4, :5], axis=2))


def test_missing_coarse_cells_are_missing():
    fine, coarse, area = coast()
    coarse[:, 1, 1] = np.nan
    found = conserve(fine, coarse, area=area, factor=(4, 5))
    assert np.isnan(found[:, 4:8, 5:10]).all()
    assert np.isfinite(found[:, 8:, 5:10]).any()


def test_means_of_equal_areas_are_plain_means():
    fine = np.random.default_rng(0).normal(size=(6, 8))
    found = block_mean(fine, area=np.ones((6, 8)), factor=(3, 4))
    np.testing.assert_allclose(found, fine.reshape(2, 3, 2, 4).mean(axis=(1, 3)))
    assert repeat_blocks(found, factor=(3, 4)).shape == fine.shape


def test_torch_and_numpy_agree():
    fine, coarse, area = coast(dtype=np.float32)
    weight = np.where(np.isfinite(fine), area, 0.0)[:, None].astype(np.float32)
    filled = np.nan_to_num(fine)[:, None]
    tensors = [torch.from_numpy(a) for a in (filled, coarse[:, None], weight)]
    found = conserve_means(*tensors)[:, 0].numpy()
    wanted = conserve(fine, coarse, area=area, factor=(4, 5))
    there = np.isfinite(wanted)
    np.testing.assert_allclose(found[there], wanted[there], atol=1e-4)
    mean, share = block_means(torch.from_numpy(found[:, None]), tensors[2], (3, 4))
    close = (mean - tensors[1]).abs()[share > 0]
    assert float(close.max()) < 1e-5 * coarse.std()


def test_gradients_of_the_layer_leave_means_alone():
    fine = torch.randn(1, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    area = torch.rand(1, 1, 4, 4, dtype=torch.float64)
    coarse = torch.zeros(1, 1, 2, 2, dtype=torch.float64)
    block_means(conserve_means(fine, coarse, area), area, (2, 2))[0].sum().backward()
    assert float(fine.grad.abs().max()) < 1e-6
