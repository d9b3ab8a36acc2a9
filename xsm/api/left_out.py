"""What each fold has left out, predicted by the model that has not seen it, and its scores."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from functools import reduce

import numpy as np
import xarray as xr

from xsm.api.fitted import FittedModel
from xsm.api.score import score
from xsm.data.folds import Folds, only
from xsm.data.reading import Reading

__all__ = ["joined", "scored"]


def joined(
    models: Mapping[str, FittedModel],
    reading: Reading,
    division: Folds,
    test: slice | None,
    variables: Mapping[str, str] | None,
) -> xr.Dataset:
    """Return what was left out as the model predicts it that has not seen it, lazily."""
    join = _along_time if division.of_time else _over_places
    found = join(models, reading, division, variables)
    return found if test is None else found.sel({reading.time: test})


def _along_time(
    models: Mapping[str, FittedModel],
    reading: Reading,
    division: Folds,
    variables: Mapping[str, str] | None,
) -> xr.Dataset:
    """Return the steps of each fold, begun from those before it, one after the other."""
    ds, time, labels, parts = reading.ds, reading.time, division.labels, []
    for name, model in models.items():
        at, recipe = np.flatnonzero(division.held(name).values), model.recipe
        before = at[0] if recipe.sequence else recipe.window - 1 + recipe.lead
        steps = slice(max(0, int(at[0] - before)), int(at[-1]) + 1)
        found = model.predict(ds.isel({time: steps}), variables=variables)
        there = np.isin(found[time].values, labels[time].values[at])
        parts.append(found.isel({time: there}).drop_vars("trained_cell", errors="ignore"))
    whole = xr.concat(parts, time, data_vars="minimal", coords="minimal", compat="override")
    return whole.assign_coords(fold=(time, labels.sel({time: whole[time]}).values))


def _over_places(
    models: Mapping[str, FittedModel],
    reading: Reading,
    division: Folds,
    variables: Mapping[str, str] | None,
) -> xr.Dataset:
    """Return the cells of each fold side by side; NaN in cells of no fold."""
    ds, labels = reading.ds, division.labels
    found = xr.Dataset()
    for name, model in models.items():
        held = division.held(name)
        alone = ds if model.recipe.patch > 1 else only(ds, held)  # neighbours are inputs
        part = model.predict(alone, variables=variables)
        part = part.drop_vars("trained_cell", errors="ignore")  # of what is left out none is
        if not found.data_vars:
            found = part.assign({n: a.where(held).variable for n, a in _floats(part).items()})
        joint = {n: part[n].where(held, found[n]).variable for n in part.data_vars}
        found = found.assign(joint)  # as variables: indexes stay those of the data
    return found.assign_coords(fold=(labels.dims, labels.values))


def _floats(ds: xr.Dataset) -> dict[Hashable, xr.DataArray]:
    """Return the variables that can be NaN."""
    return {name: array for name, array in ds.data_vars.items() if array.dtype.kind == "f"}


def scored(
    models: Mapping[str, FittedModel],
    reading: Reading,
    division: Folds,
    predicted: xr.Dataset,
    variables: Mapping[str, str] | None,
) -> xr.Dataset:
    """Return scores over time of each cell, beside what the same training knows."""
    ds, time = reading.ds, reading.time
    if division.of_time:
        found = []
        for name, model in models.items():
            part = predicted.isel({time: predicted["fold"].values == name}).drop_vars("fold")
            found.append(score(ds, part, baselines=model, variables=variables))
        return xr.concat(found, xr.DataArray(list(models), dims="fold", name="fold"))
    known = _known_elsewhere(models, division)
    made = score(ds, predicted.drop_vars("fold"), baselines=known, variables=variables)
    return made.assign_coords(fold=predicted["fold"])


def _known_elsewhere(models: Mapping[str, FittedModel], division: Folds) -> FittedModel:
    """Return a model whose climatology of each cell is the mean of the cells that trained."""
    first = next(iter(models.values()))
    space = [str(d) for d in division.labels.dims]
    means, lasting = [], []
    for name, model in models.items():
        here = division.held(name)
        if model.climatology is not None:
            means.append(_mean_of(model.climatology, space).where(here))
        if model.persistence is not None:
            table = model.persistence
            seasonal = table["seasonal"].any()
            parts = {n: _mean_of(table[n], space).where(here) for n in ("mean", "std", "rho")}
            lasting.append((xr.Dataset(parts), here & seasonal))
    climatology = _overlaid(means) if len(means) == len(models) else None
    persistence = None
    if len(lasting) == len(models):
        parts = {n: _overlaid([p[n] for p, _ in lasting]) for n in ("mean", "std", "rho")}
        seasonal = reduce(lambda one, other: one | other, [s for _, s in lasting])
        persistence = xr.Dataset({**parts, "seasonal": seasonal})
    if climatology is not None and first.climatology is not None:
        climatology = climatology.rename(first.climatology.name)
    return replace(first, climatology=climatology, persistence=persistence)


def _mean_of(table: xr.DataArray, space: list[str]) -> xr.DataArray:
    """Return the mean over the cells that trained."""
    return table.mean([d for d in space if d in table.dims])


def _overlaid(parts: Sequence[xr.DataArray]) -> xr.DataArray:
    """Return maps that are NaN where another one is not, as one."""
    return reduce(lambda one, other: one.fillna(other), parts)
