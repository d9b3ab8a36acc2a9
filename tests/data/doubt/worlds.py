"""Small records with known faults, as their users have them."""

import numpy as np
import xarray as xr


def station(n=900, seed=0) -> xr.Dataset:
    """Return a daily record of a tower as it should be: FLUXNET2015 names and units."""
    rng, t = np.random.default_rng(seed), np.arange(n)
    wave = np.sin(t / 58)
    columns = {
        "P_F": (rng.gamma(0.4, 8, n), "mm day-1"),
        "TA_F": (10 + 8 * wave + rng.normal(size=n), "degC"),
        "PA_F": (98 + 0.5 * rng.normal(size=n), "kPa"),
        "WS_F": (2 + abs(rng.normal(size=n)), "m s-1"),
        "SW_IN_F": (150 + 80 * wave + rng.normal(size=n), "W m-2"),
        "LW_IN_F": (300 + 20 * wave + rng.normal(size=n), "W m-2"),
        "SWC_F_MDS_1": (30 + 8 * wave + 0.3 * rng.normal(size=n), "%"),
    }
    days = xr.date_range("2004-01-01", periods=n)
    return xr.Dataset(
        {name: ("time", x, {"units": u}) for name, (x, u) in columns.items()}, {"time": days}
    )


def broken(ds: xr.Dataset, name: str, value: float, where=slice(50, 70)) -> xr.Dataset:
    """Return a copy in which some steps of a variable hold another value."""
    ds = ds.copy(deep=True)
    ds[name].values[where] = value
    return ds


def typed(ds: xr.Dataset, line: str) -> xr.Dataset:
    """Return what a data set is after a line was typed."""
    held = {"ds": ds.copy(deep=True), "xr": xr}
    exec(line, held)  # what a message proposes
    return held["ds"]


def grid(n=60, shape=(8, 8)) -> xr.Dataset:
    """Return daily maps of rain and soil moisture under ERA5's long names, as of ARCO-ERA5."""
    rng = np.random.default_rng(1)
    size = (n, *shape)
    rain = rng.gamma(0.4, 0.01, size).astype("f4")
    fields = {
        "total_precipitation": (rain, "m"),
        "total_evaporation": (np.float32(-0.002) * (1 + 0.1 * rng.random(size, "f4")), "m"),
        "surface_runoff": (0.1 * rain, "m"),
        "2m_temperature": ((280 + rng.normal(size=size)).astype("f4"), "K"),
        "volumetric_soil_water_layer_1": (
            (0.3 + 0.01 * rng.normal(size=size)).astype("f4"),
            "m3 m-3",
        ),
    }
    dims = ("time", "latitude", "longitude")
    axes = {
        "time": xr.date_range("2001-01-01", periods=n),
        "latitude": 50.0 - np.arange(shape[0]),
        "longitude": 5.0 + np.arange(shape[1]),
    }
    return xr.Dataset({k: (dims, x, {"units": u}) for k, (x, u) in fields.items()}, axes)
