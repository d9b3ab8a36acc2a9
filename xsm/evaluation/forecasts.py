"""Scores of forecasts by lead, of their members or their spread, beside what needs no model."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from xsm.data.grid import as_list, time_dim, without_scalars
from xsm.data.joins import at_labels, common
from xsm.data.lead import LEAD
from xsm.data.naming.dimensions import members
from xsm.data.reading import Reading
from xsm.data.targets import predicted_spread
from xsm.evaluation.autocorrelation import level_at
from xsm.evaluation.distribution import Shape
from xsm.evaluation.ensembles import crps_of_members
from xsm.evaluation.known import Known, known_before
from xsm.evaluation.leads import INIT, as_forecast, joined, on_time
from xsm.evaluation.metrics import baselines, described, score_sources, scored_pair
from xsm.evaluation.spread import shape_of
from xsm.exceptions import GridError
from xsm.hydrology.soil.layered import layered_spread
from xsm.hydrology.soil.layering import DEPTH
from xsm.physics.rounding import significant
from xsm.typing import Array

__all__ = ["score_forecast"]


_LONG = {
    "crps": "mean continuous ranked probability score",
    "crps_skill": "1 - CRPS / CRPS of damped persistence, on the steps of both",
    "spread_error": "spread over error of the mean",
    "acc": "anomaly correlation coefficient",
}
_AGE = "observation_age"
_YEARS = "climatological_ensemble"
_LEAST = 2  # years of an ensemble


@dataclass(frozen=True)
class _Sources:
    """Values by source on the times of one lead, their spreads, and the members of those with some.

    Values of a source with members are their mean.
    """

    values: dict[str, xr.DataArray]
    spread: dict[str, xr.DataArray]
    members: dict[str, tuple[xr.DataArray, str]]
    shapes: dict[str, Shape]


def score_forecast(
    reading: Reading,
    predicted: xr.Dataset,
    *,
    dim: Hashable | Iterable[Hashable] | None,
    target: str,
    known: Known | bool,
) -> xr.Dataset:
    """Score forecasts by lead, see :func:`xsm.score`, lazily.

    ``known`` is what baselines are made of; True takes the observations up to the first init,
    False leaves them out.
    """
    forecast = as_forecast(predicted)
    time = reading.time
    given = as_list(INIT if dim is None else dim)
    if LEAD in given:
        msg = (
            "Forecasts are scored lead by lead, and dim= names 'lead'. Leave it out, and average "
            "the scores of the leads that you mean: table.mean('lead')."
        )
        raise GridError(msg)
    dims: list[Hashable] = [time if d == INIT else d for d in given]
    observed, _ = scored_pair(reading, on_time(forecast.isel({LEAD: 0}), time), target)
    first = forecast.indexes[INIT].min()
    before = int((observed.indexes[time] <= first).sum())
    if known is True:
        known = known_before(observed, before)
    if isinstance(known, Known):
        known.tell_missing()
        known, _ = known.on(observed.isel({time: 0}, drop=True))

    beside = known if isinstance(known, Known) else None

    def judge(part: xr.Dataset) -> xr.Dataset:
        whole = on_time(part, time)
        truth, guess = scored_pair(reading, whole, target)
        found = _sources(reading, whole, guess, target)
        level = None if beside is None else _add_baselines(found, truth, guess, beside, before)
        return _scored(at_labels(truth, {time: guess.indexes[time]}), found, dims, level)

    table = joined(forecast, judge).transpose("source", LEAD, ...)
    table = described(table, reading, target)
    for name, text in _LONG.items():
        table[name].attrs["long_name"] = text
        table[name].attrs["units"] = reading.units(target) if name == "crps" else "1"
    return _with_age(table, forecast, [INIT if d == time else d for d in dims])


def _with_age(table: xr.Dataset, forecast: xr.Dataset, dims: list[Hashable]) -> xr.Dataset:
    """Return scores with the mean age of the last observation, where the forecast tells it."""
    if _AGE in forecast:
        age = forecast[_AGE]
        table[_AGE] = age.mean([d for d in dims if d in age.dims]).assign_attrs(age.attrs)
    return table


def _add_baselines(
    found: _Sources, observed: xr.DataArray, guess: xr.DataArray, known: Known, before: int
) -> xr.DataArray | None:
    """Add what needs no model, and return the level that anomalies are from, where it is known."""
    made, spread = baselines(observed, guess, None, known)
    time = time_dim(observed)
    valid = {time: guess.indexes[time]}
    for held, all_times in ((found.values, made), (found.spread, spread)):
        held.update({n: at_labels(a, valid) if time in a.dims else a for n, a in all_times.items()})
    _past_years(found, observed, before, guess[time])
    if known.persistence is None:
        return None
    return level_at(known.persistence, known.climatology, guess[time])


def _sources(reading: Reading, part: xr.Dataset, guess: xr.DataArray, target: str) -> _Sources:
    """Return the forecast as the source ``model``: its members, its spread, or itself."""
    ensemble = list(members(guess))
    if ensemble:
        (dim, *_) = ensemble
        return _Sources({"model": guess.mean(dim)}, {}, {"model": (guess, dim)}, {})
    names = [n for n in map(str, part.data_vars) if f"{n}_std" in part]
    found = _Sources({"model": guess}, {}, {}, {})
    if names and (len(names) > 1 or DEPTH in guess.dims):
        found.spread["model"] = layered_spread(reading, part, names, target)
    elif names:
        found.spread["model"] = predicted_spread(reading, part, names[0], target)
    if names:
        found.shapes["model"] = shape_of(part, names[0])
    return found


def _past_years(found: _Sources, observed: xr.DataArray, before: int, valid: xr.DataArray) -> None:
    """Add the observations of the same day of each earlier year, where there are two at least."""
    time = str(valid.name)
    index = observed.indexes[time]
    known = {key: row for row, key in enumerate(_dates(index[:before]))}
    first = np.asarray(index.year)[:before]
    wanted = _dates(valid.indexes[time])
    years = list(dict.fromkeys(first.tolist()))
    rows = [[known.get((y, *key[1:]), -1) for key in wanted] for y in years]
    rows = [row for row in rows if max(row) >= 0]
    if len(rows) < _LEAST:
        return
    picked = xr.DataArray(np.array(rows), {time: valid.values}, ("_year", time))
    there = picked >= 0
    parts = [
        observed.isel({time: np.maximum(row.values, 0)}).assign_coords({time: valid.values})
        for row in picked
    ]
    past = xr.concat(parts, "_year", coords="minimal", compat="override").where(there)
    found.members[_YEARS] = past, "_year"
    found.values[_YEARS] = past.mean("_year")


def _dates(index: xr.CFTimeIndex | object) -> list[tuple[int, ...]]:
    """Return year, month, day and minute of dates, 29 February as the 28th."""
    parts = [np.asarray(getattr(index, n)) for n in ("year", "month", "day", "hour", "minute")]
    year, month, day, hour, minute = parts
    leap = (month == 2) & (day == 29)
    table: Array = np.stack([year, month, np.where(leap, 28, day), 60 * hour + minute], axis=1)
    return list(map(tuple, table.tolist()))


def _scored(
    observed: xr.DataArray,
    found: _Sources,
    dims: list[Hashable],
    level: xr.DataArray | None,
) -> xr.Dataset:
    """Return all scores of one lead along ``source``."""
    bare = {name: without_scalars(array) for name, array in found.values.items()}
    own = ("persistence", "damped_persistence", _YEARS)
    table = score_sources(observed, bare, dim=dims, whole=("climatology",), own=own)
    more = {f"{n} std": without_scalars(a) for n, a in found.spread.items()}
    more |= {f"{n} members": without_scalars(a) for n, (a, _) in found.members.items()}
    if level is not None:
        more["level"] = level
    truth, near = common(without_scalars(observed), {**bare, **more})
    truth, near = _unlabelled(truth), {n: _unlabelled(a) for n, a in near.items()}
    truth = truth.where(near["model"].notnull()).astype(np.float64)
    each = {n: _crps(truth, near, n, found) for n in bare}
    there = _unlabelled(table["count"]) > 0
    columns: dict[str, list[xr.DataArray]] = {name: [] for name in _LONG}
    reference = each.get("damped_persistence")
    for k, (name, error) in enumerate(each.items()):
        scored = there.isel(source=k)
        columns["crps"].append(error.mean(dims).where(scored))
        columns["crps_skill"].append(_skill(error, reference, dims).where(scored))
        columns["spread_error"].append(_spread_error(truth, near, name, found, dims))
        columns["acc"].append(_anomalies(truth, near[name], near.get("level"), dims).where(scored))
    more_scores = {name: xr.concat(parts, "source") for name, parts in columns.items()}
    return table.assign(more_scores)


def _unlabelled(array: xr.DataArray) -> xr.DataArray:
    """Return an array without its labels, which each operation would compare again."""
    return array.drop_vars(list(array.coords))


def _crps(
    truth: xr.DataArray, near: Mapping[str, xr.DataArray], name: str, found: _Sources
) -> xr.DataArray:
    """Return the score of each value: of members, of a Gaussian, or the absolute error."""
    if name in found.members:
        return crps_of_members(truth, near[f"{name} members"], found.members[name][1])
    error = truth - near[name]
    if name not in found.spread:
        return abs(error)
    std = near[f"{name} std"]
    score = xr.apply_ufunc(
        found.shapes.get(name, Shape()).crps,
        error / std.where(std > 0),
        dask="parallelized",
        output_dtypes=[np.float64],
    )
    return (score * std).where(std > 0, abs(error))


def _skill(
    error: xr.DataArray, reference: xr.DataArray | None, dims: list[Hashable]
) -> xr.DataArray:
    """Return the skill of a score against that of a reference, on the values of both."""
    if reference is None:
        return xr.full_like(error.mean(dims), np.nan)
    both = error.notnull() & reference.notnull()
    base = reference.where(both).mean(dims)
    return 1 - error.where(both).mean(dims) / base.where(base > 0)


def _spread_error(
    truth: xr.DataArray,
    near: Mapping[str, xr.DataArray],
    name: str,
    found: _Sources,
    dims: list[Hashable],
) -> xr.DataArray:
    """Return root mean variance over root mean square error; of members as of Fortin (2014)."""
    error = (truth - near[name]) ** 2
    if name in found.members:
        members, dim = near[f"{name} members"], found.members[name][1]
        count = members.notnull().sum(dim)
        variance = members.var(dim, ddof=1) * (count + 1) / count
    elif name in found.spread:
        variance = near[f"{name} std"] ** 2
    else:
        return xr.full_like(error.mean(dims), np.nan)
    there = error.notnull() & variance.notnull()
    size = error.where(there).mean(dims)
    return (variance.where(there).mean(dims) / size.where(size > 0)) ** 0.5


def _anomalies(
    truth: xr.DataArray,
    value: xr.DataArray,
    level: xr.DataArray | None,
    dims: list[Hashable],
) -> xr.DataArray:
    """Return the correlation of anomalies from the level of a cell's season, not centred again."""
    if level is None:
        return xr.full_like((truth - value).mean(dims), np.nan)
    one, two = (significant(a - level, level) for a in (truth, value))
    both = one.notnull() & two.notnull()
    one, two = one.where(both), two.where(both)
    size = ((one**2).mean(dims) * (two**2).mean(dims)) ** 0.5
    return (one * two).mean(dims) / size.where(size > 0)
