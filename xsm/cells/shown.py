"""What is shown to a model that learns from several observed quantities together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from xsm.artefact.asked import Asked
from xsm.cells.features import Features
from xsm.cells.recipe import account_layers
from xsm.data.grid import step
from xsm.data.naming import VariableTable
from xsm.data.reading import Reading
from xsm.estimators import Estimator
from xsm.exceptions import (
    GridError,
    MissingVariableError,
    NotEnoughDataError,
    UnknownNameError,
    warn_outside,
)
from xsm.hydrology.soil.pores import with_pores
from xsm.losses import Loss
from xsm.nn import Model
from xsm.registry import model_name
from xsm.training.recipe import Recipe

__all__ = ["all_shown", "check_areas", "check_days", "known_pores"]


def all_shown(
    cls: type[Model], asked: Asked, table: VariableTable, network: Mapping[str, Any]
) -> tuple[Asked, tuple[Loss, ...], tuple[str, ...]]:
    """Return what was asked with one target, the terms of the loss, and all roles that are shown.

    The first of ``observes`` that is shown becomes the target; what else is shown comes as the
    series ``observed_<role>``. Other models have one target, and their own terms.
    """
    given = asked.target
    if not cls.observes:
        return asked, cls.losses, ()
    if given is None:
        found = {role: role for role in cls.observes if role in table.roles}
    else:
        names = [given] if isinstance(given, str) else list(given)
        table.require(*names)
        found = {table.lookup(name).role: name for name in names}
    wrong = [name for role, name in found.items() if role not in cls.observes]
    if wrong or not found:
        msg = (
            f"target={given!r} was given, of which {wrong} is nothing that {model_name(cls)!r} is "
            f"shown, or nothing is there. It is shown any of {list(cls.observes)}; say what a "
            'variable is: variables={"evaporation": "..."}.'
        )
        raise MissingVariableError(msg)
    shown = tuple(role for role in cls.observes if role in found)
    keys = {role: f"observed_{role}" for role in shown} | {shown[0]: "target"}
    options = {**cls.hyperparameters(), **network}
    return replace(asked, target=found[shown[0]]), cls.terms_of(keys, options), shown


def known_pores(
    cls: type[Model] | type[Estimator],
    reading: Reading,
    recipe: Recipe,
    network: Mapping[str, Any],
) -> tuple[Reading, Recipe]:
    """Return data and recipe with the pores of an account's layers as maps, where data tell them.

    They are inputs as all static maps are, but not scaled. ``pores=()`` leaves them out.
    """
    wanted = "pores" in cls.hyperparameters() and network.get("pores") is None
    if not (wanted and "theta_s" in reading):
        return reading, recipe
    layers = account_layers(reading.table, network)
    try:
        reading, names = with_pores(reading, layers)
    except GridError as error:
        warn_outside(f"The pores of the soil are learnt, pores=(). {error}")
        return reading, recipe
    static, plain = (*recipe.static, *names), (*recipe.plain, *names)
    return reading, replace(recipe, static=static, plain=plain, pores=layers)


def check_areas(network: Mapping[str, Any], terms: Sequence[Loss], asked: Asked) -> None:
    """Refuse areas of which nothing that is shown is a mean, or whose cells are apart."""
    name = network.get("footprint")
    if not name:
        return
    if not isinstance(name, str):
        msg = (
            f"footprint={name!r:.60} was given; the name of a map of labels in the data is needed: "
            'ds["mascon"] = labels, footprint="mascon".'
        )
        raise UnknownNameError(msg)
    if not any(getattr(term, "footprint", "") for term in terms):
        monthly = list(network.get("monthly", ("terrestrial_water_storage",)))
        msg = (
            f"footprint={name!r} was given, but nothing that is shown is a mean of months over "
            f"areas: monthly={monthly}. Show one of these, target=[...], or name it in monthly=; "
            "else leave footprint= out."
        )
        raise MissingVariableError(msg)
    if asked.client is not None:
        msg = (
            f"footprint={name!r} was given with client=: workers share the cells, and those of an "
            "area have to be together. Train in this process, without client=."
        )
        raise UnknownNameError(msg)


def check_days(features: Features, recipe: Recipe) -> None:
    """Refuse steps that are no days, and predictions ahead, for an account of days."""
    if not recipe.plain:
        return
    found = step(features.observed)
    if str(found) != "1 day":
        msg = (
            f"The data have steps of {found}; the account is kept in days. Make days of shorter "
            "steps: xsm.daily(ds)."
        )
        raise GridError(msg)
    if recipe.ahead:
        msg = (
            f"lead={recipe.lead} was given: an account is of the day of its weather. Pass lead=0, "
            "or known_forcing=True with data_integration=True."
        )
        raise NotEnoughDataError(msg)
