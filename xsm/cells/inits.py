"""At which steps of a record forecasts begin."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import xarray as xr

from xsm.exceptions import GridError, NotEnoughDataError, UnknownNameError, check_whole
from xsm.typing import Array

__all__ = ["chosen_inits", "chosen_leads"]


_FREQUENCY = re.compile(r"\d*[A-Za-z]+(-[A-Za-z]{3})?")


def chosen_leads(lead: Any) -> tuple[int, ...]:
    """Return the steps ahead: 1 to a number, or those that are named."""
    if np.ndim(lead) == 0:
        return tuple(range(1, check_whole("lead", lead, 1) + 1))
    steps = tuple(check_whole("lead", each, 1) for each in lead)
    if not steps or list(steps) != sorted(set(steps)):
        msg = f"lead={lead!r} was given; steps that ascend are needed: lead=14 or lead=[1, 3, 7]."
        raise UnknownNameError(msg)
    return steps


def chosen_inits(init: Any, times: xr.DataArray, first: int, last: int) -> Array:
    """Return the steps of a record at which forecasts begin.

    ``None`` is the last; ``"all"`` and a frequency of pandas, such as ``"MS"`` or ``"7D"`` (the
    first step of each such period), are those among ``first`` to ``last``; labels, lists and
    slices are as those of ``ds.sel``.
    """
    dim = str(times.dims[0])
    every = np.arange(times.size)
    if init is None:
        return every[-1:]
    if isinstance(init, str) and (init == "all" or _FREQUENCY.fullmatch(init)):
        found = every if init == "all" else _first_of_each(init, times, dim)
        found = found[(found >= first) & (found <= last)]
        if not len(found):
            msg = (
                f"init={init!r} names no step that has its forecast: the network is warm from step "
                f"{first + 1} of {times.size}, and the weather reaches those up to {last + 1}. "
                "Give a longer record, or a smaller lead=."
            )
            raise NotEnoughDataError(msg)
        return found
    places = xr.DataArray(every, {dim: times.variable}, (dim,))
    wanted = init.values if isinstance(init, xr.DataArray) else init
    try:
        found = np.atleast_1d(places.sel({dim: wanted}).values)
    except (KeyError, TypeError, ValueError) as error:
        msg = (
            f"init={init!r} is not among the {times.size} times of the data, {_day(times[0])} to "
            f"{_day(times[-1])} ({error}). Name some of them, as ds.sel({dim}=...) takes them; or "
            'init="all", init="MS" (the first step of each month), or None for the last one.'
        )
        raise GridError(msg) from error
    if not len(found):
        msg = f"init={init!r} selects none of the times {_day(times[0])} to {_day(times[-1])}."
        raise GridError(msg)
    return np.unique(found)


def _first_of_each(frequency: str, times: xr.DataArray, dim: str) -> Array:
    """Return the first step of each period."""
    places = xr.DataArray(np.arange(times.size), {dim: times.variable}, (dim,))
    try:
        firsts = places.resample({dim: frequency}).first()
    except ValueError as error:
        msg = (
            f'init={frequency!r} is no frequency ({error}); type such as init="MS" (months) or '
            'init="7D", init="all", or labels of the data.'
        )
        raise UnknownNameError(msg) from error
    values = firsts.values.astype(float)
    return values[np.isfinite(values)].astype(int)


def _day(time: xr.DataArray) -> str:
    """Return a date as text."""
    return str(time.values)[:16].removesuffix("T00:00")
