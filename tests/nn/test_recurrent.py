"""Networks that carry a state."""

from __future__ import annotations

import pytest
import torch

from xsm.models.lstm import LSTM
from xsm.nn import Model, Sizes, assemble
from xsm.registry import model_class


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


def test_a_window_has_no_layer_before_its_lstm() -> None:
    window, run = LSTM(Sizes(3, 2, 7), hidden_size=6), network()
    assert set(run.state_dict()) - set(window.state_dict()) == {"enter.weight", "enter.bias"}
    assert window.lstm.input_size == 5


@pytest.mark.parametrize("name", ["lstm", "cnn_lstm", "pgdl_cnn_lstm", "ismoe", "mean_expert"])
@pytest.mark.parametrize("patch", [1, 3])
@pytest.mark.parametrize("gaussian", [False, True])
def test_every_network_goes_on_where_it_was_left(name, patch, gaussian) -> None:
    if name == "lstm" and patch > 1:
        return
    own = {"hidden_size": 12} | ({} if name == "lstm" else {"patch": patch, "channels": 6})
    there = int(patch > 1)
    sizes = Sizes(3, 2, 1, 2 * (1 + gaussian), gaussian, ("a", "b", "c"), sequence=True)
    model = model_class(name)(sizes, **own).eval()
    cells = (patch**2,) * there
    given = {"dynamic": torch.rand(4, 9, *cells, 3 + there)}
    given["static"] = torch.rand(4, *cells, 2 + there)
    whole, end = model.run(given, None)
    first, state = model.run({**given, "dynamic": given["dynamic"][:, :4]}, None)
    rest, after = model.run({**given, "dynamic": given["dynamic"][:, 4:]}, state)
    assert whole["mean"].shape == (4, 9, 2)
    assert ("std" in whole) == gaussian
    assert after.shape == (4, model.state_size)
    assert torch.allclose(after, end, atol=1e-6)
    for key, values in whole.items():
        assert torch.allclose(torch.cat([first[key], rest[key]], 1), values, atol=1e-6)


@pytest.mark.parametrize("name", ["cnn_lstm", "pgdl_cnn_lstm", "ismoe", "mean_expert"])
def test_the_recurrence_is_that_of_windows_from_rest(name) -> None:
    own = {"patch": 1, "hidden_size": 12, "channels": 6, "dropout": 0.0}
    torch.manual_seed(0)
    run = model_class(name)(Sizes(3, 2, 1, names=("a", "b", "c"), sequence=True), **own).eval()
    window = model_class(name)(Sizes(3, 2, 9, names=("a", "b", "c")), **own).eval()
    window.load_state_dict(run.state_dict())
    given = {"dynamic": torch.rand(4, 9, 3), "static": torch.rand(4, 2)}
    last, wanted = run.evaluate(given)["mean"][:, -1], window.evaluate(given)["mean"]
    middle = wanted if name == "pgdl_cnn_lstm" else 0.5 + 0.2 * wanted
    assert torch.allclose(last, middle, atol=1e-6)


def test_a_gaussian_head_has_a_spread_at_each_step() -> None:
    found = network(target=2, gaussian=True).evaluate(batch(4))
    assert found["mean"].shape == found["std"].shape == (5, 4, 1)


def test_a_network_without_a_state_says_so() -> None:
    class Mean(Model):
        def forward(self, batch):
            return {"mean": batch["dynamic"].mean(dim=(1, 2))}

    with pytest.raises(NotImplementedError, match="carries no state; it needs carry"):
        Mean(Sizes(3, 2, 7)).carry(batch(7), None)


def test_the_head_of_a_run_sees_what_was_observed() -> None:
    names = ("rain", "heat")
    runs = LSTM(Sizes(2 + 3, 1, 1, names=names, sequence=True), hidden_size=6).eval()
    assert runs.head.in_features == 6 + 3
    assert LSTM(Sizes(2 + 2, 1, 7, names=names), hidden_size=6).head.in_features == 6
    with torch.no_grad():
        runs.head.weight.zero_()
        runs.head.bias.zero_()
        runs.head.weight[0, 6] = 1.0  # persistence
    given = {"dynamic": torch.rand(4, 5, 5), "static": torch.rand(4, 1)}
    wanted = 0.5 + 0.2 * given["dynamic"][..., 2:3]
    assert torch.allclose(runs.evaluate(given)["mean"], wanted, atol=1e-6)
