"""Windows of a block of cells: the samples that train, compact on the device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from xsm.cells.areas import Runs, draw_runs, runs_of, with_ends
from xsm.cells.hidden import Hidden
from xsm.cells.inputs import with_one, with_presence
from xsm.nn import Batch, Schedule, last_observation
from xsm.training.seeds import generator
from xsm.typing import Array, FloatArray

__all__ = [
    "GATHERED",
    "Windows",
    "draw_times",
    "in_batches",
    "most_evaluated",
    "most_samples",
    "valid_samples",
]


GATHERED = 16384  # samples gathered at a time: less work for each batch, and still in the cache
_BYTES = 2**25  # of samples with neighbours at a time
_EVALUATED = 2**16  # steps evaluated at a time without training: the LSTM keeps each of a piece


class Windows:
    """All samples of a period: valid cells only, float32, gathered by index.

    A sample is a cell and a time v, the last of its ``answered`` steps. The window of a step ends
    ``lead`` before it. Samples whose inputs hold NaN, or without a target at v, do not exist; those
    of earlier answered steps may be missing.

    Parameters
    ----------
    inputs : ndarray
        (position, cell, dynamic), scaled; position p is the end of a window.
    static : ndarray
        (cell, static), scaled.
    series : mapping of str to ndarray
        (time, cell [, layer]): ``target`` and what the loss terms need, scaled.
    cells : mapping of str to ndarray
        (cell [, layer]): ``target_offset``, ``target_scale``, with data integration ``base``, and
        what the loss terms need.
    window, lead, answered : int
        Steps of input, steps from a window's end to the target, and last steps of a sample that are
        answered: their windows come together, as further steps at the front.
    forcing : int
        The first so many channels of ``inputs`` must be finite.
    complete : bool, default: False
        All layers of the target must be observed, not only one.
    warmup : int, optional
        Samples need an observation at any of the answered steps after the first so many, instead of
        at the last.
    neighbours : ndarray, optional
        (cell, place): for each cell with samples, the cells of the square around it by their
        positions in ``inputs`` and ``static``, which hold more cells then; the cell itself is in
        the middle; one past the last is a cell that does not exist.
    start : int, default: 0
        Place of the first time step in a longer series.
    hidden : Hidden, optional
        Inputs that are hidden from some samples that train.
    device : str or torch.device, default: "cpu"
        Where the tensors lie.
    """

    def __init__(  # noqa: PLR0913
        self,
        inputs: FloatArray,
        static: FloatArray,
        series: Mapping[str, FloatArray],
        cells: Mapping[str, FloatArray],
        *,
        window: int,
        lead: int,
        forcing: int,
        answered: int = 1,
        complete: bool = False,
        warmup: int | None = None,
        neighbours: Array | None = None,
        start: int = 0,
        hidden: Hidden | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        target = series["target"]
        self.hidden = hidden
        self.window, self.lead, self.count = window, lead, target.shape[1]
        self.start, self.device, self.answered = start, torch.device(device), answered
        whole = np.asarray(np.isfinite(inputs[..., :forcing]).all(axis=-1))
        own = whole if neighbours is None else whole[:, neighbours[:, neighbours.shape[1] // 2]]
        layers = np.isfinite(_layered(target, 3))
        seen = layers.all(axis=-1) if complete else layers.any(axis=-1)
        seen = np.asarray(seen)
        seen = seen if warmup is None else _any_of_last(seen, answered - warmup)
        valid = valid_samples(own, seen, window + answered - 1, lead)
        self.around = None
        if neighbours is not None:
            inputs, static = with_presence(inputs, whole, forcing), with_one(static)
            self.around = torch.from_numpy(neighbours.astype(np.int64)).to(device)
        self.wide = inputs.shape[1]
        self.observed = slice(forcing, inputs.shape[2] - (neighbours is not None))
        self.inputs = _tensor(inputs, device).view(-1, inputs.shape[2])
        self.static = _tensor(static, device)
        moving = {name: _tensor(_layered(a, 3), device) for name, a in series.items()}
        self.series = {name: values.flatten(0, 1) for name, values in moving.items()}
        self.cells = {name: _tensor(_layered(a, 2), device) for name, a in cells.items()}
        samples = np.flatnonzero(valid)  # v * cells + cell, ascending in v
        times, starts, counts = np.unique(
            samples // self.count, return_index=True, return_counts=True
        )
        self.samples = torch.from_numpy(samples).to(device)
        self.times, self.starts, self.counts = map(torch.from_numpy, (times, starts, counts))
        places = 1 if neighbours is None else neighbours.shape[1]
        like = torch.empty(1, window + answered - 1, places, inputs.shape[2])
        self.many, self.together = most_samples(like), most_evaluated(like)
        self._back = torch.arange(-window - answered + 2, 1, device=device)
        self._ago = self.count * torch.arange(1 - answered, 1, device=device)

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.samples)

    @property
    def runs(self) -> Runs | None:
        """The samples of each area at each time; None where no mean over areas is compared."""
        area = self.cells.get("area")
        return None if area is None else runs_of(self.samples, self.count, area)

    def shuffled(self, random: torch.Generator) -> Tensor:
        """Return the positions of all samples in random order, those of an area together."""
        runs = self.runs
        return (
            torch.randperm(len(self), generator=random) if runs is None else runs.shuffled(random)
        )

    def draw(
        self,
        batches: int,
        batch_size: int,
        *,
        sampling: str = "time",
        random: torch.Generator | None = None,
    ) -> Tensor:
        """Draw random samples: (batches, batch_size) positions in ``samples``, with replacement.

        ``"time"`` takes the cells of a batch at one random time (Fang and Shen 2020; at several
        times where a time holds fewer cells than a batch, so that a single series trains too),
        ``"mixed"`` takes each sample at its own; those of an area, whose mean is compared, come
        together. Drawn on the CPU, the same for every device.
        """
        if (runs := self.runs) is not None:
            run, inside = draw_runs(runs.counts, batches, batch_size, random)
            return runs.order[runs.starts[run] + inside]
        if sampling == "mixed":
            return torch.randint(len(self), (batches, batch_size), generator=random)
        at = draw_times(len(self.starts), int(self.counts.max()), batches, batch_size, random)
        share = torch.rand(at.shape, generator=random, dtype=torch.float64)
        return self.starts[at] + (share * self.counts[at]).long()

    def sight(self, batches: int, size: int, random: torch.Generator) -> Batch | None:
        """Draw what samples that train are shown; None where it is all: here, ``known`` inputs."""
        if self.hidden is None:
            return None
        return {"known": self.hidden.draw(batches * size, random)}

    def apart(self, last: int, *, first: bool = False) -> Windows:
        """Keep samples that answer no step twice: all, where each answers one."""
        return self

    def batch(self, index: Tensor, sight: Batch | None = None) -> Batch:
        """Gather samples by their positions (batch,) in ``samples``, with a :meth:`sight` of each.

        ``dynamic`` is (batch, window + answered - 1, [cell,] dynamic), ``static`` (batch, [cell,]
        static), all else (batch, 1 or layer): ``target``, ``mask``, ``target_offset`` and
        ``target_scale``, ``base`` with data integration, what the loss terms need. With several
        answered steps that is (batch, answered, 1 or layer), or (batch, 1, 1 or layer)
        where it does not change with time.
        """
        at = self.samples.index_select(0, index.to(self.device))
        cell = at % self.count
        steps = (at // self.count - self.lead).unsqueeze(1) + self._back  # (batch, window)
        there = cell.unsqueeze(1) if self.around is None else self.around[cell]  # (batch, cell)
        rows = (steps * self.wide).unsqueeze(2) + there.unsqueeze(1)  # (batch, window, cell)
        dynamic = self.inputs.index_select(0, rows.view(-1)).view(*rows.shape, -1)
        static = self.static[there]
        own = there.shape[1] // 2
        ends = (at.unsqueeze(1) + self._ago).view(-1)  # (batch * answered,)
        moving = {name: values.index_select(0, ends) for name, values in self.series.items()}
        still = {name: values.index_select(0, cell) for name, values in self.cells.items()}
        still = with_ends(still, self.start + at // self.count)
        moving["mask"] = torch.isfinite(moving["target"])
        if "base" in still:
            observed = dynamic[:, :, own, self.observed].unfold(1, self.window, 1)
            default = still.pop("base").unsqueeze(1)
            # (batch, answered, window, 2 layer): a window for each answered step
            moving["base"] = last_observation(observed.transpose(2, 3), default)
        batch = self._by_step(still, 1) | self._by_step(moving, self.answered)
        if self.around is None:
            dynamic, static = dynamic.squeeze(2), static.squeeze(1)
        if self.hidden is not None:
            known = self.hidden.told(len(at)) if sight is None else sight["known"]
            around = self.around is not None
            dynamic, static = self.hidden.hide(dynamic, static, known, around=around)
        return {"dynamic": dynamic, "static": static, **batch}

    def _by_step(self, rows: Batch, steps: int) -> Batch:
        """Return rows as (batch, steps, layer); of one answered step as (batch, layer)."""
        if self.answered == 1:
            return {name: values.reshape(-1, values.shape[-1]) for name, values in rows.items()}
        return {name: values.reshape(-1, steps, values.shape[-1]) for name, values in rows.items()}

    def example(self) -> Batch:
        """Return the first sample as a batch of one."""
        return self.batch(torch.zeros(1, dtype=torch.long))

    def batches(self, epoch: int, schedule: Schedule, seed: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, from 1, gathered many at a time; seed and epoch decide."""
        size = schedule.batch_size
        random = generator(seed, epoch)
        drawn = self.draw(schedule.iterations, size, sampling=schedule.sampling, random=random)
        for many in drawn.split(max(1, min(GATHERED, self.many) // size)):
            sight = self.sight(len(many), size, random)
            yield from in_batches(self.batch(many.reshape(-1), sight), size)

    def slices(self, size: int) -> Iterator[Batch]:
        """Yield all samples in order, at most ``size`` in a batch."""
        for index in torch.arange(len(self)).split(min(size, self.together)):
            yield self.batch(index)

    def describe(self) -> str:
        """Return how many samples of how many cells there are."""
        return f"{self.count:,} cells, {len(self):,} samples"

    def close(self) -> None:
        """Release nothing: the samples are resident."""


def most_samples(dynamic: Tensor) -> int:
    """Return how many samples to handle at a time: those of 32 MiB, at least 64.

    ``dynamic`` is (batch, window, [cell,] dynamic) of some samples.
    """
    return max(64, _BYTES // (4 * dynamic[0].numel()))


def most_evaluated(dynamic: Tensor) -> int:
    """Return how many samples such as some to evaluate at a time: long ones are fewer."""
    return max(1, min(most_samples(dynamic), _EVALUATED // dynamic.shape[1]))


def in_batches(gathered: Batch, size: int) -> Iterator[Batch]:
    """Cut gathered samples into batches of ``size`` in order, which are views."""
    cut = {name: values.split(size) for name, values in gathered.items()}
    for i in range(len(next(iter(cut.values())))):
        yield {name: parts[i] for name, parts in cut.items()}


def draw_times(
    times: int, cells: int, batches: int, batch_size: int, random: torch.Generator | None
) -> Tensor:
    """Draw the time of each sample: one for a batch, several where a time has too few cells.

    Returns (batches, batch_size), whole numbers below ``times``; ``cells`` is the most samples that
    one time holds.
    """
    many = -(-batch_size // min(batch_size, cells))
    at = torch.randint(times, (batches, many), generator=random)
    return at.repeat_interleave(-(-batch_size // many), dim=1)[:, :batch_size]


def _tensor(values: FloatArray, device: str | torch.device) -> Tensor:
    """Send an array to a device in float32."""
    return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(device)


def _layered(values: FloatArray, axes: int) -> FloatArray:
    """Return an array with an axis of layers, of one where it has none."""
    return values if values.ndim == axes else values[..., np.newaxis]


def _any_of_last(events: Array, steps: int) -> Array:
    """Tell for each time and cell whether any of the last so many steps has an event."""
    count = np.zeros((len(events) + 1, events.shape[1]), dtype=np.int32)
    np.cumsum(events, axis=0, out=count[1:])
    before = np.maximum(np.arange(len(events)) + 1 - steps, 0)
    return np.asarray(count[1:] > count[before])


def valid_samples(whole: Array, observed: Array, window: int, lead: int) -> Array:
    """Tell for each (time, cell) whether its window is whole and its target observed."""
    good = np.zeros((whole.shape[0] + 1, whole.shape[1]), dtype=np.int32)
    np.cumsum(whole, axis=0, out=good[1:])
    valid = np.zeros(observed.shape, dtype=bool)
    ends = good[window:] - good[:-window] == window  # windows that end at window - 1, ...
    ends = ends[: max(0, observed.shape[0] - (window - 1 + lead))]
    valid[window - 1 + lead : window - 1 + lead + len(ends)] = ends
    return valid & observed
