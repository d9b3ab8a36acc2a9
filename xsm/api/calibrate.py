"""How a model learns, from what was observed, how far its spread can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import xarray as xr

from xsm.artefact.learnt import Learnt
from xsm.cells.apply import predict_cells, read_for, standard_errors
from xsm.data.grid import time_dim
from xsm.data.lead import LEAD
from xsm.evaluation.adaptive import ADAPTED
from xsm.evaluation.calibration import METHODS, learn_calibration
from xsm.evaluation.leads import as_forecast, is_forecast, joined, with_observed
from xsm.exceptions import GridError, NotEnoughDataError, UnknownNameError, check_choice
from xsm.fields.apply import field_errors

__all__ = ["calibrated"]


_Model = TypeVar("_Model", bound=Learnt)


def calibrated(
    fitted: _Model,
    ds: xr.Dataset,
    method: str,
    *,
    forecast: xr.Dataset | None = None,
    halflife: float | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    variables: Mapping[str, str] | None = None,
    **fine: Any,
) -> _Model:
    """Return a model whose spread fits what was observed, see :meth:`xsm.FittedModel.calibrate`."""
    check_choice("method", method, METHODS)
    if halflife is not None and method != "conformal":
        msg = f'halflife={halflife!r} was given; it is of method="conformal", not of {method!r}.'
        raise UnknownNameError(msg)
    raw = replace(fitted, calibration=None)
    if forecast is not None:
        learnt = _by_lead(raw, ds, method, forecast, halflife, variables)
    else:
        if fitted.recipe.downscales:
            z = field_errors(raw, ds, device=device, variables=variables, **fine)
        else:
            reading = read_for(fitted, ds, variables)
            predicted = predict_cells(raw, reading, batch_size=batch_size, device=device)
            z = standard_errors(reading, predicted, fitted.recipe)
        learnt = learn_calibration(z, method, weight=_weight(z, halflife))
    said = f"{method}, {learnt.attrs['count']:,} pairs"
    if LEAD in learnt.dims:
        said += f" of the fewest of {learnt.sizes[LEAD]} leads"
    said += "" if halflife is None else f", half as much after {halflife:g} days"
    return replace(raw, calibration=learnt, card={**fitted.card, "calibration": said})


def _by_lead(
    raw: Learnt,
    ds: xr.Dataset,
    method: str,
    forecast: xr.Dataset,
    halflife: float | None,
    variables: Mapping[str, str] | None,
) -> xr.Dataset:
    """Return what is learnt of each lead of forecasts, along ``lead``."""
    if not is_forecast(forecast):
        msg = (
            f"forecast= has the dimensions {dict(forecast.sizes)}; forecasts by init and lead are "
            "needed, as of fitted.forecast(ds, init=...). For predictions leave it out."
        )
        raise GridError(msg)
    again = [
        str(name)
        for name, array in forecast.data_vars.items()
        if str(array.attrs.get("comment", "")).startswith("recalibrated")
        or ADAPTED in str(array.attrs.get("comment", ""))
    ]
    if again:
        msg = (
            f"{again} of the forecast are calibrated or adapted already. Pass forecasts of the "
            "model as it was trained, before fitted.calibrate and xsm.adapt_spread."
        )
        raise UnknownNameError(msg)
    reading = read_for(raw, ds, variables)
    counts = []

    def learn(part: xr.Dataset) -> xr.Dataset:
        z = standard_errors(*with_observed(reading, part), raw.recipe)
        z = z.drop_vars(LEAD, errors="ignore")
        found = learn_calibration(z, method, weight=_weight(z, halflife))
        counts.append(found.attrs["count"])
        return found

    learnt = joined(as_forecast(forecast), learn)
    return learnt.assign_attrs(method=method, count=min(counts))


def _weight(z: xr.DataArray, halflife: float | None) -> xr.DataArray | None:
    """Return how much each time counts: 1 of the last, half as much after each halflife."""
    if halflife is None:
        return None
    if not halflife > 0:
        msg = f"halflife={halflife!r} was given; days above 0 are needed, such as 365."
        raise NotEnoughDataError(msg)
    time = time_dim(z)
    after = (z[time].values.max() - z[time].values).astype("m8[us]") / np.timedelta64(1, "D")
    return xr.DataArray(0.5 ** (np.asarray(after, float) / halflife), {time: z[time]}, time)
