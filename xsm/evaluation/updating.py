"""Error updating: what the last known error of a model says of its next ones."""

from __future__ import annotations

import xarray as xr

from xsm.data.grid import time_dim
from xsm.evaluation.autocorrelation import at_lags, count_steps, rho_of
from xsm.exceptions import NotEnoughDataError
from xsm.hydrology.balance import previous_observation
from xsm.hydrology.soil.layering import DEPTH

__all__ = ["faded", "fading_of", "last_known", "pair_sums", "shares"]


_FEWEST = 200  # pairs of errors


def fading_of(errors: xr.DataArray) -> xr.DataArray:
    """Return how alike errors are to those ``lag`` steps before (lag [, depth]), from 0 to 1.

    The correlation of errors (time, *space [, depth]) of all cells together.
    """
    over = [d for d in errors.dims if d not in {time_dim(errors), DEPTH}]
    rho = at_lags(errors.drop_vars(DEPTH, errors="ignore"), over)
    return rho.clip(0.0, 1.0).compute()


def last_known(
    errors: xr.DataArray, predicted: xr.DataArray, known: int
) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    """Return the last error that each step may know, what was predicted then, and its age in steps.

    All (time, *space [, depth]). The error is ``known`` steps old or older, 0 that of the step
    itself; NaN before the first. Lazy where errors are, for any chunks.
    """
    time = time_dim(errors)
    steps = xr.DataArray(count_steps(errors.indexes[time]), dims=time)
    there = errors.notnull()
    parts = (errors, predicted.where(there), xr.zeros_like(errors, float) + steps.where(there))
    last, then, when = (_at_or_before(a.transpose(*errors.dims), time, known) for a in parts)
    return last, then, (steps - when).transpose(*errors.dims)


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


def pair_sums(errors: xr.DataArray, last: xr.DataArray, change: xr.DataArray) -> xr.Dataset:
    """Return sums of products of errors with what is known before them ([depth]), lazily.

    All (time or init, *space [, depth]): ``last`` errors before and the ``change`` that was
    predicted since, both faded by their age.
    """
    over = [d for d in errors.dims if d != DEPTH]
    there = (errors.notnull() & last.notnull() & change.notnull()).transpose(*errors.dims)
    e, x, d = (array.where(there).astype(float) for array in (errors, last, change))
    sums = {"ex": e * x, "ed": e * d, "xx": x * x, "xd": x * d, "dd": d * d, "pairs": there}
    return xr.Dataset({name: array.sum(over) for name, array in sums.items()})


def shares(sums: xr.Dataset) -> xr.Dataset:
    """Return ``error``, what is left of the last error, and ``change``, what of a change is wrong.

    ([lead] [, depth]), of :func:`pair_sums`: the least squares of ``e = error x - change d``, from
    0 to 1.
    """
    pairs = int(sums["pairs"].min())
    if pairs < _FEWEST:
        msg = (
            f"{pairs} errors have an error before them that may be known; at least {_FEWEST} are "
            "needed to learn how long errors last. Pass more steps, starts or cells."
        )
        raise NotEnoughDataError(msg)
    xx, xd, dd = (sums[name].where(sums[name] != 0) for name in ("xx", "xd", "dd"))
    both = xx * dd - xd.fillna(0.0) ** 2
    change = -(sums["ed"] * xx - sums["ex"] * xd.fillna(0.0)) / both.where(both > 1e-12 * xx * dd)
    change = change.fillna(0.0).clip(0.0, 1.0)
    error = ((sums["ex"] + change * sums["xd"]) / xx).fillna(0.0).clip(0.0, 1.0)
    return xr.Dataset({"error": error, "change": change})
