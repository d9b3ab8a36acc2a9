"""Weights that say what is lost: the least of the term, known by hand."""

from __future__ import annotations

import pytest
import torch

from xsm.losses import Absence


def asked(change: list[list[float]], error: float = 0.0) -> tuple[dict, dict]:
    """Return outputs of samples that move by ``change`` (sample, expert), and their batch."""
    moved = torch.tensor(change).unsqueeze(-1)
    output = {"mean": torch.full((len(moved), 1), error), "expert_absence": moved}
    return output, {"target": torch.zeros(len(moved), 1), "mask": torch.ones(len(moved), 1) > 0}


def slope(output: dict, batch: dict, weights: list[float]) -> torch.Tensor:
    """Return the slope of the term for the logits of weights that all samples share."""
    logits = torch.tensor(weights).log().requires_grad_()
    shared = torch.softmax(logits, dim=-1).expand(len(batch["target"]), -1)
    Absence()({**output, "expert_weight": shared}, batch).backward()
    return logits.grad


def test_it_is_least_where_weights_are_the_shares_of_the_rises() -> None:
    # without the first the squared error is 9, without the second 1, without the third 0
    output, batch = asked([[3.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    at = slope(output, batch, [0.9 - 1e-7, 0.1 - 1e-7, 2e-7])
    torch.testing.assert_close(at, torch.zeros(3), atol=1e-6, rtol=0)
    assert (slope(output, batch, [0.8, 0.15, 0.05])[1:] > 0).all()


def test_what_rises_and_falls_by_chance_counts_for_nothing() -> None:
    # errors of 1; the second moves predictions to and from the truth: rises of 0.44 and -0.36, less
    # than that of the first; and what is not observed is left out
    output, batch = asked([[2.0, 0.0], [0.0, 0.2], [0.0, -0.2], [9.0, 0.0]], error=1.0)
    batch["target"][3], batch["mask"][3] = torch.nan, False
    shares = [8.0 / 8.08, 0.08 / 8.08]
    torch.testing.assert_close(slope(output, batch, shares), torch.zeros(2), atol=1e-6, rtol=0)


@pytest.mark.parametrize("observed", [True, False])
def test_where_none_was_asked_it_is_nothing(observed) -> None:
    output, batch = asked([[0.0, 0.0]] * 3)
    batch["mask"] &= observed
    output["expert_weight"] = torch.tensor([[1.0, 0.0]] * 3, requires_grad=True)
    found = Absence()(output, batch)
    found.backward()
    assert float(found.detach()) == 0.0
    assert torch.isfinite(output["expert_weight"].grad).all()
