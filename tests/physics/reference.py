"""Eq. 10-13 of Geng et al. (2024) step by step in plain Python: the truth of the tests."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["reference", "world"]


def world(steps=40, cells=7, seed=0, gaps=0.3, missing=0.02, dtype=np.float64):
    """Return random fluxes, storages and observations (time, cell) with NaN."""
    rng = np.random.default_rng(seed)
    shape = (steps, cells)
    arrays = {
        "precipitation": rng.gamma(0.4, 8.0, shape),
        "evaporation": rng.normal(2.0, 1.0, shape),
        "surface_runoff": rng.gamma(0.2, 2.0, shape),
        "snow": np.maximum(rng.normal(2.0, 10.0, shape), 0.0),
        "deep_storage": rng.normal(200.0, 4.0, shape),
    }
    for values in arrays.values():
        values[rng.random(shape) < missing] = np.nan
    arrays["observed"] = rng.uniform(0.05, 0.45, shape)
    arrays["observed"][rng.random(shape) < gaps] = np.nan
    if cells > 2:
        arrays["observed"][:, 1] = np.nan  # a cell at sea
        arrays["observed"][:, 2] = 0.2  # a constant cell without gaps
    return {name: values.astype(dtype) for name, values in arrays.items()}


def reference(arrays, trend="change", threshold=0.0, step_days=1.0, snow_sign=1.0):
    """Return inflow, trend, filtered, previous and the compared change, one cell after another."""
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in arrays.items()}
    shape = next(iter(arrays.values())).shape
    names = ("inflow", "trend", "filtered", "previous", "change")
    found = {name: np.full(shape, np.nan) for name in names}
    for cell in range(shape[1]):
        column = {name: values[:, cell] for name, values in arrays.items()}
        found["inflow"][:, cell] = [
            _inflow(column, t, step_days, snow_sign) for t in range(shape[0])
        ]
        if "observed" in arrays:
            _pairs(found, column["observed"], cell, trend, threshold)
        else:
            _steps(found, cell, trend, threshold)
    return found


def _inflow(column, t, step_days, snow_sign):
    w = 0.0
    w += column["precipitation"][t] if "precipitation" in column else 0.0
    w -= column["evaporation"][t] if "evaporation" in column else 0.0
    w -= column["surface_runoff"][t] if "surface_runoff" in column else 0.0
    if "snow" in column:
        snow = column["snow"]
        w += snow_sign * (snow[t - 1] - snow[t]) / step_days if t else np.nan
    if "deep_storage" in column:
        deep = column["deep_storage"]
        w -= (deep[t] - deep[t - 1]) / step_days if t else np.nan
    return w


def _sign(x, threshold):
    if math.isnan(x):
        return np.nan
    return 0.0 if abs(x) <= threshold else math.copysign(1.0, x)


def _steps(found, cell, trend, threshold):
    inflow = found["inflow"][:, cell]
    for t in range(len(inflow)):
        before = 0.0 if trend == "level" else inflow[t - 1] if t else np.nan
        found["change"][t, cell] = inflow[t] - before
        found["trend"][t, cell] = _sign(inflow[t] - before, threshold)


def _pairs(found, observed, cell, trend, threshold):
    inflow = found["inflow"][:, cell]
    last, pair = None, None  # step of the last observation, mean inflow that belongs to it
    for t in range(len(inflow)):
        if last is not None:
            found["previous"][t, cell] = observed[last]
        if math.isnan(observed[t]):
            continue
        mean = inflow[t] if last is None else sum(inflow[last + 1 : t + 1]) / (t - last)
        if last is not None:
            change = mean - (0.0 if trend == "level" else pair)
            sign = _sign(change, threshold)
            found["change"][t, cell], found["trend"][t, cell] = change, sign
            disagrees = sign * (observed[last] - observed[t]) > 0
            found["filtered"][t, cell] = 0.0 if disagrees else sign
        last, pair = t, mean
