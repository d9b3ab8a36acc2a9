"""Fields and their patches: the samples of models that downscale, compact on the device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from xsm.fields.frame import Arrays
from xsm.nn import Batch, Schedule
from xsm.training.seeds import generator
from xsm.typing import Array

__all__ = ["Fields", "gather_patch"]


def gather_patch(
    arrays: Mapping[str, Tensor],
    step: int,
    corner: tuple[int, int],
    *,
    size: tuple[int, int],
    window: int,
    base_scale: float,
    hide: Tensor | None = None,
) -> Batch:
    """Cut a patch out of fields.

    Parameters
    ----------
    arrays : mapping of str to Tensor
        As of :meth:`Frame.inputs`, and series (step, 1, y, x) that the loss terms need.
    step : int
        Which window.
    corner : tuple of int
        Its first coarse row and column; columns beyond the last go on at the first.
    size : tuple of int
        Its coarse rows and columns.
    window : int
        Steps of input.
    base_scale : float
        Scale of the base as an input.
    hide : Tensor, optional
        (y, x) of the patch, true where the anchor is to be hidden.

    Returns
    -------
    dict of str to Tensor
        One sample, without the dimension of the batch, see :class:`xsm.nn.FieldModel`.

    Examples
    --------
    >>> fine = ("plain", "regional", "local", "covariate", "valid")
    >>> arrays = {n: torch.ones(7, 1, 8, 8) for n in fine}
    >>> arrays |= {n: torch.ones(12, 1, 4, 4) for n in ("dynamic", "coarse", "present")}
    >>> arrays |= {"area": torch.ones(1, 8, 8)}
    >>> patch = gather_patch(arrays, 0, (1, 2), size=(2, 2), window=6, base_scale=1.0)
    >>> patch["dynamic"].shape, patch["fine"].shape
    (torch.Size([6, 1, 2, 2]), torch.Size([4, 4, 4]))
    """
    height, width = arrays["present"].shape[-2:]
    high, wide = (a // b for a, b in zip(arrays["plain"].shape[-2:], (height, width), strict=True))
    device = arrays["plain"].device
    columns = torch.arange(corner[1], corner[1] + size[1], device=device) % width
    rows = slice(corner[0], corner[0] + size[0])
    across = (columns[:, None] * wide + torch.arange(wide, device=device)).reshape(-1)
    down = slice(corner[0] * high, (corner[0] + size[0]) * high)
    end = step + window - 1
    coarse = {n: arrays[n][end, :, rows][..., columns] for n in ("coarse", "present")}
    others = [n for n in arrays if n not in {"dynamic", "coarse", "present", "area"}]
    fine = {n: arrays[n][step, :, down][..., across] for n in others}
    batch = {**coarse, "dynamic": arrays["dynamic"][step : end + 1, :, rows][..., columns]}
    plain, local, regional = (fine.pop(name) for name in ("plain", "local", "regional"))
    known = torch.isfinite(local)
    if hide is not None:
        known = known & ~hide
    base = torch.where(known, local, regional)
    parts = [plain / base_scale, base - plain, known.to(plain.dtype), fine.pop("covariate")]
    batch |= fine | {"base": base, "fine": torch.cat(parts)}
    batch["area"] = arrays["area"][:, down][..., across] * batch["valid"]
    return batch


class Fields:
    """Samples of fields: patches of windows, drawn at random places or in order.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        As of :meth:`Frame.inputs`, with ``target`` and other series (step, 1, y, x), NaN where
        missing.
    steps : sequence of int
        Windows that are samples.
    window : int
        Steps of input.
    patch : tuple of int
        Coarse rows and columns of a patch, at most those of the fields.
    ring : bool, default: False
        The columns go around the globe.
    base_scale : float, default: 1.0
        Scale of the base as an input.
    hide : float, default: 0.0
        Share of the coarse cells of a patch whose anchors are hidden in training, so that the
        network learns to do without.
    device : str or torch.device, default: "cpu"
        Where the tensors lie.
    most : int, optional
        Patches that :meth:`slices` yields at most, drawn evenly from all; by default all.
    """

    def __init__(  # noqa: PLR0913
        self,
        arrays: Arrays,
        steps: Array,
        *,
        window: int,
        patch: tuple[int, int],
        ring: bool = False,
        base_scale: float = 1.0,
        hide: float = 0.0,
        device: str | torch.device = "cpu",
        most: int | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.arrays = {k: torch.from_numpy(np.asarray(v)).to(device) for k, v in arrays.items()}
        self.window, self.patch, self.ring = window, patch, ring
        self.base_scale, self.hide = base_scale, hide
        self.steps = [int(k) for k in steps if np.isfinite(arrays["target"][k]).any()]
        self.corners = [(y, x) for y in self._starts(0) for x in self._starts(1)]
        pairs = [(k, corner) for k in self.steps for corner in self.corners]
        target = self.arrays["target"]
        self.places = [p for p in pairs if torch.isfinite(self._fine(target, *p)).any()]
        if most is not None and len(self.places) > most:
            self.places = [self.places[k * len(self.places) // most] for k in range(most)]

    def __len__(self) -> int:
        """Return the number of patches that cover all fields."""
        return len(self.places)

    def _starts(self, axis: int) -> list[int]:
        """Return first cells of patches that cover an axis."""
        cells, size = self.arrays["present"].shape[-2 + axis], self.patch[axis]
        return sorted({min(k, cells - size) for k in range(0, cells, size)})

    def _fine(self, series: Tensor, step: int, corner: tuple[int, int]) -> Tensor:
        """Return a patch of a fine series; columns beyond the last go on at the first."""
        height, width = self.arrays["present"].shape[-2:]
        high, wide = series.shape[-2] // height, series.shape[-1] // width
        columns = torch.arange(corner[1] * wide, (corner[1] + self.patch[1]) * wide)
        rows = slice(corner[0] * high, (corner[0] + self.patch[0]) * high)
        return series[step, :, rows][..., columns % series.shape[-1]]

    def _cut(self, step: int, corner: tuple[int, int], hide: Tensor | None = None) -> Batch:
        """Return one sample."""
        found = gather_patch(
            self.arrays,
            step,
            corner,
            size=self.patch,
            window=self.window,
            base_scale=self.base_scale,
            hide=hide,
        )
        found["mask"] = torch.isfinite(found["target"]) & (found["valid"] > 0)
        return found

    def example(self) -> Batch:
        """Return the first sample as a batch of one."""
        return _stacked([self._cut(*self.places[0])])

    def batches(self, epoch: int, schedule: Schedule, seed: int) -> Iterator[Batch]:
        """Yield the batches of an epoch.

        Parameters
        ----------
        epoch : int
            Number of the epoch, from 1; with the seed it decides what is drawn.
        schedule : Schedule
            Batches of an epoch, samples of a batch.
        seed : int
            Seed of the run.

        Yields
        ------
        dict of str to Tensor
            Patches at random windows and places.
        """
        random = generator(seed, epoch)
        for _ in range(schedule.iterations):
            yield _stacked([self._draw(random) for _ in range(schedule.batch_size)])

    def _draw(self, random: torch.Generator) -> Batch:
        """Return a patch at a random window and place, some of its anchors hidden."""
        step = self.steps[int(torch.randint(len(self.steps), (1,), generator=random))]
        height, width = self.arrays["present"].shape[-2:]
        last = (height - self.patch[0] + 1, width if self.ring else width - self.patch[1] + 1)
        y, x = (int(torch.randint(n, (1,), generator=random)) for n in last)
        hide = None
        if self.hide:
            rows, columns = self.arrays["plain"].shape[-2:]
            drawn = torch.rand(self.patch, generator=random) < self.hide
            hide = drawn.repeat_interleave(rows // height, 0)
            hide = hide.repeat_interleave(columns // width, 1).to(self.device)
        return self._cut(step, (y, x), hide)

    def slices(self, size: int) -> Iterator[Batch]:
        """Yield all patches in order, a few at a time."""
        few = min(size, 8)
        for first in range(0, len(self.places), few):
            yield _stacked([self._cut(*place) for place in self.places[first : first + few]])

    def describe(self) -> str:
        """Return how many patches of how many fields there are."""
        high, wide = self.patch
        return f"{len(self.steps)} fields, {len(self):,} patches of {high} x {wide} coarse cells"

    def close(self) -> None:
        """Release nothing: the fields are resident."""


def _stacked(samples: list[Batch]) -> Batch:
    """Join samples to a batch."""
    return {name: torch.stack([s[name] for s in samples]) for name in samples[0]}
