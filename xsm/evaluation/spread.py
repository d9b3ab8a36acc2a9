"""Can a predicted spread be believed? Coverage, sharpness, CRPS and PIT, and the intervals."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from xsm.data.dimensions import check_prediction
from xsm.data.doubt import doubt, guarded, guards_of
from xsm.data.grid import as_list, without_scalars
from xsm.data.joins import common
from xsm.data.naming.dimensions import members
from xsm.data.provenance import recorded
from xsm.data.reading import Reading, read
from xsm.data.targets import observed_target, predicted_spread, predicted_target, target_of
from xsm.data.units import dequantify
from xsm.evaluation.distribution import PROBABILITIES, Shape
from xsm.evaluation.ensembles import judge_members
from xsm.evaluation.leads import INIT, as_forecast, is_forecast, joined, with_observed
from xsm.exceptions import MissingVariableError, NotEnoughDataError, check_dataset
from xsm.hydrology.soil.layered import layered_pair, layered_spread
from xsm.typing import FloatArray

__all__ = [
    "ensemble_of",
    "errors_of",
    "judge",
    "levels_of",
    "reliability",
    "reliability_of",
    "shape_of",
    "spread_of",
    "standardised",
]


_SURE = 1e-100  # spread of a prediction that states 0, so that z stays a number
_NOMINAL = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_BINS = 20

_RELIABILITY = {
    "coverage": "share of observations inside the central interval",
    "width": "mean width of the central interval",
    "sharpness": "mean standard deviation of the prediction",
    "crps": "mean continuous ranked probability score",
    "pit": "density of the probability integral transform",
    "rank_histogram": "frequency of the number of members below the observation, 1 where even",
    "count": "number of pairs",
}


def reliability(
    ds: xr.Dataset,
    predicted: xr.Dataset,
    *,
    dim: Hashable | Iterable[Hashable] | None = None,
    levels: float | Sequence[float] = _NOMINAL,
    bins: int = _BINS,
    target: str | None = None,
    variables: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """Tell whether the spread of a prediction can be believed.

    Parameters
    ----------
    ds : xarray.Dataset
        The observations.
    predicted : xarray.Dataset
        A prediction with a spread, of :func:`xsm.predict` with a Gaussian head or an ensemble, or
        of anything else: ``<name>`` and ``<name>_std``, with units.
    dim : str or iterable of str, optional
        Dimensions that are averaged over; by default all, which leaves one curve. ``"time"``
        leaves a map.
    levels : float or sequence of float, default: 0.1 to 0.9, 0.95
        Nominal probabilities of central intervals.
    bins : int, default: 20
        Bars of the histogram.
    target : str, optional
        Role or variable of the observations; by default what the prediction says.
    variables : mapping of str to str, optional
        Role to variable name, where xsm finds none or the wrong one.

    Returns
    -------
    xarray.Dataset
        Over the pairs of observation and prediction (NaN left out; common labels), in canonical
        units, lazy where the data are:

        - ``coverage`` (level): share of observations inside the central interval; it should be
          ``level`` itself.
        - ``width`` (level), ``sharpness``: mean width of the interval, mean standard deviation.
          Of two that cover as they say, the narrower is better.
        - ``crps``: mean continuous ranked probability score, 0 is best. It is the mean absolute
          error where there is no spread, and so comparable with ``mae`` of :func:`xsm.score`.
        - ``pit`` (pit_value): density of the predicted probabilities of what was observed. Flat,
          1 everywhere, is right; a U is too narrow, a hump too wide, a slope biased.
        - ``rank_histogram`` (rank), in its place, of members without ``<name>_std``: how often so
          many members were below, relative to the even share; it is read as ``pit``.
        - ``count``: pairs.

        Of forecasts by start and lead time all of these by ``lead``. A target of several layers
        is judged whole, where the prediction has a spread of each; ``dim`` without ``"depth"``
        keeps them apart.

    Raises
    ------
    MissingVariableError, UnitsError
        If there is no spread, or target or units are missing.
    GridError
        If the prediction lacks a dimension of the observations.
    NotEnoughDataError
        If there is no label in common, or a level out of reach.

    Notes
    -----
    CRPS in closed form (Gneiting et al. 2005); after calibration, of the table of quantiles as so
    many equally likely values. PIT after Dawid (1984).

    References
    ----------
    Dawid, A. P. (1984). J. R. Stat. Soc. A 147:278-292.
    Gneiting, T. et al. (2005). Mon. Weather Rev. 133:1098-1118.

    Examples
    --------
    >>> import xsm
    >>> ds = xsm.open_tutorial("land").isel(latitude=slice(0, 4), longitude=slice(20, 24))
    >>> noise = np.random.default_rng(0).normal(0, 0.02, ds["swvl1"].shape)
    >>> guess = ds["swvl1"].astype(float) + noise
    >>> spread = xr.full_like(guess, 0.02)
    >>> table = xsm.reliability(ds, xr.Dataset({"swvl1": guess, "swvl1_std": spread}))
    >>> table["coverage"].sel(level=[0.5, 0.9]).values.round(2), round(float(table["crps"]), 4)
    (array([0.5, 0.9]), 0.0113)
    """
    check_dataset(predicted, "predicted")
    reading = read(ds, variables)
    found = reliability_of(reading, predicted, dim=dim, levels=levels, bins=bins, target=target)
    return recorded(found, "reliability", of=ds)


def reliability_of(
    reading: Reading,
    predicted: xr.Dataset,
    *,
    dim: Hashable | Iterable[Hashable] | None = None,
    levels: float | Sequence[float] = _NOMINAL,
    bins: int = _BINS,
    target: str | None = None,
) -> xr.Dataset:
    """Tell whether the spread of a prediction can be believed, see :func:`reliability`.

    Of forecasts each lead by itself.
    """
    predicted, _ = dequantify(predicted)
    target = target or target_of(predicted, reading.table)
    if is_forecast(predicted):
        given = None if dim is None else [reading.time if d == INIT else d for d in as_list(dim)]
        asked: dict[str, Any] = {"dim": given, "levels": levels, "bins": bins, "target": target}
        return joined(
            as_forecast(predicted),
            lambda part: reliability_of(*with_observed(reading, part), **asked),
        )
    wanted = str(reading.lookup(target).name)
    doubt(reading, [target])
    ensemble = ensemble_of(predicted, wanted)
    if ensemble:
        observed, values = layered_pair(reading, predicted, target)
        observed = guarded(observed, guards_of(reading, [target]).get(target))
        check_prediction(observed, values)
        dims = [d for d in values.dims if d != ensemble] if dim is None else as_list(dim)
        judged = judge_members(
            without_scalars(observed), without_scalars(values), ensemble, levels_of(levels), dims
        )
        return _described(judged, wanted, reading.units(target))
    z, std, name = errors_of(reading, predicted, target)
    table = judge(z, std, shape_of(predicted, name), dim=dim, levels=levels, bins=bins)
    return _described(table, name, reading.units(target))


def errors_of(
    reading: Reading, predicted: xr.Dataset, target: str
) -> tuple[xr.DataArray, xr.DataArray, str]:
    """Return the errors of a prediction in units of its spread, the spread, and whose it is.

    As :func:`standardised`; with ``depth`` last where the prediction has a spread of all layers.
    """
    name = spread_of(predicted, str(reading.lookup(target).name))
    layers = list(dict.fromkeys(str(v.name) for v in reading.layers(target)))
    if not all(f"{n}_std" in predicted for n in layers):
        layers = [name]
    if len(layers) > 1 or reading.lookup(target).dim in predicted[name].dims:  # layer by layer
        observed, mean = layered_pair(reading, predicted[layers], target)
        std = layered_spread(reading, predicted, layers, target)
    else:
        observed = observed_target(reading, target)
        observed = guarded(observed, guards_of(reading, [target]).get(target))
        mean = predicted_target(reading, predicted, target)
        std = predicted_spread(reading, predicted, name, target)
    check_prediction(observed, mean)
    std = std.astype(np.float64)
    sure = std.where(std != 0, _SURE)  # not without a spread
    return *standardised(observed, mean, sure), name


def ensemble_of(predicted: xr.Dataset, name: str) -> str:
    """Return the dimension of members of a prediction that has no other spread; else nothing."""
    if name not in predicted or f"{name}_std" in predicted:
        return ""
    return next(iter(members(predicted[name])), "")


def _described(table: xr.Dataset, name: str, units: str) -> xr.Dataset:
    """Say what was found, and in which units."""
    for variable in map(str, table.data_vars):
        own = units if variable in {"width", "sharpness", "crps"} else "1"
        table[variable].attrs = {"long_name": _RELIABILITY[variable], "units": own}
    table["level"].attrs = {"long_name": "nominal probability of the central interval"}
    table["level"].attrs["units"] = "1"
    if "pit_value" in table.coords:
        table["pit_value"].attrs = {"long_name": "predicted probability", "units": "1"}
    table.attrs["title"] = f"Reliability of the spread of {name}"
    return table


def spread_of(predicted: xr.Dataset, target: str | None = None) -> str:
    """Return the name of the variable of a prediction that has a spread, ``<name>_std``.

    The one that is wanted; refuse none, and several where none is wanted.
    """
    names = list(map(str, predicted.data_vars))
    found = [n for n in names if f"{n}_std" in names and target in (None, n)]
    if len(found) == 1:
        return found[0]
    if found:
        msg = f"The prediction has a spread of {found}. Pass one of them: target={found[0]!r}."
        raise MissingVariableError(msg)
    wanted = f"{target}_std" if target else "<target>_std"
    msg = (
        f"The prediction holds {names}, and no {wanted}. Predict with a model that knows its "
        'spread: fit(..., head="gaussian") or fit(..., members=5).'
    )
    raise MissingVariableError(msg)


def shape_of(predicted: xr.Dataset, name: str) -> Shape:
    """Return the distribution of a prediction about its mean.

    A standard Gaussian, or the table ``<name>_quantile`` of a calibrated prediction, of the
    probabilities of xsm.
    """
    if f"{name}_quantile" not in predicted:
        return Shape()
    table = predicted[f"{name}_quantile"]
    given = table["probability"].values if "probability" in table.coords else np.zeros(0)
    whole = given.shape == PROBABILITIES.shape and np.allclose(given, PROBABILITIES)
    if table.dims != ("probability",) or not whole:
        msg = (
            f"{name}_quantile is needed along `probability` alone, from {PROBABILITIES[0]} to "
            f"{PROBABILITIES[-1]}, as predict gives it (of forecasts along `lead` too); the "
            f"prediction has {given.size} of them, along {table.dims}. Keep it as it was, or leave "
            f"it out: predicted.drop_vars('{name}_quantile')."
        )
        raise NotEnoughDataError(msg)
    return Shape(np.asarray(table.values, dtype=float))


def standardised(
    observed: xr.DataArray, mean: xr.DataArray, std: xr.DataArray
) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the errors of a prediction in units of its spread, and the spread, lazily.

    z = (observed - mean) / std in float64, joined on common labels, but for rounding; NaN where one
    is missing, or the spread is not above 0. The spread is on the same labels, NaN where z is.
    """
    arrays = {"observed": observed, "the prediction": mean, "its spread": std}
    bare = {n: without_scalars(a).drop_attrs(deep=False) for n, a in arrays.items()}
    bare = {n: a.astype(np.float64) for n, a in bare.items()}
    truth, near = common(bare.pop("observed"), bare)
    centre, spread = near.values()
    z = (truth - centre) / spread.where(spread > 0)
    z = z.transpose(*truth.dims, ...)
    return z, spread.where(z.notnull())


def judge(
    z: xr.DataArray,
    std: xr.DataArray,
    shape: Shape,
    *,
    dim: Hashable | Iterable[Hashable] | None,
    levels: float | Sequence[float],
    bins: int,
) -> xr.Dataset:
    """Return what tells whether a spread can be believed, see :func:`xsm.reliability`, lazily.

    ``z`` and ``std`` as of :func:`standardised`, ``shape`` the predicted distribution of z:
    ``coverage`` and ``width`` (level, ...), ``sharpness``, ``crps``, ``pit`` (pit_value, ...) and
    ``count``. Levels out of reach, and less than 2 bars, are refused.
    """
    if bins < 2:
        msg = f"bins={bins} was given; at least 2 bars of the histogram are needed, such as 20."
        raise NotEnoughDataError(msg)
    dims = list(z.dims) if dim is None else as_list(dim)
    level = levels_of(levels)
    low, high = (level.copy(data=shape.quantile((1 + s * level.values) / 2)) for s in (-1, 1))
    known = z.notnull()
    count = known.sum(dims)
    some = count.where(count > 0)
    pit = _each(shape.cdf, z)
    place = np.minimum(np.floor(pit * bins), bins - 1)
    at = xr.DataArray(np.arange(bins), dims="pit_value")
    found = {
        "coverage": ((z >= low) & (z <= high)).sum(dims) / some,
        "width": (high - low) * (std.sum(dims) / some),
        "sharpness": std.sum(dims) / some,
        "crps": (_each(shape.crps, z) * std).sum(dims) / some,
        "pit": (place == at).sum(dims) * bins / some,
        "count": count,
    }
    ordered = {
        n: a.transpose("level", "pit_value", ..., missing_dims="ignore") for n, a in found.items()
    }
    coords = {"level": level.values, "pit_value": (at.values + 0.5) / bins}
    return xr.Dataset(ordered).assign_coords(coords)


def levels_of(levels: float | Sequence[float]) -> xr.DataArray:
    """Return levels along ``level``, or say which are no probabilities."""
    given = np.atleast_1d(np.asarray(levels, dtype=float))
    wrong = given[~((given > 0) & (given < 1))]
    if wrong.size:
        msg = f"levels={wrong.tolist()} was given; above 0 and below 1 is needed, such as 0.9."
        raise NotEnoughDataError(msg)
    return xr.DataArray(given, dims="level")


def _each(function: Callable[[FloatArray], FloatArray], z: xr.DataArray) -> xr.DataArray:
    """Apply a function to each value, lazily."""
    found: xr.DataArray = xr.apply_ufunc(
        function, z, dask="parallelized", output_dtypes=[np.float64]
    )
    return found
