"""Lazy prediction: one task for each block, the model one node of the graph."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr

from xsm.batches import scaling_arrays
from xsm.features import Features, Recipe
from xsm.nn import Batch, Model, last_observation
from xsm.typing import Array, FloatArray
from xsm.windows import model_inputs, static_inputs

__all__ = ["Predictor", "predict_lazily"]


@dataclass(frozen=True)
class Predictor:
    """A network and what it takes to run it on a block of plain arrays.

    Parameters
    ----------
    model : Model
        The trained network.
    recipe : Recipe
        Its inputs.
    scaling : mapping of str to ndarray
        Statistics that are the same for all cells; those by cell come with each block.
    by_cell : tuple of tuple
        Name and number of rows of the statistics that come with each block, in their order.
    outputs : tuple of str
        Outputs of the network that are wanted.
    batch_size : int
        Samples evaluated at a time.
    device : str
        Where to evaluate.
    token : str
        Hash of the content.
    """

    model: Model
    recipe: Recipe
    scaling: Mapping[str, FloatArray]
    by_cell: tuple[tuple[str, int], ...]
    outputs: tuple[str, ...]
    batch_size: int
    device: str
    token: str

    def __dask_tokenize__(self) -> tuple[str, ...]:
        """Name the content, so that equal models share work."""
        return (
            "xsm.Predictor",
            self.token,
            *self.outputs,
            str(self.batch_size),
            self.device,
        )

    def __call__(self, own: Array, halo: Array, *arrays: FloatArray) -> FloatArray:
        """Predict one block.

        Parameters
        ----------
        own : ndarray
            (time,) positions that the block answers for.
        halo : ndarray
            (time + halo,) positions of its arrays.
        *arrays : ndarray
            Dynamic inputs (time + halo, *space), the target with data integration, static inputs
            (*space), and the statistics by cell (row, *space) where there are any.

        Returns
        -------
        ndarray
            (output, time, *space) float32, canonical units; NaN where a window is not whole.
        """
        space = arrays[0].shape[1:]
        moving, rest = self._divide(arrays)
        moving = [self._pad(a.reshape(len(halo), -1), own, halo) for a in moving]
        cells = moving[0].shape[1]
        stats = dict(self.scaling)
        if self.by_cell:
            stats |= self._unpack(rest.pop().reshape(-1, cells))
        dynamic = moving[: len(self.recipe.dynamic)]
        observed = moving[-1] if self.recipe.data_integration else None
        inputs = model_inputs(dynamic, observed, stats, shift=self.recipe.shift)
        static = static_inputs([m.reshape(-1) for m in rest], stats, cells)
        out = self._run(inputs, static, stats, len(dynamic), len(own))
        return out.reshape(len(self.outputs), len(own), *space)

    def _divide(self, arrays: Sequence[FloatArray]) -> tuple[list[FloatArray], list[FloatArray]]:
        """Part the arrays with time from those without."""
        count = len(self.recipe.dynamic) + int(self.recipe.data_integration)
        return list(arrays[:count]), list(arrays[count:])

    def _pad(self, values: FloatArray, own: Array, halo: Array) -> FloatArray:
        """Put NaN where the series ends before the window does."""
        before = self.recipe.window - 1 - int(own[0] - halo[0])
        after = self.recipe.shift - int(halo[-1] - own[-1])
        if not before and not after:
            return values
        return np.pad(values, ((before, after), (0, 0)), constant_values=np.nan)

    def _unpack(self, rows: FloatArray) -> dict[str, FloatArray]:
        """Name the statistics of the block's cells."""
        named, at = {}, 0
        for name, count in self.by_cell:
            block = rows[at : at + count]
            named[name] = block if name.startswith("dynamic_") else block[0]
            at += count
        return named

    def _run(
        self,
        inputs: FloatArray,
        static: FloatArray,
        stats: Mapping[str, FloatArray],
        forcing: int,
        steps: int,
    ) -> FloatArray:
        """Evaluate the network on all whole windows, cell by cell group, times together."""
        window, cells = self.recipe.window, inputs.shape[1]
        out = np.full((len(self.outputs), steps, cells), np.nan, dtype=np.float32)
        scale = np.broadcast_to(stats["target_scale"], (cells,))
        offset = np.broadcast_to(stats["target_offset"], (cells,))
        whole = _whole_windows(inputs[..., :forcing], window)
        good = np.isfinite(static).all(axis=1) & np.isfinite(scale) & np.isfinite(offset)
        alive = np.flatnonzero(whole.any(axis=0) & good)
        base = np.broadcast_to(stats["target_mean"], (cells,))
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            for group in _groups(alive, self.batch_size):
                values = self._evaluate(inputs[:, group], static[group], base[group], steps)
                values[0] = values[0] * scale[group] + offset[group]
                values[1:] *= scale[group]
                out[..., group] = np.where(whole[:, group], values, np.nan)
        finally:
            torch.set_num_threads(threads)
        return out

    def _evaluate(
        self, inputs: FloatArray, static: FloatArray, base: FloatArray, steps: int
    ) -> FloatArray:
        """Evaluate a group of cells at all times, ``batch_size`` samples at once."""
        cells, window, device = inputs.shape[1], self.recipe.window, self.device
        series = torch.from_numpy(np.nan_to_num(inputs)).to(device)
        maps = torch.from_numpy(static).to(device)
        default = torch.from_numpy(base.astype(np.float32)).to(device).unsqueeze(1)
        out = np.empty((len(self.outputs), steps, cells), dtype=np.float64)
        together = max(1, self.batch_size // cells)
        with torch.inference_mode():
            for first in range(0, steps, together):
                many = min(together, steps - first)
                part = series[first : first + many + window - 1].unfold(0, window, 1)
                dynamic = part.permute(0, 1, 3, 2).reshape(many * cells, window, -1)
                batch: Batch = {"dynamic": dynamic, "static": maps.repeat(many, 1)}
                if self.recipe.data_integration:
                    batch["base"] = last_observation(dynamic, default.repeat(many, 1))
                found = self.model.evaluate(batch)
                for i, name in enumerate(self.outputs):
                    out[i, first : first + many] = found[name].view(many, cells).cpu().numpy()
        return out


def _whole_windows(forcing: FloatArray, window: int) -> Array:
    """Tell for each window's end and cell whether the window holds no NaN."""
    finite = np.asarray(np.isfinite(forcing).all(axis=-1))
    count = np.zeros((finite.shape[0] + 1, finite.shape[1]), dtype=np.int32)
    np.cumsum(finite, axis=0, out=count[1:])
    whole: Array = count[window:] - count[:-window] == window
    return whole


def _groups(cells: Array, size: int) -> list[Array]:
    """Divide cells into groups of at most a size."""
    if not len(cells):
        return []
    return np.array_split(cells, -(-len(cells) // size))


def predict_lazily(
    model: Model,
    recipe: Recipe,
    scaling: xr.Dataset,
    features: Features,
    *,
    token: str,
    outputs: tuple[str, ...] = ("mean",),
    batch_size: int,
    device: str,
) -> dict[str, xr.DataArray]:
    """Predict all whole windows of the features.

    Parameters
    ----------
    model : Model
        The trained network.
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
    batch_size : int
        Samples evaluated at a time; memory grows with it, not with the block.
    device : str
        Where to evaluate.

    Returns
    -------
    dict of str to DataArray
        Each output (time, *space), float32, in canonical units, labelled by the time that it is
        valid at: ``lead`` steps after its window's end. Lazy where the features are.

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
    node, stats = _predictor(model, recipe, scaling, token, outputs, batch_size, device)
    moving = list(features.dynamic.values())
    if recipe.data_integration and features.target is not None:
        moving.append(features.target)
    still = list(features.static.values())
    per_cell = [stats.transpose(..., *features.space)] if stats is not None else []
    template = moving[0]
    arrays = [*moving, *still, *per_cell]
    lazy = any(a.chunks is not None for a in arrays)
    run = _run_blocks if lazy else _run_whole
    data = run(node, arrays, len(moving), template)
    keep = slice(recipe.window - 1, template.sizes[features.time] - recipe.shift)
    return {
        name: _even(_label(data[i][keep], template, features, recipe), features.time)
        for i, name in enumerate(outputs)
    }


def _even(array: xr.DataArray, time: str) -> xr.DataArray:
    """Make chunks along time equal, as a Zarr store needs them, after the halo was cut off."""
    if array.chunks is None:
        return array
    sizes = array.chunksizes[time]
    return (
        array
        if len(set(sizes[:-1])) < 2 and sizes[-1] <= sizes[0]
        else array.chunk({time: max(sizes)})
    )


def _predictor(
    model: Model,
    recipe: Recipe,
    scaling: xr.Dataset,
    token: str,
    outputs: tuple[str, ...],
    batch_size: int,
    device: str,
) -> tuple[Predictor, xr.DataArray | None]:
    """Divide the statistics into those of all cells and those that travel with the blocks."""
    own = {
        "target_offset",
        "target_scale",
        "target_mean",
        "dynamic_offset",
        "dynamic_scale",
    }
    space = set(scaling["target_offset"].dims)
    common, rows, parts = {}, [], []
    for name, values in scaling_arrays(scaling.drop_vars("trained_cell", errors="ignore")).items():
        if name not in own or not space:
            common[name] = values
            continue
        array = scaling[name].rename({"dynamic": "row"} if name.startswith("dynamic") else {})
        array = array if "row" in array.dims else array.expand_dims("row")
        parts.append(array.drop_vars("row", errors="ignore"))
        rows.append((name, array.sizes["row"]))
    stats = xr.concat(parts, "row", coords="minimal", compat="override") if parts else None
    node = Predictor(
        model.to(device),
        recipe,
        common,
        tuple(rows),
        outputs,
        batch_size,
        device,
        token,
    )
    return node, stats


def _run_whole(
    node: Predictor, arrays: list[xr.DataArray], moving: int, template: xr.DataArray
) -> FloatArray:
    """Predict arrays that are in memory."""
    own = np.arange(template.shape[0])
    return node(own, own, *(a.values for a in arrays))


def _run_blocks(
    node: Predictor, arrays: list[xr.DataArray], moving: int, template: xr.DataArray
) -> Any:
    """Predict block by block, each with a halo in time, as one dask array."""
    import dask.array as da
    from dask.array.overlap import ensure_minimum_chunksize, overlap
    from dask.delayed import delayed

    chunks = _common_chunks(arrays)
    time, space = template.dims[0], template.dims[1:]
    before, after = node.recipe.window - 1, node.recipe.shift
    steps = chunks.get(time, (template.shape[0],))
    if len(steps) > 1:
        steps = ensure_minimum_chunksize(max(before, after), steps)
    sizes = {time: steps} | {d: chunks.get(d, (template.sizes[d],)) for d in space}
    depth = {0: (before, after)} if len(steps) > 1 else {}
    letters = {d: i + 2 for i, d in enumerate(space)}
    own = da.arange(template.shape[0], chunks=(steps,))
    args: list[Any] = []
    for i, array in enumerate([None, *_bare(arrays)]):
        x = (
            own
            if array is None
            else da.asarray(array.data).rechunk(
                tuple(sizes.get(d, (array.sizes[d],)) for d in array.dims)
            )
        )
        if depth and i <= moving:
            x = overlap(x, depth, boundary="none", allow_rechunk=False)
        index = (
            (1,) if array is None else tuple({time: 1, "row": -1, **letters}[d] for d in array.dims)
        )
        args += [x, index]
    shared = delayed(node, name=f"xsm-predictor-{node.token}", traverse=False)
    return da.blockwise(
        _call,
        (0, 1, *letters.values()),
        own,
        (1,),
        *args,
        node=shared,
        new_axes={0: len(node.outputs)},
        align_arrays=False,
        concatenate=True,
        dtype=np.float32,
        meta=np.empty((0,) * (2 + len(space)), dtype=np.float32),
    )


def _common_chunks(arrays: list[xr.DataArray]) -> dict[Hashable, tuple[int, ...]]:
    """Return chunks along each dimension that all lazy arrays can be brought to by cutting."""
    import dask.array as da

    pairs = [(a.data, a.dims) for a in arrays if a.chunks is not None]
    found, _ = da.core.unify_chunks(*(part for pair in pairs for part in pair), warn=False)
    return dict(found)


def _call(own: Array, halo: Array, *arrays: FloatArray, node: Predictor) -> FloatArray:
    """Run the shared node on a block."""
    return node(own, halo, *arrays)


def _bare(arrays: list[xr.DataArray]) -> list[xr.DataArray]:
    """Strip coordinates, so that only dimensions count."""
    return [a.drop_vars(list(a.coords)) for a in arrays]


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
    return xr.DataArray(data, dims=template.dims, coords=coords)
