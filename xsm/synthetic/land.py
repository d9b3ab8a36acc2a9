"""A synthetic land surface as a data set: ERA5-Land names, units and signs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.exceptions import NotEnoughDataError
from xsm.synthetic.columns import LAYERS, Forcing, Result, simulate
from xsm.synthetic.terrain import Terrain, make_terrain, soil_from_texture
from xsm.synthetic.weather import Weather, make_weather, potential_evaporation

__all__ = ["Ground", "daily_attrs", "land_world", "make_ground", "static_maps"]


Array = NDArray[np.float64]

FIRST_YEAR = 2018
GRID = 0.25  # degrees
SPACING = 24.0  # km, mean distance of neighbouring cells at these latitudes
NORTH, WEST = 44.0, 10.0  # centre of the first cell

# name: long name, standard name, units, how the day is summarised
_DYNAMIC: dict[str, tuple[str, str | None, str, str]] = {
    "t2m": ("2 metre temperature", "air_temperature", "K", "mean"),
    "d2m": ("2 metre dew point temperature", "dew_point_temperature", "K", "mean"),
    "tp": ("total precipitation", "lwe_thickness_of_precipitation_amount", "m", "sum"),
    "e": ("evaporation, negative upward", None, "m", "sum"),
    "sro": ("surface runoff", None, "m", "sum"),
    "ro": ("runoff, surface and subsurface", None, "m", "sum"),
    "sd": ("snow depth, water equivalent", "lwe_thickness_of_surface_snow_amount", "m", "point"),
    "ssrd": (
        "surface solar radiation downwards",
        "integral_wrt_time_of_surface_downwelling_shortwave_flux_in_air",
        "J m-2",
        "sum",
    ),
    "strd": (
        "surface thermal radiation downwards",
        "integral_wrt_time_of_surface_downwelling_longwave_flux_in_air",
        "J m-2",
        "sum",
    ),
    "u10": ("10 metre eastward wind", "eastward_wind", "m s-1", "mean"),
    "v10": ("10 metre northward wind", "northward_wind", "m s-1", "mean"),
    "sp": ("surface pressure", "surface_air_pressure", "Pa", "mean"),
}
_STATIC = {
    "sand": ("sand, share of the fine earth by weight", "%"),
    "silt": ("silt, share of the fine earth by weight", "%"),
    "clay": ("clay, share of the fine earth by weight", "%"),
    "bulk_density": ("bulk density of the soil", "g cm-3"),
    "elevation": ("elevation of the surface", "m"),
}
_BUDGET = {"tp", "e", "sro", "ro", "sd"}  # float64, with swvl1 to swvl4
_ATTRS = {
    "title": "A simulated land surface under ERA5-Land names, to learn on",
    "Conventions": "CF-1.8",
    "institution": "xsm",
    "license": "Apache-2.0",
    "comment": (
        "Simulated: no place on Earth, no observation. A day is labelled by its start; fluxes are "
        "the sums of the day, swvl1 to swvl4 and sd the values at its end."
    ),
    "source": (
        "simulated by xsm.synthetic: latent Gaussian weather; Priestley-Taylor potential "
        "evaporation; degree-day snow; texture to hydraulic properties by Cosby et al. (1984), "
        "conductivity by Clapp and Hornberger (1978); infiltration-excess (Shuttleworth 1988) and "
        "saturation runoff; evaporation and root uptake limited by soil water; gravity drainage "
        "between four layers"
    ),
}


def land_world(*, years: int = 3, shape: tuple[int, int] = (24, 32), seed: int = 0) -> xr.Dataset:
    """Simulate a land surface whose water budget closes, under ERA5-Land names, units and signs.

    A coast in the west, mountains with snow behind it, a dry lee; daily weather with seasons and
    storms; four soil layers that fill, dry and drain. Nothing in it was observed.

    Parameters
    ----------
    years : int, default: 3
        Full years from 2018-01-01 on; a year before them starts the soil and is left out.
    shape : (int, int), default: (24, 32)
        Latitudes (descending) and longitudes, at least 2 each, 0.25 degrees apart.
    seed : int, default: 0
        Seed of ground and weather. A longer world begins with the shorter one of its seed.

    Returns
    -------
    xarray.Dataset
        In memory. Daily ``t2m``, ``d2m`` (K), ``tp``, ``e`` (negative: evaporation), ``sro``,
        ``ro`` (m), ``sd`` (m), ``swvl1`` to ``swvl4`` (m3 m-3), ``ssrd``, ``strd`` (J m-2),
        ``u10``, ``v10`` (m s-1), ``sp`` (Pa), dimensions (time, latitude, longitude); static
        ``sand``, ``silt``, ``clay`` (%), ``bulk_density`` (g cm-3), ``elevation`` (m). NaN on the
        same cells, the sea, in all of them.

    Raises
    ------
    NotEnoughDataError
        If there is less than one year, or less than two rows or columns.

    Notes
    -----
    For every cell on land and every step the data set itself satisfies, with z_i the thickness of
    layer i in m and rounding far below 1e-6 mm::

        sd_t - sd_{t-1} + sum_i z_i (swvl_i,t - swvl_i,{t-1}) = tp_t + e_t - ro_t

    To that end these variables are float64; the others are float32. The equations are those of
    ``xsm.synthetic.columns`` and ``xsm.synthetic.weather``.

    Examples
    --------
    >>> world = land_world(years=1, shape=(4, 6))
    >>> dict(world.sizes)
    {'time': 365, 'latitude': 4, 'longitude': 6}
    >>> world["tp"].attrs["units"]
    'm'
    """
    ground = make_ground(years=years, shape=shape, seed=seed)
    terrain, weather, coords = ground.terrain, ground.weather, ground.coords
    soil = soil_from_texture(terrain.sand[terrain.land], terrain.clay[terrain.land])
    result = simulate(_forcing(terrain, weather), soil, 0.25 + 0.6 * terrain.wetness[terrain.land])
    fields = ground.fields | _land_fields(terrain, weather, result)
    coords["time"] = coords["time"][ground.keep]
    daily = {name: (values[ground.keep], daily_attrs(name)) for name, values in fields.items()}
    return _dataset(daily, static_maps(terrain), terrain.land, coords)


@dataclass(frozen=True)
class Ground:
    """Ground and weather of a world, with the year that starts its soil.

    ``keep`` marks the days after that year. Maps of the ground, daily weather (day, row, column),
    coordinates of all days, and as ``fields`` the weather under its names and in its units.
    """

    terrain: Terrain
    weather: Weather
    coords: dict[str, Any]
    fields: dict[str, Array]
    keep: NDArray[np.bool_]


def make_ground(*, years: int, shape: tuple[int, int], seed: int) -> Ground:
    """Draw the ground and the weather of ``years + 1`` years that worlds of a seed and shape share.

    A NotEnoughDataError if there is less than one year, or less than two rows or columns.
    """
    _check(years, shape)
    coords = _coordinates(years, shape)
    terrain = make_terrain(np.random.default_rng([seed, 0]), shape)
    weather = make_weather(
        terrain,
        _day_of_year(coords["time"]),
        coords["latitude"],
        seed=seed,
        spacing=SPACING,
    )
    keep = coords["time"] >= np.datetime64(f"{FIRST_YEAR}-01-01")
    return Ground(terrain, weather, coords, _weather_fields(weather), keep)


def _check(years: int, shape: tuple[int, int]) -> None:
    """Refuse a world without a year or without a plane."""
    problems = []
    if years < 1:
        problems.append(f"years={years!r} was given; it must be at least 1")
    if min(shape) < 2:
        problems.append(f"shape={shape!r} was given; it must be two numbers of at least 2")
    if problems:
        raise NotEnoughDataError(
            "; ".join(problems) + ". Type land_world(years=3, shape=(24, 32))."
        )


def _coordinates(years: int, shape: tuple[int, int]) -> dict[str, Any]:
    """Return days, with the year before the first one, and the centres of the cells."""
    ends = f"{FIRST_YEAR - 1}-01-01", f"{FIRST_YEAR + years}-01-01"
    return {
        "time": np.arange(*ends, dtype="datetime64[D]").astype("datetime64[ns]"),
        "latitude": NORTH - GRID * np.arange(shape[0]),
        "longitude": WEST + GRID * np.arange(shape[1]),
    }


def _day_of_year(time: NDArray[np.datetime64]) -> Array:
    """Return the day of the year of each day, 1 to 366."""
    days = time.astype("datetime64[D]") - time.astype("datetime64[Y]").astype("datetime64[D]")
    return days.astype(float) + 1.0


def _forcing(terrain: Terrain, weather: Weather) -> Forcing:
    """Return the forcing of the cells on land, (day, cell)."""
    land = terrain.land
    temperature = weather.temperature[:, land]
    potential = potential_evaporation(
        temperature,
        weather.shortwave[:, land],
        weather.longwave[:, land],
        weather.pressure[:, land],
    )
    return Forcing(
        precipitation=weather.precipitation[:, land],
        potential=potential,
        temperature=temperature,
        storm_hour=weather.storm_hour[:, land],
        storm_hours=np.clip(6.0 - 0.2 * (temperature - 278.0), 2.0, 6.0),  # showers are short
    )


def _weather_fields(weather: Weather) -> dict[str, Array]:
    """Return the weather under its names, (day, row, column)."""
    return {
        "t2m": weather.temperature,
        "d2m": weather.dew_point,
        "ssrd": weather.shortwave,
        "strd": weather.longwave,
        "u10": weather.eastward,
        "v10": weather.northward,
        "sp": weather.pressure,
        "tp": 1e-3 * weather.precipitation,
    }


def _land_fields(terrain: Terrain, weather: Weather, result: Result) -> dict[str, Array]:
    """Return fluxes in m and states under their names, (day, row, column); zero at sea."""

    def on_map(values: Array) -> Array:
        field = np.zeros_like(weather.temperature)
        field[:, terrain.land] = values
        return field

    layers = {
        f"swvl{i + 1}": on_map(result.water[:, i] / (10.0 * (bottom - top)))
        for i, (top, bottom) in enumerate(LAYERS)
    }
    return {
        "e": on_map(0.0 - 1e-3 * result.evaporation),
        "sro": on_map(1e-3 * result.surface_runoff),
        "ro": on_map(1e-3 * (result.surface_runoff + result.subsurface_runoff)),
        "sd": on_map(1e-3 * result.snow),
        **layers,
    }


def static_maps(terrain: Terrain) -> dict[str, tuple[Array, dict[str, str]]]:
    """Return the static maps (row, column) of a world and their attributes, by name."""
    porosity = soil_from_texture(terrain.sand, terrain.clay).porosity
    values = {
        "sand": terrain.sand,
        "silt": terrain.silt,
        "clay": terrain.clay,
        "bulk_density": 2.65 * (1.0 - porosity),  # g cm-3 of quartz
        "elevation": terrain.elevation,
    }
    attrs = {name: {"long_name": long, "units": units} for name, (long, units) in _STATIC.items()}
    attrs["elevation"]["standard_name"] = "surface_altitude"
    return {name: (values[name], attrs[name]) for name in _STATIC}


def daily_attrs(name: str) -> dict[str, Any]:
    """Return the attributes of CF of a daily variable of ERA5-Land."""
    if name.startswith("swvl"):
        top, bottom = LAYERS[int(name[4]) - 1]
        return {
            "long_name": f"volumetric soil water, {top:g} to {bottom:g} cm",
            "standard_name": "volume_fraction_of_condensed_water_in_soil",
            "units": "m3 m-3",
            "cell_methods": "time: point",
            "comment": "value at the end of the labelled day",
            "layer_top_cm": top,
            "layer_bottom_cm": bottom,
        }
    long_name, standard_name, units, method = _DYNAMIC[name]
    attrs = {"long_name": long_name, "units": units, "cell_methods": f"time: {method}"}
    if standard_name:
        attrs["standard_name"] = standard_name
    if method == "point":
        attrs["comment"] = "value at the end of the labelled day"
    return attrs


def _dataset(
    daily: dict[str, tuple[Array, dict[str, Any]]],
    maps: dict[str, tuple[Array, dict[str, str]]],
    land: NDArray[np.bool_],
    coords: dict[str, Any],
) -> xr.Dataset:
    """Assemble the data set: the sea blank, float64 where the budget needs it."""
    variables = {}
    for name in (*_DYNAMIC, *(f"swvl{i}" for i in range(1, 5)), *maps):
        values, attrs = (daily | maps)[name]
        exact = name in _BUDGET or name.startswith("swvl")
        blank = np.where(land, values, np.nan).astype("float64" if exact else "float32")
        dims = ("time", "latitude", "longitude")[-blank.ndim :]
        variables[name] = (dims, blank, attrs)
    ds = xr.Dataset(variables, coords=coords, attrs=_ATTRS)
    ds["time"].attrs = {"long_name": "day, labelled by its start", "standard_name": "time"}
    ds["latitude"].attrs = {"standard_name": "latitude", "units": "degrees_north"}
    ds["longitude"].attrs = {"standard_name": "longitude", "units": "degrees_east"}
    return ds
