"""Weather and soil whose true values are known by hour, day and month; what files are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["FLUXES", "STATES", "Truth", "truth"]

FLUXES = {
    "precipitation": (0.0, 24.0),  # mm day-1
    "evaporation": (0.5, 6.0),
    "surface_runoff": (0.0, 5.0),
    "shortwave_down": (20.0, 400.0),  # W m-2
}
STATES = {
    "soil_moisture": (0.1, 0.45),  # m3 m-3, the top layer
    "snow_water_equivalent": (0.0, 80.0),  # mm
    "air_temperature": (262.0, 300.0),  # K
}
LAT, LON = np.array([49.75, 50.25]), np.array([-7.25, -6.75, -6.25])


@dataclass(frozen=True)
class Truth:
    """Values of intervals of some hours or of months, which begin at ``starts``.

    ``values`` are (interval, lat, lon) by role: mean rates of fluxes, and states.
    """

    starts: np.ndarray[Any, Any]
    ends: np.ndarray[Any, Any]
    values: dict[str, np.ndarray[Any, Any]]

    def over(self, hours: int) -> Truth:
        """Return the values of intervals of so many hours."""
        mean = {r: v.reshape(-1, hours, *v.shape[1:]).mean(axis=1) for r, v in self.values.items()}
        return Truth(self.starts[::hours], self.ends[hours - 1 :: hours], mean)

    def months(self) -> Truth:
        """Return the means of calendar months, which the intervals fill."""
        month = self.starts.astype("M8[M]")
        each = np.unique(month)
        mean = {
            r: np.stack([v[month == m].mean(axis=0) for m in each]) for r, v in self.values.items()
        }
        return Truth(each.astype("M8[ns]"), (each + 1).astype("M8[ns]"), mean)

    def labels(self, where: str) -> np.ndarray[Any, Any]:
        """Return the start, middle or end of the intervals."""
        half = (self.ends - self.starts) / 2
        return {"start": self.starts, "middle": self.starts + half, "end": self.ends}[where]

    def hours(self) -> np.ndarray[Any, Any]:
        """Return the hours that intervals last, shaped to multiply values."""
        length = (self.ends - self.starts) / np.timedelta64(1, "h")
        return np.asarray(length, dtype=float)[:, None, None]


def truth(days: int = 4, *, start: str = "2020-05-01", seed: int = 0) -> Truth:
    """Return hourly values: fluxes differ from hour to hour, states from day to day."""
    rng = np.random.default_rng(seed)
    shape = (LAT.size, LON.size)
    starts = np.datetime64(start, "ns") + np.arange(24 * days) * np.timedelta64(1, "h")
    values = {
        role: rng.uniform(*bounds, (24 * days, *shape)) for role, bounds in FLUXES.items()
    } | {
        role: np.repeat(rng.uniform(*bounds, (days, *shape)), 24, axis=0)
        for role, bounds in STATES.items()
    }
    return Truth(starts, starts + np.timedelta64(1, "h"), values)
