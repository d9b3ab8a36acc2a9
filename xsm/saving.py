"""A fitted model as an artefact and back: weights, statistics and facts, never code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import torch
import xarray as xr
from torch import Tensor

from xsm.artefact import (
    Artefact,
    Declared,
    Group,
    dataset_of,
    group_of,
    open_artefact,
    plain,
    refusing,
    restore,
    write_artefact,
)
from xsm.exceptions import ArtefactError
from xsm.features import Recipe
from xsm.naming import Variable
from xsm.nested_recipe import NestedRecipe
from xsm.nn import Model, Sizes
from xsm.registry import list_models, model_class, model_name
from xsm.units import Conversion

if TYPE_CHECKING:
    from xsm.fitted import FittedModel

__all__ = ["load_parts", "save_fitted"]

_T = TypeVar("_T")
_KEPT = ("attrs", "parameters", "card", "fingerprint")
_DTYPES = {torch.bfloat16: torch.int16}  # what numpy lacks, and what its bits are stored as


def save_fitted(
    fitted: FittedModel,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> None:
    """Write a fitted model, see :meth:`xsm.FittedModel.save`.

    Parameters
    ----------
    fitted : FittedModel
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
    cls = type(fitted.model)
    given = {k: fitted.parameters.get(k, v) for k, v in cls.hyperparameters().items()}
    model = {
        "name": fitted.name,
        "registered": fitted.name in list_models() and model_class(fitted.name) is cls,
        "sizes": asdict(fitted.model.sizes),
        "hyperparameters": {
            k: plain(v, f"hyper-parameter {k}", exact=True) for k, v in given.items()
        },
    }
    weights = {name: _stored(name, value) for name, value in fitted.model.state_dict().items()}
    shapes = {name: tuple(variable.shape) for name, variable in weights.items()}
    with refusing(f"{cls.__name__} cannot be built from its hyper-parameters", "Change the class."):
        _check_shapes(_skeleton(cls, fitted.model.sizes, given), shapes, "The model to be saved")
    facts = {name: plain(getattr(fitted, name), name) for name in _KEPT}
    facts |= {
        "model": model,
        "recipe": plain(asdict(fitted.recipe), "recipe", exact=True),
        "variable": plain(asdict(fitted.variable), "variable", exact=True),
    }
    tables = {"scaling": fitted.scaling, "history": fitted.history}
    if fitted.climatology is not None:
        mean = fitted.climatology
        tables["climatology"] = mean.to_dataset(name="climatology").assign_attrs(name=mean.name)
    groups = {name: group_of(table, name) for name, table in tables.items()}
    groups["weights"] = Group(weights)
    write_artefact(path, facts, groups, overwrite=overwrite, storage_options=storage_options)


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
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return xr.Variable([f"{name}_{i}" for i in range(array.ndim)], array, attrs)


def _tensor(variable: xr.Variable) -> Tensor:
    """Return the tensor of a stored array, with the dtype that it had."""
    tensor = torch.from_numpy(variable.values)
    kept = {str(k).removeprefix("torch."): k for k in _DTYPES}.get(variable.attrs["torch_dtype"])
    return tensor if kept is None else tensor.view(kept)


def _skeleton(cls: type[Model], sizes: Sizes, hyperparameters: Mapping[str, Any]) -> Model:
    """Build a network without memory for its weights, so that no number can ask for too much."""
    with torch.random.fork_rng(devices=[]):
        try:
            with torch.device("meta"):
                return cls(sizes, **hyperparameters)
        except (NotImplementedError, RuntimeError):  # a constructor that looks at values
            return cls(sizes, **hyperparameters)


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
    model: str | type[Model] | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Read what a fitted model is made of, see :func:`xsm.load`.

    Parameters
    ----------
    path : str or path
        What it was saved to.
    model : str or subclass of Model, optional
        The class, where it is not one of :func:`xsm.list_models`.
    storage_options : mapping, optional
        Passed to the filesystem of a URL.

    Returns
    -------
    dict
        Arguments of :class:`xsm.FittedModel`.

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
        network = _network(artefact, given)
        groups = artefact.read()
        _check_groups(groups, artefact)
        weights = {name: _tensor(value) for name, value in groups.pop("weights").arrays.items()}
        _fill(network, weights)
        tables: dict[str, Any] = {name: dataset_of(group) for name, group in groups.items()}
        return {
            "name": str(facts["model"]["name"]),
            "model": network,
            "recipe": _recipe(restore(facts["recipe"])),
            "variable": _variable(restore(facts["variable"])),
            **{name: _mapping(restore(facts[name]), name) for name in _KEPT},
            **tables,
            "climatology": _climatology(tables.get("climatology")),
        }


def _check_groups(groups: Mapping[str, Group], artefact: Artefact) -> None:
    """Refuse other groups than those that are saved."""
    have, need = set(groups), {"weights", "scaling", "history"}
    if not need <= have <= need | {"climatology"}:
        msg = (
            f"{artefact.place} has the groups {sorted(have)!r:.200}; a model has {sorted(need)}, "
            "and climatology where there is one. Take another copy."
        )
        raise ArtefactError(msg)


def _network(artefact: Artefact, given: type[Model] | None) -> Model:
    """Build the network, once the weights that are declared are known to be its."""
    facts = artefact.facts["model"]
    cls = _class_of(facts, given, artefact)
    sizes = _build(Sizes, facts["sizes"])
    hyperparameters = {k: restore(v) for k, v in facts["hyperparameters"].items()}
    unknown = sorted(hyperparameters.keys() - cls.hyperparameters().keys())
    if unknown:
        msg = (
            f"{artefact.place} gives {cls.__name__} the hyper-parameters {unknown!r:.200}, which "
            f"it does not take; it has {sorted(cls.hyperparameters())}. Use the version of the "
            "class that was trained."
        )
        raise ArtefactError(msg)
    weights: Mapping[str, Declared] = artefact.arrays.get("weights", {})
    shapes = {name: declared.shape for name, declared in weights.items()}
    _check_shapes(_skeleton(cls, sizes, hyperparameters), shapes, str(artefact.place))
    with torch.random.fork_rng(devices=[]):
        return cls(sizes, **hyperparameters).eval()


def _class_of(
    facts: Mapping[str, Any], given: type[Model] | None, artefact: Artefact
) -> type[Model]:
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


def _fill(network: Model, weights: dict[str, Tensor]) -> None:
    """Put the weights into the network; where a dtype was changed after building, keep it."""
    own = network.state_dict()
    changed = any(own[name].dtype != tensor.dtype for name, tensor in weights.items())
    network.load_state_dict(weights, strict=True, assign=changed)


def _climatology(table: xr.Dataset | None) -> xr.DataArray | None:
    """Return the climatology as the array it was."""
    return None if table is None else table["climatology"].rename(table.attrs["name"])


def _variable(facts: Any) -> Variable:
    """Return the target as it was found in the training data."""
    return _build(Variable, {**facts, "conversion": _build(Conversion, facts["conversion"])})


def _recipe(facts: Any) -> Recipe:
    """Return what goes in and what comes out, of points or of fields."""
    nested = isinstance(facts, dict) and "factor" in facts
    return _build(NestedRecipe if nested else Recipe, facts)


def _mapping(value: Any, where: str) -> dict[str, Any]:
    """Return a mapping with names as keys, and refuse all else."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        msg = f"{where} is {value!r:.100}, names and values are needed. Take another copy."
        raise ArtefactError(msg)
    return value


def _build(cls: type[_T], facts: Any) -> _T:
    """Return a dataclass of stored facts, each of which has the type that the class states."""
    hints = get_type_hints(cls)
    own = {field.name: field for field in fields(cls)}  # type: ignore[arg-type]
    given = _mapping(facts, cls.__name__)
    wrong = [name for name, value in given.items() if not _is(value, hints.get(name, NoneType))]
    missing = [
        name
        for name, field in own.items()
        if name not in given and field.default is MISSING and field.default_factory is MISSING
    ]
    if wrong or missing:
        msg = (
            f"The stored {cls.__name__} lacks {missing} and has {wrong!r:.200} that are unknown or "
            "of another type. It was changed, or written by another version of xsm."
        )
        raise ArtefactError(msg)
    return cls(**given)


def _is(value: Any, hint: Any) -> bool:
    """Tell whether a value has the type of an annotation; True is no number."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return value in args
    if origin in {Union, UnionType}:
        return any(_is(value, arg) for arg in args)
    if origin is tuple:
        wanted = (
            args[:1] * len(value) if args[-1] is Ellipsis and isinstance(value, tuple) else args
        )
        same = isinstance(value, tuple) and len(value) == len(wanted)
        return same and all(map(_is, value, wanted))
    if origin is not None:  # Mapping[str, str]
        return isinstance(value, dict) and all(
            _is(k, args[0]) and _is(v, args[1]) for k, v in value.items()
        )
    return type(value) in {int, float} if hint is float else type(value) is hint
