"""Data sets that benchmarks of carried states and of forecasts train and test on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr


@dataclass(frozen=True)
class Case:
    """A data set, what of it trains and tests, and its inputs where they are not the default."""

    title: str
    file: str
    target: str
    train: slice
    test: slice
    inputs: dict[str, Any] = field(default_factory=dict)
    data: str = ""


_MHM = "mhm_mosel/mhm_mosel_daily_6km.nc"
_SMAP = "conus_smap_nldas/conus_smap_nldas.nc"
_LAND = "conus_land/conus_land.nc"
_WKG = "ameriflux_walnut_gulch/us_wkg_daily.nc"
_SOIL = ["sand", "silt", "clay", "bulk_density", "ndvi_mean", "water_capacity", "north", "east"]
_MAPS = {"static": [*_SOIL, "mean_rain", "mean_temperature"]}
_LAYER = "volumetric_soil_water_layer_{}_mean"
CASES = {
    "mhm": Case(
        "mHM Mosel, 0-10 cm (simulated; train 1990-1991, test 1992)",
        _MHM,
        "soil_moisture",
        slice("1990", "1991"),
        slice("1992", "1992"),
        {
            "dynamic": ["precipitation", "potential_evaporation", "air_temperature"],
            "static": ["elevation", "theta_s", "slope", "frac_forest", "frac_impervious"],
        },
    ),
    "smap": Case(
        "SMAP L3 with NLDAS-2 (observed, gaps; the last quarter tests)",
        _SMAP,
        "sm_surface",
        slice("2015-04-01", "2016-09-28"),
        slice("2016-09-29", "2017-03-31"),
        _MAPS,
    ),
    "smap_years": Case(
        "SMAP L3 with NLDAS-2 (train 2015-04..2016-03, test 2016-04..2017-03)",
        _SMAP,
        "sm_surface",
        slice("2015-04-01", "2016-03-31"),
        slice("2016-04-01", "2017-03-31"),
        _MAPS,
    ),
    "land": Case(
        "conus_land, 0-7 cm (NLDAS-2, simulated soil; the last quarter tests)",
        _LAND,
        "swvl1",
        slice("2015-04-01", "2016-09-28"),
        slice("2016-09-29", "2017-03-31"),
    ),
    "wkg": Case(
        "US-Wkg tower, 5 cm (observed; train 2004-2010, test 2011-2012)",
        _WKG,
        "soil_moisture",
        slice("2004-05-06", "2010-12-31"),
        slice("2011-01-01", "2012-12-31"),
    ),
    "caravan": Case(
        "ERA5-Land means of three basins, four layers (train 1996-2005, run through 1981-2020)",
        "caravan_era5land/caravan_era5land_3basins_daily.nc",
        "soil_moisture",
        slice("1996", "2005"),
        slice("1981-07-01", "2020"),
    ),
}


def load(name: str, folder: str) -> xr.Dataset:
    """Open a data set in memory and state what its file does not."""
    ds = xr.open_dataset(Path(folder) / CASES[name].file).load()
    if name == "mhm":
        ds["theta"].attrs["layer_edges_m"] = [0.0, 0.1, 0.2, 0.3, 0.5]
    if name.startswith("smap"):
        train, like = ds.sel(time=CASES[name].train), ds["sand"]
        ds["north"], ds["east"] = (xr.broadcast(ds[k], like)[0] for k in ("lat", "lon"))
        ds["mean_rain"], ds["mean_temperature"] = (train[k].mean("time") for k in ("pr", "t2m"))
        ds = ds.rename(soil_water_capacity="water_capacity")  # in units that nobody tells
        for key in ("north", "east", "mean_rain", "mean_temperature", "water_capacity"):
            ds[key].attrs = {}
    return ds


def observed(ds: xr.Dataset, name: str) -> dict[str, xr.DataArray]:
    """Return what was observed, by the name under which it is predicted."""
    if name == "mhm":
        return {"theta": ds["theta"].isel(layer4=0)}
    if name == "wkg":
        return {"theta": ds["theta"].isel(depth=0)}
    if name == "caravan":
        return {_LAYER.format(k): ds[_LAYER.format(k)] for k in (1, 2, 3, 4)}
    return {CASES[name].target: ds[CASES[name].target]}
