"""Forecasts by time of start and lead: known by what CF says, and taken apart lead by lead."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr

from xsm.data.grid import is_dates
from xsm.data.joins import at_labels
from xsm.data.lead import LEAD
from xsm.data.naming.dimensions import is_lead
from xsm.data.reading import Reading
from xsm.exceptions import GridError

__all__ = ["INIT", "as_forecast", "is_forecast", "joined", "on_time", "with_observed"]


INIT = "init"
"""The dimension of times of start."""

_VALID = "valid_time"
_STARTS = (INIT, "init_time", "forecast_reference_time", "reference_time", "initial_time")

_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}  # by the first letter of units


def is_forecast(predicted: xr.Dataset | xr.DataArray) -> bool:
    """Tell whether a prediction lies along times of start and lead times.

    Starts are known by ``forecast_reference_time`` or their name: dates alone may be those that
    values are for.
    """
    return len(_leads(_as_dataset(predicted))) == 1 and len(_dates(predicted)) == 1


def as_forecast(predicted: xr.Dataset) -> xr.Dataset:
    """Return a forecast along ``init`` and ``lead``, lazily.

    Lead is known by its lengths of time, by ``forecast_period`` or by its name, the start by its
    dates. Numbers of days, hours or months, by their units, become lengths or months; others are
    refused.
    """
    ((lead,), (init,)) = _leads(predicted), _dates(predicted)
    names = {old: new for old, new in ((lead, LEAD), (init, INIT)) if old != new}
    taken = [new for new in names.values() if new in predicted.variables or new in predicted.dims]
    named = predicted.drop_vars([n for n in taken if n not in predicted.dims]).rename(names)
    values = named[LEAD].variable
    units = str(values.attrs.get("units", ""))
    if values.dtype.kind == "m" or units == "months":
        return named
    seconds = _SECONDS.get(units[:1].lower()) if LEAD in named.coords else None
    if seconds is None or units.lower().startswith("mo") or values.dtype.kind not in "iuf":
        msg = (
            f"Lead times along {lead!r} are no lengths of time (units: {units!r}). Say what they "
            f"are, as days: predicted.assign_coords({lead}=np.arange(1, {named.sizes[LEAD] + 1})"
            '.astype("m8[D]")).'
        )
        raise GridError(msg)
    exact = np.rint(values.values * seconds).astype("m8[s]").astype("m8[ns]")
    return named.assign_coords({LEAD: exact})


def on_time(forecast: xr.Dataset, time: str) -> xr.Dataset:
    """Return forecasts of one lead by the times that they are for, which are all different.

    These are start plus lead, of months those of ``valid_time``. What is of the start alone is left
    out.
    """
    valid = forecast.indexes[INIT]
    if forecast[LEAD].dtype.kind == "m":
        lead = forecast[LEAD].values
        valid = valid + (lead if valid.dtype.kind == "M" else lead.astype("m8[us]").item())
    elif _VALID in forecast.coords and forecast[_VALID].dims == (INIT,):
        valid = type(valid)(forecast[_VALID].values)
    else:
        msg = (
            "Forecasts of months ahead do not say which times they are for. Give them the "
            "coordinate valid_time (init, lead), as xsm.forecast does."
        )
        raise GridError(msg)
    forecast = forecast.drop_vars([n for n, c in forecast.coords.items() if c.dims == (INIT,)])
    return forecast.rename_dims({INIT: time}).assign_coords({time: (time, valid)})


def with_observed(reading: Reading, forecast: xr.Dataset) -> tuple[Reading, xr.Dataset]:
    """Return forecasts of one lead by valid times, and the data on these times; NaN beyond them."""
    whole = on_time(forecast, reading.time)
    wanted = {reading.time: whole.indexes[reading.time]}
    return reading.part(at_labels(reading.ds, wanted)), whole


def joined(forecast: xr.Dataset, judge: Callable[[xr.Dataset], xr.Dataset]) -> xr.Dataset:
    """Return what a function makes of the forecasts of each lead, along ``lead``."""
    parts = [forecast.isel({LEAD: k}) for k in range(forecast.sizes[LEAD])]
    found = [judge(part).drop_vars(LEAD, errors="ignore") for part in parts]
    whole = xr.concat(
        found,
        LEAD,
        data_vars="all",
        coords="minimal",
        compat="override",
        join="exact",
        combine_attrs="override",
    )
    return whole.assign_coords({LEAD: forecast[LEAD].variable})


def _as_dataset(predicted: xr.Dataset | xr.DataArray) -> xr.Dataset:
    """Return a Dataset with the same dimensions and coordinates."""
    return predicted if isinstance(predicted, xr.Dataset) else predicted.to_dataset(name="_")


def _leads(predicted: xr.Dataset) -> list[str]:
    """Return the dimensions of lead time."""
    return [str(d) for d in predicted.dims if is_lead(predicted, str(d))]


def _dates(predicted: xr.Dataset | xr.DataArray) -> list[str]:
    """Return the dimensions of dates that are said to be those of starts."""
    dates = [str(d) for d in predicted.dims if is_dates(predicted.indexes.get(d))]
    return [
        d
        for d in dates
        if d in _STARTS or predicted[d].attrs.get("standard_name") == "forecast_reference_time"
    ]
