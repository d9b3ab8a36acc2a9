"""Infiltration: the index and its anomalies; simulated, an exact solution and a benchmark."""

import numpy as np
import pandas as pd
import pytest

from tests.physics.analytic import CELIA, EXPONENTIAL, ExponentialInfiltration, celia_by_scipy
from xsm.physics import retention
from xsm.physics.columns import simulate
from xsm.physics.infiltration import monthly_anomaly


def test_anomalies_are_those_of_pandas():
    """Months seen once, twice, with a gap, never, and never but for a gap."""
    rng = np.random.default_rng(0)
    values, months = rng.gamma(2.0, 2.0, (36, 2)), 1 + np.arange(36) % 12
    values[3, 0] = values[[5, 17], 1] = np.nan
    for steps in (slice(0, 24), slice(6, 17)):
        frame = pd.DataFrame(values)
        means = frame[steps].groupby(months[steps]).mean().reindex(months).to_numpy()
        np.testing.assert_allclose(
            monthly_anomaly(values, months, steps), values - means, atol=1e-12
        )
    once = monthly_anomaly(values, months, slice(0, 12))
    np.testing.assert_array_equal(once[:12], np.where(np.isnan(values[:12]), np.nan, 0.0))


def exact_error(layers, days, steps):
    """Return the largest error after the rain of Srivastava and Yeh (1991) has begun."""
    exact = ExponentialInfiltration()
    size = np.full(layers, 1.0 / layers)
    z = np.cumsum(size) - size / 2
    head = np.log(exact.initial(z)) / EXPONENTIAL.alpha
    done = simulate(
        EXPONENTIAL,
        thickness=size,
        rain=np.full((steps, 1), exact.after * EXPONENTIAL.k_sat),
        step_days=days / steps,
        every=steps,
        initial=head[:, None],
        bottom=0.0,
        max_ponding=1.0,
        accuracy=1.0,
        tolerance=1e-10,
    )
    return np.abs(done.theta[-1, :, 0] - exact.theta(z, days)).max()


def test_exact_infiltration_with_the_order_of_the_scheme():
    """First order in time (backward Euler), second in space: steps refined four times as fast."""
    found = [exact_error(n, 0.4, n * n // 25) for n in (25, 50, 100, 200)]
    orders = np.log2(np.array(found[:-1]) / np.array(found[1:]))
    np.testing.assert_allclose(orders[1:], 2, atol=0.25)
    assert found[-1] < 2e-4
    coarse = [exact_error(200, 0.4, steps) for steps in (10, 20, 40)]
    np.testing.assert_allclose(np.log2(np.array(coarse[:-1]) / coarse[1:]), 1, atol=0.3)


def celia(layers=100, **options):
    size = np.full(layers, 1.0 / layers)
    done = simulate(
        CELIA,
        thickness=size,
        rain=np.zeros((24, 1)),
        step_days=1 / 24,
        every=24,
        initial=-10.0,
        surface_head=-0.75,
        bottom=-10.0,
        **options,
    )
    return np.cumsum(size) - size / 2, done


def front(depth, theta):
    """Return the depth at which half of the rise is reached."""
    middle = (theta[0] + theta[-1]) / 2
    return np.interp(-middle, -theta, depth)


def test_infiltration_of_celia_against_an_implicit_multistep_method():
    depth, expected = celia_by_scipy(layers=100)
    _, done = celia(accuracy=1e-4)
    np.testing.assert_allclose(done.theta[-1, :, 0], expected, atol=1e-3)
    assert front(depth, done.theta[-1, :, 0]) == pytest.approx(front(depth, expected), abs=2e-3)
    assert front(depth, expected) == pytest.approx(0.505, abs=5e-3)


@pytest.mark.parametrize("minutes", [1, 12, 60])
@pytest.mark.parametrize("layers", [25, 40, 100])
def test_mass_ratio_of_celia_is_one_for_every_step_and_grid(layers, minutes):
    """Their Fig. 5 and 6: the mixed form conserves mass and keeps the front, at all steps."""
    depth, done = celia(layers, accuracy=1.0, longest_step=minutes / 1440)
    theta = done.theta[-1, :, 0]
    gained = (theta - retention.water_content(-10.0, CELIA)).sum() / layers
    assert gained / (done.flux[0, 0, 0] - done.flux[0, -1, 0]) == pytest.approx(1, abs=1e-10)
    assert front(depth, theta) == pytest.approx(0.505, abs=0.03)
