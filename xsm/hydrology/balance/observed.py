"""What was observed of a water budget, as loss terms are given it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from xsm.hydrology.needs import Term, Wanted

__all__ = ["observed_roles", "observed_series"]


_PREFIX = "observed_"


def observed_roles(terms: Sequence[Term]) -> list[str]:
    """Return the roles that loss terms are shown beside the target."""
    keys = (key for term in terms for key in term.needs)
    return [key.removeprefix(_PREFIX) for key in keys if key.startswith(_PREFIX)]


def observed_series(wanted: Wanted) -> dict[str, xr.DataArray]:
    """Return what loss terms are shown: observations (time, *space), and the month of each step.

    Canonical, lazy, NaN where nothing was observed. ``month`` counts from the year 0, and
    ``month_days`` are the days of it; both (time,).
    """
    reading = wanted.reading
    found = {
        f"{_PREFIX}{role}": reading.array(role).drop_vars("depth", errors="ignore")
        for role in observed_roles(wanted.terms)
    }
    if "month" in wanted.keys:
        times = reading.ds[reading.time]
        month = (12 * times.dt.year + times.dt.month).astype(np.float32)
        found |= {"month": month, "month_days": times.dt.days_in_month.astype(np.float32)}
    return found
