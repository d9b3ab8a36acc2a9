"""A fitted model as an artefact and back: weights, statistics and facts, never code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import xarray as xr

from xsm.artefact import (
    Artefact,
    Group,
    build_record,
    check_mapping,
    dataset_of,
    group_of,
    open_artefact,
    plain,
    refusing,
    restore,
    write_artefact,
)
from xsm.artefact.kinds import kind_of
from xsm.artefact.learnt import Learnt
from xsm.data.naming import Variable
from xsm.data.units import Conversion
from xsm.estimators import Estimator
from xsm.exceptions import ArtefactError
from xsm.nn import Model, Sizes, members_of
from xsm.registry import list_models, model_class, model_name
from xsm.training.recipe import NestedRecipe, Recipe

__all__ = ["load_parts", "save_fitted"]


_KEPT = ("attrs", "parameters", "card", "fingerprint")
_OPTIONAL = ("calibration", "persistence", "correction")


def save_fitted(
    fitted: Learnt,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> None:
    """Write a fitted model, see :meth:`xsm.FittedModel.save`."""
    made = fitted.model
    members = members_of(made)
    cls = type(members[0])
    kind = kind_of(cls)
    given = {k: fitted.parameters.get(k, v) for k, v in cls.hyperparameters().items()}
    model = {
        "name": fitted.name,
        "registered": fitted.name in list_models() and model_class(fitted.name) is cls,
        "sizes": plain(asdict(made.sizes), "sizes", exact=True),
        "members": len(members),
        "hyperparameters": {
            k: plain(v, f"hyper-parameter {k}", exact=True) for k, v in given.items()
        },
    }
    weights = kind.arrays_of(made)
    with refusing(f"{cls.__name__} cannot be built from its hyper-parameters", "Change the class."):
        kind.check(made, given, weights)
    facts = {name: plain(getattr(fitted, name), name) for name in _KEPT}
    facts |= {
        "model": model,
        "recipe": plain(asdict(fitted.recipe), "recipe", exact=True),
        "variable": plain(asdict(fitted.variable), "variable", exact=True),
        "layers": [plain(asdict(layer), "layers", exact=True) for layer in fitted.layers],
    }
    tables = {"scaling": fitted.scaling, "history": fitted.history}
    if fitted.climatology is not None:
        mean = fitted.climatology
        tables["climatology"] = mean.to_dataset(name="climatology").assign_attrs(name=mean.name)
    for name in _OPTIONAL:
        if getattr(fitted, name) is not None:
            tables[name] = getattr(fitted, name)
    groups = {name: group_of(table, name) for name, table in tables.items()}
    groups["weights"] = Group(weights)
    write_artefact(path, facts, groups, overwrite=overwrite, storage_options=storage_options)


def load_parts(
    path: str | os.PathLike[str],
    *,
    model: str | type[Model] | type[Estimator] | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Read what a fitted model is made of, the arguments of its record, see :func:`xsm.load`."""
    given = None if model is None else model_class(model)
    artefact = open_artefact(path, storage_options=storage_options)
    with refusing(f"{artefact.place} does not describe a model", "Take another copy."):
        facts = artefact.facts
        recipe = _recipe(restore(facts["recipe"]))
        made = _made(artefact, given, recipe)
        groups = artefact.read()
        _check_groups(groups, artefact)
        kind_of(type(made)).fill(made, groups.pop("weights").arrays)
        tables: dict[str, Any] = {name: dataset_of(group) for name, group in groups.items()}
        return {
            "name": str(facts["model"]["name"]),
            "model": made,
            "recipe": recipe,
            "variable": _variable(restore(facts["variable"])),
            "layers": tuple(_variable(restore(layer)) for layer in facts.get("layers", [])),
            **{name: check_mapping(restore(facts[name]), name) for name in _KEPT},
            **tables,
            "climatology": _climatology(tables.get("climatology")),
        }


def _check_groups(groups: Mapping[str, Group], artefact: Artefact) -> None:
    """Refuse other groups than those that are saved."""
    have, need = set(groups), {"weights", "scaling", "history"}
    if not need <= have <= need | {"climatology", *_OPTIONAL}:
        msg = (
            f"{artefact.place} has the groups {sorted(have)!r:.200}; a model has {sorted(need)}, "
            "and calibration, climatology, correction and persistence where there are. Take "
            "another copy."
        )
        raise ArtefactError(msg)


def _made(
    artefact: Artefact, given: type[Model] | type[Estimator] | None, recipe: Recipe
) -> Model | Estimator:
    """Build the model; a network once the weights that are declared are known to be its."""
    facts = artefact.facts["model"]
    cls = _class_of(facts, given, artefact)
    sizes = build_record(Sizes, restore(facts["sizes"]))
    hyperparameters = {k: restore(v) for k, v in facts["hyperparameters"].items()}
    unknown = sorted(hyperparameters.keys() - cls.hyperparameters().keys())
    if unknown:
        msg = (
            f"{artefact.place} gives {cls.__name__} the hyper-parameters {unknown!r:.200}, which "
            f"it does not take; it has {sorted(cls.hyperparameters())}. Use the version of the "
            "class that was trained."
        )
        raise ArtefactError(msg)
    return kind_of(cls).build(cls, sizes, hyperparameters, recipe, artefact)


def _class_of(
    facts: Mapping[str, Any], given: type[Model] | type[Estimator] | None, artefact: Artefact
) -> type[Model] | type[Estimator]:
    """Return the class of a stored model: one of the registry, or the user's own."""
    name = str(facts["name"])
    listed = name in list_models() and facts["registered"] is True
    if given is None and not listed:
        shown = name if name.isidentifier() else "MyModel"
        msg = (
            f"{artefact.place} holds a model of the class {name!r:.80}, which is none of "
            f"{list_models()}. An artefact holds no code: import the class and pass it, "
            f"xsm.load({str(artefact.place)!r}, model={shown})."
        )
        raise ArtefactError(msg)
    cls = model_class(name) if given is None else given
    if model_name(cls) != name and not (listed and cls is model_class(name)):
        msg = (
            f"model={cls.__name__} was given, but {artefact.place} holds a model of the class "
            f"{name!r:.80}. {'Leave model= out.' if listed else 'Pass that class.'}"
        )
        raise ArtefactError(msg)
    return cls


def _climatology(table: xr.Dataset | None) -> xr.DataArray | None:
    """Return the climatology as the array it was."""
    return None if table is None else table["climatology"].rename(table.attrs["name"])


def _variable(facts: Any) -> Variable:
    """Return the target as it was found in the training data."""
    return build_record(
        Variable, {**facts, "conversion": build_record(Conversion, facts["conversion"])}
    )


def _recipe(facts: Any) -> Recipe:
    """Return what goes in and what comes out, of points or of fields."""
    nested = isinstance(facts, dict) and "factor" in facts
    return build_record(NestedRecipe if nested else Recipe, facts)
