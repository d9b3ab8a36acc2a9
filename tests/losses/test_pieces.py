"""Terms over pieces: what they are of, by hand."""

from __future__ import annotations

import pytest
import torch

from xsm.exceptions import UnknownNameError
from xsm.losses import RMSE, WaterBalance, total_loss
from xsm.losses.pieces import over_pieces


class Step:
    """A term that compares steps: the mean change, and what it was given."""

    weight, name, needs, reads, answered = 1.0, "step", ("target", "still"), ("mean",), 2

    def __call__(self, output, batch):
        self.seen = batch
        return (output["mean"][:, 1:] - output["mean"][:, :-1]).mean()


def test_a_term_of_one_step_sees_each_step_after_the_warmup() -> None:
    target = torch.randn(3, 5, 1)
    target[0, 4] = torch.nan
    batch = {"target": target, "mask": torch.isfinite(target)}
    mean = torch.randn(3, 5, 1)
    found = total_loss(over_pieces([RMSE()], 5, 2), {"mean": mean}, batch)[0]
    error = (mean - target)[:, 2:].flatten()
    wanted = error[torch.isfinite(error)].square().mean().sqrt()
    assert float(found) == pytest.approx(float(wanted), rel=1e-6)


def test_the_balance_holds_at_each_step() -> None:
    term = WaterBalance(terms=("precipitation",))
    batch = {"previous": torch.full((1, 4, 1), 0.5), term.trend_key: torch.ones(1, 4, 1)}
    mean = torch.tensor([0.0, 0.5, 0.4, 0.3]).view(1, 4, 1)
    found = total_loss(over_pieces([term], 4, 1), {"mean": mean}, batch)[1]["water_balance"]
    assert float(found) == pytest.approx((0.0 + 0.01 + 0.04) / 3)


def test_a_free_run_is_held_to_the_balance_between_its_own_days() -> None:
    term = WaterBalance(terms=("precipitation",), previous="predicted")
    trend = torch.tensor([0.0, 1.0, -1.0, torch.nan, 1.0]).view(1, 5, 1)
    mean = torch.tensor([0.9, 0.3, 0.5, 0.4, 0.3]).view(1, 5, 1).requires_grad_()
    batch = {term.trend_key: trend}  # no observation of the day before is asked for
    found = total_loss(over_pieces([term], 5, 1), {"mean": mean}, batch)[0]
    wanted = (0.2**2 + 0.1**2) / 2  # it rises against -1, and falls against 1
    assert float(found.detach()) == pytest.approx(term.weight * wanted)
    found.backward()
    assert torch.isfinite(mean.grad).all()
    with pytest.raises(UnknownNameError, match="previous"):
        WaterBalance(previous="last")


def test_a_term_that_compares_steps_sees_them_in_their_order() -> None:
    term = Step()
    still = torch.ones(2, 1, 1)
    batch = {"target": torch.zeros(2, 6, 1), "still": still}
    mean = torch.arange(6.0).square().view(1, 6, 1).expand(2, -1, -1)
    found = total_loss(over_pieces([term], 6, 3), {"mean": mean}, batch)[0]
    assert float(found) == (7 + 9) / 2
    assert term.seen["target"].shape == (2, 3, 1)
    assert term.seen["still"].shape == (2, 1, 1)


def test_what_does_not_change_comes_with_each_step() -> None:
    class Static(Step):
        needs, answered = ("static", "still"), 1

        def __call__(self, output, batch):
            self.seen = batch
            return output["mean"].mean()

    term = Static()
    batch = {"static": torch.randn(2, 3), "still": torch.ones(2, 1, 1)}
    total_loss(over_pieces([term], 4, 1), {"mean": torch.zeros(2, 4, 1)}, batch)
    assert term.seen["still"].shape == (6, 1)
    assert torch.equal(term.seen["static"], batch["static"].repeat_interleave(3, dim=0))
