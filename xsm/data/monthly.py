"""Monthly means of data with several values a month."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, get_args

import numpy as np
import xarray as xr

from xsm.data.doubt import doubt_fills
from xsm.data.grid import time_dim
from xsm.data.intervals import (
    Label,
    bounds_of_time,
    intervals_of,
    label_of,
    with_bounds_read,
    without_bounds,
)
from xsm.data.joins import assigned, at_labels
from xsm.data.naming import Role, Variable, accumulation_of, roles_of, since_00, stated
from xsm.data.naming.dimensions import check_lead
from xsm.data.naming.products import label_of_products
from xsm.data.provenance import recorded
from xsm.data.reading import Reading, read
from xsm.data.reduction import CF, WAYS, cell_method, tell_left_out
from xsm.data.refused import check_moving, check_some
from xsm.data.time_axis import month_starts, months_of_index, steps_between
from xsm.data.units import dequantify, quantify
from xsm.exceptions import GridError, UnitsError, check_choice
from xsm.typing import Array

__all__ = ["monthly"]


_MONTH = np.timedelta64(28, "D")
_DAY = timedelta(days=1)
_SPREAD = (
    "mean of the standard deviations of the month: that of the monthly mean where the errors of a "
    "month are alike, larger where they cancel"
)
_EVEN = 0.5  # share of the steps that last as long as the shortest one; the others are holes


def monthly(
    ds: xr.Dataset,
    *,
    label: Label | None = None,
    variables: Mapping[str, str] | None = None,
    product: str | None = None,
) -> xr.Dataset:
    """Return monthly means, labelled by the first day of the month, lazily.

    Fluxes become mean rates in canonical units and sign (mm day-1, W m-2), since months differ in
    length; all else that has a role is averaged in its own units, and so is the spread of a
    prediction, ``<name>_std``: as if the errors of a month were alike, which is the most it can be.

    Parameters
    ----------
    ds : xarray.Dataset
        Data with a time dimension: daily or hourly, steps may be missing, or a value for about
        each month at uneven times, such as GRACE.
    label : {"end", "start", "middle"}, optional
        Where the label of an interval below a day lies, as of :func:`xsm.daily`: by default bounds
        of time tell, then the product, else ``"end"``, so that 00 UTC of the first day belongs to
        the month before, as in hourly ERA5-Land and GLDAS; labels at half steps are middles.
        Labels of days and months lie in their own month, unless bounds of time say otherwise.
    variables : mapping of str to str, optional
        Role to the name of a variable, where names are your own. What has no role becomes what
        its ``cell_methods`` say of time: the month's sum, mean (also of points), maximum or
        minimum, in its own units.
    product : str, optional
        The product that the data are of, where it is not recognised, see
        :func:`xsm.list_products`.

    Returns
    -------
    xarray.Dataset
        The same variables along whole months. A month without a value, with a NaN or with a
        missing step is NaN; of data at even steps a first or last month that is not complete is
        left out. Lazy where the input is; variables without time stay; text and bounds of time
        are left out.

    Raises
    ------
    GridError
        If no month is complete, or time does not ascend.
    UnitsError
        If a flux that ``variables`` names cannot be used, or nothing along time can; or if fill
        values that nothing declares would be averaged in.
    UnknownNameError
        If ``variables`` names no role, or ``label`` has an unknown value.
    MissingVariableError
        If ``variables`` names no variable, or nothing says what the variables along time are.

    Warns
    -----
    UserWarning
        If variables are left out: fluxes that cannot be made a rate, with the reason, and those
        of which neither a role nor ``cell_methods`` say what they are.

    Notes
    -----
    Even steps with holes are told by this: each step is a multiple of the shortest one, which is
    below a month and that of more than half of them.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> days = np.arange("2020-01-01", "2020-03-15", dtype="M8[D]").astype("M8[ns]")
    >>> swe = xr.DataArray(np.arange(74.0), {"time": days}, attrs={"units": "mm"})
    >>> months = monthly(xr.Dataset({"swe": swe}))
    >>> months["swe"].values, months["time"].dt.month.values
    (array([15., 45.]), array([1, 2]))
    >>> rain = xr.Dataset({"RAIN": ("time", np.full(74, 0.002), {"units": "m"})}, {"time": days})
    >>> monthly(rain, variables={"precipitation": "RAIN"})["RAIN"].values  # mm day-1
    array([2., 2.])
    """
    if label is not None:
        check_choice("label", label, get_args(Label))
    plain, quantified = dequantify(stated(ds, product))
    check_lead(plain)
    plain, time = with_bounds_read(plain), time_dim(plain)
    check_some(plain, time)
    roles = roles_of(plain, variables)
    check_moving(plain, [time], roles)
    shift = _to_inside(plain, time, label)
    plain, inside = _whole_months(_without_holes(plain, time), time, shift)
    reading = read(plain, variables)
    states = [n for n in map(str, reading.ds.data_vars) if n not in roles or not roles[n].flux]
    spreads = {f"{n}_std" for n in states} & {*states}  # of fluxes units change
    said = {
        str(name): "mean" if name in roles or name in spreads else cell_method(array, time)
        for name, array in reading.ds.data_vars.items()
        if time in array.dims and array.dtype.kind in "fiub" and name != bounds_of_time(ds, time)
    }
    unknown = {name: way for name, way in said.items() if way not in WAYS}
    ways = {name: way for name, way in said.items() if way in WAYS}
    reasons = _reasons(reading, roles, ways)
    doubt_fills(reading.ds, {name: roles.get(name) for name in ways if name not in reasons})
    made = {
        name: _months(_rate(reading, name, roles.get(name)).assign_coords(inside), time, way)
        for name, way in ways.items()
        if name not in reasons
    }
    tell_left_out(
        reading.ds, "monthly", unknown, reasons, reading.stated.values() if made else said
    )
    for name in spreads & made.keys():
        made[name].attrs["comment"] = _SPREAD
    kept = [n for n, a in reading.ds.data_vars.items() if time not in a.dims or n in made]
    found = assigned(reading.ds.drop_dims(time), made)[kept]
    found.attrs.pop("accumulation", None)
    found = recorded(found, "monthly", of=ds, title="Monthly values")
    return quantify(found) if quantified else found


def _reasons(
    reading: Reading, roles: Mapping[str, Role], ways: Mapping[str, str]
) -> dict[str, str]:
    """Return which variables cannot be used, and why: of states units do not matter."""
    known, reasons = _known(reading), {}
    for name, way in ways.items():
        flux = name in roles and roles[name].flux
        fault = reading.table.faults.get(name, "")
        if fault and flux:
            reasons[name] = fault
        elif flux and name not in known:
            role = roles[name].name
            reasons[name] = f"variables= names {reading.stated[role]!r} as {role!r} instead."
        elif way == "sum":
            reasons |= _no_sum(reading.ds, name)
    return reasons


def _no_sum(ds: xr.Dataset, name: str) -> dict[str, str]:
    """Return why the amounts of a variable without a role cannot be summed up, where that is so."""
    try:
        meaning = accumulation_of(ds, name)
    except (UnitsError, GridError) as error:
        return {name: str(error)}
    return {} if meaning == "step" else {name: since_00(name, "is a sum since 00 UTC")}


def _known(reading: Reading) -> dict[str, Variable]:
    """Return the variables of the data that can be converted, by name."""
    table = reading.table
    found = [v for variables in table.found.values() for v in variables]
    return {v.name: v for v in (*found, *table.others.values()) if isinstance(v.name, str)}


def _rate(reading: Reading, name: str, role: Role | None) -> xr.DataArray:
    """Return a flux as a canonical rate that states its sign, all else as it is."""
    if role is None or not role.flux:
        return reading.ds[name]
    rate = reading.array(_known(reading)[name])
    return rate.assign_attrs(positive=role.positive) if role.positive in {"up", "down"} else rate


def _months(array: xr.DataArray, time: str, way: str) -> xr.DataArray:
    """Return the sum, mean, maximum or minimum of each month, NaN where a value is.

    Of dask arrays a task a block, whose ends are moved to those of months.
    """
    way = "mean" if way == "point" else way
    index = array.indexes[time]
    month = months_of_index(index)
    begins = np.flatnonzero(np.diff(month, prepend=month[0] - 1))
    labels = month_starts(index, np.arange(month[0], month[-1] + 1))
    axis = array.get_axis_num(time)
    data: Any = array.data
    settings: dict[str, Any] = {"axis": axis, "begins": begins, "way": way}
    if array.chunks is None:
        values = _reduced(data, **settings)
    else:
        ends = np.append(begins[1:], len(month))
        whole = np.unique(ends[np.searchsorted(ends, np.cumsum(array.chunks[axis]))])
        data = data.rechunk({axis: tuple(np.diff(whole, prepend=0).tolist())})
        counts = np.diff(np.searchsorted(begins, whole), prepend=0)
        chunks = [*data.chunks[:axis], tuple(counts.tolist()), *data.chunks[axis + 1 :]]
        meta = _reduced(np.zeros((1,) * data.ndim, data.dtype), axis, np.zeros(1, int), way)
        kinds = {"chunks": tuple(chunks), "meta": meta[(slice(0, 0),) * data.ndim]}
        values = data.map_blocks(_reduced_block, **settings, **kinds, dtype=meta.dtype)
    attrs = {k: v for k, v in array.attrs.items() if k not in {"accumulation", "GRIB_stepType"}}
    attrs["cell_methods"] = f"time: {CF.get(way, way)}"
    kept = {k: c for k, c in array.coords.items() if time not in c.dims}
    found = xr.DataArray(values, {**kept, time: labels[month[begins] - month[0]]}, array.dims)
    found = at_labels(found, {time: labels}) if len(begins) < len(labels) else found
    coordinate = xr.Variable(time, labels, array[time].attrs)
    return found.assign_coords({time: coordinate}).assign_attrs(attrs)


def _reduced(values: Array, axis: int, begins: Array, way: str) -> Array:
    """Return the sum, mean, maximum or minimum of the values from each beginning to the next."""
    parts = np.split(values, begins[1:], axis)
    if way in {"max", "min"}:
        reduce = np.maximum.reduce if way == "max" else np.minimum.reduce
        return np.stack([reduce(part, axis) for part in parts], axis)
    real = values.dtype.kind == "f"
    kind = float if real or way == "mean" else None  # of whole numbers as numpy sums them
    found = np.stack([np.add.reduce(part, axis, dtype=kind) for part in parts], axis)
    if way == "mean":
        counts = np.array([part.shape[axis] for part in parts])
        found /= counts.reshape([-1 if k == axis else 1 for k in range(found.ndim)])
    return found.astype(values.dtype) if real else found


def _reduced_block(values: Array, block_info: Any = None, **settings: Any) -> Array:
    """Reduce a block of a dask array, which begins and ends with months."""
    first, last = block_info[0]["array-location"][settings["axis"]]
    begins = settings["begins"]
    mine = begins[(begins >= first) & (begins < last)] - first
    return _reduced(values, **{**settings, "begins": mine})


def _without_holes(ds: xr.Dataset, time: str) -> xr.Dataset:
    """Put NaN where steps are missing, of data at even steps below a month."""
    index: Any = ds.indexes[time]
    steps = steps_between(np.asarray(index), time)
    if not len(steps) or (steps == steps[0]).all() or steps.min() >= _MONTH:
        return ds
    shortest = steps.min()
    if (steps % shortest).any() or (steps == shortest).mean() <= _EVEN:
        return ds
    step = timedelta(microseconds=int(shortest / np.timedelta64(1, "us")))
    count = int(steps.sum() / shortest) + 1
    return at_labels(ds, {time: type(index)([index[0] + i * step for i in range(count)])})


def _whole_months(
    ds: xr.Dataset, time: str, shift: timedelta
) -> tuple[xr.Dataset, dict[str, xr.DataArray]]:
    """Leave out a first and last month that data at even steps do not fill.

    With it comes a coordinate of times that lie in the month that each step belongs to: those of
    the labels, moved by ``shift``.
    """
    index: Any = ds.indexes[time]
    steps = steps_between(np.asarray(index), time)
    inside = index + shift
    coordinate = without_bounds(ds[time].copy(data=inside))
    if not len(steps) or (steps != steps[0]).any():
        return ds, {time: coordinate}
    step = index[1] - index[0]
    month = months_of_index(inside)
    keep = np.ones(len(index), bool)
    if (inside[0] - step).month == inside[0].month:
        keep &= month != month[0]
    if (inside[-1] + step).month == inside[-1].month:
        keep &= month != month[-1]
    if not keep.any():
        msg = (
            f"No month between {index[0]} and {index[-1]} is complete at steps of {step}; give "
            "whole months."
        )
        raise GridError(msg)
    whole = {time: slice(int(keep.argmax()), len(keep) - int(keep[::-1].argmax()))}
    return ds.isel(whole), {time: coordinate[whole[time]]}


def _to_inside(ds: xr.Dataset, time: str, label: Label | None) -> timedelta:
    """Return the time from labels to the middles of their intervals; none where it is not known."""
    steps = steps_between(np.asarray(ds.indexes[time]), time)
    if not len(steps):
        return timedelta(0)
    shortest = timedelta(microseconds=int(steps.min() / np.timedelta64(1, "us")))
    if shortest < _DAY:
        label = label_of(ds, time, shortest, label, label_of_products(ds))
    elif label is None:
        known = intervals_of(ds, time)
        label = None if known is None else known.label
    signs = {"end": -1, "start": 1, "middle": 0, None: 0}
    return signs[label] * shortest / 2
