"""What a fitted model of cells does with new data: predict, and errors in units of its spread."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from xsm.artefact.learnt import Learnt
from xsm.cells.collect import collect
from xsm.cells.labels import label_prediction
from xsm.cells.prediction import predict_lazily
from xsm.cells.recipe import require_target
from xsm.cells.scaling import scaling_for
from xsm.data.doubt import doubt, guards_of
from xsm.data.reading import Reading, read
from xsm.data.targets import predicted_spread
from xsm.evaluation.spread import spread_of, standardised
from xsm.exceptions import UnknownNameError
from xsm.hydrology.soil.layered import layered_pair
from xsm.training.recipe import Recipe

__all__ = ["doubt_inputs", "label", "predict_cells", "read_for", "standard_errors"]


def read_for(fitted: Learnt, ds: xr.Dataset) -> Reading:
    """Find the variables of a data set as a model of cells knows them; refuse other models."""
    if fitted.recipe.downscales:
        msg = f"{fitted.name!r} downscales fields: call fitted.downscale(ds, covariates=...)."
        raise UnknownNameError(msg)
    return read(ds, fitted.recipe.variables)


def predict_cells(
    fitted: Learnt,
    reading: Reading,
    *,
    batch_size: int | None,
    device: str,
    doubting: bool = True,
) -> xr.Dataset:
    """Predict the target for all whole windows of a data set, see :func:`xsm.predict`.

    Without ``doubting`` no block is read before the result is computed.
    """
    recipe = fitted.recipe
    features = collect(reading, recipe, with_target=recipe.data_integration)
    if doubting:
        doubt_inputs(reading, recipe)
    scaling = scaling_for(fitted.scaling, features, bounded=recipe.bounded)
    found = predict_lazily(
        fitted.model,
        recipe,
        scaling,
        features,
        token=fitted.token,
        batch_size=batch_size,
        device=fitted.model.choose_place(device),
        guards=guards_of(reading, recipe.dynamic),
    )
    return label(fitted, found, reading, scaling)


def doubt_inputs(reading: Reading, recipe: Recipe) -> None:
    """Doubt the values of what a model of cells is given."""
    seen = reading.layers(recipe.target) if recipe.depths else (recipe.target,)
    target = seen if recipe.data_integration else ()
    doubt(reading, (*recipe.dynamic, *recipe.static, *target))


def label(
    fitted: Learnt, found: Mapping[str, xr.DataArray], reading: Reading, scaling: xr.Dataset
) -> xr.Dataset:
    """Give a prediction the names, the units and the order of dimensions of the user's data."""
    return label_prediction(
        found,
        reading,
        scaling,
        name=fitted.name,
        recipe=fitted.recipe,
        trained=fitted.layers or (fitted.variable,),
        attrs=fitted.attrs,
        calibration=fitted.calibration,
    )


def standard_errors(reading: Reading, predicted: xr.Dataset, recipe: Recipe) -> xr.DataArray:
    """Return the errors of a prediction in units of its spread, (observed - mean) / std.

    (time, *space [, depth]); lazy where these are, NaN where either is. Without a spread or
    observations it is refused.
    """
    target = recipe.target
    require_target(reading.table, recipe)
    names = [name for name in predicted.data_vars if f"{name}_std" in predicted]
    if len(names) > 1 or (names and recipe.depths):
        spreads = xr.Dataset({name: predicted[f"{name}_std"] for name in names})
        std = layered_pair(reading, spreads, target)[1]
    else:
        std = predicted_spread(reading, predicted[f"{spread_of(predicted)}_std"], target)
    observed, mean = layered_pair(reading, predicted, target)
    return standardised(observed, mean, std)[0]
