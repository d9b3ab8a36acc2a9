"""Monthly means of data with several values a month."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xsm.data.grid import time_dim
from xsm.data.naming import ROLES
from xsm.data.naming.dimensions import check_lead
from xsm.data.reading import Reading, read
from xsm.data.time_axis import steps_between
from xsm.data.units import dequantify, quantify
from xsm.exceptions import GridError

__all__ = ["monthly"]


def monthly(ds: xr.Dataset) -> xr.Dataset:
    """Return monthly means, labelled by the first day of the month, lazily.

    Fluxes become mean rates in canonical units and sign (mm day-1, W m-2), since months differ in
    length; all else is averaged in its own units.

    Parameters
    ----------
    ds : xarray.Dataset
        Data with a time dimension: daily or hourly, or a value for about each month at uneven
        times, such as GRACE.

    Returns
    -------
    xarray.Dataset
        The same variables along whole months. A month without a value, or with a NaN, is NaN; of
        data at even steps a first or last month that is not complete is left out. Lazy where the
        input is; variables without time stay; bounds of time are left out.

    Raises
    ------
    GridError
        If no month is complete, or time does not ascend.
    UnitsError
        If the units of a flux are missing or unusable.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> days = np.arange("2020-01-01", "2020-03-15", dtype="M8[D]").astype("M8[ns]")
    >>> swe = xr.DataArray(np.arange(74.0), {"time": days}, attrs={"units": "mm"})
    >>> months = monthly(xr.Dataset({"swe": swe}))
    >>> months["swe"].values, months["time"].dt.month.values
    (array([15., 45.]), array([1, 2]))
    """
    ds, quantified = dequantify(ds)
    check_lead(ds)
    time = time_dim(ds)
    reading = read(_whole_months(ds, time))
    ds, table = reading.ds, reading.table
    bounds = ds[time].attrs.get("bounds", ds[time].encoding.get("bounds"))
    made = {}
    for name, array in ds.drop_vars(bounds or [], errors="ignore").data_vars.items():
        if time not in array.dims or array.dtype.kind not in "fiub":
            made[name] = array if time not in array.dims else None
            continue
        role = next((r for r in table.roles if table[r].name == name), None)
        rate = array if role is None else _rate(reading, role, array)
        means = rate.resample({time: "MS"}).mean(skipna=False).transpose(*array.dims)
        made[name] = means.assign_attrs({**rate.attrs, "cell_methods": "time: mean"})
    kept = {str(name): array for name, array in made.items() if array is not None}
    found = xr.Dataset(kept, attrs={k: v for k, v in ds.attrs.items() if k != "accumulation"})
    return quantify(found) if quantified else found


def _rate(reading: Reading, role: str, array: xr.DataArray) -> xr.DataArray:
    """Return a flux as a canonical rate that states its sign, all else as it is."""
    if not ROLES[role].flux:
        return array
    rate = reading.array(role)
    sign = ROLES[role].positive
    return rate.assign_attrs(positive=sign) if sign in {"up", "down"} else rate


def _whole_months(ds: xr.Dataset, time: str) -> xr.Dataset:
    """Leave out a first and last month that data at even steps do not fill."""
    index = ds.indexes[time]
    steps = steps_between(np.asarray(index), time)
    if not len(steps) or (steps != steps[0]).any():
        return ds
    step = index[1] - index[0]
    month = np.asarray(ds[time].dt.year * 12 + ds[time].dt.month)
    keep = np.ones(len(index), bool)
    if (index[0] - step).month == index[0].month:
        keep &= month != month[0]
    if (index[-1] + step).month == index[-1].month:
        keep &= month != month[-1]
    if not keep.any():
        msg = (
            f"No month between {index[0]} and {index[-1]} is complete at steps of {step}; give "
            "whole months."
        )
        raise GridError(msg)
    return ds.isel({time: slice(int(keep.argmax()), len(keep) - int(keep[::-1].argmax()))})
