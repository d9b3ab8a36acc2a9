"""Scores of predictions beside their baselines, through the ``scores`` library."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence

import numpy as np
import xarray as xr

from xsm.data.dimensions import check_prediction
from xsm.data.doubt import doubt, guarded, guards_of
from xsm.data.grid import as_list, time_dim, without_scalars
from xsm.data.joins import common
from xsm.data.naming.dimensions import members
from xsm.data.reading import Reading
from xsm.evaluation.climatology import from_climatology, tell_left_out
from xsm.evaluation.known import Known
from xsm.evaluation.persistence import persisted
from xsm.exceptions import NotEnoughDataError
from xsm.hydrology.soil.layered import layered_pair
from xsm.physics.rounding import ROUNDING
from xsm.typing import Array, FloatArray

__all__ = ["METRICS", "baselines", "described", "score", "score_sources", "scored_pair"]


METRICS = ("r", "rmse", "r2", "kge", "ubrmse", "bias", "mae")
_KEPT = "_kept"  # the dimension of a block that no data have
_DIMENSIONLESS = ("r", "r2", "kge", "count", "skill")
_LONG = {
    "r": "Pearson correlation",
    "rmse": "root mean square error",
    "r2": "coefficient of determination (Nash-Sutcliffe efficiency)",
    "kge": "Kling-Gupta efficiency",
    "ubrmse": "unbiased root mean square error",
    "bias": "mean of predicted minus observed",
    "mae": "mean absolute error",
    "count": "number of compared values",
}


def score(
    reading: Reading,
    observed: xr.DataArray,
    predicted: xr.DataArray,
    *,
    dim: Hashable | Iterable[Hashable] | None,
    target: str,
    lead: int | None = None,
    known: Known | None,
) -> xr.Dataset:
    """Score a prediction beside persistence and climatology, see :func:`xsm.score`.

    ``observed`` and ``predicted`` as of :func:`scored_pair`; ``known`` is what baselines are made
    of, None for none. Both persistences are of the last observation that the prediction may know,
    by its own lead, or ``lead`` steps where it says none, see :func:`persisted`. No baseline takes
    a step from the model. The climatology is scored where it holds every step that the model is
    scored on; elsewhere its scores are NaN, its count is 0, and a warning says so. Persistence is
    scored on the steps that it has.
    """
    time = reading.time
    dims = as_list(time if dim is None else dim)
    sources, mean, elsewhere = {"model": predicted}, None, ""
    if known is not None:
        known.tell_missing()
        known, elsewhere = known.on(observed.isel({time: 0}, drop=True))
        sources |= baselines(observed, predicted, lead, known)[0]
        mean = known.climatology
    bare = {name: without_scalars(array) for name, array in sources.items()}
    own = ("persistence", "damped_persistence")
    found = score_sources(observed, bare, dim=dims, whole=("climatology",), own=own)
    if mean is not None:
        there = np.isin(observed[time].values, predicted[time].values)
        tell_left_out(found, mean, observed[time][there], dims, elsewhere)
    ensemble = members(observed) | members(predicted)
    if ensemble:
        found.attrs["members"] = ", ".join(
            f"{n} along {d!r}" + (", counted together" if d in dims else ", each by itself")
            for d, n in ensemble.items()
        )
    return described(found, reading, target)


def baselines(
    observed: xr.DataArray, predicted: xr.DataArray, lead: int | None, known: Known
) -> tuple[dict[str, xr.DataArray], dict[str, xr.DataArray]]:
    """Return what needs no model, and the standard deviations of those that know theirs, lazily.

    What is ``known`` is of the places of the observations.
    """
    found, spread = persisted(observed, predicted, lead, known)
    if known.climatology is not None:
        found["climatology"] = from_climatology(known.climatology, observed[time_dim(observed)])
        if known.persistence is not None:
            spread["climatology"] = known.persistence["std"]
    return found, spread


def scored_pair(
    reading: Reading, predicted: xr.Dataset | xr.DataArray, target: str
) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the observed and the predicted target as they can be scored, lazily.

    As of :func:`xsm.hydrology.soil.layered.layered_pair`; times of the observations ascend, those
    of the prediction are in any order. A prediction that lacks a dimension is refused.
    """
    observed, guess = layered_pair(reading, predicted, target)
    if 0 in observed.sizes.values():
        msg = (
            f"The data are empty, {dict(observed.sizes)}: nothing was selected that can be scored."
        )
        raise NotEnoughDataError(msg)
    check_prediction(observed, guess)
    doubt(reading, [target])
    observed = guarded(observed, guards_of(reading, [target]).get(target))
    time = time_dim(observed)
    if not observed.indexes[time].is_monotonic_increasing:
        observed = observed.sortby(time)  # the step before is not always the row before
    return observed, guess


def described(scores: xr.Dataset, reading: Reading, target: str) -> xr.Dataset:
    """Say what was scored, and in which units."""
    units = reading.units(target)
    for name in map(str, scores.data_vars):
        scores[name].attrs["units"] = "1" if name in _DIMENSIONLESS else units
    scores["source"].attrs["long_name"] = "what was scored"
    scores.attrs["title"] = f"Scores of {reading.lookup(target).role} against the observations"
    return scores


def score_sources(
    observed: xr.DataArray,
    sources: Mapping[str, xr.DataArray],
    *,
    dim: Hashable | Iterable[Hashable],
    whole: Collection[str] = (),
    own: Collection[str] = (),
) -> xr.Dataset:
    """Score several predictions of the same observations on the same steps, lazily.

    They are joined to the observations on common labels, but for rounding. A step counts where the
    observation and all sources are there, but for those that take no step from the others: one
    that is scored ``whole`` or not at all, and lacks a step, is NaN there, with a count of 0; one
    that is scored on its ``own`` steps has a smaller count. All scores along ``source`` and the
    remaining dimensions, those of the observations first; NaN where no score is defined.

    ``r2 = 1 - sum((o - p)^2) / sum((o - mean(o))^2)`` is the Nash-Sutcliffe efficiency, from the
    error of ``scores`` (whose own ``nse`` computes lazy data at once); ``ubrmse^2 = rmse^2 -
    bias^2``; KGE after Gupta, H. V. et al. (2009), J. Hydrol. 377:80-91. A series that changes by
    rounding alone (:data:`xsm.physics.rounding.ROUNDING` of its size) is constant: it has no
    ``r`` and no ``kge``, as observation no ``r2``; observations around 0 have no ``kge``.
    """
    truth, near = common(observed, sources)
    aligned = xr.broadcast(truth, *near.values())  # a prediction may have members, another order
    dims = as_list(dim)
    one = all(len(aligned[0].chunksizes.get(d, ())) == 1 for d in dims)
    ways = ["whole" if n in whole else "own" if n in own else "all" for n in sources]
    table = (_scores_of_blocks if one else _all_scores)(aligned, dims, ways)
    table = table.drop_attrs(deep=False)
    for name in table.coords:  # of the observations, or of a source alone
        table[name].attrs = next(dict(a[name].attrs) for a in aligned if name in a.coords)
    table = table.assign_coords(source=list(sources))
    for name in table.data_vars:
        table[name].attrs = {"long_name": _LONG[str(name)]}
    return table


def _all_scores(
    arrays: Sequence[xr.DataArray], dims: list[Hashable], ways: Sequence[str]
) -> xr.Dataset:
    """Return all scores of all sources on the same steps; the observations come first.

    ``ways`` tells of each source whether ``all`` are scored on the steps that it has, or what is
    made of those that it lacks, see :func:`score_sources`.

    Labels, which are the same, are compared once and put back: of some fifty operations a source
    each would compare them again, which took most of the time of small data.
    """
    labels = functools.reduce(operator.add, (a.count(dims) for a in arrays)).coords
    truth, *values = (a.drop_vars(list(a.coords)).astype(np.float64) for a in arrays)
    together = truth.notnull()
    for value, way in zip(values, ways, strict=True):
        together = together & value.notnull() if way == "all" else together
    tables = []
    for value, way in zip(values, ways, strict=True):
        kept = together
        if way == "whole":
            kept = together & ~(together & value.isnull()).any(dims)
        elif way == "own":
            kept = together & value.notnull()
        tables.append(_scores(value.where(kept), truth.where(kept), dims))
    return xr.concat(tables, "source").assign_coords(labels)


def _scores_of_blocks(
    arrays: Sequence[xr.DataArray], dims: list[Hashable], ways: Sequence[str]
) -> xr.Dataset:
    """Return the same of lazy observations that are whole along ``dims``, in a task a block.

    Some hundred tasks a block, as arithmetic on the arrays makes, would keep a cluster's scheduler
    busy for longer than its workers.
    """
    sources, metrics = len(arrays) - 1, [*METRICS, "count"]

    def block(*values: FloatArray) -> FloatArray:
        kept = values[0].shape[: values[0].ndim - len(dims)]
        cells = [v.reshape(-1, *v.shape[len(kept) :]) for v in values]
        needed = [cells[0], *itertools.compress(cells[1:], (way == "all" for way in ways))]
        missing: Array = np.isnan(np.stack(needed)).any(axis=0).reshape(len(cells[0]), -1)
        there = missing.sum(axis=1) < missing.shape[1]
        found = np.full((len(there), sources, len(metrics)), np.nan)
        found[..., -1] = 0  # nothing is compared in the sea, and nothing computed
        if there.any():
            land = [xr.DataArray(v[there], dims=[_KEPT, *dims]) for v in cells]
            with np.errstate(invalid="ignore", divide="ignore"):  # series that never change
                table = _all_scores(land, dims, ways)[metrics]
            found[there] = table.to_array("_metric").transpose(_KEPT, "source", "_metric")
        return found.reshape(*kept, sources, len(metrics))

    found: xr.DataArray = xr.apply_ufunc(
        block,
        *(a.chunk(dict.fromkeys(dims, -1)) for a in arrays),
        input_core_dims=[dims] * len(arrays),
        output_core_dims=[["source", "_metric"]],
        output_dtypes=[np.float64],
        dask="parallelized",
        dask_gufunc_kwargs={"output_sizes": {"source": sources, "_metric": len(metrics)}},
    )
    parts = {name: found.isel(_metric=k) for k, name in enumerate(metrics)}
    parts["count"] = parts["count"].astype(np.int64)
    return xr.Dataset(parts).transpose("source", ...)


def _scores(predicted: xr.DataArray, observed: xr.DataArray, dims: list[Hashable]) -> xr.Dataset:
    """Return all scores of one source, without labels."""
    from scores import continuous

    over = {"reduce_dims": dims}
    count = observed.notnull().sum(dims)
    some = count > 0
    varied = _varies(observed, dims)
    both = varied & _varies(predicted, dims)
    rmse = continuous.rmse(predicted, observed, **over)
    bias = continuous.additive_bias(predicted, observed, **over)
    mean, guess = observed.mean(dims), predicted.mean(dims)
    centred = abs(mean) <= ROUNDING * _size(observed, dims)
    off, far = observed - mean, predicted - guess
    # as means: the standard deviation of dask warns of series without values
    spread, other = ((x**2).mean(dims) ** 0.5 for x in (off, far))
    r = ((off * far).mean(dims) / (spread * other).where(both)).clip(-1, 1)
    parts = (r, other / spread.where(both), guess / mean.where(both & ~centred))
    found = {
        "r": r,
        "rmse": rmse,
        "r2": 1 - (rmse / spread.where(varied)) ** 2,
        "kge": 1 - sum((part - 1) ** 2 for part in parts) ** 0.5,
        "ubrmse": np.sqrt(np.maximum(rmse**2 - bias**2, 0.0)),
        "bias": bias,
        "mae": continuous.mae(predicted, observed, **over),
    }
    defined = {name: value.where(some) for name, value in found.items()}
    return xr.Dataset({**defined, "count": count})


def _varies(values: xr.DataArray, dims: list[Hashable]) -> xr.DataArray:
    """Tell where a series changes by more than rounding, of both its ends."""
    span = values.fillna(-np.inf).max(dims) - values.fillna(np.inf).min(dims)
    return span > 2 * ROUNDING * _size(values, dims)


def _size(values: xr.DataArray, dims: list[Hashable]) -> xr.DataArray:
    """Return the largest size of some values; of none 0, and no warning of a slice without any."""
    return abs(values).fillna(0.0).max(dims)
