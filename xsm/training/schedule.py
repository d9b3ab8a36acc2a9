"""The schedule and what was said of it, checked."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from xsm.exceptions import UnknownNameError, check_choice, check_whole
from xsm.nn import Model, Schedule

__all__ = ["check_schedule", "given", "make_schedule"]


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


def make_schedule(
    model: type[Model],
    chosen: dict[str, Any],
    hyperparameters: dict[str, Any],
    precision: str,
    *,
    sequence: bool = False,
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
    sequence : bool, default: False
        It trains on pieces of the record.

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
    usual = model.sequence_schedule if sequence else model.schedule
    return network, check_schedule(replace(usual, **chosen | steps))


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
        If a number is no whole one from 1, the learning rate not above 0, ``clip`` below 0, or a
        choice unknown.

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
    try:
        clip = float(schedule.clip)
    except (TypeError, ValueError):
        clip = math.nan
    if not 0 <= clip < math.inf:
        msg = f"clip={schedule.clip!r} was given; a number from 0 is needed, such as 1.0."
        raise UnknownNameError(msg)
    whole = ("epochs", "iterations", "batch_size", "validate_every", "patience")
    numbers: dict[str, Any] = {n: check_whole(n, getattr(schedule, n), 1) for n in whole}
    return replace(schedule, learning_rate=rate, clip=clip, **numbers)
