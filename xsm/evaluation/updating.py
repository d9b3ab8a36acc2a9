"""Error updating: what the last known error of a model says of its next ones."""

from __future__ import annotations

import xarray as xr

from xsm.data.grid import time_dim
from xsm.evaluation.autocorrelation import at_lags, count_steps, rho_of
from xsm.exceptions import NotEnoughDataError
from xsm.hydrology.balance import previous_observation
from xsm.hydrology.soil.layering import DEPTH

__all__ = ["faded", "last_error", "lead_share", "lead_sums", "learn_share"]


_FEWEST = 200  # pairs of errors


def learn_share(errors: xr.DataArray, known: int) -> xr.DataArray:
    """Return the share of an error that is left some steps later (lag [, depth]), from 0 to 1.

    The correlation of errors (time, *space [, depth]) of all cells with those ``lag`` steps before.
    ``known`` is the age of the youngest error that a prediction may know; fewer than 200 pairs of
    errors so far apart are refused.
    """
    over = [d for d in errors.dims if d not in {time_dim(errors), DEPTH}]
    found = at_lags(errors.drop_vars(DEPTH, errors="ignore"), over).compute()
    later = found["pairs"].sel(lag=slice(known, None))
    count = int(later.isel(lag=0).min()) if later.sizes["lag"] else 0
    if count < _FEWEST:
        msg = (
            f"{count} pairs of errors lie {known} steps apart; at least {_FEWEST} are needed to "
            "learn how long errors last. Pass more steps or cells with observations."
        )
        raise NotEnoughDataError(msg)
    return found["rho"].clip(0.0, 1.0).assign_attrs(pairs=count)


def last_error(errors: xr.DataArray, known: int) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the last error that each step may know (time, *space [, depth]), and its age in steps.

    It is ``known`` steps old or older, 0 the error of the step itself; NaN before the first. Lazy
    where errors are, for any chunks.
    """
    time = time_dim(errors)
    steps = xr.DataArray(count_steps(errors.indexes[time]), dims=time)
    when = xr.zeros_like(errors, float) + steps.where(errors.notnull())
    found = [_at_or_before(a, time, known) for a in (errors, when.transpose(*errors.dims))]
    return found[0], (steps - found[1]).transpose(*errors.dims)


def _at_or_before(array: xr.DataArray, time: str, known: int) -> xr.DataArray:
    """Return the last value that is so many steps old or older."""
    before = previous_observation(array)
    return before.shift({time: known - 1}) if known else array.fillna(before)


def faded(more: xr.DataArray, share: xr.DataArray, known: int) -> xr.DataArray:
    """Return what is left of an error that is so many steps older than the youngest that is known.

    ``share(known + more) / share(known)``: noise of observations, which lasts no step, is in both.
    """
    young = rho_of(xr.full_like(more, float(known)), share)
    return (rho_of(more + known, share) / young.where(young > 0)).fillna(0.0).clip(0.0, 1.0)


def lead_sums(errors: xr.DataArray, last: xr.DataArray) -> xr.Dataset:
    """Return sums over pairs of errors of forecasts and last errors before their start, lazily.

    Both (init, *space [, depth]), the last ones faded by their age.
    """
    over = [d for d in errors.dims if d != DEPTH]
    last = last.where(errors.notnull())
    sums = {"product": errors * last, "square": last**2, "pairs": last.notnull()}
    return xr.Dataset({name: array.sum(over) for name, array in sums.items()})


def lead_share(sums: xr.Dataset) -> xr.DataArray:
    """Return the share of the last error that is left in forecasts, by least squares, from 0 to 1.

    (lead [, depth]), of :func:`lead_sums` by lead.
    """
    pairs = int(sums["pairs"].min())
    if pairs < _FEWEST:
        msg = (
            f"{pairs} errors of forecasts of one lead have an error before their start; at least "
            f"{_FEWEST} are needed to learn how long errors last. Pass more starts or cells."
        )
        raise NotEnoughDataError(msg)
    square = sums["square"]
    return (sums["product"] / square.where(square > 0)).fillna(0.0).clip(0.0, 1.0)
