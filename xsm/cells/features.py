"""From a data set to what a model is given: inputs, target, trends; canonical, aligned, lazy."""

from __future__ import annotations

import sys
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import dask
import xarray as xr
from dask.system import CPU_COUNT

from xsm.balance import Balance, balance_series
from xsm.culling import own_tasks
from xsm.exceptions import GridError, MissingVariableError, NotEnoughDataError, UnitsError
from xsm.grid import axis_of, oriented, step, time_dim, without_scalars, wraps
from xsm.layered import DEPTH, layered_array, profile_series, soil_maps
from xsm.naming import find_variables
from xsm.recipe import Recipe, require_target
from xsm.soil.profile import read_profile

__all__ = ["Features", "collect"]

_REAL = "fiub"  # kinds of dtype


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
        Hydraulic parameters (*space, depth), where they are needed.
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

    def load(self, *, block: bool = False) -> Features:
        """Return the same features in memory, read in one pass.

        Parameters
        ----------
        block : bool, default: False
            One of many blocks that are read one after another: this process reads it, also where
            a dask client is active, but for data that its workers hold.
        """
        loaded = own_tasks(self._as_dataset()) if block else self._as_dataset()
        loaded.load(**_block_options(loaded) if block else {})
        return Features(
            _of_kind(loaded, "dynamic"),
            _of_kind(loaded, "static"),
            None if self.target is None else loaded["target"].rename(self.target.name),
            _of_kind(loaded, "series"),
            self.time,
            self.space,
            _of_kind(loaded, "soil"),
            self.wrap,
        )

    def with_maps(self) -> Features:
        """Return the same features with all that does not vary in time in memory, read once."""
        maps = replace(self, dynamic={}, target=None, series={}).load(block=True)
        return replace(self, static=maps.static, soil=maps.soil)

    @property
    def on_workers(self) -> bool:
        """Whether workers of a dask cluster hold parts of the data, as after ``persist``."""
        return _on_workers(self._as_dataset())

    def named(self) -> dict[str, xr.DataArray]:
        """Return all arrays, by kind and name."""
        parts = {f"dynamic {k}": v for k, v in self.dynamic.items()}
        parts |= {f"static {k}": v for k, v in self.static.items()}
        parts |= {f"series {k}": v for k, v in self.series.items()}
        parts |= {f"soil {k}": v for k, v in self.soil.items()}
        if self.target is not None:
            parts["target"] = self.target
        return parts

    def _as_dataset(self) -> xr.Dataset:
        """Return all arrays as variables of one data set."""
        return xr.Dataset({k: without_scalars(v) for k, v in self.named().items()})


def _block_options(lazy: xr.Dataset) -> dict[str, Any]:
    """Return how dask reads a block right after another one that shares chunks with it.

    Graphs of two blocks name tasks alike that were fused differently. A scheduler of
    ``distributed`` that has not yet forgotten the one fails on the other with a KeyError, once in
    some hundred blocks (https://github.com/dask/dask/issues/9888).

    Beside the main thread, dask takes four threads more than there are cores where nobody says how
    many, and they are kept from those that train.
    """
    scheduler = dask.base.get_scheduler()
    own = hasattr(scheduler, "__self__")  # a method of a client
    if own and _on_workers(lazy):
        return {"optimize_graph": False}
    options: dict[str, Any] = {"scheduler": "threads"} if own else {}
    threaded = own or scheduler in (None, dask.threaded.get)
    if threaded and threading.current_thread() is not threading.main_thread():
        options["num_workers"] = dask.config.get("num_workers", None) or CPU_COUNT
    return options


def _on_workers(lazy: xr.Dataset) -> bool:
    """Return whether workers of a dask cluster hold parts of the data."""
    if "distributed" not in sys.modules:
        return False
    from distributed import futures_of

    return bool(futures_of(lazy))


def _of_kind(loaded: xr.Dataset, kind: str) -> dict[str, xr.DataArray]:
    """Return the loaded arrays whose name begins with a kind, by the rest of their name."""
    own = [name for name in map(str, loaded.data_vars) if name.startswith(f"{kind} ")]
    return {name.removeprefix(f"{kind} "): loaded[name] for name in own}


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
    NotEnoughDataError
        If the data are empty, or hold no whole window.

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
    if with_target:
        require_target(table, recipe)
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
    _check_numbers({**arrays, **series, **layers})
    _check_size({**arrays, **layers})
    _check_length(arrays[recipe.dynamic[0]].sizes[time], recipe)
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


def _check_numbers(arrays: dict[str, xr.DataArray]) -> None:
    """Refuse what holds no real numbers."""
    others = {
        name: str(array.dtype) for name, array in arrays.items() if array.dtype.kind not in _REAL
    }
    if others:
        said = ", ".join(f"{name!r} holds {kind}" for name, kind in others.items())
        msg = f"{said}; real numbers are needed: ds[name].astype('float32') of each."
        raise UnitsError(msg)


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


def _check_length(steps: int, recipe: Recipe) -> None:
    """Refuse a series without one whole window."""
    needed = recipe.window + recipe.shift
    if steps < needed:
        ahead = f" and the forcing up to {recipe.shift} steps ahead" if recipe.shift else ""
        msg = (
            f"The data hold {steps} steps; one window takes {needed}: {recipe.window} of the past"
            f"{ahead}. Select a longer period: the first prediction is of the step "
            f"{recipe.window - 1 + recipe.lead} after its first."
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
