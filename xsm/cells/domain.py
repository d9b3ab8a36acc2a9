"""Where a model applies, learnt of the folds of a cross-validation.

Meyer, H. and Pebesma, E. (2021). Methods Ecol. Evol. 12:1620-1633.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist

from xsm.artefact.learnt import Learnt
from xsm.cells.apply import inputs_of
from xsm.cells.dissimilarity import INDEX, nearest, place_features
from xsm.cells.features import Features
from xsm.cells.permuted import lost_without
from xsm.data.folds import Folds
from xsm.data.reading import Reading
from xsm.exceptions import NotEnoughDataError
from xsm.training.recipe import Recipe
from xsm.typing import FloatArray

__all__ = ["learn_domain"]


_PAIRS = 2000  # places whose mean distance is known to a percent


def learn_domain(
    models: Mapping[str, Learnt],
    reading: Reading,
    folds: Folds,
    *,
    importance: bool,
    seed: int = 0,
) -> xr.Dataset:
    """Learn of the folds of a cross-validation where a model applies.

    See :meth:`xsm.api.validated.CrossValidation.domain`.
    """
    first = next(iter(models.values()))
    features = inputs_of(first, reading, with_target=True, doubting=False)
    space = features.space
    labels = folds.labels.transpose(*space)
    table = place_features(features).compute().transpose(*space, "feature")
    names = table["feature"].values.tolist()
    rows = table.values.reshape(-1, len(names))
    whole = (labels.values.ravel() != "") & np.isfinite(rows).all(axis=1)
    rises = _importance(models, features, folds, seed=seed) if importance else {}
    weight = _weights(names, rises, first.recipe)
    offset, scale = rows[whole].mean(axis=0), rows[whole].std(axis=0)
    scale = np.where(scale > 0, scale, np.inf)
    points = (rows - offset) / scale * weight
    mean = _mean_distance(points[whole], seed)
    index = np.full(len(points), np.nan)
    for name in folds.names:
        out = folds.held(name).transpose(*space).values.ravel() & whole
        train = folds.kept(name).transpose(*space).values.ravel() & whole
        index[out] = nearest(points[out], tree=cKDTree(points[train])) / mean
    coords = {
        "feature": names,
        "fold": ("place", labels.values.ravel()[whole]),
        "cell": ("place", np.flatnonzero(whole)),
    }
    made = xr.Dataset(
        {
            "training": (("place", "feature"), points[whole]),
            "offset": ("feature", offset),
            "scale": ("feature", scale),
            "weight": ("feature", weight),
            "dissimilarity": ("place", index[whole], INDEX),
        },
        coords,
    )
    told = [rises.get(name, np.nan) for name in _inputs(first.recipe)]
    made["importance"] = xr.DataArray(told, {"input": _inputs(first.recipe)}, "input")
    made["mean_distance"], made["threshold"] = mean, _whisker(index[whole])
    return made.assign_attrs(title="area of applicability (Meyer and Pebesma 2021)")


def _mean_distance(points: FloatArray, seed: int) -> float:
    """Return the mean distance between places: of all pairs, or of those of 2000 places."""
    if len(points) > _PAIRS:
        points = points[np.random.default_rng(seed).permutation(len(points))[:_PAIRS]]
    mean = float(pdist(points).mean()) if len(points) > 1 else 0.0
    if not mean > 0:
        msg = (
            f"{len(points)} places with all inputs are alike in every input, so that no distance "
            "tells them apart. Add static inputs or places, or learn no domain."
        )
        raise NotEnoughDataError(msg)
    return mean


def _whisker(index: FloatArray) -> float:
    """Return the largest value that is no outlier: within 1.5 of the quartiles' distance."""
    known = index[np.isfinite(index)]
    low, high = np.quantile(known, [0.25, 0.75])
    return float(known[known <= high + 1.5 * (high - low)].max())


def _importance(
    models: Mapping[str, Learnt], features: Features, folds: Folds, *, seed: int
) -> dict[str, float]:
    """Return the mean rise of the RMSE without each input, of cells that were left out."""
    if next(iter(models.values())).recipe.patch > 1:
        return {}  # neighbours cannot be taken from elsewhere
    rises = [
        lost_without(model, features, folds.held(name), seed=seed)
        for name, model in models.items()
        if int(folds.held(name).sum()) > 1
    ]
    return {name: float(np.mean([r[name] for r in rises])) for name in (rises or [{}])[0]}


def _weights(names: Sequence[str], rises: Mapping[str, float], recipe: Recipe) -> FloatArray:
    """Return the weight of each feature; the four of a dynamic input count as one together."""
    total = sum(rises.values())
    found = []
    for name in names:
        own = name.partition(":")[0]
        weight = rises[own] * len(rises) / total if total > 0 else 1.0
        found.append(weight / 2 if own in recipe.dynamic else weight)
    return np.array(found)


def _inputs(recipe: Recipe) -> list[str]:
    """Return the names of all inputs."""
    return [*recipe.dynamic, *recipe.static]
