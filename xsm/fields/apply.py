"""What a fitted model that downscales does with new data: predict, and be scored."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import cast

import xarray as xr

from xsm.artefact.learnt import Learnt
from xsm.data.naming import find_variables
from xsm.data.nesting import horizontal_axes
from xsm.data.units import dequantify, quantify
from xsm.evaluation.spread import standardised
from xsm.exceptions import MissingVariableError, UnknownNameError
from xsm.fields.baselines import score_fields
from xsm.fields.collect import collect_sources
from xsm.fields.labels import as_given, present
from xsm.fields.prediction import downscale_fields
from xsm.fields.scaling import maps_of
from xsm.fields.sources import Covariates, Sources, known_names
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
) -> xr.Dataset:
    """Downscale with a fitted model, see :meth:`xsm.FittedModel.downscale`.

    Parameters
    ----------
    fitted : Learnt
        The model.
    ds : xarray.Dataset
        Holds the coarse field.
    covariates : Dataset, DataArray or sequence of them, optional
        Those of the training.
    area : DataArray, optional
        (y, x) areas of the fine cells.
    device : str
        Where to evaluate.

    Returns
    -------
    xarray.Dataset
        The fine field and its standard deviation; quantified where the data are.

    Examples
    --------
    >>> import numpy as np
    >>> import xsm
    >>> axes = {"time": xr.date_range("2000", periods=12, freq="MS")}
    >>> axes |= {"y": np.arange(4.0), "x": np.arange(4.0)}
    >>> values = np.random.default_rng(0).normal(size=(12, 4, 4))
    >>> gws = xr.DataArray(values, axes, name="gws", attrs={"units": "mm"})
    >>> small = {"hidden": 2, "widths": (2, 4), "epochs": 1, "iterations": 1, "valid": 0.0}
    >>> fitted = gws.physm.fit("convlstm_unet", factor=2, progress=False, **small)
    >>> ds, rest = gws.to_dataset(), {"covariates": None, "area": None}
    >>> downscale_with(fitted, ds, device="cpu", **rest)["gws"].shape
    (7, 8, 8)
    """
    recipe, model = nested(fitted)
    ds, quantified = dequantify(ds)
    sources = _sources(recipe, ds, covariates, area)
    fields = downscale_fields(
        model,
        recipe,
        fitted.scaling,
        sources,
        token=fitted.token,
        device=str(choose_device(device)),
    )
    variable = find_variables(ds, known_names(ds, recipe.variables)).lookup(recipe.target)
    facts = {
        "title": f"{variable.name} downscaled by {fitted.name}",
        "model": fitted.name,
        "target": recipe.target,
        "window": recipe.window,
        "lead": 0,
    }
    own = ds[str(variable.name)]
    found = present(fields, own, variable, sources, facts, fitted.calibration)
    return quantify(found) if quantified else found


def nested(fitted: Learnt) -> tuple[NestedRecipe, FieldModel]:
    """Return recipe and network of a model that downscales; refuse one that predicts cells."""
    if fitted.recipe.downscales:
        return cast("NestedRecipe", fitted.recipe), cast("FieldModel", fitted.model)
    msg = (
        f"{fitted.name!r} predicts cells, it does not downscale: call fitted.predict(ds), or fit "
        'a model that does, ds.physm.fit(model="convlstm_unet", ...).'
    )
    raise UnknownNameError(msg)


def _sources(
    recipe: NestedRecipe,
    ds: xr.Dataset,
    covariates: Covariates | None,
    area: xr.DataArray | None,
    truth: xr.Dataset | xr.DataArray | None = None,
) -> Sources:
    """Return what the model is given."""
    table = find_variables(ds, known_names(ds, recipe.variables))
    table.require(recipe.target)
    high, wide = recipe.factor
    factor: Mapping[str, int] | int = high
    if high != wide:
        y, x = horizontal_axes(ds)
        factor = {y.dim: high, x.dim: wide}
    return collect_sources(
        ds,
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
) -> xr.Dataset:
    """Score a fitted model beside every baseline, see :meth:`xsm.FittedModel.score`.

    Parameters
    ----------
    fitted : Learnt
        The model.
    ds : xarray.Dataset
        Holds the coarse field.
    dim : str or iterable of str, optional
        Dimensions that a score is taken over.
    covariates, area : optional
        See :func:`downscale_with`.
    truth : Dataset or DataArray
        The field on the fine grid.

    Returns
    -------
    xarray.Dataset
        See :func:`xsm.fields.baselines.score_fields`.

    Raises
    ------
    MissingVariableError
        If there is no truth.

    Examples
    --------
    >>> import numpy as np
    >>> import xsm
    >>> axes = {"time": xr.date_range("2000", periods=12, freq="MS")}
    >>> axes |= {"y": np.arange(4.0), "x": np.arange(4.0)}
    >>> values = np.random.default_rng(0).normal(size=(12, 4, 4))
    >>> gws = xr.DataArray(values, axes, name="gws", attrs={"units": "mm"})
    >>> small = {"hidden": 2, "widths": (2, 4), "epochs": 1, "iterations": 1, "valid": 0.0}
    >>> fitted = gws.physm.fit("convlstm_unet", factor=2, progress=False, **small)
    >>> ds, rest = gws.to_dataset(), {"covariates": None, "area": None}
    >>> truth = gws.physm.downscale(2, model="nearest")["gws"]
    >>> table = score_with(fitted, ds, truth=truth, dim=("time", "y", "x"), **rest)
    >>> float(table["mae"].sel(source="nearest"))
    0.0
    """
    sources, fields = _beside_truth(fitted, ds, covariates, truth, area, "auto")
    maps = maps_of(fitted.scaling, sources.nest)
    return as_given(score_fields(fields["mean"], sources, maps=maps or None, dim=dim), ds)


def _beside_truth(
    fitted: Learnt,
    ds: xr.Dataset,
    covariates: Covariates | None,
    truth: xr.Dataset | xr.DataArray | None,
    area: xr.DataArray | None,
    device: str,
) -> tuple[Sources, dict[str, xr.DataArray]]:
    """Downscale where there is a truth."""
    recipe, model = nested(fitted)
    if truth is None:
        msg = "A downscaled field is judged by the truth: pass truth= on the fine grid."
        raise MissingVariableError(msg)
    sources = _sources(recipe, dequantify(ds)[0], covariates, area, truth)
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
) -> xr.DataArray:
    """Return the errors of a downscaled field in units of its spread, lazily.

    Parameters
    ----------
    fitted : Learnt
        The model.
    ds : xarray.Dataset
        Holds the coarse field.
    covariates, area : optional
        See :func:`downscale_with`.
    truth : Dataset or DataArray
        The field on the fine grid.
    device : str, default: "auto"
        Where to evaluate.

    Returns
    -------
    DataArray
        (truth - mean) / std (time, y, x) without calibration; NaN where one is missing.

    Raises
    ------
    MissingVariableError
        If there is no truth, or the model predicts no spread.

    Examples
    --------
    >>> import numpy as np
    >>> import xsm
    >>> axes = {"time": xr.date_range("2000", periods=12, freq="MS")}
    >>> axes |= {"y": np.arange(4.0), "x": np.arange(4.0)}
    >>> values = np.random.default_rng(0).normal(size=(12, 4, 4))
    >>> gws = xr.DataArray(values, axes, name="gws", attrs={"units": "mm"})
    >>> small = {"hidden": 2, "widths": (2, 4), "epochs": 1, "iterations": 1, "valid": 0.0}
    >>> fitted = gws.physm.fit("convlstm_unet", factor=2, progress=False, **small)
    >>> truth = gws.physm.downscale(2, model="nearest")["gws"]
    >>> field_errors(fitted, gws.to_dataset(), truth=truth).shape
    (7, 8, 8)
    """
    sources, fields = _beside_truth(fitted, ds, covariates, truth, area, device)
    if "std" not in fields or sources.truth is None:
        msg = (
            f'{fitted.name!r} was trained with head="point" and predicts no spread to calibrate. '
            'Fit it with head="gaussian", or members=5.'
        )
        raise MissingVariableError(msg)
    return standardised(sources.truth, fields["mean"], fields["std"])[0]
