"""Potential evaporation from the extremes of air temperature, where no radiation is known."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["hargreaves", "sun_above"]


_SOLAR = 0.0820  # MJ m-2 min-1, FAO 56
_LATENT_HEAT = 2.45  # MJ kg-1
_FREEZING = 273.15


def sun_above(latitude: Any, day: Any) -> Any:
    """Return the radiation of the sun on a level plane above the air.

    Parameters
    ----------
    latitude : float or array
        Degrees north.
    day : int or array
        Day of the year, 1 to 366.

    Returns
    -------
    float or array
        MJ m-2 day-1; 0 in the polar night.

    References
    ----------
    Allen, R. G. et al. (1998). FAO Irrigation and Drainage Paper 56, Eq. 21-25.

    Examples
    --------
    FAO 56, example 8: 20 degrees south, on 3 September.

    >>> round(float(sun_above(-20.0, 246)), 1)
    32.2
    """
    north, angle = np.deg2rad(latitude), 2 * np.pi * day / 365
    near, tilt = 1 + 0.033 * np.cos(angle), 0.409 * np.sin(angle - 1.39)
    sunset = np.arccos(np.maximum(np.minimum(-np.tan(north) * np.tan(tilt), 1.0), -1.0))
    high = np.sin(north) * np.sin(tilt)
    low = np.cos(north) * np.cos(tilt)
    return 24 * 60 / np.pi * _SOLAR * near * (sunset * high + low * np.sin(sunset))


def hargreaves(low: Any, high: Any, latitude: Any, day: Any) -> Any:
    """Return potential evaporation of daily extremes of temperature, after Hargreaves.

    Parameters
    ----------
    low, high : float or array
        Least and greatest air temperature of the day, K. DataArrays are taken as they are.
    latitude : float or array
        Degrees north.
    day : int or array
        Day of the year, 1 to 366, such as ``ds.time.dt.dayofyear``.

    Returns
    -------
    float or array
        mm day-1, never negative; NaN of NaN; lazy where the input is.

    Notes
    -----
    With the radiation above the air R in mm day-1 (:func:`sun_above` over 2.45 MJ kg-1) and
    temperatures in degrees Celsius::

        E0 = 0.0023 (T + 17.8) sqrt(T_high - T_low) R,   T = (T_high + T_low) / 2

    References
    ----------
    Hargreaves, G. H. and Samani, Z. A. (1985). Appl. Eng. Agric. 1:96-99. Allen, R. G. et al.
    (1998). FAO Irrigation and Drainage Paper 56, Eq. 52.

    Examples
    --------
    A summer's day of 15 to 27 degrees at 45 degrees north:

    >>> round(float(hargreaves(288.15, 300.15, 45.0, 196)), 1)
    5.1
    """
    mean = (low + high) / 2 - _FREEZING
    found = 0.0023 * (mean + 17.8) * np.sqrt(np.maximum(high - low, 0.0))
    return np.maximum(found * sun_above(latitude, day) / _LATENT_HEAT, 0.0)
