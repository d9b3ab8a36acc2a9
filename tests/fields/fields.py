"""A small world whose fine fields follow a rule: a smooth storage, times and plus what maps say."""

import numpy as np
import xarray as xr

SIZE, FACTOR = (6, 8), 2


def months(count: int = 36) -> xr.DataArray:
    times = xr.date_range("2000-01-01", periods=count, freq="MS")
    return xr.DataArray(times, dims="time", coords={"time": times})


def grid(size=SIZE, factor=FACTOR) -> dict[str, np.ndarray]:
    lat = 40 + (np.arange(size[0] * factor) + 0.5) / factor
    lon = 5 + (np.arange(size[1] * factor) + 0.5) / factor
    return {"lat": lat[::-1], "lon": lon}


def truth(count: int = 36, seed: int = 0) -> xr.DataArray:
    """Return the fine storage in mm: slope and offset of each cell are maps of ``static``."""
    random, axes = np.random.default_rng(seed), grid()
    lat, lon = (xr.DataArray(v, dims=d, coords={d: v}) for d, v in axes.items())
    season = np.sin(2 * np.pi * np.arange(count) / 12) + 0.3 * random.normal(size=count)
    series = months(count).copy(data=season)
    smooth = 20 * series * (1 + 0.1 * (lon - 9)) + 5 * np.sin(lat)
    ground = static()["ground"]
    field = smooth * (1 + 0.2 * ground) + 4 * ground
    return field.transpose("time", "lat", "lon").rename("gws").assign_attrs(units="mm")


def static(seed: int = 1) -> xr.Dataset:
    axes = grid()
    shape = tuple(len(v) for v in axes.values())
    ground = np.random.default_rng(seed).normal(size=shape)
    return xr.Dataset({"ground": (("lat", "lon"), ground)}, axes)


def coarse_of(fine: xr.DataArray, factor: int = FACTOR) -> xr.DataArray:
    """Return block means weighted by the cosine of the latitude's exact bands."""
    half = np.deg2rad(abs(float(fine.lat[1] - fine.lat[0])) / 2)
    weight = np.cos(np.deg2rad(fine.lat)) * np.sin(half)
    share = fine.notnull() * weight
    blocks = {"lat": factor, "lon": factor}
    mean = (fine * weight).coarsen(blocks).sum() / share.coarsen(blocks).sum()
    return mean.where(share.coarsen(blocks).sum() > 0).rename(fine.name).assign_attrs(units="mm")


def forcing(count: int = 36, seed: int = 2) -> xr.Dataset:
    """Return coarse rain and soil moisture."""
    random, coarse = np.random.default_rng(seed), coarse_of(truth(count))
    rain = coarse.copy(data=random.gamma(2.0, 1.5, coarse.shape)).assign_attrs(units="mm day-1")
    soil = coarse.copy(data=random.uniform(0.1, 0.4, coarse.shape))
    soil.attrs = {"units": "m3 m-3", "layer_edges_m": [0.0, 0.1]}
    return xr.Dataset({"pr": rain, "soil_moisture": soil})


SMALL = {"hidden": 4, "widths": (4, 8), "iterations": 4, "batch_size": 4, "progress": False}
