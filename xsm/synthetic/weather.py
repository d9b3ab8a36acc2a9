"""Stochastic daily weather of a synthetic world: seasons, storms that cover regions, dry spells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xsm.synthetic.random_fields import correlated_noise, normal_cdf, persistent_noise
from xsm.synthetic.terrain import Terrain

__all__ = ["Weather", "extraterrestrial_radiation", "make_weather", "potential_evaporation"]


Array = NDArray[np.float64]

FREEZING = 273.15  # K
DAY = 86400.0  # s
STEFAN_BOLTZMANN = 5.670374e-8  # W m-2 K-4
LATENT_HEAT = 2.45e6  # J kg-1


@dataclass(frozen=True)
class Weather:
    """Daily weather, arrays (day, row, column).

    Rain and snow, mm day-1; daily means of temperature and dew point of the air, K; downward
    radiation, J m-2 day-1; pressure at the surface, Pa; wind, m s-1; hour at which rain is
    strongest, 0 to 24 h.
    """

    precipitation: Array
    temperature: Array
    dew_point: Array
    shortwave: Array
    longwave: Array
    pressure: Array
    eastward: Array
    northward: Array
    storm_hour: Array


class _Noise:
    """Fields by name, each from a generator of its own: one can change without the others."""

    def __init__(self, seed: int, steps: int, shape: tuple[int, int], spacing: float) -> None:
        self.seed, self.steps, self.shape, self.spacing = seed, steps, shape, spacing

    def __call__(self, key: int, length: float, persistence: float) -> Array:
        """Draw the field of a key; length in km."""
        return persistent_noise(
            np.random.default_rng([self.seed, key]),
            self.steps,
            self.shape,
            length=length,
            spacing=self.spacing,
            persistence=persistence,
        )


def make_weather(
    terrain: Terrain, day_of_year: Array, latitude: Array, *, seed: int, spacing: float
) -> Weather:
    """Draw daily weather (day, row, column) over a terrain, finite at sea too.

    ``day_of_year`` (day,), 1 to 366; ``latitude`` (row,), degrees north; ``spacing`` of cells, km.
    Longer series of one seed begin with the shorter ones. One latent Gaussian field g (storms of
    250 km, showers of 60 km, wet and dry spells of months) drives rain, cloud, humidity, pressure
    and radiation, so that they fit each other. Rain falls where Phi(g) exceeds 1 - p, p the share
    of wet days of place and season; the amount is the Weibull quantile (shape 0.75) of what exceeds
    it. Temperature follows latitude, season, elevation (6.5 K km-1), a persistent anomaly and
    cloud. Dew point inverts the Magnus formula; clear-sky emissivity is that of Brutsaert, W.
    (1975). Water Resour. Res. 11:742-744.
    """
    noise = _Noise(seed, day_of_year.size, terrain.land.shape, spacing)
    warm = np.cos(2.0 * np.pi * (day_of_year - 202.0) / 365.25)[:, None, None]  # 1 on 21 July
    storm = np.sqrt(0.72) * noise(1, 250.0, 0.45)
    storm += np.sqrt(0.18) * noise(2, 60.0, 0.2) + np.sqrt(0.10) * noise(3, 500.0, 0.95)
    cloud = normal_cdf(0.8 * storm + 0.6 * noise(4, 150.0, 0.4) + 0.9 * (terrain.wetness - 0.5))
    temperature = _temperature(terrain, latitude, warm, cloud, noise)
    humidity = _humidity(terrain, warm, cloud, noise)
    vapour = humidity * _saturation(temperature)
    clear = extraterrestrial_radiation(day_of_year, latitude)[:, :, None]
    shortwave = clear * (0.76 - 0.56 * cloud**1.5)
    hour = correlated_noise(
        np.random.default_rng([seed, 5]),
        day_of_year.size,
        terrain.land.shape,
        length=150.0,
        spacing=spacing,
    )
    return Weather(
        precipitation=_precipitation(terrain, warm, storm),
        temperature=temperature,
        dew_point=_dew_point(vapour),
        shortwave=shortwave,
        longwave=_longwave(temperature, vapour, cloud),
        pressure=_pressure(terrain, storm, noise),
        eastward=2.0 + 0.8 * storm + 2.0 * noise(6, 300.0, 0.5),
        northward=0.5 - 0.5 * storm + 2.2 * noise(7, 300.0, 0.5),
        storm_hour=24.0 * normal_cdf(hour),
    )


def _precipitation(terrain: Terrain, warm: Array, storm: Array) -> Array:
    """Return mm day-1: winter rain on the windward side, summer rain in the lee."""
    season = 1.0 - 0.38 * warm * (terrain.wetness - 0.3)
    wet_days = np.clip((0.17 + 0.29 * terrain.wetness) * season, 0.02, 0.9)
    exceeds = (normal_cdf(storm) - (1.0 - wet_days)) / wet_days
    wet = exceeds > 0.0
    quantile = (-np.log1p(-np.where(wet, np.minimum(exceeds, 1.0 - 1e-9), 0.0))) ** (1.0 / 0.75)
    mean = 5.0 + 4.5 * terrain.wetness  # mm on a wet day; 1.1906 is the mean of that quantile
    amount = mean * quantile / 1.1906
    return np.where(amount > 0.05, amount, 0.0)


def _temperature(
    terrain: Terrain, latitude: Array, warm: Array, cloud: Array, noise: _Noise
) -> Array:
    """Return K: mild at the coast, continental inland, cold on the mountains."""
    mean = 287.5 - 0.75 * (latitude[:, None] - 41.0) - 0.0065 * terrain.elevation
    swing = 6.5 + 5.0 * terrain.inland
    anomaly = (2.6 + 1.6 * terrain.inland) * noise(8, 400.0, 0.78)
    shade = -2.5 * warm * (cloud - 0.5)  # cloud cools summer days and warms winter days
    return np.asarray(mean + swing * warm + anomaly + shade)


def _humidity(terrain: Terrain, warm: Array, cloud: Array, noise: _Noise) -> Array:
    """Return relative humidity: more under cloud, at the coast and in winter."""
    mean = 0.72 + 0.08 * (terrain.wetness - 0.4) - 0.07 * warm * (0.5 + terrain.inland)
    return np.clip(mean + 0.30 * (cloud - 0.5) + 0.05 * noise(9, 200.0, 0.5), 0.15, 0.99)


def _saturation(temperature: Array) -> Array:
    """Return the saturation vapour pressure over water, Pa (Magnus)."""
    celsius = temperature - FREEZING
    return np.asarray(611.2 * np.exp(17.62 * celsius / (243.12 + celsius)))


def _dew_point(vapour: Array) -> Array:
    """Return the temperature (K) at which the vapour pressure (Pa) is that of saturation."""
    log = np.log(vapour / 611.2)
    return np.asarray(FREEZING + 243.12 * log / (17.62 - log))


def _longwave(temperature: Array, vapour: Array, cloud: Array) -> Array:
    """Return downward longwave radiation, J m-2 day-1."""
    clear = 1.24 * (0.01 * vapour / temperature) ** (1.0 / 7.0)
    emissivity = np.minimum(clear * (1.0 + 0.20 * cloud**2), 0.99)
    return np.asarray(DAY * STEFAN_BOLTZMANN * emissivity * temperature**4)


def _pressure(terrain: Terrain, storm: Array, noise: _Noise) -> Array:
    """Return Pa: the standard atmosphere at the elevation, lower in storms."""
    share = (1.0 - 2.25577e-5 * terrain.elevation) ** 5.25588
    return np.asarray(share * (101500.0 - 450.0 * storm + 500.0 * noise(10, 500.0, 0.7)))


def extraterrestrial_radiation(day_of_year: Array, latitude: Array) -> Array:
    """Return the solar radiation on top of the atmosphere, J m-2 day-1, (day, row).

    ``day_of_year`` (day,), 1 to 366; ``latitude`` (row,), degrees north, outside the polar circles.
    FAO-56, Eq. 21-25, with phi the latitude, G_sc = 0.0820 MJ m-2 min-1 (Allen, R. G. et al.
    (1998). Crop evapotranspiration. FAO Irrigation and drainage paper 56)::

        R_a = 24 * 60 / pi G_sc d_r (w_s sin(phi) sin(delta) + cos(phi) cos(delta) sin(w_s))

    The worked example 8 of FAO-56: 3 September, 20 degrees south, 32.2 MJ m-2 day-1.

    >>> extraterrestrial_radiation(np.array([246.0]), np.array([-20.0])).round(-5)
    array([[32200000.]])
    """
    angle = 2.0 * np.pi * day_of_year[:, None] / 365.0
    phi = np.radians(latitude)
    tilt = 0.409 * np.sin(angle - 1.39)
    sunset = np.arccos(-np.tan(phi) * np.tan(tilt))
    path = sunset * np.sin(phi) * np.sin(tilt) + np.cos(phi) * np.cos(tilt) * np.sin(sunset)
    return np.asarray(24.0 * 60.0 / np.pi * 0.0820e6 * (1.0 + 0.033 * np.cos(angle)) * path)


def potential_evaporation(
    temperature: Array, shortwave: Array, longwave: Array, pressure: Array
) -> Array:
    """Return what would evaporate from a wet surface, mm day-1; NaN stays NaN.

    Never negative (no dew). Temperature of the air, K; downward radiation, J m-2 day-1; pressure,
    Pa; of one shape. Priestley, C. H. B. and Taylor, R. J. (1972). Mon. Weather Rev. 100:81-92,
    with the slope s of the saturation vapour pressure, the psychrometric constant g, an albedo of
    0.2 and the surface as warm as the air::

        E_p = 1.26 s / (s + g) R_n / lambda,   R_n = 0.8 SW + LW - sigma T^4

    A clear summer day:

    >>> day = [np.array(x) for x in (295.0, 26e6, 30e6, 1e5)]
    >>> round(float(potential_evaporation(*day)), 1)
    5.0
    """
    celsius = temperature - FREEZING
    slope = _saturation(temperature) * 17.62 * 243.12 / (243.12 + celsius) ** 2
    psychrometric = 6.65e-4 * pressure
    net = 0.8 * shortwave + longwave - DAY * STEFAN_BOLTZMANN * temperature**4
    energy = 1.26 * slope / (slope + psychrometric) * net / LATENT_HEAT
    return np.maximum(energy, 0.0)
