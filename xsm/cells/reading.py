"""From features in memory to samples: the gate between labelled arrays and windows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import torch
import xarray as xr

from xsm.cells.blocks import neighbourhood
from xsm.cells.features import Features
from xsm.cells.inputs import model_inputs, neighbour_table, static_inputs
from xsm.cells.windows import Windows
from xsm.data.grid import step_days
from xsm.exceptions import NotEnoughDataError
from xsm.hydrology.soil.layering import DEPTH
from xsm.training.recipe import Recipe
from xsm.typing import Array, FloatArray

__all__ = ["make_windows", "read_block", "scaling_arrays"]


def make_windows(
    features: Features,
    scaling: xr.Dataset,
    recipe: Recipe,
    times: slice,
    *,
    answered: int = 1,
    complete: bool = False,
    device: str | torch.device = "cpu",
) -> Windows:
    """Return the samples of one part of the features.

    Parameters
    ----------
    features : Features
        Canonical arrays with the target, in memory.
    scaling : xarray.Dataset
        Statistics of :func:`xsm.cells.scaling.fit_scaling`, on the same cells.
    recipe : Recipe
        Window, lead, data integration.
    times : slice
        Steps whose inputs and targets belong to the part.
    answered : int, default: 1
        Last steps of a sample that are answered.
    complete : bool, default: False
        Take only samples all of whose layers are observed.
    device : str or torch.device, default: "cpu"
        Where the tensors lie.

    Returns
    -------
    Windows
        The samples.

    Raises
    ------
    NotEnoughDataError
        If there is not one whole sample.

    Examples
    --------
    >>> import pandas as pd
    >>> from xsm.cells.scaling import fit_scaling
    >>> days = {"time": pd.date_range("2020", periods=40)}
    >>> rain, soil = (xr.DataArray(np.sin(k * np.arange(40.0)), days, "time") for k in (1, 2))
    >>> features = Features({"precipitation": rain}, {}, soil, {}, "time", ())
    >>> recipe = Recipe("soil_moisture", ("precipitation",), (), 7, 1, "cell")
    >>> scaling = fit_scaling(features, slice(None), scaling="cell")
    >>> len(make_windows(features, scaling, recipe, slice(None)))  # 40 - 7 + 1 - 1
    33
    """
    windows = _windows(
        features, scaling, recipe, times, answered=answered, complete=complete, device=device
    )
    if not len(windows):
        msg = (
            f"Not one whole sample: each takes {recipe.window} steps of {list(features.dynamic)} "
            f"without NaN and an observed {recipe.target!r} {recipe.lead} later, within "
            f"{len(range(features.steps)[times])} steps. Fill gaps of the inputs, leave out inputs "
            "with gaps (dynamic=[...]), or give a longer series."
        )
        raise NotEnoughDataError(msg)
    return windows


def read_block(
    features: Features,
    scaling: xr.Dataset,
    recipe: Recipe,
    box: Mapping[str, slice],
    thin: int,
    random: torch.Generator | None,
    *,
    answered: int = 1,
    complete: bool = False,
) -> Windows:
    """Read one block and return its samples, of all cells or of some.

    Parameters
    ----------
    features : Features
        Canonical arrays with the target, lazy or not.
    scaling : xarray.Dataset
        Statistics of :func:`xsm.cells.scaling.fit_scaling`, on the same cells.
    recipe : Recipe
        Window, lead, data integration.
    box : mapping of str to slice
        As of :func:`xsm.cells.blocks.plan_blocks`.
    thin : int
        One in so many cells is kept.
    random : torch.Generator or None
        Which ones; None keeps all.
    answered : int, default: 1
        Last steps of a sample that are answered.
    complete : bool, default: False
        Take only samples all of whose layers are observed.

    Returns
    -------
    Windows
        The samples, on the CPU; there may be none.

    Examples
    --------
    >>> import pandas as pd
    >>> from xsm.cells.scaling import fit_scaling
    >>> days = {"time": pd.date_range("2020", periods=60)}
    >>> rain, soil = (xr.DataArray(np.sin(k * np.arange(60.0)), days, "time") for k in (1, 2))
    >>> features = Features({"precipitation": rain}, {}, soil, {}, "time", ())
    >>> recipe = Recipe("soil_moisture", ("precipitation",), (), 7, 1, "cell")
    >>> scaling = fit_scaling(features, slice(None), scaling="cell")
    >>> windows = read_block(features, scaling, recipe, {"time": slice(20, 60)}, 1, None)
    >>> len(windows), windows.start  # 40 - 7 + 1 - 1
    (33, 20)
    """
    part, own = neighbourhood(features, scaling, box, recipe.patch // 2)
    part = part.load(block=True)
    cells = _cells(part, own)
    if random is not None and thin > 1:
        some = torch.randperm(len(cells), generator=random)[: -(-len(cells) // thin)]
        cells = cells[some.sort().values.numpy()]
    start = box[features.time].start
    options = {"answered": answered, "complete": complete, "start": start, "chosen": cells}
    return _windows(part, own, recipe, slice(None), **options)


def _windows(  # noqa: PLR0913
    features: Features,
    scaling: xr.Dataset,
    recipe: Recipe,
    times: slice,
    *,
    answered: int,
    complete: bool,
    device: str | torch.device = "cpu",
    start: int = 0,
    chosen: Array | None = None,
) -> Windows:
    """Return the samples of a part; ``start`` is the place of the features in a longer series."""
    own = _cells(features, scaling) if chosen is None else chosen
    keep, around = own, None
    if recipe.patch > 1:
        keep, around = _around(features, own, recipe.patch)
    stats = scaling_arrays(scaling, keep)
    flat = partial(_flat, time=features.time)
    target = flat(features.observed)[times]
    dynamic = [flat(a)[times][:, keep] for a in features.dynamic.values()]
    maps = [a.values.reshape(-1)[keep] for a in features.static.values()]
    middle = slice(None) if around is None else around[:, recipe.patch**2 // 2]
    goals = {name: values for name, values in stats.items() if name.startswith("target_")}
    mine = {name: values[middle] if len(values) > 1 else values for name, values in goals.items()}
    scaled = {"target": _scaled(target[:, own], mine)}
    for name, array in features.series.items():
        values = flat(array)[times][:, own]
        top = {name: values[:, :1] for name, values in mine.items()}
        scaled[name] = _scaled(values[..., None], top) if name == "previous" else values
    return Windows(
        model_inputs(
            dynamic, target[:, keep] if recipe.data_integration else None, stats, shift=recipe.shift
        ),
        static_inputs(maps, stats, len(keep)),
        scaled,
        _constants(features, recipe, mine, own),
        window=recipe.window,
        lead=recipe.lead,
        forcing=len(dynamic),
        answered=answered,
        complete=complete,
        neighbours=around,
        start=start + (times.start or 0),
        device=device,
    )


def _constants(
    features: Features, recipe: Recipe, stats: Mapping[str, FloatArray], cells: Array
) -> dict[str, FloatArray]:
    """Return what does not change with time of each cell, (cell, layer)."""
    names = ["target_offset", "target_scale", *["target_mean"] * recipe.data_integration]
    shape = (len(cells), recipe.layers)
    found = {name: np.broadcast_to(stats[name], shape) for name in names}
    if recipe.data_integration:
        found["base"] = found.pop("target_mean")
    for name, array in features.soil.items():
        found[name] = array.values.reshape(-1, recipe.layers)[cells]
    if features.soil and recipe.depths:
        size = np.diff(np.array(recipe.depths), axis=1)[:, 0]
        found["layer_centre"] = np.broadcast_to(np.array(recipe.centres), shape)
        found["layer_thickness"] = np.broadcast_to(size, shape)
        days = step_days(features.observed)
        found["step_days"] = np.full((len(cells), 1), days)
    return found


def _around(features: Features, own: Array, patch: int) -> tuple[Array, Array]:
    """Return the cells that are in the squares around some, and the squares as positions in them.

    The cells are flat positions of the grid; the position one past the last is no cell.
    """
    rows, columns = (features.observed.sizes[d] for d in features.space)
    squares = neighbour_table((rows, columns), patch, wrap=features.wrap)[own]
    kept = np.unique(squares)
    kept = kept[kept < rows * columns]
    place = np.full(rows * columns + 1, len(kept))
    place[kept] = np.arange(len(kept))
    return kept, place[squares]


def _flat(array: xr.DataArray, *, time: str) -> FloatArray:
    """Return an array as (time, cell [, depth])."""
    depth = [array.sizes[DEPTH]] if DEPTH in array.dims else []
    flat: FloatArray = array.values.reshape(array.sizes[time], -1, *depth)
    return flat


def _cells(features: Features, scaling: xr.Dataset) -> Array:
    """Return the flat positions of the cells that can be trained."""
    keep = scaling["trained_cell"].transpose(*features.space).values.reshape(-1).copy()
    for values in features.static.values():
        keep &= np.isfinite(values.values.reshape(-1))
    for values in features.soil.values():
        keep &= np.isfinite(values.values.reshape(len(keep), -1)).all(axis=1)
    return np.flatnonzero(keep)


def scaling_arrays(scaling: xr.Dataset, keep: Array | None = None) -> dict[str, FloatArray]:
    """Return the statistics as arrays of flat cells, where they have cells.

    Parameters
    ----------
    scaling : xarray.Dataset
        Statistics of :func:`xsm.cells.scaling.fit_scaling`.
    keep : ndarray, optional
        Flat positions of the wanted cells.

    Returns
    -------
    dict of str to ndarray
        float64; (dynamic, cell or 1) of dynamic inputs, (static,) of static ones, (cell or 1,
        layer or 1) of the target.

    Examples
    --------
    >>> low = xr.DataArray([[0.1, 0.2]], dims=("y", "x"))
    >>> scaling_arrays(xr.Dataset({"target_offset": low}), np.array([1]))
    {'target_offset': array([[0.2]])}
    """
    found = {}
    for name in scaling.data_vars:
        values = scaling[name]
        if str(name).startswith("static_") or name == "trained_cell":
            found[str(name)] = values.values
        elif str(name).startswith("dynamic_"):
            flat = values.values.reshape(values.shape[0], -1)
            found[str(name)] = flat[:, keep] if keep is not None and flat.shape[1] > 1 else flat
        else:
            last = values.transpose(..., DEPTH, missing_dims="ignore")
            flat = last.values.reshape(-1, last.sizes.get(DEPTH, 1))
            found[str(name)] = flat[keep] if keep is not None and len(flat) > 1 else flat
    return found


def _scaled(values: FloatArray, stats: Mapping[str, FloatArray]) -> FloatArray:
    """Scale target-like values, (time, cell [, layer])."""
    shape = values.shape
    wide = values.reshape(*shape[:2], -1)
    scaled: FloatArray = (wide - stats["target_offset"]) / stats["target_scale"]
    return scaled.reshape(shape)
