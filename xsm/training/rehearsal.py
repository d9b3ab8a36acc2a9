"""What a training takes, in time and memory: some of its steps are measured, nothing is trained."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from xsm.nn import Batch, Model, Output, Schedule
from xsm.training.adam import Adam

__all__ = ["Pace", "RehearsedError", "held_bytes", "kept_bytes", "measure_pace", "time_of"]


_SECONDS, _FEW, _MOST = 1.0, 3, 1000  # of steps that are timed: at least so long and so many


@dataclass(frozen=True)
class Pace:
    """What a training takes on this machine, measured.

    Parameters
    ----------
    samples : str
        What trains and what validates, in words.
    stages : int
        Steps of the whole schedule at most; of an estimator 1.
    stage : float
        Seconds of a step; of an estimator of all, extrapolated from subsets.
    validations : int
        How often all of the validation is evaluated.
    validation : float
        Seconds of one.
    memory : int
        Bytes of samples, weights, moments, and of what a step keeps for its gradients.
    precision, device : str
        Arithmetic of matrix products, and where.
    alternatives : mapping of str to float
        Seconds of a step by what could be typed instead.
    spent : float
        Seconds that measuring took.
    """

    samples: str
    stages: int
    stage: float
    validations: int = 0
    validation: float = 0.0
    memory: int = 0
    precision: str = "float32"
    device: str = "cpu"
    alternatives: Mapping[str, float] | None = None
    spent: float = 0.0

    @property
    def seconds(self) -> float:
        """Seconds of the whole schedule, where it does not stop early."""
        return self.stages * self.stage + self.validations * self.validation


class RehearsedError(Exception):
    """Ends a fit that was only to be measured; holds its :class:`Pace`."""

    def __init__(self, pace: Pace) -> None:
        super().__init__("This fit was only to be measured.")
        self.pace = pace


def time_of(
    step: Callable[[Batch], object], batches: Iterator[Batch], optimiser: Adam | None = None
) -> float:
    """Return the seconds of a step, the mean of some, after two that warm up."""
    for batch in itertools.islice(batches, 2):
        _move(step, batch, optimiser)
    started, count = time.perf_counter(), 0
    for batch in itertools.islice(batches, _MOST):
        _move(step, batch, optimiser)
        count += 1
        if count >= _FEW and time.perf_counter() - started > _SECONDS:
            break
    return (time.perf_counter() - started) / max(count, 1)


def measure_pace(
    model: Model,
    step: Callable[[Batch], object],
    batches: Callable[[int], Iterable[Batch]],
    validation: Iterable[Batch],
    optimiser: Adam,
    schedule: Schedule,
    *,
    validating: int = 0,
) -> Pace:
    """Measure steps, a part of the validation, and what a step keeps; the weights move.

    ``batches`` gives those of an epoch, ``validating`` is how many samples validate.
    """
    example = next(iter(batches(1)))
    kept = kept_bytes(model, example)
    model.train()
    endless = itertools.chain.from_iterable(batches(epoch) for epoch in itertools.count(1))
    each = time_of(step, endless, optimiser)
    model.eval()
    weights = sum(w.numel() * w.element_size() for w in model.parameters())
    return Pace(
        samples="",
        stages=schedule.epochs * schedule.iterations,
        stage=each,
        validations=math.ceil(schedule.epochs / schedule.validate_every) if validating else 0,
        validation=_time_of_all(model, validation, validating),
        memory=kept + 4 * weights,
        device=example["dynamic"].device.type,
    )


def kept_bytes(model: Model, batch: Batch) -> int:
    """Return the bytes that one evaluation keeps for the gradients, each block of memory once."""
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    model.train()
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        output: Output = model.evaluate(batch)
    del output
    return sum(kept.values())


def held_bytes(samples: object) -> int:
    """Return the bytes of the tensors that samples hold."""
    values = vars(samples).values()
    parts = (v.values() if isinstance(v, Mapping) else [v] for v in values)
    return sum(t.nbytes for part in parts for t in part if isinstance(t, Tensor))


def _move(step: Callable[[Batch], object], batch: Batch, optimiser: Adam | None) -> None:
    """Take one step, and wait for the device."""
    step(batch)
    if optimiser is not None:
        optimiser.move()
    if batch["dynamic"].device.type == "cuda":
        torch.cuda.synchronize()


def _time_of_all(model: Model, slices: Iterable[Batch], count: int) -> float:
    """Return the seconds of an evaluation of all samples, from that of some."""
    done, started = 0, time.perf_counter()
    with torch.no_grad():
        for batch in slices:
            output = model.evaluate(batch)
            float(output["mean"].sum())  # waits for the device
            done += len(batch["dynamic"])
            if time.perf_counter() - started > _SECONDS:
                break
    return (time.perf_counter() - started) * count / max(done, 1)
