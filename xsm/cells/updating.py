"""Predictions and forecasts corrected by the last known error of their model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from xsm.cells.features import Features
from xsm.data.joins import at_labels, positions
from xsm.data.lead import LEAD
from xsm.data.naming import ROLES
from xsm.evaluation.updating import faded, last_known
from xsm.exceptions import NotEnoughDataError
from xsm.hydrology.soil.layering import DEPTH
from xsm.training.recipe import Recipe

__all__ = ["BY_LEAD", "FADING", "UPDATED", "Before", "corrected", "corrected_ahead", "errors_of"]


FADING, BY_LEAD = "fading", "lead_"
"""How alike errors are by lag; before the names of what is learnt by lead."""

UPDATED = "error_updating"
"""Attribute of what was corrected."""


@dataclass(frozen=True)
class Before:
    """Errors of predictions, the predictions (time, *space [, depth]), and what they may know.

    ``youngest`` is the age in steps of the youngest observation that a prediction may know.
    """

    errors: xr.DataArray
    predicted: xr.DataArray
    youngest: int

    def here(self, fading: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
        """Return the last error before each prediction and the change since, faded, lazily."""
        last, then, age = last_known(self.errors, self.predicted, self.youngest)
        left = faded(age - self.youngest, fading, self.youngest)
        return left * last, left * (self.predicted - then)

    def ahead(
        self, mean: xr.DataArray, leads: Sequence[int], fading: xr.DataArray, *, by_lead: bool
    ) -> tuple[xr.DataArray, xr.DataArray]:
        """Return the same for forecasts (init, lead, ...) of these cells, without labels, lazily.

        They fade by how much older errors are than the youngest that is known at a lead, where
        leads are learnt ``by_lead``, else than the youngest that a prediction knows.
        """
        time = str(self.errors.dims[0])
        need = [max(0, self.youngest - lead) for lead in leads]
        found = {k: last_known(self.errors, self.predicted, k) for k in set(need)}
        inits = mean["init"].values
        each = {k: [at_labels(a, {time: inits}) for a in parts] for k, parts in found.items()}
        last, then, age = (
            xr.DataArray(xr.Variable.concat([each[k][part].variable for k in need], LEAD)).rename(
                {time: "init"}
            )
            for part in range(3)
        )
        older = np.array(need, float) if by_lead else self.youngest - np.array(leads, float)
        left = faded(age - xr.DataArray(older, dims=LEAD), fading, self.youngest)
        return left * last, left * (xr.DataArray(mean.variable) - then)


def errors_of(features: Features, mean: xr.DataArray, recipe: Recipe) -> Before:
    """Return observed less predicted at the times of a prediction, canonical, lazily."""
    time = features.time
    observed = at_labels(features.observed, {time: mean.indexes[time]})
    truth, guess = (a.drop_vars([DEPTH, LEAD], errors="ignore") for a in (observed, mean))
    youngest = max(recipe.lead, recipe.latency[0] if recipe.data_integration else 1)
    return Before((truth - guess).transpose(*mean.dims), guess, youngest)


def corrected(
    correction: xr.Dataset, mean: xr.DataArray, before: Before, recipe: Recipe, scaling: xr.Dataset
) -> xr.DataArray:
    """Return predictions (time, *space [, depth]) with their correction, lazily."""
    last, change = before.here(correction[FADING])
    added = correction["error"] * last - correction["change"] * change
    return _added(mean, added, recipe, scaling)


def corrected_ahead(
    correction: xr.Dataset,
    mean: xr.DataArray,
    before: Before,
    leads: Sequence[int],
    recipe: Recipe,
    scaling: xr.Dataset,
) -> xr.DataArray:
    """Return forecasts (init, lead, ...) with their correction, lazily."""
    by_lead = LEAD in correction.dims
    last, change = before.ahead(mean, leads, correction[FADING], by_lead=by_lead)
    learnt = _of_leads(correction, mean) if by_lead else correction
    return _added(mean, learnt["error"] * last - learnt["change"] * change, recipe, scaling)


def _of_leads(correction: xr.Dataset, mean: xr.DataArray) -> xr.Dataset:
    """Return what was learnt by lead for the leads of a forecast; refuse leads that were not."""
    known = correction.indexes[LEAD]
    rows = positions(known, mean[LEAD].values)
    if (rows < 0).any():
        msg = (
            f"The correction was learnt for forecasts of {known.size} leads, {known[0]} to "
            f"{known[-1]}, and these are of others. Learn it for them, fitted.correct(ds, "
            "forecast=...), or for all without forecast=."
        )
        raise NotEnoughDataError(msg)
    own = {name: correction[f"{BY_LEAD}{name}"] for name in ("error", "change")}
    return xr.Dataset(own).isel({LEAD: rows}).drop_vars(LEAD)


def _added(
    mean: xr.DataArray, added: xr.DataArray, recipe: Recipe, scaling: xr.Dataset
) -> xr.DataArray:
    """Return a prediction plus its correction, which takes it nowhere that its target cannot be."""
    limits: Any = ROLES[recipe.target].range if recipe.target in ROLES else None
    if recipe.bounded:
        low = scaling["target_offset"]
        limits = (low, low + scaling["target_scale"])
    found = mean + added.fillna(0.0)
    if limits is not None:
        found = found.clip(np.minimum(mean, limits[0]), np.maximum(mean, limits[1]))
    return found.transpose(*mean.dims).astype(mean.dtype).assign_attrs(mean.attrs)
