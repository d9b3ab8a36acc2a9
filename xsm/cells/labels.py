"""A prediction under the names, units and dimensions of the user's data."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from xsm.cells.quantities import quantity_as_given
from xsm.cells.recipe import holds_target
from xsm.data.naming import ROLES, Variable
from xsm.data.reading import Reading
from xsm.data.units import Conversion
from xsm.evaluation.calibration import add_spread, layer_spread
from xsm.hydrology.soil.layering import DEPTH, depth_coordinates, scalar_depth
from xsm.training.recipe import Recipe

__all__ = ["as_given", "label_prediction", "present"]


_FLAG = {
    "long_name": "an input lies beyond the range seen in training by more than a quarter of it",
    "flag_values": np.array([0, 1], np.int8),
    "flag_meanings": "inside_training_range far_outside_training_range",
}
_TRAINED = {
    "long_name": "cell had enough observations to be trained",
    "flag_values": np.array([0, 1], np.int8),
    "flag_meanings": "not_trained trained",
}
_DROPPED = {"bounds", "grid_mapping"}


def present(
    mean: xr.DataArray,
    reading: Reading,
    recipe: Recipe,
    trained: Sequence[Variable],
    attrs: Mapping[str, Any],
    *,
    spread: bool = False,
) -> tuple[xr.Dataset, tuple[Hashable, ...]]:
    """Return a prediction as the data hold the target, else as the training data held it.

    ``mean`` (time, *space [, depth]) is in canonical units; ``trained`` and ``attrs`` are the
    target's variables, one for each layer, and its attributes in the training data. A ``spread`` is
    a standard deviation: without the offset of the user's units, without his attributes. One
    variable comes back, with its dimension of layers where it has one; or several, where the data
    hold each layer in a variable of its own; and the dimensions without that of layers, in the
    order of the data.
    """
    ds = reading.ds
    there = holds_target(reading.table, recipe)
    layers = tuple(trained)
    if there:
        found = reading.layers(recipe.target)
        layers = found if recipe.depths and len(found) == recipe.layers else layers
        layers = layers if recipe.depths else (reading.lookup(recipe.target),)
    layers = tuple(map(_of_spread, layers)) if spread else layers
    first = layers[0]
    order = _order(mean, ds, first)
    if there and isinstance(first.name, str) and first.name in ds:
        attrs = {k: v for k, v in ds[first.name].attrs.items() if k not in _DROPPED}
    if not recipe.depths:
        return _named(mean.transpose(*order, ...), first, attrs).to_dataset(), order
    if first.dim is not None:
        return _along(mean, ds, layers, order, attrs, recipe), order
    parts = [mean.isel({DEPTH: k}, drop=True).transpose(*order, ...) for k in range(len(layers))]
    made = [
        _named(part, layer, _attrs(ds, layer, attrs))
        for part, layer in zip(parts, layers, strict=True)
    ]
    return xr.merge(made, join="exact", compat="equals"), order


def _of_spread(variable: Variable) -> Variable:
    """Return a variable for a spread; in canonical units where the user's have an offset."""
    if variable.conversion.offset:
        return replace(variable, conversion=Conversion(), units=ROLES[variable.role].units)
    factor = abs(variable.conversion.factor)
    return replace(variable, conversion=replace(variable.conversion, factor=factor))


def label_prediction(
    found: Mapping[str, xr.DataArray],
    reading: Reading,
    scaling: xr.Dataset,
    *,
    name: str,
    recipe: Recipe,
    trained: Sequence[Variable],
    attrs: Mapping[str, Any],
    calibration: xr.Dataset | None,
) -> xr.Dataset:
    """Give all outputs of a model the names, units and order of dimensions of the user's data.

    ``found`` holds what :func:`xsm.cells.prediction.predict_lazily` returned, ``scaling`` the
    statistics on the cells of the data; ``trained_cell`` is shown where it differs. The target is
    linked by ``ancillary_variables`` with what lies beside it; where all is of one layer, its
    depth is a scalar coordinate. Lazy where it was.
    """
    outputs = {**found}
    mean, extrapolation = outputs.pop("mean"), outputs.pop("extrapolation")
    std = outputs.pop("std", None)
    std = None if std is None else layer_spread(std, calibration)
    shown = partial(present, reading=reading, recipe=recipe, trained=trained, attrs=attrs)
    made, order = shown(mean)
    parts = {str(own): made[own] for own in made.data_vars}
    beside = {"extrapolation": extrapolation.assign_attrs(_FLAG).transpose(*order, ...)}
    for key, array in outputs.items():
        told = quantity_as_given(key, array, outputs, reading)
        beside[str(told.name)] = told.transpose(*order, ...)
    if "trained_cell" in scaling and scaling["trained_cell"].dims:
        beside["trained_cell"] = scaling["trained_cell"].assign_attrs(_TRAINED)
    result = xr.Dataset(parts | beside)
    result = result.assign_coords({k: v for k, v in made.coords.items() if k not in result})
    for own in made.data_vars:
        result[own].attrs |= {"ancillary_variables": " ".join(beside)}
    if std is not None:
        made, _ = shown(std, spread=True)
        for own in map(str, made.data_vars):
            result = add_spread(result, own, made[own], calibration)
    result = as_given(result, reading.ds) if recipe.patch > 1 else result
    if not outputs and recipe.layer is not None and not {DEPTH, "bnds"} & {*result.variables}:
        result = result.assign_coords(scalar_depth(recipe.layer))
    result.attrs = {
        "title": f"{', '.join(parts)} predicted by {name}",
        "model": name,
        "target": recipe.target,
        **(
            {"sequence": recipe.sequence, "warmup": recipe.warmup}
            if recipe.sequence
            else {"window": recipe.window}
        ),
    }
    return result


def as_given(result: xr.Dataset, ds: xr.Dataset) -> xr.Dataset:
    """Return a result with those coordinates turned back that are the data's, reversed; lazily."""
    back = {}
    for dim in map(str, result.dims):
        if dim in ds.indexes and dim in result.indexes and ds.sizes[dim] > 1:
            one, other = result.indexes[dim], ds.indexes[dim]
            if one[0] != other[0] and one[0] == other[-1] and len(one) == len(other):
                back[dim] = slice(None, None, -1)
    return result.isel(back)


def _order(mean: xr.DataArray, ds: xr.Dataset, variable: Variable) -> tuple[Hashable, ...]:
    """Return the dimensions of a prediction in the order of the data, without that of layers."""
    own = [d for d in mean.dims if d != DEPTH]
    if isinstance(variable.name, str) and variable.name in ds:
        given = [d for d in ds[variable.name].dims if d in own]
        return (*given, *(d for d in own if d not in given))
    return tuple(own)


def _named(array: xr.DataArray, variable: Variable, attrs: Mapping[str, Any]) -> xr.DataArray:
    """Return an array in the units and under the name of a variable."""
    given = variable.conversion.inverse()(array).rename(str(variable.name))
    given.attrs = {**attrs, "units": variable.units}
    return given


def _attrs(ds: xr.Dataset, variable: Variable, attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of one of several variables."""
    own = ds[variable.name].attrs if variable.name in ds else {}
    return {k: v for k, v in (own or attrs).items() if k not in _DROPPED}


def _along(
    mean: xr.DataArray,
    ds: xr.Dataset,
    layers: Sequence[Variable],
    order: tuple[Hashable, ...],
    attrs: Mapping[str, Any],
    recipe: Recipe,
) -> xr.Dataset:
    """Return a prediction with a dimension of layers, in the place and the order of the data."""
    first = layers[0]
    dim, name = str(first.dim), str(first.name)
    places = [layer.index or 0 for layer in layers]
    back = sorted(range(len(layers)), key=lambda k: places[k])
    array = mean.isel({DEPTH: back}).rename({DEPTH: dim} if dim != DEPTH else {})
    given = tuple(ds[name].dims) if name in ds else (*order[:1], dim, *order[1:])
    array = array.transpose(*(d for d in given if d in array.dims), ...)
    made = _named(array, first, attrs).to_dataset()
    if dim in ds.coords and ds.sizes[dim] > max(places):
        coordinate = ds[dim].isel({dim: sorted(places)})
        made = made.assign_coords({dim: coordinate})
        bounds = coordinate.attrs.get("bounds", coordinate.encoding.get("bounds"))
        if bounds in ds.variables:
            made = made.assign_coords({bounds: ds[bounds].isel({dim: sorted(places)})})
        return made
    if dim == DEPTH:
        return made.assign_coords(depth_coordinates([recipe.depths[k] for k in back]))
    return made
