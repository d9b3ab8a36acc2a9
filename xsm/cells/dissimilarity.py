"""How unlike a place is to those that trained: the dissimilarity index, and where a model applies.

Meyer, H. and Pebesma, E. (2021). Methods Ecol. Evol. 12:1620-1633.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from scipy.spatial import cKDTree

from xsm.cells.features import Features
from xsm.exceptions import NotEnoughDataError, UnknownNameError
from xsm.training.recipe import Recipe
from xsm.typing import FloatArray

__all__ = ["INDEX", "beside", "nearest", "place_features"]


_STATISTICS = ("mean", "spread", "winter", "spring")
_YEAR = 350  # days that tell of a year
INDEX = {"long_name": "dissimilarity index to the training places", "units": "1"}
_FLAG = {
    "long_name": "dissimilarity is at most that of places left out in cross-validation",
    "flag_values": np.array([0, 1], np.int8),
    "flag_meanings": "unlike_the_training_places like_the_training_places",
}


def place_features(features: Features) -> xr.DataArray:
    """Return what tells places apart, (feature, *space) float64, lazily.

    The static inputs, and of each dynamic one its mean, its spread over time, and twice its mean
    product with the cosine and the sine of the year: how much it is larger in January than in July,
    and in April than in October. NaN where a place lacks an input. Less than a year is refused.
    """
    time = features.time
    times = next(iter(features.dynamic.values()))[time]
    days = float((times[-1] - times[0]).values / np.timedelta64(1, "D"))
    if days < _YEAR:
        msg = (
            f"The data span {days:.0f} days; a year of inputs is needed to tell how unlike a place "
            "is: its means and seasons. Give the inputs of a whole year, or leave domain= out."
        )
        raise NotEnoughDataError(msg)
    turn = 2 * np.pi * times.dt.dayofyear / 365.25
    parts: dict[str, xr.DataArray] = {}
    for name, array in features.dynamic.items():
        values = array.astype(np.float64)
        mean = values.mean(time)
        away = values - mean
        seasons = (2 * (away * wave).mean(time) for wave in (np.cos(turn), np.sin(turn)))
        told = (mean, (away**2).mean(time) ** 0.5, *seasons)
        parts |= {f"{name}: {k}": v for k, v in zip(_STATISTICS, told, strict=True)}
    parts |= {name: array.astype(np.float64) for name, array in features.static.items()}
    bare = [a.drop_vars([c for c in a.coords if c not in a.dims]) for a in parts.values()]
    stacked = xr.concat(bare, xr.DataArray(list(parts), dims="feature", name="feature"))
    return stacked.transpose("feature", *features.space)


def beside(
    result: xr.Dataset, features: Features, recipe: Recipe, domain: xr.Dataset
) -> xr.Dataset:
    """Return a prediction with ``dissimilarity`` and ``applicable`` (*space), lazily."""
    wanted = [] if "feature" not in domain.coords else domain["feature"].values.tolist()
    names = _names(recipe)
    if names != wanted or "threshold" not in domain:
        odd = sorted({n.partition(":")[0] for n in {*names} ^ {*map(str, wanted)}})
        msg = (
            f"domain= was learnt of other inputs than those of the model; they differ in {odd}. "
            "Cross-validate the same inputs: xsm.cross_validate(ds, model, ...).domain()."
        )
        raise UnknownNameError(msg)
    table = place_features(features)
    table = table.chunk(feature=-1) if table.chunks is not None else table
    index = xr.apply_ufunc(
        partial(_index, domain=domain),
        table,
        input_core_dims=[["feature"]],
        dask="parallelized",
        output_dtypes=[np.float32],
    )
    order = [d for d in next(iter(result.data_vars.values())).dims if d in index.dims]
    index = index.transpose(*order).assign_attrs(INDEX, threshold=float(domain["threshold"]))
    applies = (index <= float(domain["threshold"])).astype(np.int8)
    parts = {"dissimilarity": index, "applicable": applies.assign_attrs(_FLAG)}
    made = result.assign(parts)
    for name, array in result.data_vars.items():
        if "ancillary_variables" in array.attrs:
            told = f"{array.attrs['ancillary_variables']} {' '.join(parts)}"
            made[name].attrs["ancillary_variables"] = told
    return made


def _index(rows: FloatArray, *, domain: xr.Dataset) -> FloatArray:
    """Return the index of places (..., feature); NaN where one lacks a feature."""
    points = (rows - domain["offset"].values) / domain["scale"].values * domain["weight"].values
    flat = points.reshape(-1, points.shape[-1])
    whole = np.isfinite(flat).all(axis=1)
    found = np.full(len(flat), np.nan, np.float32)
    away = nearest(flat[whole], tree=cKDTree(domain["training"].values))
    found[whole] = away / float(domain["mean_distance"])
    return found.reshape(rows.shape[:-1])


def nearest(points: FloatArray, *, tree: Any) -> FloatArray:
    """Return the distance to the nearest place of a tree."""
    found: FloatArray = tree.query(points)[0] if len(points) else np.empty(0)
    return found


def _names(recipe: Recipe) -> list[str]:
    """Return the names of all features."""
    return [f"{n}: {k}" for n in recipe.dynamic for k in _STATISTICS] + list(recipe.static)
