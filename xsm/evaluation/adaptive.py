"""Spread that follows what was observed: adaptive conformal intervals of forecasts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xsm.data.doubt import doubt
from xsm.data.joins import on_labels_of, snap
from xsm.data.lead import LEAD
from xsm.data.provenance import recorded
from xsm.data.reading import Reading, read
from xsm.data.targets import target_of, widest_spread
from xsm.data.units import dequantify, quantify
from xsm.evaluation.autocorrelation import count_steps
from xsm.evaluation.distribution import Shape
from xsm.evaluation.leads import INIT, as_forecast, is_forecast, joined, on_time, with_observed
from xsm.evaluation.spread import errors_of, levels_of, shape_of, spread_of
from xsm.exceptions import (
    GridError,
    NotEnoughDataError,
    UnknownNameError,
    check_dataset,
    check_whole,
)
from xsm.hydrology.soil.layering import DEPTH
from xsm.hydrology.soil.profile import read_profile
from xsm.typing import FloatArray

__all__ = ["ADAPTED", "adapt_spread"]


ADAPTED = "adapted to what was observed"
"""What the comment of a spread says that :func:`adapt_spread` made."""

_REACH = math.log(10.0)  # a spread is at most ten times what it was, and at least a tenth
_NEEDED = "Pass the observations of the period that was forecast."


def adapt_spread(
    ds: xr.Dataset,
    predicted: xr.Dataset,
    *,
    level: float = 0.9,
    rate: float = 0.05,
    latency: int = 0,
    target: str | None = None,
    variables: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """Let the spread of forecasts follow what was observed before each start.

    A spread that was right on one period is too narrow or too wide on the next one, and at one
    place where it is right on the whole. Here the spread of each cell and lead (and layer) grows a
    little with each observation outside of its interval, and shrinks a little with each inside, so
    that in the long run as many are inside as ``level`` says, however the errors drift.

    Parameters
    ----------
    ds : xarray.Dataset
        The observations (time, *space); times that they lack change nothing.
    predicted : xarray.Dataset
        Forecasts (init, lead, *space) with a spread, ``<target>_std``: many starts, one after
        another, the past ones to learn from. The spread of the first ones is that of the model.
    level : float, default: 0.9
        The central interval that is to hold so large a share.
    rate : float, default: 0.05
        How fast: an observation outside widens the spread by ``level`` times this share, one
        inside narrows it by ``1 - level`` times it. Above 0, at most 1.
    latency : int, default: 0
        Steps of the data until an observation is known: 0 is that of the start itself.
    target : str, optional
        Role or variable of the observations; by default what the forecast says.
    variables : mapping of str to str, optional
        Role to variable name, where xsm finds none or the wrong one.

    Returns
    -------
    xarray.Dataset
        The forecast with another ``<target>_std``, for :func:`xsm.intervals`,
        :func:`xsm.reliability`, :func:`xsm.score` and plots. Mean and distribution stay. Lazy where
        forecast or data are, block by block of space; NaN where it was NaN.

    Raises
    ------
    GridError
        If these are no forecasts by start and lead.
    MissingVariableError, UnitsError
        If there is no spread, or target or units are missing.
    NotEnoughDataError
        If level, rate or latency make no sense, or the calibrated interval is beside the forecast.
    UnknownNameError
        If the spread was adapted already.

    Notes
    -----
    The spread is multiplied by exp(g), at least a tenth and at most ten, and never wider than what
    the target can be; ``g(s) = sum of rate (miss - (1 - level))`` over all forecasts of this lead
    whose valid times were observed up to start s, where miss is 1 if the observation was outside of
    the interval that was given out then, else 0. Quantile tracking
    (Angelopoulos et al. 2023), a form of adaptive conformal inference (Gibbs and Candès 2021), of
    the logarithm of the spread. If g stays within a range r, the share of misses over T
    observations is within ``r / (rate T)`` of ``1 - level``, of any errors. Only what is known at
    each start counts. What it gives is measured in docs/forecasts.md.

    References
    ----------
    Angelopoulos, A. N., Candès, E. J. and Tibshirani, R. J. (2023). NeurIPS 36.
    Gibbs, I. and Candès, E. J. (2021). NeurIPS 34.

    Examples
    --------
    A forecast with half the spread that it should have, of noise:

    >>> import xsm
    >>> time = np.datetime64("2020-01-01", "ns") + np.arange(900).astype("m8[D]")
    >>> units = {"units": "m3 m-3"}
    >>> soil = np.random.default_rng(0).normal(0.3, 0.02, 900)
    >>> ds = xr.Dataset({"swvl1": ("time", soil, units)}, {"time": time})
    >>> both = {"swvl1": 0.3, "swvl1_std": 0.01}
    >>> given = {n: (("init", "lead"), np.full((890, 1), v), units) for n, v in both.items()}
    >>> lead = np.array([1], "m8[D]").astype("m8[ns]")
    >>> forecast = xr.Dataset(given, {"init": time[:890], "lead": lead})
    >>> better = adapt_spread(ds, forecast)
    >>> inside = [xsm.reliability(ds, f, levels=0.9)["coverage"] for f in (forecast, better)]
    >>> [round(c.item(), 1) for c in inside]
    [0.6, 0.9]
    """
    check_dataset(predicted, "predicted")
    latency = check_whole("latency", latency, 0)
    level = float(levels_of(level).item())
    if not 0 < rate <= 1:
        msg = f"rate={rate!r} was given; above 0 and at most 1 is needed, such as 0.05."
        raise NotEnoughDataError(msg)
    reading = read(ds, variables)
    predicted, quantified = dequantify(predicted)
    if not is_forecast(predicted):
        msg = (
            f"The prediction has the dimensions {dict(predicted.sizes)}; forecasts by start and "
            'lead are needed, as of fitted.forecast(ds, init="all", weather="known").'
        )
        raise GridError(msg)
    target = target or target_of(predicted, reading.table)
    reading.lookup(target)
    doubt(reading, [target])
    forecast = as_forecast(predicted)
    ordered = forecast.sortby(INIT)
    known = _known(reading, ordered, latency)
    places = joined(ordered, lambda part: _places(reading, part, target, level))["place"]
    if not places.chunks and not places.notnull().any():
        msg = f"No observation of {target!r} lies at a time that the forecasts are for. {_NEEDED}"
        raise NotEnoughDataError(msg)
    factor = _tracked(places, known, rate, level)
    found = predicted.copy(deep=False)
    for name, own in _by_variable(reading, predicted, factor, target).items():
        most = widest_spread(reading, predicted, name, target)
        found[f"{name}_std"] = _widened(predicted[f"{name}_std"], forecast, name, own, most)
    found = recorded(found, "adapt_spread", of=predicted)
    return quantify(found) if quantified else found


def _places(reading: Reading, part: xr.Dataset, target: str, level: float) -> xr.Dataset:
    """Return the logarithm of errors over the ends of their interval (init, ...), of one lead."""
    z, _, name = errors_of(*with_observed(reading, part), target)
    low, high = _ends(shape_of(part, name), level)
    far: xr.DataArray = xr.where(z < 0, z / low, z / high)
    with np.errstate(divide="ignore"):
        log = xr.apply_ufunc(np.log, far, dask="allowed")
    by_start = log.rename({reading.time: INIT}).assign_coords({INIT: part[INIT].values})
    return by_start.to_dataset(name="place")


def _ends(shape: Shape, level: float) -> tuple[float, float]:
    """Return the ends of the central interval in units of the spread, one on each side of 0."""
    low, high = shape.quantile([(1 - level) / 2, (1 + level) / 2])
    if not low < 0 < high:
        msg = (
            f"The central {level:.0%} of the errors lie from {low:.2f} to {high:.2f} of the "
            "spread, all on one side of the forecast, where another spread does not help. Mend the "
            "mean first: fitted.correct(past, forecast=...), then calibrate."
        )
        raise NotEnoughDataError(msg)
    return float(low), float(high)


def _known(reading: Reading, forecast: xr.Dataset, latency: int) -> npt.NDArray[np.int64]:
    """Return how many forecasts of each lead have been observed at each start (init, lead)."""
    steps = reading.ds.indexes[reading.time].sort_values()
    leads = (forecast.isel({LEAD: k}) for k in range(forecast.sizes[LEAD]))
    valid = [on_time(part, reading.time).indexes[reading.time] for part in leads]
    alike = valid[0].dtype.kind == steps.dtype.kind
    if not alike or not any(times.isin(steps).any() for times in valid):
        msg = (
            f"The forecasts are for {_span(valid[0])}, the observations are of {_span(steps)}: no "
            f"time is in both. {_NEEDED}"
        )
        raise NotEnoughDataError(msg)
    last = count_steps(forecast.indexes[INIT], steps)
    ends = (count_steps(times, steps) + latency for times in valid)
    return np.stack([np.searchsorted(end, last, side="right") for end in ends], axis=1)


def _span(times: Any) -> str:
    """Say from when to when times are."""
    return f"{times[0]} to {times[-1]}" if len(times) else "no time"


def _tracked(
    places: xr.DataArray, known: npt.NDArray[np.int64], rate: float, level: float
) -> xr.DataArray:
    """Return the factor of the spread (..., init, lead), lazily."""
    core = [INIT, LEAD]
    whole = places.chunk(dict.fromkeys(core, -1)) if places.chunks else places
    found: xr.DataArray = xr.apply_ufunc(
        track,
        whole,
        kwargs={"known": known, "rate": rate, "level": level},
        input_core_dims=[core],
        output_core_dims=[core],
        dask="parallelized",
        output_dtypes=[np.float64],
    )
    return found


def track(
    places: FloatArray, *, known: npt.NDArray[np.int64], rate: float, level: float
) -> FloatArray:
    """Return the factor of the spread at each start (..., init, lead).

    ``places`` (..., init, lead) are logarithms of errors over the half-width of their interval, NaN
    where nothing was observed; ``known`` (init, lead), how many are known at each start, ascending.
    """
    log = np.zeros(places.shape)
    now, used = np.zeros(places.shape[:-2] + places.shape[-1:]), np.zeros(known.shape[1], int)
    for start, count in enumerate(known):
        while (used < count).any():
            (leads,) = np.nonzero(used < count)
            past = places[..., used[leads], leads]
            miss = past > log[..., used[leads], leads]  # of the interval that was given out then
            step = np.where(np.isnan(past), 0.0, rate * (miss - (1 - level)))
            now[..., leads] = np.clip(now[..., leads] + step, -_REACH, _REACH)
            used[leads] += 1
        log[..., start, :] = now
    return np.exp(log)


def _by_variable(
    reading: Reading, predicted: xr.Dataset, factor: xr.DataArray, target: str
) -> dict[str, xr.DataArray]:
    """Return the factor of each variable with a spread, along its own dimension of layers."""
    if DEPTH not in factor.dims:
        return {spread_of(predicted, str(reading.lookup(target).name)): factor}
    names = list(dict.fromkeys(str(v.name) for v in reading.layers(target)))
    if len(names) > 1:
        return {n: factor.isel({DEPTH: k}, drop=True) for k, n in enumerate(names)}
    (name,) = names
    profile = read_profile(reading, target)
    bare = factor.drop_vars(DEPTH).rename({DEPTH: profile.dim} if profile.dim != DEPTH else {})
    own = profile.in_order_of_data(bare)
    labels = predicted[name].coords.get(profile.dim)
    return {name: own if labels is None else own.assign_coords({profile.dim: labels})}


def _widened(
    std: xr.DataArray, forecast: xr.Dataset, name: str, factor: xr.DataArray, most: float
) -> xr.DataArray:
    """Return a spread times its factor, 1 where none is known; dimensions keep their names."""
    said = str(std.attrs.get("comment", ""))
    if ADAPTED in said:
        msg = (
            f"{std.name!r} was adapted already. Pass the forecast as fitted.forecast gave it, with "
            "all starts in one call."
        )
        raise UnknownNameError(msg)
    renamed = forecast[f"{name}_std"]
    near = on_labels_of(snap(factor.drop_attrs(), renamed), renamed)
    near = near.transpose(*renamed.dims).fillna(1.0).astype(std.dtype)
    attrs = {**std.attrs, "comment": f"{said}, {ADAPTED}".removeprefix(", ")}
    wide = std.copy(data=std.data * near.data)
    return wide.clip(max=most if math.isfinite(most) else None).assign_attrs(attrs)
