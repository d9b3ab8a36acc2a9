"""From features in memory to samples: the gate between labelled arrays and windows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import torch
import xarray as xr

from xsm.cells.areas import shares
from xsm.cells.blocks import neighbourhood
from xsm.cells.features import Features
from xsm.cells.hidden import hidden_of, without_missing
from xsm.cells.inputs import as_logs, model_inputs, neighbour_table, static_inputs
from xsm.cells.pieces import Pieces
from xsm.cells.windows import Windows
from xsm.data.grid import step_days
from xsm.exceptions import NotEnoughDataError
from xsm.hydrology.soil.layering import DEPTH
from xsm.training.recipe import Recipe
from xsm.typing import Array, FloatArray

__all__ = ["flat_values", "make_windows", "read_block", "scaling_arrays"]


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
    """Return the samples of one part, ``times``, of features in memory.

    With ``complete`` only samples all of whose layers are observed. Without one whole sample it
    raises :class:`NotEnoughDataError`.
    """
    windows = _windows(
        features, scaling, recipe, times, answered=answered, complete=complete, device=device
    )
    if not len(windows):
        msg = (
            f"Not one whole sample: each takes {recipe.sequence or recipe.window} steps of "
            f"{list(features.dynamic)} "
            f"without NaN and an observed {recipe.target!r} {recipe.ahead} later, within "
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
    """Read one block (a box of :func:`xsm.cells.blocks.plan_blocks`) and return its samples.

    One in ``thin`` cells is kept, at random; without ``random`` all are. The samples lie on the
    CPU; there may be none.
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
    flat = partial(flat_values, time=features.time)
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
    windowed = recipe.data_integration and not recipe.sequence  # a piece gathers what it sees
    dynamic = as_logs(dynamic, recipe.dynamic, recipe.logs)
    kind = partial(Pieces, recipe=recipe) if recipe.sequence else Windows
    given = model_inputs(dynamic, target[:, keep] if windowed else None, stats, shift=recipe.shift)
    still = static_inputs(maps, stats, len(keep))
    return kind(
        without_missing(given, recipe.dynamic, features.missing),
        without_missing(still, recipe.static, features.missing),
        scaled,
        _constants(features, recipe, mine, own),
        window=recipe.window,
        lead=recipe.ahead,
        forcing=len(dynamic),
        answered=answered,
        complete=complete,
        neighbours=around,
        start=start + (times.start or 0),
        hidden=hidden_of(recipe, features.missing),
        device=device,
    )


def _constants(
    features: Features, recipe: Recipe, stats: Mapping[str, FloatArray], cells: Array
) -> dict[str, FloatArray]:
    """Return what does not change with time of each cell, (cell, layer)."""
    based = recipe.data_integration and not recipe.sequence
    names = ["target_offset", "target_scale", *["target_mean"] * based]
    shape = (len(cells), recipe.layers)
    found = {name: np.broadcast_to(stats[name], shape) for name in names}
    if based:
        found["base"] = found.pop("target_mean")
    for name, array in features.soil.items():
        wide = recipe.layers if DEPTH in array.dims else 1
        found[name] = array.values.reshape(-1, wide)[cells]
    if "area" in found:
        found["area_share"] = shares(found["area"], found["area_share"])
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


def flat_values(array: xr.DataArray, *, time: str) -> FloatArray:
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
    """Return the statistics as arrays of flat cells, where they have cells, or of those to keep.

    float64; (dynamic, cell or 1) of dynamic inputs, (static,) of static ones, (cell or 1, layer or
    1) of the target.
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
