"""Files of products as their users have them, made of a truth; each with its public description."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from tests.door.truth import LAT, LON, Truth

__all__ = ["FILES", "MONTHLY"]

Columns = dict[str, tuple[Any, dict[str, Any]]]
SECONDS = 86400.0
_RATE = {"units": "kg m-2 s-1"}
_MASS = {"units": "kg m-2"}


def on_grid(
    made: Truth,
    columns: Columns,
    label: str,
    *,
    lat: str = "lat",
    lon: str = "lon",
    time: str = "time",
) -> xr.Dataset:
    """Return columns (interval, lat, lon) with coordinates."""
    where = {
        lat: (lat, LAT, {"units": "degrees_north", "standard_name": "latitude"}),
        lon: (lon, LON, {"units": "degrees_east", "standard_name": "longitude"}),
    }
    data = {n: ((time, lat, lon), np.asarray(v, "f4"), dict(a)) for n, (v, a) in columns.items()}
    return xr.Dataset(data, {time: made.labels(label), **where})


def at_place(made: Truth, columns: Columns, label: str, time: str = "time") -> xr.Dataset:
    """Return columns of one place, the first cell, along time alone."""
    data = {n: (time, np.asarray(v[:, 0, 0], "f4"), dict(a)) for n, (v, a) in columns.items()}
    return xr.Dataset(data, {time: made.labels(label)})


def era5_land_hourly(hourly: Truth) -> xr.Dataset:
    """Sums since 00 UTC, the total of a day at 00 UTC of the next (ERA5-Land documentation)."""
    v, days = hourly.values, len(hourly.starts) // 24
    since = lambda a: a.reshape(days, 24, *a.shape[1:]).cumsum(axis=1).reshape(a.shape)  # noqa: E731
    accum = {"standard_name": "unknown", "GRIB_stepType": "accum"}
    instant = {"standard_name": "unknown", "GRIB_stepType": "instant"}
    columns: Columns = {
        "tp": (since(v["precipitation"]) / 24e3, {"units": "m", **accum}),
        "e": (-since(v["evaporation"]) / 24e3, {"units": "m of water equivalent", **accum}),
        "sro": (since(v["surface_runoff"]) / 24e3, {"units": "m", **accum}),
        "ssrd": (since(v["shortwave_down"]) * 3600, {"units": "J m**-2", **accum}),
        "sd": (v["snow_water_equivalent"] / 1e3, {"units": "m of water equivalent", **instant}),
        "swvl1": (v["soil_moisture"], {"units": "m**3 m**-3", **instant}),
        "t2m": (v["air_temperature"], {"units": "K", **instant}),
    }
    return on_grid(hourly, columns, "end", lat="latitude", lon="longitude", time="valid_time")


def era5_land_daily(hourly: Truth) -> xr.Dataset:
    """Daily totals labelled by the start of the day, as most tools for download make them."""
    made = hourly.over(24)
    v = made.values
    columns: Columns = {
        "tp": (v["precipitation"] / 1e3, {"units": "m"}),
        "e": (-v["evaporation"] / 1e3, {"units": "m"}),
        "sro": (v["surface_runoff"] / 1e3, {"units": "m"}),
        "ssrd": (v["shortwave_down"] * SECONDS, {"units": "J m**-2"}),
        "sd": (v["snow_water_equivalent"] / 1e3, {"units": "m of water equivalent"}),
        "swvl1": (v["soil_moisture"], {"units": "m**3 m**-3"}),
        "t2m": (v["air_temperature"], {"units": "K"}),
    }
    return on_grid(made, columns, "start")


def era5_land_grib(hourly: Truth) -> xr.Dataset:
    """Base time x step, as cfgrib opens ERA5-Land (JuliaGeo/GRIBDatasets.jl#47)."""
    flat = era5_land_hourly(hourly)
    days = len(hourly.starts) // 24
    data = {}
    for name, array in flat.data_vars.items():
        values = array.values.reshape(days, 24, *array.shape[1:])
        data[name] = (("time", "step", "latitude", "longitude"), values, array.attrs)
    steps = np.arange(1, 25) * np.timedelta64(3_600_000_000_000, "ns")
    coords = {
        "time": ("time", hourly.starts[::24], {"standard_name": "forecast_reference_time"}),
        "step": ("step", steps, {"standard_name": "forecast_period"}),
        "latitude": flat["latitude"],
        "longitude": flat["longitude"],
        "number": 0,
    }
    return xr.Dataset(data, coords)


def era5_land_monthly(hourly: Truth) -> xr.Dataset:
    """Means of daily amounts, labelled by the first of the month (ECMWF, x/DI4fDw)."""
    made = hourly.months()
    v = made.values
    means, states = {"GRIB_stepType": "avgad"}, {"GRIB_stepType": "avgua"}
    columns: Columns = {
        "tp": (v["precipitation"] / 1e3, {"units": "m", **means}),
        "e": (-v["evaporation"] / 1e3, {"units": "m of water equivalent", **means}),
        "sro": (v["surface_runoff"] / 1e3, {"units": "m", **means}),
        "ssrd": (v["shortwave_down"] * SECONDS, {"units": "J m**-2", **means}),
        "sd": (v["snow_water_equivalent"] / 1e3, {"units": "m of water equivalent", **states}),
        "swvl1": (v["soil_moisture"], {"units": "m**3 m**-3", **states}),
        "t2m": (v["air_temperature"], {"units": "K", **states}),
    }
    return on_grid(made, columns, "start", lat="latitude", lon="longitude", time="valid_time")


def arco_era5(hourly: Truth) -> xr.Dataset:
    """Hourly amounts labelled by the end of the hour, long names (google-research/arco-era5)."""
    v = hourly.values
    columns: Columns = {
        "total_precipitation": (v["precipitation"] / 24e3, {"units": "m"}),
        "evaporation": (-v["evaporation"] / 24e3, {"units": "m of water equivalent"}),
        "surface_runoff": (v["surface_runoff"] / 24e3, {"units": "m"}),
        "surface_solar_radiation_downwards": (v["shortwave_down"] * 3600, {"units": "J m**-2"}),
        "snow_depth": (v["snow_water_equivalent"] / 1e3, {"units": "m of water equivalent"}),
        "volumetric_soil_water_layer_1": (v["soil_moisture"], {"units": "m**3 m**-3"}),
        "2m_temperature": (v["air_temperature"], {"units": "K"}),
    }
    return on_grid(hourly, columns, "end", lat="latitude", lon="longitude")


def earth_engine(hourly: Truth) -> xr.Dataset:
    """ECMWF/ERA5_LAND/DAILY_AGGR through xee: no units, longitude first (google/Xee#274)."""
    made = hourly.over(24)
    v = made.values
    grid = {"crs": "EPSG:4326"}
    columns: Columns = {
        "total_precipitation_sum": (v["precipitation"] / 1e3, grid),
        "total_evaporation_sum": (-v["evaporation"] / 1e3, grid),
        "surface_runoff_sum": (v["surface_runoff"] / 1e3, grid),
        "surface_solar_radiation_downwards_sum": (v["shortwave_down"] * SECONDS, grid),
        "snow_depth_water_equivalent": (v["snow_water_equivalent"] / 1e3, grid),
        "volumetric_soil_water_layer_1": (v["soil_moisture"], grid),
        "temperature_2m": (v["air_temperature"], grid),
    }
    return on_grid(made, columns, "start").transpose("time", "lon", "lat")


def _gldas(made: Truth, hours: float) -> Columns:
    """Return what both files of GLDAS-2.1 Noah hold; amounts are of 3 hours in both."""
    v = made.values
    return {
        "Rainf_f_tavg": (v["precipitation"] / SECONDS, _RATE),
        "Evap_tavg": (v["evaporation"] / SECONDS, _RATE),
        "Qs_acc": (v["surface_runoff"] * hours / 24, {**_MASS, "cell_methods": "time: sum"}),
        "SWdown_f_tavg": (v["shortwave_down"], {"units": "W m-2"}),
        "SWE_inst": (v["snow_water_equivalent"], _MASS),
        "SoilMoi0_10cm_inst": (v["soil_moisture"] * 100, _MASS),
        "Tair_f_inst": (v["air_temperature"], {"units": "K"}),
    }


def gldas_3_hourly(hourly: Truth) -> xr.Dataset:
    """Of the past 3 hours, labelled by their end (README of GLDAS-2; Earth Engine catalog)."""
    made = hourly.over(3)
    return on_grid(made, _gldas(made, 3.0), "end")


def gldas_monthly(hourly: Truth) -> xr.Dataset:
    """Amounts are means of 3-hourly amounts (README of GLDAS-2, on accumulation variables)."""
    made = hourly.months()
    title = "GLDAS2.1 LIS land surface model output monthly mean"
    return on_grid(made, _gldas(made, 3.0), "start").assign_attrs(title=title)


def nldas(hourly: Truth) -> xr.Dataset:
    """Hourly forcing and Noah output of the past hour (README of NLDAS-2)."""
    v = hourly.values
    columns: Columns = {
        "Rainf": (v["precipitation"] / 24, _MASS),
        "Evap": (v["evaporation"] / 24, _MASS),
        "Qs": (v["surface_runoff"] / 24, _MASS),
        "SWdown": (v["shortwave_down"], {"units": "W m-2"}),
        "SWE": (v["snow_water_equivalent"], _MASS),
        "SoilM_0_10cm": (v["soil_moisture"] * 100, _MASS),
        "Tair": (v["air_temperature"], {"units": "K"}),
    }
    return on_grid(hourly, columns, "end")


def merra2(hourly: Truth) -> xr.Dataset:
    """Hourly means stamped at half past (GMAO Office Note 9, tavg1_2d_lnd_Nx)."""
    v = hourly.values
    columns: Columns = {
        "PRECTOTLAND": (v["precipitation"] / SECONDS, _RATE),
        "EVLAND": (v["evaporation"] / SECONDS, _RATE),
        "RUNOFF": (v["surface_runoff"] / SECONDS, _RATE),
        "SWGDN": (v["shortwave_down"], {"units": "W m-2"}),
        "SNOMAS": (v["snow_water_equivalent"], _MASS),
        "SFMC": (v["soil_moisture"], {"units": "m-3 m-3"}),
        "TLML": (v["air_temperature"], {"units": "K"}),
    }
    return on_grid(hourly, columns, "middle")


def smap_l4(hourly: Truth) -> xr.Dataset:
    """Three-hourly means stamped at 01:30, 04:30, ... (NSIDC, SPL4SMGP user guide)."""
    made = hourly.over(3)
    v = made.values
    columns: Columns = {
        "precipitation_total_surface_flux": (v["precipitation"] / SECONDS, _RATE),
        "land_evapotranspiration_flux": (v["evaporation"] / SECONDS, _RATE),
        "overland_runoff_flux": (v["surface_runoff"] / SECONDS, _RATE),
        "radiation_shortwave_downward_flux": (v["shortwave_down"], {"units": "W m-2"}),
        "snow_mass": (v["snow_water_equivalent"], _MASS),
        "sm_surface": (v["soil_moisture"], {"units": "m3 m-3"}),
        "temp_lowatmmodlay": (v["air_temperature"], {"units": "K"}),
    }
    return on_grid(made, columns, "middle", lat="y", lon="x")


def smap_l3(hourly: Truth) -> xr.Dataset:
    """Daily soil moisture of the descending pass, with its flag (NSIDC, SPL3SMP_E user guide)."""
    made = hourly.over(24)
    sm = made.values["soil_moisture"]
    columns: Columns = {
        "soil_moisture_am": (sm, {"units": "cm**3/cm**3"}),
        "retrieval_qual_flag": (0 * sm, {}),
    }
    return on_grid(made, columns, "start")


def esa_cci(hourly: Truth) -> xr.Dataset:
    """COMBINED, daily (ESA CCI SM product user guide v08.1)."""
    made = hourly.over(24)
    sm = made.values["soil_moisture"]
    columns: Columns = {
        "sm": (sm, {"units": "m3 m-3", "long_name": "Volumetric Soil Moisture"}),
        "sm_uncertainty": (0 * sm + 0.02, {"units": "m3 m-3"}),
        "flag": (0 * sm, {}),
    }
    title = "ESA CCI Surface Soil Moisture COMBINED Product"
    return on_grid(made, columns, "start").assign_attrs(title=title)


def _cmip6(made: Truth) -> Columns:
    """Return rates and layers of CMIP6 (tables day, Eday, Lmon of the data request)."""
    v = made.values
    said = lambda name, units: {"standard_name": name, "units": units}  # noqa: E731
    return {
        "pr": (v["precipitation"] / SECONDS, said("precipitation_flux", "kg m-2 s-1")),
        "evspsbl": (
            v["evaporation"] / SECONDS,
            said("water_evapotranspiration_flux", "kg m-2 s-1"),
        ),
        "mrros": (v["surface_runoff"] / SECONDS, said("surface_runoff_flux", "kg m-2 s-1")),
        "rsds": (
            v["shortwave_down"],
            said("surface_downwelling_shortwave_flux_in_air", "W m-2"),
        ),
        "snw": (v["snow_water_equivalent"], said("surface_snow_amount", "kg m-2")),
        "mrsos": (
            v["soil_moisture"] * 100,
            said("mass_content_of_water_in_soil_layer", "kg m-2"),
        ),
        "tas": (v["air_temperature"], said("air_temperature", "K")),
    }


def cmip6_daily(hourly: Truth) -> xr.Dataset:
    """Daily means stamped at noon, with bounds."""
    made = hourly.over(24)
    return _bounded(on_grid(made, _cmip6(made), "middle"), made)


def cmip6_monthly(hourly: Truth) -> xr.Dataset:
    """Monthly means stamped at the middle of the month, with bounds."""
    made = hourly.months()
    return _bounded(on_grid(made, _cmip6(made), "middle"), made)


def _bounded(ds: xr.Dataset, made: Truth) -> xr.Dataset:
    """Add bounds of time."""
    ds["time"].attrs["bounds"] = "time_bnds"
    return ds.assign(time_bnds=(("time", "bnds"), np.stack([made.starts, made.ends], axis=1)))


def caravan(hourly: Truth) -> xr.Dataset:
    """A basin, daily, units in a global attribute alone (Kratzert et al. 2023, Sci. Data 10:61)."""
    made = hourly.over(24)
    v = made.values
    columns: Columns = {
        "total_precipitation_sum": (v["precipitation"], {}),
        "streamflow": (v["surface_runoff"], {}),
        "snow_depth_water_equivalent_mean": (v["snow_water_equivalent"], {}),
        "volumetric_soil_water_layer_1_mean": (v["soil_moisture"], {}),
        "temperature_2m_mean": (v["air_temperature"] - 273.15, {}),
    }
    return at_place(made, columns, "start", time="date")


def _fluxnet(made: Truth, hours: float) -> Columns:
    """Return columns of FLUXNET2015 (Pastorello et al. 2020); 2.45 MJ evaporate a kg (FAO 56)."""
    v = made.values
    return {
        "P_F": (v["precipitation"] * hours / 24, {}),
        "LE_F_MDS": (v["evaporation"] * 2.45e6 / SECONDS, {}),
        "SW_IN_F": (v["shortwave_down"], {}),
        "SWC_F_MDS_1": (v["soil_moisture"] * 100, {}),
        "SWC_F_MDS_1_QC": (0 * v["soil_moisture"] + 1, {}),
        "TA_F": (v["air_temperature"] - 273.15, {}),
    }


def fluxnet_daily(hourly: Truth) -> xr.Dataset:
    """Daily file; P_F is the sum of the day."""
    made = hourly.over(24)
    return at_place(made, _fluxnet(made, 24.0), "start", time="TIMESTAMP")


def ismn(hourly: Truth) -> xr.Dataset:
    """A sensor of a station, hourly, no units (TUW-GEO/ismn, to_xarray)."""
    sm = hourly.values["soil_moisture"][:, 0, 0]
    data = {
        "soil_moisture": (("sensor", "date_time"), sm[None].astype("f4")),
        "soil_moisture_flag": (("sensor", "date_time"), np.full((1, sm.size), "G", object)),
        "soil_moisture_orig_flag": (("sensor", "date_time"), np.full((1, sm.size), "M", object)),
        "depth_from": ("sensor", [0.05], {"units": "m"}),
        "depth_to": ("sensor", [0.05], {"units": "m"}),
        "station": ("sensor", np.array(["A"], object)),
        "latitude": ("sensor", [LAT[0]]),
        "longitude": ("sensor", [LON[0]]),
    }
    return xr.Dataset(data, {"date_time": hourly.labels("end")})


def gleam(hourly: Truth) -> xr.Dataset:
    """Daily evaporation and its parts, soil moisture of 0-10 cm (Miralles et al. 2025)."""
    made = hourly.over(24)
    v = made.values
    mm = {"units": "mm.day-1"}
    columns: Columns = {
        "E": (v["evaporation"], mm),
        "Eb": (v["evaporation"] / 4, mm),
        "Ei": (v["evaporation"] / 8, mm),
        "SMs": (v["soil_moisture"], {"units": "m3.m-3"}),
    }
    return on_grid(made, columns, "start")


def landbench(hourly: Truth) -> xr.Dataset:
    """Daily, short names of its own for radiation (Li et al. 2024, GMD 17:6067)."""
    made = hourly.over(24)
    v = made.values
    columns: Columns = {
        "precipitation": (v["precipitation"], {"units": "mm day-1"}),
        "surface_solar_radiation_downwards_w_m2": (v["shortwave_down"], {"units": "W m-2"}),
        "surface_thermal_radiation_downwards_w_m2": (v["shortwave_down"], {"units": "W m-2"}),
        "volumetric_soil_water_layer_1": (v["soil_moisture"], {"units": "m3 m-3"}),
        "2m_temperature": (v["air_temperature"], {"units": "K"}),
    }
    return on_grid(made, columns, "start")


FILES: dict[str, tuple[str, str, Callable[[Truth], xr.Dataset]]] = {
    "ERA5-Land hourly": ("era5_land", "hourly", era5_land_hourly),
    "ERA5-Land daily": ("era5_land", "daily", era5_land_daily),
    "ERA5-Land GRIB": ("era5_land", "GRIB, time x step", era5_land_grib),
    "ARCO-ERA5": ("era5", "hourly", arco_era5),
    "Earth Engine": ("earth_engine", "daily aggregates, through xee", earth_engine),
    "GLDAS 3-hourly": ("gldas", "3-hourly", gldas_3_hourly),
    "NLDAS-2": ("nldas", "hourly", nldas),
    "MERRA-2": ("merra2", "hourly", merra2),
    "SMAP L4": ("smap_l4", "3-hourly", smap_l4),
    "SMAP L3": ("smap_l3", "daily", smap_l3),
    "ESA CCI": ("esa_cci", "daily, COMBINED and PASSIVE", esa_cci),
    "CMIP6 daily": ("cmip6", "daily", cmip6_daily),
    "Caravan": ("caravan", "daily, one file a basin", caravan),
    "FLUXNET daily": ("fluxnet", "daily", fluxnet_daily),
    "ISMN": ("ismn", "hourly, sensors", ismn),
    "GLEAM": ("gleam", "daily", gleam),
    "LandBench": ("landbench", "daily", landbench),
}
"""Product, kind of file, and how a file of it is made of a truth by hour."""

MONTHLY: dict[str, tuple[str, str, Callable[[Truth], xr.Dataset]]] = {
    "ERA5-Land monthly": ("era5_land", "monthly means", era5_land_monthly),
    "GLDAS monthly": ("gldas", "monthly", gldas_monthly),
    "CMIP6 monthly": ("cmip6", "monthly", cmip6_monthly),
}
