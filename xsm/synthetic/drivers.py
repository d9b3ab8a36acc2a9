"""Worlds whose drivers are planted: what an explanation has to find is known."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xsm.data.naming import ROLES
from xsm.exceptions import check_choice

__all__ = ["driver_world"]


Array = NDArray[np.float64]

KINDS = ("regions", "seasons", "together", "copy", "noise")
MEMORY = 0.7  # share of the soil's water that is there a day later
SUMMER = (3, 4, 5, 6, 7, 8)  # months, so that each season has one driver
MIDSUMMER = 152  # day of year; with a peak in July, spring would be as warm as autumn


def driver_world(
    kind: str = "regions", *, seed: int = 0, steps: int = 720, shape: tuple[int, int] = (6, 10)
) -> xr.Dataset:
    """Make a world whose soil moisture follows drivers that are known for each cell and day.

    Parameters
    ----------
    kind : {"regions", "seasons", "together", "copy", "noise"}, default: "regions"
        ``regions``: rain in the west half, radiation in the east. ``seasons``: radiation from March
        to August, else rain; the temperature alone says which, and is missed for it. ``together``:
        rain in the west, rain times radiation in the east. ``copy``: regions, and a temperature
        that is the rain in other units, so that nobody can tell both apart. ``noise``: regions, and
        two more inputs that say nothing.
    seed : int, default: 0
        Seed of the weather.
    steps : int, default: 720
        Days from 2020-01-01 on.
    shape : tuple of int, default: (6, 10)
        Rows and columns.

    Returns
    -------
    xarray.Dataset
        ``swvl1`` (time, lat, lon), m3 m-3, and its inputs: ``precipitation``, ``shortwave_down``,
        ``air_temperature`` and ``wind_speed`` (``noise``: ``surface_pressure`` and ``snowfall``
        too), and the map ``clay``, which knows the halves. Two coordinates are the truth: ``half``
        (lat, lon), ``"west"`` or ``"east"``, and ``driver`` (time, lat, lon), the expert of
        ``ismoe`` that knows the soil: ``"precipitation"``, ``"radiation"``, or ``"both"``.
        In memory, without gaps.

    Raises
    ------
    UnknownNameError
        If there is no such kind.

    Notes
    -----
    ``theta(t) = 0.7 theta(t - 1) + 0.009 d(t)`` with the driver d: rain P, light L (radiation
    divided by 40), or P L / 4. All are independent in time and space, of a gamma distribution
    (shape 2, mean 4). The temperature of ``seasons`` is high in the months of radiation, but
    for some noise: networks are given no date, and have to tell the driver by it.

    Examples
    --------
    >>> ds = driver_world("seasons", steps=200, shape=(2, 2))
    >>> [str(ds["driver"].sel(time=day)[0, 0].values) for day in ("2020-02-01", "2020-06-01")]
    ['precipitation', 'radiation']
    """
    check_choice("kind", kind, KINDS)
    rng = np.random.default_rng(seed)
    drawn = {
        name: rng.gamma(2.0, 2.0, (steps, *shape))
        for name in ("rain", "light", "heat", "wind", "pressure", "snow")
    }
    days = np.datetime64("2020-01-01", "ns") + np.arange(steps) * np.timedelta64(1, "D")
    time = xr.DataArray(days, dims="time")
    east = np.broadcast_to(np.arange(shape[1]) >= shape[1] // 2, shape)
    lit = np.broadcast_to(east, drawn["rain"].shape)
    if kind == "seasons":
        lit = np.broadcast_to(time.dt.month.isin(SUMMER).values[:, None, None], lit.shape)
    light = drawn["light"] * (drawn["rain"] / 4.0 if kind == "together" else 1.0)
    driver = np.where(lit, "both" if kind == "together" else "radiation", "precipitation")
    dims = ("time", "lat", "lon")
    moving = {
        "precipitation": drawn["rain"],
        "shortwave_down": 40.0 * drawn["light"],
        "air_temperature": _temperature(kind, drawn, time),
        "wind_speed": drawn["wind"],
        "swvl1": 0.03 * _stored(np.where(lit, light, drawn["rain"])),
    }
    if kind == "noise":
        moving |= {"surface_pressure": 9.8e4 + 500.0 * drawn["pressure"]}
        moving |= {"snowfall": drawn["snow"]}
    arrays = {name: (dims, values, {"units": _units(name)}) for name, values in moving.items()}
    coords = {
        "time": days,
        "lat": np.arange(shape[0])[::-1] * 1.0,
        "lon": np.arange(shape[1]) * 1.0,
        "half": (dims[1:], np.where(east, "east", "west")),
        "driver": (dims, driver),
    }
    clay = (dims[1:], 10.0 + 20.0 * east, {"units": "%"})
    return xr.Dataset({**arrays, "clay": clay}, coords)


def _temperature(kind: str, drawn: dict[str, Array], time: xr.DataArray) -> Array:
    """Return the temperature: a copy of the rain, the season and some noise, or noise, in K."""
    if kind == "copy":
        return 275.0 + 2.0 * drawn["rain"]
    if kind != "seasons":
        return 275.0 + 2.0 * drawn["heat"]
    season = np.cos(2.0 * np.pi * (time.dt.dayofyear.values - MIDSUMMER) / 365.25)
    return 281.0 + 12.0 * season[:, None, None] + drawn["heat"]


def _stored(drive: Array) -> Array:
    """Return the water of a store (time, row, column) that a driver fills and that drains."""
    level, found = np.full(drive.shape[1:], 4.0), np.empty(drive.shape)
    for day, given in enumerate(drive):
        level = MEMORY * level + (1.0 - MEMORY) * given
        found[day] = level
    return found


def _units(name: str) -> str:
    """Return the units of an input or of the target."""
    return ROLES["soil_moisture" if name == "swvl1" else name].units
