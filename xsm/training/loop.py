"""The training loop: plain, seeded, with early stopping and every loss term logged."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import chain, count
from typing import Any, Protocol

import torch
from torch import Tensor

from xsm.exceptions import TrainingError, UnknownNameError, did_you_mean
from xsm.losses import Loss, answered_steps, check_losses, total_loss, unique_names
from xsm.losses.terms import last_steps
from xsm.nn import Batch, Model, Output, Schedule
from xsm.nn.devices import can_train_in_bfloat16
from xsm.nn.randomness import draws
from xsm.options import thread_count
from xsm.training.adam import Adam
from xsm.training.bar import Bar
from xsm.training.checkpoint import Checkpoint
from xsm.training.history import History, Log, under
from xsm.training.rehearsal import RehearsedError, held_bytes, measure_pace, time_of
from xsm.training.start import Start
from xsm.training.steps import Parts, Step, Whole, count_parts

__all__ = ["Alone", "Ranks", "Samples", "Slices", "train", "train_epoch"]


_VALIDATION_BATCH = 4096


class Samples(Protocol):
    """What trains: :class:`xsm.cells.windows.Windows` or :class:`xsm.cells.stream.Stream`."""

    device: torch.device

    def example(self) -> Batch:
        """Return a batch of one sample."""

    def batches(self, epoch: int, schedule: Schedule, seed: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, which epoch and seed alone decide."""

    def describe(self) -> str:
        """Return how many samples of what there are, in words."""

    def close(self) -> None:
        """Release what is open."""


class Slices(Protocol):
    """What validates: :class:`xsm.cells.windows.Windows` or :class:`xsm.cells.stream.Drawn`."""

    def __len__(self) -> int:
        """Return the number of samples."""

    def slices(self, size: int) -> Iterator[Batch]:
        """Yield all samples, at most ``size`` in a batch."""


class Ranks(Protocol):
    """Processes that train together; :class:`Alone` is one."""

    rank: int
    size: int

    def wrap(self, model: Model) -> Callable[[Batch], Output]:
        """Return ``model.evaluate``, such that gradients are averaged over ranks."""

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum of values over all ranks."""


class Alone:
    """One process that trains by itself."""

    rank, size = 0, 1

    def wrap(self, model: Model) -> Callable[[Batch], Output]:
        """Return ``model.evaluate`` itself."""
        return model.evaluate

    def sum(self, values: Tensor) -> Tensor:
        """Return the values themselves."""
        return values


def train(  # noqa: PLR0913
    model: Model,
    training: Samples,
    validation: Slices | None,
    *,
    losses: Sequence[Loss],
    schedule: Schedule,
    seed: int = 0,
    monitor: str = "total",
    precision: str = "float32",
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
    ranks: Ranks | None = None,
    start: Start | None = None,
    rehearse: bool = False,
) -> History:
    """Train a network in place and leave it with its best weights.

    What happens in an epoch depends on the weights, the seed and the number of the epoch alone, so
    that a run that goes on from a checkpoint ends with the weights of one that never stopped (on
    the CPU, in float32, on one thread). Without ``validation`` the last weights are kept;
    ``monitor`` is ``total`` or the name of a term; ``training`` is closed at the end. ``start``
    tells which weights move in which epoch; without it all do.
    With ``rehearse`` some steps are measured, and :class:`RehearsedError` says what they took.

    Raises :class:`TrainingError` if a term cannot be computed, a loss is not finite, or the
    checkpoint is of another run, :class:`UnknownNameError` if ``monitor`` is no term.
    """
    ranks = ranks or Alone()
    step: Step | None = None
    try:
        _check(model, training, losses, monitor)
        optimiser = Adam(model.parameters(), schedule.learning_rate, schedule.clip)
        log = Log(unique_names(losses), monitor)
        done = _restore(checkpoint, model, optimiser, log, schedule.epochs)
        _check_together(done, ranks)
        step = _step(model, training, ranks, losses, precision, schedule)
        if rehearse:
            _rehearse(model, training, validation, step, optimiser, losses, precision, schedule)
        hide = None if progress is None else not progress
        with closing(
            Bar(schedule, done, hide=True if ranks.rank else hide, log=not ranks.rank)
        ) as bar:
            for epoch in range(done + 1, schedule.epochs + 1):
                if log.waited >= schedule.patience:
                    break
                model.train()
                optimiser.rate = schedule.rate(epoch)
                if start is not None and start.release(model, epoch):
                    step.close()
                    step = _step(model, training, ranks, losses, precision, schedule)
                step.begin(seed, epoch)
                batches = training.batches(epoch, schedule, seed)
                parts = train_epoch(step, batches, optimiser, bar.step)
                log.add(_finite(ranks.sum(parts), losses, schedule))
                if epoch % schedule.validate_every == 0 or epoch == schedule.epochs:
                    found = _validate(model, validation, losses, ranks) if validation else None
                    log.close(epoch, model, found)
                    bar.epoch(epoch, f"{monitor} {log.latest:.4g}" if log.epochs else "")
                if checkpoint is not None and not ranks.rank:
                    last = epoch == schedule.epochs or log.waited >= schedule.patience
                    checkpoint.save(_state(epoch, model, optimiser, log), now=last)
    finally:
        training.close()
        if step is not None:
            step.close()
    return log.finish(model)


def _rehearse(
    model: Model,
    training: Samples,
    validation: Slices | None,
    step: Step,
    optimiser: Adam,
    losses: Sequence[Loss],
    precision: str,
    schedule: Schedule,
) -> None:
    """Measure what the schedule takes, also in the other arithmetic, and end the run."""
    started = time.perf_counter()
    step.begin(0, 1)
    pace = measure_pace(
        model,
        step,
        lambda epoch: training.batches(epoch, schedule, 0),
        validation.slices(_VALIDATION_BATCH) if validation else (),
        optimiser,
        schedule,
        validating=len(validation) if validation else 0,
    )
    other = {"float32": "bfloat16", "bfloat16": "float32"}[precision]
    others: dict[str, float] = {}
    if other == "float32" or can_train_in_bfloat16(training.device):
        rival = _step(model, training, Alone(), losses, other, schedule)
        rival.begin(0, 1)
        model.train()
        steps = chain.from_iterable(training.batches(k, schedule, 0) for k in count(1))
        others[f'precision="{other}"'] = time_of(rival, steps, optimiser)
        rival.close()
    found: dict[str, Any] = {
        "samples": training.describe(),
        "precision": precision,
        "memory": pace.memory + held_bytes(training),
        "alternatives": others,
        "spent": time.perf_counter() - started,
    }
    raise RehearsedError(replace(pace, **found))


def _step(
    model: Model,
    training: Samples,
    ranks: Ranks,
    losses: Sequence[Loss],
    precision: str,
    schedule: Schedule,
) -> Step:
    """Return the step: in parts where one process on CPUs has threads for them."""
    alone = ranks.size == 1 and training.device.type == "cpu"
    if alone:
        example = training.example()
        target = example["target"]  # of whole fields each sample has many answers
        answers = target.numel() if target.dim() == 4 else answered_steps(losses)
        evaluated = schedule.batch_size * answers
        rows = schedule.batch_size * example["dynamic"].shape[1]
        count = count_parts(model, evaluated, thread_count(), rows=rows, precision=precision)
        if count > 1:
            return Parts(model, losses, precision, count, thread_count())
    return Whole(ranks.wrap(model), losses, precision, foreign=draws(model))


def _check(model: Model, training: Samples, losses: Sequence[Loss], monitor: str) -> None:
    """Refuse terms that cannot be computed and a monitor that is none of them."""
    answered = answered_steps(losses)
    model.eval()
    with torch.no_grad():
        batch = training.example()
        _check_steps(batch, losses)
        output = model.evaluate(batch)
        _check_output(last_steps(output, 1, answered), last_steps(batch, 1, answered))
        check_losses(losses, batch, output)
    names = ["total", *unique_names(losses)]
    if monitor not in names:
        msg = f"monitor={monitor!r} is no loss term. {did_you_mean(monitor, names)}"
        raise UnknownNameError(msg)


def _check_steps(batch: Batch, losses: Sequence[Loss]) -> None:
    """Refuse terms that compare steps where samples answer one, as those of fields do."""
    answered = answered_steps(losses)
    if answered > 1 and batch["target"].shape[1] != answered:
        names = [term.name for term in losses if answered_steps([term]) > 1]
        msg = (
            f"The loss terms {names} compare {answered} steps, but a sample of this model is "
            "answered at one. Leave them out of losses=."
        )
        raise TrainingError(msg)


def _check_output(output: object, batch: Mapping[str, Tensor]) -> None:
    """Refuse what is no answer for each sample and layer: it would be broadcast in the loss."""
    wanted = tuple(batch["target"].shape)
    if not isinstance(output, Mapping):
        found = f"a {type(output).__name__}"
    elif "mean" not in output:
        found = f"{sorted(output)}"
    elif tuple(output["mean"].shape) != wanted:
        found = f'"mean" of shape {tuple(output["mean"].shape)}'
    else:
        return
    msg = (
        f'The model returned {found} for {wanted[0]} sample; {{"mean": tensor}} of the shape '
        f"{wanted} (batch, target) is needed, as torch.nn.Linear(hidden, sizes.target) makes it."
    )
    raise TrainingError(msg)


def _check_together(done: int, ranks: Ranks) -> None:
    """Refuse ranks that go on from different epochs."""
    total = int(ranks.sum(torch.tensor(float(done), dtype=torch.float64)))
    if total != done * ranks.size:
        msg = (
            f"Rank {ranks.rank} of {ranks.size} found {done} epochs in the checkpoint, others "
            "another number: not all workers see the same file. Name a shared folder, or a URL."
        )
        raise TrainingError(msg)


def train_epoch(
    step: Step,
    batches: Iterable[Batch],
    optimiser: Adam,
    moved: Callable[[], None] = lambda: None,
) -> Tensor:
    """Train on one batch after another, and call ``moved`` after each.

    Returns (term + 2,) float64: the sums of the total and of each unweighted term over the batches,
    and their number.
    """
    rows: list[tuple[Tensor, ...]] = []
    for batch in batches:
        rows.append(step(batch))
        optimiser.move()
        moved()
    values = torch.stack([value for row in rows for value in row]).view(len(rows), -1)
    parts = values.cpu().double().sum(0)  # one wait for the device an epoch
    return torch.cat([parts, parts.new_tensor([len(rows)])])


def _finite(sums: Tensor, losses: Sequence[Loss], schedule: Schedule) -> Tensor:
    """Return the means of an epoch, or stop where one is not finite."""
    mean = sums[:-1] / sums[-1]
    if not torch.isfinite(mean).all():
        found = dict(zip(["total", *unique_names(losses)], mean.tolist(), strict=True))
        msg = (
            f"The training loss is not finite: {found}. Lower learning_rate="
            f"{schedule.learning_rate}, or look for extreme values in the inputs and the target."
        )
        raise TrainingError(msg)
    return mean


def _validate(model: Model, samples: Slices, losses: Sequence[Loss], ranks: Ranks) -> Tensor:
    """Return the total and each term over all samples of a rank together, averaged over ranks.

    All outputs are compared at once, since a root of a mean depends on how samples are cut.
    """
    model.eval()
    outputs: list[Output] = []
    batches: list[Batch] = []
    needs = {key for loss in losses for key in loss.needs}
    with torch.no_grad():
        for batch in samples.slices(_VALIDATION_BATCH):
            outputs.append(model.evaluate(batch))
            batches.append({key: batch[key] for key in needs})
        total, terms = total_loss(losses, _joined(outputs), _joined(batches))
        row = torch.stack([total, *terms.values(), torch.ones_like(total)])
    sums = ranks.sum(len(samples) * row.cpu().double())
    return sums[:-1] / sums[-1]


def _joined(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Join batches along the first dimension."""
    return {key: torch.cat([part[key] for part in parts]) for key in parts[0]}


def _state(epoch: int, model: Model, optimiser: Adam, log: Log) -> dict[str, Tensor]:
    """Return all that the next epochs depend on."""
    state = {"epoch": torch.tensor(epoch), **log.state()}
    state |= {f"model.{k}": v for k, v in model.state_dict().items()}
    return state | {f"adam.{k}": v for k, v in optimiser.state().items()}


def _restore(
    checkpoint: Checkpoint | None,
    model: Model,
    optimiser: Adam,
    log: Log,
    epochs: int,
) -> int:
    """Take over the state of a checkpoint, and return the epochs that it has seen."""
    state = checkpoint.load() if checkpoint is not None else None
    if checkpoint is None or state is None:
        return 0
    if (seen := int(state["epoch"])) > epochs:
        msg = (
            f"checkpoint={checkpoint.path!r} has seen {seen} epochs, epochs={epochs} was given. "
            f"Pass epochs={seen} or more to go on, or name another path."
        )
        raise TrainingError(msg)
    model.load_state_dict(under("model.", state))
    optimiser.restore(under("adam.", state))
    log.restore(state)
    return seen
