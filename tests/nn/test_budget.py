"""Parameters of a water budget: bounds, and how layers overlap."""

import pytest
import torch

from xsm.nn.budget import Parameters, overlap


def test_layers_overlap_by_their_depths():
    assert overlap([0.1, 0.3, 1.0], [(0.0, 0.05), (0.05, 0.2), (0.3, 1.0)]).tolist() == [
        [1.0, 0.0, 0.0],
        [pytest.approx(1 / 3), pytest.approx(2 / 3), 0.0],
        [0.0, 0.0, 1.0],
    ]
    assert overlap([0.1, 0.3], [(1.0, 2.0)]).tolist() == [[0.0, 1.0]]
    assert overlap([0.1, 0.3], []).shape == (0, 2)


@pytest.mark.parametrize("size", [0.0, 1.0, 1e3])
@pytest.mark.parametrize("static", [0, 3])
def test_parameters_keep_their_bounds(static, size):
    torch.manual_seed(0)
    net = Parameters(static, [0.1, 0.4])
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(size * torch.randn_like(weight))
    found = net(torch.randn(20, static))
    percolates, feeds, *rest = found["fixed"].T
    assert bool(((percolates >= 0.0099) & (percolates <= 1)).all())
    assert bool(((feeds >= 0.00099) & (feeds <= 0.3001)).all())
    pores = torch.stack(rest[:2]) / found["thickness"].view(-1, 1)
    assert bool(((pores >= 0.2499) & (pores <= 0.6501)).all())
    assert bool(((torch.stack(rest[2:]) >= 1) & (torch.stack(rest[2:]) <= 5)).all())
    assert bool((found["start"] >= 0).all())
    assert bool((found["start"][:, 3:] <= found["fixed"][:, 2:4]).all())  # no layer is over-full
    assert bool((found["bias"].abs() <= 0.3).all())
    assert bool((found["threshold"].abs() <= 2).all())
