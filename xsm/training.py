"""The training loop: plain, seeded, with early stopping and every loss term logged."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from xsm.checkpoint import Checkpoint
from xsm.exceptions import TrainingError, UnknownNameError, did_you_mean
from xsm.losses import Loss, check_losses, total_loss, unique_names
from xsm.nn import Batch, Model, Output, Schedule
from xsm.typing import FloatArray
from xsm.windows import generator

__all__ = [
    "Alone",
    "History",
    "Ranks",
    "Samples",
    "Slices",
    "choose_device",
    "choose_precision",
    "seeded",
    "train",
]

_VALIDATION_BATCH = 4096


class Samples(Protocol):
    """What trains: :class:`xsm.windows.Windows` or :class:`xsm.streaming.Stream`."""

    device: torch.device

    def example(self) -> Batch:
        """Return a batch of one sample."""

    def batches(self, epoch: int, schedule: Schedule, seed: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, which epoch and seed alone decide."""

    def close(self) -> None:
        """Release what is open."""


class Slices(Protocol):
    """What validates: :class:`xsm.windows.Windows` or :class:`xsm.streaming.Drawn`."""

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
    """One process that trains by itself.

    Examples
    --------
    >>> Alone().sum(torch.ones(1))
    tensor([1.])
    """

    rank, size = 0, 1

    def wrap(self, model: Model) -> Callable[[Batch], Output]:
        """Return ``model.evaluate`` itself."""
        return model.evaluate

    def sum(self, values: Tensor) -> Tensor:
        """Return the values themselves."""
        return values


@dataclass(frozen=True)
class History:
    """What happened in training.

    Parameters
    ----------
    epoch : ndarray
        Epochs at which the model was validated, from 1.
    training, validation : dict of str to ndarray
        Mean of each unweighted loss term, and ``total``, since the last entry.
    best_epoch : int
        Epoch whose weights were kept.
    """

    epoch: FloatArray
    training: dict[str, FloatArray]
    validation: dict[str, FloatArray]
    best_epoch: int


def choose_device(device: str) -> torch.device:
    """Return the device to compute on.

    Parameters
    ----------
    device : str
        ``"auto"`` (CUDA, then MPS, then the CPU) or a name that torch knows.

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    UnknownNameError
        If torch knows no such device, or it is not there.

    Examples
    --------
    >>> choose_device("cpu")
    device(type='cpu')
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        msg = f"device={device!r} cannot be used ({error}). Pass 'auto' or 'cpu'."
        raise UnknownNameError(msg) from error
    return found


def choose_precision(precision: str, device: torch.device) -> str:
    """Return the arithmetic of matrix products in training.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}
        ``"auto"`` is bfloat16 where the hardware multiplies in it (CPUs with AVX512-BF16 or AMX,
        CUDA from Ampere on), else float32.
    device : torch.device
        Where to train.

    Returns
    -------
    str
        ``"float32"`` or ``"bfloat16"``. Weights, losses and the optimiser stay in float32.

    Examples
    --------
    >>> choose_precision("float32", torch.device("cpu"))
    'float32'
    """
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    # Only these know whether products are done in hardware, or emulated and slower.
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    asked = [getattr(torch.cpu, name, None) for name in names]
    able = device.type == "cpu" and any(ask() for ask in asked if ask is not None)
    return "bfloat16" if able else "float32"


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch within a block, on one intra-op thread, and restore both.

    One thread is the fastest setting for small recurrent nets.

    Parameters
    ----------
    seed : int
        Seed of every random choice in the block.

    Yields
    ------
    None
        Nothing; the block runs.

    Examples
    --------
    >>> with seeded(0):
    ...     one = torch.rand(1)
    >>> with seeded(0):
    ...     bool(torch.rand(1) == one)
    True
    """
    threads = torch.get_num_threads()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


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
) -> History:
    """Train a network in place and leave it with its best weights.

    What happens in an epoch depends on the weights, the seed and the number of the epoch alone, so
    that a run that goes on from a checkpoint ends with the weights of one that never stopped (on
    the CPU, in float32, on one thread).

    Parameters
    ----------
    model : Model
        The network, on the device of the samples.
    training : Samples
        What trains; it is closed at the end.
    validation : Slices or None
        What validates; without it the last weights are kept.
    losses : sequence of Loss
        Terms of the loss.
    schedule : Schedule
        Epochs, batches, patience.
    seed : int, default: 0
        Seed of what is drawn and dropped.
    monitor : str, default: "total"
        Entry of the validation history that decides: ``total`` or the name of a term.
    precision : {"float32", "bfloat16"}, default: "float32"
        Arithmetic of the network's matrix products.
    progress : bool, optional
        Show a bar; by default when a person watches.
    checkpoint : Checkpoint, optional
        Where to go on from, and where to note the state after an epoch.
    ranks : Ranks, optional
        Processes that train together.

    Returns
    -------
    History
        Loss terms by epoch.

    Raises
    ------
    TrainingError
        If a term cannot be computed, a loss is not finite, or the checkpoint is of another run.
    UnknownNameError
        If ``monitor`` is no term.

    Examples
    --------
    >>> import numpy as np
    >>> from xsm.losses import RMSE
    >>> from xsm.models.lstm import LSTM
    >>> from xsm.nn import Sizes
    >>> from xsm.windows import Windows
    >>> series = np.sin(np.arange(60.0)).reshape(60, 1)
    >>> cells = {"target_offset": np.zeros(1), "target_scale": np.ones(1)}
    >>> windows = Windows(
    ...     series[..., None],
    ...     np.zeros((1, 0)),
    ...     {"target": series},
    ...     cells,
    ...     window=7,
    ...     lead=1,
    ...     forcing=1,
    ... )
    >>> model = LSTM(Sizes(dynamic=1, static=0, window=7), hidden_size=4)
    >>> schedule = Schedule(epochs=2, iterations=3, validate_every=1)
    >>> history = train(model, windows, None, losses=[RMSE()], schedule=schedule, progress=False)
    >>> history.epoch.tolist()
    [1, 2]
    """
    ranks = ranks or Alone()
    try:
        _check(model, training, losses, monitor)
        optimiser = torch.optim.Adam(model.parameters(), lr=schedule.learning_rate, fused=True)
        log = _Log(unique_names(losses), monitor)
        done = _restore(checkpoint, model, optimiser, log)
        _check_together(done, ranks)
        evaluate = ranks.wrap(model)
        hide = None if progress is None else not progress
        hide = True if ranks.rank else hide
        with tqdm(
            total=schedule.epochs, initial=done, unit="epoch", disable=hide, leave=False
        ) as bar:
            for epoch in range(done + 1, schedule.epochs + 1):
                if log.waited >= schedule.patience:
                    break
                torch.manual_seed(generator(seed, 4, epoch).initial_seed())
                batches = training.batches(epoch, schedule, seed)
                parts = _epoch(model, evaluate, batches, losses, optimiser, precision)
                log.add(_finite(ranks.sum(parts), losses, schedule))
                bar.update()
                if epoch % schedule.validate_every == 0 or epoch == schedule.epochs:
                    found = _validate(model, validation, losses, ranks) if validation else None
                    log.close(epoch, model, found)
                    bar.set_postfix_str(f"{monitor} {log.latest:.4g}")
                if checkpoint is not None and not ranks.rank:
                    last = epoch == schedule.epochs or log.waited >= schedule.patience
                    checkpoint.save(_state(epoch, model, optimiser, log), now=last)
    finally:
        training.close()
    return log.finish(model)


def _check(model: Model, training: Samples, losses: Sequence[Loss], monitor: str) -> None:
    """Refuse terms that cannot be computed and a monitor that is none of them."""
    model.eval()
    with torch.no_grad():
        batch = training.example()
        check_losses(losses, batch, model.evaluate(batch))
    names = ["total", *unique_names(losses)]
    if monitor not in names:
        msg = f"monitor={monitor!r} is no loss term. {did_you_mean(monitor, names)}"
        raise UnknownNameError(msg)


def _check_together(done: int, ranks: Ranks) -> None:
    """Refuse ranks that go on from different epochs."""
    total = int(ranks.sum(torch.tensor(float(done), dtype=torch.float64)))
    if total != done * ranks.size:
        msg = (
            f"Rank {ranks.rank} of {ranks.size} found {done} epochs in the checkpoint, others "
            "another number: not all workers see the same file. Name a shared folder, or a URL."
        )
        raise TrainingError(msg)


def _epoch(
    model: Model,
    evaluate: Callable[[Batch], Output],
    batches: Iterator[Batch],
    losses: Sequence[Loss],
    optimiser: torch.optim.Optimizer,
    precision: str,
) -> Tensor:
    """Train one epoch and return the sums of the total and of each term, and their number."""
    model.train()
    rows: list[Tensor] = []
    for batch in batches:
        with torch.autocast(
            batch["dynamic"].device.type, torch.bfloat16, enabled=precision == "bfloat16"
        ):
            output = evaluate(batch)
        total, terms = total_loss(losses, output, batch)
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        optimiser.step()
        rows.append(torch.stack([total.detach(), *terms.values()]))
    parts = torch.stack(rows).double().sum(0)
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
    """Return the total and each term over all samples, as one batch each time would give it."""
    model.eval()
    sums = torch.zeros(2 + len(losses), dtype=torch.float64)
    with torch.no_grad():
        for batch in samples.slices(_VALIDATION_BATCH):
            total, terms = total_loss(losses, model.evaluate(batch), batch)
            row = torch.stack([total, *terms.values(), torch.ones_like(total)])
            sums += len(batch["target"]) * row.double().cpu()
    sums = ranks.sum(sums)
    return sums[:-1] / sums[-1]


class _Log:
    """Collects loss terms, keeps the best weights, and counts validations without improvement."""

    def __init__(self, names: list[str], monitor: str) -> None:
        self.names = ["total", *names]
        self.column = self.names.index(monitor)
        self.epochs: list[int] = []
        self.rows: list[tuple[Tensor, Tensor]] = []
        self.open: list[Tensor] = []
        self.best, self.best_epoch, self.waited = math.inf, 0, 0
        self.weights: dict[str, Tensor] = {}
        self.latest = math.nan

    def add(self, parts: Tensor) -> None:
        """Take the terms of one epoch."""
        self.open.append(parts.double().cpu())

    def close(self, epoch: int, model: Model, validation: Tensor | None) -> None:
        """End the epochs since the last validation and keep the weights if they are the best."""
        missing = torch.full((len(self.names),), math.nan, dtype=torch.float64)
        self.epochs.append(epoch)
        self.rows.append(
            (
                torch.stack(self.open).mean(0),
                missing if validation is None else validation,
            )
        )
        self.open = []
        self.latest = float(self.rows[-1][0 if validation is None else 1][self.column])
        if validation is None or self.latest < self.best:
            self.best, self.best_epoch, self.waited = self.latest, epoch, 0
            self.weights = {k: v.detach().clone() for k, v in model.state_dict().items()}
        else:
            self.waited += 1
        if not math.isfinite(self.latest):
            msg = f"The validation loss is not finite at epoch {epoch}; look for NaN in the target."
            raise TrainingError(msg)

    def state(self) -> dict[str, Tensor]:
        """Return all that is known, for a checkpoint."""
        numbers = [self.best, self.best_epoch, self.waited, self.latest]
        found = {"log.numbers": torch.tensor(numbers, dtype=torch.float64)}
        found["log.epochs"] = torch.tensor(self.epochs)
        none = torch.zeros(0, len(self.names), dtype=torch.float64)
        for k, name in enumerate(("log.training", "log.validation")):
            found[name] = torch.stack([row[k] for row in self.rows]) if self.rows else none
        found["log.open"] = torch.stack(self.open) if self.open else none
        return found | {f"best.{k}": v for k, v in self.weights.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take over what :meth:`state` returned."""
        self.best, best_epoch, waited, self.latest = state["log.numbers"].tolist()
        self.best_epoch, self.waited = int(best_epoch), int(waited)
        self.epochs = [int(epoch) for epoch in state["log.epochs"]]
        self.rows = list(zip(state["log.training"], state["log.validation"], strict=True))
        self.open = list(state["log.open"])
        self.weights = _under("best.", state)

    def finish(self, model: Model) -> History:
        """Put the best weights back and return the history."""
        model.load_state_dict(self.weights)
        model.eval()
        parts = [torch.stack(part).numpy() for part in zip(*self.rows, strict=True)]
        tables = [{n: p[:, i] for i, n in enumerate(self.names)} for p in parts]
        return History(np.asarray(self.epochs), tables[0], tables[1], self.best_epoch)


def _state(
    epoch: int, model: Model, optimiser: torch.optim.Optimizer, log: _Log
) -> dict[str, Tensor]:
    """Return all that the next epochs depend on."""
    state = {"epoch": torch.tensor(epoch), **log.state()}
    state |= {f"model.{k}": v for k, v in model.state_dict().items()}
    for number, values in optimiser.state_dict()["state"].items():
        state |= {f"adam.{number}.{k}": v for k, v in values.items()}
    return state


def _restore(
    checkpoint: Checkpoint | None,
    model: Model,
    optimiser: torch.optim.Optimizer,
    log: _Log,
) -> int:
    """Take over the state of a checkpoint, and return the epochs that it has seen."""
    state = checkpoint.load() if checkpoint is not None else None
    if state is None:
        return 0
    model.load_state_dict(_under("model.", state))
    adam: dict[int, dict[str, Tensor]] = {}
    for name, value in _under("adam.", state).items():
        number, _, key = name.partition(".")
        adam.setdefault(int(number), {})[key] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": adam, "param_groups": groups})
    log.restore(state)
    return int(state["epoch"])


def _under(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the entries under a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
