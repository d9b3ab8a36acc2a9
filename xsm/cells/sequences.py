"""What a network that runs through the record is asked for, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from xsm.artefact.asked import Asked
from xsm.exceptions import NotEnoughDataError, UnknownNameError, check_choice, check_whole
from xsm.nn import Model
from xsm.registry import list_models, model_class, model_name
from xsm.training.recipe import Recipe

__all__ = ["as_sequence", "check_sequence", "log_of_rain"]


def log_of_rain(given: Mapping[str, Any], sequence: int | None) -> tuple[bool, dict[str, Any]]:
    """Divide ``log_precipitation``, which any sequence can have, from other hyper-parameters."""
    if sequence is None:
        return False, dict(given)
    rest = dict(given)
    wanted = rest.pop("log_precipitation", True)
    check_choice("log_precipitation", str(wanted), ("False", "True"))
    return bool(wanted), rest


def check_sequence(cls: type[Model], asked: Asked) -> None:
    """Refuse what a sequence cannot be, or cannot be yet; nothing is left out in silence."""
    if asked.sequence is None:
        if cls.forcing:
            msg = (
                f"{model_name(cls)!r} keeps an account along the record: pass sequence=365, the "
                "steps of a piece that trains. Longer pieces know slow stores better."
            )
            raise UnknownNameError(msg)
        return
    if not _carries(cls):
        able = [name for name in list_models() if getattr(model_class(name), "carries", False)]
        msg = (
            f"sequence={asked.sequence} was given, but {model_name(cls)!r} carries no state; "
            f"{able} do, and classes of yours that define carry(batch, state) beside forward and "
            "say carries = True. Leave sequence= out to train windows."
        )
        raise UnknownNameError(msg)
    if asked.window is not None:
        msg = (
            f"window={asked.window} was given with sequence={asked.sequence}: a network that runs "
            "through the record has no window. Leave one of them out."
        )
        raise UnknownNameError(msg)
    if asked.cuts and cls.forcing:
        msg = (
            f"cuts={asked.cuts} was given, but {model_name(cls)!r} keeps an account of its "
            "weather, which cannot be hidden. Leave it out, and forecast with weather: of past "
            'years, weather="past", or of a product.'
        )
        raise UnknownNameError(msg)
    if asked.scaling == "cell":
        msg = (
            'scaling="cell" was given with sequence=: a state must mean the same in all cells. '
            'Leave it out, or pass scaling="global".'
        )
        raise UnknownNameError(msg)


def _carries(cls: type[Model]) -> bool:
    """Tell whether a class carries a state by what belongs to its own forward."""
    if not cls.carries:
        return False
    owner = {n: next(c for c in cls.__mro__ if n in vars(c)) for n in ("forward", "carry")}
    return issubclass(owner["carry"], owner["forward"])


def as_sequence(recipe: Recipe, asked: Asked, *, logs: bool) -> Recipe:
    """Return a recipe of windows of one step as that of a sequence."""
    if asked.sequence is None:
        return recipe
    sequence = check_whole("sequence", asked.sequence, 2)
    warmup = check_whole("warmup", asked.warmup, 0)
    if warmup >= sequence:
        msg = (
            f"warmup={warmup} was given with sequence={sequence}: no step of a piece would be "
            "answered. Pass a smaller warmup=, or a larger sequence=."
        )
        raise NotEnoughDataError(msg)
    scaled = [name for name in recipe.dynamic if name not in recipe.plain]
    rain = tuple(name for name in scaled if name == "precipitation" and logs)
    latency = _latency(recipe, asked, sequence)
    made = replace(recipe, sequence=sequence, warmup=warmup, latency=latency, logs=rain)
    return replace(made, cuts=check_whole("cuts", asked.cuts, 0))


def _latency(recipe: Recipe, asked: Asked, sequence: int) -> tuple[int, int]:
    """Return between what numbers the age of the last observation is drawn."""
    given = asked.latency
    if not recipe.data_integration:
        if given != Asked.latency:
            msg = (
                f"latency={given!r} was given without data_integration=True, by which the network "
                "is given observations. Pass it too, or leave latency= out."
            )
            raise UnknownNameError(msg)
        return (1, 1)
    if np.shape(given) != (2,):
        msg = f"latency={given!r} was given; two numbers are needed, such as latency=(1, 14)."
        raise UnknownNameError(msg)
    first, last = (check_whole("latency", number, 1) for number in given)
    first = max(first, recipe.lead)
    if not first <= last < sequence:
        msg = (
            f"latency={given!r} was given with lead={recipe.lead} and sequence={sequence}; "
            "the second number must be at least the first and the lead, and below the sequence: "
            "latency=(1, 14)."
        )
        raise NotEnoughDataError(msg)
    return first, last
