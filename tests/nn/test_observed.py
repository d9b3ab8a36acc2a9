"""The last observation along a record, against a plain loop."""

from __future__ import annotations

import math

import torch

from xsm.nn import last_seen, seen_inputs


def looped(series, value, age):
    """Return what was seen last at each step, and how long ago."""
    found = []
    for x in series:
        value, age = (x, 0.0) if math.isfinite(x) else (value, age + 1)
        found.append((value, age))
    return found


def test_it_is_that_of_a_loop() -> None:
    random = torch.Generator().manual_seed(0)
    observed = torch.rand(4, 30, 2, generator=random)
    observed[torch.rand(observed.shape, generator=random) < 0.8] = torch.nan
    value, age = torch.rand(4, 2), torch.tensor([[math.inf, 3.0]]).expand(4, 2)
    values, ages = last_seen(observed, value, age)
    for i in range(4):
        for k in range(2):
            own = looped(observed[i, :, k].tolist(), value[i, k].item(), age[i, k].item())
            there = list(zip(values[i, :, k].tolist(), ages[i, :, k].tolist(), strict=True))
            assert there == own


def test_what_is_too_old_is_none() -> None:
    age = torch.tensor([1.0, 5.0, 6.0, math.inf]).view(1, 4, 1)
    found = seen_inputs(torch.full((1, 4, 1), 0.3), age, 5)
    assert found[0, :, 2].tolist() == [1.0, 1.0, 0.0, 0.0]
    assert found[0, 2:].abs().max() == 0.0
    assert torch.allclose(found[0, :2, 1], torch.log1p(age[0, :2, 0]))
