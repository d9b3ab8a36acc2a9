"""Recalibration: the spread of a prediction, of each layer, made to fit what was observed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xsm.data.joins import assigned, positions
from xsm.data.lead import LEAD
from xsm.evaluation.distribution import PROBABILITIES
from xsm.exceptions import NotEnoughDataError, check_choice
from xsm.hydrology.soil.layering import DEPTH
from xsm.physics.rounding import ROUNDING

__all__ = ["LAYER", "METHODS", "add_spread", "layer_spread", "learn_calibration"]


METHODS = ("scale", "isotonic", "conformal")
LAYER = "layer_scale"
"""The factor of the spread of each layer (depth), in a calibration of several layers."""

_PROBABILITY = {"long_name": "cumulative probability", "units": "1"}
_FEWEST = 200  # pairs: tables go by half percents
# Bins of arcsinh(z): up to |z| of a million, 0.001 wide where z is small, 0.1 % of z elsewhere.
_BINS, _REACH = 2**15, 15.0


def learn_calibration(
    z: xr.DataArray, method: str, *, weight: xr.DataArray | None = None
) -> xr.Dataset:
    """Return what makes a predicted spread fit standardised errors.

    Parameters
    ----------
    z : DataArray
        (observed - mean) / std of data that the model was not trained on, of any dimensions, lazy
        or not; NaN is left out.
    method : {"scale", "isotonic", "conformal"}
        How, see :meth:`xsm.FittedModel.calibrate`.
    weight : DataArray, optional
        How much each pair counts, 1 at most, along dimensions of z; of conformal intervals alone.

    Returns
    -------
    xarray.Dataset
        ``scale``, the factor of the spread, and for the last two ``quantile`` (probability) of the
        errors in units of the new spread; ``method`` and ``count`` in the attributes. Where z has
        layers each has a factor of its own besides, ``layer_scale`` (depth), from the surface down,
        and the rest is of all of them, so scaled. z is read once, with layers twice, block by
        block; memory does not grow with it.

    Raises
    ------
    UnknownNameError
        If there is no such method.
    NotEnoughDataError
        If there are fewer than 200 pairs, or weighted ones tell less than these.

    Examples
    --------
    >>> z = xr.DataArray(2.0 * np.sin(np.arange(1000.0)), dims="time")
    >>> round(float(learn_calibration(z, "scale")["scale"]), 3)
    1.414
    """
    check_choice("method", method, METHODS)
    if DEPTH in z.dims:
        layers = _layers(z, weight)
        alike = z / xr.DataArray(layers, dims=DEPTH)
        found = learn_calibration(alike.rename({DEPTH: "_layer"}), method, weight=weight)
        return found.assign({LAYER: (DEPTH, layers)})
    counts, moments = _count(z, weight)
    count = int(moments["pairs"])
    if count < _FEWEST:
        msg = (
            f"{count} pairs of prediction and observation were given; at least {_FEWEST} are "
            "needed to learn how far to trust the spread. Pass more steps or cells."
        )
        raise NotEnoughDataError(msg)
    attrs = {"method": method, "count": count}
    quantiles: npt.NDArray[np.float64] | None
    if method == "isotonic":
        quantiles, scale = _quantiles(counts, PROBABILITIES * count), moments["deviation"]
    elif method == "conformal":
        quantiles, scale = _conformal(counts), moments["size"]
    else:
        quantiles, scale = None, moments["size"]
    if not scale > ROUNDING * moments["size"]:  # all the same, but for rounding
        msg = (
            f"The errors of all {count} pairs are the same, {moments['size']} times the predicted "
            "spread: there is nothing to learn from. Pass observations, not a prediction."
        )
        raise NotEnoughDataError(msg)
    if quantiles is None:
        return xr.Dataset({"scale": scale}, attrs=attrs)
    table = ("probability", quantiles / scale)
    at = xr.Variable("probability", PROBABILITIES, _PROBABILITY)
    return xr.Dataset({"scale": scale, "quantile": table}, {"probability": at}, attrs)


def _layers(z: xr.DataArray, weight: xr.DataArray | None) -> npt.NDArray[np.float64]:
    """Return the root mean square of the errors of each layer (depth); 1 where there are none."""
    square = (z.astype(np.float64) ** 2).drop_vars(DEPTH, errors="ignore")
    over = [d for d in z.dims if d != DEPTH]
    mean = square.mean(over) if weight is None else square.weighted(weight).mean(over)
    size = mean**0.5
    found: npt.NDArray[np.float64] = size.where(size > 0, 1.0).compute().values
    return found


def _count(
    z: xr.DataArray, weight: xr.DataArray | None
) -> tuple[npt.NDArray[np.float64], dict[str, float]]:
    """Return how many errors lie in each bin, their root mean square and their deviation.

    ``pairs`` is their number; of weighted ones that of even ones that tell as much.
    """
    one = xr.ones_like(z, dtype=np.float64) if weight is None else weight.broadcast_like(z)
    one = one.transpose(*z.dims).where(z.notnull(), 0.0)
    data: Any = xr.apply_ufunc(np.arcsinh, z, dask="allowed").clip(-_REACH, _REACH).data
    module: Any = np
    if z.chunks is not None:
        import dask.array as module

        one = one.chunk(z.chunksizes)
    counts = module.histogram(data, bins=_BINS, range=(-_REACH, _REACH), weights=one.data)[0]
    sums = {"sum": one.sum(), "squares": (one * one).sum()}
    sums |= {"mean": (one * z).sum(), "square": (one * z * z).sum()}
    read = xr.Dataset({"counts": ("bin", counts), **sums}).compute()
    total = max(float(read["sum"]), np.finfo(float).tiny)
    mean, square = float(read["mean"]) / total, float(read["square"]) / total
    deviation = max(square - mean * mean, 0.0) ** 0.5
    pairs = float(read["sum"]) ** 2 / max(float(read["squares"]), np.finfo(float).tiny)
    return read["counts"].values, {
        "size": square**0.5,
        "deviation": deviation,
        "pairs": np.rint(pairs),
    }


def _edges() -> npt.NDArray[np.float64]:
    """Return the edges of the bins of z."""
    return np.sinh(np.linspace(-_REACH, _REACH, _BINS + 1))


def _quantiles(
    counts: npt.NDArray[np.float64], ranks: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the z that as many errors lie below, linear within a bin."""
    up_to, edges = np.cumsum(counts), _edges()
    at = np.searchsorted(up_to, ranks - 1e-9)
    share = (ranks - up_to[at] + counts[at]) / counts[at]
    return edges[at] + share * (edges[at + 1] - edges[at])


def _conformal(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return symmetric quantiles whose central intervals cover as split-conformal ones do.

    Of weighted errors as in Tibshirani et al. (2019): the error to come counts as one more, of
    weight 1, beyond all others.
    """
    half = len(PROBABILITIES) // 2
    sizes = counts[_BINS // 2 :] + counts[: _BINS // 2][::-1]  # of |z|
    levels = 2 * PROBABILITIES[half + 1 :] - 1
    ranks = (sizes.sum() + 1) * levels
    ranks = np.ceil(ranks - 1e-9) if (sizes == np.rint(sizes)).all() else ranks
    upper = _edges()[_BINS // 2 + 1 :][np.searchsorted(np.cumsum(sizes), ranks - 1e-9)]
    return np.concatenate([-upper[::-1], [0.0], upper])


def layer_spread(std: xr.DataArray, calibration: xr.Dataset | None) -> xr.DataArray:
    """Return a spread by layer, from the surface down, each with its factor of a calibration."""
    if calibration is None or LAYER not in calibration or DEPTH not in std.dims:
        return std
    factor = _of_leads(calibration, std)[LAYER].astype(std.dtype)
    return (std * factor).transpose(*std.dims).assign_attrs(std.attrs)


def _of_leads(calibration: xr.Dataset, std: xr.DataArray) -> xr.Dataset:
    """Return what was learnt by lead for the leads of a spread; refuse leads that were not."""
    if LEAD not in calibration.dims:
        return calibration
    known = calibration.indexes[LEAD]
    wanted = np.atleast_1d(std[LEAD].values) if LEAD in std.coords else np.zeros(0, known.dtype)
    rows = positions(known, wanted)
    if not rows.size or (rows < 0).any():
        msg = (
            f"The spread was calibrated for forecasts of {known.size} leads, {known[0]} to "
            f"{known[-1]}, and these are of others. Calibrate for them: fitted.calibrate(ds, "
            "forecast=...), or without forecast= for predictions."
        )
        raise NotEnoughDataError(msg)
    found = calibration.isel({LEAD: rows if std[LEAD].ndim else int(rows[0])})
    return found.assign_coords({LEAD: std[LEAD].variable})


def add_spread(
    result: xr.Dataset, name: str, std: xr.DataArray, calibration: xr.Dataset | None
) -> xr.Dataset:
    """Return a prediction with its spread beside it, recalibrated where that was learnt.

    Parameters
    ----------
    result : xarray.Dataset
        The prediction, which holds ``name``.
    name : str
        The predicted variable.
    std : DataArray
        Its standard deviation, in the same units where it has none of its own.
    calibration : xarray.Dataset or None
        As of :func:`learn_calibration`.

    Returns
    -------
    xarray.Dataset
        With ``<name>_std``, and ``<name>_quantile`` (probability) where the distribution is no
        Gaussian any more, both linked as CF ancillary variables. Lazy where the spread is.

    Examples
    --------
    >>> mean = xr.Dataset({"theta": ("x", [0.3], {"units": "m3 m-3"})})
    >>> found = add_spread(mean, "theta", xr.DataArray([0.1], dims="x"), None)
    >>> found["theta"].attrs["ancillary_variables"]
    'theta_std'
    """
    said = "predicted by the network"
    extra = {}
    if calibration is not None:
        calibration = _of_leads(calibration, std)
        std = std * calibration["scale"].astype(std.dtype)
        said = f"recalibrated by method {calibration.attrs['method']!r}"
    if calibration is not None and "quantile" in calibration:
        extra[f"{name}_quantile"] = calibration["quantile"].assign_attrs(
            long_name=f"quantiles of (value - {name}) / {name}_std", units="1"
        )
    attrs = {
        "long_name": f"standard deviation of the prediction of {name}",
        "units": std.attrs.get("units", result[name].attrs.get("units", "1")),
        "comment": said,
    }
    if "standard_name" in result[name].attrs:
        attrs["standard_name"] = f"{result[name].attrs['standard_name']} standard_error"
    found = assigned(result, {f"{name}_std": std.assign_attrs(attrs), **extra})
    linked = [result[name].attrs.get("ancillary_variables"), f"{name}_std", *extra]
    found[name].attrs["ancillary_variables"] = " ".join(text for text in linked if text)
    return found
