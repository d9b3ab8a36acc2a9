"""Small data with a known truth; no figure outlives its test."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr

UNITS = {"units": "m3 m-3"}


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Close what a test has drawn."""
    yield
    plt.close("all")


@pytest.fixture
def land() -> xr.Dataset:
    """Return a small land of each test's own."""
    return small_land()


def small_land() -> xr.Dataset:
    """Return 60 days of soil moisture on 4 x 5 cells, latitude descending, two cells at sea."""
    rng = np.random.default_rng(0)
    theta = 0.3 + 0.05 * rng.standard_normal((60, 4, 5))
    theta[:, 0, 0] = theta[:, 3, 4] = np.nan
    coords = {
        "time": pd.date_range("2020-01-01", periods=60),
        "latitude": ("latitude", [53.0, 52.0, 51.0, 50.0], {"units": "degrees_north"}),
        "longitude": ("longitude", [5.0, 6.0, 7.0, 8.0, 9.0], {"units": "degrees_east"}),
    }
    soil = xr.DataArray(theta, coords, ("time", "latitude", "longitude"), attrs=UNITS)
    high = xr.DataArray([[0] * 5, [0] * 5, [1] * 5, [1] * 5], dims=("latitude", "longitude"))
    return xr.Dataset({"swvl1": soil, "basin": high})


def off_by(ds: xr.Dataset, error: object, **attrs: object) -> xr.Dataset:
    """Return a prediction that is off by something."""
    guess = (ds["swvl1"] + error).transpose("time", ...).assign_attrs(UNITS)
    return xr.Dataset({"swvl1": guess}, attrs=attrs)


def mixture(ds: xr.Dataset, *names: str) -> xr.Dataset:
    """Return weights of experts, of which the first rules in the north, the last in the south."""
    north = (ds["latitude"] > 51.5).astype(float).expand_dims(longitude=ds.longitude)
    first = 0.1 + 0.6 * north.transpose("latitude", "longitude")
    rest = (1 - first) / (len(names) - 1)
    weight = xr.concat([first, *[rest] * (len(names) - 1)], "expert")
    weight = weight.where(ds["swvl1"].notnull().all("time")).expand_dims(time=ds.time)
    weight = weight.transpose("time", "latitude", "longitude", "expert")
    return weight.assign_coords(expert=list(names)).to_dataset(name="expert_weight")


def forecasts(ds: xr.Dataset) -> xr.Dataset:
    """Return forecasts of three leads from ten starts, off by more each day, with a spread."""
    lead = np.array([1, 2, 3], "m8[D]").astype("m8[ns]")
    soil = ds["swvl1"]
    rows = np.arange(30, 50, 2)
    off = xr.DataArray([0.01, 0.03, 0.09], dims="lead")
    each = [soil.isel(time=rows + k).drop_vars("time").rename(time="init") for k in (1, 2, 3)]
    mean = (xr.concat(each, "lead") + off).assign_coords(lead=lead, init=ds["time"].values[rows])
    mean = mean.transpose("init", "lead", ...).assign_attrs(UNITS)
    return xr.Dataset({"swvl1": mean, "swvl1_std": xr.full_like(mean, 0.04).assign_attrs(UNITS)})
