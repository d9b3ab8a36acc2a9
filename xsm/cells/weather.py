"""The weather after the starts of forecasts: of the data, of past years, of a product, or none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from xsm.artefact.learnt import Learnt
from xsm.cells.features import Features
from xsm.cells.state import on_cells
from xsm.data.doubt import doubt
from xsm.data.grid import is_dates, step, time_dim
from xsm.data.joins import positions
from xsm.data.lead_times import flatten_steps
from xsm.data.naming.dimensions import is_lead, members
from xsm.data.reading import Reading, names_of_both, read
from xsm.data.refused import check_input
from xsm.data.time_axis import months_of_index
from xsm.data.trained_step import check_trained_step
from xsm.exceptions import GridError, NotEnoughDataError, UnknownNameError
from xsm.hydrology.soil.layering import DEPTH
from xsm.typing import Array

__all__ = ["Weather", "hidden_weather", "known_weather", "past_weather", "weather_of_product"]


@dataclass(frozen=True)
class Weather:
    """Where the weather of each step after each start stands.

    ``sources`` are the dynamic inputs (time, *space), in their order; ``rows``
    (init, member, step) are steps of these, -1 where the weather is hidden; ``members`` labels the
    members where there are any.
    """

    sources: tuple[xr.DataArray, ...]
    rows: Array
    members: xr.DataArray | None = None


def hidden_weather(inits: Array, steps: int) -> Weather:
    """Return weather that nobody knows."""
    return Weather((), np.full((len(inits), 1, steps), -1))


def known_weather(features: Features, inits: Array, steps: int) -> Weather:
    """Return the weather that the data hold after each start."""
    rows = inits[:, None, None] + np.arange(1, steps + 1)
    if rows.max(initial=0) >= features.steps:
        times = next(iter(features.dynamic.values())).indexes[features.time]
        msg = (
            f'weather="known" takes the weather of {steps} steps after each init from the data, '
            f"which end with {times[-1]}; {times[inits[-1]]} has {features.steps - 1 - inits[-1]}. "
            "Name earlier inits, init=..., or a smaller lead=; or give the weather to come, "
            'weather=<Dataset>, weather="past" for that of past years, None for none.'
        )
        raise NotEnoughDataError(msg)
    return Weather(tuple(features.dynamic.values()), rows)


def past_weather(features: Features, inits: Array, steps: int, chosen: Any) -> Weather:
    """Return the weather of past years from the same day of the year on, a member a year.

    A run of a year begins with the day and month of the first step after init (1 March where that
    is 29 February and the year has none), and goes on step by step. Only years whose weather was
    known at each init.
    """
    times = next(iter(features.dynamic.values()))
    index = times.indexes[features.time]
    own = np.asarray(index.year)[inits]
    years = _years(chosen, index, own)
    rows = np.empty((len(inits), len(years)), int)
    for m, year in enumerate(years):
        rows[:, m] = _from_year(times, features.time, inits, year)
    whole = (rows >= 0) & (rows + steps - 1 <= inits[:, None])
    if chosen is None:
        years, rows = years[whole.all(axis=0)], rows[:, whole.all(axis=0)]
        if not len(years):
            msg = (
                'weather="past" needs the weather of years before that of the first init, '
                f"{own[0]}, as whole as the forecast is long; the data begin with {index[0]}. Give "
                "a longer record, later inits, or other weather: a Dataset, or None."
            )
            raise NotEnoughDataError(msg)
    elif not whole.all():
        raise NotEnoughDataError(_no_member(whole, years, own, index, inits))
    label = xr.DataArray(years, dims="member", attrs={"long_name": "year of the weather"})
    return Weather(tuple(features.dynamic.values()), rows[..., None] + np.arange(steps), label)


def _years(chosen: Any, index: Any, own: Array) -> Array:
    """Return the years of members that are asked for; by default all before the first init."""
    if chosen is None:
        return np.arange(int(index[0].year), int(own[0]))
    if isinstance(chosen, slice):
        first = index[0].year if chosen.start is None else int(chosen.start)
        last = own[0] - 1 if chosen.stop is None else int(chosen.stop)
        chosen = range(int(first), int(last) + 1)
    listed = list(chosen) if isinstance(chosen, Iterable) and not isinstance(chosen, str) else None
    if not listed or any(not isinstance(y, int | np.integer) for y in listed):
        msg = f"members={chosen!r} was given; years are needed: members=range(1981, 2001)."
        raise UnknownNameError(msg)
    return np.unique(np.asarray(listed, int))


def _from_year(times: xr.DataArray, dim: str, inits: Array, year: int) -> Array:
    """Return the step at which the weather of a year begins, for each init; -1 where none does."""
    index, each = times.indexes[dim], step(times)
    shift = year - np.asarray(index.year)[inits]
    if each.months:
        months = months_of_index(index)
        return positions(_numbers(months), months[inits] + each.months + 12 * shift)
    following = each.after(index, 1)
    dates = [_in_year(following[i], int(by)) for i, by in zip(inits, shift, strict=True)]
    return positions(index, type(index)(dates))


def _numbers(values: Array) -> Any:
    """Return an index of numbers."""
    return xr.DataArray(values, {"_at": values}, ("_at",)).indexes["_at"]


def _in_year(date: Any, by: int) -> Any:
    """Return a date some years on; 1 March for a 29 February that is not there."""
    try:
        return date.replace(year=date.year + by)
    except ValueError:
        return date.replace(year=date.year + by, month=3, day=1)


def _no_member(whole: Array, years: Array, own: Array, index: Any, inits: Array) -> str:
    """Say which year cannot be a member of which forecast."""
    i, m = np.argwhere(~whole)[0]
    said = f"members= holds {years[m]}, and the forecast of {str(index[inits[i]])[:10]} "
    if years[m] >= own[i]:
        same = "that very year" if years[m] == own[i] else "an earlier year"
        return (
            f"{said}is of {same}: its weather was not known at init. Leave the year out: members "
            f"up to {own.min() - 1}."
        )
    return (
        f"{said}needs weather of that year that the data do not hold, or that lies after init: "
        f"they reach from {str(index[0])[:10]} to {str(index[-1])[:10]}. Leave the year out."
    )


def weather_of_product(
    given: Any,
    fitted: Learnt,
    features: Features,
    inits: Array,
    steps: int,
    variables: Mapping[str, str] | None,
) -> Weather:
    """Return the weather of a data set: along time, or by start and lead time; members or not."""
    if not isinstance(given, xr.Dataset):
        msg = (
            f'weather={given!r:.60} was given; "known" (of the data), "past" (of past years), '
            "None (hidden) or a Dataset is needed."
        )
        raise UnknownNameError(msg)
    check_input(given)
    template = next(iter(features.dynamic.values()))
    valid = _labels_after(template, features.time, inits, steps)
    leads = [str(d) for d in given.dims if is_lead(given, str(d))]
    starts = [str(d) for d in given.dims if d in given.indexes and is_dates(given.indexes[d])]
    _check_sums(given, leads)
    if not leads or not starts or given.sizes[starts[0]] == 1:
        runs = [flatten_steps(given) if leads else given]
        which = np.zeros(len(inits), int)
    else:
        index = template.indexes[features.time][inits]
        which = positions(given.indexes[starts[0]], index)
        if (which < 0).any():
            lost = index[int((which < 0).argmax())]
            msg = (
                f"The weather holds no run of {lost}, at which a forecast begins: its runs are of "
                f"{given.indexes[starts[0]][0]} to {given.indexes[starts[0]][-1]}. Name inits that "
                "it has, init=..., with the labels of the data."
            )
            raise GridError(msg)
        which, kept = np.unique(which, return_inverse=True)[::-1]
        runs = [flatten_steps(given.isel({starts[0]: [k]})) for k in kept]
    return _of_runs(runs, which, valid, fitted, features, variables)


def _check_sums(given: xr.Dataset, leads: list[str]) -> None:
    """Refuse sums since the start of runs: their labels are the ends of what they are sums of."""
    summed = [
        str(n)
        for n, a in given.data_vars.items()
        if a.attrs.get("GRIB_stepType") == "accum" and set(leads) & set(a.dims)
    ]
    if summed:
        msg = (
            f"{summed} hold sums since the start of a run, up to the time of the label. Bring a "
            "run to days as the data have them: "
            'weather = xsm.daily(xsm.flatten_steps(run), label="end").'
        )
        raise GridError(msg)


def _of_runs(
    runs: list[xr.Dataset],
    which: Array,
    valid: Any,
    fitted: Learnt,
    features: Features,
    variables: Mapping[str, str] | None,
) -> Weather:
    """Join the runs of a product along time, and find the steps of each forecast in them."""
    names = names_of_both(dict(variables or {}), fitted.recipe.variables)
    reading = read(runs[0], remembered=names)
    reading.require(*features.here)
    doubt(reading, features.here)
    parts = [_arrays(reading.part(run), fitted, features) for run in runs]
    time = time_dim(runs[0])
    many = next((a for a in parts[0] if "member" in a.dims), None)
    rows, offset = np.empty((len(which), 1, valid.shape[1]), int), 0
    for k, run in enumerate(parts):
        index = run[0].indexes[time]
        for i in np.flatnonzero(which == k):
            wanted = type(index)(valid[i])
            at = positions(index, wanted)
            if (at < 0).any():
                msg = (
                    f"The weather lacks {wanted[int((at < 0).argmax())]}, which a forecast needs: "
                    f"it reaches from {index[0]} to {index[-1]}. Give weather of all steps after "
                    "init, with the labels and the steps of the data, or a smaller lead=."
                )
                raise NotEnoughDataError(msg)
            rows[i, 0] = offset + at
        offset += len(index)
    joined = [
        xr.concat([run[j].rename({time: "_row"}).drop_vars("_row") for run in parts], "_row")
        for j in range(len(parts[0]))
    ]
    if many is None:
        return Weather(tuple(joined), rows)
    count = many.sizes["member"]
    full = [
        (a if "member" in a.dims else a.expand_dims(member=count)).transpose("member", "_row", ...)
        for a in joined
    ]
    flat = tuple(
        xr.concat([a.isel(member=m, drop=True) for m in range(count)], "_row") for a in full
    )
    rows = rows + offset * np.arange(count)[:, None]
    return Weather(flat, rows, xr.DataArray(many["member"].variable))


def _arrays(reading: Reading, fitted: Learnt, features: Features) -> list[xr.DataArray]:
    """Return the dynamic inputs of a run (time, [member], *space), on the cells of the data."""
    time, found = time_dim(reading.ds), []
    template = next(iter(features.dynamic.values()))
    for name in fitted.recipe.dynamic:
        key = features.here[0] if name in features.missing else name
        array = reading.array(key).drop_vars(DEPTH, errors="ignore")
        many = [d for d in members(array) if d not in features.space]
        array = array.rename({many[0]: "member"} if many else {})
        array = on_cells(array, template, features.space, what="weather")
        found.append(array.transpose(time, ..., *features.space))
    trained = fitted.fingerprint.get("step")
    check_trained_step(fitted.name, trained, found[0], what="state")
    return found


def _labels_after(template: xr.DataArray, dim: str, inits: Array, steps: int) -> Array:
    """Return the times of the steps after each init, (init, step)."""
    index, each = template.indexes[dim], step(template)
    labels = [np.asarray(each.after(index, k))[inits] for k in range(1, steps + 1)]
    return np.stack(labels, axis=1) if labels else np.empty((len(inits), 0), object)
