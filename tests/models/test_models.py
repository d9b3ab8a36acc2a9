"""The contract that every registered network of points keeps."""

from collections.abc import Sequence

import pytest
import torch
from torch import nn

from xsm.exceptions import UnknownNameError
from xsm.losses import Loss, Richards, WaterBalance, answered_steps, total_loss
from xsm.losses.terms import last_steps
from xsm.nn import FieldModel, Model, Sizes, last_observation
from xsm.nn.devices import can_train_in_bfloat16
from xsm.nn.recurrent import last_hidden
from xsm.registry import describe_model, list_models, model_class, model_name

LAYERS = {
    "theta_r": 0.05,
    "theta_s": 0.45,
    "vg_alpha": 2.0,
    "vg_n": 1.5,
    "k_sat": 0.2,
    "air_entry": 0.0,
    "layer_thickness": 0.1,
    "target_offset": 0.05,
    "target_scale": 0.4,
}


def sizes(model: type[Model]) -> Sizes:
    return Sizes(dynamic=4, static=3, window=6, target=5 if model.layered else 1)


NETWORKS = [name for name in list_models() if issubclass(model_class(name), Model)]
IN_BFLOAT16 = pytest.mark.skipif(
    not can_train_in_bfloat16(torch.device("cpu")), reason="oneDNN has no LSTM in bfloat16 here"
)
# what keeps an account has a contract of its own, tests/models/test_water_budget.py
ALIKE = [name for name in NETWORKS if not model_class(name).forcing]
POINTS = [name for name in ALIKE if not issubclass(model_class(name), FieldModel)]


def make_batch(
    model: type[Model], count: int = 12, seed: int = 0, losses: Sequence[Loss] | None = None
) -> dict[str, torch.Tensor]:
    losses = model.losses if losses is None else losses
    answered = answered_steps(losses)
    many, once = ([answered], [1]) if answered > 1 else ([], [])
    generator = torch.Generator().manual_seed(seed)
    rand = lambda *shape: torch.rand(*shape, generator=generator)  # noqa: E731
    own = sizes(model)
    steps = own.window + answered - 1
    cells = [9] if "patch" in model.hyperparameters() else []
    there = len(cells)
    batch = {
        "dynamic": rand(count, steps, *cells, own.dynamic + there),
        "static": rand(count, *cells, own.static + there),
    }
    batch |= {"target": rand(count, *many, own.target), "previous": rand(count, *many, 1)}
    batch["mask"] = torch.isfinite(batch["target"])
    needs = {key for loss in losses for key in loss.needs}
    shape = (count, *once, own.target)
    batch |= {key: torch.full(shape, LAYERS[key]) for key in needs & set(LAYERS)}
    if "layer_centre" in needs:
        batch["layer_centre"] = torch.arange(1, own.target + 1).expand(shape) / 10
        batch["step_days"] = torch.ones(count, *once, 1)
        batch["precipitation"] = torch.zeros(count, *many, 1)
        batch["sink"] = torch.full((count, *many, own.target), 0.001)
    for loss in losses:
        if isinstance(loss, WaterBalance):
            batch[loss.trend_key] = torch.sign(rand(count, *many, 1) - 0.5)
    return batch


@pytest.fixture(params=POINTS)
def cls(request: pytest.FixtureRequest) -> type[Model]:
    return model_class(request.param)


def make(cls: type[Model], seed: int = 0, **hyperparameters: object) -> Model:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        around = {"patch": 3} if "patch" in cls.hyperparameters() else {}
        return cls(sizes(cls), **around, **hyperparameters)


def test_shapes_and_finite_gradients(cls):
    model, batch = make(cls), make_batch(cls)
    output = model.evaluate(batch)
    last = last_steps(output, 1, answered_steps(cls.losses))
    assert last["mean"].shape == (12, sizes(cls).target)
    total_loss(model.losses, output, batch)[0].backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    assert any((p.grad != 0).any() for p in model.parameters())


def test_samples_do_not_see_each_other(cls):
    model, batch = make(cls).eval(), make_batch(cls)
    whole = model.evaluate(batch)["mean"]
    alone = model.evaluate({k: v[3:4] for k, v in batch.items()})["mean"]
    torch.testing.assert_close(whole[3:4], alone, atol=1e-6, rtol=0)


def test_missing_targets_change_nothing(cls):
    losses = [term for term in cls.losses if not isinstance(term, Richards)]  # needs no target
    model, batch = make(cls).eval(), make_batch(cls, losses=losses)
    few = {k: v[:8] for k, v in batch.items()}
    gaps = {k: v.clone() for k, v in batch.items()}
    gaps["target"][8:] = float("nan")
    gaps["mask"] = torch.isfinite(gaps["target"])
    for values in (v for key, v in gaps.items() if key.startswith("trend")):
        values[8:] = float("nan")
    for name, value in total_loss(losses, model.evaluate(few), few)[1].items():
        other = total_loss(losses, model.evaluate(gaps), gaps)[1][name]
        torch.testing.assert_close(value, other, atol=1e-6, rtol=0)


def test_overfits_one_batch(cls):
    rmse = cls.losses[:1]
    model, batch = make(cls, hidden_size=32, dropout=0.0), make_batch(cls, losses=rmse)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first = float(total_loss(rmse, model.evaluate(batch), batch)[0].detach())
        for _ in range(300):
            optimiser.zero_grad()
            total_loss(rmse, model.evaluate(batch), batch)[0].backward()
            optimiser.step()
    assert float(total_loss(rmse, model.evaluate(batch), batch)[0].detach()) < 0.1 * first


def test_a_seed_decides_all(cls):
    batch = make_batch(cls)
    one, same, other = (make(cls, seed).eval().evaluate(batch)["mean"] for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_base_is_added_to_the_prediction(cls):
    model, batch = make(cls).eval(), make_batch(cls)
    batch["dynamic"] = batch["dynamic"][:, -sizes(cls).window :]
    without = model.evaluate(batch)["mean"]
    base = torch.full_like(without, 0.25)
    found = model.evaluate({**batch, "base": base})["mean"]
    if cls.bounded:  # on the logit scale, where half of the way changes nothing
        without, found = torch.logit(without), torch.logit(found)
        base = torch.logit(base)
    torch.testing.assert_close(found, without + base, atol=1e-5, rtol=0)


def test_bounds_hold_whatever_the_inputs(cls):
    if not cls.bounded:
        return
    model, batch = make(cls).eval(), make_batch(cls)
    for scale in (1.0, 1e3, 1e30):
        mean = model.evaluate({**batch, "dynamic": scale * batch["dynamic"]})["mean"]
        assert bool(((mean >= 0) & (mean <= 1)).all())


@pytest.mark.parametrize("integrated", [False, True])
@pytest.mark.parametrize("answered", [2, 3])
def test_answered_steps_are_those_of_their_own_windows(cls, answered, integrated):
    model, batch = make(cls).eval(), make_batch(cls)
    window = sizes(cls).window
    long = torch.cat([batch["dynamic"], batch["dynamic"]], dim=1)[:, : window + answered - 1]
    base = torch.rand(12, answered, sizes(cls).target, generator=torch.Generator().manual_seed(1))
    given = {"base": base} if integrated else {}
    found = model.evaluate({"dynamic": long, "static": batch["static"], **given})
    for k in range(answered):
        given = {"base": base[:, k]} if integrated else {}
        own = {"dynamic": long[:, k : k + window], "static": batch["static"], **given}
        for name, alone in model.evaluate(own).items():
            torch.testing.assert_close(found[name][:, k], alone, atol=1e-6, rtol=0)


def test_name_and_description(cls):
    assert model_class(model_name(cls)) is cls
    text = describe_model(cls)
    assert "(2024)" in text or "(2025)" in text
    assert f"Defaults: window={cls.window}, lead={cls.lead}" in text
    for name in cls.hyperparameters():
        assert f"{name} :" in text


def test_published_weights():
    weights = {n: [loss.weight for loss in model_class(n).losses] for n in NETWORKS}
    # Geng et al. (2024): the best rows of the table of weights
    assert weights["phy_lstm"] == [0.5, 0.5]
    assert weights["phys_lstm"] == [0.1, 0.9]
    assert model_class("phys_lstm").losses[1].deep
    assert model_class("lstm").hyperparameters() == {"hidden_size": 128, "dropout": 0.15}


@pytest.mark.parametrize("bfloat16", [False, pytest.param(True, marks=IN_BFLOAT16)])
def test_the_last_hidden_state_is_that_of_the_module(bfloat16):
    torch.manual_seed(0)
    lstm, steps = nn.LSTM(3, 8), torch.rand(7, 5, 3)
    found = []
    for run in (last_hidden, lambda module, x: module(x)[0][-1]):
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            hidden = run(lstm, steps)
        slopes = torch.autograd.grad(hidden.float().square().sum(), lstm.parameters())
        found.append((hidden, *slopes))
    assert all(torch.equal(one, two) for one, two in zip(*found, strict=True))


def test_last_observation_takes_the_latest_or_the_default():
    observed = torch.tensor([[0.1, 0.2, 0.0], [0.3, 0.0, 0.0], [0.0, 0.0, 0.0]])
    mask = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    found = last_observation(torch.stack([observed, mask], dim=-1), torch.full((3, 1), 0.7))
    torch.testing.assert_close(found, torch.tensor([[0.2], [0.3], [0.7]]))


def test_users_class_is_accepted_and_anything_else_is_refused():
    class Mine(model_class("lstm")):
        """A user's model."""

    assert model_class(Mine) is Mine
    assert model_name(Mine) == "Mine"
    with pytest.raises(UnknownNameError, match=r"no model 'phy_lstn'\. Did you mean 'phy_lstm'"):
        model_class("phy_lstn")
    with pytest.raises(TypeError, match="neither a name nor a class"):
        model_class(make(Mine))


def test_unknown_hyperparameters_name_the_near_misses():
    with pytest.raises(UnknownNameError, match=r"no hyper-parameter 'hiden_size'.*'hidden_size'"):
        model_class("lstm").check_hyperparameters({"hiden_size": 8})
    network, schedule = model_class("lstm").check_hyperparameters(
        {"hidden_size": 8, "iterations": 5}
    )
    assert (network, schedule) == ({"hidden_size": 8}, {"iterations": 5})
