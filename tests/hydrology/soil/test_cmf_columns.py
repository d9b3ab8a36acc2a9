"""Columns that cmf 2.0.2 simulated under the rain of Manhattan, Kansas (marker data)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from xsm.physics.columns import simulate
from xsm.physics.retention import Hydraulics, water_content
from xsm.physics.richards import richards_residual

pytestmark = pytest.mark.data

SIZE = np.full(20, 0.1)
GRID = {"centres": np.arange(20) * 0.1 + 0.05, "thickness": SIZE}
INNER = slice(1, 5)  # 10 to 50 cm
UNSATURATED = 0.98


@pytest.fixture(scope="module")
def columns(data_dir: Path) -> xr.Dataset:
    folder = data_dir / "richards_cmf_manhattan"
    return xr.open_dataset(folder / "richards_cmf_manhattan.nc").load()


def parameters(ds, *names):
    return [ds[name].values.astype(float)[None] for name in names]


def conserved(ds):
    """Return what cmf's columns conserve, W theta_s of their wetness W, and its soil."""
    dry, wet, alpha, n, k_sat = parameters(ds, "theta_r", "theta_s", "alpha", "n", "Ks")
    theta = ds["theta"].values.transpose(1, 2, 0).astype(float)
    return (theta - dry) / (wet - dry) * wet, Hydraulics(0.0 * dry, wet, 100.0 * alpha, n, k_sat)


def test_storage_of_cmf_is_its_wetness_times_theta_s(columns):
    """So theta of the file, theta_r + W (theta_s - theta_r), is not what its budget conserves."""
    theta, _ = conserved(columns)
    ponded = columns["storage"].values.T - 1000.0 * (theta * SIZE[:, None]).sum(axis=1)
    assert np.abs(np.median(ponded, axis=0)).max() < 1e-3
    assert ponded.min() > -1e-3


def test_curves_are_those_of_cmf(columns):
    """But above a wetness of 0.99, where cmf takes a parabola."""
    dry, wet, alpha, n, k_sat = parameters(columns, "theta_r", "theta_s", "alpha", "n", "Ks")
    soil = Hydraulics(dry, wet, 100.0 * alpha, n, k_sat)
    theta = columns["theta"].values.transpose(1, 2, 0)
    psi = columns["psi"].values.transpose(1, 2, 0).astype(float)
    clear = (theta - dry) / (wet - dry) < 0.989
    np.testing.assert_allclose(water_content(psi, soil)[clear], theta[clear], atol=2e-5)


@pytest.fixture(scope="module")
def simulated(columns):
    rain, demand = (
        np.repeat(columns[name].values[1:, None].astype(float) / 1000.0, 3, axis=1)
        for name in ("pr", "pet")
    )
    _, soil = conserved(columns)
    done = simulate(
        soil,
        thickness=SIZE,
        rain=rain,
        plant_demand=demand,
        roots=columns["root_fraction"].values[:, None].astype(float),
        initial=columns["psi"].values[:, 0].T.astype(float),
        limits=(0.0, -0.1, -5.0, -160.0),
        face="geometric",
        max_ponding=10.0,
    )
    assert not done.failed.any()
    return done


def test_states_agree_within_bounds(columns, simulated):
    """The uptake of its roots is not on file, and eight years of it add up: hence the bounds."""
    theta, _ = conserved(columns)
    error = simulated.theta - theta[1:]
    assert (np.sqrt((error**2).mean(axis=(0, 1))) < 0.065).all()
    assert (np.abs(error.mean(axis=(0, 1))) < 0.04).all()
    for k in range(3):
        half_metre = simulated.theta[:, :5, k].sum(axis=1), theta[1:, :5, k].sum(axis=1)
        assert np.corrcoef(*half_metre)[0, 1] > 0.9


def test_budgets_agree_within_bounds(columns, simulated):
    evaporated = 1000.0 * simulated.uptake.sum(axis=(0, 1))
    expected = columns["et"].values[:, 1:].sum(axis=1)
    np.testing.assert_allclose(evaporated, expected, rtol=0.03)
    years = columns.sizes["time"] / 365.25
    drained = 1000.0 * simulated.flux[:, -1].sum(axis=0) / years
    drainage = columns["drainage"].values[:, 1:].sum(axis=1) / years
    np.testing.assert_allclose(drained, drainage, atol=25.0)  # mm a year, of 830 of rain
    assert (simulated.runoff == 0).all()


def test_residual_is_small_on_quiet_days_and_unsaturated_layers_only(columns):
    theta, soil = conserved(columns)
    share = columns["root_fraction"].values[:, None] * np.clip(theta / soil.theta_s - 0.2, 0, 0.3)
    share /= np.maximum(share.sum(axis=1, keepdims=True), 1e-9)
    sink = share * columns["et"].values.T[:, None].astype(float) / 100.0  # mm in layers of 0.1 m
    residual, _ = richards_residual(theta, soil, sink=sink, **GRID)
    arithmetic, _ = richards_residual(theta, soil, sink=sink, face="arithmetic", **GRID)
    error, change = np.abs(residual[1:, INNER]), np.abs(np.diff(theta, axis=0)[:, INNER])
    wetness = np.maximum(theta[1:], theta[:-1]) / soil.theta_s
    full = np.maximum.reduce([wetness[:, 0:4], wetness[:, 1:5], wetness[:, 2:6]]) > UNSATURATED
    assert (full.mean(axis=(0, 1)) < 0.06).all()
    assert (error.sum(axis=(0, 1), where=full) > 0.1 * error.sum(axis=(0, 1))).all()
    rain = columns["pr"].values
    quiet = ((rain[1:] <= 0.5) & (rain[:-1] <= 0.5))[:, None, None]
    calm, wet = (
        error.sum(axis=(0, 1), where=mask & ~full) / change.sum(axis=(0, 1), where=mask & ~full)
        for mask in (quiet, ~quiet)
    )
    assert (calm < 0.4).all()
    assert (calm < 0.7 * wet).all()
    assert (np.abs(arithmetic[1:, INNER]).mean(axis=(0, 1)) > 5 * error.mean(axis=(0, 1))).all()
