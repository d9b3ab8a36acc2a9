"""Residual of the Richardson-Richards equation: equilibria, exact solutions, conservation."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.physics.analytic import EXPONENTIAL, ExponentialInfiltration
from tests.physics.profiles import ERA5_LAND, LOAM, SOILS, each, grid, middles, world
from xsm.exceptions import GridError, UnknownNameError
from xsm.physics import darcy, retention, richards
from xsm.physics.darcy import FACES
from xsm.physics.richards import richards_residual


@pytest.mark.parametrize("soil", SOILS)
@pytest.mark.parametrize("face", FACES)
@given(above=st.floats(1e-4, 10.0))
def test_water_at_rest_has_no_residual(soil, face, above):
    """Also where it is nearly saturated, since h(theta) inverts theta(h) there."""
    depth = ERA5_LAND / (10.0 if soil.model == "gardner" else 1.0)  # its wetness is exp(10 h)
    above *= 0.1 if soil.model == "gardner" else 1.0
    entry = 1.0 / soil.alpha if soil.model == "brooks_corey" else soil.entry
    centres = middles(depth)
    theta = retention.water_content(centres - centres[-1] - entry - above, soil)
    steady = np.repeat(theta[None, :, None], 3, axis=0)
    closed = np.full((3, 5, 1), np.nan)
    closed[:, [0, -1]] = 0.0
    residual, flux = richards_residual(
        steady, soil, before=steady[0], fluxes=closed, face=face, **grid(depth)
    )
    np.testing.assert_allclose(flux, 0, atol=1e-10)
    np.testing.assert_allclose(residual, 0, atol=1e-10)


@pytest.mark.parametrize("soil", SOILS)
@pytest.mark.parametrize("face", FACES)
def test_uniform_water_drains_by_its_conductivity(soil, face):
    theta = np.full((2, 5, 3), 1.0) * np.array([0.15, 0.3, soil.theta_s])
    k = retention.conductivity_of_water(theta[0, 0], soil)
    rain = np.full((2, 6, 3), np.nan)
    rain[:, 0] = k
    residual, flux = richards_residual(
        theta, soil, before=theta[0], fluxes=rain, face=face, free_drainage=True, **grid([0.1] * 5)
    )
    np.testing.assert_allclose(flux, np.broadcast_to(k, flux.shape), rtol=1e-12)
    np.testing.assert_allclose(residual, 0, atol=1e-10)


def analytic_residual(layers, days, face="geometric"):
    """Return the residual of the exact transient solution, around day 0.4, upper 0.6 m."""
    exact = ExponentialInfiltration()
    size = np.full(layers, exact.length / layers)
    z = middles(size)
    theta = np.stack([exact.theta(z, 0.4 + shift * days) for shift in (-0.5, 0.5)])
    residual, _ = richards_residual(
        theta[:, :, None], EXPONENTIAL, step_days=days, face=face, **grid(size)
    )
    inner = (z > 0.02) & (z < 0.6)
    rate = (theta[1] - theta[0])[inner] / days
    return np.abs(residual[1, inner, 0]).max() / np.abs(rate).max()


@pytest.mark.parametrize(("face", "order"), [("geometric", 2), ("arithmetic", 2), ("upstream", 1)])
def test_exact_transient_solution_with_the_order_of_the_scheme(face, order):
    """Infiltration of Srivastava and Yeh (1991), space and time refined together."""
    found = [analytic_residual(n, 0.8 / n, face) for n in (50, 100, 200, 400)]
    orders = np.log2(np.array(found[:-1]) / np.array(found[1:]))
    np.testing.assert_allclose(orders[1:], order, atol=0.2)
    assert found[-1] < (2e-3 if order == 2 else 5e-2)


def test_exact_solution_with_second_order_in_time_alone():
    found = [analytic_residual(3200, days) for days in (0.2, 0.1, 0.05)]
    orders = np.log2(np.array(found[:-1]) / np.array(found[1:]))
    np.testing.assert_allclose(orders, 2, atol=0.25)


def test_exact_fluxes():
    """q = K - (dK/dz) / alpha of the exact solution, at the faces."""
    exact = ExponentialInfiltration()
    size = np.full(200, 1 / 200)
    z = middles(size)
    theta = exact.theta(z, 0.4)[None, :, None]
    _, flux = richards_residual(
        np.repeat(theta, 2, axis=0), EXPONENTIAL, free_drainage=True, **grid(size)
    )
    faces, d = np.cumsum(size)[:-1], 1e-5
    k = exact.conductivity(np.stack([faces - d, faces, faces + d]), 0.4)
    expected = EXPONENTIAL.k_sat * (k[1] - (k[2] - k[0]) / (2 * d) / EXPONENTIAL.alpha)
    np.testing.assert_allclose(flux[1, 1:-1, 0], expected, rtol=1e-3)


def wave(depth, time):
    """Return a head (m) that swings in depth and time."""
    return -1.5 - 0.8 * np.sin(3.0 * depth) * np.cos(2.0 * time) + 0.3 * depth


def manufactured(depth, time, soil):
    """Return d theta / dt + dq / dz of that head by central differences of the formulas."""
    m, d = 1 - 1 / soil.shape, 1e-4

    def saturation(z, t):
        return (1 + (soil.alpha * -wave(z, t)) ** soil.shape) ** -m

    def flux(z, t):
        s = saturation(z, t)
        k = soil.k_sat * s**0.5 * (1 - (1 - s ** (1 / m)) ** m) ** 2
        return -k * ((wave(z + d, t) - wave(z - d, t)) / (2 * d) - 1)

    storage = (saturation(depth, time + d) - saturation(depth, time - d)) / (2 * d)
    dq = (flux(depth + d, time) - flux(depth - d, time)) / (2 * d)
    return (soil.theta_s - soil.theta_r) * storage + dq


@pytest.mark.parametrize("face", ["geometric", "arithmetic"])
def test_manufactured_solution_of_van_genuchten_with_second_order(face):
    errors = []
    for layers in (32, 64, 128):
        size = np.full(layers, 1.0 / layers)
        z, step = middles(size), 0.4 / layers
        times = 0.3 + step * np.array([-0.5, 0.5])
        theta = retention.water_content(wave(z[None, :, None], times[:, None, None]), LOAM)
        found, _ = richards_residual(theta, LOAM, step_days=step, face=face, **grid(size))
        errors.append(np.abs(found[1, 1:-1, 0] - manufactured(z[1:-1], 0.3, LOAM)).max())
    order = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    np.testing.assert_allclose(order, 2, atol=0.3)
    assert errors[-1] < 2e-3 * np.abs(manufactured(z, 0.3, LOAM)).max()


@given(seed=st.integers(0, 1000), darcy_inside=st.booleans())
def test_water_that_is_lost_left_through_the_ends(seed, darcy_inside):
    theta, soil, known = world(seed=seed)
    if darcy_inside:
        known["fluxes"][:, 1:-1] = np.nan
    residual, flux = richards_residual(theta, soil, step_days=0.5, **known, **grid(ERA5_LAND))
    column, storage, uptake = (
        np.einsum("tlc,l->tc", a, ERA5_LAND)[1:] for a in (residual, theta, known["sink"])
    )
    change = np.diff(np.einsum("tlc,l->tc", theta, ERA5_LAND), axis=0) / 0.5
    assert storage.shape == change.shape
    expected = change + flux[1:, -1] - flux[1:, 0] + uptake
    np.testing.assert_allclose(column, expected, atol=1e-10)


def test_missing_values_reach_the_neighbours_only():
    theta, soil, _ = world(layers=6, cells=3)
    ends = np.full((6, 7, 3), np.nan)
    ends[:, [0, -1]] = 0.001
    options = {"fluxes": ends, "before": theta[0].copy(), **grid([0.1] * 6)}
    full, _ = richards_residual(theta, soil, **options)
    assert np.isfinite(full).all()
    theta[2, 3, 1] = np.nan
    found, _ = richards_residual(theta, soil, **options)
    gone = np.zeros(full.shape, bool)
    gone[2:4, 2:5, 1] = True
    np.testing.assert_array_equal(np.isnan(found), gone)
    np.testing.assert_array_equal(found[~gone], full[~gone])


def test_a_series_cut_in_two_goes_on_identically():
    theta, soil, known = world()
    whole = richards_residual(theta, soil, **known, **grid(ERA5_LAND))
    first, second = (
        richards_residual(
            theta[part],
            soil,
            before=before,
            **{name: array[part] for name, array in known.items()},
            **grid(ERA5_LAND),
        )
        for part, before in ((slice(0, 2), None), (slice(2, None), theta[1]))
    )
    for a, b, c in zip(whole, first, second, strict=True):
        np.testing.assert_array_equal(a, np.concatenate([b, c]))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_tiles_threads_and_strides_change_nothing(threads, monkeypatch):
    theta, soil, known = world(cells=50)
    whole = richards_residual(theta, soil, threads=1, **known, **grid(ERA5_LAND))[0]
    monkeypatch.setattr(richards, "_TILE", 7)
    monkeypatch.setattr(richards, "_WORTH_A_THREAD", 10)
    turned = np.ascontiguousarray(theta.transpose(2, 1, 0)).transpose(2, 1, 0)
    parts = richards_residual(turned, soil, threads=threads, **known, **grid(ERA5_LAND))[0]
    assert parts.tobytes() == whole.tobytes()
    default = richards_residual(theta, soil, **known, **grid(ERA5_LAND))[0]
    assert default.tobytes() == whole.tobytes()


def test_one_set_of_parameters_serves_all_layers_and_cells():
    theta, _, _ = world()
    full = each(LOAM, lambda p: np.full((4, 5), p))
    row = each(LOAM, lambda p: np.full((1, 5), p))
    found = [richards_residual(theta, s, **grid(ERA5_LAND))[0] for s in (LOAM, full, row)]
    assert found[0].tobytes() == found[1].tobytes() == found[2].tobytes()


def test_compiled_equals_interpreted():
    code = (
        "import json; from tests.physics.test_richards import *;"
        "theta, soil, known = world(steps=3, cells=2);"
        "found = richards_residual(theta, soil, **known, **grid(ERA5_LAND))[0];"
        "print(json.dumps(found[1:].tolist()))"
    )
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    theta, soil, known = world(steps=3, cells=2)
    compiled, _ = richards_residual(theta, soil, **known, **grid(ERA5_LAND))
    np.testing.assert_allclose(json.loads(done.stdout), compiled[1:], rtol=1e-9, atol=1e-12)


def test_no_cells_and_one_profile():
    assert richards_residual(np.empty((3, 4, 0)), LOAM, **grid(ERA5_LAND))[0].shape == (3, 4, 0)
    one, flux = richards_residual(np.full((1, 4, 2), 0.2), LOAM, **grid(ERA5_LAND))
    assert np.isnan(one).all()
    assert flux.shape == (1, 5, 2)
    assert darcy.face_conductivity(2, 1.0, 3.0, -1.0) == 3.0


THETA = np.full((3, 4, 2), 0.2)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"theta": THETA[0]}, GridError, r"theta has shape \(4, 2\); \(time, layer, cell\)"),
        ({"thickness": [0.1, 0.1]}, GridError, "4 ascending depths and as many positive"),
        ({"centres": [0.1, 0.1, 1, 2]}, GridError, r"centres=\[0.1, 0.1, 1.0, 2.0\]"),
        ({"face": "geometri"}, UnknownNameError, "face='geometri' .*'geometric'"),
        (
            {"soil": replace(LOAM, shape=np.full((3, 2), 2.0))},
            GridError,
            r"parameters have shape \(3, 2\); \(4, 2\) is needed",
        ),
        (
            {"soil": replace(LOAM, shape=np.full(3, 2.0))},
            GridError,
            r"parameters have shapes .*\(3,\).*; \(4, 2\) is needed, or numbers",
        ),
        (
            {"before": np.zeros(2), "fluxes": THETA, "sink": THETA[1:]},
            GridError,
            r"before has shape \(2,\), \(4, 2\) is needed; sink .*; fluxes .*\(3, 5, 2\) is needed",
        ),
    ],
)
def test_errors_say_what_is_needed(arguments, error, text):
    with pytest.raises(error, match=text):
        richards_residual(**{"theta": THETA, "soil": LOAM, **grid(ERA5_LAND), **arguments})
