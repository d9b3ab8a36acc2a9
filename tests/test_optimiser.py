"""Adam moves weights as torch's does, and takes the gradients away."""

import pytest
import torch

from xsm.optimiser import Adam


def make_weights():
    random = torch.Generator().manual_seed(0)
    return [torch.randn(size, generator=random).requires_grad_() for size in (5, 3, 1)]


def give_gradients(weights, step, *, rare):
    for number, weight in enumerate(weights):
        if number < 2 or step in rare:
            weight.grad = torch.sin(weight.detach() * (step + 1))


@pytest.mark.parametrize("rare", [(), (0, 1, 2, 3, 4, 5), (0, 3), (2, 5)])
def test_moves_as_torch_does_where_some_weights_have_no_gradient(rare):
    ours, theirs = make_weights(), make_weights()
    own, other = Adam(ours, 0.1), torch.optim.Adam(theirs, lr=0.1)
    for step in range(6):
        for optimiser in (own, other):
            for group in optimiser.param_groups:
                group["lr"] = 0.1 / (step + 1)
        give_gradients(ours, step, rare=rare)
        give_gradients(theirs, step, rare=rare)
        own.move()
        other.step()
        other.zero_grad()
        assert all(weight.grad is None for weight in ours)
        for one, two in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-6, atol=1e-7)  # fused rounds once less


def test_a_state_goes_over_to_torch_and_back():
    ours, theirs = make_weights(), make_weights()
    own, other = Adam(ours, 0.1), torch.optim.Adam(theirs, lr=0.1, fused=True)
    give_gradients(ours, 0, rare=(0,))
    give_gradients(theirs, 0, rare=(0,))
    own.move()
    other.step()
    fresh = Adam(theirs, 0.1)
    fresh.load_state_dict(other.state_dict())
    for step in range(1, 4):
        give_gradients(ours, step, rare=(1, 2, 3))
        give_gradients(theirs, step, rare=(1, 2, 3))
        own.move()
        fresh.move()
    assert all(torch.equal(one, two) for one, two in zip(ours, theirs, strict=True))


def test_without_gradients_nothing_moves():
    weights = make_weights()
    Adam(weights, 0.1).move()
    assert all(torch.equal(one, two) for one, two in zip(weights, make_weights(), strict=True))
