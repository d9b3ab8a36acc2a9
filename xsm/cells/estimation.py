"""Training an estimator: windows flattened to features, as many as the memory may hold."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from tqdm.auto import tqdm

from xsm.cells.blocks import plan_blocks
from xsm.cells.features import Features
from xsm.cells.reading import make_windows, read_block
from xsm.cells.samples import fits
from xsm.cells.training import sizes_of
from xsm.cells.windows import GATHERED, Windows
from xsm.estimators import Estimator, Training, feature_count, flatten
from xsm.exceptions import NotEnoughDataError, TrainingError
from xsm.nn import Sizes
from xsm.options import thread_count
from xsm.training.history import History
from xsm.training.job import Trained
from xsm.training.recipe import Recipe
from xsm.training.rehearsal import Pace, RehearsedError
from xsm.training.splits import Split
from xsm.typing import Array, FloatArray

__all__ = ["Drawing", "Estimation", "draw_windows", "run_estimation"]

_LOG = logging.getLogger(__name__)


_VALIDATION = 131_072  # windows that validate at most: their RMSE is known to 0.2 %
_PARTS = (64, 2000, 4)  # windows of fits that tell how long all take: warm up, first, times each
_SECONDS = 3.0  # of the last of these fits, at least
_BLOCK = 8  # a block that is read takes one in so many bytes of the limit


@dataclass(frozen=True)
class Estimation:
    """What estimator is trained, and how; ``limit`` are the bytes that training may take."""

    model: type[Estimator]
    hyperparameters: Mapping[str, Any]
    recipe: Recipe
    split: Split
    seed: int
    progress: bool | None
    limit: int
    rehearse: bool = False

    @property
    def sizes(self) -> Sizes:
        """Sizes of the windows, without the names of what they hold."""
        return replace(sizes_of(self.recipe), names=())

    def rebuild(self, arrays: Mapping[str, Array]) -> Estimator:
        """Return the estimator with what it has learnt."""
        estimator = self.model(self.sizes, **self.hyperparameters)
        estimator.load_arrays(arrays)
        return estimator


@dataclass(frozen=True)
class Drawing:
    """Windows as features, drawn from all there are.

    ``inputs`` (sample, feature) and ``target`` (sample, target) are float32, scaled; with data
    integration the target is the change since the last observation. ``seen`` is the number of
    windows that they were drawn from.
    """

    inputs: FloatArray
    target: FloatArray
    seen: int

    def describe(self, what: str) -> str:
        """Return how many windows there are, what they are, and from how many they were drawn."""
        drawn = f", drawn from {self.seen:,} to fit memory_limit"
        every = len(self.inputs) == self.seen
        return f"{len(self.inputs):,} {what}{'' if every else drawn}"


def run_estimation(job: Estimation, features: Features, scaling: xr.Dataset) -> Trained:
    """Train an estimator in this process on features, lazy or not, with the statistics of a fit.

    Half of the limit is for data that are read: all of them where they fit, else blocks, one at a
    time. Three eighths are for the windows that train, with what the estimator makes of them
    (:meth:`xsm.estimators.Estimator.sample_bytes`), an eighth for those that validate. Of more
    windows a random subset is drawn. The history holds the RMSE by whatever the estimator counts.
    """
    estimator = job.model(job.sizes, **job.hyperparameters)
    most = 3 * job.limit // 8 // estimator.sample_bytes()
    few = min(_VALIDATION, job.limit // 8 // (6 * feature_count(job.sizes) + 64))
    gather = partial(_gather, job, features, scaling)
    training = gather(job.split.training, max(1, most))
    validation = gather(job.split.validation, max(1, few)) if job.split.validates else None
    if job.rehearse:
        raise RehearsedError(_pace(job, training, validation))
    return _learnt(job, training, validation)


def _learnt(job: Estimation, training: Drawing, validation: Drawing | None) -> Trained:
    """Return what an estimator learns from windows, and its errors."""
    estimator = job.model(job.sizes, **job.hyperparameters)
    rows: list[tuple[int, float, float]] = []
    hide = None if job.progress is None else not job.progress
    with tqdm(total=estimator.stages, unit=estimator.stage, disable=hide, leave=False) as bar:

        def log(number: int, training_rmse: float, validation_rmse: float) -> None:
            rows.append((number, float(training_rmse), float(validation_rmse)))
            bar.update(number - bar.n)
            error = validation_rmse if validation else training_rmse
            bar.set_postfix_str(f"rmse {error:.4g}")
            _LOG.info("%s %s of %s: rmse %.4g", estimator.stage, number, estimator.stages, error)

        later = None if validation is None else (validation.inputs, validation.target)
        context = Training(later, job.seed, thread_count(), log)
        estimator.load_arrays(_arrays(estimator, training, context))
    if not rows:
        errors = [_rmse(estimator, drawn) for drawn in (training, validation)]
        rows.append((1, errors[0], errors[1]))
    said = training.describe(f"windows of {feature_count(job.sizes)} features")
    said += f"; {validation.describe('validate')}" if validation else ""
    return Trained(estimator.arrays, _history(estimator, rows), said)


def _pace(job: Estimation, training: Drawing, validation: Drawing | None) -> Pace:
    """Return what a fit takes, from fits on larger and larger parts of the windows.

    The first warms up. The last two tell how seconds grow: what each tree takes however few windows
    there are, and in proportion to these; where nothing is left for the trees, by a power.
    """
    begun, count = time.perf_counter(), len(training.inputs)
    job = replace(job, progress=False)
    warm, size, times = _PARTS
    _seconds(job, training, validation, min(warm, count))
    found: list[tuple[int, float]] = []
    while len(found) < 2 or found[-1][1] < _SECONDS:
        size = min(count, size)
        found.append((size, _seconds(job, training, validation, size)))
        if size == count:
            break
        size *= times
    (size, each), (less, before) = found[-1], found[-2] if len(found) > 1 else (0, 0.0)
    slope = max(each - before, 0.0) / (size - less)
    fixed, power = max(each - slope * size, 0.0), 1.0
    if less and not fixed:
        power = float(np.clip(np.log(each / before) / np.log(size / less), 1.0, 1.2))
    return Pace(
        samples=training.describe(f"windows of {feature_count(job.sizes)} features"),
        stages=1,
        stage=fixed + (each - fixed) * (count / size) ** power,
        memory=count * job.model(job.sizes, **job.hyperparameters).sample_bytes(),
        spent=time.perf_counter() - begun,
    )


def _seconds(job: Estimation, training: Drawing, validation: Drawing | None, size: int) -> float:
    """Return what a fit on so many windows takes, and on as large a part of those that validate."""
    part, later = _part(training, size, job.seed), validation
    if validation is not None:
        share = size / len(training.inputs)
        later = _part(validation, max(1, round(share * len(validation.inputs))), job.seed)
    started = time.perf_counter()
    _learnt(job, part, later)
    return time.perf_counter() - started


def _part(drawn: Drawing, size: int, seed: int) -> Drawing:
    """Return some of the windows, at random."""
    rows = np.random.default_rng(seed).choice(len(drawn.inputs), size, replace=False)
    return Drawing(drawn.inputs[rows], drawn.target[rows], size)


def _arrays(estimator: Estimator, drawn: Drawing, training: Training) -> Mapping[str, Array]:
    """Train, and refuse what is not made of arrays."""
    found: Any = estimator.fit_arrays(drawn.inputs, drawn.target, training)
    named = isinstance(found, Mapping) and all(isinstance(name, str) for name in found)
    kinds = [np.asarray(v).dtype.kind for v in found.values()] if named else ["O"]
    if not set(kinds) <= set("biufU"):
        msg = (
            f"{type(estimator).__name__}.fit_arrays returned {found!r:.100}; a dict of names and "
            "arrays of numbers or text is needed: all that was learnt, which is all that is saved."
        )
        raise TrainingError(msg)
    return found


def _history(estimator: Estimator, rows: Sequence[tuple[int, float, float]]) -> History:
    """Return what was logged, and the number of what was kept."""
    number, training, validation = (np.array(column) for column in zip(*rows, strict=True))
    if not np.isfinite(training).all():
        msg = (
            f"The RMSE of {type(estimator).__name__} on its training windows is not finite: "
            f"{training[-1]}. Look for extreme values in the inputs and the target."
        )
        raise TrainingError(msg)
    parts = [{"total": values, "rmse": values} for values in (training, validation)]
    best = number[-1] if estimator.kept is None else estimator.kept
    return History(number, parts[0], parts[1], int(best))


def _rmse(estimator: Estimator, drawn: Drawing | None) -> float:
    """Return the error of an estimator that logs nothing, on at most some windows."""
    if drawn is None:
        return math.nan
    step = -(-len(drawn.inputs) // _VALIDATION)
    inputs, target = drawn.inputs[::step], drawn.target[::step]
    total = 0.0
    for first in range(0, len(inputs), GATHERED):
        part = slice(first, first + GATHERED)
        error = estimator.predict_arrays(np.ascontiguousarray(inputs[part])) - target[part]
        total += float(np.sum(error.astype(np.float64) ** 2))
    return math.sqrt(total / target.size)


def _gather(
    job: Estimation, features: Features, scaling: xr.Dataset, times: slice, most: int
) -> Drawing:
    """Return windows of some steps, of all data at once or block by block."""
    blocks: list[Callable[[], Windows]]
    room = job.limit // 2
    if fits(features, room):
        blocks = [partial(make_windows, features.load(), scaling, job.recipe, times, complete=True)]
    else:
        arrays = [*features.dynamic.values(), features.observed]
        held = sum(2 * a.dtype.itemsize + 4 for a in arrays) + 8
        positions = max(1, job.limit // _BLOCK // held)
        boxes = plan_blocks(features, scaling, job.recipe, times=times, positions=positions)
        read = partial(read_block, features.with_maps(), scaling, job.recipe, complete=True)
        blocks = [partial(read, box, 1, None) for box in boxes]
    bound = features.observed[{features.time: times}].size
    return draw_windows(blocks, min(most, bound), job.sizes, job.seed)


def draw_windows(
    blocks: Sequence[Callable[[], Windows]], most: int, sizes: Sizes, seed: int
) -> Drawing:
    """Flatten the windows of all blocks, or a random subset of them, each as likely as any other.

    Each of the blocks reads a part of the data; one is held at a time. Every window gets a random
    key, which depends on the seed and on how the data are divided, and the ``most`` with the
    smallest keys stay. Where all fit, they stay in the order of their blocks, in each by time.
    """
    inputs = np.empty((most, feature_count(sizes)), np.float32)
    target = np.empty((most, sizes.target), np.float32)
    keys: FloatArray = np.empty(0)
    seen = 0
    for number, block in enumerate(blocks):
        windows = block()
        seen += len(windows)
        own = np.random.default_rng([seed % 2**63, number]).random(len(windows))
        chosen, places, keys = _places(keys, own, most)
        _write(windows, chosen, inputs, target, places)
    if not seen:
        msg = (
            f"Not one whole window in {len(blocks)} blocks of the data: each takes {sizes.window} "
            "steps of inputs without NaN and an observed target. Fill gaps of the inputs, leave "
            "out inputs with gaps (dynamic=[...]), or give a longer series."
        )
        raise NotEnoughDataError(msg)
    return Drawing(inputs[: len(keys)], target[: len(keys)], seen)


def _places(keys: FloatArray, own: FloatArray, most: int) -> tuple[Array, Array, FloatArray]:
    """Return which windows of a block are kept, in whose places, and the keys of all places."""
    every = np.concatenate([keys, own])
    stays = np.ones(len(every), bool)
    if len(every) > most:
        stays[np.argpartition(every, most - 1)[most:]] = False
    chosen = np.flatnonzero(stays[len(keys) :])
    free = np.concatenate([np.flatnonzero(~stays[: len(keys)]), np.arange(len(keys), most)])
    places = free[: len(chosen)]
    held = np.concatenate([keys, np.empty(max(0, min(len(every), most) - len(keys)))])
    held[places] = own[chosen]
    return chosen, places, held


def _write(
    windows: Windows, chosen: Array, inputs: FloatArray, target: FloatArray, places: Array
) -> None:
    """Write windows as features, some thousands at a time."""
    import torch

    for first in range(0, len(chosen), GATHERED):
        part = slice(first, first + GATHERED)
        batch = windows.batch(torch.from_numpy(chosen[part]))
        inputs[places[part]] = flatten(batch)
        goal = batch["target"] - batch["base"] if "base" in batch else batch["target"]
        target[places[part]] = goal.numpy()
