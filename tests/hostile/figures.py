"""Figures as verbs: what is compared are the numbers that they show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from tests.hostile.worlds import world
from xsm.typing import Array

__all__ = ["improvement", "map_of", "series", "spectra", "weights", "zones"]


def _drawn(draw: Callable[[], Any]) -> xr.Dataset:
    """Return the numbers of a figure: extremes, means and counts, in any order."""
    import matplotlib.pyplot as plt

    try:
        axes = np.atleast_1d(np.asarray(draw(), dtype=object)).ravel()
        parts = [numbers for ax in axes for numbers in _shown(ax)]
    finally:
        plt.close("all")
    values = np.sort(np.concatenate([p[np.isfinite(p)].ravel() for p in parts] or [np.empty(0)]))
    return xr.Dataset({"drawn": ("number", values)}, {"number": np.arange(len(values))})


def _shown(ax: Any) -> list[Array]:
    """Return the heights of lines and bars, and the colours of maps."""
    lines = [np.asarray(line.get_ydata(), float) for line in ax.lines]
    maps = [m.get_array() for m in ax.collections if m.get_array() is not None]
    bars = [np.array([p.get_height() for p in ax.patches if hasattr(p, "get_height")], float)]
    return [*lines, *(np.ma.filled(m.astype(float), np.nan) for m in maps), *bars]


def map_of(ds: Any) -> xr.Dataset:
    from xsm.plotting import map_variable

    own = ds
    if isinstance(ds, xr.Dataset) and ds.sizes.get("time"):
        first = int(np.argmin(ds.indexes["time"])) if "time" in ds.indexes else 0
        own = ds.isel(time=first)
    found = _drawn(lambda: map_variable(own, "swvl1", coastlines=False))
    found["drawn"].attrs["units"] = own["swvl1"].attrs.get("units")  # a map is in the data's own
    return found


def series(ds: Any, **named: Any) -> xr.Dataset:
    from xsm.plotting import plot_series

    return _drawn(lambda: plot_series(ds, world("prediction"), **named))


def spectra(ds: Any, **named: Any) -> xr.Dataset:
    from xsm.plotting import plot_spectra

    return _drawn(lambda: plot_spectra(ds, world("prediction"), **named))


def zones(ds: Any, **named: Any) -> xr.Dataset:
    from xsm.plotting import plot_zones

    by = xr.ones_like(world("land")["elevation"]).rename("zone")
    return _drawn(lambda: plot_zones(ds, world("prediction"), by, metric="rmse", **named))


def improvement(ds: Any, **named: Any) -> xr.Dataset:
    from xsm.plotting import plot_improvement

    one, other = world("prediction"), world("prediction")
    other["swvl1"] = other["swvl1"] + np.float32(0.01)
    other["swvl1"].attrs |= {"units": "m3 m-3"}
    return _drawn(lambda: plot_improvement(ds, one, other, coastlines=False, **named))


def weights(ds: Any) -> xr.Dataset:
    from xsm.plotting import plot_expert_shares

    return _drawn(lambda: plot_expert_shares(ds))
