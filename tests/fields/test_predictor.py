"""Whole fields patch by patch: no seams, no checkerboard, a globe without an edge."""

import numpy as np
import pytest
import torch
import xarray as xr

from tests.fields.fields import SMALL, months
from xsm.fields.predictor import patch_starts, taper


@pytest.mark.parametrize("ring", [False, True])
@pytest.mark.parametrize(("cells", "patch", "overlap"), [(40, 16, 4), (37, 16, 8), (16, 16, 4)])
def test_patches_cover_all_cells_and_share_enough(ring, cells, patch, overlap):
    starts = patch_starts(cells, patch, overlap, ring=ring, origin=5 if ring else 0)
    covered = {(s + k) % cells for s in starts for k in range(patch)}
    assert covered == set(range(cells))
    if not ring:
        assert max(starts) + patch == cells
    gaps = np.diff([*sorted(starts), min(starts) + cells] if ring else sorted(starts))
    assert (gaps <= patch - overlap).all()


def test_half_a_turn_carries_patches_into_each_other():
    starts = patch_starts(72, 32, 8, ring=True, origin=3)
    assert {(s + 36) % 72 for s in starts} == set(starts)


def test_weights_of_the_blend_rise_inwards():
    weights = taper(16, 4)
    assert (weights > 0).all()
    assert (np.diff(weights[:8]) >= 0).all()
    np.testing.assert_allclose(weights, weights[::-1])
    np.testing.assert_allclose(weights[:4] + weights[:4][::-1], 1.0)  # of two neighbours


def globe(values: np.ndarray, *, first: float = 0.0) -> xr.DataArray:
    lat = np.linspace(-85, 85, 18)
    lon = first + np.arange(5.0, 360, 10)
    coords = {"time": months(values.shape[0]).time, "lat": lat, "lon": lon}
    return xr.DataArray(values, coords, name="gws", attrs={"units": "mm"})


@pytest.fixture(scope="module")
def fitted():
    values = np.random.default_rng(0).normal(size=(12, 18, 36)).astype(np.float32)
    return globe(values).physm.fit(
        "convlstm_unet", factor=2, epochs=2, valid=0.0, patch=8, learning_rate=1e-2, **SMALL
    )


def test_the_globe_turned_is_the_result_turned(fitted):
    values = np.random.default_rng(1).normal(size=(6, 18, 36)).astype(np.float32)
    values[:, 3:6, 30:] = np.nan
    there = fitted.downscale(globe(values).to_dataset())["gws"].values
    turned = fitted.downscale(globe(np.roll(values, 18, axis=2)).to_dataset())["gws"].values
    np.testing.assert_allclose(np.roll(there, 36, axis=2), turned, atol=1e-5)


def test_the_globe_from_minus_180_is_the_same_globe(fitted):
    values = np.random.default_rng(1).normal(size=(6, 18, 36)).astype(np.float32)
    there = fitted.downscale(globe(values).to_dataset())["gws"]
    west = globe(np.roll(values, 18, axis=2), first=-180.0)
    found = fitted.downscale(west.to_dataset())["gws"]
    found = found.assign_coords(lon=found.lon % 360).sortby("lon")
    np.testing.assert_allclose(found.values, there.values, atol=1e-5)


def test_a_linear_field_has_neither_seams_nor_checkerboard():
    lat, lon = np.arange(30) + 0.5, np.arange(40) + 0.5
    plane = 2 * lat[:, None] + 3 * lon
    values = np.broadcast_to(plane, (12, 30, 40)).astype(np.float32)
    coords = {"time": months(12).time, "y": lat, "x": lon}
    field = xr.DataArray(values, coords, name="gws", attrs={"units": "mm"})
    fitted = field.physm.fit(
        "convlstm_unet", factor=4, epochs=1, valid=0.0, patch=8, learning_rate=1e-12, **SMALL
    )
    for conserve in ("soft", "exact"):
        fitted.model.conserve = conserve
        found = fitted.downscale(field.to_dataset())["gws"]
        inner = found.sel(y=slice(1, 29), x=slice(1, 39))
        wanted = 2 * inner.y + 3 * inner.x
        assert float(abs(inner - wanted).max()) < 1e-3


def test_blended_patches_leave_no_step_at_their_edges(fitted):
    random = np.random.default_rng(2)
    lon, lat = np.deg2rad(np.arange(5.0, 360, 10)), np.deg2rad(np.linspace(-85, 85, 18))
    smooth = np.sin(2 * lon) + np.cos(lat)[:, None]
    values = smooth * random.normal(size=(6, 1, 1)) + 0.0
    found = fitted.downscale(globe(values.astype(np.float32)).to_dataset())["gws"][-1].values
    steps = np.abs(np.diff(found, 2, axis=1)).max(axis=0)
    assert steps.max() < 4 * np.median(steps) + 1e-6


def test_eager_threads_change_nothing(fitted):
    import xsm

    values = np.random.default_rng(1).normal(size=(6, 18, 36)).astype(np.float32)
    with xsm.set_options(threads=1, progress=False):
        one = fitted.downscale(globe(values).to_dataset())
    with xsm.set_options(threads=3, progress=False):
        three = fitted.downscale(globe(values).to_dataset())
    xr.testing.assert_identical(one, three)
    assert torch.get_num_threads() == 1
