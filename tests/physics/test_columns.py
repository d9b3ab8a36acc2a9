"""Simulated columns: conservation, limits, refusals."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.physics.analytic import EXPONENTIAL
from xsm.exceptions import GridError, UnknownNameError
from xsm.physics import retention
from xsm.physics.columns import STRESS, simulate
from xsm.physics.picard import stress
from xsm.physics.retention import Hydraulics
from xsm.physics.richards import richards_residual

LOAM = Hydraulics(0.078, 0.43, 3.6, 1.56, 0.2496)
# Carsel and Parrish (1988), all classes: theta_r, theta_s, alpha (m-1), n, k_sat (m day-1).
CLASSES = np.array(
    [
        (0.045, 0.43, 14.5, 2.68, 7.128),
        (0.057, 0.41, 12.4, 2.28, 3.5016),
        (0.065, 0.41, 7.5, 1.89, 1.0608),
        (0.067, 0.45, 2.0, 1.41, 0.108),
        (0.034, 0.46, 1.6, 1.37, 0.06),
        (0.078, 0.43, 3.6, 1.56, 0.2496),
        (0.100, 0.39, 5.9, 1.48, 0.3144),
        (0.089, 0.43, 1.0, 1.23, 0.0168),
        (0.095, 0.41, 1.9, 1.31, 0.0624),
        (0.100, 0.38, 2.7, 1.23, 0.0288),
        (0.070, 0.36, 0.5, 1.09, 0.0048),
        (0.068, 0.38, 0.8, 1.09, 0.048),
    ]
).T
ALL = Hydraulics(*CLASSES)


def weather(days=120, cells=12, seed=0):
    """Return storms on every third day, demands and roots."""
    rng = np.random.default_rng(seed)
    rain = np.where(rng.random((days, cells)) < 0.3, rng.gamma(0.7, 0.015, (days, cells)), 0.0)
    demand = np.broadcast_to(0.003 + 0.002 * np.sin(np.arange(days) / 20)[:, None], rain.shape)
    roots = np.exp(-3.0 * np.linspace(0.05, 1.95, 20))[:, None]
    return {
        "thickness": np.full(20, 0.1),
        "rain": rain,
        "plant_demand": 0.7 * demand,
        "bare_demand": 0.3 * demand,
        "roots": roots / roots.sum(),
        "max_ponding": 0.005,
    }


def test_below_a_surface_at_a_fixed_head_water_comes_to_rest():
    """The head of water at rest grows by a metre each metre down."""
    size, wanted = np.full(10, 0.1), -1.0 + np.arange(0.05, 1.0, 0.1)
    rain = np.zeros((400, 1))
    done = simulate(
        LOAM, thickness=size, rain=rain, step_days=10.0, surface_head=-1.0, bottom="closed"
    )
    rest = retention.water_content(wanted, LOAM)
    np.testing.assert_allclose(done.theta[-1, :, 0], rest, atol=1e-5)


def balance(given_, done, initial=-1.0, soil=ALL):
    """Return what the whole columns' budget lacks at each output, m."""
    size = given_["thickness"][:, None]
    heads = np.full((size.size, given_["rain"].shape[1]), initial)
    before = retention.water_content(heads, soil) * size
    stored = (done.theta * size).sum(axis=1) + done.ponding
    gained = np.diff(stored, axis=0, prepend=before.sum(axis=0, keepdims=True))
    lost = done.flux[:, -1] + done.uptake.sum(axis=1) + done.evaporation + done.runoff
    steps = given_["rain"].shape[0] // done.theta.shape[0]
    rain = given_["rain"].reshape(-1, steps, given_["rain"].shape[1]).sum(axis=1)
    return gained - rain + lost


@pytest.fixture(scope="module")
def year():
    """Return all texture classes under storms for a year."""
    given_ = weather(365)
    return SimpleNamespace(given=given_, done=simulate(ALL, **given_))


def test_every_budget_closes_far_below_a_millionth(year):
    done, rain = year.done, year.given["rain"]
    assert not done.failed.any()
    assert np.abs(balance(year.given, done)).max() < 1e-6 * rain.mean()
    assert np.abs(balance(year.given, done).sum(axis=0) / rain.sum(axis=0)).max() < 1e-12
    change = np.diff(done.theta, axis=0) * 0.1
    layers = change + np.diff(done.flux, axis=1)[1:] + done.uptake[1:]
    assert np.abs(layers).max() < 1e-14


def test_all_stays_within_its_bounds(year):
    done, given_ = year.done, year.given
    slack = 1e-6
    assert (done.theta > ALL.theta_r - slack).all()
    assert (done.theta < ALL.theta_s + slack).all()
    assert (done.uptake >= 0).all()
    assert (done.uptake.sum(axis=1) <= given_["plant_demand"] + 1e-12).all()
    assert (done.evaporation >= -1e-12).all()
    assert (done.evaporation <= given_["bare_demand"] + 1e-12).all()
    assert (done.runoff >= 0).all()
    assert ((done.ponding >= 0) & (done.ponding <= given_["max_ponding"])).all()


def test_the_residual_closes_with_the_fluxes_of_the_solver(year):
    done = year.done
    residual, _ = richards_residual(
        done.theta,
        ALL,
        centres=np.arange(20) * 0.1 + 0.05,
        thickness=year.given["thickness"],
        sink=done.uptake / 0.1,
        fluxes=done.flux,
    )
    assert np.abs(residual[1:]).max() < 1e-12


def test_the_residual_closes_by_darcy_alone_in_short_steps():
    """Without known fluxes: what is left falls with the length of the step, at first order."""
    days = 0.05
    worst = []
    for steps in (1, 2, 4, 8):
        done = simulate(
            LOAM,
            thickness=np.full(20, 0.1),
            rain=np.full((16 * steps, 1), 0.01),
            step_days=days / steps,
            accuracy=1.0,
            face="geometric",
            tolerance=1e-12,
        )
        residual, _ = richards_residual(
            done.theta,
            LOAM,
            centres=np.arange(20) * 0.1 + 0.05,
            thickness=np.full(20, 0.1),
            step_days=days / steps,
        )
        worst.append(np.abs(residual[-1, 1:-1]).max())
    orders = np.log2(np.array(worst[:-1]) / np.array(worst[1:]))
    np.testing.assert_allclose(orders[1:], 1, atol=0.25)


def test_residual_of_output_steps_keeps_sub_daily_fluxes():
    given_ = weather(240)
    hourly = simulate(ALL, **given_, step_days=1 / 24)
    daily = simulate(ALL, **given_, step_days=1 / 24, every=24)
    assert daily.theta.shape == (10, 20, 12)
    np.testing.assert_array_equal(daily.theta, hourly.theta[23::24])
    summed = hourly.flux.reshape(10, 24, 21, 12).sum(axis=1)
    np.testing.assert_allclose(daily.flux, summed, atol=1e-15)
    np.testing.assert_allclose(
        balance({**given_, "rain": given_["rain"] / 24}, daily), 0, atol=1e-13
    )


def test_default_accuracy_is_that_of_the_water(year):
    given_ = {**year.given, "rain": year.given["rain"][:60]}
    given_ |= {name: given_[name][:60] for name in ("plant_demand", "bare_demand")}
    fine = simulate(ALL, **given_, accuracy=2e-5)
    assert np.abs(year.done.theta[:60] - fine.theta).max() < 0.02
    assert np.sqrt(np.mean((year.done.theta[:60] - fine.theta) ** 2)) < 2e-3


def test_water_at_rest_stays_at_rest():
    depth = (np.arange(20) * 0.1 + 0.05)[:, None]
    start = depth - 2.0
    done = simulate(
        ALL,
        thickness=np.full(20, 0.1),
        rain=np.zeros((30, 12)),
        initial=start,
        bottom=0.0,
    )
    np.testing.assert_allclose(done.head - start, 0, atol=1e-4)
    np.testing.assert_allclose(done.flux, 0, atol=1e-7)


def test_steady_rain_ends_in_unit_gradient():
    rain = 0.2 * ALL.k_sat
    done = simulate(
        ALL,
        thickness=np.full(10, 0.1),
        rain=np.broadcast_to(rain, (4000, 12)),
        every=4000,
        max_ponding=0.1,
    )
    np.testing.assert_allclose(
        retention.conductivity(done.head, ALL), np.broadcast_to(rain, (10, 12)), rtol=1e-3
    )
    assert (done.runoff == 0).all()


def test_a_deluge_enters_at_saturated_conductivity_and_runs_off():
    done = simulate(
        ALL,
        thickness=np.full(10, 0.1),
        rain=np.full((400, 12), 50.0),
        every=400,
        max_ponding=0.01,
        longest_step=0.25,
    )
    assert not done.failed.any()
    np.testing.assert_allclose(done.ponding, 0.01)
    again = simulate(
        ALL,
        thickness=np.full(10, 0.1),
        rain=np.full((1, 12), 50.0),
        initial=done.head,
        ponding=done.ponding[-1],
        max_ponding=0.01,
    )
    expected = np.broadcast_to(ALL.k_sat, (12,))
    np.testing.assert_allclose(again.flux[0, 0], expected, rtol=0.02)
    np.testing.assert_allclose(again.flux[0, -1], expected, rtol=0.02)
    np.testing.assert_allclose(again.runoff[0], 50.0 - again.flux[0, 0], rtol=1e-6)


def test_drought_ends_at_the_wilting_point():
    done = simulate(
        LOAM,
        thickness=np.full(5, 0.1),
        rain=np.zeros((3000, 1)),
        plant_demand=0.005,
        roots=0.2,
        every=100,
        bottom="closed",
    )
    np.testing.assert_allclose(done.head, STRESS[3], rtol=0.05)
    assert (done.flux[:, [0, -1]] == 0).all()
    assert done.uptake[-1].sum() < 1e-4 * done.uptake[0].sum()


def test_bare_soil_dries_no_further_than_its_surface():
    done = simulate(
        LOAM,
        thickness=np.full(5, 0.1),
        rain=np.zeros((3000, 1)),
        bare_demand=0.005,
        every=100,
        bottom="closed",
    )
    assert (done.head > -150.0).all()
    assert (np.diff(done.evaporation[:, 0]) <= 1e-12).all()
    assert done.evaporation[0, 0] < 0.5


def test_ponded_water_evaporates_first():
    tight = replace(LOAM, k_sat=1e-9)
    done = simulate(
        tight,
        thickness=[0.1, 0.1],
        rain=np.zeros((4, 1)),
        bare_demand=0.004,
        ponding=0.01,
        max_ponding=0.02,
    )
    np.testing.assert_allclose(done.evaporation[:, 0], [0.004, 0.004, 0.002, 0.0], atol=1e-6)
    np.testing.assert_allclose(done.ponding[:, 0], [0.006, 0.002, 0.0, 0.0], atol=1e-6)


def test_a_run_cut_in_two_goes_on():
    given_ = weather(60)
    whole = simulate(ALL, **given_)
    parts = [
        {name: given_[name][part] for name in ("rain", "plant_demand", "bare_demand")}
        for part in (slice(0, 30), slice(30, 60))
    ]
    first = simulate(ALL, **{**given_, **parts[0]})
    second = simulate(ALL, **{**given_, **parts[1]}, initial=first.head, ponding=first.ponding[-1])
    np.testing.assert_allclose(second.theta, whole.theta[30:], atol=5e-3)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_change_nothing(threads):
    given_ = weather(20)
    whole, parts = simulate(ALL, **given_), simulate(ALL, **given_, threads=threads)
    assert whole.theta.tobytes() == parts.theta.tobytes()
    assert whole.flux.tobytes() == parts.flux.tobytes()


@given(
    seed=st.integers(0, 10_000),
    face=st.sampled_from(["arithmetic", "geometric", "upstream"]),
    bottom=st.sampled_from(["free_drainage", "closed", -0.5]),
)
def test_any_layered_soil_conserves_water(seed, face, bottom):
    rng = np.random.default_rng(seed)
    layers = rng.integers(1, 9)
    soil = Hydraulics(*CLASSES[:, rng.integers(0, 12, (layers, 2))], entry=0.02)
    given_ = {**weather(20, 2, seed), "thickness": rng.uniform(0.03, 0.3, layers)}
    given_ |= {"roots": np.full((layers, 1), 1 / layers), "initial": -float(rng.uniform(0.2, 5))}
    done = simulate(soil, **given_, face=face, bottom=bottom)
    assert not done.failed.any()
    start = (given_["thickness"][:, None] * retention.water_content(given_["initial"], soil)).sum(0)
    stored = (done.theta * given_["thickness"][:, None]).sum(axis=1)[-1] + done.ponding[-1]
    lost = done.flux[:, -1] + done.uptake.sum(axis=1) + done.evaporation + done.runoff
    np.testing.assert_allclose(stored - start, (given_["rain"] - lost).sum(axis=0), atol=1e-12)


@pytest.mark.parametrize(
    "soil",
    [
        replace(EXPONENTIAL, alpha=2.0),
        EXPONENTIAL,
        Hydraulics(0.0, 0.45, 3.0, 0.2, 0.3, model="brooks_corey"),
        Hydraulics(0.05, 0.45, 6.0, 0.6, 1.0, model="brooks_corey"),
    ],
)
def test_other_models_run(soil):
    given_ = weather(60, 3)
    done = simulate(soil, **given_)
    assert not done.failed.any()
    np.testing.assert_allclose(balance(given_, done, soil=soil), 0, atol=1e-12)


def test_a_column_without_soil_is_missing_and_its_neighbours_are_not():
    given_ = weather(10, 3)
    soil = replace(LOAM, k_sat=np.array([0.2, np.nan, 0.2]))
    done = simulate(soil, **given_)
    assert done.failed.tolist() == [False, True, False]
    assert np.isnan(done.theta[:, :, 1]).all()
    assert np.isnan(done.runoff[:, 1]).all()
    assert np.isfinite(done.theta[:, :, [0, 2]]).all()
    given_["rain"][5, 0] = np.nan
    late = simulate(soil, **given_)
    assert np.isfinite(late.theta[:5, :, 0]).all()
    assert np.isnan(late.theta[5:, :, 0]).all()


def test_stress_is_a_trapezium():
    heads = np.array([0.0, -0.1, -0.175, -0.25, -8.0, -44.0, -80.0, -100.0])
    found = [stress(h, STRESS) for h in heads]
    np.testing.assert_allclose(found, [0, 0, 0.5, 1, 1, 0.5, 0, 0], atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (
            {"rain": np.zeros(3)},
            GridError,
            r"rain has shape \(3,\), \(step, cell\) is needed: rain\[",
        ),
        ({"every": 2}, GridError, r"every=2 does not divide the 3 steps .*rain\[: 3 // 2 \* 2\]"),
        ({"thickness": [0.1, 0.0]}, GridError, r"thickness=\[0.1, 0.0\] .*positive numbers in m"),
        (
            {"roots": np.zeros((3, 1))},
            GridError,
            r"An input has shape \(3, 1\); \(2, 1\) is needed",
        ),
        ({"face": "geometri"}, UnknownNameError, "face='geometri' .*'geometric'"),
        ({"bottom": "free"}, UnknownNameError, "bottom='free' .*'free_drainage'"),
    ],
)
def test_errors_say_what_is_needed(arguments, error, text):
    given_ = {"thickness": [0.1, 0.1], "rain": np.zeros((3, 1)), **arguments}
    with pytest.raises(error, match=text):
        simulate(LOAM, **given_)
