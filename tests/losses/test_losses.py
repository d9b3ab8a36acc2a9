"""Loss terms against their formulas, finite differences, and their errors."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest
import torch

from xsm.exceptions import TrainingError, UnknownNameError
from xsm.losses import (
    RMSE,
    WaterBalance,
    answered_steps,
    check_losses,
    total_loss,
    unique_names,
)


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64).unsqueeze(1)


def test_rmse_is_the_formula_over_observed_samples():
    target = column(0.1, 0.4, np.nan, 0.9)
    batch = {"target": target, "mask": torch.isfinite(target)}
    found = RMSE()({"mean": column(0.2, 0.2, 5.0, 0.9)}, batch)
    assert float(found) == pytest.approx(np.sqrt((0.1**2 + 0.2**2 + 0.0) / 3))


def test_rmse_without_an_observation_is_zero_with_finite_gradient():
    mean = column(0.2, 0.3).requires_grad_()
    target = column(np.nan, np.nan)
    found = RMSE()({"mean": mean}, {"target": target, "mask": torch.isfinite(target)})
    found.backward()
    assert float(found.detach()) == pytest.approx(0, abs=1e-5)
    assert torch.equal(mean.grad, torch.zeros_like(mean))


def test_water_balance_is_the_formula():
    rng = np.random.default_rng(0)
    trend = rng.choice([-1.0, 0.0, 1.0, np.nan], 200)
    previous, mean = rng.random(200), rng.random(200)
    previous[::17] = np.nan
    term = WaterBalance()
    batch = {"previous": column(*previous), term.trend_key: column(*trend)}
    product = trend * (previous - mean)
    expected = np.nanmean(np.where(np.isnan(product), np.nan, np.maximum(product, 0) ** 2))
    assert float(term({"mean": column(*mean)}, batch)) == pytest.approx(expected)


def test_water_balance_gradient_agrees_with_finite_differences_and_skips_nan():
    term = WaterBalance()
    batch = {
        "previous": column(0.5, 0.5, 0.2, np.nan, 0.3),
        term.trend_key: column(1.0, -1.0, 1.0, 1.0, np.nan),
    }
    mean = column(0.3, 0.9, 0.6, 0.1, 0.1).requires_grad_()
    assert torch.autograd.gradcheck(lambda m: term({"mean": m}, batch), (mean,))
    term({"mean": mean}, batch).backward()
    # falls though inflow rises; rises though it falls; follows; no observation; no trend
    assert [np.sign(g) for g in mean.grad[:, 0].tolist()] == [-1, 1, 0, 0, 0]


def test_flipping_trend_and_moisture_leaves_the_term_unchanged():
    term = WaterBalance()
    trend, previous, mean = column(1, -1, 1), column(0.2, 0.3, 0.4), column(0.1, 0.5, 0.5)
    one = term({"mean": mean}, {"previous": previous, term.trend_key: trend})
    other = term({"mean": -mean}, {"previous": -previous, term.trend_key: -trend})
    assert float(one) == pytest.approx(float(other))


def test_terms_of_different_balances_ask_for_different_trends():
    terms = [
        WaterBalance(),
        WaterBalance(deep=True),
        WaterBalance(trend="level"),
        WaterBalance(terms=("precipitation",)),
        WaterBalance(threshold=0.1),
        WaterBalance(compat="geng2024_code"),
    ]
    assert len({term.trend_key for term in terms}) == len(terms)
    assert unique_names([WaterBalance(), WaterBalance(trend="level")]) == [
        "water_balance",
        "water_balance_2",
    ]


def test_total_is_the_weighted_sum_of_the_parts():
    target = column(0.0, 0.0)
    term = WaterBalance(weight=0.25)
    batch = {"target": target, "mask": torch.isfinite(target)}
    batch |= {"previous": column(1.0, 1.0), term.trend_key: column(1.0, 1.0)}
    total, parts = total_loss([RMSE(0.5), term], {"mean": column(0.5, 0.5)}, batch)
    assert float(total) == pytest.approx(0.5 * 0.5 + 0.25 * 0.25)
    assert {name: float(value) for name, value in parts.items()} == pytest.approx(
        {"rmse": 0.5, "water_balance": 0.25}
    )


@dataclass(frozen=True)
class Seen:
    """A term that notes what it is given."""

    answered: int
    weight: float = 1.0
    name: ClassVar[str] = "seen"
    needs: ClassVar[tuple[str, ...]] = ("target",)
    reads: ClassVar[tuple[str, ...]] = ("mean",)
    given: list[dict[str, torch.Tensor]] = field(default_factory=list)

    def __call__(self, output, batch):
        self.given[:] = [dict(output), dict(batch)]
        return output["mean"].mean()


def test_terms_see_as_many_of_the_last_steps_as_they_compare():
    rows = lambda *shape: torch.rand(5, *shape)  # noqa: E731
    output = {"mean": rows(3, 2), "std": rows(3, 2)}
    batch = {"target": rows(3, 2), "dynamic": rows(6, 7), "static": rows(9), "theta_s": rows(1, 2)}
    batch["mask"] = torch.isfinite(batch["target"])
    terms = [Seen(3), Seen(2), Seen(1)]
    assert answered_steps([RMSE(), *terms]) == 3
    total, parts = total_loss([*terms, RMSE()], output, batch)
    last = {"mean": output["mean"][:, 2]}
    assert parts["rmse"] == RMSE()(last, {k: batch[k][:, 2] for k in ("target", "mask")})
    assert torch.equal(total, sum(parts.values()))
    assert terms[0].given == [output, batch]  # the same tensors
    two, one = (term.given for term in terms[1:])
    for name in ("mean", "std"):
        assert torch.equal(two[0][name], output[name][:, 1:])
        assert torch.equal(one[0][name], output[name][:, 2])
    assert torch.equal(two[1]["target"], batch["target"][:, 1:])
    assert torch.equal(one[1]["target"], batch["target"][:, 2])
    assert torch.equal(two[1]["theta_s"], batch["theta_s"])
    assert torch.equal(one[1]["theta_s"], batch["theta_s"][:, 0])
    assert torch.equal(two[1]["dynamic"], batch["dynamic"][:, 1:])  # windows of 4
    assert torch.equal(one[1]["dynamic"], batch["dynamic"][:, 2:])
    assert one[1]["static"] is batch["static"]


@pytest.mark.parametrize("answered", [0, 1.5, "two", True])
def test_a_number_of_steps_that_is_none_is_refused(answered):
    with pytest.raises(UnknownNameError, match=r"answered=.* a whole number of at least 1"):
        answered_steps([RMSE(), Seen(answered)])


def test_terms_that_cannot_be_computed_are_all_named():
    with pytest.raises(TrainingError, match=r"rmse needs target.*water_balance needs previous"):
        check_losses([RMSE(), WaterBalance()], {"mask": column(1)}, {"mean": column(1)})
    with pytest.raises(TrainingError, match="No loss term was given"):
        check_losses([], {}, {})
