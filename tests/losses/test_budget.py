"""Terms of the loss of a water budget: against numbers made by hand."""

import math

import numpy as np
import pytest
import torch

from xsm.losses import Budyko, Price, Prior, Shown
from xsm.losses.budget import monthly_means


def steps(*values: float) -> torch.Tensor:
    return torch.tensor(values).view(1, -1, 1)


def test_the_error_is_a_share_of_the_spread_of_what_was_observed():
    random = np.random.default_rng(0)
    observed, predicted = random.normal(size=(2, 3, 50, 1)).astype(np.float32)
    observed[random.random(observed.shape) < 0.4] = np.nan
    seen = np.isfinite(observed)
    error = np.sqrt(np.mean((predicted - observed)[seen] ** 2)) / np.std(observed[seen])
    batch = {"observed_runoff": torch.from_numpy(observed)}
    found = Shown("runoff", "observed_runoff", "runoff")(
        {"runoff": torch.from_numpy(predicted)}, batch
    )
    assert float(found) == pytest.approx(error, rel=1e-5)


def test_each_layer_has_its_own_spread_and_counts_alike():
    truth = torch.tensor([[0.0, 0.0], [2.0, 20.0]]).view(1, 2, 2)
    error = truth + torch.tensor([0.5, 5.0])
    assert (
        float(Shown("soil_moisture", "target", "mean")({"mean": error}, {"target": truth})) == 1.0
    )
    truth = torch.cat([truth, torch.full((1, 2, 1), torch.nan)], dim=-1)  # and one never observed
    error = torch.cat([error, torch.zeros(1, 2, 1)], dim=-1)
    assert (
        float(Shown("soil_moisture", "target", "mean")({"mean": error}, {"target": truth})) == 1.0
    )


@pytest.mark.parametrize("anomaly", [False, True])
@pytest.mark.parametrize("monthly", [False, True])
@pytest.mark.parametrize("value", [0.0, 3.0, math.nan])
def test_nothing_seen_and_nothing_wrong_have_finite_slopes(value, monthly, anomaly):
    term = Shown("runoff", "observed_runoff", "runoff", monthly=monthly, anomaly=anomaly)
    guess = torch.full((2, 4, 1), 3.0, requires_grad=True)
    month = {"month": torch.zeros(2, 4, 1), "month_days": torch.full((2, 4, 1), 4.0)}
    found = term({"runoff": guess}, {"observed_runoff": torch.full((2, 4, 1), value), **month})
    found.backward()
    assert torch.isfinite(guess.grad).all()
    assert float(found.detach()) == (3.0 if value == 0 and not anomaly else 0.0)


def test_a_level_does_not_count_for_an_anomaly_and_each_piece_has_its_own():
    truth = torch.cat([steps(0.0, 2.0, 4.0), steps(10.0, 12.0, math.nan)])
    guess = truth + torch.tensor([5.0, -7.0]).view(2, 1, 1)
    guess = torch.where(torch.isfinite(guess), guess, 99.0)
    term = Shown("groundwater_storage", "observed_gw", "gw", anomaly=True)
    assert float(term({"gw": guess}, {"observed_gw": truth})) == pytest.approx(0, abs=1e-6)
    assert term.answered == 2


def test_months_are_compared_where_they_are_whole():
    month = steps(1, 2, 2, 2, 3, 3)
    days = steps(3, 3, 3, 3, 2, 2)
    guess = steps(9.0, 1.0, 2.0, 6.0, 4.0, 8.0)
    truth = steps(7.0, math.nan, 5.0, math.nan, math.nan, math.nan)
    mean, seen = monthly_means(guess, truth, month, days)
    assert mean.flatten().tolist() == [9.0, 3.0, 6.0]
    np.testing.assert_array_equal(seen.flatten(), [np.nan, 5.0, np.nan])
    every = monthly_means(guess, guess, month, days)[1]
    np.testing.assert_array_equal(every.flatten(), [np.nan, 3.0, 6.0])


def test_months_of_pieces_that_begin_at_different_times():
    month = torch.cat([steps(4, 4, 5, 5), steps(8, 9, 9, 10)])
    days = torch.full((2, 4, 1), 2.0)
    truth = torch.cat([steps(1, 3, 5, 7), steps(1, 2, 4, 8)])
    seen = monthly_means(truth, truth, month, days)[1]
    np.testing.assert_array_equal(seen[..., 0], [[2, 6, np.nan], [np.nan, 3, np.nan]])


def test_the_prior_is_the_square_of_standard_deviations():
    found = Prior(spread=0.1)({"precipitation_bias": torch.tensor([0.1, -0.3])}, {})
    assert float(found) == pytest.approx(5.0)


def year(rain: float, demand: float, gone: float, steps: int = 365) -> dict[str, torch.Tensor]:
    rows = {"precipitation": rain, "potential_evaporation": demand, "evaporation": gone}
    return {name: torch.full((2, steps, 1), value) for name, value in rows.items()}


@pytest.mark.parametrize(("arid", "share"), [(0.5, 0.4355), (1.0, 0.6938), (2.0, 0.8940)])
def test_budyko_gives_the_curve_of_1974(arid, share):
    """sqrt(a tanh(1/a) (1 - exp(-a))), worked out by hand at three ratios."""
    assert float(Budyko()(year(2.0, 2.0 * arid, 2.0 * share), {})) == pytest.approx(0, abs=1e-4)
    assert float(Budyko()(year(2.0, 2.0 * arid, 2.0 * (share + 0.1)), {})) == pytest.approx(1, 0.02)


def test_deserts_evaporate_nearly_all_and_wet_places_what_they_can():
    assert float(Budyko()(year(0.5, 5.0, 0.5), {})) < 1e-3
    assert float(Budyko()(year(10.0, 0.1, 0.1), {})) < 1e-3
    dry = year(0.0, 5.0, 0.0)
    dry = {name: values.requires_grad_() for name, values in dry.items()}
    Budyko()(dry, {}).backward()
    assert all(torch.isfinite(values.grad).all() for values in dry.values())


def test_a_season_is_no_climate():
    assert float(Budyko()(year(2.0, 2.0, 0.0, steps=364), {})) == 0.0


def test_the_price_is_in_proportion_to_what_comes_or_goes():
    found = Price("water_from_outside")({"water_from_outside": torch.tensor([-0.2, 0.6])}, {})
    assert float(found) == pytest.approx(0.4)


def test_the_spread_of_anomalies_is_of_what_was_observed():
    """Anomalies of gaps are no observations, also where the record has a level."""
    truth = steps(90.0, 110.0, math.nan, math.nan)
    guess = steps(0.0, 0.0, 0.0, 0.0)
    term = Shown("groundwater_storage", "observed_gw", "gw", anomaly=True)
    assert float(term({"gw": guess}, {"observed_gw": truth})) == pytest.approx(1.0)
