"""Samples without an expert's inputs: what is exchanged, and what that changes, one by one."""

from __future__ import annotations

import pytest
import torch

from xsm.losses import RMSE, Absence, total_loss
from xsm.models.ismoe import ISMoE
from xsm.nn import Sizes
from xsm.nn import absence as asking
from xsm.nn.absence import with_absent

NAMES = ("wind_speed", "precipitation", "shortwave_down")
SEEN = [[1], [2], [0]]


@pytest.fixture
def always(monkeypatch):
    """Ask in every batch, the first expert first."""
    monkeypatch.setattr(asking, "choose", lambda count: 0)


def made(rows: int, **more: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return a batch of two kinds of places."""
    torch.manual_seed(0)
    static = (torch.arange(rows) % 2).view(-1, 1).float()
    batch = {"dynamic": torch.rand(rows, 5, 3), "static": static, **more}
    target = torch.rand(rows, 1)
    return {**batch, "target": target, "mask": torch.isfinite(target)}


def test_inputs_come_from_the_next_sample_of_a_like_place(always) -> None:
    batch = made(24)
    joined, which = with_absent(batch, SEEN)
    assert which.tolist() == [0, 1, 2]
    wanted = batch["dynamic"][:3].clone()
    for row, channel in enumerate([1, 2, 0]):
        wanted[row, :, channel] = batch["dynamic"][row + 2, :, channel]
    assert torch.equal(joined["dynamic"], torch.cat([batch["dynamic"], wanted]))
    assert torch.equal(joined["static"][24:], batch["static"][:3])


@pytest.mark.parametrize("sequence", [False, True])
def test_what_moves_is_the_prediction_with_other_inputs(always, sequence) -> None:
    sizes = Sizes(3, 1, 1 if sequence else 5, names=NAMES, sequence=sequence)
    model = ISMoE(sizes, patch=1, hidden_size=16, dropout=0.0).train()
    batch = made(24)
    found = model.evaluate(batch)
    plain = {k: v for k, v in batch.items() if k in {"dynamic", "static"}}
    torch.testing.assert_close(model.evaluate(plain)["mean"], found["mean"])
    assert found["expert_absence"].shape == found["expert_departure"].shape
    assert not found["expert_absence"][3:].any()
    for row, channel in enumerate([1, 2, 0]):
        other = batch["dynamic"].clone()
        other[row, :, channel] = batch["dynamic"][row + 2, :, channel]
        moved = model.evaluate({**plain, "dynamic": other})["mean"] - found["mean"]
        torch.testing.assert_close(found["expert_absence"][row, ..., row, :], moved[row])
        assert moved[row].abs().max() > 0


def test_the_term_trains_weights_alone(always) -> None:
    model = ISMoE(Sizes(3, 1, 5, names=NAMES), patch=1, hidden_size=16).train()
    own = {id(values) for values in model.explainer.parameters()}
    batch = made(24)
    found = model.evaluate(batch)
    torch.testing.assert_close(found["expert_weight"], torch.full((24, 3), 1 / 3))  # at first
    for term in (RMSE(), Absence()):
        slopes = torch.autograd.grad(
            total_loss([term], found, batch)[0],
            list(model.parameters()),
            allow_unused=True,
            retain_graph=True,
        )
        moved = {
            id(values)
            for values, one in zip(model.parameters(), slopes, strict=True)
            if one is not None and one.any()
        }
        assert moved
        assert moved <= own if term.name == "absence" else not moved & own


def test_a_sample_alone_is_its_own_partner(always) -> None:
    batch = made(1)
    assert torch.equal(*with_absent(batch, SEEN)[0]["dynamic"])


def test_in_validation_none_is_asked() -> None:
    model = ISMoE(Sizes(3, 1, 5, names=NAMES), patch=1, hidden_size=16).eval()
    batch = made(1)
    assert not model.evaluate(batch)["expert_absence"].any()
    assert "expert_absence" not in model.evaluate({k: batch[k] for k in ("dynamic", "static")})
