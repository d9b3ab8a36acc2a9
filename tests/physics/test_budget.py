"""The chain of stores against a plain loop in torch, finite differences, and its own account."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from xsm.exceptions import GridError
from xsm.physics.budget import FLUXES, budget
from xsm.physics.budget_torch import water_budget


def _loop(given: Tensor, fixed: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    """Write the equations down, a step after the other, and leave gradients to torch."""
    layers = (len(fixed) - 2) // 2
    snow, unsaturated, ground, *wet = start
    stores, fluxes = [], []
    for now in given.unbind(1):
        snowfall, rain, demand, melt, surface, canopy, interflow = now[:7]
        moved = []
        if len(given) > 7 + 2 * layers:
            first, seen = wet[0], now[-1]
            for i in range(layers):
                inc = now[7 + 2 * layers + i] * (seen - first)
                inc = torch.minimum(
                    torch.maximum(inc, -0.9 * wet[i]), (fixed[2 + i] - wet[i]).clamp_min(0)
                )
                moved.append(torch.where(seen.isnan(), 0.0, inc))
            wet = [w + inc for w, inc in zip(wet, moved, strict=True)]
        snow = snow + snowfall
        melted = melt * snow
        snow = snow - melted
        water = rain + melted
        run = surface * water
        water = water - run
        caught = torch.minimum(water, canopy * demand)
        water = water - caught
        left = demand - caught
        taken = []
        for i in range(layers):
            w = wet[i] + water
            x = (w / fixed[2 + i]).clamp_max(1.0)
            e = torch.minimum(0.9 * w, left * now[7 + i] * x)
            w, left = w - e, left - e
            water = w * now[7 + layers + i] * x ** fixed[2 + layers + i]
            w = w - water
            over = (w - fixed[2 + i]).clamp_min(0.0)
            wet[i], water = w - over, water + over
            taken.append(e)
        unsaturated = unsaturated + water
        aside = interflow * unsaturated
        unsaturated = unsaturated - aside
        recharge = fixed[0] * unsaturated
        unsaturated = unsaturated - recharge
        ground = ground + recharge
        base = fixed[1] * ground
        ground = ground - base
        stores.append(torch.stack([snow, unsaturated, ground, *wet]))
        fluxes.append(
            torch.stack([melted, run, caught, water, aside, recharge, base, *taken, *moved])
        )
    return torch.stack(stores, 1), torch.stack(fluxes, 1)


def _world(
    layers: int, *, steps: int = 40, cells: int = 5, seen: bool = False, dtype: torch.dtype
) -> tuple[Tensor, ...]:
    """Draw weather with storms and drought, shares, soils that overflow, and a start."""
    draw = torch.Generator().manual_seed(layers)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=draw, dtype=torch.float64)

    rain = (uniform(2, steps, cells) < 0.4) * -20 * uniform(2, steps, cells).log()
    shares = uniform(4 + 2 * layers, steps, cells)
    parts = [rain, 6 * uniform(1, steps, cells), shares[:4], shares[4:]]
    if seen:
        water = 60 * uniform(1, steps, cells)
        parts += [
            2 * uniform(layers, steps, cells),
            water.where(uniform(1, steps, cells) < 0.5, torch.nan),
        ]
    capacity, beta = 20 + 60 * uniform(layers, cells), 1 + 4 * uniform(layers, cells)
    fixed = torch.cat([0.2 * uniform(2, cells), capacity, beta])
    start = torch.cat([20 * uniform(3, cells), capacity * uniform(layers, cells)])
    return tuple(part.to(dtype).contiguous() for part in (torch.cat(parts), fixed, start))


def _gradients(run, inputs, stores_weight, fluxes_weight) -> list[Tensor]:  # type: ignore[no-untyped-def]
    """Return derivatives of a weighted sum of all answers."""
    inputs = [part.clone().requires_grad_() for part in inputs]
    stores, fluxes = run(*inputs)
    ((stores * stores_weight).sum() + (fluxes * fluxes_weight).sum()).backward()
    return [part.grad for part in inputs]


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("layers", [0, 1, 4])
def test_equals_a_plain_loop_and_its_gradients(layers: int, seen: bool) -> None:
    if seen and not layers:
        return
    inputs = _world(layers, seen=seen, dtype=torch.float64)
    expected, found = _loop(*inputs), water_budget(*inputs)
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-12, atol=1e-12)
    weights = [torch.randn(part.shape, dtype=torch.float64) for part in expected]
    for one, other in zip(
        _gradients(_loop, inputs, *weights), _gradients(water_budget, inputs, *weights), strict=True
    ):
        torch.testing.assert_close(other, one.nan_to_num(), rtol=1e-9, atol=1e-9)


def _account(
    given: np.ndarray, start: np.ndarray, stores: np.ndarray, fluxes: np.ndarray
) -> np.ndarray:
    """Return what each step's water comes to: in less out less what the stores gained, mm."""
    out = fluxes[[FLUXES.index(name) for name in ("surface", "canopy", "interflow", "baseflow")]]
    total = np.concatenate([start.sum(axis=0)[np.newaxis], stores.sum(axis=0)])
    return (
        given[:2].sum(axis=0) - out.sum(axis=0) - fluxes[7:11].sum(axis=0) - np.diff(total, axis=0)
    )


@pytest.mark.parametrize(("dtype", "most"), [(torch.float64, 1e-10), (torch.float32, 1e-3)])
def test_account_closes_and_no_store_is_below_zero(dtype: torch.dtype, most: float) -> None:
    given, fixed, start = (part.numpy() for part in _world(4, steps=2000, dtype=dtype))
    stores, fluxes = budget(given, fixed, start)
    assert np.abs(_account(given, start, stores, fluxes)).max() < most
    assert stores.min() >= 0
    assert fluxes.min() >= 0
    assert (stores[3:] <= fixed[2:6, np.newaxis]).all()


def test_what_observations_move_is_part_of_the_account() -> None:
    given, fixed, start = (part.numpy() for part in _world(4, seen=True, dtype=torch.float64))
    stores, fluxes = budget(given, fixed, start)
    assert np.abs(fluxes[11:]).max() > 1
    assert np.abs(_account(given, start, stores, fluxes) + fluxes[11:].sum(axis=0)).max() < 1e-10
    assert stores.min() >= 0


def test_goes_on_from_its_stores_to_the_bit() -> None:
    given, fixed, start = (part.numpy() for part in _world(3, dtype=torch.float32))
    whole = budget(given, fixed, start, threads=3)
    first = budget(given[:, :17].copy(), fixed, start)
    second = budget(given[:, 17:].copy(), fixed, first[0][:, -1].copy())
    for one, *parts in zip(whole, first, second, strict=True):
        assert np.array_equal(one, np.concatenate(parts, axis=1))


def test_recession_of_the_ground_is_exponential() -> None:
    given, fixed = np.zeros((7, 30, 1)), np.array([[0.0], [0.05]])
    stores, fluxes = budget(given, fixed, np.array([[0.0], [0.0], [100.0]]))
    expected = 100 * 0.95 ** np.arange(1, 31)
    np.testing.assert_allclose(stores[2, :, 0], expected, rtol=1e-12)
    np.testing.assert_allclose(fluxes[6, :, 0], expected * 0.05 / 0.95, rtol=1e-12)


@pytest.mark.parametrize("fill", [0.0, 1.0])
def test_gradients_of_empty_and_full_stores_are_finite(fill: float) -> None:
    given, fixed, start = _world(3, steps=1500, cells=2, dtype=torch.float32)
    given[:2] = 0.0 if fill == 0 else 50.0  # no rain for years, and storms on full soil
    start = torch.cat([start[:3] * fill, fixed[2:5] * fill])
    gradients = _gradients(water_budget, (given, fixed, start), 1.0, 1.0)
    assert all(part.isfinite().all() for part in gradients)


@pytest.mark.parametrize("row", range(7))
def test_what_is_missing_in_a_step_is_never_made_up(row: int) -> None:
    given, fixed, start = (part.numpy() for part in _world(2, cells=2, dtype=torch.float64))
    given[row, 20, 0] = np.nan
    stores, fluxes = budget(given, fixed, start)
    balanced = given[:2].sum(axis=0) - np.nansum(fluxes[[1, 2, 4, 6, 7, 8]], axis=0)
    assert np.isnan(balanced[20:, 0] - np.diff(stores.sum(axis=0), axis=0, prepend=0)[20:, 0]).all()
    assert np.isfinite(stores[:, :, 1]).all()
    assert np.isfinite(stores[:, :20]).all()


@pytest.mark.parametrize(
    "shapes",
    [
        ((12, 3, 2), (8, 2), (6, 2)),
        ((9, 3, 2), (5, 2), (4, 2)),
        ((9, 3, 2), (4, 3), (4, 2)),
        ((9, 3, 2), (4, 2), (3, 2)),
        ((5, 3, 2), (0, 2), (2, 2)),
    ],
)
def test_shapes_that_fit_no_number_of_layers_are_refused(shapes: tuple[tuple[int, ...]]) -> None:
    with pytest.raises(GridError, match="of N layers"):
        budget(*map(np.zeros, shapes))
