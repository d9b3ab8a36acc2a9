"""What a fitted model that downscales does with new data: predict, and be scored."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from typing import cast

import xarray as xr

from xsm.artefact.learnt import Learnt
from xsm.data.nesting import horizontal_axes
from xsm.data.reading import Reading, names_of_both
from xsm.evaluation.metrics import described
from xsm.evaluation.spread import standardised
from xsm.exceptions import MissingVariableError, UnknownNameError
from xsm.fields.baselines import score_fields
from xsm.fields.collect import collect_sources
from xsm.fields.labels import as_given, present
from xsm.fields.prediction import downscale_fields
from xsm.fields.scaling import maps_of
from xsm.fields.sources import Covariates, Part, Sources, check_stated, read_one
from xsm.nn import FieldModel
from xsm.nn.devices import choose_device
from xsm.training.recipe import NestedRecipe

__all__ = ["downscale_with", "field_errors", "nested", "score_with"]


def downscale_with(
    fitted: Learnt,
    ds: xr.Dataset,
    *,
    covariates: Covariates | None,
    area: xr.DataArray | None,
    device: str,
    variables: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """Downscale with a fitted model, see :meth:`xsm.FittedModel.downscale`."""
    recipe, model = nested(fitted)
    recipe = _named(recipe, variables, ds, covariates)
    reading = read_one(ds, recipe.variables)
    sources = _sources(recipe, reading, covariates, area)
    fields = downscale_fields(
        model,
        recipe,
        fitted.scaling,
        sources,
        token=fitted.token,
        device=str(choose_device(device)),
        role=fitted.variable.role,
    )
    facts = {
        "title": f"{reading.lookup(recipe.target).name} downscaled by {fitted.name}",
        "model": fitted.name,
        "target": recipe.target,
        "window": recipe.window,
    }
    found = present(fields, reading, recipe.target, sources, facts, fitted.calibration)
    return reading.given_back(found)


def nested(fitted: Learnt) -> tuple[NestedRecipe, FieldModel]:
    """Return recipe and network of a model that downscales; refuse one that predicts cells."""
    if fitted.recipe.downscales:
        return cast("NestedRecipe", fitted.recipe), cast("FieldModel", fitted.model)
    msg = (
        f"{fitted.name!r} predicts cells, it does not downscale: call fitted.predict(ds), or fit "
        'a model that does, ds.physm.fit(model="convlstm_unet", ...).'
    )
    raise UnknownNameError(msg)


def _named(recipe: NestedRecipe, variables: Mapping[str, str] | None, *parts: Part) -> NestedRecipe:
    """Return a recipe that finds its variables by what is stated now, then by what was."""
    check_stated(variables, *parts)
    return replace(recipe, variables=names_of_both(variables or {}, recipe.variables))


def _sources(
    recipe: NestedRecipe,
    reading: Reading,
    covariates: Covariates | None,
    area: xr.DataArray | None,
    truth: xr.Dataset | xr.DataArray | None = None,
) -> Sources:
    """Return what the model is given."""
    reading.require(recipe.target)
    high, wide = recipe.factor
    factor: Mapping[str, int] | int = high
    if high != wide:
        y, x = horizontal_axes(reading.ds)
        factor = {y.dim: high, x.dim: wide}
    return collect_sources(
        reading,
        target=recipe.target,
        factor=factor,
        covariates=covariates,
        truth=truth,
        area=area,
        wanted=(recipe.dynamic, recipe.static),
        variables=recipe.variables,
        history=recipe.window - 1,
    )


def score_with(
    fitted: Learnt,
    ds: xr.Dataset,
    *,
    dim: Hashable | Iterable[Hashable] | None,
    covariates: Covariates | None = None,
    truth: xr.Dataset | xr.DataArray | None = None,
    area: xr.DataArray | None = None,
    variables: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """Score a fitted model beside every baseline, see :meth:`xsm.FittedModel.score`."""
    recipe = _named(nested(fitted)[0], variables, ds, covariates, truth)
    reading = read_one(ds, recipe.variables)
    sources, fields = _beside_truth(fitted, recipe, reading, covariates, truth, area, "auto")
    maps = maps_of(fitted.scaling, sources.nest)
    table = score_fields(fields["mean"], sources, maps=maps or None, dim=dim)
    return as_given(described(table, reading, recipe.target), ds)


def _beside_truth(
    fitted: Learnt,
    recipe: NestedRecipe,
    reading: Reading,
    covariates: Covariates | None,
    truth: xr.Dataset | xr.DataArray | None,
    area: xr.DataArray | None,
    device: str,
) -> tuple[Sources, dict[str, xr.DataArray]]:
    """Downscale where there is a truth."""
    model = nested(fitted)[1]
    if truth is None:
        msg = "A downscaled field is judged by the truth: pass truth= on the fine grid."
        raise MissingVariableError(msg)
    sources = _sources(recipe, reading, covariates, area, truth)
    place = str(choose_device(device))
    fields = downscale_fields(
        model, recipe, fitted.scaling, sources, token=fitted.token, device=place
    )
    return sources, fields


def field_errors(
    fitted: Learnt,
    ds: xr.Dataset,
    *,
    covariates: Covariates | None = None,
    truth: xr.Dataset | xr.DataArray | None = None,
    area: xr.DataArray | None = None,
    device: str = "auto",
    variables: Mapping[str, str] | None = None,
) -> xr.DataArray:
    """Return the errors of a downscaled field in units of its spread, lazily.

    (truth - mean) / std (time, y, x) without calibration; NaN where one is missing. Without a truth
    or a spread it is refused.
    """
    recipe = _named(nested(fitted)[0], variables, ds, covariates, truth)
    reading = read_one(ds, recipe.variables)
    sources, fields = _beside_truth(fitted, recipe, reading, covariates, truth, area, device)
    if "std" not in fields or sources.truth is None:
        msg = (
            f'{fitted.name!r} was trained with head="point" and predicts no spread to calibrate. '
            'Fit it with head="gaussian", or members=5.'
        )
        raise MissingVariableError(msg)
    return standardised(sources.truth, fields["mean"], fields["std"])[0]
