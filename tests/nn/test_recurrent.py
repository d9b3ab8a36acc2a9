"""Networks that carry a state."""

from __future__ import annotations

import pytest
import torch

from xsm.models.cnn_lstm import CNNLSTM
from xsm.models.lstm import LSTM
from xsm.nn import Sizes, assemble


def batch(steps: int) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    dynamic = torch.rand(5, steps, 3, generator=random)
    return {"dynamic": dynamic, "static": torch.rand(5, 2, generator=random)}


def network(**more: object) -> LSTM:
    return LSTM(Sizes(3, 2, 1, sequence=True, **more), hidden_size=6).eval()


@pytest.mark.parametrize("members", [1, 2])
def test_a_state_goes_on_where_it_was_left(members) -> None:
    model = assemble([network() for _ in range(members)]).eval()
    given = batch(12)
    whole, end = model.run(given, None)
    first, state = model.run({**given, "dynamic": given["dynamic"][:, :5]}, None)
    rest, after = model.run({**given, "dynamic": given["dynamic"][:, 5:]}, state)
    assert torch.allclose(torch.cat([first["mean"], rest["mean"]], 1), whole["mean"], atol=1e-6)
    assert after.shape == (5, model.state_size)
    assert torch.allclose(after, end, atol=1e-6)


def test_from_rest_it_answers_as_a_window_does() -> None:
    model, given = network(), batch(7)
    assert torch.allclose(model.run(given, None)[0]["mean"][:, -1], model(given)["mean"], atol=1e-6)


def test_a_gaussian_head_has_a_spread_at_each_step() -> None:
    found = network(target=2, gaussian=True).evaluate(batch(4))
    assert found["mean"].shape == found["std"].shape == (5, 4, 1)


def test_a_network_without_a_state_says_so() -> None:
    model = CNNLSTM(Sizes(3, 2, 7))
    with pytest.raises(NotImplementedError, match="carries no state; it needs carry"):
        model.carry(batch(7), None)
