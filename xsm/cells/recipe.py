"""Which variables go in and which comes out, decided from the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import xarray as xr

from xsm.data.grid import space_dims
from xsm.data.naming import METEOROLOGY, ROLES, STATIC, VariableTable
from xsm.data.reading import Reading
from xsm.data.targets import default_target
from xsm.estimators import Estimator
from xsm.exceptions import (
    MissingVariableError,
    NotEnoughDataError,
)
from xsm.hydrology.balance import balance_roles, require_roles
from xsm.hydrology.needs import Balance
from xsm.hydrology.soil.profile import read_profile
from xsm.nn import Model
from xsm.training.recipe import Recipe
from xsm.typing import Scaling

__all__ = ["for_data", "holds_target", "input_groups", "make_recipe", "require_target"]


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


def make_recipe(
    ds: xr.Dataset,
    table: VariableTable,
    *,
    target: str | None,
    dynamic: Sequence[str] | None,
    static: Sequence[str] | None,
    window: int,
    lead: int,
    scaling: Scaling,
    data_integration: bool = False,
    known_forcing: bool = False,
    variables: Mapping[str, str] | None = None,
    balances: Sequence[Balance] = (),
    layered: bool = False,
    bounded: bool = False,
    patch: int = 1,
) -> Recipe:
    """Decide which variables go in and which comes out.

    Parameters
    ----------
    ds : xarray.Dataset
        The data.
    table : VariableTable
        Which variable is what.
    target : str, optional
        Role or variable; by default soil moisture of the top layer, else of a satellite.
    dynamic : sequence of str, optional
        Roles or variables; by default the meteorology that is there.
    static : sequence of str, optional
        Roles or variables; by default the soil and terrain maps that are there.
    window, lead : int
        Steps of input, and steps from the window's end to the prediction.
    scaling : {"cell", "global"}
        How inputs and target are scaled.
    data_integration, known_forcing : bool, default: False
        The window holds the observed target; the weather is known up to the prediction.
    variables : mapping of str to str, optional
        Role to variable name.
    balances : sequence of loss terms
        Terms of a water balance, whose variables have to be there too.
    layered, bounded : bool, default: False
        Predict all layers of the target; scale it by residual and saturated water content.
    patch : int, default: 1
        Cells along a side of the square of neighbours that a sample holds.

    Returns
    -------
    Recipe
        The decision. Nothing is computed.

    Raises
    ------
    MissingVariableError
        If the target or an input is not there, or there is no meteorology at all.
    NotEnoughDataError
        If window or lead do not fit.

    Examples
    --------
    >>> import pandas as pd
    >>> from xsm.data.naming import find_variables
    >>> days = {"time": pd.date_range("2020", periods=3)}
    >>> rain = xr.DataArray([0.0, 1.0, 2.0], days, "time", attrs={"units": "mm day-1"})
    >>> soil = xr.DataArray([0.2, 0.2, 0.3], days, "time", attrs={"units": "m3 m-3"})
    >>> ds = xr.Dataset({"pr": rain, "swvl1": soil})
    >>> settings = {"target": None, "dynamic": None, "static": None}
    >>> recipe = make_recipe(ds, find_variables(ds), window=2, lead=1, scaling="cell", **settings)
    >>> recipe.target, recipe.dynamic, recipe.static
    ('soil_moisture', ('precipitation',), ())
    """
    _check_times(window, lead, data_integration=data_integration, known_forcing=known_forcing)
    target = default_target(table) if target is None else target
    fluxes = [r for b in balances for r in balance_roles(b.terms, b.compat).values()]
    require_roles(table, [target, *(dynamic or ()), *(static or ()), *fluxes])
    name = _key(table, target)
    layered = layered and (target in ROLES or table.lookup(target).dim is not None)
    depths, centres = _layers(ds, table, name) if layered else ((), ())
    given = METEOROLOGY if dynamic is None else tuple(dynamic)
    maps = STATIC if static is None else tuple(static)
    keys = [_key(table, d) for d in given if dynamic is not None or d in table]
    if not keys:
        msg = (
            f"No meteorology was found among {sorted(map(str, ds.data_vars))}. Name the inputs: "
            'dynamic=["precipitation", ...] with roles or variables, or map roles to variables: '
            'variables={"precipitation": "my_rain"}; ds.physm.variables() shows what was found.'
        )
        raise MissingVariableError(msg)
    return Recipe(
        target=name,
        dynamic=tuple(keys),
        static=tuple(_key(table, s) for s in maps if static is not None or s in table),
        window=window,
        lead=lead,
        scaling=scaling,
        data_integration=data_integration,
        known_forcing=known_forcing,
        variables=dict(variables or {}),
        depths=depths,
        centres=centres,
        patch=patch if len(space_dims(table.array(ds, keys[0]))) > 1 else 1,
        bounded=bounded,
        layer=None if depths else table.lookup(name).depth,
    )


def holds_target(table: VariableTable, recipe: Recipe) -> bool:
    """Tell whether data hold the target, and not another layer of the soil in its place.

    Parameters
    ----------
    table : VariableTable
        Which variable is what.
    recipe : Recipe
        What is predicted.

    Returns
    -------
    bool
        False where there is no variable of that role; also where the layer that was found and the
        one that is predicted share less than half of the thinner.

    Examples
    --------
    >>> import xsm
    >>> ds = xsm.open_tutorial("land")
    >>> recipe = Recipe("soil_moisture", (), (), 7, 1, "cell", layer=(0.0, 0.07))
    >>> holds_target(xsm.variables(ds), recipe)
    True
    >>> holds_target(xsm.variables(ds.drop_vars("swvl1")), recipe)
    False
    """
    if recipe.target not in table.roles:
        return False
    found = table.lookup(recipe.target).depth
    if recipe.layer is None or found is None:
        return True
    shared = min(recipe.layer[1], found[1]) - max(recipe.layer[0], found[0])
    return shared > 0.5 * min(recipe.layer[1] - recipe.layer[0], found[1] - found[0])


def require_target(table: VariableTable, recipe: Recipe) -> None:
    """Refuse data that lack the target.

    Parameters
    ----------
    table : VariableTable
        Which variable is what.
    recipe : Recipe
        What is predicted.

    Raises
    ------
    MissingVariableError, UnitsError
        If it is not there or cannot be used; if another layer of the soil is there in its place.

    Examples
    --------
    >>> import xsm
    >>> ds = xsm.open_tutorial("land")
    >>> recipe = Recipe("soil_moisture", (), (), 7, 1, "cell", layer=(0.0, 0.07))
    >>> require_target(xsm.variables(ds), recipe)
    """
    table.require(recipe.target)
    if recipe.target in table.roles and not holds_target(table, recipe):
        found = table.lookup(recipe.target)
        msg = (
            f"The model was trained on {recipe.target} {_centimetres(recipe.layer)} deep, the data "
            f"hold it {_centimetres(found.depth)} deep, as {found.name!r}. Add the layer, or name "
            f'it in fit: variables={{"{recipe.target}": "..."}}.'
        )
        raise MissingVariableError(msg)


def input_groups(
    table: VariableTable, groups: Mapping[str, Sequence[str] | str]
) -> dict[str, tuple[str, ...]]:
    """Return groups of inputs under the keys by which a recipe knows them.

    Parameters
    ----------
    table : VariableTable
        Which variable is what.
    groups : mapping of str to sequence of str
        Roles or variables by the name of the group.

    Returns
    -------
    dict of str to tuple of str
        Roles, or names of variables that have none; what the data do not hold stays as it is.

    Examples
    --------
    >>> import xsm
    >>> table = xsm.variables(xsm.open_tutorial("land"))
    >>> input_groups(table, {"water": ["tp"], "heat": "air_temperature"})
    {'water': ('precipitation',), 'heat': ('air_temperature',)}
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
    ds: xr.Dataset, table: VariableTable, target: str
) -> tuple[tuple[tuple[float, float], ...], tuple[float, ...]]:
    """Return bounds and centres of the layers of a target; nothing where it has one."""
    if len(table.layers(target)) < 2:
        return (), ()
    profile = read_profile(Reading(ds, table, {}), target)
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
