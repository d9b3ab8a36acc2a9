"""Forecasts of a network that carries its state: one run through the record, many starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from xsm.artefact.learnt import Learnt
from xsm.cells.alignment import scaling_for
from xsm.cells.apply import errors_before, inputs_of, label, read_for, tell_faulty_target
from xsm.cells.features import Features
from xsm.cells.forks import Forks, forked
from xsm.cells.inits import chosen_inits, chosen_leads
from xsm.cells.laying import as_dask, laid
from xsm.cells.prediction import blocks_of, make_node, named, scale_block
from xsm.cells.runner import Runner
from xsm.cells.state import state_array
from xsm.cells.updating import corrected_ahead
from xsm.cells.weather import (
    Weather,
    hidden_weather,
    known_weather,
    past_weather,
    weather_of_product,
)
from xsm.data.doubt import guards_of
from xsm.data.grid import step
from xsm.data.intervals import without_bounds
from xsm.data.joins import assigned
from xsm.data.lead import LEAD, lead_coordinate
from xsm.data.reading import Reading
from xsm.data.refused import check_names
from xsm.exceptions import GridError, UnknownNameError, warn_outside
from xsm.nn import Answer
from xsm.options import thread_count
from xsm.typing import Array

__all__ = ["Ahead", "forecast_cells"]


_CELLS = 2**12  # of arrays in memory: cells of a block
_STEPS = 2**17  # and steps of cells
_AGE = "observation_age"


@dataclass(frozen=True)
class Ahead:
    """What is asked of a forecast, as :func:`xsm.forecast` describes it."""

    init: Any = None
    lead: Any = 14
    weather: Any = None
    members: Any = None


def forecast_cells(
    fitted: Learnt,
    ds: xr.Dataset,
    asked: Ahead,
    variables: Mapping[str, str] | None,
    *,
    state: xr.Dataset | None,
    batch_size: int | None,
    device: str,
) -> xr.Dataset:
    """Forecast the target from the states of a record, see :func:`xsm.forecast`."""
    _require_carried(fitted)
    recipe, leads = fitted.recipe, chosen_leads(asked.lead)
    reading = read_for(fitted, ds, variables)
    tell_faulty_target(fitted, reading)
    features = inputs_of(fitted, reading, with_target=recipe.data_integration)
    template = next(iter(features.dynamic.values()))
    beyond = max(0, leads[-1] - recipe.ahead)  # steps after init whose weather is needed
    warm = 0 if state is not None else recipe.warmup
    known = isinstance(asked.weather, str) and asked.weather == "known"
    last = features.steps - 1 - (beyond if known else 0)
    times = template[features.time]
    inits = chosen_inits(asked.init, times, max(recipe.ahead, warm, 1) - 1, last)
    if inits[0] < recipe.ahead - 1:
        msg = (
            f"The model looks {recipe.ahead} steps ahead, so that a forecast needs so many steps "
            f"of the data up to init; {times.values[inits[0]]} has {inits[0] + 1}. Name later "
            "inits."
        )
        raise GridError(msg)
    weather = _weather(fitted, features, asked, inits, beyond, variables)
    _check_names(features, weather)
    before = None if state is None else state_array(state, fitted, features)
    runs = _Runs(inits, leads[-1], weather, before)
    options = {"batch_size": batch_size, "device": fitted.model.choose_place(device)}
    made, scaling = _run(fitted, reading, features, runs, options)
    made = {
        k: v.isel({LEAD: [n - 1 for n in leads]}) if LEAD in v.dims else v for k, v in made.items()
    }
    age = made.pop(_AGE, None)
    if fitted.correction is not None:
        plain = {"batch_size": batch_size, "device": device, "doubting": False, "state": state}
        earlier = errors_before(fitted, reading, **plain)
        made["mean"] = corrected_ahead(
            fitted.correction, made["mean"], earlier, leads, recipe, scaling
        )
    result = label(fitted, made, reading, scaling)
    result = result.transpose("init", LEAD, "member", *features.space, ..., missing_dims="ignore")
    result.attrs["title"] = result.attrs["title"].replace("predicted by", "forecast by")
    kind = "hidden" if asked.weather is None else asked.weather
    result.attrs["weather"] = kind if isinstance(kind, str) else "given"
    return result if age is None else _with_age(result, age, template)


def _weather(
    fitted: Learnt,
    features: Features,
    asked: Ahead,
    inits: Array,
    beyond: int,
    variables: Mapping[str, str] | None,
) -> Weather:
    """Return the weather of so many steps after each init."""
    weather, members = asked.weather, asked.members
    past = isinstance(weather, str) and weather == "past"
    if members is not None and not past:
        msg = f'members={members!r} was given; it chooses the years of weather="past".'
        raise UnknownNameError(msg)
    if weather is None:
        _require_cuts(fitted, beyond)
        return hidden_weather(inits, beyond)
    if past:
        return past_weather(features, inits, beyond, members)
    if isinstance(weather, str) and weather == "known":
        return known_weather(features, inits, beyond)
    return weather_of_product(weather, fitted, features, inits, beyond, variables)


def _require_carried(fitted: Learnt) -> None:
    """Refuse models that carry no state."""
    recipe = fitted.recipe
    if not getattr(recipe, "sequence", 0):
        msg = (
            f"Forecasts go on from a carried state; {fitted.name!r} was trained on windows of "
            f"{recipe.window} steps, and answers {recipe.lead} ahead alone: fitted.predict(ds). "
            'Train a network that carries one: ds.physm.fit("phy_lstm", sequence=180).'
        )
        raise UnknownNameError(msg)


def _require_cuts(fitted: Learnt, beyond: int) -> None:
    """Refuse to hide the weather from a network that always had it."""
    if beyond and not fitted.recipe.cuts:
        msg = (
            f"weather=None hides the weather after init, and this {fitted.name!r} was trained with "
            "weather at every step. Train one with cuts, ds.physm.fit(..., sequence="
            f'{fitted.recipe.sequence}, cuts={beyond}); or give weather: weather="past" (of past '
            'years), a Dataset, or weather="known" (of the data, a hindcast).'
        )
        raise UnknownNameError(msg)
    if beyond > fitted.recipe.cuts:
        warn_outside(
            f"The weather of {beyond} steps is hidden; {fitted.name!r} was trained with "
            f"cuts={fitted.recipe.cuts}, and what lies further ahead was never asked of it. Pass "
            f"lead={fitted.recipe.cuts + fitted.recipe.ahead}, or train with cuts={beyond}."
        )


def _check_names(features: Features, weather: Weather) -> None:
    """Refuse data whose places are named as what forecasts have."""
    template = next(iter(features.dynamic.values()))
    moving = [name for name, c in template.coords.items() if features.time in c.dims]
    own = ["init", "valid_time", *(["member"] if weather.members is not None else [])]
    check_names(template.drop_vars(moving), own)


@dataclass(frozen=True)
class _Runs:
    """Where forecasts begin, how far they go, with what weather, and from what state."""

    inits: Array
    lead: int
    weather: Weather
    before: xr.DataArray | None


def _run(
    fitted: Learnt,
    reading: Reading,
    features: Features,
    runs: _Runs,
    options: Mapping[str, Any],
) -> tuple[dict[str, xr.DataArray], xr.Dataset]:
    """Return the outputs (init, lead [, member], *space [, depth]), and the scaling."""
    from dask.base import tokenize
    from dask.delayed import delayed

    recipe, weather = fitted.recipe, runs.weather
    scaling = scaling_for(fitted.scaling, features, bounded=recipe.bounded)
    options = {**options, "token": fitted.token, "role": fitted.variable.role}
    options["guards"] = guards_of(reading, features.here)
    runner, moving, maps = make_node(fitted.model, recipe, scaling, features, **options)
    assert isinstance(runner, Runner)  # of a sequence
    lazy = any(a.chunks is not None for a in (*moving, *maps, *weather.sources))
    if not lazy:
        moving = [a.chunk(_chunks(a, features)) for a in moving]
    arrays, own, sizes = laid(moving, maps)
    forks, ahead = _divided(moving, runs, sizes, features.time, recipe.ahead)
    later = [[as_dask(a, {**sizes, features.time: (len(a),)}) for a in some] for some in ahead]
    before = runs.before
    given = None if before is None else as_dask(before, {**sizes, "_row": (len(before),)})
    names = [a.name for some in (arrays, *later) for a in some]
    name = f"xsm-forecast-{tokenize(runner, names, own, given, forks)}"
    node = delayed(runner, name=f"{name}-model", traverse=False)
    if runner.reach:
        arrays = [blocks_of(scale_block, node, arrays, own)]
        later = [[blocks_of(scale_block, node, some, own)] if some else [] for some in later]
    shared = {"node": node, "runner": runner, "maps": own, "before": given}
    data = forked(arrays, later, forks, name=name, wrap=features.wrap, **shared)
    coords = _coords(next(iter(features.dynamic.values())), features, runs)
    ages = [Answer(_AGE, runner.ages)] if runner.ages else []
    dims = ("init", "member", LEAD, *features.space)
    found = named(data, runner.answers, dims, coords, after=ages)
    if ages:
        found[_AGE] = found[_AGE].isel({"member": 0, LEAD: 0}, drop=True).drop_vars("valid_time")
    if weather.members is None:
        found = {k: v.isel(member=0) if "member" in v.dims else v for k, v in found.items()}
    if not lazy:
        whole = xr.Dataset(found).compute(scheduler="threads", num_workers=thread_count())
        found = {k: whole[k].rename(None) for k in found}
    return found, scaling


def _chunks(array: xr.DataArray, features: Features) -> dict[str, int]:
    """Return chunks of an array in memory that are computed side by side."""
    if not features.space:
        return {features.time: max(1, _STEPS)}
    first, *rest = features.space
    others = int(np.prod([array.sizes[d] for d in rest]))
    share = -(-array.sizes[first] // thread_count())
    wide = max(1, min(share, _CELLS // max(1, others)))
    return {first: wide, features.time: max(1, _STEPS // (wide * others))}


def _divided(
    moving: Sequence[xr.DataArray],
    runs: _Runs,
    sizes: Mapping[Any, tuple[int, ...]],
    time: str,
    ahead: int,
) -> tuple[list[Forks], list[list[xr.DataArray]]]:
    """Return what leaves each chunk of time, up to the last with a start, and its weather.

    A forecast leaves the run ``ahead`` steps before init: what it is given begins with the steps of
    the record up to there.
    """
    weather, inits = runs.weather, runs.inits
    ends = np.cumsum(sizes[time])
    leave = inits - ahead
    chunk = np.searchsorted(ends, np.maximum(leave, 0), side="right")
    past = min(ahead, runs.lead)
    record = inits[:, None] - ahead + 1 + np.arange(past)
    forks, ahead_of = [], []
    for k in range(int(chunk[-1]) + 1):
        mine = chunk == k
        begin = ends[k] - sizes[time][k]
        rows = weather.rows[mine]
        old, new = np.unique(record[mine]), np.unique(rows[rows >= 0])
        first = np.searchsorted(old, record[mine])[:, None]
        rest = np.where(rows >= 0, len(old) + np.searchsorted(new, rows), -1)
        first = np.broadcast_to(first, (*rest.shape[:2], past))
        forks.append(Forks(leave[mine] - begin, np.concatenate([first, rest], axis=2), past))
        ahead_of.append(_rows_of(moving, weather, old, new, time))
    return forks, ahead_of


def _rows_of(
    moving: Sequence[xr.DataArray], weather: Weather, old: Array, new: Array, time: str
) -> list[xr.DataArray]:
    """Return rows of the record, then of the weather, as the arrays of the record; none for no."""
    if not len(old) + len(new):
        return []
    found = []
    for k, array in enumerate(moving):
        parts = [array.isel({time: old})] if len(old) else []
        if len(new):
            source = weather.sources[min(k, len(weather.sources) - 1)]
            rows = source.isel({source.dims[0]: new})
            if k >= len(weather.sources):  # observations, which nobody has
                rows = xr.full_like(rows, np.nan, dtype=float)
            parts.append(rows)
        bare = [xr.DataArray(a.data, dims=array.dims) for a in parts]
        found.append(bare[0] if len(bare) == 1 else xr.concat(bare, time))
    return found


def _coords(template: xr.DataArray, features: Features, runs: _Runs) -> dict[Any, Any]:
    """Return the coordinates of forecasts."""
    inits, lead, members = runs.inits, runs.lead, runs.weather.members
    time, each = features.time, step(template)
    index = template.indexes[time]
    coords = {k: v for k, v in template.coords.items() if time not in v.dims and k != LEAD}
    start = without_bounds(template[time].isel({time: inits})).variable
    attrs = {"standard_name": "forecast_reference_time", "long_name": "last time that is known"}
    coords["init"] = xr.Variable("init", start.values, attrs)
    steps = [lead_coordinate(template, k) for k in range(1, lead + 1)]
    coords[LEAD] = xr.Variable(LEAD, [s.values for s in steps], steps[0].attrs)
    valid = [np.asarray(each.after(index, k))[inits] for k in range(1, lead + 1)]
    valid = [v.astype(start.dtype) for v in valid]
    said = {"standard_name": "time", "long_name": "time that the forecast is for"}
    coords["valid_time"] = xr.Variable(("init", LEAD), np.stack(valid, axis=1), said)
    if members is not None:
        words = {"standard_name": "realization", **members.attrs}
        coords["member"] = xr.Variable("member", members.values, words)
    return coords


def _with_age(result: xr.Dataset, age: xr.DataArray, template: xr.DataArray) -> xr.Dataset:
    """Return forecasts with the age of the last observation beside them."""
    each = step(template)
    length = each.months or float(each.length / np.timedelta64(1, "D"))
    said = {
        "long_name": "time from the last observation of the target to init",
        "units": "months" if each.months else "d",
    }
    result = assigned(result, {_AGE: (age * np.float32(length)).assign_attrs(said)})
    for name in result.data_vars:
        linked = result[name].attrs.get("ancillary_variables")
        if linked:
            result[name].attrs["ancillary_variables"] = f"{linked} {_AGE}"
    return result
