"""Samples of data larger than memory: a pool of blocks, refilled from the store by a thread."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from xsm.cells.areas import Runs, draw_runs, places
from xsm.cells.windows import Windows, draw_times, in_batches, most_evaluated
from xsm.exceptions import NotEnoughDataError
from xsm.nn import Batch, Schedule
from xsm.training.seeds import generator

__all__ = ["Block", "Drawn", "Stream", "draw_evenly"]


_USES = 2  # draws of a sample, on average, while its block is in the pool

Block = Callable[[torch.Generator | None], Windows]
"""A part of the data, read when it is called; its windows lie on the CPU. It may keep some of its
cells, chosen by the random numbers that it is given; without, it keeps all."""


class Stream:
    """Samples drawn from a pool of blocks, one of which is replaced from time to time.

    A run is what is gathered at once: some batches, drawn from all blocks of the pool as
    :meth:`xsm.cells.windows.Windows.draw` would draw them from one. While a run is trained on, a
    thread reads the next block and gathers the next run. Every block is visited once, in random
    order, before one is visited again, and stays until twice as many samples were drawn from it as
    it holds. (As many as it holds takes twice the reading, and trains no better: RMSE from a pool
    of a quarter of the data, after 1,600 batches of 256, is 0.0009 +- 0.0013 higher then, of
    0.176, in 20 pairs of runs.)

    What is drawn depends on the seed and on the number of the run alone, never on the speed of the
    store or on when training was resumed.

    Parameters
    ----------
    blocks : sequence of callables
        Each reads a part of the data.
    slots : int
        Blocks in the pool.
    steps : int
        Time steps of the data, in which ``Windows.start`` counts.
    samples : int
        Samples of a block, about: says when a block has served, after twice as many draws.
    gathered : int, default: 16384
        Samples of a run, about.
    refill : bool, default: True
        Read blocks again, which then may keep other cells; False where the pool holds all there is.
    device : str or torch.device, default: "cpu"
        Where batches are wanted.

    Examples
    --------
    >>> import numpy as np
    >>> def block(start):
    ...     series = np.arange(start, start + 20.0).reshape(20, 1)
    ...     cells = {"target_offset": np.zeros(1), "target_scale": np.ones(1)}
    ...     given = series[..., None], np.zeros((1, 0)), {"target": series}, cells
    ...     return Windows(*given, window=3, lead=1, forcing=1, start=start)
    >>> blocks = [lambda _, k=k: block(k) for k in (0, 20, 40)]
    >>> stream = Stream(blocks, slots=2, steps=60, samples=17, gathered=8)
    >>> schedule = Schedule(iterations=5, batch_size=4)
    >>> batches = list(stream.batches(1, schedule, seed=0))
    >>> len(batches), batches[0]["dynamic"].shape
    (5, torch.Size([4, 3, 1]))
    >>> stream.close()
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        *,
        slots: int,
        steps: int,
        samples: int,
        gathered: int = 16384,
        refill: bool = True,
        device: str | torch.device = "cpu",
    ) -> None:
        self.blocks, self.steps, self.device = list(blocks), steps, torch.device(device)
        self.slots, self.refill = min(slots, len(self.blocks)), refill
        self.samples, self.gathered = samples, gathered
        self._pool: dict[int, tuple[int, Windows]] = {}  # slot: (place in the order, windows)
        self._reader = ThreadPoolExecutor(  # on one core: the others train
            1, "xsm-reader", initializer=torch.set_num_threads, initargs=(1,)
        )
        self._at = -1
        self._flow: Iterator[Batch] = iter(())

    def example(self) -> Batch:
        """Return the first sample as a batch of one."""
        for block in self.blocks:
            windows = block(None)
            if len(windows):
                return _to(windows.example(), self.device)
        raise NotEnoughDataError(_nothing(len(self.blocks)))

    def batches(self, epoch: int, schedule: Schedule, seed: int) -> Iterator[Batch]:
        """Yield the batches of an epoch.

        Parameters
        ----------
        epoch : int
            Number of the epoch, from 1.
        schedule : Schedule
            Batches of an epoch, samples of a batch, sampling.
        seed : int
            Seed of the run.

        Yields
        ------
        dict of str to Tensor
            As of :meth:`xsm.cells.windows.Windows.batch`.
        """
        first = (epoch - 1) * schedule.iterations
        if self._at != first:
            self._flow = self._runs(first, schedule, seed)
        self._at = epoch * schedule.iterations
        yield from itertools.islice(self._flow, schedule.iterations)

    def describe(self) -> str:
        """Return in how many blocks the samples are read."""
        held = f"{self.slots} at a time" if self.refill else "all"
        return f"{len(self.blocks)} blocks, about {self.samples:,} samples of each, {held}"

    def close(self) -> None:
        """Stop reading, and forget the pool."""
        self._reader.shutdown(wait=True, cancel_futures=True)
        self._pool.clear()

    def _runs(self, first: int, schedule: Schedule, seed: int) -> Iterator[Batch]:
        """Yield batch after batch, from a given one on, a run ahead of what is trained."""
        many = max(1, self.gathered // schedule.batch_size)  # batches of a run
        start = first // many
        run = self._reader.submit(self._run, start, many, schedule, seed)
        for number in itertools.count(start):
            made = _to(run.result(), self.device)
            run = self._reader.submit(self._run, number + 1, many, schedule, seed)
            skip = max(0, first - number * many)
            yield from itertools.islice(in_batches(made, schedule.batch_size), skip, None)

    def _run(self, number: int, many: int, schedule: Schedule, seed: int) -> Batch:
        """Read what is due and gather a run."""
        every = max(1, round(_USES * self.samples / (many * schedule.batch_size)))
        pool = self._fill(number // every, seed)
        random = generator(seed, 2, number)
        size = schedule.batch_size
        slot, index = _draw(pool, self.steps, many, size, schedule.sampling, random)
        sight = pool[0].sight(many, size, random)
        return _gather(pool, slot.view(-1), index.view(-1), sight)

    def _fill(self, turn: int, seed: int) -> list[Windows]:
        """Return the pool of a turn: as many blocks of the endless order, from the turn on."""
        if not self.refill:
            turn = 0
        for place in range(turn, turn + self.slots):
            slot = place % self.slots
            if self._pool.get(slot, (-1,))[0] != place:
                self._pool.pop(slot, None)  # its memory is free before the next block is read
                block = self.blocks[self._block(place, seed)]
                self._pool[slot] = place, block(generator(seed, 5, place))
        pool = [self._pool[slot][1] for slot in sorted(self._pool)]
        if not any(map(len, pool)):
            raise NotEnoughDataError(_nothing(len(pool)))
        return pool

    def _block(self, place: int, seed: int) -> int:
        """Return the number of the block at a place of the endless order."""
        visit, at = divmod(place, len(self.blocks))
        order = torch.randperm(len(self.blocks), generator=generator(seed, 1, visit))
        return int(order[at])


class Drawn:
    """Samples that were drawn once and are kept: what validates data larger than memory.

    Parameters
    ----------
    batch : dict of str to Tensor
        Samples along the first dimension.
    """

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.batch["target"])

    def slices(self, size: int) -> Iterator[Batch]:
        """Yield all samples in order, at most ``size`` in a batch."""
        yield from in_batches(self.batch, min(size, most_evaluated(self.batch["dynamic"])))


def draw_evenly(
    blocks: Sequence[Block], *, share: float, seed: int, device: str | torch.device = "cpu"
) -> Drawn:
    """Read every block once and keep a random share of its samples.

    Parameters
    ----------
    blocks : sequence of callables
        Each reads a part of the data.
    share : float
        Share of the samples to keep, up to 1.
    seed : int
        Seed of the choice.
    device : str or torch.device, default: "cpu"
        Where the samples are wanted.

    Returns
    -------
    Drawn
        The samples, each block's in their order in time.

    Raises
    ------
    NotEnoughDataError
        If there is not one sample.

    Examples
    --------
    >>> import numpy as np
    >>> series = np.arange(20.0).reshape(20, 1)
    >>> cells = {"target_offset": np.zeros(1), "target_scale": np.ones(1)}
    >>> given = series[..., None], np.zeros((1, 0)), {"target": series}, cells
    >>> windows = Windows(*given, window=3, lead=1, forcing=1)
    >>> len(windows), len(draw_evenly([lambda _: windows], share=0.5, seed=0))
    (17, 9)
    """
    parts = []
    for number, block in enumerate(blocks):
        windows = block(None)
        if len(windows):
            count = -int(-share * len(windows) // 1)  # at least one
            order = windows.shuffled(generator(seed, 3, number))
            parts.append(windows.batch(order[:count].sort().values))
    if not parts:
        raise NotEnoughDataError(_nothing(len(blocks)))
    return Drawn(_to({name: torch.cat([p[name] for p in parts]) for name in parts[0]}, device))


def _draw(
    pool: Sequence[Windows],
    steps: int,
    batches: int,
    size: int,
    sampling: str,
    random: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Draw samples from all blocks of a pool: the slot and the position in it, each (batch, size).

    With ``"time"``, a time is drawn as likely as any other that has samples, then cells at it; of
    areas, whole ones.
    """
    if areas := [runs for windows in pool if (runs := windows.runs) is not None]:
        return _draw_areas(areas, batches, size, random)
    if sampling == "mixed":
        held = torch.tensor([len(windows) for windows in pool])
        share = torch.rand(batches, size, generator=random, dtype=torch.float64)
        return places(held, (share * held.sum()).long())
    by_time, starts = torch.zeros((2, steps, len(pool)), dtype=torch.long)
    for s, windows in enumerate(pool):
        by_time[windows.start + windows.times, s] = windows.counts
        starts[windows.start + windows.times, s] = windows.starts
    together = by_time.sum(1)
    some = together.nonzero().squeeze(1)
    at = some[draw_times(len(some), int(together.max()), batches, size, random)]
    share = torch.rand(at.shape, generator=random, dtype=torch.float64)
    earlier = together.cumsum(0) - together
    rank = earlier[at] + (share * together[at]).long()
    run, inside = places(by_time.view(-1), rank)  # a run is a time in a slot
    return run % len(pool), starts.view(-1)[run] + inside


def _draw_areas(
    held: Sequence[Runs], batches: int, size: int, random: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw the samples of whole areas, whose runs each slot holds."""
    many = torch.tensor([len(runs.counts) for runs in held])
    counts = torch.cat([runs.counts for runs in held])
    run, inside = draw_runs(counts, batches, size, random)
    slot = torch.arange(len(held)).repeat_interleave(many)[run]
    before = torch.tensor([0, *(len(runs.order) for runs in held[:-1])]).cumsum(0)
    starts = torch.cat([runs.starts + first for runs, first in zip(held, before, strict=True)])
    return slot, torch.cat([runs.order for runs in held])[starts[run] + inside]


def _gather(
    pool: Sequence[Windows], slot: Tensor, index: Tensor, sight: Batch | None = None
) -> Batch:
    """Gather samples block by block, and put them in the order in which they were drawn."""
    order = slot.argsort(stable=True)
    counts = slot.bincount(minlength=len(pool)).tolist()
    parts = []
    for windows, rows in zip(pool, order.split(counts), strict=True):
        if len(rows):
            own = None if sight is None else {n: v[rows] for n, v in sight.items()}
            parts.append(windows.batch(index[rows], own))
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    return {n: torch.cat([p[n] for p in parts]).index_select(0, place) for n in parts[0]}


def _to(batch: Batch, device: str | torch.device) -> Batch:
    """Send samples to a device; to a GPU from pinned memory, while the host goes on."""
    device = torch.device(device)
    if device.type == "cpu":
        return batch
    pin = device.type == "cuda"
    return {
        name: (values.pin_memory() if pin else values).to(device, non_blocking=pin)
        for name, values in batch.items()
    }


def _nothing(blocks: int) -> str:
    """Say that there is no sample."""
    return (
        f"Not one whole sample in {blocks} blocks of the data: each takes a window of inputs "
        "without NaN and an observed target. Fill gaps of the inputs, leave out inputs with gaps "
        "(dynamic=[...]), or give a longer series."
    )
