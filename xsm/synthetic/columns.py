"""The land surface of a synthetic world: snow, runoff, evaporation, four soil layers, drainage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xsm.synthetic.terrain import Soil

__all__ = ["LAYERS", "Forcing", "Result", "simulate", "storm_shares"]


Array = NDArray[np.float64]

LAYERS = ((0.0, 7.0), (7.0, 28.0), (28.0, 100.0), (100.0, 289.0))  # cm
ROOTS = (0.20, 0.42, 0.30, 0.08)  # share of the roots
SUBSTEPS = 6  # a day; the first begins at 00 UTC
DAYLIGHT = (0.0, 0.06, 0.44, 0.40, 0.10, 0.0)  # share of the day's evaporation and melt
ALL_SNOW, ALL_RAIN = 272.15, 274.15  # K, daily mean; linear between
MELT = 3.5  # mm K-1 day-1
FREEZING = 273.15  # K


@dataclass(frozen=True)
class Forcing:
    """What drives the columns, arrays (day, cell).

    Precipitation and potential evaporation, mm day-1, not negative; daily mean temperature of the
    air, K; hour of the strongest rain, 0 to 24 h, and the spread of the rain around it (standard
    deviation), h.
    """

    precipitation: Array
    potential: Array
    temperature: Array
    storm_hour: Array
    storm_hours: Array


@dataclass(frozen=True)
class Result:
    """What the columns did, all in mm and not negative.

    Sums of the day (day, cell): evaporation from soil, roots and snow, surface runoff, and drainage
    from the last layer; at its end: water in the snow (day, cell), in each layer (day, layer,
    cell).
    """

    evaporation: Array
    surface_runoff: Array
    subsurface_runoff: Array
    snow: Array
    water: Array


def simulate(forcing: Forcing, soil: Soil, cover: Array) -> Result:
    """Run snow and soil through all days of finite forcing (day, cell), in six steps a day.

    ``cover`` (cell,) is the share that plants cover, 0 to 1; the rest is bare. What goes in is what
    is stored and what goes out, to rounding. Each day, snow falls (all below 272.15 K, none above
    274.15 K, linear between), melts at 3.5 mm K-1 day-1 above 273.15 K and sublimates at 0.3 of the
    potential evaporation. In each step, with R the rain and melt of the step, w_i the water of
    layer i, c_i what it holds at saturation, S_i = w_i / c_i and k = K_s dt:

    1. surface runoff from the saturated part f of the cell, and where R, exponential over the rest,
       exceeds what the soil takes in (Shuttleworth 1988)::

           f = 0.4 ((w_1 + w_2) / (c_1 + c_2))^6,   q = R (f + (1 - f) exp(-k / R))

       the rest fills the layers from above; what does not fit is surface runoff, too.
    2. evaporation from the bare part, E_p ((theta - theta_d) / (theta_f - theta_d))^2 with theta_d
       half the wilting point and theta_f the field capacity, and by roots in each layer, E_p times
       the share of roots times (theta - theta_w) / (theta* - theta_w), from 0 to 1, theta* two
       thirds of the way from the wilting point to the field capacity.
    3. drainage at the conductivity K_s S^n, integrated exactly over the step, as far as the layer
       below has room; from the last one it is subsurface runoff::

           S(t + dt) = (S(t)^(1 - n) + (n - 1) k / c)^(1 / (1 - n))

    Water never rises from layer to layer, and no dew falls: without rain and melt each layer's
    water can grow only from above, and the top layer's not at all.

    Shuttleworth, W. J. (1988). Macrohydrology, the new challenge for process hydrology. J. Hydrol.
    100:31-56. Clapp, R. B. and Hornberger, G. M. (1978). Water Resour. Res. 14:601-604.
    """
    days, cells = forcing.precipitation.shape
    columns = _Columns(soil, cover)
    fluxes = np.zeros((3, days, cells))
    snow, water = np.empty((days, cells)), np.empty((days, len(LAYERS), cells))
    for day in range(days):
        rain, melt, sublimation = columns.snow_day(
            forcing.precipitation[day], forcing.potential[day], forcing.temperature[day]
        )
        fluxes[0, day] = sublimation
        storm = storm_shares(forcing.storm_hour[day], forcing.storm_hours[day])
        demand = forcing.potential[day] * columns.bare_of_snow()
        for share, light in zip(storm, DAYLIGHT, strict=True):
            fluxes[1, day] += columns.infiltrate(rain * share + melt * light)
            if light > 0.0:
                fluxes[0, day] += columns.evaporate(demand * light)
            fluxes[2, day] += columns.drain()
        snow[day], water[day] = columns.snow, columns.water
    return Result(fluxes[0], fluxes[1], fluxes[2], snow, water)


def storm_shares(hour: Array, spread: Array) -> Array:
    """Return the share of a day's rain that falls in each of its steps (step, cell), in all 1.

    ``hour`` (cell,) is that of the strongest rain, 0 to 24 h, ``spread`` the standard deviation
    around it, h.

    >>> storm_shares(np.array([10.0]), np.array([2.0])).round(2).ravel()
    array([0.  , 0.11, 0.79, 0.11, 0.  , 0.  ])
    """
    middle = (np.arange(SUBSTEPS)[:, None] + 0.5) * 24.0 / SUBSTEPS
    share = np.exp(-0.5 * ((middle - hour) / spread) ** 2)
    return np.asarray(share / share.sum(axis=0))


class _Columns:
    """The state of all cells, changed in place; mm throughout."""

    def __init__(self, soil: Soil, cover: Array) -> None:
        thickness = 10.0 * np.array([[bottom - top] for top, bottom in LAYERS])  # mm
        dt = 1.0 / SUBSTEPS
        self.cover = cover
        self.capacity = thickness * soil.porosity
        self.wilting = thickness * soil.wilting_point
        field = thickness * soil.field_capacity
        self.air_dry = 0.5 * self.wilting[0]
        self.bare_range = field[0] - self.air_dry
        self.root_range = (field - self.wilting) * 2.0 / 3.0
        self.roots = np.array(ROOTS)[:, None] * cover
        self.intake = soil.k_sat * dt
        self.power = 1.0 - soil.exponent
        self.inverse = 1.0 / self.power
        self.speed = (soil.exponent - 1.0) * self.intake / self.capacity
        self.water = self.wilting + (field - self.wilting) * cover
        self.snow = np.zeros_like(cover)

    def snow_day(
        self, precipitation: Array, potential: Array, temperature: Array
    ) -> tuple[Array, Array, Array]:
        """Let snow fall, melt and sublimate; return rain, melt and sublimation."""
        frozen = np.clip((ALL_RAIN - temperature) / (ALL_RAIN - ALL_SNOW), 0.0, 1.0)
        fallen = frozen * precipitation
        self.snow += fallen
        melt = np.minimum(self.snow, MELT * np.maximum(temperature - FREEZING, 0.0))
        self.snow -= melt
        sublimation = np.minimum(self.snow, 0.3 * potential * (1.0 - self.bare_of_snow()))
        self.snow -= sublimation
        return precipitation - fallen, melt, sublimation

    def bare_of_snow(self) -> Array:
        """Return the share of the cell without snow: half at 10 mm."""
        return np.asarray(10.0 / (10.0 + self.snow))

    def infiltrate(self, inflow: Array) -> Array:
        """Fill the layers from above; return the surface runoff."""
        if not inflow.any():
            return np.zeros_like(inflow)
        wet = (self.water[0] + self.water[1]) / (self.capacity[0] + self.capacity[1])
        saturated = 0.4 * wet**6
        beyond = np.exp(-self.intake / np.maximum(inflow, 1e-9))
        runoff = inflow * (saturated + (1.0 - saturated) * beyond)
        rest = inflow - runoff
        for layer in range(len(LAYERS)):
            taken = np.minimum(rest, self.capacity[layer] - self.water[layer])
            self.water[layer] += taken
            rest = rest - taken
        return np.asarray(runoff + rest)

    def evaporate(self, demand: Array) -> Array:
        """Take water from the bare top and from the roots; return what left."""
        dry = np.clip((self.water[0] - self.air_dry) / self.bare_range, 0.0, 1.0)
        bare = (1.0 - self.cover) * demand * dry * dry
        bare = np.minimum(bare, 0.5 * np.maximum(self.water[0] - self.air_dry, 0.0))
        above = np.maximum(self.water - self.wilting, 0.0)
        roots = self.roots * demand * np.minimum(above / self.root_range, 1.0)
        taken = np.minimum(roots, 0.5 * above)
        taken[0] += bare
        np.minimum(taken, self.water, out=taken)
        self.water -= taken
        return np.asarray(taken.sum(axis=0))

    def drain(self) -> Array:
        """Let water sink from layer to layer; return what leaves the last one."""
        wet = self.water / self.capacity
        left = (wet**self.power + self.speed) ** self.inverse
        sinking = np.maximum(self.water - self.capacity * left, 0.0)
        self.water[-1] -= sinking[-1]
        for upper in range(len(LAYERS) - 2, -1, -1):
            room = self.capacity[upper + 1] - self.water[upper + 1]
            moved = np.minimum(sinking[upper], np.maximum(room, 0.0))
            self.water[upper] -= moved
            self.water[upper + 1] += moved
        return np.asarray(sinking[-1])
