"""A trained network on blocks of plain arrays: scale, cut windows, evaluate, mark what is new."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

import cloudpickle
import numpy as np
import torch
from torch import Tensor

from xsm.cells.hidden import with_masks, without_missing
from xsm.cells.inputs import (
    BEYOND,
    as_logs,
    beyond,
    model_inputs,
    neighbour_table,
    static_inputs,
    with_one,
)
from xsm.data.doubt.guard import Guard, look
from xsm.data.possible import Impossible
from xsm.estimators import Estimator
from xsm.nn import Answer, Batch, Model, last_observation
from xsm.nn.devices import one_intraop_thread, turn_on
from xsm.nn.settings import usual_settings
from xsm.physics.rounding import ROUNDING
from xsm.training.recipe import Recipe
from xsm.typing import Array, FloatArray

__all__ = ["GOAL", "Predictor", "spread"]


GOAL = ("offset", "scale")  # of the target


# Samples at a time. Measured, LSTM of 128 units on a core with 1 MiB of L2: 85,000 samples/s from
# 256 to 1024, 65,000 from 2048; with 16 units little changes above 512.
_BATCH = 1024
_BATCH_ON_DEVICE = 65536
_EMBEDDED = 2**17  # steps of cells that are embedded before the recurrence takes them
_SQUARES = 2048  # squares of cells that are embedded at a time
_KEPT = 4  # predictors that a process keeps after they arrived from another one

_GUARD = threading.Lock()
_ARRIVED: OrderedDict[str, Predictor] = OrderedDict()


@dataclass(frozen=True)
class Predictor:
    """A model and what it takes to run it on a block of plain arrays.

    It is sent to other processes by value; each process unpacks the same content once and keeps the
    four that it met last. ``common`` are statistics that are the same for all cells; ``rows`` names
    and counts the rows of the maps that come with each block, in their order: static inputs, and
    the statistics by cell. ``token`` names the content, for graphs; ``impossible`` tells of values
    that the target cannot have; ``guards`` look at the dynamic inputs, in their order; inputs that
    are ``missing`` are hidden.
    """

    model: Model | Estimator
    recipe: Recipe
    common: Mapping[str, FloatArray]
    rows: tuple[tuple[str, int], ...]
    batch_size: int | None
    device: str
    token: str
    impossible: Impossible = field(default_factory=partial(Impossible, ""))
    guards: tuple[Guard | None, ...] = ()
    missing: tuple[str, ...] = ()

    def __dask_tokenize__(self) -> tuple[str, ...]:
        """Name the content, so that equal models share work."""
        hidden = repr((self.guards, self.missing))
        settings = (self.token, str(self.batch_size), self.device, hidden)
        return ("xsm.Predictor", *settings)

    def __reduce__(self) -> tuple[Any, tuple[str, bytes]]:
        """Travel as bytes with their hash, by which a process knows what it already has."""
        return _arrive, self._packed

    @functools.cached_property
    def _packed(self) -> tuple[str, bytes]:
        """The content as bytes and their hash; classes of ``__main__`` travel with it."""
        content = cloudpickle.dumps(
            (type(self), {f.name: getattr(self, f.name) for f in fields(self)})
        )
        return hashlib.blake2b(content, digest_size=16).hexdigest(), content

    @functools.cached_property
    def _placed(self) -> Model | Estimator:
        """The model on its device; an estimator stays on the CPU."""
        return self.model.copy_on(self.device)

    @property
    def halo(self) -> int:
        """Steps that a block needs beyond those it answers for."""
        return self.recipe.window - 1 + self.recipe.shift

    @functools.cached_property
    def answers(self) -> tuple[Answer, ...]:
        """What comes out, the target first."""
        return self.model.answers

    @property
    def reach(self) -> int:
        """Rows and columns that a block needs around those it answers for."""
        return self.recipe.patch // 2

    @property
    def rows_out(self) -> int:
        """Rows of a result: the values of all outputs, and the flag."""
        return sum(answer.rows for answer in self.answers) + 1

    @property
    def batch(self) -> int:
        """Samples evaluated at a time."""
        return self.batch_size or (_BATCH if self.device == "cpu" else _BATCH_ON_DEVICE)

    def scale(self, maps: FloatArray | None, *arrays: FloatArray) -> FloatArray:
        """Scale and join the inputs of a block.

        ``maps`` (row, *space) are static inputs and the statistics by cell, None where there are
        none; ``arrays`` (time, *space) the dynamic inputs, canonical, with data integration each
        layer of the target too. Returns (time, *space, channel) float32, finite but in the last
        channel, which tells of the forcing of this step: NaN where some is missing, 1 where some
        lies beyond the range seen in training by more than a quarter of it, else 0.
        """
        steps, *space = arrays[0].shape
        look(self.guards, arrays)
        flat = [a.reshape(steps, -1) for a in arrays]
        stats = self._statistics(maps)
        count = len(self.recipe.dynamic)
        flat[:count] = as_logs(flat[:count], self.recipe.dynamic, self.recipe.logs)
        observed = np.stack(flat[count:], axis=-1) if self.recipe.data_integration else None
        channels = count + (0 if observed is None else 2 * observed.shape[2])
        joined = np.empty((steps, flat[0].shape[1], channels + 1), np.float32)
        inputs = model_inputs(flat[:count], observed, stats, shift=0, out=joined[..., :-1])
        outside, missing = np.zeros((2, *joined.shape[:2]), bool)
        without_missing(inputs, self.recipe.dynamic, self.missing)
        for i, values in enumerate(flat[:count]):
            outside |= beyond(values, stats["dynamic_min"][i], stats["dynamic_max"][i])
            missing |= ~np.isfinite(inputs[..., i])
        if missing.any():
            inputs[..., :count][missing] = 0.0  # observations stay: they pair with other steps
        joined[..., -1] = np.where(missing, np.nan, outside)
        return joined.reshape(steps, *space, channels + 1)

    def __call__(self, maps: FloatArray | None, scaled: FloatArray) -> FloatArray:
        """Predict a block.

        ``scaled`` (time + halo, *space, channel) is what :meth:`scale` returned for the steps of
        the block and the ``halo`` steps after them, and ``reach`` rows and columns around it.
        Returns (row, time, *space) float32: the values of all outputs for the windows that begin at
        each step, canonical units, NaN where a window is not whole; then 1 where a window or a
        static input lies beyond the range seen in training by more than a quarter, else 0.
        """
        space = scaled.shape[1:-1]
        series = self._shifted(scaled.reshape(len(scaled), -1, scaled.shape[-1]))
        stats = self._statistics(maps)
        own, squares = self._squares(space)
        still = [stats[f"static {name}"] for name in self.recipe.static]
        static = static_inputs(still, stats, series.shape[1])
        static = with_masks(static, self.recipe, self.missing)
        whole, outside = self._windows(series[:, own], [v[own] for v in still], stats, own)
        steps, cells = whole.shape
        scale, offset, base = (
            spread(stats[f"target_{n}"], own, cells, self.recipe.layers)
            for n in ("scale", "offset", "mean")
        )
        out = np.full((self.rows_out, steps, cells), np.nan, dtype=np.float32)
        good = np.isfinite(static[own]).all(axis=1) & np.isfinite(scale + offset).any(axis=1)
        alive = np.flatnonzero(whole.any(axis=0) & good)
        with turn_on(self.device), usual_settings(), one_intraop_thread():
            for group in _groups(alive, self._together(len(series))):
                given = self._inputs(series, static, own, squares, group)
                values = self._evaluate(*given, base[group])
                self._unscale(values, scale[group], offset[group])
                out[:-1, :, group] = np.where(whole[:, group], values, np.nan)
        out[-1] = outside & np.isfinite(out[:-1]).any(axis=0)
        inner = space if squares is None else tuple(n - 2 * self.reach for n in space)
        return out.reshape(len(out), steps, *inner)

    def tell(self, found: FloatArray, *, lazy: bool = True) -> FloatArray:
        """Return a result, and tell of values that the target cannot have."""
        mean = self.answers[0]
        if mean.name == "mean" and not self.recipe.bounded:
            self.impossible(found[: mean.rows], lazy=lazy)
        return found

    def _squares(self, space: tuple[int, ...]) -> tuple[Any, Array | None]:
        """Return the flat positions that the block answers for, and the squares around them."""
        if not self.reach:
            return slice(None), None
        inner = (slice(self.reach, -self.reach),) * 2
        own = np.arange(space[0] * space[1]).reshape(space)[inner].reshape(-1)
        return own, neighbour_table((space[0], space[1]), self.recipe.patch)[own]

    def _together(self, steps: int) -> int:
        """Return how many cells are evaluated together: their embeddings stay in the cache."""
        if type(self.model).embed in (Model.embed, Estimator.embed):  # steps as they are
            return self.batch
        return max(1, min(self.batch, _EMBEDDED // steps))

    def _inputs(
        self,
        series: FloatArray,
        static: FloatArray,
        own: Any,
        squares: Array | None,
        group: Array,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return what a group of cells brings.

        Embedded steps (time, cell, embedding), static inputs, and with data integration the
        observations with their masks (time, cell, 2 layer).
        """
        count = len(self.recipe.dynamic)
        place = group if squares is None else own[group]
        mine = _tensor(series[:, place, :-1], self.device)
        observed = mine[..., count:] if self.recipe.data_integration else None
        with torch.inference_mode():
            if squares is None:
                steps = self._placed.embed(mine)
                return steps.contiguous(), _tensor(static[place], self.device), observed
            there = np.isfinite(series[..., -1:]).astype(np.float32)
            known = np.concatenate([series[..., :-1], there], axis=-1)
            parts = []
            for first in range(0, len(known), many := max(1, _SQUARES // len(group))):
                cells = _tensor(known[first : first + many][:, squares[group]], self.device)
                parts.append(self._placed.embed(cells))
            maps = with_one(static)[squares[group]]
            return torch.cat(parts), _tensor(maps, self.device), observed

    def _unscale(self, values: FloatArray, scale: FloatArray, offset: FloatArray) -> None:
        """Bring outputs (row, time, cell) to canonical units, in place."""
        at = 0
        for answer in self.answers:
            part = values[at : at + answer.rows]
            at += answer.rows
            if answer.kind in {"share", "quantity"}:
                continue
            part *= scale.T[:, None]
            if answer.kind == "value":
                part += offset.T[:, None]
                if self.recipe.bounded:
                    low, high = _inside(offset, offset + scale)
                    np.clip(part, low.T[:, None], high.T[:, None], out=part)

    def _statistics(self, maps: FloatArray | None) -> dict[str, FloatArray]:
        """Name the statistics and static inputs of a block's cells, beside those of all cells."""
        named, at = dict(self.common), 0
        if maps is None:
            return named
        for name, count in self.rows:
            part = maps[at : at + count].reshape(count, -1)
            if name.startswith("target_"):
                named[name] = part.T
            else:
                named[name] = part if name.startswith("dynamic_") else part[0]
            at += count
        return named

    def _shifted(self, series: FloatArray) -> FloatArray:
        """Pair the observations of each step with the forcing that runs ahead of them."""
        shift, count = self.recipe.shift, len(self.recipe.dynamic)
        if not shift or not self.recipe.data_integration:
            return series[shift:]
        paired = series[shift:].copy()
        paired[..., count:-1] = series[:-shift, :, count:-1]
        return paired

    def _windows(
        self,
        series: FloatArray,
        still: Sequence[FloatArray],
        stats: Mapping[str, FloatArray],
        own: Any,
    ) -> tuple[Array, Array]:
        """Tell for each window's start and cell whether it is whole, and if anything is new.

        ``series`` and ``still`` are of the cells ``own`` that the block answers for.
        """
        state = series[..., -1]
        new = state > 0
        if self.recipe.data_integration:  # scaled from 0 to 1 over the training steps
            count = len(self.recipe.dynamic)
            observed = series[..., count : count + self.recipe.layers]
            low, scale = (spread(stats[f"target_{n}"], own, *observed.shape[1:]) for n in GOAL)
            slack = BEYOND + ROUNDING * np.maximum(np.abs(low), np.abs(low + scale)) / scale
            new |= ((observed < -slack) | (observed > 1 + slack)).any(axis=-1)
        outside = _running(new, self.recipe.window) > 0
        for i, values in enumerate(still):
            outside |= beyond(values, stats["static_min"][i], stats["static_max"][i])
        return _running(np.isnan(state), self.recipe.window) == 0, outside

    def _evaluate(
        self, series: Tensor, static: Tensor, observed: Tensor | None, base: FloatArray
    ) -> FloatArray:
        """Evaluate a group of cells at all times, ``batch`` samples at once.

        Steps lie behind each other in memory, so the windows of several steps are one view of the
        series, time outside: nothing is copied before the network joins its inputs.
        """
        window = self.recipe.window
        steps, cells = len(series) - window + 1, series.shape[1]
        many = min(max(1, self.batch // cells), steps)
        maps = static.repeat(many, *[1] * (static.dim() - 1))
        default = _tensor(base, self.device).repeat(many, 1)
        out = torch.empty((self.rows_out - 1, steps, cells), device=self.device)
        with torch.inference_mode():
            for first in range(0, steps, many):
                size = min(many, steps - first) * cells
                dynamic = _cut(series, window, first, size)
                batch: Batch = {"dynamic": dynamic, "static": maps[:size]}
                if observed is not None:
                    seen = _cut(observed.contiguous(), window, first, size)
                    batch["base"] = last_observation(seen, default[:size])
                self._keep(out, first, self._placed.evaluate_embedded(batch))
        found: FloatArray = out.double().cpu().numpy()
        return found

    def _keep(self, out: Tensor, first: int, found: Mapping[str, Any]) -> None:
        """Put the outputs of a batch where they belong."""
        at = 0
        for answer in self.answers:
            values = torch.as_tensor(found[answer.name]).view(
                -1, out.shape[2], answer.rows
            )  # (time, cell, row)
            rows = slice(at, at + answer.rows)
            out[rows, first : first + len(values)] = values.permute(2, 0, 1)
            at += answer.rows


def spread(values: FloatArray, own: Any, cells: int, layers: int) -> FloatArray:
    """Return statistics (cell, layer) of the cells that are answered for."""
    return np.broadcast_to(values[own] if len(values) > 1 else values, (cells, layers))


def _tensor(values: FloatArray, device: str) -> Tensor:
    """Send an array to a device in float32."""
    return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(device)


def _cut(series: Tensor, window: int, first: int, size: int) -> Tensor:
    """Return windows (batch, window, channel) of series (time, cell, channel), as a view."""
    _, cells, channels = series.shape
    flat = series.view(-1, channels)
    shape, strides = (window, size, channels), (cells * channels, channels, 1)
    begin = series.storage_offset() + first * cells * channels
    return flat.as_strided(shape, strides, begin).transpose(0, 1)


def _inside(low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the least and the greatest float32 within bounds."""
    least, most = low.astype(np.float32), high.astype(np.float32)
    least = np.where(least < low, np.nextafter(least, np.float32(np.inf)), least)
    most = np.where(most > high, np.nextafter(most, np.float32(-np.inf)), most)
    return least, most


def _running(events: Array, window: int) -> Array:
    """Count the events (time, cell) in each window."""
    if window == 1:
        return events
    count = np.zeros((len(events) + 1, events.shape[1]), dtype=np.int32)
    np.cumsum(events, axis=0, out=count[1:])
    windows: Array = count[window:] - count[:-window]
    return windows


def _groups(cells: Array, size: int) -> list[Array]:
    """Divide cells into groups of at most a size."""
    if not len(cells):
        return []
    return np.array_split(cells, -(-len(cells) // size))


def _arrive(name: str, content: bytes) -> Predictor:
    """Unpack a predictor that came from another process, once for each content."""
    with _GUARD:
        if name not in _ARRIVED:
            kind, given = cloudpickle.loads(content)
            _ARRIVED[name] = kind(**given)
            _ARRIVED[name].__dict__["_packed"] = (name, content)
        _ARRIVED.move_to_end(name)
        while len(_ARRIVED) > _KEPT:
            _ARRIVED.popitem(last=False)
        return _ARRIVED[name]
