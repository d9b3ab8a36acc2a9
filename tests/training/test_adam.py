"""Adam moves weights as torch's does, and takes the gradients away."""

import subprocess
import sys

import pytest
import torch

from xsm.training.adam import Adam


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
        own.rate = other.param_groups[0]["lr"] = 0.1 / (step + 1)
        give_gradients(ours, step, rare=rare)
        give_gradients(theirs, step, rare=rare)
        own.move()
        other.step()
        other.zero_grad()
        assert all(weight.grad is None for weight in ours)
        for one, two in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-6, atol=1e-7)  # fused rounds once less


def test_a_state_is_torchs_and_goes_over():
    ours, theirs = make_weights(), make_weights()
    own, other = Adam(ours, 0.1), torch.optim.Adam(theirs, lr=0.1, fused=True)
    for step in range(2):
        give_gradients(ours, step, rare=(1,))
        give_gradients(theirs, step, rare=(1,))
        own.move()
        other.step()
        other.zero_grad()
    found = other.state_dict()["state"].items()
    state = {f"{k}.{name}": value for k, held in found for name, value in held.items()}
    assert set(own.state()) == set(state)
    assert all(torch.equal(value, state[name]) for name, value in own.state().items())
    fresh = Adam(theirs, 0.1)
    fresh.restore(state)
    for step in range(2, 5):
        give_gradients(ours, step, rare=(2, 3, 4))
        give_gradients(theirs, step, rare=(2, 3, 4))
        own.move()
        fresh.move()
    assert all(torch.equal(one, two) for one, two in zip(ours, theirs, strict=True))


def test_the_first_of_a_process_leaves_the_compiler_of_torch_alone():
    code = """
import sys, torch
from xsm.training.adam import Adam
weight = torch.ones(1, requires_grad=True)
(2 * weight).backward()
Adam([weight], 0.1).move()
assert weight.item() < 1
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_gradients_nothing_moves():
    weights = make_weights()
    Adam(weights, 0.1).move()
    assert all(torch.equal(one, two) for one, two in zip(weights, make_weights(), strict=True))


@pytest.mark.parametrize("clip", [0.5, 100.0])
def test_long_gradients_are_shortened_as_torch_does(clip):
    ours, theirs = make_weights(), make_weights()
    own, other = Adam(ours, 0.1, clip), torch.optim.Adam(theirs, lr=0.1)
    for step in range(4):
        give_gradients(ours, step, rare=(1,))
        give_gradients(theirs, step, rare=(1,))
        torch.nn.utils.clip_grad_norm_(theirs, clip)
        own.move()
        other.step()
        other.zero_grad()
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(ours, theirs, strict=True))
