"""Forecasts by time of start and lead time, as one series by the time that values belong to."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import numpy as np
import xarray as xr

from xsm.data.grid import time_dim
from xsm.data.joins import assigned
from xsm.data.naming.dimensions import is_lead
from xsm.data.provenance import recorded
from xsm.data.refused import check_some
from xsm.data.units import dequantify, quantify
from xsm.exceptions import GridError

__all__ = ["flatten_steps"]

_ROW = "_row"


def flatten_steps(ds: xr.Dataset) -> xr.Dataset:
    """Return data by time and lead time as one series by valid time, lazily.

    GRIB files of reanalyses such as ERA5-Land are opened by cfgrib with the time at which a run
    started (``time``) and the time since then (``step``) as dimensions. What a value belongs to is
    the sum of both.

    Parameters
    ----------
    ds : xarray.Dataset
        Data with a dimension of time, or one time as scalar coordinate, and one of lead time:
        known by its values (``timedelta64``), its ``standard_name`` (``forecast_period``) or its
        name (``step``, ``lead_time``, ...).

    Returns
    -------
    xarray.Dataset
        The same variables along one dimension ``time``, whose labels are the valid times,
        ascending. Times of start and lead times are left out. Variables along one of both are
        repeated; all others stay. Lazy where the input is; NaN stays NaN; quantities stay
        quantities.

    Raises
    ------
    GridError
        If there is no lead time, or several; if lead times are numbers without units of time; or if
        runs overlap, so that a time has several values.

    Notes
    -----
    Amounts since the start of runs that all start at 00 UTC and last a day at most
    (``GRIB_stepType = "accum"``) are sums since 00 UTC: they get the attribute ``accumulation =
    "since_00"``, which :func:`xsm.daily` reads, where none is stated. Those of runs of more than a
    day become amounts of each step, ``accumulation = "step"``, labelled at its end: for days type
    ``xsm.daily(..., label="end")``.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> days = np.arange("2020-01-01", "2020-01-03", dtype="M8[D]").astype("M8[ns]")
    >>> steps = np.array([12, 24], "m8[h]").astype("m8[ns]")
    >>> t2m = (("time", "step"), [[280.0, 281.0], [282.0, 283.0]], {"units": "K"})
    >>> flat = flatten_steps(xr.Dataset({"t2m": t2m}, {"time": days, "step": steps}))
    >>> flat["t2m"].values, flat["time"].dt.hour.values
    (array([280., 281., 282., 283.]), array([12,  0, 12,  0]))
    """
    ds, quantified = dequantify(ds)
    lead = _lead(ds)
    ds = _with_starts(ds)
    time = time_dim(ds)
    check_some(ds)
    starts, leads = ds.indexes[time], _leads(ds, lead)
    ds = _amounts(ds, lead, leads)
    valid = _sums(starts, leads)
    _check_once(valid, starts, leads, lead)
    old = [n for n, c in ds.coords.items() if c.dims and set(c.dims) <= {time, lead}]
    moved = [n for n, a in ds.data_vars.items() if {time, lead} & set(a.dims)]
    flat = ds[moved].drop_vars([*old, time, lead], errors="ignore")
    flat = flat.expand_dims({d: ds.sizes[d] for d in (time, lead) if d not in flat.dims})
    flat = flat.stack({_ROW: (time, lead)}, create_index=False)
    flat = flat.assign_coords({_ROW: (_ROW, valid, {"standard_name": "time"})})
    order = np.argsort(np.asarray(valid), kind="stable")
    flat = flat if (np.diff(order) == 1).all() else flat.isel({_ROW: order})
    name = time if "time" in ds.variables else "time"
    flat = flat.rename({_ROW: name})
    for n in moved:
        dims = dict.fromkeys(name if d in {time, lead} else d for d in ds[n].dims)
        told = _sum_attrs(ds[n], starts, leads)
        flat = assigned(flat, {str(n): flat[n].transpose(*dims).assign_attrs(told)})
    rest = ds.drop_vars([*moved, *old]).drop_dims([time, lead], errors="ignore")
    moved_too = {str(n): flat[n] for n in flat.data_vars}
    found = assigned(rest.assign_coords(flat.coords), moved_too)[list(ds.data_vars)]
    found = recorded(found, "flatten_steps", of=ds, title="Values by valid time")
    return quantify(found) if quantified else found


def _with_starts(ds: xr.Dataset) -> xr.Dataset:
    """Return data along the time of start, which a single run has as a scalar."""
    dates = [n for n, c in ds.coords.items() if c.dtype.kind == "M"]
    if any(n in ds.dims for n in dates):
        return ds
    named = {"time", "init_time", "forecast_reference_time"}
    start = next((n for n in dates if n in named and not ds[n].ndim), None)
    return ds if start is None else ds.expand_dims(str(start))


def _lead(ds: xr.Dataset) -> str:
    """Return the dimension of lead time."""
    found = [str(d) for d in ds.dims if is_lead(ds, str(d))]
    if len(found) == 1:
        return found[0]
    given = ", ".join(f"{d!r}: {n}" for d, n in ds.sizes.items()) or "none"
    msg = (
        f"The data have {'no lead time' if not found else f'several lead times ({found})'} "
        f"(dimensions: {given}); one is needed, such as 'step'. Without any, data are as they "
        'should be already; where it has another name, type ds.rename(<its name>="step").'
    )
    raise GridError(msg)


def _leads(ds: xr.Dataset, lead: str) -> Any:
    """Return the lead times as an index of pandas."""
    units = ""
    if lead in ds.variables:
        small = xr.Dataset(coords={lead: ds.variables[lead]})
        units = str(small[lead].attrs.get("units", ""))
        index = xr.decode_cf(small, decode_timedelta=True).indexes[lead]
        if index.dtype.kind == "m":
            return index
    msg = (
        f"{lead!r} holds no lengths of time (units: {units!r}). Say what they are, as hours: "
        f'ds = ds.assign_coords({lead}=np.arange(1, {ds.sizes[lead] + 1}).astype("m8[h]")).'
    )
    raise GridError(msg)


def _sums(starts: Any, leads: Any) -> Any:
    """Return the valid times, lead times inside, as an index of numpy or cftime dates."""
    if isinstance(starts, xr.CFTimeIndex):
        return type(starts)([start + lead.to_pytimedelta() for start in starts for lead in leads])
    return type(starts)((starts.values[:, None] + leads.values[None]).ravel())


def _amounts(ds: xr.Dataset, lead: str, leads: Any) -> xr.Dataset:
    """Return sums since the start of runs of more than a day as amounts of each step.

    The first is one too where it is no longer than the second, else NaN.
    """
    long = len(leads) > 1 and leads.max() > timedelta(1) and leads.is_monotonic_increasing
    names = [n for n, a in ds.data_vars.items() if _summed(a) and lead in a.dims] if long else []
    made = {}
    for n in names:
        whole = leads[0] <= leads[1] - leads[0]
        amount = ds[n] - ds[n].shift({lead: 1}, fill_value=0.0 if whole else np.nan)
        made[str(n)] = amount.assign_attrs(ds[n].attrs | {"accumulation": "step"})
    return ds.assign(made)


def _summed(array: xr.DataArray) -> bool:
    """Tell whether GRIB says that values are sums since the start, and nobody says what else."""
    return array.attrs.get("GRIB_stepType") == "accum" and "accumulation" not in array.attrs


def _check_once(valid: Any, starts: Any, leads: Any, lead: str) -> None:
    """Refuse runs that overlap."""
    if not valid.has_duplicates:
        return
    apart = min((b - a for a, b in itertools.pairwise(starts)), default=leads[-1])
    first = int((leads <= timedelta(0)).sum())  # at the start of a run sums are 0
    last = int((leads - leads[min(first, len(leads) - 1)] < apart).sum())
    msg = (
        f"{valid[valid.duplicated()][0]} has values of several runs: they overlap, as runs start "
        f"every {apart} and reach {leads[-1]}. Keep lead times that do not: "
        f"ds = ds.isel({lead}=slice({first}, {max(last, first + 1)})), then flatten."
    )
    raise GridError(msg)


def _sum_attrs(array: xr.DataArray, starts: Any, leads: Any) -> dict[str, str]:
    """Return the attribute of sums of runs that start at 00 UTC and last a day at most."""
    midnight = all((start.hour, start.minute, start.second) == (0, 0, 0) for start in starts)
    if _summed(array) and midnight and timedelta(0) < leads.min() <= leads.max() <= timedelta(1):
        return {"accumulation": "since_00"}
    return {}
