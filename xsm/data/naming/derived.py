"""Variables that a data set lacks, made of others: wind, humidity, evaporation, sums."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr

from xsm.data.grid import time_dim
from xsm.data.locations import latitude_of
from xsm.physics.evaporation import hargreaves

__all__ = [
    "ESTIMATED",
    "PLACED",
    "RECIPES",
    "in_words",
    "made_of",
    "saturation_vapour_pressure",
    "specific_humidity",
    "ways_of",
]


_EPSILON = 287.0597 / 461.5250
"""Gas constant of dry air over that of water vapour (IFS documentation)."""
_LATENT_HEAT = 2.45e6
"""J kg-1 of water that evaporates at 20 degC (Allen et al. 1998, FAO 56, Eq. 20)."""
_STEFAN_BOLTZMANN = 5.670374e-8
"""W m-2 K-4."""
_ALBEDO = 0.23
"""Of a surface that grass covers (Allen et al. 1998, FAO 56, Eq. 38)."""
_SEA_LEVEL = 101325.0
"""Pa, the standard atmosphere."""


def saturation_vapour_pressure(temperature: xr.DataArray) -> xr.DataArray:
    """Return the saturation vapour pressure over water.

    Parameters
    ----------
    temperature : DataArray
        K. With the dew point, the result is the vapour pressure itself.

    Returns
    -------
    DataArray
        Pa. Lazy where the input is; NaN stays NaN.

    Notes
    -----
    Tetens' formula as in the IFS (ECMWF 2016, Part IV, Eq. 7.5)::

        e_s = 611.21 exp(17.502 (T - 273.16) / (T - 32.19))

    References
    ----------
    ECMWF (2016). IFS Documentation CY41R2, Part IV: Physical Processes.

    Examples
    --------
    >>> import xarray as xr
    >>> float(saturation_vapour_pressure(xr.DataArray(273.16)))
    611.21
    """
    exponent = 17.502 * (temperature - 273.16) / (temperature - 32.19)
    grown: xr.DataArray = xr.apply_ufunc(np.exp, exponent, dask="allowed")
    return 611.21 * grown


def specific_humidity(vapour_pressure: xr.DataArray, pressure: xr.DataArray) -> xr.DataArray:
    """Return the specific humidity of moist air.

    Parameters
    ----------
    vapour_pressure : DataArray
        Pa.
    pressure : DataArray
        Air pressure, Pa.

    Returns
    -------
    DataArray
        kg kg-1. Lazy where the input is; NaN stays NaN.

    Notes
    -----
    ``q = eps e / (p - (1 - eps) e)`` with ``eps = R_dry / R_vap = 0.62198`` (ECMWF 2016, Part IV,
    Eq. 7.4).

    References
    ----------
    ECMWF (2016). IFS Documentation CY41R2, Part IV: Physical Processes.

    Examples
    --------
    >>> import xarray as xr
    >>> round(float(specific_humidity(xr.DataArray(1000.0), xr.DataArray(1e5))), 6)
    0.006243
    """
    return _EPSILON * vapour_pressure / (pressure - (1 - _EPSILON) * vapour_pressure)


def _speed(east: xr.DataArray, north: xr.DataArray) -> xr.DataArray:
    """Return the speed of two components."""
    speed: xr.DataArray = xr.apply_ufunc(np.hypot, east, north, dask="allowed")
    return speed


def _from_dew_point(dew_point: xr.DataArray, pressure: xr.DataArray) -> xr.DataArray:
    """Return the specific humidity of dew point and pressure."""
    return specific_humidity(saturation_vapour_pressure(dew_point), pressure)


def _from_relative(
    relative: xr.DataArray, temperature: xr.DataArray, pressure: xr.DataArray
) -> xr.DataArray:
    """Return the specific humidity of relative humidity, temperature and pressure."""
    return specific_humidity(relative * saturation_vapour_pressure(temperature), pressure)


def _from_deficit(
    deficit: xr.DataArray, temperature: xr.DataArray, pressure: xr.DataArray
) -> xr.DataArray:
    """Return the specific humidity of vapour pressure deficit, temperature and pressure."""
    vapour = saturation_vapour_pressure(temperature) - deficit
    return specific_humidity(vapour.clip(min=0.0), pressure)


def _from_latent_heat(heat: xr.DataArray) -> xr.DataArray:
    """Return the evaporation, mm day-1, that takes up a latent heat flux, W m-2."""
    return heat * (86400.0 / _LATENT_HEAT)


def _sum(first: xr.DataArray, second: xr.DataArray) -> xr.DataArray:
    """Return the sum of two fluxes."""
    return first + second


def _weight(temperature: xr.DataArray, pressure: xr.DataArray | float) -> xr.DataArray:
    """Return s / (s + g): slope of the saturation vapour pressure and psychrometric constant."""
    slope = saturation_vapour_pressure(temperature) * 17.502 * 240.97 / (temperature - 32.19) ** 2
    return slope / (slope + 6.65e-4 * pressure)


def _of_energy(energy: xr.DataArray) -> xr.DataArray:
    """Return the evaporation, mm day-1, of W m-2; never negative, since there is no dew."""
    return _from_latent_heat(energy).clip(min=0.0)


def _priestley_taylor(
    shortwave: xr.DataArray,
    longwave: xr.DataArray,
    temperature: xr.DataArray,
    pressure: xr.DataArray | float = _SEA_LEVEL,
) -> xr.DataArray:
    """Return 1.26 s / (s + g) R_n (Priestley and Taylor 1972), the surface as warm as the air."""
    net = (1 - _ALBEDO) * shortwave + longwave - _STEFAN_BOLTZMANN * temperature**4
    return _of_energy(1.26 * _weight(temperature, pressure) * net)


def _makkink(shortwave: xr.DataArray, temperature: xr.DataArray) -> xr.DataArray:
    """Return 0.65 s / (s + g) of the solar radiation (De Bruin 1987, after Makkink 1957)."""
    return _of_energy(0.65 * _weight(temperature, _SEA_LEVEL) * shortwave)


def _middle(high: xr.DataArray, low: xr.DataArray) -> xr.DataArray:
    """Return the mean of the extremes of the day."""
    return (high + low) / 2


def _hargreaves(high: xr.DataArray, low: xr.DataArray) -> xr.DataArray:
    """Return 0.0023 (T + 17.8) sqrt(T_max - T_min) R (Hargreaves and Samani 1985), of latitude."""
    days = low[time_dim(low)].dt.dayofyear
    found: xr.DataArray = hargreaves(low, high, latitude_of(low), days)
    return found.transpose(*low.dims).astype(low.dtype, copy=False)


_EXTREMES = ("temperature_max", "temperature_min")
_RADIATION = ("shortwave_down", "longwave_down", "air_temperature")
RECIPES: tuple[tuple[str, tuple[str, ...], Callable[..., xr.DataArray]], ...] = (
    ("wind_speed", ("eastward_wind", "northward_wind"), _speed),
    ("air_temperature", _EXTREMES, _middle),
    ("specific_humidity", ("dew_point_temperature", "surface_pressure"), _from_dew_point),
    (
        "specific_humidity",
        ("relative_humidity", "air_temperature", "surface_pressure"),
        _from_relative,
    ),
    (
        "specific_humidity",
        ("vapour_pressure_deficit", "air_temperature", "surface_pressure"),
        _from_deficit,
    ),
    ("evaporation", ("latent_heat_flux",), _from_latent_heat),
    ("potential_evaporation", ("net_radiation",), _of_energy),
    ("potential_evaporation", (*_RADIATION, "surface_pressure"), _priestley_taylor),
    ("potential_evaporation", _RADIATION, _priestley_taylor),
    ("potential_evaporation", ("shortwave_down", "air_temperature"), _makkink),
    ("potential_evaporation", _EXTREMES, _hargreaves),
    ("precipitation", ("rainfall", "snowfall"), _sum),
    ("runoff", ("surface_runoff", "subsurface_runoff"), _sum),
)
"""Role, the roles it is made of, and how; the first that the data allow is used."""

PLACED: frozenset[Callable[..., xr.DataArray]] = frozenset({_hargreaves})
"""Ways that need the latitude, as a coordinate in degrees."""

ESTIMATED = frozenset({"potential_evaporation"})
"""Roles that are estimated of others: where these are faulty, their own faults say enough."""

_WAYS = {
    _of_energy: "all net radiation",
    _priestley_taylor: "Priestley and Taylor 1972, albedo 0.23",
    _makkink: "Makkink 1957 after De Bruin 1987",
    _hargreaves: "Hargreaves and Samani 1985, by latitude",
    _middle: "mean of the extremes of the day",
}
"""Ways to potential evaporation and air temperature, in words."""


def ways_of(role: str) -> list[tuple[str, ...]]:
    """Return the roles that a role can be made of, one way after the other."""
    return [parts for name, parts, _ in RECIPES if name == role]


def in_words(role: str) -> str:
    """Return of what a role can be made, one way after the other, in words."""
    ways = [(parts, f) for name, parts, f in RECIPES if name == role]
    return "; or ".join(", ".join(p) + " at a known latitude" * (f in PLACED) for p, f in ways)


def made_of(role: str, parts: tuple[str, ...]) -> str:
    """Return in words how a role is estimated of others."""
    own = next(f for name, needed, f in RECIPES if (name, needed) == (role, parts))
    return f"{_WAYS[own]}, of {', '.join(parts)}" if own in _WAYS else f"of {', '.join(parts)}"
