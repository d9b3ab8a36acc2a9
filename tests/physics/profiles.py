"""Soils, layers and random profiles and the residual array by array, which tests share."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from tests.physics.analytic import EXPONENTIAL
from xsm.physics import retention
from xsm.physics.retention import Hydraulics, clapp_hornberger

__all__ = ["ERA5_LAND", "LOAM", "SOILS", "each", "grid", "middles", "plain", "world"]

LOAM = Hydraulics(0.078, 0.43, 3.6, 1.56, 0.2496)  # Carsel and Parrish (1988)
SAND = Hydraulics(0.045, 0.43, 14.5, 2.68, 7.128)
CLAY = Hydraulics(0.068, 0.38, 0.8, 1.09, 0.048, entry=0.02)
HORNBERGER = clapp_hornberger(0.451, 0.478, 5.39, 0.6)
SOILS = [LOAM, SAND, CLAY, HORNBERGER, EXPONENTIAL]
NUMBERS = [field.name for field in fields(Hydraulics) if field.name != "model"]
ERA5_LAND = np.array([0.07, 0.21, 0.72, 1.89])


def middles(thickness):
    thickness = np.asarray(thickness, float)
    return np.cumsum(thickness) - thickness / 2


def grid(thickness):
    return {"centres": middles(thickness), "thickness": np.asarray(thickness, float)}


def each(soil, change):
    """Return a soil with all parameters changed."""
    return replace(soil, **{name: change(getattr(soil, name)) for name in NUMBERS})


def world(steps=6, layers=4, cells=5, seed=0, dtype=np.float64):
    """Return random profiles, soils that differ everywhere, and known fluxes, some missing."""
    rng = np.random.default_rng(seed)
    shape = (layers, cells)
    soil = Hydraulics(
        rng.uniform(0.03, 0.1, shape),
        rng.uniform(0.35, 0.5, shape),
        rng.uniform(0.5, 10.0, shape),
        rng.uniform(1.2, 2.5, shape),
        rng.uniform(0.01, 1.0, shape),
        entry=rng.choice([0.0, 0.02], shape),
    )
    theta = rng.uniform(soil.theta_r + 0.02, soil.theta_s, (steps, *shape)).astype(dtype)
    fluxes = rng.normal(size=(steps, layers + 1, cells))
    fluxes[:, 1] = np.nan
    known = {"fluxes": fluxes, "sink": rng.uniform(size=(steps, layers, cells))}
    return theta, soil, known


def plain(theta, soil, centres, thickness, step_days=1.0, face="geometric", fluxes=None, sink=0.0):
    """Return residual and fluxes by the equation, array by array."""
    h = retention.pressure_head(theta, soil)
    k = retention.conductivity_of_water(theta, soil)
    drive = 1 - (h[:, 1:] - h[:, :-1]) / np.diff(centres)[:, None]
    above, below = k[:, :-1], k[:, 1:]
    mean = {
        "geometric": np.exp((np.log(above) + np.log(below)) / 2),
        "arithmetic": (above + below) / 2,
        "upstream": np.where(drive > 0, above, below),
    }[face]
    now = np.full((theta.shape[0], theta.shape[1] + 1, theta.shape[2]), np.nan)
    now[:, 1:-1] = mean * drive
    flux = np.full_like(now, np.nan)
    flux[1:] = (now[1:] + now[:-1]) / 2
    if fluxes is not None:
        flux = np.where(np.isnan(fluxes), flux, fluxes)
    rate = np.full_like(theta, np.nan)
    rate[1:] = np.diff(theta, axis=0) / step_days
    return rate + np.diff(flux, axis=1) / thickness[:, None] + sink, flux
