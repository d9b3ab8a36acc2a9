"""The same week of water under the names, units and signs of several products."""

from __future__ import annotations

import numpy as np
import xarray as xr

__all__ = ["EDGES", "PRODUCTS", "truth"]

EDGES = np.array([0.0, 0.1, 0.4, 1.0, 2.0])
DAY = 86400.0


def _coords() -> dict[str, object]:
    """Return daily time and two cells."""
    days = np.arange("2020-01-01", "2020-01-08", dtype="M8[D]").astype("M8[ns]")
    return {"time": days, "lat": [50.0, 49.0]}


def truth() -> xr.Dataset:
    """Return canonical values: mm day-1, mm, m3 m-3, K, W m-2."""
    rng = np.random.default_rng(1)
    series = lambda low, high: (("time", "lat"), rng.uniform(low, high, (7, 2)))  # noqa: E731
    fields = {
        "precipitation": series(0, 20),
        "evaporation": series(0.5, 5),
        "surface_runoff": series(0, 3),
        "snow_water_equivalent": series(0, 100),
        "air_temperature": series(260, 300),
        "shortwave_down": series(50, 300),
        "soil_moisture": (("time", "lat", "depth"), rng.uniform(0.1, 0.4, (7, 2, 4))),
    }
    return xr.Dataset(fields, _coords())


def _named(names: dict[str, tuple[xr.DataArray, str]]) -> xr.Dataset:
    return xr.Dataset({name: array.assign_attrs(units=u) for name, (array, u) in names.items()})


def era5_land() -> xr.Dataset:
    t = truth()
    names = {
        "tp": (t["precipitation"] / 1000, "m"),
        "e": (-t["evaporation"] / 1000, "m of water equivalent"),
        "sro": (t["surface_runoff"] / 1000, "m"),
        "sd": (t["snow_water_equivalent"] / 1000, "m of water equivalent"),
        "t2m": (t["air_temperature"], "K"),
        "ssrd": (t["shortwave_down"] * DAY, "J m**-2"),
    }
    ds = _named(names)
    for i in range(4):  # the layers of this test, not those of ERA5-Land
        edges = {"layer_edges_m": EDGES[i : i + 2], "units": "m**3 m**-3"}
        ds[f"swvl{i + 1}"] = t["soil_moisture"].isel(depth=i).assign_attrs(edges)
    for array in ds.data_vars.values():
        array.attrs["standard_name"] = "unknown"
    return ds


def cmip6() -> xr.Dataset:
    t = truth()
    thick = xr.DataArray(np.diff(EDGES), dims="depth")
    names = {
        "pr": (t["precipitation"] / DAY, "kg m-2 s-1"),
        "evspsbl": (t["evaporation"] / DAY, "kg m-2 s-1"),
        "mrros": (t["surface_runoff"] / DAY, "kg m-2 s-1"),
        "snw": (t["snow_water_equivalent"], "kg m-2"),
        "tas": (t["air_temperature"], "K"),
        "rsds": (t["shortwave_down"], "W m-2"),
        "mrsol": (t["soil_moisture"] * thick * 1000, "kg m-2"),
    }
    depth = ("depth", (EDGES[1:] + EDGES[:-1]) / 2, {"units": "m", "bounds": "depth_bnds"})
    bounds = (("depth", "bnds"), np.stack([EDGES[:-1], EDGES[1:]], axis=1))
    return _named(names).assign_coords(depth=depth).assign(depth_bnds=bounds)


def gldas() -> xr.Dataset:
    t = truth()
    names = {
        "Rainf_f_tavg": (t["precipitation"] / DAY, "kg m-2 s-1"),
        "Evap_tavg": (t["evaporation"] / DAY, "kg m-2 s-1"),
        "Qs_acc": (t["surface_runoff"], "kg m-2"),
        "SWE_inst": (t["snow_water_equivalent"], "kg m-2"),
        "Tair_f_inst": (t["air_temperature"], "K"),
        "SWdown_f_tavg": (t["shortwave_down"], "W m-2"),
    }
    for i, layer in enumerate(("0_10", "10_40", "40_100", "100_200")):
        water = t["soil_moisture"].isel(depth=i) * (EDGES[i + 1] - EDGES[i]) * 1000
        names[f"SoilMoi{layer}cm_inst"] = (water, "kg m-2")
    return _named(names)


def mhm() -> xr.Dataset:
    t = truth()
    names = {
        "pr": (t["precipitation"], "mm d-1"),
        "et": (t["evaporation"], "mm d-1"),
        "surface_runoff": (t["surface_runoff"], "mm d-1"),
        "swe": (t["snow_water_equivalent"], "mm"),
        "tas": (t["air_temperature"] - 273.15, "degC"),
        "rsds": (t["shortwave_down"], "W m-2"),
        "theta": (t["soil_moisture"] * 100, "%"),
    }
    tops = ("depth", EDGES[:-1] * 100, {"units": "cm"})
    bottoms = ("depth", EDGES[1:] * 100, {"units": "cm"})
    return _named(names).assign(layer_top=tops, layer_bottom=bottoms)


PRODUCTS = {"era5_land": era5_land, "cmip6": cmip6, "gldas": gldas, "mhm": mhm}
