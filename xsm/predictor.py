"""A trained network on blocks of plain arrays: scale, cut windows, evaluate, mark what is new."""

from __future__ import annotations

import contextlib
import copy
import functools
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import cloudpickle
import numpy as np
import torch
from torch import Tensor

from xsm.estimators import Estimator
from xsm.features import Recipe
from xsm.intraop import one_intraop_thread
from xsm.nn import Batch, Model, last_observation
from xsm.typing import Array, FloatArray
from xsm.windows import model_inputs, static_inputs

__all__ = ["Predictor"]

# Samples at a time. Measured, LSTM of 128 units on a core with 1 MiB of L2: 85,000 samples/s from
# 256 to 1024, 65,000 from 2048; with 16 units little changes above 512.
_BATCH = 1024
_BATCH_ON_DEVICE = 65536
_KEPT = 4  # predictors that a process keeps after they arrived from another one

_GUARD = threading.Lock()
_LOCKS: dict[str, threading.Lock] = {}
_ARRIVED: OrderedDict[str, Predictor] = OrderedDict()


@dataclass(frozen=True)
class Predictor:
    """A model and what it takes to run it on a block of plain arrays.

    It is sent to other processes by value; each process unpacks the same content once and keeps
    the four that it met last.

    Parameters
    ----------
    model : Model or Estimator
        The trained network, in evaluation mode, on the CPU; or the estimator.
    recipe : Recipe
        Its inputs.
    common : mapping of str to ndarray
        Statistics that are the same for all cells.
    rows : tuple of tuple
        Name and number of the rows of the maps that come with each block, in their order: static
        inputs, and the statistics by cell.
    outputs : tuple of str
        Outputs of the network that are wanted, the target's first.
    batch_size : int or None
        Samples evaluated at a time; None takes what suits the device.
    device : str
        Where to evaluate.
    token : str
        Name of the content, for graphs.
    """

    model: Model | Estimator
    recipe: Recipe
    common: Mapping[str, FloatArray]
    rows: tuple[tuple[str, int], ...]
    outputs: tuple[str, ...]
    batch_size: int | None
    device: str
    token: str

    def __dask_tokenize__(self) -> tuple[str, ...]:
        """Name the content, so that equal models share work."""
        settings = (self.token, *self.outputs, str(self.batch_size), self.device)
        return ("xsm.Predictor", *settings)

    def __reduce__(self) -> tuple[Any, tuple[str, bytes]]:
        """Travel as bytes with their hash, by which a process knows what it already has."""
        return _arrive, self._packed

    @functools.cached_property
    def _packed(self) -> tuple[str, bytes]:
        """The content as bytes and their hash; classes of ``__main__`` travel with it."""
        content = cloudpickle.dumps({f.name: getattr(self, f.name) for f in fields(self)})
        return hashlib.blake2b(content, digest_size=16).hexdigest(), content

    @functools.cached_property
    def _placed(self) -> Model | Estimator:
        """The model on its device; an estimator stays on the CPU."""
        if self.device == "cpu" or isinstance(self.model, Estimator):
            return self.model
        return copy.deepcopy(self.model).to(self.device)

    @property
    def halo(self) -> int:
        """Steps that a block needs beyond those it answers for."""
        return self.recipe.window - 1 + self.recipe.shift

    @property
    def batch(self) -> int:
        """Samples evaluated at a time."""
        return self.batch_size or (_BATCH if self.device == "cpu" else _BATCH_ON_DEVICE)

    def scale(self, maps: FloatArray | None, *arrays: FloatArray) -> FloatArray:
        """Scale and join the inputs of a block.

        Parameters
        ----------
        maps : ndarray or None
            (row, *space) static inputs and the statistics by cell; None where there are none.
        *arrays : ndarray
            (time, *space) dynamic inputs, canonical; the target with data integration.

        Returns
        -------
        ndarray
            (time, *space, channel) float32, finite but in the last channel, which tells of the
            forcing of this step: NaN where some is missing, 1 where some lies outside the range
            seen in training, else 0.
        """
        steps, *space = arrays[0].shape
        flat = [a.reshape(steps, -1) for a in arrays]
        stats = self._statistics(maps)
        count = len(self.recipe.dynamic)
        observed = flat[count] if self.recipe.data_integration else None
        channels = count + (0 if observed is None else 2)
        joined = np.empty((steps, flat[0].shape[1], channels + 1), np.float32)
        inputs = model_inputs(flat[:count], observed, stats, shift=0, out=joined[..., :-1])
        outside = np.zeros(joined.shape[:2], bool)
        for i, values in enumerate(flat[:count]):
            outside |= values < stats["dynamic_min"][i]
            outside |= values > stats["dynamic_max"][i]
        missing = ~np.isfinite(inputs[..., :count]).all(axis=-1)
        inputs[..., :count][missing] = 0.0  # observations stay: they pair with other steps
        joined[..., -1] = np.where(missing, np.nan, outside)
        return joined.reshape(steps, *space, channels + 1)

    def __call__(self, maps: FloatArray | None, scaled: FloatArray) -> FloatArray:
        """Predict a block.

        Parameters
        ----------
        maps : ndarray or None
            (row, *space) static inputs and the statistics by cell; None where there are none.
        scaled : ndarray
            (time + halo, *space, channel) what :meth:`scale` returned for the steps of the block
            and the ``halo`` steps after them.

        Returns
        -------
        ndarray
            (output + 1, time, *space) float32: the wanted outputs for the windows that begin at
            each step, canonical units, NaN where a window is not whole; then 1 where a window or a
            static input lies outside the range seen in training, else 0.
        """
        space = scaled.shape[1:-1]
        series = self._shifted(scaled.reshape(len(scaled), -1, scaled.shape[-1]))
        steps, cells = len(series) - self.recipe.window + 1, series.shape[1]
        stats = self._statistics(maps)
        still = [stats[f"static {name}"] for name in self.recipe.static]
        static = static_inputs(still, stats, cells)
        out = np.full((len(self.outputs) + 1, steps, cells), np.nan, dtype=np.float32)
        whole, outside = self._windows(series, still, stats)
        scale, offset, base = (
            np.broadcast_to(stats[f"target_{n}"], (cells,)) for n in ("scale", "offset", "mean")
        )
        good = np.isfinite(static).all(axis=1) & np.isfinite(scale) & np.isfinite(offset)
        alive = np.flatnonzero(whole.any(axis=0) & good)
        with _turn(self.device), one_intraop_thread():
            for group in _groups(alive, self.batch):
                values = self._evaluate(series[:, group, :-1], static[group], base[group])
                values[0] = values[0] * scale[group] + offset[group]
                values[1:] *= scale[group]
                out[:-1, :, group] = np.where(whole[:, group], values, np.nan)
        out[-1] = outside & np.isfinite(out[0])
        return out.reshape(len(out), steps, *space)

    def _statistics(self, maps: FloatArray | None) -> dict[str, FloatArray]:
        """Name the statistics and static inputs of a block's cells, beside those of all cells."""
        named, at = dict(self.common), 0
        if maps is None:
            return named
        for name, count in self.rows:
            part = maps[at : at + count].reshape(count, -1)
            named[name] = part if name.startswith("dynamic_") else part[0]
            at += count
        return named

    def _shifted(self, series: FloatArray) -> FloatArray:
        """Pair the observations of each step with the forcing that runs ahead of them."""
        shift, count = self.recipe.shift, len(self.recipe.dynamic)
        if not shift or not self.recipe.data_integration:
            return series[shift:]
        paired = series[shift:].copy()
        paired[..., count : count + 2] = series[:-shift, :, count : count + 2]
        return paired

    def _windows(
        self, series: FloatArray, still: Sequence[FloatArray], stats: Mapping[str, FloatArray]
    ) -> tuple[Array, Array]:
        """Tell for each window's start and cell whether it is whole, and if anything is new."""
        state = series[..., -1]
        new = state > 0
        if self.recipe.data_integration:  # scaled from 0 to 1 over the training steps
            observed = series[..., -3]
            new |= (observed < 0) | (observed > 1)
        outside = _running(new, self.recipe.window) > 0
        for i, values in enumerate(still):
            outside |= (values < stats["static_min"][i]) | (values > stats["static_max"][i])
        return _running(np.isnan(state), self.recipe.window) == 0, outside

    def _evaluate(self, series: FloatArray, static: FloatArray, base: FloatArray) -> FloatArray:
        """Evaluate a group of cells at all times, ``batch`` samples at once.

        Steps lie behind each other in memory, so the windows of several steps are one view of the
        series, time outside: nothing is copied before the network joins its inputs.
        """
        window, device = self.recipe.window, self.device
        steps, cells, channels = len(series) - window + 1, series.shape[1], series.shape[2]
        flat = torch.from_numpy(np.ascontiguousarray(series)).to(device).view(-1, channels)
        many = min(max(1, self.batch // cells), steps)
        maps = torch.from_numpy(static).to(device).repeat(many, 1)
        default = torch.from_numpy(base.astype(np.float32)).to(device).repeat(many).unsqueeze(1)
        strides = (cells * channels, channels, 1)
        out = torch.empty((len(self.outputs), steps, cells), device=device)
        with torch.inference_mode():
            for first in range(0, steps, many):
                size = min(many, steps - first) * cells
                begin = first * cells * channels
                part = flat.as_strided((window, size, channels), strides, begin)
                dynamic = part.transpose(0, 1)  # (batch, window, dynamic)
                batch: Batch = {"dynamic": dynamic, "static": maps[:size]}
                if self.recipe.data_integration:
                    batch["base"] = last_observation(dynamic, default[:size])
                self._keep(out, first, self._placed.evaluate(batch))
        found: FloatArray = out.double().cpu().numpy()
        return found

    def _keep(self, out: Tensor, first: int, found: Mapping[str, Any]) -> None:
        """Put the outputs of a batch where they belong."""
        for i, name in enumerate(self.outputs):
            values = torch.as_tensor(found[name]).view(-1, out.shape[2])  # (time, cell)
            out[i, first : first + len(values)] = values


def _running(events: Array, window: int) -> Array:
    """Count the events (time, cell) in each window."""
    count = np.zeros((len(events) + 1, events.shape[1]), dtype=np.int32)
    np.cumsum(events, axis=0, out=count[1:])
    windows: Array = count[window:] - count[:-window]
    return windows


def _groups(cells: Array, size: int) -> list[Array]:
    """Divide cells into groups of at most a size."""
    if not len(cells):
        return []
    return np.array_split(cells, -(-len(cells) // size))


@contextlib.contextmanager
def _turn(device: str) -> Iterator[None]:
    """Wait until no other block of this process is on the device; the CPU takes all that come.

    On CUDA products are taken in full float32 (TF32 off) for the turn.
    """
    if device == "cpu":
        yield
        return
    with _GUARD:
        lock = _LOCKS.setdefault(device, threading.Lock())
    with lock:
        before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        try:
            yield
        finally:
            torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def _arrive(name: str, content: bytes) -> Predictor:
    """Unpack a predictor that came from another process, once for each content."""
    with _GUARD:
        if name not in _ARRIVED:
            _ARRIVED[name] = Predictor(**cloudpickle.loads(content))
            _ARRIVED[name].__dict__["_packed"] = (name, content)
        _ARRIVED.move_to_end(name)
        while len(_ARRIVED) > _KEPT:
            _ARRIVED.popitem(last=False)
        return _ARRIVED[name]
