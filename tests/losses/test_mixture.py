"""Experts that compete: the likelihood of a mixture, against torch's own distributions."""

from __future__ import annotations

import pytest
import torch
from torch import distributions as d

from xsm.exceptions import TrainingError
from xsm.losses import Absence, BetaNLL, Mixture
from xsm.models.ismoe import ISMoE
from xsm.nn import Sizes
from xsm.nn.heads import check_terms


def drawn(*, gaussian: bool = False) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Return outputs of three experts for 50 samples of two targets, some not observed."""
    random = torch.Generator().manual_seed(0)
    said, target = torch.rand(50, 3, 2, generator=random), torch.rand(50, 2, generator=random)
    weights = torch.softmax(torch.randn(50, 3, generator=random), dim=-1)
    target[::7, 1] = torch.nan
    mean = (weights.unsqueeze(-1) * said).sum(1)
    output = {"mean": mean, "expert_share": weights, "expert_departure": said - mean.unsqueeze(1)}
    if gaussian:
        output["expert_std"] = 0.05 + torch.rand(50, 3, 2, generator=random)
    return output, {"target": target, "mask": torch.isfinite(target)}


def likelihood(output: dict[str, torch.Tensor], target: torch.Tensor, std: torch.Tensor) -> float:
    """Return the mean negative log-likelihood by torch's mixtures."""
    said = (output["mean"].unsqueeze(1) + output["expert_departure"]).transpose(1, 2)
    shares = output["expert_share"].unsqueeze(1).expand_as(said)
    parts = d.Normal(said, std.expand(50, 3, 2).transpose(1, 2))
    mixture = d.MixtureSameFamily(d.Categorical(probs=shares), parts)
    seen = torch.isfinite(target)
    return float(-mixture.log_prob(target.nan_to_num())[seen].mean())


def test_with_a_gaussian_head_it_is_the_likelihood_of_the_mixture() -> None:
    output, batch = drawn(gaussian=True)
    wanted = likelihood(output, batch["target"], output["expert_std"])
    assert float(Mixture()(output, batch)) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("width", [0.1, 0.4, 2.0])
def test_without_one_its_width_is_a_share_of_the_targets_spread(width) -> None:
    output, batch = drawn()
    target = batch["target"]
    std = width * target[torch.isfinite(target)].std(correction=0)
    constant = 0.5 * torch.log(2 * torch.pi * std**2)  # that the term leaves out
    wanted = likelihood(output, target, std) - float(constant)
    assert float(Mixture(width=width)(output, batch)) == pytest.approx(wanted, rel=1e-5)


def test_its_slope_draws_the_router_to_the_experts_that_know() -> None:
    target = torch.tensor([[0.0], [1.0], [0.0], [1.0]])
    said = torch.stack([target, 1 - target], dim=1)  # the first knows, the second is wrong
    logits = torch.zeros(4, 2, requires_grad=True)
    weights = torch.softmax(logits, dim=-1)
    mean = (weights.unsqueeze(-1) * said).sum(1)
    output = {"mean": mean, "expert_share": weights, "expert_departure": said - mean.unsqueeze(1)}
    batch = {"target": target, "mask": torch.ones(4, 1, dtype=torch.bool)}
    Mixture(width=0.2)(output, batch).backward()
    believed = torch.tensor([1.0, 0.0])  # given the target: (1 - 2 s) / s is ten widths away
    torch.testing.assert_close(logits.grad, (0.5 - believed).expand(4, 2) / 4, atol=1e-5, rtol=0)


@pytest.mark.parametrize("gaussian", [False, True])
def test_what_is_not_observed_and_what_is_constant_have_finite_slopes(gaussian) -> None:
    output, batch = drawn(gaussian=gaussian)
    output["expert_share"][:, 0] = 0.0
    leaves = {name: value.requires_grad_() for name, value in output.items()}
    for target in (batch["target"] * torch.nan, torch.full((50, 2), 0.5)):
        found = Mixture()(leaves, {"target": target, "mask": torch.isfinite(target)})
        assert torch.isfinite(found)
        for slope in torch.autograd.grad(found, list(leaves.values()), allow_unused=True):
            assert slope is None or torch.isfinite(slope).all()
    nothing = {"target": batch["target"] * torch.nan, "mask": torch.zeros(50, 2, dtype=torch.bool)}
    assert float(Mixture()(output, nothing).detach()) == 0.0


def test_the_spread_of_a_mixture_is_that_of_its_parts() -> None:
    model = ISMoE(Sizes(3, 0, 5, target=2, gaussian=True), patch=1, hidden_size=16).eval()
    found = model.evaluate({"dynamic": torch.rand(8, 5, 3), "static": torch.zeros(8, 0)})
    said = (found["mean"].unsqueeze(1) + found["expert_departure"]).squeeze(-1)
    parts = d.Normal(said, found["expert_std"].squeeze(-1))
    mixture = d.MixtureSameFamily(d.Categorical(probs=found["expert_share"]), parts)
    torch.testing.assert_close(found["mean"].squeeze(-1), mixture.mean)
    torch.testing.assert_close(found["std"].squeeze(-1), mixture.variance.sqrt())


def test_it_trains_the_spread_of_a_gaussian_head() -> None:
    assert check_terms([Mixture()], "gaussian", published=False) == (Mixture(),)
    assert check_terms(ISMoE.losses, "gaussian", published=True) == (BetaNLL(1.0), Absence())


def test_a_width_of_nothing_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"Mixture\(width=0\) was given; a share of the spread"):
        Mixture(width=0)
