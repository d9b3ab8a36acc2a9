"""The samples that train and that validate, within a limit of memory: resident or streamed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
import xarray as xr

from xsm.cells.areas import plan_areas
from xsm.cells.blocks import plan_blocks
from xsm.cells.features import Features
from xsm.cells.reading import make_windows, read_block
from xsm.cells.stream import Block, Drawn, Stream, draw_evenly
from xsm.cells.windows import GATHERED, Windows
from xsm.exceptions import warn_outside
from xsm.training.recipe import Recipe
from xsm.training.splits import Split

__all__ = ["fits", "make_samples"]


# Of a block that is read, a random quarter of the cells stays in the pool, so that as many bytes
# hold cells of four times as many blocks. Measured with a pool of a third of the data, RMSE of
# three seeds after 1,600 batches: 0.1742 from memory; 0.1795 and 0.1834 (chunks along space, along
# time) where blocks stay whole; 0.1767 and 0.1762 with a quarter.
_THIN = 4
_SLOTS, _SPARE = 32, 24  # blocks in the pool; what takes room while one is read and a run gathered
_VALIDATION = 131_072  # samples that validate: their RMSE is known to 0.2 %
_VALIDATION_BYTES = 2**28  # fewer where samples hold neighbours


def fits(features: Features, limit: int) -> bool:
    """Tell whether features can be loaded and made into windows within a limit of memory, bytes.

    True where the arrays, a copy of them and the windows take no more. Nothing is computed.
    """
    held, windows = _sizes(features)
    return (2 * held + windows) * _values(features) <= limit


def make_samples(
    features: Features,
    scaling: xr.Dataset,
    recipe: Recipe,
    split: Split,
    *,
    limit: int,
    answered: int = 1,
    device: str | torch.device = "cpu",
    later: xr.Dataset | None = None,
) -> tuple[Windows | Stream, Windows | Drawn | None]:
    """Return the samples that train and those that validate, within a limit of memory, bytes.

    Those that train are resident where :func:`fits` says so, else streamed. Those that validate are
    all, or 131,072 that are drawn evenly where there are more (fewer where they would take more
    than a share of the limit); None where nothing validates. ``later`` are the statistics of the
    cells that validate, where these are others. Without one whole sample it raises
    :class:`NotEnoughDataError`.
    """
    both = scaling, scaling if later is None else later
    if fits(features, limit):
        return _resident(features.load(), both, recipe, split, answered, torch.device(device))
    return _streamed(features, both, recipe, split, answered, limit, torch.device(device))


def _resident(
    features: Features,
    scalings: tuple[xr.Dataset, xr.Dataset],
    recipe: Recipe,
    split: Split,
    answered: int,
    device: torch.device,
) -> tuple[Windows | Stream, Windows | Drawn | None]:
    """Return samples that stay in memory: on the device, or on the host where it has no room."""
    needed = _sizes(features)[1] * _values(features)
    room = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else needed
    on = device if needed <= 0.8 * room or device.type != "cuda" else torch.device("cpu")
    make = partial(make_windows, features, recipe=recipe, answered=answered)
    training: Windows | Stream = make(scalings[0], times=split.training, device=on)
    if on != device:  # a stream of one block: gathered on the host, sent from pinned memory
        windows = make(scalings[0], times=split.training)
        training = Stream(
            [lambda _: windows],
            slots=1,
            steps=features.steps,
            samples=len(windows),
            refill=False,
            device=device,
        )
    if not split.validates:
        return training, None
    steps = _answered_later(features, recipe, split, answered)
    later = make(scalings[1], times=split.validation, answered=steps, device=on)
    later = later.apart(_last(features, split), first=scalings[1] is not scalings[0])
    most = min(_VALIDATION, _VALIDATION_BYTES // _sample(features, recipe))
    if on == device and len(later) <= most:
        return training, later
    share = min(1.0, most / len(later))
    return training, draw_evenly([lambda _: later], share=share, seed=0, device=device)


def _streamed(
    features: Features,
    scalings: tuple[xr.Dataset, xr.Dataset],
    recipe: Recipe,
    split: Split,
    answered: int,
    limit: int,
    device: torch.device,
) -> tuple[Stream, Drawn | None]:
    """Return samples of which a pool of blocks is in memory."""
    features = features.with_maps()
    scaling, other = scalings
    held, windows = _sizes(features)
    land = max(float(scaling["trained_cell"].mean()), 0.05)
    size = limit / (_SLOTS + _SPARE)  # bytes of a block in the pool, where a quarter of it stays
    positions = max(1, int(_THIN * size / max(windows, held / 2)))
    sample = _sample(features, recipe)
    plan = partial(_plan, features, recipe=recipe, positions=positions, answered=answered)
    parts = plan(scaling, times=split.training)
    _check_chunks(features, [box for box, _ in parts], split.training)
    # Cells with neighbours stay together: a share of them needs all that are around; so do those of
    # an area, whose mean is compared.
    together = recipe.patch > 1 or "area" in features.soil
    thin = 1 if together or len(parts) <= _SLOTS / _THIN / land else _THIN
    slots = int(_SLOTS / _THIN * thin / land)
    stream = Stream(
        [
            partial(read_block, features, own, recipe, box, thin, answered=answered)
            for box, own in parts
        ],
        slots=slots,
        steps=features.steps,
        samples=max(1, int(positions * land / thin / _new_steps(recipe, answered))),
        gathered=min(GATHERED, int(size / sample)),
        refill=len(parts) > slots or thin > 1,
        device=device,
    )
    if not split.validates:
        return stream, None
    there = _values(features) * len(range(features.steps)[split.validation]) / features.steps
    steps = _answered_later(features, recipe, split, answered)
    there /= _new_steps(recipe, steps)
    share = min(1.0, min(_VALIDATION, 6 * size / sample) / (there * land))
    parts = plan(other, times=split.validation, answered=steps)
    later = [
        partial(read_block, features, own, recipe, box, 1, answered=steps) for box, own in parts
    ]
    first = other is not scaling
    apart = [partial(_apart, block, _last(features, split), first) for block in later]
    return stream, draw_evenly(apart, share=share, seed=0, device=device)


def _plan(
    features: Features, scaling: xr.Dataset, **options: Any
) -> list[tuple[dict[str, slice], xr.Dataset]]:
    """Return the blocks to read, each with the statistics of its cells."""
    if "area" in features.soil:
        return plan_areas(features, scaling, **options)
    return [(box, scaling) for box in plan_blocks(features, scaling, **options)]


def _answered_later(features: Features, recipe: Recipe, split: Split, answered: int) -> int:
    """Return the steps that a sample that validates answers: of a piece no more than it can."""
    if not recipe.sequence:
        return answered
    return min(answered, len(range(features.steps)[split.validation]) - recipe.ahead)


def _new_steps(recipe: Recipe, answered: int) -> int:
    """Return how many steps a sample answers that none beside it does."""
    return answered - recipe.warmup if recipe.sequence else 1


def _last(features: Features, split: Split) -> int:
    """Return the last step that validates."""
    return split.validation.indices(features.steps)[1] - 1


def _apart(block: Block, last: int, first: bool, random: torch.Generator | None) -> Windows:  # noqa: FBT001
    """Read a block and keep samples that answer no step twice."""
    return block(random).apart(last, first=first)


def _check_chunks(
    features: Features, boxes: Sequence[Mapping[str, slice]], training: slice
) -> None:
    """Warn where each block of time makes the balance read all that was before it."""
    last = max(box[features.time].stop for box in boxes)
    first_ends = min(box[features.time].stop for box in boxes)
    if features.series and first_ends < last:
        warn_outside(
            f"The data are streamed in blocks of {first_ends} of {training.stop} steps, since they "
            f"are chunked along {features.time!r}, and the water balance of the loss needs what "
            "was observed before: all earlier blocks are read again for each. Write the data with "
            f"all times of some cells in a chunk, ds.chunk({{{features.time!r}: -1, ...}})"
            ".to_zarr(...), or raise memory_limit."
        )


def _sample(features: Features, recipe: Recipe) -> int:
    """Return the bytes of a sample, about."""
    if recipe.sequence:
        return recipe.sequence * _sizes(features)[1]
    return 4 * recipe.window * recipe.patch**2 * (len(features.dynamic) + 4)


def _values(features: Features) -> int:
    """Return the number of cells and steps."""
    return math.prod(features.observed.sizes[d] for d in (features.time, *features.space))


def _sizes(features: Features) -> tuple[int, int]:
    """Return the bytes of a cell and step, as the arrays hold them and as windows do."""
    arrays = [*features.dynamic.values(), *features.series.values(), features.observed]
    layers = [max(1, a.size // max(1, _values(features))) for a in arrays]
    held = sum(n * a.dtype.itemsize for n, a in zip(layers, arrays, strict=True))
    return held, 4 * (sum(layers) + 2 * layers[-1])
