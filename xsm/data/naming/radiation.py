"""What radiation, which is known within a factor of ten, tells of all amounts of a monthly file."""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr

from xsm.data.naming.held import in_memory, sample
from xsm.data.naming.roles import ROLES
from xsm.data.units import conversion, is_amount
from xsm.exceptions import UnitsError

__all__ = ["told_by_radiation"]


_LIKELY = (40.0, 500.0)  # W m-2: means of months, of shortwave and longwave radiation downward
_MONTH = 30.4  # days


def told_by_radiation(ds: xr.Dataset) -> Literal["daily_mean_rate", "step"] | None:
    """Tell whether amounts of monthly ERA5-Land are means of days, as published, or totals.

    Its radiation, where it is in memory in J m-2, is looked at: as means of daily amounts or as
    totals of months it has a likely size, which differ by a factor of thirty. None where nothing is
    there, or radiation is likely as neither.
    """
    names = {
        name: role
        for role in ("shortwave_down", "longwave_down")
        for name in ROLES[role].aliases.get("era5_land", ())
    }
    found = {_told(ds[name], ROLES[names[name]].units) for name in names if name in ds}
    (told,) = found if len(found) == 1 else (None,)
    return told


def _told(array: xr.DataArray, rate: str) -> Literal["daily_mean_rate", "step"] | None:
    """Tell the same of one variable."""
    units = str(array.attrs.get("units", ""))
    try:
        if not in_memory(array) or not is_amount(units, rate):
            return None
        factor = conversion(units, rate, step_days=1.0).factor
    except UnitsError:
        return None
    some = sample(array)
    some = some[np.isfinite(some)]
    mean = float(some.mean()) * factor if some.size else 0.0
    low, high = _LIKELY
    if low <= mean <= high:
        return "daily_mean_rate"
    return "step" if low * _MONTH <= mean <= high * _MONTH else None
