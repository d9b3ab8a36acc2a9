"""Small canonical features with a known law, for the tests of training and inference."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from xsm.cells.features import Features
from xsm.training.recipe import Recipe

__all__ = ["bucket", "recipe"]


def bucket(steps: int = 200, shape: tuple[int, int] = (3, 4), seed: int = 0) -> Features:
    """Return rain, temperature and a bucket that fills with rain and leaks a tenth a day."""
    rng = np.random.default_rng(seed)
    rain = rng.gamma(0.3, 10.0, (steps, *shape)).astype(np.float32)
    warm = (280 + 10 * rng.standard_normal((steps, *shape))).astype(np.float32)
    soil = np.empty_like(rain)
    level = np.full(shape, 0.2)
    for t in range(steps):
        level = np.minimum(0.9 * level + 0.002 * rain[t], 0.5)
        soil[t] = level
    coords = {
        "time": pd.date_range("2019-01-01", periods=steps),
        "lat": np.arange(shape[0])[::-1] * 1.0,
        "lon": np.arange(shape[1]) * 1.0,
    }
    wrap = lambda a: xr.DataArray(a, dims=("time", "lat", "lon"), coords=coords)  # noqa: E731
    hill = xr.DataArray(
        rng.random(shape), dims=("lat", "lon"), coords={k: coords[k] for k in ("lat", "lon")}
    )
    return Features(
        dynamic={"precipitation": wrap(rain), "air_temperature": wrap(warm)},
        static={"elevation": hill},
        target=wrap(soil).rename("soil_moisture"),
        series={},
        time="time",
        space=("lat", "lon"),
    )


def recipe(features: Features, **changes: object) -> Recipe:
    """Return a recipe for the features, with changes."""
    settings = {"window": 4, "lead": 1, "scaling": "cell"} | changes
    return Recipe("soil_moisture", tuple(features.dynamic), tuple(features.static), **settings)


def bucket_dataset(steps: int = 200, shape: tuple[int, int] = (3, 4), seed: int = 0) -> xr.Dataset:
    """Return the bucket as a user holds it: named, with units."""
    features = bucket(steps, shape, seed)
    ds = xr.Dataset({**features.dynamic, **features.static, "soil_moisture": features.observed})
    units = {"precipitation": "mm day-1", "air_temperature": "K", "elevation": "m"}
    for name, unit in {**units, "soil_moisture": "m3 m-3"}.items():
        ds[name].attrs["units"] = unit
    ds["elevation"] = 100 * ds["elevation"].assign_attrs(units="m")
    return ds.assign(elevation=ds["elevation"].assign_attrs(units="m"))
