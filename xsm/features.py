"""From a data set to what a model is given: inputs, target, trends; canonical, aligned, lazy."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import xarray as xr

from xsm.balance import Balance, balance_roles, balance_series, require_roles
from xsm.exceptions import GridError, MissingVariableError, NotEnoughDataError
from xsm.grid import axis_of, oriented, space_dims, step, time_dim, without_scalars, wraps
from xsm.layered import DEPTH, layered_array, profile_series, soil_maps
from xsm.naming import METEOROLOGY, ROLES, STATIC, VariableTable, find_variables
from xsm.soil.profile import read_profile
from xsm.targets import default_target
from xsm.typing import Scaling

__all__ = ["Features", "Recipe", "collect", "make_recipe"]


@dataclass(frozen=True)
class Recipe:
    """What a model is given and what it predicts, by role, so that it fits any product.

    Parameters
    ----------
    target : str
        Role, or name of a variable that has none.
    dynamic, static : tuple of str
        Roles, or names, of the inputs with and without time.
    window, lead : int
        Steps of input, and steps from the window's end to the prediction.
    scaling : {"cell", "global"}
        How inputs and target are scaled.
    data_integration : bool
        The window holds the observed target, with a mask.
    known_forcing : bool
        The weather up to the time of the prediction is known.
    variables : mapping of str to str
        Role to variable name, as the user stated it.
    depths : tuple of (float, float)
        Top and bottom of each predicted layer, m, from the top down; empty for one layer.
    centres : tuple of float
        Depth of each predicted layer's centre, m; where points were measured, these.
    patch : int
        Cells along a side of the square of neighbours that a sample holds; 1 is the cell alone.
    bounded : bool
        The target is scaled by residual and saturated water content, 0 and 1.
    """

    target: str
    dynamic: tuple[str, ...]
    static: tuple[str, ...]
    window: int
    lead: int
    scaling: Scaling
    data_integration: bool = False
    known_forcing: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    depths: tuple[tuple[float, float], ...] = ()
    centres: tuple[float, ...] = ()
    patch: int = 1
    bounded: bool = False

    @property
    def layers(self) -> int:
        """Number of layers of the target."""
        return max(1, len(self.depths))

    @property
    def shift(self) -> int:
        """Steps by which the forcing runs ahead of the window's end."""
        return self.lead if self.known_forcing else 0


@dataclass(frozen=True)
class Features:
    """Canonical arrays of one data set, all on (time, *space), lazy where the data are.

    Parameters
    ----------
    dynamic : dict of str to DataArray
        Inputs (time, *space).
    static : dict of str to DataArray
        Inputs (*space).
    target : DataArray or None
        Observations (time, *space [, depth]), m3 m-3 for soil moisture; NaN is missing.
    series : dict of str to DataArray
        What the loss terms need at the time of the prediction (time, *space).
    time : str
        Name of the time dimension.
    space : tuple of str
        Names of the other dimensions, without depth.
    soil : dict of str to DataArray
        Hydraulic parameters (*space, depth), and ``root_share``, where they are needed.
    wrap : bool
        The last dimension of space goes around the globe.
    """

    dynamic: dict[str, xr.DataArray]
    static: dict[str, xr.DataArray]
    target: xr.DataArray | None
    series: dict[str, xr.DataArray]
    time: str
    space: tuple[str, ...]
    soil: dict[str, xr.DataArray] = field(default_factory=dict)
    wrap: bool = False

    @property
    def observed(self) -> xr.DataArray:
        """The target, where it was collected."""
        if self.target is None:
            msg = "These features hold no target; collect(..., with_target=True) takes it."
            raise MissingVariableError(msg)
        return self.target

    @property
    def steps(self) -> int:
        """Number of time steps."""
        return next(iter(self.dynamic.values())).sizes[self.time]

    def load(self) -> Features:
        """Return the same features in memory, read in one pass."""
        parts = {f"dynamic {k}": v for k, v in self.dynamic.items()}
        parts |= {f"static {k}": v for k, v in self.static.items()}
        parts |= {f"series {k}": v for k, v in self.series.items()}
        parts |= {f"soil {k}": v for k, v in self.soil.items()}
        if self.target is not None:
            parts["target"] = self.target
        loaded = xr.Dataset({k: without_scalars(v) for k, v in parts.items()}).load()
        return Features(
            _of_kind(loaded, "dynamic", parts),
            _of_kind(loaded, "static", parts),
            None if self.target is None else loaded["target"].rename(self.target.name),
            _of_kind(loaded, "series", parts),
            self.time,
            self.space,
            _of_kind(loaded, "soil", parts),
            self.wrap,
        )


def _of_kind(loaded: xr.Dataset, kind: str, names: Iterable[str]) -> dict[str, xr.DataArray]:
    """Return the loaded arrays whose name begins with a kind, by the rest of their name."""
    own = [name for name in names if name.startswith(f"{kind} ")]
    return {name.removeprefix(f"{kind} "): loaded[name] for name in own}


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
    )


def _layers(
    ds: xr.Dataset, table: VariableTable, target: str
) -> tuple[tuple[tuple[float, float], ...], tuple[float, ...]]:
    """Return bounds and centres of the layers of a target; nothing where it has one."""
    if len(table.layers(target)) < 2:
        return (), ()
    profile = read_profile(ds, table, target)
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
    if name == variable.role or variable.role not in table:
        return name
    return variable.role if table[variable.role] == variable else name


def collect(
    ds: xr.Dataset,
    recipe: Recipe,
    *,
    balances: Sequence[Balance] = (),
    needs: Collection[str] = (),
    with_target: bool = True,
) -> Features:
    """Return the canonical arrays that a recipe names, aligned and broadcast, lazily.

    Parameters
    ----------
    ds : xarray.Dataset
        Data of any product.
    recipe : Recipe
        What is wanted.
    balances : sequence of loss terms
        Terms of a water balance whose trends are wanted.
    needs : collection of str
        Keys that loss terms read, of which the soil and its fluxes are taken.
    with_target : bool, default: True
        Take the target too.

    Returns
    -------
    Features
        Arrays on (time, *space). NaN stays NaN; dask arrays stay lazy.

    Raises
    ------
    MissingVariableError, UnitsError
        If a variable is missing or has no usable units; all in one error.
    GridError
        If time is irregular or coordinates differ.

    Examples
    --------
    >>> import pandas as pd
    >>> days = {"time": pd.date_range("2020", periods=3)}
    >>> rain = xr.DataArray([0.0, 0.001, 0.002], days, "time", attrs={"units": "m"})
    >>> soil = xr.DataArray([20.0, 20.0, 30.0], days, "time", attrs={"units": "%"})
    >>> ds = xr.Dataset({"tp": rain, "swvl1": soil})
    >>> recipe = Recipe("soil_moisture", ("precipitation",), (), 2, 1, "cell")
    >>> features = collect(ds, recipe)
    >>> features.dynamic["precipitation"].values, features.observed.values
    (array([0., 1., 2.]), array([0.2, 0.2, 0.3]))
    """
    ds = oriented(ds) if recipe.patch > 1 else ds
    table = find_variables(ds, recipe.variables)
    names = [*recipe.dynamic, *recipe.static, *([recipe.target] if with_target else [])]
    table.require(*names)
    names = names[: len(names) - (with_target and bool(recipe.depths))]
    arrays = {name: table.array(ds, name).drop_vars(DEPTH, errors="ignore") for name in names}
    series = balance_series(ds, balances, target=recipe.target, variables=recipe.variables)
    profile = read_profile(ds, table, recipe.target) if with_target and recipe.depths else None
    series |= profile_series(ds, table, profile, needs)
    time = time_dim(arrays[recipe.dynamic[0]])
    _check_static(arrays, recipe, time)
    bounds = ("theta_r", "theta_s") if recipe.bounded else ()
    soil = soil_maps(ds, recipe.centres, {*bounds, *needs}, recipe.variables)
    layers = {f"soil {name}": array for name, array in soil.items()}
    if profile is not None:
        layers["target"] = layered_array(profile)
    _check_size({**arrays, **layers})
    together = _together([*arrays.values(), *series.values(), *layers.values()], time)
    space = _space(together[0], time, recipe)
    order = (time, *space, ...)
    named = zip([*arrays, *series, *layers], together, strict=True)
    arrays = {name: array.transpose(*order) for name, array in named}
    still = {k: arrays[k].isel({time: 0}, drop=True) for k in (*recipe.static, *layers)}
    target = arrays["target" if recipe.depths else recipe.target] if with_target else None
    return Features(
        dynamic={name: arrays[name] for name in recipe.dynamic},
        static={name: still[name] for name in recipe.static},
        target=target,
        series={name: arrays[name] for name in series},
        time=time,
        space=space,
        soil={name: still[f"soil {name}"] for name in soil},
        wrap=bool(space) and wraps(arrays[recipe.dynamic[0]], space[-1]),
    )


def _space(array: xr.DataArray, time: str, recipe: Recipe) -> tuple[str, ...]:
    """Return the dimensions of space; for neighbours two, rows and columns."""
    space = [str(d) for d in array.dims if d != time]
    if recipe.patch == 1:
        return tuple(space)
    if len(space) != 2:
        msg = (
            f"The model looks at squares of {recipe.patch} x {recipe.patch} cells, the data have "
            f"the dimensions {space} beside {time!r}; two are needed. Select or unstack them, or "
            "train with patch=1."
        )
        raise GridError(msg)
    return tuple(sorted(space, key=lambda dim: {"X": 1, "Y": -1}.get(axis_of(array, dim), 0)))


def _check_static(arrays: dict[str, xr.DataArray], recipe: Recipe, time: str) -> None:
    """Refuse inputs on the wrong side of time."""
    moving = [name for name in recipe.static if time in arrays[name].dims]
    still = [name for name in recipe.dynamic if time not in arrays[name].dims]
    if moving or still:
        msg = (
            f"static={moving} vary along {time!r}, dynamic={still} do not. "
            "Name them on the other side."
        )
        raise GridError(msg)


def _check_size(arrays: dict[str, xr.DataArray]) -> None:
    """Refuse an empty selection."""
    empty = {f"{d}" for a in arrays.values() for d, size in a.sizes.items() if not size}
    if empty:
        msg = (
            f"The data are empty along {sorted(empty)}: nothing was selected. Check the bounds of "
            "ds.sel(...); slices follow the order of the coordinate, so descending latitude needs "
            "slice(50, 40)."
        )
        raise NotEnoughDataError(msg)


def _together(arrays: list[xr.DataArray], time: str) -> list[xr.DataArray]:
    """Align exactly, broadcast, and put time first."""
    try:
        aligned = xr.align(*arrays, join="exact", copy=False)
    except ValueError as error:
        msg = (
            f"The variables lie on different coordinates: {error}. All need the same grid and the "
            "same times: select or interpolate them first, for example with xr.align or "
            "ds.interp_like(other)."
        )
        raise GridError(msg) from error
    step(next(a for a in aligned if time in a.dims))
    broad = xr.broadcast(*aligned, exclude=[DEPTH])
    return [a.transpose(time, ..., *({DEPTH} & set(a.dims))) for a in broad]
