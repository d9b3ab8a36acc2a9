"""Soil columns for tests, and the Richardson-Richards residual written out in numpy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

LOAM = {"theta_r": 0.078, "theta_s": 0.43, "vg_alpha": 3.6, "vg_n": 1.56, "k_sat": 0.2496}
CLAY_LOAM = {"theta_r": 0.095, "theta_s": 0.41, "vg_alpha": 1.9, "vg_n": 1.31, "k_sat": 0.0624}
UNITS = {
    "theta_r": "m3 m-3",
    "theta_s": "m3 m-3",
    "vg_alpha": "m-1",
    "vg_n": "1",
    "k_sat": "m day-1",
}
EDGES = [0.05, 0.15, 0.25, 0.35, 0.45, 0.55]
SHAPE = (3, 4)
STEPS = 12
DAYS = pd.date_range("2020-05-01", periods=STEPS)
LATITUDE, LONGITUDE = np.array([10.0, 9.0, 8.0]), np.array([-20.0, -19.0, -18.0, -17.0])


def saturation(h, soil):
    """Return van Genuchten's effective saturation at pressure heads h < 0."""
    n = soil["vg_n"]
    return (1 + (soil["vg_alpha"] * np.abs(h)) ** n) ** (1 / n - 1)


def water(h, soil):
    """Return theta(h)."""
    return soil["theta_r"] + (soil["theta_s"] - soil["theta_r"]) * saturation(h, soil)


def conductivity(theta, soil):
    """Return Mualem's K(theta), m day-1."""
    m = 1 - 1 / soil["vg_n"]
    s = (theta - soil["theta_r"]) / (soil["theta_s"] - soil["theta_r"])
    return soil["k_sat"] * np.sqrt(s) * (1 - (1 - s ** (1 / m)) ** m) ** 2


def head(theta, soil):
    """Return h(theta), m."""
    n = soil["vg_n"]
    s = (theta - soil["theta_r"]) / (soil["theta_s"] - soil["theta_r"])
    return -((s ** (n / (1 - n)) - 1) ** (1 / n)) / soil["vg_alpha"]


def residual(theta, soil, edges, *, step_days=1.0, sink=0.0, means=None):
    """Return r (time, layer, ...), day-1, of inner layers; NaN elsewhere."""
    size = np.diff(edges).reshape(-1, *[1] * (theta.ndim - 2))
    middle = (edges[1:] + edges[:-1]) / 2
    middle = middle.reshape(-1, *[1] * (theta.ndim - 2))
    k, h = conductivity(theta, soil), head(theta, soil)
    face = np.sqrt(k[:, 1:] * k[:, :-1])
    if means == "arithmetic":
        face = (k[:, 1:] + k[:, :-1]) / 2
    q = -face * (np.diff(h, axis=1) / np.diff(middle, axis=0) - 1)
    q = (q[1:] + q[:-1]) / 2
    found = np.full(theta.shape, np.nan)
    change = np.diff(theta, axis=0)[:, 1:-1] / step_days
    inner = change + np.diff(q, axis=1) / size[1:-1]
    taken = np.broadcast_to(sink, theta.shape)
    found[1:, 1:-1] = inner + taken[1:, 1:-1]
    return found


def moisture(layers=5, seed=0):
    """Return water contents (time, layer, row, column) that drift, in m3 m-3."""
    rng = np.random.default_rng(seed)
    start = rng.uniform(0.15, 0.35, (1, layers, *SHAPE))
    return start + np.cumsum(rng.normal(0, 0.002, (STEPS, layers, *SHAPE)), axis=0)


def maps():
    """Return parameters that differ from cell to cell, (row, column)."""
    mix = np.random.default_rng(1).random(SHAPE)
    return {name: mix * LOAM[name] + (1 - mix) * CLAY_LOAM[name] for name in LOAM}


def field(values, units):
    """Return a map (row, column) with units."""
    return xr.DataArray(values, dims=("latitude", "longitude"), attrs={"units": units})


def columns(theta=None, edges=EDGES, soil=None, uptake=None) -> xr.Dataset:
    """Return a data set of columns: theta along depth with bounds, parameters, rain."""
    theta = moisture(len(edges) - 1) if theta is None else theta
    soil = maps() if soil is None else soil
    edges = np.asarray(edges)
    coords = {
        "time": DAYS[: theta.shape[0]],
        "latitude": LATITUDE,
        "longitude": LONGITUDE,
        "depth": (
            "depth",
            (edges[1:] + edges[:-1]) / 2,
            {"units": "m", "positive": "down", "bounds": "depth_bnds"},
        ),
        "depth_bnds": (("depth", "bnds"), np.stack([edges[:-1], edges[1:]], axis=1)),
    }
    dims = ("time", "depth", "latitude", "longitude")
    fields = {"theta": (dims, theta, {"units": "m3 m-3"})}
    if uptake is not None:
        fields["root_water_uptake"] = (dims, uptake, {"units": "mm day-1"})
    rain = np.where(np.arange(theta.shape[0]) % 3 == 0, 4.0, 0.0)
    fields["tp"] = ("time", rain, {"units": "mm day-1"})
    ds = xr.Dataset(fields, coords)
    return ds.assign(
        {name: field(np.broadcast_to(v, SHAPE).copy(), UNITS[name]) for name, v in soil.items()}
    )
