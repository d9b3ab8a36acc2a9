"""Predictions and forecasts corrected by the last known error of their model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from xsm.cells.features import Features
from xsm.data.joins import at_labels, positions
from xsm.data.lead import LEAD
from xsm.data.naming import ROLES
from xsm.evaluation.autocorrelation import rho_of
from xsm.evaluation.updating import faded, last_error
from xsm.exceptions import NotEnoughDataError
from xsm.hydrology.soil.layering import DEPTH
from xsm.training.recipe import Recipe

__all__ = [
    "LEAD_SHARE",
    "SHARE",
    "UPDATED",
    "corrected",
    "corrected_ahead",
    "errors_before",
    "errors_of",
    "youngest",
]


SHARE, LEAD_SHARE = "share", "lead_share"
"""The share of an error that is left after steps, and in forecasts by lead."""

UPDATED = "error_updating"
"""Attribute of what was corrected."""


def youngest(recipe: Recipe) -> int:
    """Return the age in steps of the youngest observation that a prediction may know."""
    return max(recipe.lead, recipe.latency[0] if recipe.data_integration else 1)


def errors_of(features: Features, mean: xr.DataArray) -> xr.DataArray:
    """Return observed less predicted at the times of a prediction, canonical, lazily."""
    time = features.time
    observed = at_labels(features.observed, {time: mean.indexes[time]})
    parts = [a.drop_vars([DEPTH, LEAD], errors="ignore") for a in (observed, mean)]
    return (parts[0] - parts[1]).transpose(*mean.dims)


def corrected(
    correction: xr.Dataset,
    mean: xr.DataArray,
    features: Features,
    recipe: Recipe,
    scaling: xr.Dataset,
) -> xr.DataArray:
    """Return predictions (time, *space [, depth]) plus what is left of the last error, lazily."""
    last, age = last_error(errors_of(features, mean), youngest(recipe))
    return _added(mean, last * rho_of(age, correction[SHARE]), recipe, scaling)


def errors_before(
    errors: xr.DataArray, inits: xr.DataArray, leads: Sequence[int], recipe: Recipe
) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    """Return the last error that forecasts may know (init, lead, *space [, depth]), and its ages.

    ``inits`` are times along ``init``. Ages in steps, at init, and beyond the youngest.
    """
    time, known = str(errors.dims[0]), youngest(recipe)
    need = [max(0, known - lead) for lead in leads]
    found = {k: last_error(errors, k) for k in sorted(set(need))}
    picked = []
    for part in (0, 1):
        each = {k: at_labels(pair[part], {time: inits.values}) for k, pair in found.items()}
        whole = xr.concat(
            [each[k] for k in need], LEAD, join="exact", coords="minimal", compat="override"
        )
        picked.append(whole.drop_vars(time).rename({time: "init"}))
    last, age = picked
    return last, age, age - xr.DataArray(need, dims=LEAD)


def corrected_ahead(
    correction: xr.Dataset,
    mean: xr.DataArray,
    errors: xr.DataArray,
    leads: Sequence[int],
    recipe: Recipe,
    scaling: xr.Dataset,
) -> xr.DataArray:
    """Return forecasts (init, lead, ...) plus what is left of the last error, lazily."""
    last, age, more = errors_before(errors, mean["init"], leads, recipe)
    if LEAD_SHARE in correction:
        share = _of_leads(correction[LEAD_SHARE], mean) * faded(
            more, correction[SHARE], youngest(recipe)
        )
    else:
        share = rho_of(age + xr.DataArray(np.array(leads, float), dims=LEAD), correction[SHARE])
    return _added(mean, last * share, recipe, scaling)


def _of_leads(share: xr.DataArray, mean: xr.DataArray) -> xr.DataArray:
    """Return what was learnt by lead for the leads of a forecast; refuse leads that were not."""
    known = share.indexes[LEAD]
    rows = positions(known, mean[LEAD].values)
    if (rows < 0).any():
        msg = (
            f"The correction was learnt for forecasts of {known.size} leads, {known[0]} to "
            f"{known[-1]}, and these are of others. Learn it for them, fitted.correct(ds, "
            "forecast=...), or for all without forecast=."
        )
        raise NotEnoughDataError(msg)
    return share.isel({LEAD: rows}).drop_vars(LEAD)


def _added(
    mean: xr.DataArray, correction: xr.DataArray, recipe: Recipe, scaling: xr.Dataset
) -> xr.DataArray:
    """Return a prediction plus its correction, which takes it nowhere that its target cannot be."""
    found = mean + correction.fillna(0.0)
    limits: Any = ROLES[recipe.target].range if recipe.target in ROLES else None
    if recipe.bounded:
        low = scaling["target_offset"]
        limits = (low, low + scaling["target_scale"])
    if limits is not None:
        found = found.clip(np.minimum(mean, limits[0]), np.maximum(mean, limits[1]))
    return found.transpose(*mean.dims).astype(mean.dtype).assign_attrs(mean.attrs)
