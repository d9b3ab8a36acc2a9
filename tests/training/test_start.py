"""Where training goes on from: what moves, and what draws it back."""

from __future__ import annotations

import pytest
import torch

from xsm.losses import RMSE, total_loss
from xsm.losses.anchor import Anchor
from xsm.models.lstm import LSTM
from xsm.nn import Sizes
from xsm.training.start import Start
from xsm.training.steps import Parts, Whole


def network(dropout: float = 0.0) -> LSTM:
    torch.manual_seed(0)
    return LSTM(Sizes(3, 2, window=5), hidden_size=8, dropout=dropout)


def batch(size: int = 128) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    target = torch.rand(size, 1, generator=draw)
    dynamic, static = (torch.rand(size, *n, 3 - len(n) + 1, generator=draw) for n in ((5,), ()))
    return {
        "dynamic": dynamic,
        "static": static[:, :2],
        "target": target,
        "mask": torch.isfinite(target),
    }


def test_an_anchor_is_half_the_squared_distance():
    """Of 3-4-5: (3^2 + 4^2) / 2, whose slope is the distance itself."""
    weights = [torch.zeros(1, requires_grad=True), torch.zeros(1, 1, requires_grad=True)]
    anchor = Anchor(0.1, weights, [torch.tensor([3.0]), torch.tensor([[-4.0]])])
    output = {"mean": torch.zeros(1, 1)}
    value = anchor(output, {})
    assert value.item() == pytest.approx(12.5)
    value.backward()
    assert [w.grad.item() for w in weights] == pytest.approx([-3.0, 4.0])
    with torch.no_grad():
        assert anchor(output, {}).item() == 0  # what validates is judged by its errors


def test_parts_of_a_batch_have_the_slopes_of_the_whole():
    model = network()
    moved = [w.detach() + 0.1 for w in model.parameters()]
    losses = (RMSE(), Anchor(0.5, list(model.parameters()), moved))
    given = {**batch(), "dynamic": torch.rand(128, 5, 3), "static": torch.rand(128, 2)}
    slopes = []
    for step in (Whole(model.evaluate, losses, "float32"), Parts(model, losses, "float32", 2)):
        step.begin(0, 1)
        step(given)
        step.close()
        slopes.append([w.grad.clone() for w in model.parameters()])
        model.zero_grad()
    for whole, parts in zip(*slopes, strict=True):
        torch.testing.assert_close(whole, parts)


def test_terms_without_weights_are_as_before():
    total, parts = total_loss([RMSE()], {"mean": torch.ones(2, 1)}, batch(2))
    assert list(parts) == ["rmse"]
    assert total == parts["rmse"]


def test_what_moves_follows_the_epoch():
    model = network()
    head = ("head.weight", "head.bias")
    start = Start(model.state_dict(), ("lstm.bias_hh_l0",), head, head_first=2, anchor=0.1)
    moves = lambda: {n for n, w in model.named_parameters() if w.requires_grad}  # noqa: E731
    (term,) = start.put_into(model)
    assert len(term.weights) == 5
    assert start.release(model, 1)
    assert moves() == set(head)
    assert not start.release(model, 2)
    assert start.release(model, 3)
    assert "lstm.bias_hh_l0" not in moves()
    assert len(moves()) == 5


def test_a_start_is_named_by_its_weights():
    model = network()
    first = Start(model.state_dict())
    other = Start({n: w + 1e-6 for n, w in model.state_dict().items()})
    assert first.identity() == Start(network().state_dict()).identity()
    assert first.identity() != other.identity()
    assert not first.put_into(model)
