"""A fitted model as an artefact and back: weights, statistics and facts, never code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
import xarray as xr
from torch import Tensor

from xsm.artefact import (
    Artefact,
    Declared,
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
from xsm.artefact.learnt import Learnt
from xsm.data.naming import Variable
from xsm.data.units import Conversion
from xsm.estimators import Estimator
from xsm.exceptions import ArtefactError
from xsm.nn import Model, Sizes, assemble, members_of
from xsm.registry import list_models, model_class, model_name
from xsm.training.recipe import NestedRecipe, Recipe
from xsm.typing import Array

__all__ = ["load_parts", "save_fitted"]


_KEPT = ("attrs", "parameters", "card", "fingerprint")
_DTYPES = {torch.bfloat16: torch.int16}  # what numpy lacks, and what its bits are stored as


def save_fitted(
    fitted: Learnt,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> None:
    """Write a fitted model, see :meth:`xsm.FittedModel.save`.

    Parameters
    ----------
    fitted : Learnt
        The model.
    path : str or path
        A folder that does not exist yet, or a URL.
    overwrite : bool, default: False
        Replace an artefact that is there.
    storage_options : mapping, optional
        Passed to the filesystem of a URL.

    Raises
    ------
    ArtefactError
        If something cannot be stored, or the place cannot be written to.

    Examples
    --------
    >>> import tempfile, xsm
    >>> ds = xsm.open_tutorial("land").isel(latitude=slice(4, 6), longitude=slice(20, 22))
    >>> fitted = xsm.fit(ds, "lstm", epochs=1, iterations=2, hidden_size=4, progress=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_fitted(fitted, f"{folder}/model.xsm")
    ...     load_parts(f"{folder}/model.xsm")["name"]
    'lstm'
    """
    made = fitted.model
    members = (made,) if isinstance(made, Estimator) else members_of(made)
    cls = type(members[0])
    given = {k: fitted.parameters.get(k, v) for k, v in cls.hyperparameters().items()}
    model = {
        "name": fitted.name,
        "registered": fitted.name in list_models() and model_class(fitted.name) is cls,
        "sizes": plain(asdict(fitted.model.sizes), "sizes", exact=True),
        "members": len(members),
        "hyperparameters": {
            k: plain(v, f"hyper-parameter {k}", exact=True) for k, v in given.items()
        },
    }
    weights = _weights(fitted.model)
    shapes = {name: tuple(variable.shape) for name, variable in weights.items()}
    with refusing(f"{cls.__name__} cannot be built from its hyper-parameters", "Change the class."):
        if issubclass(cls, Estimator):
            cls(made.sizes, **given)
        else:
            skeleton = _skeleton(cls, made.sizes, given, len(members))
            _check_shapes(skeleton, shapes, "The model to be saved")
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
    if fitted.calibration is not None:
        tables["calibration"] = fitted.calibration
    groups = {name: group_of(table, name) for name, table in tables.items()}
    groups["weights"] = Group(weights)
    write_artefact(path, facts, groups, overwrite=overwrite, storage_options=storage_options)


def _weights(model: Model | Estimator) -> dict[str, xr.Variable]:
    """Return all that a model has learnt as arrays on named dimensions."""
    if isinstance(model, Estimator):
        return {name: _array(name, values) for name, values in model.arrays.items()}
    return {name: _stored(name, value) for name, value in model.state_dict().items()}


def _array(name: str, array: Array, attrs: Mapping[str, Any] | None = None) -> xr.Variable:
    """Return a little-endian array on dimensions of its own."""
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return xr.Variable([f"{name}_{i}" for i in range(array.ndim)], array, attrs)


def _stored(name: str, value: object) -> xr.Variable:
    """Return an entry of a network's state as an array on named dimensions."""
    if not isinstance(value, Tensor) or value.layout is not torch.strided or value.is_quantized:
        msg = (
            f"The network's state holds {name!r} ({type(value).__name__}), which is no plain "
            "tensor; artefacts hold nothing else. Keep it in parameters or buffers."
        )
        raise ArtefactError(msg)
    tensor = value.detach().cpu().contiguous()
    attrs = {"torch_dtype": str(tensor.dtype).removeprefix("torch.")}
    try:
        array = tensor.view(_DTYPES.get(tensor.dtype, tensor.dtype)).numpy()
    except TypeError as error:
        msg = f"{name!r} is {tensor.dtype}, which cannot be stored. Save fitted.model.float()."
        raise ArtefactError(msg) from error
    return _array(name, array, attrs)


def _tensor(variable: xr.Variable) -> Tensor:
    """Return the tensor of a stored array, with the dtype that it had."""
    tensor = torch.from_numpy(variable.values)
    kept = {str(k).removeprefix("torch."): k for k in _DTYPES}.get(variable.attrs["torch_dtype"])
    return tensor if kept is None else tensor.view(kept)


def _skeleton(
    cls: type[Model], sizes: Sizes, hyperparameters: Mapping[str, Any], members: int
) -> Model:
    """Build a network without memory for its weights, so that no number can ask for too much."""
    try:
        with torch.device("meta"):
            return _build_network(cls, sizes, hyperparameters, members)
    except (NotImplementedError, RuntimeError):  # a constructor that looks at values
        return _build_network(cls, sizes, hyperparameters, members)


def _build_network(
    cls: type[Model], sizes: Sizes, hyperparameters: Mapping[str, Any], members: int
) -> Model:
    """Build a network, or an ensemble of such, and leave the random numbers as they were."""
    with torch.random.fork_rng(devices=[]):
        return assemble([cls(sizes, **hyperparameters) for _ in range(members)]).eval()


def _check_shapes(model: Model, given: Mapping[str, tuple[int, ...]], what: str) -> None:
    """Refuse weights that are not those of the network that its hyper-parameters describe."""
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    wrong = [k for k in sorted(wanted.keys() | given.keys()) if wanted.get(k) != given.get(k)]
    if wrong:
        name = wrong[0]
        msg = (
            f"{what} does not fit its hyper-parameters: {type(model).__name__} has {name} of "
            f"shape {wanted.get(name)}, the weights have {given.get(name)}; {len(wrong)} differ. "
            "The class may have changed since the training: use the version of that time."
        )
        raise ArtefactError(msg)


def load_parts(
    path: str | os.PathLike[str],
    *,
    model: str | type[Model] | type[Estimator] | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Read what a fitted model is made of, see :func:`xsm.load`.

    Parameters
    ----------
    path : str or path
        What it was saved to.
    model : str or subclass of Model or Estimator, optional
        The class, where it is not one of :func:`xsm.list_models`.
    storage_options : mapping, optional
        Passed to the filesystem of a URL.

    Returns
    -------
    dict
        Arguments of :class:`xsm.artefact.learnt.Learnt`.

    Raises
    ------
    ArtefactError
        If there is no whole artefact, or the class is not its.

    Examples
    --------
    >>> load_parts("nothing.xsm")
    Traceback (most recent call last):
    xsm.exceptions.ArtefactError: There is no artefact of xsm at ...
    """
    given = None if model is None else model_class(model)
    artefact = open_artefact(path, storage_options=storage_options)
    with refusing(f"{artefact.place} does not describe a model", "Take another copy."):
        facts = artefact.facts
        recipe = _recipe(restore(facts["recipe"]))
        made = _made(artefact, given, recipe)
        groups = artefact.read()
        _check_groups(groups, artefact)
        _fill(made, groups.pop("weights").arrays)
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
    if not need <= have <= need | {"calibration", "climatology"}:
        msg = (
            f"{artefact.place} has the groups {sorted(have)!r:.200}; a model has {sorted(need)}, "
            "and calibration and climatology where there are. Take another copy."
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
    if issubclass(cls, Estimator):
        _check_sizes(sizes, recipe, artefact)
        return cls(sizes, **hyperparameters)
    weights: Mapping[str, Declared] = artefact.arrays.get("weights", {})
    shapes = {name: declared.shape for name, declared in weights.items()}
    members = _members(facts, len(shapes), artefact)
    skeleton = _skeleton(cls, sizes, hyperparameters, members)
    _check_shapes(skeleton, shapes, str(artefact.place))
    return _build_network(cls, sizes, hyperparameters, members)


def _members(facts: Mapping[str, Any], weights: int, artefact: Artefact) -> int:
    """Return the number of networks of an ensemble, each of which has weights."""
    members = facts.get("members", 1)
    if type(members) is not int or not 1 <= members <= max(weights, 1):
        msg = (
            f"{artefact.place} has {members!r:.80} members and {weights} arrays of weights; a "
            "number of networks, each with weights, is needed. Take another copy."
        )
        raise ArtefactError(msg)
    return members


def _check_sizes(sizes: Sizes, recipe: Recipe, artefact: Artefact) -> None:
    """Refuse an estimator of other windows than those that it would be given."""
    dynamic = len(recipe.dynamic) + 2 * recipe.layers * recipe.data_integration
    wanted = Sizes(dynamic, len(recipe.static), recipe.window, recipe.layers)
    if sizes != wanted:
        msg = (
            f"{artefact.place} holds an estimator of {sizes}, but its windows are {wanted}. It was "
            "changed: take another copy."
        )
        raise ArtefactError(msg)


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


def _fill(model: Model | Estimator, stored: Mapping[str, xr.Variable]) -> None:
    """Put into a model what it has learnt."""
    if isinstance(model, Estimator):
        model.load_arrays({name: variable.values for name, variable in stored.items()})
    else:
        _fill_network(model, {name: _tensor(value) for name, value in stored.items()})


def _fill_network(network: Model, weights: dict[str, Tensor]) -> None:
    """Put the weights into the network; where a dtype was changed after building, keep it."""
    own = network.state_dict()
    changed = any(own[name].dtype != tensor.dtype for name, tensor in weights.items())
    network.load_state_dict(weights, strict=True, assign=changed)


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
