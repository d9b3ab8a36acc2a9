"""The verb that downscales, and the training of models that do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from xsm.api.fit import fit
from xsm.api.fitted import FittedModel
from xsm.artefact.asked import Asked
from xsm.data.naming import stated
from xsm.data.nesting import make_nest
from xsm.data.nesting.nest import Factor
from xsm.data.provenance import recorded
from xsm.exceptions import UnknownNameError, check_choice, did_you_mean
from xsm.fields.apply import nested
from xsm.fields.baselines import BASELINES, LEARNING, apply_baseline, learn_maps
from xsm.fields.collect import collect_sources
from xsm.fields.labels import present
from xsm.fields.sources import Covariates, check_stated, choose_target, read_one
from xsm.nn import FieldModel
from xsm.registry import list_models, model_class, model_name
from xsm.training.schedule import given

__all__ = ["downscale", "downscale_keeping"]


_FACTOR, _CONSERVE = 4, "soft"  # the defaults, which are not told from what was left out


def downscale(
    ds: xr.Dataset,
    factor: Factor = _FACTOR,
    *,
    model: str | type[FieldModel] | FittedModel = "convlstm_unet",
    covariates: Covariates | None = None,
    truth: xr.Dataset | xr.DataArray | None = None,
    supervision: str | None = None,
    conserve: str = _CONSERVE,
    area: xr.DataArray | None = None,
    target: str | None = None,
    variables: Mapping[str, str] | None = None,
    product: str | None = None,
    **training: Any,
) -> xr.Dataset:
    """Downscale a field in space, by a baseline, a network trained here, or a fitted model.

    Parameters
    ----------
    ds : xarray.Dataset
        Holds the coarse field (time, y, x) on a regular grid in degrees or of a projection; other
        variables are left aside.
    factor : int or mapping of str to int, default: 4
        Fine cells of a coarse one along each axis, or by name of the dimension.
    model : str, subclass of FieldModel or FittedModel, default: "convlstm_unet"
        ``"nearest"``, ``"bilinear"`` (missing neighbours are left out, the globe closes),
        ``"conservative_bilinear"`` (then shifted so that coarse means are kept), ``"pattern"``
        (interpolation plus the mean fine pattern of the truth), ``"cell_regression"`` (a line for
        each fine cell on the series of its coarse one), or a network: a name or a class is trained
        first, as by :func:`xsm.fit`, a fitted model only predicts: its factor,
        ``supervision``, ``conserve`` and target stay, and others are refused, as is ``truth``.
    covariates : Dataset, DataArray or sequence of them, optional
        Fields with or without time, each data set on any grid of the same kind (a list holds those
        of several grids): those on the fine grid are taken as they are, others are remapped
        conservatively. A variable with the role of the target is left aside.
    truth : Dataset or DataArray, optional
        The field on the fine grid, at some or all of the times, to learn from.
    supervision : {"truth", "scale_transfer", "interpolation"}, optional
        What a network learns from, see :func:`xsm.fit`; by default the truth where it is given,
        else ``"scale_transfer"``.
    conserve : {"soft", "exact"}, default: "soft"
        ``"exact"`` shifts the fine cells of each coarse one by one number, so that their
        area-weighted mean is the coarse value; also of a baseline.
    area : DataArray, optional
        (y, x) areas of the fine cells, in m2 or with units; NaN or 0 leaves a cell out of the
        domain. By default those of the sphere between meridians and parallels, or of the
        projection.
    target : str, optional
        Role or variable; by default groundwater storage, then terrestrial water storage, then the
        only variable on the grid.
    variables : mapping of str to str, optional
        Role to variable name, where xsm finds none or the wrong one.
    product : str, optional
        The product that the data are of, where it is not recognised, see
        :func:`xsm.list_products`.
    **training
        Of a network that is trained here: all other arguments of :func:`xsm.fit`, such as
        ``epochs``, ``seed``, ``progress``, ``hidden`` or ``size="published"``.

    Returns
    -------
    xarray.Dataset
        The field on the fine grid under its own name and units, with the coordinate ``cell_area``
        (m2); of a network also ``<name>_std``, the standard deviation, and only the ends of whole
        windows. NaN where the coarse cell is, or a covariate of that time: missing cells are not
        filled and have no say. Lazy where the input is; blocks are whole planes of a time, so that
        memory does not grow with time.

    Raises
    ------
    GridError
        If grids do not nest (the message says what to pass), or time is uneven.
    MissingVariableError
        If the target, a covariate or a truth is missing.
    NotEnoughDataError
        If data have no time in common, or too few.
    UnitsError
        If units of the area are none of an area.
    UnknownNameError
        If the model or a choice does not exist, a choice is not that of the fitted model, or
        arguments of a training are given where nothing is trained.

    References
    ----------
    Ibrahim et al. (2026). IRE Journals, 10.64388/irev9i9-1714801.

    Examples
    --------
    >>> import numpy as np, xarray as xr, xsm
    >>> axes = {"time": xr.date_range("2020", periods=2, freq="MS"), "lat": [5.0, 15.0]}
    >>> values = np.arange(8.0).reshape(2, 2, 2)
    >>> gws = xr.DataArray(values, axes | {"lon": [5.0, 15.0]}, attrs={"units": "mm"})
    >>> fine = xsm.downscale(gws.to_dataset(name="gws"), factor=2, model="bilinear")
    >>> fine["gws"].sizes["lat"], fine["lat"].values
    (4, array([ 2.5,  7.5, 12.5, 17.5]))
    """
    return downscale_keeping(
        ds,
        factor,
        model=model,
        covariates=covariates,
        truth=truth,
        supervision=supervision,
        conserve=conserve,
        area=area,
        target=target,
        variables=variables,
        product=product,
        **training,
    )[0]


def downscale_keeping(
    ds: xr.Dataset,
    factor: Factor,
    *,
    model: str | type[FieldModel] | FittedModel,
    covariates: Covariates | None,
    truth: xr.Dataset | xr.DataArray | None,
    supervision: str | None,
    conserve: str,
    area: xr.DataArray | None,
    target: str | None,
    variables: Mapping[str, str] | None,
    product: str | None,
    **training: Any,
) -> tuple[xr.Dataset, FittedModel | None]:
    """Downscale, and return the model that was trained on the way, or given; None of a baseline."""
    check_choice("conserve", conserve, ("soft", "exact"))
    ds = stated(ds, product)
    said: dict[str, Any] = {
        "factor": factor,
        "covariates": covariates,
        "truth": truth,
        "supervision": supervision,
        "conserve": conserve,
        "area": area,
        "target": target,
        "variables": variables,
    }
    asked = Asked(**said)
    if training and (isinstance(model, FittedModel) or model in BASELINES):
        msg = (
            f"{', '.join(training)} is of a training, and nothing is trained here. Leave it out, "
            'or name a network: model="convlstm_unet".'
        )
        raise UnknownNameError(msg)
    if isinstance(model, str) and model in BASELINES:
        return _baseline(model, ds, asked), None
    if isinstance(model, FittedModel):
        fitted = model
        _check_settled(fitted, ds, asked)
    else:
        fitted = fit(ds, _network(model), **said, **training)
    return fitted.downscale(ds, covariates=covariates, area=area, variables=variables), fitted


def _check_settled(fitted: FittedModel, ds: xr.Dataset, asked: Asked) -> None:
    """Refuse what contradicts a model that is fitted already."""
    if not fitted.recipe.downscales:
        return  # a model of cells, which says itself that it does not downscale
    recipe, model = nested(fitted)
    settled = {
        "factor": recipe.factor,
        "supervision": recipe.supervision,
        "conserve": model.conserve,
        "target": recipe.target,
    }
    said = given(supervision=asked.supervision, conserve=asked.conserve, target=asked.target)
    said = {name: value for name, value in said.items() if value != _CONSERVE}
    if asked.factor not in (None, _FACTOR):
        said["factor"] = make_nest(ds, asked.factor).factor
    if "target" in said:
        said["target"] = choose_target(read_one(ds, asked.variables), said["target"])
    wrong = [
        f"{name}={value!r}, the model's is {settled[name]!r}"
        for name, value in said.items()
        if value != settled[name]
    ]
    if asked.truth is not None:
        wrong.append("truth=, from which a fitted model learns nothing: fitted.score takes it")
    if wrong:
        msg = (
            f"The fitted {fitted.name!r} only predicts, and was given {'; '.join(wrong)}. Leave "
            f"these out, or train another one: model={fitted.name!r}."
        )
        raise UnknownNameError(msg)


def _network(model: object) -> type[Any]:
    """Return the class of a network that downscales."""
    fields = [n for n in list_models() if model_class(n).downscales]
    if isinstance(model, str) and model not in list_models():
        hint = did_you_mean(model, [*BASELINES, *fields])
        msg = f"There is no way to downscale named {model!r}. {hint}"
        raise UnknownNameError(msg)
    cls = model_class(model)
    if not cls.downscales:
        msg = (
            f"model={model_name(cls)!r} predicts cells, it does not downscale fields. Choose from "
            f"{[*BASELINES, *fields]}."
        )
        raise UnknownNameError(msg)
    return cls


def _baseline(name: str, ds: xr.Dataset, asked: Asked) -> xr.Dataset:
    """Downscale by a baseline."""
    check_stated(asked.variables, ds, asked.covariates, asked.truth)
    reading = read_one(ds, asked.variables)
    role, factor = choose_target(reading, asked.one_target), asked.factor
    settings: dict[str, Any] = {"target": role, "area": asked.area, "variables": asked.variables}
    if factor is None:
        nest = make_nest(reading.ds, None, asked.truth)
        factor = dict(zip(nest.dims, nest.factor, strict=True))
    sources = collect_sources(reading, factor=factor, **settings)
    maps = None
    if name in LEARNING and asked.truth is not None:
        maps = learn_maps(collect_sources(reading, factor=factor, truth=asked.truth, **settings))
    exact = asked.conserve == "exact"
    fine = apply_baseline(
        name, sources.target, sources.nest, area=sources.area, maps=maps, exact=exact
    )
    named = reading.lookup(role).name
    facts = {"title": f"{named} downscaled by {name}", "model": name, "target": role}
    found = present({"mean": fine}, reading, role, sources, facts)
    return reading.given_back(recorded(found, f"downscale by {name}", of=ds))
