"""Small data that the verbs are tried on, and models that were fitted to them once a process."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

import xsm
from tests.conftest import SMALL_PROFILE
from xsm.api.blend import Blend
from xsm.estimators import Estimator, Training
from xsm.typing import FloatArray

__all__ = ["Line", "ahead", "blended", "fitted", "fitted_sequence", "prediction", "world"]

QUICK: dict[str, Any] = {"epochs": 1, "iterations": 2, "hidden_size": 4, "progress": False}
INPUTS: dict[str, Any] = {
    "dynamic": ["precipitation", "air_temperature", "shortwave_down"],
    "static": ["elevation"],
}


class Line(Estimator):
    """A regression by least squares: no draws, so that the order of cells moves rounding only."""

    def __init__(self, sizes: Any) -> None:
        super().__init__(sizes)

    def fit_arrays(
        self, inputs: FloatArray, target: FloatArray, training: Training
    ) -> dict[str, FloatArray]:
        ones = np.column_stack([inputs, np.ones(len(inputs))]).astype(np.float64)
        square = ones.T @ ones + 1e-3 * np.eye(ones.shape[1])
        return {"slope": np.linalg.solve(square, ones.T @ target.astype(np.float64))}

    def predict_arrays(self, inputs: FloatArray) -> FloatArray:
        slope = self.arrays["slope"]
        return np.asarray(inputs @ slope[:-1] + slope[-1], np.float32)


@cache
def _land() -> xr.Dataset:
    """Return 430 days of a land surface on 4 x 3 cells across Greenwich, one at sea."""
    ds = xsm.open_tutorial("land").isel(
        latitude=slice(4, 8), longitude=slice(18, 21), time=slice(0, 430)
    )
    kept = "t2m tp e sro sd ssrd swvl1 swvl2 swvl3 swvl4 sand silt clay bulk_density elevation"
    ds = ds[kept.split()].assign_coords(
        longitude=("longitude", [-0.25, 0.0, 0.25], ds["longitude"].attrs)
    )
    sea = (ds["latitude"] == ds["latitude"][0]) & (ds["longitude"] == 0.25)
    return ds.where(~sea).transpose("time", "latitude", "longitude").load()


@cache
def _profile() -> xr.Dataset:
    """Return 40 days of a soil profile on 3 x 2 cells, the tutorial's but smaller."""
    ds = SMALL_PROFILE(years=1, shape=(4, 6), seed=2).isel(
        latitude=slice(0, 3), longitude=slice(1, 3), time=slice(0, 40)
    )
    kept = "t2m tp e sro sd theta theta_r theta_s vg_alpha vg_n k_sat sand silt clay bulk_density"
    ds = ds[[*kept.split(), "depth_bnds"]].set_coords("depth_bnds")
    demand = (0 * ds["tp"] + 2.0).drop_attrs().assign_attrs(units="mm day-1")
    return ds.drop_vars("depth_interface", errors="ignore").assign(pev=demand).load()


@cache
def _hours() -> xr.Dataset:
    """Return six days of 3-hourly forcing of 3 x 2 cells, labelled at the end of the steps."""
    random = np.random.default_rng(0)
    time = pd.date_range("2020-02-27 03:00", periods=48, freq="3h")
    shape = (48, 3, 2)
    dims = ("time", "latitude", "longitude")
    rain = {"units": "m", "cell_methods": "time: sum", "accumulation": "step"}
    arrays = {
        "tp": (random.gamma(0.5, 1e-3, shape), rain),
        "t2m": (280 + random.normal(size=shape), {"units": "K", "cell_methods": "time: point"}),
        "swvl1": (random.uniform(0.1, 0.4, shape), {"units": "m3 m-3"}),
    }
    return xr.Dataset(
        {name: (dims, values, attrs) for name, (values, attrs) in arrays.items()},
        {"time": time, **_places(3, 2)},
    )


def _places(rows: int, columns: int, step: float = 0.25) -> dict[str, Any]:
    """Return latitudes from north to south and longitudes across Greenwich."""
    lat = 45 - step * (np.arange(rows) + 0.5)
    lon = step * (np.arange(columns) - columns // 2 + 0.5)
    degrees = {"latitude": "degrees_north", "longitude": "degrees_east"}
    return {
        name: (name, values, {"units": degrees[name], "standard_name": name})
        for name, values in (("latitude", lat), ("longitude", lon))
    }


@cache
def _steps() -> xr.Dataset:
    """Return runs from 00 UTC and their steps, as cfgrib opens them."""
    random = np.random.default_rng(1)
    dims = ("time", "step", "latitude", "longitude")
    values = 280 + random.normal(size=(5, 4, 3, 2))
    time = pd.date_range("2020-02-27", periods=5)
    step = np.array([6, 12, 18, 24], "m8[h]").astype("m8[ns]")
    coords = {"time": time, "step": step, **_places(3, 2)}
    return xr.Dataset({"t2m": (dims, values, {"units": "K"})}, coords)


@cache
def _stores() -> xr.Dataset:
    """Return six years of monthly storages, rain and soil moisture on 4 x 6 cells of one degree."""
    random = np.random.default_rng(2)
    shape, dims = (72, 4, 6), ("time", "latitude", "longitude")
    season = np.sin(2 * np.pi * np.arange(72) / 12)[:, None, None]
    arrays = {
        "lwe_thickness": (90 * season + random.normal(size=shape), "mm"),
        "soil": (300 + 40 * season + random.normal(size=shape), "mm"),
        "swe": (10 + 5 * season + random.uniform(0, 1, shape), "mm"),
        "gws": (20 * season + random.normal(size=shape), "mm"),
        "pr": (random.gamma(2.0, 1.5, shape), "mm day-1"),
    }
    roles = {
        "lwe_thickness": "lwe_thickness_of_terrestrial_water_storage_anomaly",
        "swe": "lwe_thickness_of_surface_snow_amount",
    }
    data = {
        name: (dims, values, {"units": units, "standard_name": roles.get(name, "")})
        for name, (values, units) in arrays.items()
    }
    for _, _, attrs in data.values():
        if not attrs["standard_name"]:
            del attrs["standard_name"]
    time = pd.date_range("2004-01-01", periods=72, freq="MS")
    return xr.Dataset(data, {"time": time, **_places(4, 6, 1.0)})


_WORLDS = {
    "land": _land,
    "profile": _profile,
    "hours": _hours,
    "steps": _steps,
    "stores": _stores,
}


def world(name: str) -> xr.Dataset:
    """Return a deep copy of a world; ``"prediction"`` is one of the land by the network."""
    if name in {"prediction", "mixture"}:
        return prediction("gaussian" if name == "prediction" else "mixture").copy(deep=True)
    return _WORLDS[name]().copy(deep=True)


def ahead() -> xr.Dataset:
    """Return the prediction of the land as forecasts of its lead, a start a day."""
    guess = prediction("gaussian").copy(deep=True)
    lead = guess["lead"]
    starts = guess.rename(time="init").assign_coords(init=(guess["time"] - lead).values)
    return starts.drop_vars("lead").expand_dims(lead=[lead.values])


@cache
def fitted(kind: str = "gaussian") -> xsm.FittedModel:
    """Return a model of the land: a network with a spread, trees, a line, a mixture, a field."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "gaussian":
            longer = {"iterations": 80, "learning_rate": 1e-2}
            options = {"head": "gaussian", "lead": 2, "scaling": "global", **INPUTS, **QUICK}
            return xsm.fit(_land(), "lstm", **(options | longer))
        if kind == "cell":
            return xsm.fit(_land(), "lstm", scaling="cell", **INPUTS, **QUICK)
        if kind == "trees":
            own = {"n_estimators": 5, "progress": False, "scaling": "global"}
            return xsm.fit(_land(), "xgboost", **own, **INPUTS)
        if kind == "line":
            return xsm.fit(_land(), Line, scaling="global", progress=False, **INPUTS)
        if kind == "mixture":
            return xsm.fit(_land(), "ismoe", lead=0, channels=4, **QUICK)
        if kind == "field":
            small = {"hidden": 4, "widths": (4, 8), "iterations": 2, "batch_size": 2}
            small |= {"epochs": 1, "progress": False}
            own, rain = _stores()[["gws"]], _stores()["pr"]
            return xsm.fit(own, "convlstm_unet", factor=2, target="gws", covariates=rain, **small)
    return fitted_sequence()


@cache
def fitted_sequence() -> xsm.FittedModel:
    """Return a network that carries a state."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return xsm.fit(_land(), "lstm", sequence=60, warmup=10, **INPUTS, **QUICK)


@cache
def blended() -> Blend:
    """Return a network of windows and one that carries a state as one model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return xsm.blend([fitted(), fitted_sequence()], _land())


@cache
def prediction(kind: str = "gaussian") -> xr.Dataset:
    """Return what a model says of the land, in memory."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fitted(kind).predict(_land()).load()
