"""Lazy prediction: features to blocks, blocks to labelled predictions; the model one node."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from xsm.artefact.learnt import Learnt
from xsm.cells.alignment import scaling_for
from xsm.cells.chain import chained
from xsm.cells.features import Features
from xsm.cells.halo import even_chunks, with_halo
from xsm.cells.laying import as_dask, laid
from xsm.cells.predictor import Predictor
from xsm.cells.reading import scaling_arrays
from xsm.cells.runner import Runner
from xsm.cells.tiles import run_field, run_record, run_rows, run_whole
from xsm.data.doubt.guard import Guard
from xsm.data.grid import step
from xsm.data.intervals import without_bounds
from xsm.data.lead import LEAD, lead_coordinate
from xsm.data.possible import Impossible
from xsm.estimators import Estimator
from xsm.exceptions import check_whole
from xsm.hydrology.soil.layering import DEPTH
from xsm.nn import Answer, Model
from xsm.training.recipe import Recipe
from xsm.typing import Array, FloatArray

__all__ = ["blocks_of", "make_node", "named", "predict_lazily", "predicted_mean", "scale_block"]


_COMMON = ("static_offset", "static_scale", "static_min", "static_max")  # the same for all cells


def predicted_mean(fitted: Learnt, features: Features, *, device: str = "auto") -> xr.DataArray:
    """Return what a fitted model says of features, as of :func:`predict_lazily`."""
    return predict_lazily(
        fitted.model,
        fitted.recipe,
        scaling_for(fitted.scaling, features, bounded=fitted.recipe.bounded),
        features,
        token=fitted.token,
        batch_size=None,
        device=fitted.model.choose_place(device),
    )["mean"]


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
    an input of the window, or a static one, lies beyond the range seen in training by more than a
    quarter of it, 0 elsewhere and where there is no prediction. Lazy where the features are, in
    chunks of equal length; arrays in memory are shared between threads (option ``threads``).

    ``scaling`` holds statistics on the cells of the features, ``token`` names the model's content.
    ``batch_size`` samples are evaluated at a time: memory grows with it, not with the block; None
    takes what suits the device. Values that the target's ``role`` cannot have are told; ``guards``
    look at dynamic inputs, by name, as they are read. Of a network that runs through the record
    ``before`` is the state (row, *space) that it goes on from; with ``state`` that after the last
    step, of the same form, is all that is returned.
    """
    settings: dict[str, Any] = {"batch_size": batch_size, "device": device, "token": token}
    settings |= {"role": role, "guards": guards}
    node, moving, maps = make_node(model, recipe, scaling, features, **settings)
    template = moving[0]
    lazy = any(a.chunks is not None for a in (*moving, *maps))
    if isinstance(node, Runner):
        run = _run_chain if lazy else run_rows if node.reach else run_record
        data, after = run(node, moving, maps, before, wrap=features.wrap)
        if state:
            return {"state": xr.DataArray(after, dims=("_row", *features.space))}
        if not lazy:
            node.tell(data, lazy=False)
    elif lazy:
        data = _run_blocks(node, moving, maps, wrap=features.wrap)
    else:
        data = (run_field if node.reach else run_whole)(node, moving, maps, wrap=features.wrap)
        node.tell(data, lazy=False)
    coords = _coords(template, features, recipe)
    return named(data, node.answers, template.dims, coords)


def make_node(  # noqa: PLR0913
    model: Model | Estimator,
    recipe: Recipe,
    scaling: xr.Dataset,
    features: Features,
    *,
    batch_size: int | None,
    device: str,
    token: str,
    role: str,
    guards: Mapping[str, Guard] | None,
) -> tuple[Predictor, list[xr.DataArray], list[xr.DataArray]]:
    """Return what predicts a block, and the arrays that it takes: (time, *space), and maps."""
    batch_size = None if batch_size is None else check_whole("batch_size", batch_size, 1)
    common, maps, rows = _maps(_without_bounds_of(features.missing, scaling), features)
    watch = tuple((guards or {}).get(name) for name in features.dynamic)
    kind = Runner if recipe.sequence else Predictor
    own = batch_size, device, token, Impossible(role), watch, features.missing
    node = kind(model.frozen_copy(), recipe, common, rows, *own)
    moving = list(features.dynamic.values())
    if recipe.data_integration:
        observed = features.observed
        layers = range(observed.sizes[DEPTH]) if DEPTH in observed.dims else ()
        moving += [observed.isel({DEPTH: k}) for k in layers] or [observed]
    return node, moving, maps


def named(
    data: Any,
    answers: Sequence[Answer],
    dims: Sequence[Hashable],
    coords: Mapping[Any, Any],
    *,
    after: Sequence[Answer] = (),
) -> dict[str, xr.DataArray]:
    """Return the outputs of a model by name, and the flag; ``data`` are their rows in blocks.

    What comes ``after`` these is returned too.
    """
    found, at = {}, 0
    for answer in (*answers, Answer("extrapolation"), *after):
        several = slice(at, at + answer.rows)
        kind = np.int8 if answer.name == "extrapolation" else np.float32
        values = _row(data, at if _single(answer) else several, kind)
        found[answer.name] = _label(values, dims, coords, answer)
        at += answer.rows
    return found


def _maps(
    scaling: xr.Dataset, features: Features
) -> tuple[dict[str, FloatArray], list[xr.DataArray], tuple[tuple[str, int], ...]]:
    """Divide the statistics into those of all cells, and those that travel with the static maps.

    Returns the first, then the maps, each (row, *space), and what their rows are.
    """
    common: dict[str, FloatArray] = {}
    maps = [a.expand_dims("_row") for a in features.static.values()]
    rows = [(f"static {name}", 1) for name in features.static]
    wanted = scaling.drop_vars("trained_cell", errors="ignore")
    shared = [n for n in wanted if n in _COMMON or not set(features.space) & set(wanted[n].dims)]
    common |= scaling_arrays(wanted[shared])
    for name in map(str, wanted.data_vars):
        if name in shared:
            continue
        lead = [d for d in ("dynamic", DEPTH) if d in wanted[name].dims]
        array = wanted[name].rename(dict.fromkeys(lead, "_row"))
        maps.append(array if lead else array.expand_dims("_row"))
        rows.append((name, maps[-1].sizes["_row"]))
    bare = [a.drop_vars(list(a.coords)).transpose("_row", *features.space) for a in maps]
    return common, bare, tuple(rows)


def _without_bounds_of(missing: Sequence[str], scaling: xr.Dataset) -> xr.Dataset:
    """Return statistics in which no value of what is missing lies outside its range."""
    if not missing:
        return scaling
    limits = [f"{kind}_{end}" for kind in ("dynamic", "static") for end in ("min", "max")]
    away = {n: ~scaling[n][n.partition("_")[0]].isin(list(missing)) for n in limits}
    return scaling.assign({n: scaling[n].where(there) for n, there in away.items()})


def _run_blocks(
    node: Predictor, moving: list[xr.DataArray], maps: list[xr.DataArray], *, wrap: bool
) -> Any:
    """Predict block by block, each with the steps after it; the outputs of a block are stacked."""
    from dask.base import tokenize
    from dask.delayed import delayed

    template = moving[0]
    time = template.dims[0]
    arrays, own, sizes = laid(moving, maps)
    name = f"xsm-predict-{tokenize(node)}"
    shared = delayed(node, name=f"{name}-model", traverse=False)
    steps = template.sizes[time] - node.halo
    if len(sizes[time]) == 1 and not node.reach:
        cut = {0: lambda _: steps}
        return blocks_of(_whole_block, shared, arrays, own, adjust_chunks=cut)
    scaled = blocks_of(scale_block, shared, arrays, own)
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
    node: Runner,
    moving: list[xr.DataArray],
    maps: list[xr.DataArray],
    before: xr.DataArray | None,
    *,
    wrap: bool,
) -> tuple[Any, Any]:
    """Run block by block: those of time one after the other, those of space side by side."""
    from dask.base import tokenize
    from dask.delayed import delayed

    arrays, own, sizes = laid(moving, maps)
    given = None if before is None else as_dask(before, {**sizes, "_row": (len(before),)})
    name = f"xsm-run-{tokenize(node, *(a.name for a in arrays), own, given)}"
    shared = delayed(node, name=f"{name}-model", traverse=False)
    if node.reach:
        arrays = [blocks_of(scale_block, shared, arrays, own)]
    return chained(
        _run_scaled if node.reach else _run_block,
        arrays,
        node=shared,
        maps=own,
        before=given,
        rows=node.state_size,
        name=name,
        reach=node.reach,
        wrap=wrap,
    )


def blocks_of(
    function: Callable[..., FloatArray], node: Any, arrays: list[Any], maps: Any, **options: Any
) -> Any:
    """Call a function on each block of arrays (time, *space), with its maps."""
    import dask.array as da

    letters = tuple(range(arrays[0].ndim))
    args = [node, None, *([] if maps is None else [maps, letters[1:]])]
    args += [part for array in arrays for part in (array, letters)]
    options |= {"align_arrays": False, "dtype": np.float32}
    options["meta"] = np.empty((0,) * len(letters), np.float32)
    return da.blockwise(function, letters, *args, **options)


def _run_block(
    node: Runner, maps: FloatArray | None, before: FloatArray | None, *blocks: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Run through a block."""
    return _run_scaled(node, maps, before, node.scale(maps, *blocks))


def _run_scaled(
    node: Runner, maps: FloatArray | None, before: FloatArray | None, scaled: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Run through a block whose inputs are scaled, with the cells around it."""
    found, after = node.run(maps, before, scaled)
    return node.tell(found), after


def _whole_block(node: Predictor, *blocks: FloatArray) -> FloatArray:
    """Predict a block that holds all times."""
    return node.tell(node(blocks[0] if node.rows else None, scale_block(node, *blocks)))


def scale_block(node: Predictor, *blocks: FloatArray) -> FloatArray:
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


def _coords(template: xr.DataArray, features: Features, recipe: Recipe) -> dict[Any, Any]:
    """Return the coordinates of predictions; time is the time they are valid at."""
    coords = {k: v for k, v in template.coords.items() if features.time not in v.dims}
    index = template.indexes[features.time]
    ahead = step(template).after(index, recipe.ahead)
    keep = slice(recipe.window - 1, len(index) - recipe.shift)
    times = without_bounds(template[features.time][keep].copy(data=ahead[keep]))
    return coords | {features.time: times.variable, LEAD: lead_coordinate(template, recipe.lead)}


def _label(
    data: Any, dims: Sequence[Hashable], coords: Mapping[Any, Any], answer: Answer
) -> xr.DataArray:
    """Give an output its dimensions and coordinates."""
    dims = dims if _single(answer) else (*dims, answer.dim)
    coords = {**coords, answer.dim: list(answer.labels)} if answer.labels else coords
    told = answer.kind in {"share", "quantity"}
    attrs = {"long_name": answer.long_name, "units": answer.units} if told else {}
    return xr.DataArray(data, dims=dims, coords=coords, attrs=attrs).rename(None)


def _single(answer: Answer) -> bool:
    """Tell whether an output has no dimension of its own."""
    return answer.rows == 1 and not answer.labels
