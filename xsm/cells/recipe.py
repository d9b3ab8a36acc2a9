"""Which variables go in and which comes out, decided from the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from xsm.artefact.asked import Asked
from xsm.data.grid import space_dims
from xsm.data.naming import METEOROLOGY, ROLES, STATIC, VariableTable
from xsm.data.reading import Reading
from xsm.data.targets import default_target
from xsm.estimators import Estimator
from xsm.exceptions import (
    MissingVariableError,
    NotEnoughDataError,
    UnknownNameError,
    warn_outside,
)
from xsm.hydrology.balance import require_roles
from xsm.hydrology.laws import LAWS
from xsm.hydrology.needs import Term
from xsm.hydrology.soil.profile import read_profile
from xsm.nn import Model
from xsm.training.recipe import Recipe
from xsm.typing import Scaling

__all__ = [
    "account_layers",
    "for_data",
    "holds_target",
    "input_groups",
    "make_recipe",
    "missing_inputs",
    "require_inputs",
    "require_target",
]


_USUAL = (0.1, 0.4, 1.0)  # m, bottoms of the layers of an account where the data tell of none
_ROOTS = 1.0  # m that it reaches at least: plants drink below the sensors


def for_data(
    model: type[Model] | type[Estimator],
    network: Mapping[str, Any],
    table: VariableTable,
    recipe: Recipe,
) -> dict[str, Any]:
    """Return hyper-parameters as the data have it.

    ``patch`` is 1 where the data are no grid; ``groups`` hold roles instead of variables.
    """
    found = dict(network)
    if "patch" in model.hyperparameters():
        found["patch"] = recipe.patch
    if "depths" in model.hyperparameters():  # an account of layers
        found["role"] = table.lookup(recipe.target).role
        found["depths"] = recipe.depths or ((recipe.layer,) if recipe.layer else ())
        found["layers"] = account_layers(table, network)
    if recipe.pores:
        own = [f"pores_{k + 1}" for k in range(len(recipe.pores))]
        found["pores"] = tuple(map(recipe.static.index, own))
    if isinstance(found.get("groups"), Mapping):
        found["groups"] = input_groups(table, found["groups"])
    return found


def make_recipe(
    reading: Reading,
    asked: Asked,
    *,
    window: int,
    lead: int,
    scaling: Scaling,
    terms: Sequence[Term] = (),
    layered: bool = False,
    bounded: bool = False,
    patch: int = 1,
    forcing: Sequence[str] = (),
) -> Recipe:
    """Decide which variables go in and which comes out; nothing is computed.

    The variables that laws require for the loss ``terms`` have to be there too. With ``layered``
    all layers of the target are predicted; ``bounded`` scales it by residual and saturated water
    content; ``patch`` is the number of cells along a side of the square of neighbours that a sample
    holds; ``forcing`` are roles that have to be among the dynamic inputs, and are not scaled.
    """
    observed, known = asked.data_integration, asked.known_forcing
    _check_times(window, lead, data_integration=observed, known_forcing=known)
    table = reading.table
    target = asked.one_target or default_target(table)
    fluxes = [role for law in LAWS.values() for role in law.roles(terms)]
    named = [*(asked.dynamic or ()), *(asked.static or ())]
    require_roles(table, [target, *named, *fluxes, *forcing])
    name = _key(table, target)
    layered = layered and (target in ROLES or table.lookup(target).dim is not None)
    depths, centres = _layers(reading, name) if layered else ((), ())
    given = METEOROLOGY if asked.dynamic is None else tuple(asked.dynamic)
    maps = STATIC if asked.static is None else tuple(asked.static)
    keys = [_key(table, d) for d in given if asked.dynamic is not None or d in table]
    keys += [role for role in forcing if role not in keys]
    if not keys:
        msg = (
            f"No meteorology was found among {sorted(map(str, reading.ds.data_vars))}. Name the "
            'inputs: dynamic=["precipitation", ...] with roles or variables, or map roles to '
            'variables: variables={"precipitation": "my_rain"}; ds.physm.variables() shows what '
            "was found."
        )
        raise MissingVariableError(msg)
    if asked.static is None:
        _tell_of_maps(table)
    return Recipe(
        target=name,
        dynamic=tuple(keys),
        static=tuple(_key(table, s) for s in maps if asked.static is not None or s in table),
        window=window,
        lead=lead,
        scaling=scaling,
        data_integration=observed,
        known_forcing=known,
        variables=dict(asked.variables or {}),
        depths=depths,
        centres=centres,
        patch=patch if len(space_dims(reading.array(keys[0]))) > 1 else 1,
        bounded=bounded,
        layer=None if depths else table.lookup(name).depth,
        plain=(*forcing, name) if forcing else (),
        input_dropout=_share(asked.input_dropout),
        cell_offset=_offset(asked, scaling, physical=bounded or bool(forcing)),
    )


def _offset(asked: Asked, scaling: Scaling, *, physical: bool) -> bool:
    """Return whether cells have offsets of their own, refused where they cannot."""
    if asked.cell_offset and (scaling == "cell" or physical):
        why = (
            "the target of this model keeps its physical scale"
            if physical
            else "each cell has a scale of its own already (scaling='cell')"
        )
        msg = f"cell_offset=True was given, and {why}. Leave it out" + (
            "." if physical else ", or train with scaling='global'."
        )
        raise UnknownNameError(msg)
    return asked.cell_offset


def _share(given: object) -> float:
    """Return the probability of an input to be hidden, checked."""
    if isinstance(given, int | float) and 0 <= given < 1:
        return float(given)
    msg = f"input_dropout={given!r} was given; a share from 0 to below 1 is needed, such as 0.2."
    raise NotEnoughDataError(msg)


def account_layers(table: VariableTable, network: Mapping[str, Any]) -> tuple[float, ...]:
    """Return the bottoms of the layers of an account, m: as asked for, else those of the data."""
    return tuple(network.get("layers") or _bottoms(table))


def _bottoms(table: VariableTable) -> tuple[float, ...]:
    """Return the bottoms of the layers of soil moisture, and of one below to 1 m.

    The usual ones where those of the data do not follow each other from the surface.
    """
    depths = [variable.depth for variable in table.layers("soil_moisture")]
    known = [depth for depth in depths if depth is not None]
    tops, bottoms = [upper for upper, _ in known], [lower for _, lower in known]
    follows = len(known) == len(depths) and known and np.allclose(tops, [0.0, *bottoms[:-1]])
    return (*bottoms, *[_ROOTS] * (bottoms[-1] < _ROOTS)) if follows else _USUAL


def _tell_of_maps(table: VariableTable) -> None:
    """Warn of static maps that are there and cannot be used, by default inputs that are wanted."""
    faulty = {role: table.problems[role] for role in STATIC if role in table.problems}
    if faulty:
        said = "; ".join(f"{role}: {problem}" for role, problem in faulty.items())
        warn_outside(
            f"Static maps are left out of the inputs, since they cannot be used: {said} Mend them, "
            "or name the maps that are wanted: static=[...]."
        )


def holds_target(table: VariableTable, recipe: Recipe) -> bool:
    """Tell whether data hold the target, and not another layer of the soil in its place.

    False where there is no variable of that role; also where the layer that was found and the one
    that is predicted share less than half of the thinner.
    """
    if recipe.target not in table.roles:
        return False
    found = table.lookup(recipe.target).depth
    if recipe.layer is None or found is None:
        return True
    shared = min(recipe.layer[1], found[1]) - max(recipe.layer[0], found[0])
    return shared > 0.5 * min(recipe.layer[1] - recipe.layer[0], found[1] - found[0])


def require_inputs(reading: Reading, recipe: Recipe) -> None:
    """Refuse data that lack inputs of a model, and say which names it remembers."""
    observed = [recipe.target] if recipe.data_integration else []
    away = missing_inputs(reading, recipe)
    names = [n for n in (*recipe.dynamic, *recipe.static, *observed) if n not in away]
    if away:
        if not set(recipe.dynamic) - set(away):
            msg = (
                f"The data hold none of the model's dynamic inputs {list(recipe.dynamic)}. Name "
                'them: variables={"precipitation": "..."}.'
            )
            raise MissingVariableError(msg)
        warn_outside(
            f"The data lack {list(away)}: hidden from the model, as in its training "
            f"(input_dropout={recipe.input_dropout:g}). Where they are there under other names, "
            f'say so: variables={{"{away[0]}": "..."}}.'
        )
    try:
        reading.require(*names)
    except MissingVariableError as error:
        own = [n for n in names if n not in ROLES and n not in reading.table.names]
        before = {
            r: n for r, n in recipe.variables.items() if r in names and r not in reading.table
        }
        lines = [
            str(error),
            "A fitted model finds its inputs by role. What is found under no name is named in this "
            "call, variables={...}.",
        ]
        lacks = [n for n in names if n not in reading.table and n != recipe.target]
        if lacks and not recipe.input_dropout:
            lines.append(
                f"This model needs each of its inputs. One that can do without {lacks} is trained "
                "with fit(..., input_dropout=0.2)."
            )
        if before:
            lines.append(f"In fit these were {before}.")
        if own:
            renamed = ", ".join(f'"<its name>": {n!r}' for n in own)
            lines.append(
                f"{', '.join(map(repr, own))} had no role in fit, only a name: "
                f"ds = ds.rename({{{renamed}}})."
            )
        raise MissingVariableError("\n".join(lines)) from None


def missing_inputs(reading: Reading, recipe: Recipe) -> tuple[str, ...]:
    """Return the inputs that data lack and that a model can do without.

    What is there but faulty is no missing input: using it raises its error.
    """
    table = reading.table
    there = {*table.found, *table.problems, *table.names}
    return tuple(name for name in recipe.hideable if name not in there)


def require_target(table: VariableTable, recipe: Recipe) -> None:
    """Refuse data that lack the target, or hold another layer of the soil in its place."""
    table.require(recipe.target)
    if recipe.target in table.roles and not holds_target(table, recipe):
        found = table.lookup(recipe.target)
        msg = (
            f"The model was trained on {recipe.target} {_centimetres(recipe.layer)} deep, the data "
            f"hold it {_centimetres(found.depth)} deep, as {found.name!r}. Add the layer, or name "
            f'it: variables={{"{recipe.target}": "..."}}.'
        )
        raise MissingVariableError(msg)


def input_groups(
    table: VariableTable, groups: Mapping[str, Sequence[str] | str]
) -> dict[str, tuple[str, ...]]:
    """Return groups of inputs under the keys by which a recipe knows them: roles, or names.

    What the data do not hold stays as it is.
    """
    found = {}
    for name, members in groups.items():
        listed = [members] if isinstance(members, str) else list(members)
        found[str(name)] = tuple(_key(table, n) if n in table.names else n for n in listed)
    return found


def _centimetres(layer: tuple[float, float] | None) -> str:
    """Return the bounds of a layer as text."""
    return "" if layer is None else f"{100 * layer[0]:g} to {100 * layer[1]:g} cm"


def _layers(
    reading: Reading, target: str
) -> tuple[tuple[tuple[float, float], ...], tuple[float, ...]]:
    """Return bounds and centres of the layers of a target; nothing where it has one."""
    if len(reading.layers(target)) < 2:
        return (), ()
    profile = read_profile(reading, target)
    return tuple(pairwise(profile.edges)), profile.centres


def _check_times(window: int, lead: int, *, data_integration: bool, known_forcing: bool) -> None:
    """Refuse a window or a lead that makes no sense."""
    if window < 1 or lead < 0:
        msg = f"window={window}, lead={lead} were given; window >= 1 and lead >= 0 are needed."
        raise NotEnoughDataError(msg)
    if (data_integration or known_forcing) and lead < 1:
        what = "data_integration" if data_integration else "known_forcing"
        msg = (
            f"{what}=True was given with lead={lead}: the answer itself would be in the window, or "
            "nothing would be ahead. Pass lead=1 or more."
        )
        raise NotEnoughDataError(msg)


def _key(table: VariableTable, name: str) -> str:
    """Return the role of a variable, or its own name where the role means another layer."""
    variable = table.lookup(name)
    if name == variable.role or variable.role not in table.roles:
        return name
    return variable.role if table[variable.role] == variable else name
