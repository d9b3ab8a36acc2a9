"""Lazy prediction: features to blocks, blocks to labelled predictions; the model one node."""

from __future__ import annotations

import copy
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, product
from typing import Any

import numpy as np
import xarray as xr

from xsm.batches import scaling_arrays
from xsm.devices import choose_device
from xsm.estimators import Estimator
from xsm.features import Features, Recipe
from xsm.halo import even_chunks, stacked_blocks, with_halo
from xsm.nn import Model
from xsm.options import thread_count
from xsm.predictor import Predictor
from xsm.typing import Array, FloatArray

__all__ = ["choose_place", "predict_lazily"]

_TILE = 2**17  # windows that a thread scales at a time, of arrays in memory
_COMMON = ("static_offset", "static_scale", "static_min", "static_max")  # the same for all cells


def predict_lazily(
    model: Model | Estimator,
    recipe: Recipe,
    scaling: xr.Dataset,
    features: Features,
    *,
    token: str,
    outputs: tuple[str, ...] = ("mean",),
    batch_size: int | None,
    device: str,
) -> dict[str, xr.DataArray]:
    """Predict all whole windows of the features.

    Parameters
    ----------
    model : Model or Estimator
        The trained network or estimator.
    recipe : Recipe
        Its inputs.
    scaling : xarray.Dataset
        Statistics on the cells of the features.
    features : Features
        Canonical arrays; the target only with data integration.
    token : str
        Hash of the model's content.
    outputs : tuple of str, default: ("mean",)
        Outputs of the network that are wanted.
    batch_size : int or None
        Samples evaluated at a time; memory grows with it, not with the block. None takes what
        suits the device.
    device : str
        Where to evaluate.

    Returns
    -------
    dict of str to DataArray
        Each output (time, *space), float32, in canonical units, labelled by the time that it is
        valid at: ``lead`` steps after its window's end; and ``extrapolation``, int8: 1 where an
        input of the window, or a static one, lies outside the range seen in training, 0 elsewhere
        and where there is no prediction. Lazy where the features are, in chunks of equal length;
        arrays in memory are shared between threads (option ``threads``).

    Examples
    --------
    >>> import pandas as pd
    >>> from xsm.models.lstm import LSTM
    >>> from xsm.nn import Sizes
    >>> from xsm.scaling import fit_scaling
    >>> days = {"time": pd.date_range("2020-01-01", periods=40)}
    >>> rain, soil = (xr.DataArray(np.sin(k * np.arange(40.0)), days, "time") for k in (1, 2))
    >>> features = Features({"precipitation": rain}, {}, soil, {}, "time", ())
    >>> recipe = Recipe("soil_moisture", ("precipitation",), (), 7, 1, "cell")
    >>> scaling = fit_scaling(features, slice(None), scaling="cell")
    >>> model = LSTM(Sizes(dynamic=1, static=0, window=7), hidden_size=4)
    >>> found = predict_lazily(
    ...     model, recipe, scaling, features, token="", batch_size=64, device="cpu"
    ... )
    >>> found["mean"].sizes["time"], str(found["mean"]["time"].values[0])[:10]
    (34, '2020-01-08')
    """
    common, maps, rows = _maps(scaling, features)
    still = model
    if not isinstance(model, Estimator):  # whose arrays nothing can change
        still = copy.deepcopy(model).cpu().eval()  # as it is now, whatever happens to it
    node = Predictor(still, recipe, common, rows, outputs, batch_size, device, token)
    moving = list(features.dynamic.values())
    if recipe.data_integration:
        moving.append(features.observed)
    template = moving[0]
    lazy = any(a.chunks is not None for a in (*moving, *maps))
    if template.shape[0] <= node.halo:  # no whole window
        data = np.empty((len(outputs) + 1, 0, *template.shape[1:]), np.float32)
    else:
        data = (_run_blocks if lazy else _run_whole)(node, moving, maps)
    named = {name: _row(data, i, np.float32) for i, name in enumerate(outputs)}
    named["extrapolation"] = _row(data, len(outputs), np.int8)
    return {name: _label(values, template, features, recipe) for name, values in named.items()}


def choose_place(model: Model | Estimator, device: str) -> str:
    """Return the device that a model predicts on.

    Parameters
    ----------
    model : Model or Estimator
        What predicts.
    device : str
        What is wanted, see :func:`xsm.devices.choose_device`.

    Returns
    -------
    str
        For estimators always the CPU.

    Raises
    ------
    UnknownNameError
        If there is no such device, or an estimator is wanted on another one.

    Examples
    --------
    >>> from xsm.models.random_forest import RandomForest
    >>> from xsm.nn import Sizes
    >>> choose_place(RandomForest(Sizes(dynamic=1, static=0, window=7)), "auto")
    'cpu'
    """
    if isinstance(model, Estimator):
        model.check_arguments({"device": device})
        return "cpu"
    return str(choose_device(device))


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
    for name, values in scaling_arrays(wanted).items():
        if name in _COMMON or not set(features.space) & set(scaling[name].dims):
            common[name] = values
            continue
        array = scaling[name].rename({"dynamic": "row"} if "dynamic" in scaling[name].dims else {})
        maps.append(array if "row" in array.dims else array.expand_dims("row"))
        rows.append((name, maps[-1].sizes["row"]))
    bare = [a.drop_vars(list(a.coords)).transpose("row", *features.space) for a in maps]
    return common, bare, tuple(rows)


def _run_whole(node: Predictor, moving: list[xr.DataArray], maps: list[xr.DataArray]) -> FloatArray:
    """Predict arrays in memory, tile by tile on several threads."""
    arrays = [a.values.reshape(a.shape[0], -1) for a in moving]
    steps, cells = len(arrays[0]) - node.halo, arrays[0].shape[1]
    rows = np.concatenate([a.values.reshape(len(a), -1) for a in maps]) if maps else None
    out = np.empty((len(node.outputs) + 1, steps, cells), np.float32)
    wide = max(1, min(cells, node.batch))
    long = max(1, _TILE // wide, 4 * node.halo)

    def run(first: int, begin: int) -> None:
        at = slice(begin, min(begin + wide, cells))
        last = min(first + long, steps)
        own = None if rows is None else rows[:, at]
        tile = node.scale(own, *(a[first : last + node.halo, at] for a in arrays))
        out[:, first:last, at] = node(own, tile)

    with ThreadPoolExecutor(thread_count()) as pool:
        jobs = product(range(0, steps, long), range(0, cells, wide))
        for done in [pool.submit(run, *job) for job in jobs]:
            done.result()
    return out.reshape(len(out), steps, *moving[0].shape[1:])


def _run_blocks(node: Predictor, moving: list[xr.DataArray], maps: list[xr.DataArray]) -> Any:
    """Predict block by block, each with the steps after it; the outputs of a block are stacked."""
    import dask.array as da
    from dask.base import tokenize
    from dask.delayed import delayed

    template = moving[0]
    time, space = template.dims[0], template.dims[1:]
    sizes = _common_chunks([*moving, *maps])
    sizes = {d: sizes.get(d, (template.sizes[d],)) for d in template.dims}
    arrays = [_dask(a, sizes) for a in moving]
    letters = tuple(range(1, 1 + len(space)))
    own = _stacked_maps(maps, sizes, space)
    name = f"xsm-predict-{tokenize(node)}"
    shared = delayed(node, name=f"{name}-model", traverse=False)
    args = [shared, None, *([] if own is None else [own, letters])]
    args += [part for array in arrays for part in (array, (0, *letters))]
    steps = template.sizes[time] - node.halo
    options = {"align_arrays": False, "dtype": np.float32}
    meta = np.empty((0,) * template.ndim, np.float32)
    if len(sizes[time]) == 1:
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
    )


def _stacked_maps(
    maps: list[xr.DataArray], sizes: dict[Hashable, tuple[int, ...]], space: tuple[Hashable, ...]
) -> Any:
    """Return the maps as a dask array (*space) whose blocks are (row, *space)."""
    import dask.array as da

    if not maps:
        return None
    letters = tuple(range(len(space)))
    chunks = tuple(sizes[d] for d in space)
    parts = []
    for lazy, group in groupby(maps, lambda a: a.chunks is not None):
        if lazy:
            parts += [_dask(a.isel(row=i), sizes) for a in group for i in range(a.sizes["row"])]
        else:
            parts.append(stacked_blocks(np.concatenate([a.values for a in group]), chunks))
    if len(parts) == 1 and maps[0].chunks is None:
        return parts[0]
    args = [part for array in parts for part in (array, letters)]
    options = {"align_arrays": False, "dtype": np.float64, "meta": np.empty((0,) * len(space))}
    return da.blockwise(_stack, letters, *args, axes=len(space), **options)


def _dask(array: xr.DataArray, sizes: dict[Hashable, Any]) -> Any:
    """Return an array as a dask array of given chunks."""
    import dask.array as da

    chunks = tuple(sizes[d] for d in array.dims)
    if array.chunks is None:
        return da.from_array(array.values, chunks=chunks)
    return array.data.rechunk(chunks)


def _common_chunks(arrays: list[xr.DataArray]) -> dict[Hashable, tuple[int, ...]]:
    """Return chunks along each dimension that all lazy arrays can be brought to by cutting."""
    import dask.array as da

    pairs = [(a.data, a.dims) for a in arrays if a.chunks is not None]
    found, _ = da.core.unify_chunks(*(part for pair in pairs for part in pair), warn=False)
    return dict(found)


def _whole_block(node: Predictor, *blocks: FloatArray) -> FloatArray:
    """Predict a block that holds all times."""
    return node(blocks[0] if node.rows else None, _scale_block(node, *blocks))


def _scale_block(node: Predictor, *blocks: FloatArray) -> FloatArray:
    """Scale and join the inputs of a block, which come after the maps where there are any."""
    return node.scale(*blocks) if node.rows else node.scale(None, *blocks)


def _join_block(node: Predictor, maps: FloatArray | None, *pieces: FloatArray) -> FloatArray:
    """Predict a block from the pieces of its steps and of those after it."""
    return node(maps, pieces[0] if len(pieces) == 1 else np.concatenate(pieces))


def _stack(*maps: FloatArray, axes: int) -> FloatArray:
    """Stack maps (*space), and stacks of maps (row, *space)."""
    return np.concatenate([a if a.ndim > axes else a[None] for a in maps])


def _row(data: Any, at: int, dtype: type[np.generic]) -> Any:
    """Return one of the outputs, which are stacked in each block of a dask array."""
    if isinstance(data, np.ndarray):
        return data[at].astype(dtype)
    import dask.array as da

    axes, meta = tuple(range(data.ndim)), np.empty((0,) * data.ndim, dtype)
    return da.blockwise(_pick, axes, data, axes, at=at, kind=dtype, dtype=dtype, meta=meta)


def _pick(stack: FloatArray, at: int, kind: type[np.generic]) -> Array:
    """Return one output of a block, apart from the others, so that these can be let go."""
    return stack[at].astype(kind)


def _label(data: Any, template: xr.DataArray, features: Features, recipe: Recipe) -> xr.DataArray:
    """Give predictions their coordinates; time is the time they are valid at."""
    coords = {k: v for k, v in template.coords.items() if features.time not in v.dims}
    index = template.indexes[features.time]
    ahead = index
    if recipe.lead:
        spacing = index[1] - index[0] if len(index) > 1 else np.timedelta64(1, "D")
        ahead = index + recipe.lead * spacing
    keep = slice(recipe.window - 1, len(index) - recipe.shift)
    coords[features.time] = template[features.time].variable[keep].copy(data=ahead[keep])
    return xr.DataArray(data, dims=template.dims, coords=coords).rename(None)
