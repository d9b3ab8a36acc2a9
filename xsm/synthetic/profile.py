"""A synthetic soil profile as a data set: Richards columns under the weather of the land world."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.data.naming import ROLES
from xsm.hydrology.soil.carsel_parrish import PARAMETERS, class_parameters
from xsm.hydrology.soil.known import root_shares
from xsm.hydrology.soil.layering import depth_coordinates
from xsm.hydrology.soil.profile import FACE_DIM, face_coordinate
from xsm.hydrology.soil.triangle import CLASSES, classify
from xsm.synthetic.columns import (
    ALL_RAIN,
    ALL_SNOW,
    DAYLIGHT,
    FREEZING,
    MELT,
    SUBSTEPS,
    storm_shares,
)
from xsm.synthetic.land import daily_attrs, make_ground, static_maps
from xsm.synthetic.terrain import Terrain
from xsm.synthetic.weather import Weather, potential_evaporation

if TYPE_CHECKING:
    from xsm.physics.columns import Columns

__all__ = ["profile_world"]


Array = NDArray[np.float64]

EDGES = (
    np.array([0, 2.5, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 65, 80, 100, 130, 170, 220])
    / 100.0
)  # m, faces of the solver's layers
FACES = np.array([0.05, 0.15, 0.25, 0.35, 0.45, 0.55])  # m, of the layers that come back
ROOTS = 0.961  # beta of Jackson et al. (1996), mean of herbs and crops
AIR_ENTRY = 0.02  # m
_ATTRS = {
    "title": "A simulated soil moisture profile, to learn on",
    "Conventions": "CF-1.8",
    "institution": "xsm",
    "license": "Apache-2.0",
    "comment": (
        "Simulated: no place on Earth, no observation. A day is labelled by its start; fluxes are "
        "the sums or means of the day, theta and sd the values at its end."
    ),
    "source": (
        "simulated by xsm.synthetic: the weather of the tutorial world land; degree-day snow; "
        "texture to van Genuchten parameters by the class means of Carsel and Parrish (1988), air "
        "entry at 0.02 m; Richardson-Richards columns of 18 layers to 2.2 m in mixed form (Celia "
        "et al. 1990) with six steps of forcing a day, free drainage and root stress (Feddes 1978)"
    ),
}
_HELD = (*PARAMETERS, "air_entry")
_WEATHER = ("t2m", "d2m", "ssrd", "strd", "u10", "v10", "sp")


def profile_world(
    *, years: int = 2, shape: tuple[int, int] = (10, 14), seed: int = 0
) -> xr.Dataset:
    """Simulate soil moisture at five depths by the Richardson-Richards equation, with its fluxes.

    Parameters
    ----------
    years : int, default: 2
        Full years from 2018-01-01 on; a year before them starts the soil and is left out.
    shape : (int, int), default: (10, 14)
        Latitudes (descending) and longitudes, at least 2 each, 0.25 degrees apart.
    seed : int, default: 0
        Seed of ground and weather.

    Returns
    -------
    xarray.Dataset
        In memory, daily: ``theta`` (time, depth, latitude, longitude) at 0.1 to 0.5 m (m3 m-3, end
        of day, layers of 0.1 m), ``satellite_soil_moisture`` (the upper 0.05 m), ``tp``, ``e``,
        ``sro``, ``sd`` (m, ``e`` negative), ``t2m``, ``d2m`` (K), ``ssrd``, ``strd`` (J m-2),
        ``u10``, ``v10`` (m s-1), ``sp`` (Pa); ``soil_water_flux`` (time, depth_interface, ...) at
        0.05 to 0.55 m and ``root_water_uptake`` (time, depth, ...), mm day-1, ``drainage`` at
        2.2 m (mm day-1), ``column_water`` above it (mm); static ``theta_r``, ``theta_s`` (m3 m-3),
        ``vg_alpha`` (m-1), ``vg_n``, ``k_sat`` (m day-1), ``air_entry`` (m), ``texture_class``,
        ``sand``, ``silt``, ``clay``, ``bulk_density``, ``elevation``. NaN on the same cells, the
        sea, in all of them.

    Raises
    ------
    NotEnoughDataError
        If there is less than one year, or less than two rows or columns.

    Notes
    -----
    For every layer on land and every step, with dz = 0.1 m, and for the column, to rounding::

        dz (theta_i,t - theta_i,t-1) = (q_{i-1/2} - q_{i+1/2} - uptake_i) / 1000 mm m-1
        d(column_water) + d(sd) = tp + e - sro - drainage

    so that ``xsm.richards_residual(ds, terms=["soil_water_flux", "root_water_uptake"])`` is 0.

    Examples
    --------
    >>> world = profile_world(years=1, shape=(2, 3))
    >>> dict(world["theta"].sizes)
    {'time': 365, 'depth': 5, 'latitude': 2, 'longitude': 3}
    """
    ground = make_ground(years=years, shape=shape, seed=seed)
    terrain, weather, coords = ground.terrain, ground.weather, ground.coords
    forcing = _force(terrain, weather)
    done = _run(terrain, forcing)
    fields = {name: ground.fields[name] for name in (*_WEATHER, "tp")}
    keep = ground.keep
    daily = {name: (values[keep], daily_attrs(name)) for name, values in fields.items()}
    for name, (values, attrs) in _results(done, forcing).items():
        daily[name] = (_on_map(values[keep], terrain.land), attrs)
    coords["time"] = coords["time"][keep]
    return _dataset(daily, _maps(terrain), terrain, coords)


@dataclass(frozen=True)
class _Forcing:
    """What drives the columns on land: water and demand (step, cell), snow (day, cell)."""

    water: Array
    bare: Array
    plants: Array
    snow: Array


def _force(terrain: Terrain, weather: Weather) -> _Forcing:
    """Return rain and melt, the demand of the atmosphere (m day-1), and snow (mm)."""
    land = terrain.land
    warm = weather.temperature[:, land]
    radiation = [a[:, land] for a in (weather.shortwave, weather.longwave, weather.pressure)]
    potential = potential_evaporation(warm, *radiation)
    rain, melt, snow = _snow(weather.precipitation[:, land], warm)
    spread = np.clip(6.0 - 0.2 * (warm - 278.0), 2.0, 6.0)  # h; showers are short
    days, cells = warm.shape
    water, pull = np.empty((days, SUBSTEPS, cells)), np.empty((days, SUBSTEPS, cells))
    bare_of_snow = 10.0 / (10.0 + snow)
    for day in range(days):
        storm = storm_shares(weather.storm_hour[day, land], spread[day])
        light = np.array(DAYLIGHT)[:, None]
        water[day] = rain[day] * storm + melt[day] * light
        pull[day] = potential[day] * bare_of_snow[day] * light
    rate = 1e-3 * SUBSTEPS  # mm in a step to m day-1
    cover = 0.25 + 0.6 * terrain.wetness[land]
    demand = rate * pull.reshape(-1, cells)
    return _Forcing(rate * water.reshape(-1, cells), (1 - cover) * demand, cover * demand, snow)


def _snow(precipitation: Array, warm: Array) -> tuple[Array, Array, Array]:
    """Return rain, melt and snow water, mm: the snow of the land world without sublimation."""
    frozen = np.clip((ALL_RAIN - warm) / (ALL_RAIN - ALL_SNOW), 0.0, 1.0)
    melt, snow = np.empty_like(warm), np.empty_like(warm)
    pack = np.zeros(warm.shape[1])
    for day in range(warm.shape[0]):
        pack = pack + frozen[day] * precipitation[day]
        melt[day] = np.minimum(pack, MELT * np.maximum(warm[day] - FREEZING, 0.0))
        pack = pack - melt[day]
        snow[day] = pack
    return (1.0 - frozen) * precipitation, melt, snow


def _run(terrain: Terrain, forcing: _Forcing) -> Columns:
    """Run the columns on land through all days."""
    from xsm.physics.columns import simulate
    from xsm.physics.retention import Hydraulics

    land = terrain.land
    texture = (terrain.sand[land], terrain.silt[land], terrain.clay[land])
    dry, wet, alpha, shape, k_sat = class_parameters(*texture).T
    roots = root_shares(list(EDGES), ROOTS)
    return simulate(
        Hydraulics(dry, wet, alpha, shape, k_sat, entry=AIR_ENTRY),
        thickness=np.diff(EDGES),
        rain=forcing.water,
        bare_demand=forcing.bare,
        plant_demand=forcing.plants,
        roots=(roots / roots.sum())[:, None],
        step_days=1.0 / SUBSTEPS,
        every=SUBSTEPS,
        tolerance=1e-6,  # carried on, never lost: the budget closes all the same
    )


def _results(done: Columns, forcing: _Forcing) -> dict[str, tuple[Array, dict[str, Any]]]:
    """Return what the columns did under its names, (day, ..., cell), with attributes."""
    at = [int(abs(EDGES - face).argmin()) for face in FACES]
    water = done.theta * np.diff(EDGES)[:, None]
    theta = np.add.reduceat(water[:, : at[-1]], at[:-1], axis=1) / np.diff(FACES)[:, None]
    uptake = np.add.reduceat(done.uptake[:, : at[-1]], at[:-1], axis=1)
    upper = water[:, :2].sum(axis=1) / EDGES[2]
    moisture = {
        "standard_name": "volume_fraction_of_condensed_water_in_soil",
        "units": "m3 m-3",
        "cell_methods": "time: point",
        "comment": "value at the end of the labelled day",
    }
    column = {k: v for k, v in moisture.items() if k != "standard_name"} | {"units": "mm"}
    mean = {"units": "mm day-1", "cell_methods": "time: mean"}
    return {
        "e": (-(done.evaporation + done.uptake.sum(axis=1)), daily_attrs("e")),
        "sro": (done.runoff, daily_attrs("sro")),
        "sd": (1e-3 * forcing.snow, daily_attrs("sd")),
        "theta": (theta, {"long_name": "volumetric soil moisture", **moisture}),
        "satellite_soil_moisture": (
            upper,
            {"long_name": "volumetric soil moisture of the upper 5 cm", **moisture},
        ),
        "soil_water_flux": (
            1e3 * done.flux[:, at],
            {"long_name": "water through the faces of the layers, positive downward", **mean},
        ),
        "root_water_uptake": (
            1e3 * uptake,
            {"long_name": "water that roots take up from the layer", **mean},
        ),
        "drainage": (
            1e3 * done.flux[:, -1],
            {"long_name": "water that leaves the soil at 2.2 m", **mean},
        ),
        "column_water": (
            1e3 * water.sum(axis=1),
            {"long_name": "water in the soil to 2.2 m", **column},
        ),
    }


def _on_map(values: Array, land: NDArray[np.bool_]) -> Array:
    """Return values of the cells on land (..., cell) on the map (..., row, column), NaN at sea."""
    field = np.full((*values.shape[:-1], *land.shape), np.nan)
    field[..., land] = values
    return field


def _maps(terrain: Terrain) -> dict[str, tuple[Array, dict[str, Any]]]:
    """Return the static maps and their attributes."""
    texture = (terrain.sand, terrain.silt, terrain.clay)
    values = np.asarray(class_parameters(*texture), float)
    codes = np.asarray(classify(*texture), float)
    names = {
        name: {"long_name": ROLES[name].long_name, "units": ROLES[name].units} for name in _HELD
    }
    maps = {name: (values[..., i], names[name]) for i, name in enumerate(PARAMETERS)}
    classes = {
        "long_name": "texture class of the soil (USDA)",
        "units": "1",
        "flag_meanings": " ".join(CLASSES),
        "flag_values": np.arange(1, 13, dtype=np.float64),
    }
    return {
        **maps,
        "air_entry": (np.full(codes.shape, AIR_ENTRY), names["air_entry"]),
        "texture_class": (codes, classes),
        **static_maps(terrain),
    }


def _dataset(
    daily: dict[str, tuple[Array, dict[str, Any]]],
    maps: dict[str, tuple[Array, dict[str, Any]]],
    terrain: Terrain,
    coords: dict[str, Any],
) -> xr.Dataset:
    """Assemble the data set: the sea blank, float64 where a budget needs it."""
    layered = {"theta": "depth", "root_water_uptake": "depth", "soil_water_flux": FACE_DIM}
    variables = {}
    for name, (values, attrs) in (daily | maps).items():
        space = ("latitude", "longitude")
        dims = ("time", *([layered[name]] if name in layered else []), *space)
        blank = np.where(terrain.land, values, np.nan)
        narrow = name in _WEATHER or name in static_maps(terrain)
        variables[name] = (
            space if name in maps else dims,
            blank.astype(np.float32) if narrow else blank,
            attrs,
        )
    layers = depth_coordinates(list(pairwise(FACES.tolist())))
    ds = xr.Dataset(variables, coords=coords, attrs=_ATTRS)
    ds = ds.assign_coords({**layers, FACE_DIM: face_coordinate(FACES.tolist())})
    ds["time"].attrs = {"long_name": "day, labelled by its start", "standard_name": "time"}
    ds["latitude"].attrs = {"standard_name": "latitude", "units": "degrees_north"}
    ds["longitude"].attrs = {"standard_name": "longitude", "units": "degrees_east"}
    return ds
