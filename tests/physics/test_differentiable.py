"""The residual in torch against the kernel and plain numpy; its gradients."""

import numpy as np
import pytest
import torch

from tests.physics.profiles import ERA5_LAND, LOAM, SOILS, each, grid, plain, world
from xsm.exceptions import GridError, UnknownNameError
from xsm.physics import differentiable
from xsm.physics.darcy import FACES
from xsm.physics.richards import richards_residual


def last_axis(array):
    """Return (time, layer, cell) as a tensor (time, cell, layer)."""
    return torch.as_tensor(np.moveaxis(array, 1, -1).copy())


def in_torch(theta, soil, known, dtype=torch.float64, **options):
    """Return the residual of all steps but the first by tensors, (time, layer, cell)."""
    tensors = each(soil, lambda p: torch.as_tensor(np.asarray(p).T.copy()).to(dtype))
    series = {name: last_axis(array)[1:].to(dtype) for name, array in known.items()}
    profile = last_axis(theta).to(dtype)
    sizes = {name: torch.as_tensor(array).to(dtype) for name, array in grid(ERA5_LAND).items()}
    found = differentiable.residual(
        profile[:-1], profile[1:], tensors, **sizes, **series, **options
    )
    return np.moveaxis(found.numpy(), -1, 1)


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("names", [(), ("fluxes", "sink")])
def test_kernel_equals_plain_numpy_and_tensors(names, face):
    theta, soil, known = world()
    known = {name: array for name, array in known.items() if name in names}
    options = {"step_days": 0.25, "face": face}
    expected, flux = plain(theta, soil, **grid(ERA5_LAND), **options, **known)
    found, found_flux = richards_residual(theta, soil, **grid(ERA5_LAND), **options, **known)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(found_flux, flux, rtol=1e-9, atol=1e-12)
    tensors = in_torch(theta, soil, known, **options)
    np.testing.assert_allclose(tensors, expected[1:], rtol=1e-9, atol=1e-9)
    closed = np.isfinite(expected[1, :, 0])
    assert closed.sum() == 4 if "fluxes" in names else 2


@pytest.mark.parametrize("face", FACES)
def test_single_precision_loses_little(face):
    """Relative to the terms of the equation; theta in single precision is off by 3e-8."""
    theta, soil, _ = world(cells=200, dtype=np.float32)
    wide = theta.astype(float)
    expected, flux = richards_residual(wide, soil, face=face, **grid(ERA5_LAND))
    terms = 1.0 + np.abs(flux[:, 1:-1]).sum(axis=1, keepdims=True) / ERA5_LAND.min()
    found, _ = richards_residual(theta, soil, face=face, **grid(ERA5_LAND))
    assert found.dtype == np.float32
    inner = (slice(1, None), slice(1, -1))
    assert (np.abs(found - expected) / terms)[inner].max() < 1e-6
    single = in_torch(theta, soil, {}, torch.float32, face=face)
    difference = np.abs(single[:, 1:-1] - expected[inner]) / terms[1:]
    assert np.quantile(difference, 0.99) < 1e-5
    assert difference.max() < 1e-3


@pytest.mark.parametrize("soil", SOILS)
def test_all_models_on_tensors(soil):
    rng = np.random.default_rng(1)
    theta = rng.uniform(soil.theta_r + 0.01, soil.theta_s, (4, 4, 3))
    full = each(soil, lambda p: np.broadcast_to(p, (4, 3)))
    expected, _ = richards_residual(theta, soil, free_drainage=True, **grid(ERA5_LAND))
    found = in_torch(theta, full, {}, free_drainage=True)
    np.testing.assert_allclose(found, expected[1:], rtol=1e-6, atol=1e-8)
    assert np.isfinite(expected[1:, 1:]).all()
    assert np.isnan(expected[1:, 0]).all()


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("soil", SOILS)
def test_gradients_are_finite_at_the_bounds(soil, face, dtype):
    ends = torch.tensor([soil.theta_r, soil.theta_s, (soil.theta_r + soil.theta_s) / 2])
    theta = ends[torch.cartesian_prod(*[torch.arange(3)] * 3)].to(dtype).requires_grad_()
    sizes = {name: torch.as_tensor(array, dtype=dtype) for name, array in grid([0.1] * 3).items()}
    found = differentiable.residual(theta.flip(0), theta, soil, face=face, **sizes)[..., 1]
    assert torch.isfinite(found).all()
    (found**2).mean().backward()
    assert torch.isfinite(theta.grad).all()
    assert (theta.grad != 0).any()


@pytest.mark.parametrize("face", FACES)
def test_gradient_of_the_residual(face):
    theta, soil, known = world(steps=3, cells=2)
    soil = each(soil, lambda p: torch.as_tensor(p.T.copy()))
    known["fluxes"][:, 2] = np.nan
    fluxes = last_axis(known["fluxes"])[1:]
    sizes = {name: torch.as_tensor(array) for name, array in grid(ERA5_LAND).items()}
    assert torch.autograd.gradcheck(
        lambda x: differentiable.residual(
            x[:-1], x[1:], soil, face=face, fluxes=fluxes, free_drainage=True, **sizes
        ),
        [last_axis(theta).requires_grad_()],
        eps=1e-7,
        rtol=1e-3,
        atol=1e-4,
    )


def test_errors_of_tensors():
    theta = torch.full((2, 4), 0.2)
    three, four = ({"centres": torch.arange(n) + 1.0, "thickness": torch.ones(n)} for n in (3, 4))
    with pytest.raises(GridError, match=r"theta has 4 layers, centres \(3,\)"):
        differentiable.residual(theta, theta, LOAM, **three)
    with pytest.raises(GridError, match=r"fluxes 4 faces"):
        differentiable.residual(theta, theta, LOAM, fluxes=theta, **four)
    with pytest.raises(UnknownNameError, match="face='mean'"):
        differentiable.residual(theta, theta, LOAM, face="mean", **four)
