"""What a fitted model of cells does with new data: predict, and errors in units of its spread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from xsm.artefact.learnt import Learnt
from xsm.cells.alignment import scaling_for
from xsm.cells.collect import collect
from xsm.cells.dissimilarity import beside
from xsm.cells.features import Features
from xsm.cells.labels import label_prediction
from xsm.cells.prediction import predict_lazily
from xsm.cells.recipe import holds_target, require_inputs, require_target
from xsm.cells.state import require_sequence, state_array, state_dataset
from xsm.cells.updating import UPDATED, Before, corrected, errors_of
from xsm.data.doubt import doubt, guards_of
from xsm.data.reading import Reading, read
from xsm.data.targets import predicted_spread
from xsm.data.trained_step import check_trained_step
from xsm.evaluation.metrics import scored_pair
from xsm.evaluation.spread import spread_of, standardised
from xsm.exceptions import MissingVariableError, UnknownNameError, warn_outside
from xsm.hydrology.soil.layered import layered_spread
from xsm.hydrology.soil.pores import with_pores
from xsm.training.recipe import Recipe

__all__ = [
    "errors_before",
    "inputs_of",
    "label",
    "predict_cells",
    "predict_new",
    "read_for",
    "standard_errors",
    "state_of",
    "tell_faulty_target",
]


def read_for(fitted: Learnt, ds: xr.Dataset, variables: Mapping[str, str] | None = None) -> Reading:
    """Find the inputs of a model of cells in a data set, by role; refuse other models.

    What was stated in training counts where the data have these names; ``variables`` are stated
    of these data. All inputs that are missing are told in one error.
    """
    if fitted.recipe.downscales:
        msg = f"{fitted.name!r} downscales fields: call fitted.downscale(ds, covariates=...)."
        raise UnknownNameError(msg)
    reading = read(ds, variables, remembered=fitted.recipe.variables)
    if fitted.recipe.pores:
        reading, _ = with_pores(reading, fitted.recipe.pores)
    require_inputs(reading, fitted.recipe)
    return reading


def predict_new(
    fitted: Learnt, ds: xr.Dataset, variables: Mapping[str, str] | None, **options: Any
) -> xr.Dataset:
    """Predict from data that need no target; one that is there, but faulty, is told."""
    reading = read_for(fitted, ds, variables)
    tell_faulty_target(fitted, reading)
    return predict_cells(fitted, reading, **options)


def predict_cells(
    fitted: Learnt,
    reading: Reading,
    *,
    batch_size: int | None,
    device: str,
    doubting: bool = True,
    state: xr.Dataset | None = None,
    domain: xr.Dataset | None = None,
) -> xr.Dataset:
    """Predict the target for all whole windows of a data set, see :func:`xsm.predict`.

    Without ``doubting`` no block is read before the result is computed; ``state`` is what
    :func:`state_of` returned for the steps before, ``domain`` what tells where the model applies.
    """
    options = {"batch_size": batch_size, "device": device, "doubting": doubting}
    found, features, scaling = _predicted(fitted, reading, options, state)
    if fitted.correction is not None:
        before = errors_of(features, found["mean"], fitted.recipe)
        found["mean"] = corrected(fitted.correction, found["mean"], before, fitted.recipe, scaling)
    result = label(fitted, found, reading, scaling)
    return result if domain is None else beside(result, features, fitted.recipe, domain)


def errors_before(fitted: Learnt, reading: Reading, **options: Any) -> Before:
    """Return the errors of all predictions from a data set, without correction."""
    state = options.pop("state", None)
    options = {"batch_size": None, "device": "auto", "doubting": True} | options
    found, features, _ = _predicted(fitted, reading, options, state, errors=True)
    return errors_of(features, found["mean"], fitted.recipe)


def state_of(
    fitted: Learnt,
    reading: Reading,
    *,
    batch_size: int | None,
    device: str,
    state: xr.Dataset | None = None,
) -> xr.Dataset:
    """Return the state of a network after the last step of a data set."""
    require_sequence(fitted, "fitted.state(ds)")
    options = {"batch_size": batch_size, "device": device, "doubting": True}
    found, features, _ = _predicted(fitted, reading, options, state, after=True)
    return state_dataset(found["state"].data, fitted, features)


def _predicted(
    fitted: Learnt,
    reading: Reading,
    options: Mapping[str, Any],
    state: xr.Dataset | None,
    *,
    after: bool = False,
    errors: bool = False,
) -> tuple[dict[str, xr.DataArray], Features, xr.Dataset]:
    """Return predictions or the state ``after`` them, the features and their scaling."""
    recipe = fitted.recipe
    doubting = options["doubting"]
    seen = errors or recipe.data_integration or fitted.correction is not None
    if fitted.correction is not None and not holds_target(reading.table, recipe):
        msg = (
            f"This {fitted.name!r} corrects itself by its last errors, and the data hold no "
            f"{recipe.target} to tell them. Add the observations that there are (NaN where there "
            "are none), or predict with the model as it was before fitted.correct."
        )
        raise MissingVariableError(msg)
    features = inputs_of(fitted, reading, with_target=seen, doubting=doubting)
    before = None if state is None else state_array(state, fitted, features)
    scaling = scaling_for(fitted.scaling, features, bounded=recipe.bounded)
    found = predict_lazily(
        fitted.model,
        recipe,
        scaling,
        features,
        token=fitted.token,
        batch_size=options["batch_size"],
        device=fitted.model.choose_place(options["device"]),
        role=fitted.variable.role,
        guards=guards_of(reading, features.here),
        before=before,
        state=after,
    )
    return found, features, scaling


def inputs_of(
    fitted: Learnt, reading: Reading, *, with_target: bool, doubting: bool = True
) -> Features:
    """Return the inputs of a model at its step, doubted first."""
    features = collect(reading, fitted.recipe, with_target=with_target)
    _check_step(fitted, features)
    if doubting:
        _doubt_inputs(reading, fitted.recipe, features.missing, with_target=with_target)
    return features


def _check_step(fitted: Learnt, features: Features) -> None:
    """Refuse data at another step than those of training; one time alone where that matters."""
    recipe, first = fitted.recipe, next(iter(features.dynamic.values()))
    runs = bool(recipe.sequence)
    check_trained_step(
        fitted.name,
        fitted.fingerprint.get("step"),
        first,
        what="state" if runs else f"window of {recipe.window} steps",
        alone=runs or recipe.ahead > 0,
    )


def tell_faulty_target(fitted: Learnt, reading: Reading) -> None:
    """Warn where the data hold the target, but faulty: a prediction has the names of training."""
    problem = reading.table.problems.get(fitted.recipe.target)
    if problem:
        own = (fitted.layers or (fitted.variable,))[0]
        warn_outside(
            f"The data hold the target, but it cannot be used, so that the prediction has the name "
            f"and the units of training, {str(own.name)!r} in {own.units!r}. "
            f"{fitted.recipe.target}: {problem}"
        )


def _doubt_inputs(
    reading: Reading, recipe: Recipe, missing: tuple[str, ...], *, with_target: bool
) -> None:
    """Doubt the values of what a model of cells is given."""
    seen = reading.layers(recipe.target) if recipe.depths else (recipe.target,)
    target = seen if with_target else ()
    inputs = (name for name in (*recipe.dynamic, *recipe.static) if name not in missing)
    doubt(reading, (*inputs, *target))


def label(
    fitted: Learnt, found: Mapping[str, xr.DataArray], reading: Reading, scaling: xr.Dataset
) -> xr.Dataset:
    """Give a prediction the names, the units and the order of dimensions of the user's data."""
    result = label_prediction(
        found,
        reading,
        scaling,
        name=fitted.name,
        recipe=fitted.recipe,
        trained=fitted.layers or (fitted.variable,),
        attrs=fitted.attrs,
        calibration=fitted.calibration,
    )
    told = "a share of the last known error is added"
    return result if fitted.correction is None else result.assign_attrs({UPDATED: told})


def standard_errors(reading: Reading, predicted: xr.Dataset, recipe: Recipe) -> xr.DataArray:
    """Return the errors of a prediction in units of its spread, (observed - mean) / std.

    (time, *space [, depth]); lazy where these are, NaN where either is. Without a spread or
    observations it is refused.
    """
    target = recipe.target
    require_target(reading.table, recipe)
    names = [name for name in predicted.data_vars if f"{name}_std" in predicted]
    if len(names) > 1 or (names and recipe.depths):
        std = layered_spread(reading, predicted, list(map(str, names)), target)
    else:
        std = predicted_spread(reading, predicted, spread_of(predicted), target)
    observed, mean = scored_pair(reading, predicted, target)
    return standardised(observed, mean, std)[0]
