"""Windows to tensors: the samples of point models, compact on the device."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from xsm.exceptions import NotEnoughDataError
from xsm.features import Features, Recipe
from xsm.nn import Batch, last_observation
from xsm.typing import Array, FloatArray

__all__ = ["Windows", "make_windows", "model_inputs"]


class Windows:
    """All samples of a period: valid cells only, float32, gathered by index.

    A sample is a cell and a time v. Its window ends ``lead`` steps before v. Samples whose inputs
    hold NaN, or whose target is missing, do not exist.

    Parameters
    ----------
    inputs : ndarray
        (position, cell, dynamic), scaled; position p is the end of a window.
    static : ndarray
        (cell, static), scaled.
    series : mapping of str to ndarray
        (time, cell): ``target`` and what the loss terms need, scaled.
    cells : mapping of str to ndarray
        (cell,): ``target_offset``, ``target_scale`` and, with data integration, ``base``.
    window, lead : int
        Steps of input, and steps from the window's end to the target.
    forcing : int
        The first so many channels of ``inputs`` must be finite.
    device : str or torch.device, default: "cpu"
        Where the tensors lie.
    """

    def __init__(
        self,
        inputs: FloatArray,
        static: FloatArray,
        series: Mapping[str, FloatArray],
        cells: Mapping[str, FloatArray],
        *,
        window: int,
        lead: int,
        forcing: int,
        device: str | torch.device = "cpu",
    ) -> None:
        steps, count, channels = inputs.shape
        self.window, self.lead, self.count, self.device = window, lead, count, device
        valid = _valid(inputs[..., :forcing], series["target"], window, lead)
        self.inputs = _tensor(inputs, device).view(steps * count, channels)
        self.static = _tensor(static, device)
        self.series = {name: _tensor(a, device).view(-1) for name, a in series.items()}
        self.cells = {name: _tensor(a, device).view(-1, 1) for name, a in cells.items()}
        flat = np.flatnonzero(valid)  # v * cells + cell, ascending in v
        _, starts, counts = np.unique(flat // count, return_index=True, return_counts=True)
        self.samples = torch.from_numpy(flat).to(device)
        self.starts = torch.from_numpy(starts).to(device)
        self.counts = torch.from_numpy(counts).to(device)
        self._back = torch.arange(-window + 1, 1, device=device) * count

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.samples)

    def draw(self, batches: int, batch_size: int, *, sampling: str = "time") -> Tensor:
        """Draw random samples.

        Parameters
        ----------
        batches : int
            Number of batches.
        batch_size : int
            Samples in each.
        sampling : {"time", "mixed"}, default: "time"
            ``"time"`` takes the cells of a batch at one random time (Fang and Shen 2020; at several
            times where a time holds fewer cells than a batch, so that a single series trains too);
            ``"mixed"`` takes each sample at its own time.

        Returns
        -------
        Tensor
            (batches, batch_size) positions in ``samples``, with replacement, from torch's global
            generator.
        """
        if sampling == "mixed":
            return torch.randint(len(self), (batches, batch_size), device=self.device)
        times = -(-batch_size // min(batch_size, int(self.counts.max())))
        at = torch.randint(len(self.starts), (batches, times), device=self.device)
        at = at.repeat_interleave(-(-batch_size // times), dim=1)[:, :batch_size]
        share = torch.rand(at.shape, device=self.device, dtype=torch.float64)
        return self.starts[at] + (share * self.counts[at]).long()

    def batch(self, index: Tensor) -> Batch:
        """Gather samples by their positions.

        Parameters
        ----------
        index : Tensor
            (batch,) positions in ``samples``.

        Returns
        -------
        dict of str to Tensor
            ``dynamic`` (batch, window, dynamic), ``static`` (batch, static), and (batch, 1) of
            ``target``, ``mask``, ``target_offset``, ``target_scale``, ``base`` with data
            integration, and whatever the loss terms need.
        """
        at = self.samples[index]
        cell = at % self.count
        end = at - self.lead * self.count
        rows = end.unsqueeze(1) + self._back  # (batch, window)
        dynamic = self.inputs.index_select(0, rows.view(-1)).view(*rows.shape, -1)
        batch = {"dynamic": dynamic, "static": self.static[cell]}
        batch |= {name: values[at].unsqueeze(1) for name, values in self.series.items()}
        batch |= {name: values[cell] for name, values in self.cells.items()}
        batch["mask"] = torch.isfinite(batch["target"])
        if "base" in batch:
            batch["base"] = last_observation(dynamic, batch["base"])
        return batch


def _tensor(values: FloatArray, device: str | torch.device) -> Tensor:
    """Send an array to a device in float32."""
    return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(device)


def _valid(inputs: FloatArray, target: FloatArray, window: int, lead: int) -> Array:
    """Tell for each (time, cell) whether its window is whole and its target observed."""
    whole = np.isfinite(inputs).all(axis=-1)
    good = np.zeros((whole.shape[0] + 1, whole.shape[1]), dtype=np.int32)
    np.cumsum(whole, axis=0, out=good[1:])
    valid = np.zeros(target.shape, dtype=bool)
    ends = good[window:] - good[:-window] == window  # windows that end at window - 1, ...
    ends = ends[: target.shape[0] - (window - 1 + lead)]
    valid[window - 1 + lead : window - 1 + lead + len(ends)] = ends
    return valid & np.isfinite(target)


def model_inputs(
    dynamic: list[FloatArray],
    target: FloatArray | None,
    scaling: Mapping[str, FloatArray],
    *,
    shift: int,
    out: FloatArray | None = None,
) -> FloatArray:
    """Scale the inputs of a network and join them, observations last.

    Parameters
    ----------
    dynamic : list of ndarray
        Canonical inputs, each (time, cell).
    target : ndarray or None
        (time, cell) observations for data integration.
    scaling : mapping of str to ndarray
        ``dynamic_offset``, ``dynamic_scale`` (dynamic, cell or 1); ``target_offset``,
        ``target_scale`` (cell or 1,).
    shift : int
        Steps by which the forcing runs ahead of the observations.
    out : ndarray, optional
        Where to put the result.

    Returns
    -------
    ndarray
        (time - shift, cell, dynamic [+ 2]), float32. NaN in the forcing stays NaN; a missing
        observation is 0 with a mask of 0.

    Examples
    --------
    >>> rain, soil = np.array([[0.0], [4.0], [8.0]]), np.array([[0.1], [np.nan], [0.3]])
    >>> scaling = {"dynamic_offset": np.zeros((1, 1)), "dynamic_scale": np.full((1, 1), 8.0)}
    >>> scaling |= {"target_offset": np.array([0.1]), "target_scale": np.array([0.2])}
    >>> model_inputs([rain], soil, scaling, shift=1)[:, 0].tolist()  # tomorrow's rain, today's soil
    [[0.5, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    steps, cells = dynamic[0].shape
    channels = len(dynamic) + (2 if target is not None else 0)
    shape = (steps - shift, cells, channels)
    inputs = np.empty(shape, dtype=np.float32) if out is None else out
    for i, values in enumerate(dynamic):
        offset, scale = scaling["dynamic_offset"][i], scaling["dynamic_scale"][i]
        inputs[..., i] = (values[shift:] - offset) / scale
    if target is not None:
        observed = (target[: steps - shift] - scaling["target_offset"]) / scaling["target_scale"]
        mask = np.isfinite(observed)
        inputs[..., -2] = np.where(mask, observed, 0.0)
        inputs[..., -1] = mask
    return inputs


def make_windows(
    features: Features,
    scaling: xr.Dataset,
    recipe: Recipe,
    times: slice,
    *,
    device: str | torch.device = "cpu",
) -> Windows:
    """Return the samples of one part of the features.

    Parameters
    ----------
    features : Features
        Canonical arrays with the target, in memory.
    scaling : xarray.Dataset
        Statistics of :func:`xsm.scaling.fit_scaling`, on the same cells.
    recipe : Recipe
        Window, lead, data integration.
    times : slice
        Steps whose inputs and targets belong to the part.
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
    >>> from xsm.scaling import fit_scaling
    >>> days = {"time": pd.date_range("2020", periods=40)}
    >>> rain, soil = (xr.DataArray(np.sin(k * np.arange(40.0)), days, "time") for k in (1, 2))
    >>> features = Features({"precipitation": rain}, {}, soil, {}, "time", ())
    >>> recipe = Recipe("soil_moisture", ("precipitation",), (), 7, 1, "cell")
    >>> scaling = fit_scaling(features, slice(None), scaling="cell")
    >>> len(make_windows(features, scaling, recipe, slice(None)))  # 40 - 7 + 1 - 1
    33
    """
    keep = _cells(features, scaling)
    stats = scaling_arrays(scaling, keep)
    target = _flat(features.observed, features.time)[times][:, keep]
    observed = target if recipe.data_integration else None
    dynamic = [_flat(a, features.time)[times][:, keep] for a in features.dynamic.values()]
    maps = [a.values.reshape(-1)[keep] for a in features.static.values()]
    scaled = {"target": _scaled(target, stats)}
    for name, array in features.series.items():
        values = _flat(array, features.time)[times][:, keep]
        scaled[name] = _scaled(values, stats) if name == "previous" else values
    cells = {name: _spread(stats[name], len(keep)) for name in ("target_offset", "target_scale")}
    if recipe.data_integration:
        cells["base"] = _spread(stats["target_mean"], len(keep))
    windows = Windows(
        model_inputs(dynamic, observed, stats, shift=recipe.shift),
        static_inputs(maps, stats, len(keep)),
        scaled,
        cells,
        window=recipe.window,
        lead=recipe.lead,
        forcing=len(dynamic),
        device=device,
    )
    if not len(windows):
        msg = (
            f"Not one whole sample: each takes {recipe.window} steps of {list(features.dynamic)} "
            f"without NaN and an observed {recipe.target!r} {recipe.lead} later, within "
            f"{len(target)} steps. Fill gaps of the inputs, leave out inputs with gaps "
            "(dynamic=[...]), or give a longer series."
        )
        raise NotEnoughDataError(msg)
    return windows


def _flat(array: xr.DataArray, time: str) -> FloatArray:
    """Return an array as (time, cell)."""
    flat: FloatArray = array.values.reshape(array.sizes[time], -1)
    return flat


def _cells(features: Features, scaling: xr.Dataset) -> Array:
    """Return the flat positions of the cells that can be trained."""
    keep = scaling["trained_cell"].transpose(*features.space).values.reshape(-1).copy()
    for values in features.static.values():
        keep &= np.isfinite(values.values.reshape(-1))
    return np.flatnonzero(keep)


def scaling_arrays(scaling: xr.Dataset, keep: Array | None = None) -> dict[str, FloatArray]:
    """Return the statistics as arrays whose last axis is the flat cell, where they have cells.

    Parameters
    ----------
    scaling : xarray.Dataset
        Statistics of :func:`xsm.scaling.fit_scaling`.
    keep : ndarray, optional
        Flat positions of the wanted cells.

    Returns
    -------
    dict of str to ndarray
        float64; (dynamic, cell or 1), (static,), (cell or 1,).
    """
    found = {}
    for name in scaling.data_vars:
        values = scaling[name].values
        lead = values.shape[:1] if str(name).startswith("dynamic_") else ()
        if str(name).startswith("static_") or name == "trained_cell":
            found[str(name)] = values
            continue
        flat = values.reshape(*lead, -1)
        found[str(name)] = flat[..., keep] if keep is not None and flat.shape[-1] > 1 else flat
    return found


def static_inputs(
    maps: list[FloatArray], stats: Mapping[str, FloatArray], cells: int
) -> FloatArray:
    """Scale static maps, each (cell,), and join them to (cell, static), float32."""
    joined = np.empty((cells, len(maps)), dtype=np.float32)
    for i, values in enumerate(maps):
        joined[:, i] = (values - stats["static_offset"][i]) / stats["static_scale"][i]
    return joined


def _scaled(values: FloatArray, stats: Mapping[str, FloatArray]) -> FloatArray:
    """Scale target-like values, (time, cell)."""
    scaled: FloatArray = (values - stats["target_offset"]) / stats["target_scale"]
    return scaled


def _spread(values: FloatArray, cells: int) -> FloatArray:
    """Repeat one value for every cell where statistics are global."""
    return np.broadcast_to(values, (cells,))
