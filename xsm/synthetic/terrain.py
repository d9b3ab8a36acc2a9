"""The ground of a synthetic world: coast, mountains, climate, texture, soil properties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xsm.synthetic.random_fields import correlated_noise

__all__ = ["Soil", "Terrain", "make_terrain", "soil_from_texture"]


Array = NDArray[np.float64]

SEA = 0.15  # share of cells
RIDGE = 0.36  # where the mountains stand, as a share of the way from the coast to the far side


@dataclass(frozen=True)
class Terrain:
    """Maps (row, column) of a synthetic world.

    True on land; the way inland from the coast, 0 to about 1 at the far side; elevation of the
    surface, m; wetness of the climate, 0 (lee) to 1 (windward mountains); sand, silt and clay, % by
    weight, which add up to 100.
    """

    land: NDArray[np.bool_]
    inland: Array
    elevation: Array
    wetness: Array
    sand: Array
    silt: Array
    clay: Array


@dataclass(frozen=True)
class Soil:
    """What the soil of each cell can hold and conduct; arrays of one shape.

    Water content at saturation, at -33 kPa and at -1500 kPa, m3 m-3; conductivity at saturation, mm
    day-1, and its exponent in the degree of saturation, 1.
    """

    porosity: Array
    field_capacity: Array
    wilting_point: Array
    k_sat: Array
    exponent: Array


def make_terrain(rng: np.random.Generator, shape: tuple[int, int]) -> Terrain:
    """Draw a coast in the west, mountains behind it, a wet and a dry side, and soils.

    ``shape`` is rows (north to south) and columns (west to east). Maps are finite at sea too;
    ``land`` says where the sea is: on 15 % of cells.
    """
    rough = dict(zip("abcde", (_map(rng, shape, share) for share in _ROUGHNESS), strict=True))
    eastward = np.linspace(0.0, 1.0, shape[1]) + 0.09 * rough["a"] + 0.025 * rough["b"]
    coast = np.quantile(eastward, SEA)
    inland = np.maximum(eastward - coast, 0.0) / (1.0 - SEA)
    elevation = _elevation(inland, rough)
    clay = np.clip(22.0 + 9.0 * rough["c"] - 0.002 * elevation, 4.0, 55.0)
    sand = np.clip(42.0 - 0.9 * (clay - 22.0) + 13.0 * rough["d"], 8.0, 92.0 - clay)
    return Terrain(
        land=eastward > coast,
        inland=inland,
        elevation=elevation,
        wetness=_wetness(inland, elevation),
        sand=sand,
        silt=100.0 - sand - clay,
        clay=clay,
    )


_ROUGHNESS = (0.16, 0.045, 0.12, 0.09, 0.06)  # correlation lengths, as a share of the columns


def _map(rng: np.random.Generator, shape: tuple[int, int], share: float) -> Array:
    """Draw one standard normal map whose correlation length is a share of the columns."""
    return correlated_noise(rng, 1, shape, length=max(share * shape[1], 0.5))[0]


def _elevation(inland: Array, rough: dict[str, Array]) -> Array:
    """Return metres: a ridge along the coast, a plateau behind it, hills, all down to the shore."""
    ridge = 1450.0 * np.exp(-0.5 * ((inland - RIDGE) / 0.13) ** 2)
    ridge *= np.clip(0.85 + 0.25 * rough["d"] + 0.25 * rough["e"], 0.2, 1.35)
    hills = 140.0 * (1.0 + np.tanh(rough["e"])) + 350.0 * inland
    shore = np.clip(inland / 0.12, 0.02, 1.0)
    return np.asarray(shore * (ridge + hills))


def _wetness(inland: Array, elevation: Array) -> Array:
    """Return the wetness of the climate: rain falls on the windward side, the lee is dry."""
    windward = 1.0 / (1.0 + np.exp((inland - RIDGE - 0.05) / 0.10))
    lift = 0.35 * elevation / 2000.0
    return np.asarray(np.clip(0.06 + 0.62 * windward + lift + 0.06 * inland, 0.0, 1.0))


def soil_from_texture(sand: Array, clay: Array) -> Soil:
    """Return the hydraulic properties of soils of given sand and clay, % by weight; NaN stays NaN.

    The regressions of Cosby et al. (1984) on sand and clay (%), psi in mm, K in mm s-1, and the
    retention curve of Clapp and Hornberger (1978)::

        theta_s = 0.489 - 0.00126 sand          b = 2.91 + 0.159 clay
        psi_s = 10 * 10^(1.88 - 0.0131 sand)    K_s = 0.0070556 * 10^(-0.884 + 0.0153 sand)
        theta(psi) = theta_s (psi_s / psi)^(1 / b)
        K(theta) = K_s (theta / theta_s)^(2 b + 3)

    Cosby, B. J., Hornberger, G. M., Clapp, R. B. and Ginn, T. R. (1984). Water Resour. Res.
    20:682-690. Clapp, R. B. and Hornberger, G. M. (1978). Water Resour. Res. 14:601-604.

    >>> loam = soil_from_texture(np.array(43.0), np.array(18.0))
    >>> [round(float(x), 2) for x in (loam.porosity, loam.field_capacity, loam.wilting_point)]
    [0.43, 0.27, 0.14]
    """
    porosity = 0.489 - 0.00126 * sand
    slope = 2.91 + 0.159 * clay
    entry = 10.0 * 10.0 ** (1.88 - 0.0131 * sand)  # mm
    seconds = 86400.0
    return Soil(
        porosity=porosity,
        field_capacity=porosity * (entry / 3365.0) ** (1.0 / slope),  # 33 kPa in mm of water
        wilting_point=porosity * (entry / 152957.0) ** (1.0 / slope),  # 1500 kPa
        k_sat=seconds * 0.0070556 * 10.0 ** (-0.884 + 0.0153 * sand),
        exponent=2.0 * slope + 3.0,
    )
