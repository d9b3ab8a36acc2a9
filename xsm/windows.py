"""Windows of a block of cells: the samples of point models, compact on the device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from xsm.nn import Batch, Schedule, last_observation
from xsm.typing import Array, FloatArray

__all__ = [
    "GATHERED",
    "Windows",
    "draw_times",
    "generator",
    "in_batches",
    "model_inputs",
    "static_inputs",
]

GATHERED = 16384  # samples gathered at a time: less work for each batch, and still in the cache


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
    start : int, default: 0
        Place of the first time step in a longer series.
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
        start: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        steps, count, channels = inputs.shape
        self.window, self.lead, self.count, self.start = window, lead, count, start
        self.device = torch.device(device)
        valid = _valid(inputs[..., :forcing], series["target"], window, lead)
        self.inputs = _tensor(inputs, device).view(steps * count, channels)
        self.static = _tensor(static, device)
        self.series = {name: _tensor(a, device).view(-1) for name, a in series.items()}
        self.cells = {name: _tensor(a, device).view(-1, 1) for name, a in cells.items()}
        flat = np.flatnonzero(valid)  # v * cells + cell, ascending in v
        times, starts, counts = np.unique(flat // count, return_index=True, return_counts=True)
        self.samples = torch.from_numpy(flat).to(device)
        self.times, self.starts, self.counts = map(torch.from_numpy, (times, starts, counts))
        self._back = torch.arange(-window + 1, 1, device=device) * count

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.samples)

    def draw(
        self,
        batches: int,
        batch_size: int,
        *,
        sampling: str = "time",
        random: torch.Generator | None = None,
    ) -> Tensor:
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
        random : torch.Generator, optional
            Source of random numbers, on the CPU; by default torch's global one.

        Returns
        -------
        Tensor
            (batches, batch_size) positions in ``samples``, with replacement; on the CPU, so that
            they are the same for every device.
        """
        if sampling == "mixed":
            return torch.randint(len(self), (batches, batch_size), generator=random)
        at = draw_times(len(self.starts), int(self.counts.max()), batches, batch_size, random)
        share = torch.rand(at.shape, generator=random, dtype=torch.float64)
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
        at = self.samples[index.to(self.device)]
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

    def example(self) -> Batch:
        """Return the first sample as a batch of one."""
        return self.batch(torch.zeros(1, dtype=torch.long))

    def batches(self, epoch: int, schedule: Schedule, seed: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, gathered many at a time.

        Parameters
        ----------
        epoch : int
            Number of the epoch, from 1; with the seed it decides what is drawn.
        schedule : Schedule
            Batches of an epoch, samples of a batch, sampling.
        seed : int
            Seed of the run.

        Yields
        ------
        dict of str to Tensor
            As of :meth:`batch`.
        """
        size = schedule.batch_size
        drawn = self.draw(
            schedule.iterations,
            size,
            sampling=schedule.sampling,
            random=generator(seed, epoch),
        )
        for many in drawn.split(max(1, GATHERED // size)):
            yield from in_batches(self.batch(many.reshape(-1)), size)

    def slices(self, size: int) -> Iterator[Batch]:
        """Yield all samples in order, at most ``size`` in a batch."""
        for index in torch.arange(len(self)).split(size):
            yield self.batch(index)

    def describe(self) -> str:
        """Return how many samples of how many cells there are."""
        return f"{self.count:,} cells, {len(self):,} samples"

    def close(self) -> None:
        """Release nothing: the samples are resident."""


def generator(*seeds: int) -> torch.Generator:
    """Return a source of random numbers that depends on whole numbers alone.

    Parameters
    ----------
    *seeds : int
        Such as the seed of the run and the number of the epoch: what is drawn in an epoch does not
        depend on what was drawn before, so that a run can go on at any of them.

    Returns
    -------
    torch.Generator
        On the CPU, so that draws are the same on every device.

    Examples
    --------
    >>> a, b = (torch.rand(1, generator=generator(0, k)) for k in (1, 2))
    >>> bool(a == b), bool(a == torch.rand(1, generator=generator(0, 1)))
    (False, True)
    """
    state = np.random.SeedSequence([s & 0xFFFFFFFFFFFFFFFF for s in seeds]).generate_state(
        1, np.uint64
    )
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))


def in_batches(gathered: Batch, size: int) -> Iterator[Batch]:
    """Cut gathered samples into batches, which are views.

    Parameters
    ----------
    gathered : dict of str to Tensor
        Samples along the first dimension.
    size : int
        Samples of a batch.

    Yields
    ------
    dict of str to Tensor
        Batches in order.

    Examples
    --------
    >>> [b["x"].tolist() for b in in_batches({"x": torch.arange(4)}, 2)]
    [[0, 1], [2, 3]]
    """
    cut = {name: values.split(size) for name, values in gathered.items()}
    for i in range(len(next(iter(cut.values())))):
        yield {name: parts[i] for name, parts in cut.items()}


def draw_times(
    times: int, cells: int, batches: int, batch_size: int, random: torch.Generator | None
) -> Tensor:
    """Draw the time of each sample: one for a batch, several where a time has too few cells.

    Parameters
    ----------
    times : int
        Number of times.
    cells : int
        Most samples that one time holds.
    batches, batch_size : int
        Number of batches, samples in each.
    random : torch.Generator or None
        Source of random numbers.

    Returns
    -------
    Tensor
        (batches, batch_size), whole numbers below ``times``.

    Examples
    --------
    >>> drawn = draw_times(100, 8, 2, 4, generator(0))
    >>> [len(set(row)) for row in drawn.tolist()]
    [1, 1]
    """
    many = -(-batch_size // min(batch_size, cells))
    at = torch.randint(times, (batches, many), generator=random)
    return at.repeat_interleave(-(-batch_size // many), dim=1)[:, :batch_size]


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


def static_inputs(
    maps: list[FloatArray], stats: Mapping[str, FloatArray], cells: int
) -> FloatArray:
    """Scale static maps and join them.

    Parameters
    ----------
    maps : list of ndarray
        Canonical inputs, each (cell,).
    stats : mapping of str to ndarray
        ``static_offset`` and ``static_scale`` (static,).
    cells : int
        Number of cells.

    Returns
    -------
    ndarray
        (cell, static), float32; NaN stays NaN.

    Examples
    --------
    >>> stats = {"static_offset": np.array([100.0]), "static_scale": np.array([50.0])}
    >>> static_inputs([np.array([100.0, 200.0])], stats, 2).tolist()
    [[0.0], [2.0]]
    """
    joined = np.empty((cells, len(maps)), dtype=np.float32)
    for i, values in enumerate(maps):
        joined[:, i] = (values - stats["static_offset"][i]) / stats["static_scale"][i]
    return joined
