"""Lazy prediction: features to blocks, blocks to labelled predictions; the model one node."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from xsm.cells.chain import chained
from xsm.cells.features import Features
from xsm.cells.halo import even_chunks, with_halo
from xsm.cells.laying import as_dask, laid
from xsm.cells.predictor import Predictor
from xsm.cells.reading import scaling_arrays
from xsm.cells.runner import Runner
from xsm.data.doubt.guard import Guard
from xsm.data.grid import step
from xsm.data.intervals import without_bounds
from xsm.data.lead import LEAD, lead_coordinate
from xsm.data.possible import Impossible
from xsm.estimators import Estimator
from xsm.exceptions import check_whole
from xsm.hydrology.soil.layering import DEPTH
from xsm.nn import Answer, Model
from xsm.options import thread_count
from xsm.training.recipe import Recipe
from xsm.typing import Array, FloatArray

__all__ = ["predict_lazily"]


_TILE = 2**17  # windows that a thread scales at a time, of arrays in memory
_FIELD = 2**12  # cells of a band of rows, where neighbours are looked at
_COMMON = ("static_offset", "static_scale", "static_min", "static_max")  # the same for all cells


def predict_lazily(  # noqa: PLR0913
    model: Model | Estimator,
    recipe: Recipe,
    scaling: xr.Dataset,
    features: Features,
    *,
    token: str,
    batch_size: int | None,
    device: str,
    role: str = "",
    guards: Mapping[str, Guard] | None = None,
    before: xr.DataArray | None = None,
    state: bool = False,
) -> dict[str, xr.DataArray]:
    """Predict all whole windows of the features, of at least one window, in canonical units.

    Each output that the model answers with (time, *space [, depth]), float32, labelled by the time
    that it is valid at: ``lead`` steps after its window's end; and ``extrapolation``, int8: 1 where
    an input of the window, or a static one, lies outside the range seen in training, 0 elsewhere
    and where there is no prediction. Lazy where the features are, in chunks of equal length; arrays
    in memory are shared between threads (option ``threads``).

    ``scaling`` holds statistics on the cells of the features, ``token`` names the model's content.
    ``batch_size`` samples are evaluated at a time: memory grows with it, not with the block; None
    takes what suits the device. Values that the target's ``role`` cannot have are told; ``guards``
    look at dynamic inputs, by name, as they are read. Of a network that runs through the record
    ``before`` is the state (row, *space) that it goes on from; with ``state`` that after the last
    step, of the same form, is all that is returned.
    """
    batch_size = None if batch_size is None else check_whole("batch_size", batch_size, 1)
    common, maps, rows = _maps(scaling, features)
    watch = tuple((guards or {}).get(name) for name in features.dynamic)
    settings = batch_size, device, token, Impossible(role), watch
    kind = Runner if recipe.sequence else Predictor
    node = kind(model.frozen_copy(), recipe, common, rows, *settings)
    moving = list(features.dynamic.values())
    template = moving[0]
    if recipe.data_integration:
        observed = features.observed
        layers = range(observed.sizes[DEPTH]) if DEPTH in observed.dims else ()
        moving += [observed.isel({DEPTH: k}) for k in layers] or [observed]
    lazy = any(a.chunks is not None for a in (*moving, *maps))
    if isinstance(node, Runner):
        data, after = (_run_chain if lazy else _run_record)(node, moving, maps, before)
        if state:
            return {"state": xr.DataArray(after, dims=("row", *features.space))}
        if not lazy:
            node.tell(data, lazy=False)
    elif lazy:
        data = _run_blocks(node, moving, maps, wrap=features.wrap)
    else:
        data = (_run_field if node.reach else _run_whole)(node, moving, maps, wrap=features.wrap)
        node.tell(data, lazy=False)
    named, at = {}, 0
    for answer in node.answers:
        several = slice(at, at + answer.rows)
        values = _row(data, at if _single(answer) else several, np.float32)
        named[answer.name] = _label(values, template, features, recipe, answer)
        at += answer.rows
    flag = _row(data, at, np.int8)
    named["extrapolation"] = _label(flag, template, features, recipe, Answer("extrapolation"))
    return named


def _maps(
    scaling: xr.Dataset, features: Features
) -> tuple[dict[str, FloatArray], list[xr.DataArray], tuple[tuple[str, int], ...]]:
    """Divide the statistics into those of all cells, and those that travel with the static maps.

    Returns the first, then the maps, each (row, *space), and what their rows are.
    """
    common: dict[str, FloatArray] = {}
    maps = [a.expand_dims("row") for a in features.static.values()]
    rows = [(f"static {name}", 1) for name in features.static]
    wanted = scaling.drop_vars("trained_cell", errors="ignore")
    shared = [n for n in wanted if n in _COMMON or not set(features.space) & set(wanted[n].dims)]
    common |= scaling_arrays(wanted[shared])
    for name in map(str, wanted.data_vars):
        if name in shared:
            continue
        lead = [d for d in ("dynamic", DEPTH) if d in wanted[name].dims]
        array = wanted[name].rename(dict.fromkeys(lead, "row"))
        maps.append(array if lead else array.expand_dims("row"))
        rows.append((name, maps[-1].sizes["row"]))
    bare = [a.drop_vars(list(a.coords)).transpose("row", *features.space) for a in maps]
    return common, bare, tuple(rows)


def _run_whole(
    node: Predictor, moving: list[xr.DataArray], maps: list[xr.DataArray], *, wrap: bool
) -> FloatArray:
    """Predict arrays in memory, tile by tile on several threads."""
    arrays = [a.values.reshape(a.shape[0], -1) for a in moving]
    steps, cells = len(arrays[0]) - node.halo, arrays[0].shape[1]
    rows = np.concatenate([a.values.reshape(len(a), -1) for a in maps]) if maps else None
    out = np.empty((node.rows_out, steps, cells), np.float32)
    wide = max(1, min(cells, node.batch))
    long = max(1, _TILE // wide, 4 * node.halo)

    def run(first: int, begin: int) -> None:
        at = slice(begin, min(begin + wide, cells))
        last = min(first + long, steps)
        own = None if rows is None else rows[:, at]
        tile = node.scale(own, *(a[first : last + node.halo, at] for a in arrays))
        out[:, first:last, at] = node(own, tile)

    _in_threads(run, product(range(0, steps, long), range(0, cells, wide)))
    return out.reshape(len(out), steps, *moving[0].shape[1:])


def _run_record(
    node: Runner, moving: list[xr.DataArray], maps: list[xr.DataArray], before: xr.DataArray | None
) -> tuple[FloatArray, FloatArray]:
    """Run arrays in memory from the first step to the last, cells on several threads."""
    arrays = [a.values.reshape(a.shape[0], -1) for a in moving]
    steps, cells = arrays[0].shape
    rows = np.concatenate([a.values.reshape(len(a), -1) for a in maps]) if maps else None
    out = np.empty((node.rows_out, steps, cells), np.float32)
    given = None if before is None else before.values.reshape(len(before), -1)
    after = np.empty((node.state_size, cells), np.float32)
    wide = max(1, min(cells, node.batch))
    long = max(1, _TILE // wide)

    def run(begin: int, _: int) -> None:
        at = slice(begin, min(begin + wide, cells))
        own = None if rows is None else rows[:, at]
        state = None if given is None else given[:, at]
        for first in range(0, steps, long):
            tile = node.scale(own, *(a[first : first + long, at] for a in arrays))
            out[:, first : first + long, at], state = node.run(own, state, tile)
        after[:, at] = state

    _in_threads(run, product(range(0, cells, wide), [0]))
    space = moving[0].shape[1:]
    return out.reshape(len(out), steps, *space), after.reshape(len(after), *space)


def _run_field(
    node: Predictor, moving: list[xr.DataArray], maps: list[xr.DataArray], *, wrap: bool
) -> FloatArray:
    """Predict arrays in memory, bands of rows with the cells around them on several threads."""
    steps, rows, columns = moving[0].shape
    steps -= node.halo
    out = np.empty((node.rows_out, steps, rows, columns), np.float32)
    band = max(1, min(rows, _FIELD // columns))
    long = max(1, _TILE // (band * columns), 4 * node.halo)
    still = np.concatenate([a.values for a in maps]) if maps else None

    def run(first: int, begin: int) -> None:
        last, end = min(first + long, steps), min(begin + band, rows)
        around = partial(
            _cells_around,
            begin=begin - node.reach,
            end=end + node.reach,
            reach=node.reach,
            wrap=wrap,
        )
        own = None if still is None else around(still)
        tile = [around(a.values[first : last + node.halo]) for a in moving]
        out[:, first:last, begin:end] = node(own, node.scale(own, *tile))

    _in_threads(run, product(range(0, steps, long), range(0, rows, band)))
    return out


def _cells_around(
    values: FloatArray, begin: int, end: int, reach: int, *, wrap: bool
) -> FloatArray:
    """Return rows of an array (..., row, column) and the columns beside; NaN beyond its edges."""
    rows, columns = values.shape[-2:]
    column = np.arange(-reach, columns + reach)
    row = np.arange(begin, end)
    inside = np.ones(len(column), bool) if wrap else (column >= 0) & (column < columns)
    there = ((row >= 0) & (row < rows))[:, None] & inside
    found = values[..., row.clip(0, rows - 1)[:, None], column % columns]
    return np.where(there, found, np.nan)


def _in_threads(run: Callable[[int, int], None], jobs: Iterable[tuple[int, int]]) -> None:
    """Run jobs on the threads of the option ``threads``."""
    with ThreadPoolExecutor(thread_count()) as pool:
        for done in [pool.submit(run, *job) for job in jobs]:
            done.result()


def _run_blocks(
    node: Predictor, moving: list[xr.DataArray], maps: list[xr.DataArray], *, wrap: bool
) -> Any:
    """Predict block by block, each with the steps after it; the outputs of a block are stacked."""
    import dask.array as da
    from dask.base import tokenize
    from dask.delayed import delayed

    template = moving[0]
    time, space = template.dims[0], template.dims[1:]
    arrays, own, sizes = laid(moving, maps)
    letters = tuple(range(1, 1 + len(space)))
    name = f"xsm-predict-{tokenize(node)}"
    shared = delayed(node, name=f"{name}-model", traverse=False)
    args = [shared, None, *([] if own is None else [own, letters])]
    args += [part for array in arrays for part in (array, (0, *letters))]
    steps = template.sizes[time] - node.halo
    options = {"align_arrays": False, "dtype": np.float32}
    meta = np.empty((0,) * template.ndim, np.float32)
    if len(sizes[time]) == 1 and not node.reach:
        cut = {0: lambda _: steps}
        return da.blockwise(
            _whole_block, (0, *letters), *args, adjust_chunks=cut, meta=meta, **options
        )
    scaled = da.blockwise(_scale_block, (0, *letters), *args, meta=meta, **options)
    return with_halo(
        _join_block,
        scaled,
        even_chunks(sizes[time], steps),
        node.halo,
        node=shared,
        maps=own,
        name=f"{name}-{tokenize(scaled.name)}",
        reach=node.reach,
        wrap=wrap,
    )


def _run_chain(
    node: Runner, moving: list[xr.DataArray], maps: list[xr.DataArray], before: xr.DataArray | None
) -> tuple[Any, Any]:
    """Run block by block: those of time one after the other, those of space side by side."""
    from dask.base import tokenize
    from dask.delayed import delayed

    arrays, own, sizes = laid(moving, maps)
    given = None if before is None else as_dask(before, {**sizes, "row": (len(before),)})
    name = f"xsm-run-{tokenize(node, *(a.name for a in arrays), own, given)}"
    return chained(
        _run_block,
        arrays,
        node=delayed(node, name=f"{name}-model", traverse=False),
        maps=own,
        before=given,
        rows=node.state_size,
        name=name,
    )


def _run_block(
    node: Runner, maps: FloatArray | None, before: FloatArray | None, *blocks: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Run through a block."""
    found, after = node.run(maps, before, node.scale(maps, *blocks))
    return node.tell(found), after


def _whole_block(node: Predictor, *blocks: FloatArray) -> FloatArray:
    """Predict a block that holds all times."""
    return node.tell(node(blocks[0] if node.rows else None, _scale_block(node, *blocks)))


def _scale_block(node: Predictor, *blocks: FloatArray) -> FloatArray:
    """Scale and join the inputs of a block, which come after the maps where there are any."""
    return node.scale(*blocks) if node.rows else node.scale(None, *blocks)


def _join_block(node: Predictor, maps: FloatArray | None, *pieces: FloatArray) -> FloatArray:
    """Predict a block from the pieces of its steps and of those after it."""
    return node.tell(node(maps, pieces[0] if len(pieces) == 1 else np.concatenate(pieces)))


def _row(data: Any, at: int | slice, dtype: type[np.generic]) -> Any:
    """Return rows of the outputs, which are stacked in each block of a dask array.

    One row is (time, *space), several are (time, *space, row).
    """
    if isinstance(data, np.ndarray):
        return _pick(data, at, dtype)
    import dask.array as da

    axes = tuple(range(data.ndim))
    added = {} if isinstance(at, int) else {data.ndim: at.stop - at.start}
    meta = np.empty((0,) * (data.ndim + len(added)), dtype)
    options = {"at": at, "kind": dtype, "dtype": dtype, "meta": meta, "new_axes": added}
    return da.blockwise(_pick, (*axes, *added), data, axes, **options)


def _pick(stack: FloatArray, at: int | slice, kind: type[np.generic]) -> Array:
    """Return outputs of a block, apart from the others, so that these can be let go."""
    found: Array = stack[at] if isinstance(at, int) else np.moveaxis(stack[at], 0, -1)
    return found.astype(kind)


def _label(
    data: Any, template: xr.DataArray, features: Features, recipe: Recipe, answer: Answer
) -> xr.DataArray:
    """Give predictions their coordinates; time is the time they are valid at."""
    coords = {k: v for k, v in template.coords.items() if features.time not in v.dims}
    index = template.indexes[features.time]
    ahead = step(template).after(index, recipe.ahead)
    keep = slice(recipe.window - 1, len(index) - recipe.shift)
    times = without_bounds(template[features.time][keep].copy(data=ahead[keep]))
    coords |= {features.time: times.variable, LEAD: lead_coordinate(template, recipe.lead)}
    dims = template.dims if _single(answer) else (*template.dims, answer.dim)
    coords |= {answer.dim: list(answer.labels)} if answer.labels else {}
    attrs = {"long_name": answer.long_name, "units": "1"} if answer.kind == "share" else {}
    return xr.DataArray(data, dims=dims, coords=coords, attrs=attrs).rename(None)


def _single(answer: Answer) -> bool:
    """Tell whether an output has no dimension of its own."""
    return answer.rows == 1 and not answer.labels
