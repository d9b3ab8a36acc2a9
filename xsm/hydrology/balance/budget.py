"""Audit of the water budget: do precipitation, evaporation, runoff and stores make one account."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from itertools import pairwise
from typing import get_args

import numpy as np
import xarray as xr

from xsm.data.dimensions import check_same_names
from xsm.data.doubt import doubt
from xsm.data.grid import as_list
from xsm.data.joins import common
from xsm.data.reading import Reading, read
from xsm.exceptions import (
    GridError,
    MissingVariableError,
    UnknownNameError,
    check_choice,
    did_you_mean,
)
from xsm.hydrology.balance.layers import column_layers, describe_layer
from xsm.hydrology.balance.water_balance import lengths_of
from xsm.typing import States

__all__ = ["budget_consistency"]


_FLUXES = ("precipitation", "evaporation", "runoff")
_WHOLE = "terrestrial_water_storage"
_STORES = (
    "snow_water_equivalent",
    "soil_moisture",
    "groundwater_storage",
    "surface_water_storage",
    "canopy_water",
)
_TEXT = {
    "residual": "mean of what the account leaves over: inflow less outflow less gain of the stores",
    "residual_rms": "root mean square of what the account of a step leaves over",
    "share": "mean of what is left over, without its sign, as a share of the precipitation",
    "explained": "share of the variance of the gain of the stores that the fluxes explain",
    "precipitation": "mean precipitation of the steps judged",
    "evaporation": "mean evaporation of the steps judged",
    "runoff": "mean runoff of the steps judged",
    "storage_change": "mean gain of the stores in the steps judged",
    "count": "steps with an account",
}
_PURE = ("share", "explained", "count")


def budget_consistency(
    reading: Reading,
    predicted: xr.Dataset | xr.DataArray | None = None,
    *,
    dim: Hashable | Iterable[Hashable] | None = None,
    target: str | None = None,
    terms: Sequence[str] | None = None,
    states: States | None = None,
) -> xr.Dataset:
    """Score how far the water budget is from closed, see :func:`xsm.consistency`.

    With the flux F = P - E - Q of a step of length L, mm day-1, and the water S in all stores::

        states="end"    r_t = F_t - (S_t - S_{t-1}) / L_t
        states="mean"   r_t = (F_{t-1} L_{t-1} + F_t L_t - 2 (S_t - S_{t-1})) / (L_{t-1} + L_t)

    The second is exact where the flux is constant within each step, as of monthly means of GRACE.
    """
    if target is not None:
        msg = f'target={target!r} given with law="budget", which audits all terms. Leave it out.'
        raise UnknownNameError(msg)
    if states is not None:
        check_choice("states", states, get_args(States))
    arrays = _terms(reading, predicted, terms)
    stores = {name: array for name, array in arrays.items() if name not in _FLUXES}
    kind = states or _told(reading, stores)
    length = xr.DataArray(np.asarray(lengths_of(reading, arrays["precipitation"])))
    if length.ndim:
        labels = {reading.time: arrays["precipitation"][reading.time]}
        length = length.rename({length.dims[0]: reading.time}).assign_coords(labels)
    fluxes = {name: array for name, array in arrays.items() if name in _FLUXES}
    water = _sum(list(stores.values()))
    series = _account(fluxes, water, length, reading.time, kind)
    scores = _scores(series, as_list(reading.time if dim is None else dim))
    scores.attrs = {"title": "Consistency with a closed water budget", "law": "budget"}
    scores.attrs |= {"terms": [*fluxes, *stores], "states": kind}
    return scores


def _terms(
    reading: Reading, predicted: xr.Dataset | xr.DataArray | None, terms: Sequence[str] | None
) -> dict[str, xr.DataArray]:
    """Return fluxes (mm day-1) and stores (mm), those predicted in the place of the data's."""
    other = None if predicted is None else _read(reading, predicted)
    own = _roles(reading, other, terms)
    found: dict[str, xr.DataArray] = {}
    for role in own:
        source = other if other is not None and role in other else reading
        doubt(source, [role])
        found[role] = _water(source, role)
    missing = [role for role in _FLUXES[:2] if role not in found]
    if "runoff" not in found:
        missing.append("runoff")
    if missing or len(found) == len(_FLUXES):
        reading.require(*missing, *([] if missing else [_WHOLE]))
    found = {name: array.drop_vars("depth", errors="ignore") for name, array in found.items()}
    check_same_names(found, "precipitation")
    first, rest = common(found.pop("precipitation"), found)
    return {"precipitation": first, **rest}


def _read(reading: Reading, predicted: xr.Dataset | xr.DataArray) -> Reading:
    """Find the terms of a prediction, which are named as the data's are."""
    ds = predicted if isinstance(predicted, xr.Dataset) else predicted.to_dataset()
    there = {role: name for role, name in reading.stated.items() if name in ds}
    found = read(ds, there)
    if not any(role in found for role in (*_FLUXES, _WHOLE, *_STORES)):
        msg = (
            f"The prediction holds {list(ds.data_vars)}, none of which is a term of the water "
            f"budget: {', '.join((*_FLUXES, _WHOLE, *_STORES))}. Pass fluxes or stores with units."
        )
        raise MissingVariableError(msg)
    return found


def _roles(reading: Reading, other: Reading | None, terms: Sequence[str] | None) -> list[str]:
    """Return the roles of the account: all fluxes, and the whole storage or all of its parts."""
    known = (*_FLUXES, _WHOLE, *_STORES)
    wrong = [name for name in terms or () if name not in known]
    if wrong:
        msg = f"The term {wrong[0]!r} does not exist. {did_you_mean(wrong[0], known)}"
        raise UnknownNameError(msg)
    there = {role for role in known if role in reading or (other is not None and role in other)}
    parts = {"surface_runoff", "subsurface_runoff"}
    if "runoff" not in there and all(p in reading or (other and p in other) for p in parts):
        there.add("runoff")
    if terms is not None:
        return [role for role in known if role in terms or (role in _FLUXES and role in there)]
    predicted = other is not None and any(role in other for role in _STORES)
    whole = _WHOLE in there and not (predicted and _WHOLE not in (other or ()))
    stores = {_WHOLE} if whole else set(_STORES)
    return [role for role in known if role in there and (role in _FLUXES or role in stores)]


def _water(reading: Reading, role: str) -> xr.DataArray:
    """Return a term in mm day-1 or mm; layers of soil as the water of all."""
    if role == "runoff" and role not in reading:
        return _sum([reading.array("surface_runoff"), reading.array("subsurface_runoff")])
    if role != "soil_moisture":
        return reading.array(role)
    layers = column_layers(reading.table)
    for upper, lower in pairwise(layers):
        if upper.depth and lower.depth and lower.depth[0] != upper.depth[1]:
            msg = (
                f"Layers of soil moisture have a gap or overlap: {describe_layer(upper)} and "
                f"{describe_layer(lower)}. Select layers that follow each other, or pass the "
                'whole storage: terms=["terrestrial_water_storage"].'
            )
            raise GridError(msg)
    arrays = [reading.array(v).drop_vars("depth", errors="ignore") * mm for v, mm in layers.items()]
    return _sum(arrays)


def _sum(arrays: Sequence[xr.DataArray]) -> xr.DataArray:
    """Return the sum of arrays, on the labels that all share."""
    first, *rest = arrays
    if not rest:
        return first
    one, others = common(first, {f"term {k}": a for k, a in enumerate(rest)})
    return sum(others.values(), one)


def _told(reading: Reading, stores: dict[str, xr.DataArray]) -> States:
    """Return what the stores say of their time, by CF's cell_methods; else the end of the step."""
    for role in stores:
        if role in reading:
            said = str(reading.ds[reading.lookup(role).name].attrs.get("cell_methods", ""))
            if f"{reading.time}: mean" in said:
                return "mean"
    return "end"


def _account(
    fluxes: dict[str, xr.DataArray],
    water: xr.DataArray,
    length: xr.DataArray,
    time: str,
    states: States,
) -> xr.Dataset:
    """Return the terms of each step's account in mm day-1, NaN where one is missing."""
    before = {time: 1}
    gain = water - water.shift(before)
    days = length
    if states == "mean":
        last = length.shift(before) if length.ndim else length
        days = (last + length) / 2
        fluxes = {
            name: (array.shift(before) * last + array * length) / (last + length)
            for name, array in fluxes.items()
        }
    rates = xr.Dataset({**fluxes, "storage_change": gain / days})
    rates["residual"] = (
        rates["precipitation"] - rates["evaporation"] - rates["runoff"] - rates["storage_change"]
    )
    return rates.where(rates["residual"].notnull()).astype(np.float64)


def _scores(series: xr.Dataset, dims: list[Hashable]) -> xr.Dataset:
    """Return the scores of accounts of steps."""
    left, gain = series["residual"], series["storage_change"]
    mean = series.mean(dims)
    explained = 1 - (left**2).mean(dims) / ((gain - mean["storage_change"]) ** 2).mean(dims)
    rain = mean["precipitation"]
    found = xr.Dataset(
        {
            "residual": mean["residual"],
            "residual_rms": (left**2).mean(dims) ** 0.5,
            "share": abs(left).mean(dims) / rain.where(rain > 0),
            "explained": explained.where(np.isfinite(explained)),
            **{name: mean[name] for name in (*_FLUXES, "storage_change")},
            "count": left.notnull().sum(dims),
        }
    )
    for name, text in _TEXT.items():
        units = "1" if name in _PURE else "mm day-1"
        found[name].attrs = {"long_name": text, "units": units}
    return found
