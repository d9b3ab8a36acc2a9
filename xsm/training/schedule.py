"""Arguments of ``fit``, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from xsm.estimators import Estimator
from xsm.exceptions import NotEnoughDataError, UnknownNameError, check_choice, check_whole
from xsm.naming import VariableTable
from xsm.nn import Model, Schedule
from xsm.recipe import Recipe, input_groups

__all__ = ["check_kind", "check_schedule", "for_data", "given", "make_schedule", "parse_limit"]

_LEAST = 16 * 2**20  # bytes of memory_limit


def given(**arguments: Any) -> dict[str, Any]:
    """Return the arguments that are not None.

    Parameters
    ----------
    **arguments
        Names and values.

    Returns
    -------
    dict of str to Any
        Those that say something.

    Examples
    --------
    >>> given(epochs=3, patience=None)
    {'epochs': 3}
    """
    return {name: value for name, value in arguments.items() if value is not None}


def check_kind(
    name: str,
    fine: Mapping[str, object],
    point: Mapping[str, object],
    *,
    downscales: bool,
) -> None:
    """Refuse arguments that belong to models of the other kind.

    Parameters
    ----------
    name : str
        Name of the model.
    fine, point : mapping of str to object
        Arguments given that are of models that downscale, and of models that predict cells.
    downscales : bool
        Which of the two the model is.

    Raises
    ------
    UnknownNameError
        If one was given to a model of the other kind.

    Examples
    --------
    >>> check_kind("lstm", {}, {"lead": 1}, downscales=False)
    """
    others = point if downscales else fine
    if others:
        kind = "downscales fields" if downscales else "predicts cells"
        hint = "covariates=" if downscales else 'model="convlstm_unet"'
        msg = f"{name!r} {kind} and takes no {', '.join(others)}; see {hint}."
        raise UnknownNameError(msg)


def make_schedule(
    model: type[Model], chosen: dict[str, Any], hyperparameters: dict[str, Any], precision: str
) -> tuple[dict[str, Any], Schedule]:
    """Return the hyper-parameters of a network and its schedule.

    Parameters
    ----------
    model : subclass of Model
        The network.
    chosen : dict of str to Any
        Arguments of ``fit`` that are of the schedule.
    hyperparameters : dict of str to Any
        The others, of the network or of the schedule.
    precision : str
        Arithmetic of matrix products.

    Returns
    -------
    network : dict of str to Any
        Hyper-parameters of the network.
    schedule : Schedule
        How to train.

    Raises
    ------
    UnknownNameError
        If there is no such name or choice.

    Examples
    --------
    >>> from xsm.models.lstm import LSTM
    >>> make_schedule(LSTM, {"epochs": 3}, {"hidden_size": 8}, "auto")[1].epochs
    3
    """
    network, steps = model.check_hyperparameters(hyperparameters)
    check_choice("precision", precision, ("auto", "float32", "bfloat16"))
    return network, check_schedule(replace(model.schedule, **chosen | steps))


def check_schedule(schedule: Schedule) -> Schedule:
    """Return a schedule with Python's own numbers, and refuse what cannot train.

    Parameters
    ----------
    schedule : Schedule
        Epochs, batches, patience.

    Returns
    -------
    Schedule
        The same.

    Raises
    ------
    UnknownNameError
        If a number is no whole one from 1, the learning rate not above 0, or a choice unknown.

    Examples
    --------
    >>> check_schedule(Schedule(epochs=0))
    Traceback (most recent call last):
    xsm.exceptions.UnknownNameError: epochs=0 was given; a whole number of at least 1 is needed.
    """
    check_choice("sampling", schedule.sampling, ("time", "mixed"))
    check_choice("decay", schedule.decay, ("none", "cosine"))
    try:
        rate = float(schedule.learning_rate)
    except (TypeError, ValueError):
        rate = math.nan
    if not 0 < rate < math.inf:
        chosen = schedule.learning_rate
        msg = f"learning_rate={chosen!r} was given; a number above 0 is needed, such as 0.001."
        raise UnknownNameError(msg)
    whole = ("epochs", "iterations", "batch_size", "validate_every", "patience")
    numbers: dict[str, Any] = {n: check_whole(n, getattr(schedule, n), 1) for n in whole}
    return replace(schedule, learning_rate=rate, **numbers)


def for_data(
    model: type[Model] | type[Estimator],
    network: Mapping[str, Any],
    table: VariableTable,
    recipe: Recipe,
) -> dict[str, Any]:
    """Return hyper-parameters as the data have it.

    Parameters
    ----------
    model : subclass of Model or Estimator
        The class.
    network : mapping of str to Any
        Its hyper-parameters.
    table : VariableTable
        Which variable is what.
    recipe : Recipe
        What goes in.

    Returns
    -------
    dict of str to Any
        ``patch`` is 1 where the data are no grid; ``groups`` hold roles instead of variables.

    Examples
    --------
    >>> import xsm
    >>> from xsm.models.ismoe import ISMoE
    >>> table = xsm.variables(xsm.open_tutorial("land"))
    >>> recipe = Recipe("soil_moisture", ("precipitation",), (), 7, 1, "cell")
    >>> for_data(ISMoE, {"groups": {"water": ["tp"]}}, table, recipe)
    {'groups': {'water': ('precipitation',)}, 'patch': 1}
    """
    found = dict(network)
    if "patch" in model.hyperparameters():
        found["patch"] = recipe.patch
    if isinstance(found.get("groups"), Mapping):
        found["groups"] = input_groups(table, found["groups"])
    return found


def parse_limit(memory_limit: str | int) -> int:
    """Return a number of bytes.

    Parameters
    ----------
    memory_limit : str or int
        Such as ``"2 GiB"``.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    UnknownNameError
        If it is no amount of memory.
    NotEnoughDataError
        If it is too little.

    Examples
    --------
    >>> parse_limit("16 MiB")
    16777216
    """
    from dask.utils import parse_bytes

    try:
        found = int(parse_bytes(memory_limit))
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        msg = f"memory_limit={memory_limit!r} is no amount of memory. Pass such as '2 GiB'."
        raise UnknownNameError(msg) from error
    if found < _LEAST:
        msg = (
            f"memory_limit={memory_limit!r} is too little to stream through: blocks would hold a "
            "handful of cells. Pass 16 MiB or more."
        )
        raise NotEnoughDataError(msg)
    return found
