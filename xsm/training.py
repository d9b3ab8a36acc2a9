"""The training loop: plain, seeded, with early stopping and every loss term logged."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from xsm.batches import Windows
from xsm.exceptions import TrainingError, UnknownNameError, did_you_mean
from xsm.losses import Loss, check_losses, total_loss, unique_names
from xsm.nn import Model, Schedule
from xsm.typing import FloatArray

__all__ = ["History", "choose_device", "seeded", "train"]

_VALIDATION_BATCH = 4096


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


def train(
    model: Model,
    training: Windows,
    validation: Windows | None,
    *,
    losses: Sequence[Loss],
    schedule: Schedule,
    monitor: str = "total",
    precision: str = "float32",
    progress: bool | None = None,
) -> History:
    """Train a network in place and leave it with its best weights.

    Parameters
    ----------
    model : Model
        The network, on the device of the windows.
    training, validation : Windows
        Samples; without validation the last weights are kept.
    losses : sequence of Loss
        Terms of the loss.
    schedule : Schedule
        Epochs, batches, patience.
    monitor : str, default: "total"
        Entry of the validation history that decides: ``total`` or the name of a term.
    precision : {"float32", "bfloat16"}, default: "float32"
        Arithmetic of the network's matrix products.
    progress : bool, optional
        Show a bar; by default when a person watches.

    Returns
    -------
    History
        Loss terms by epoch.

    Raises
    ------
    TrainingError
        If a term cannot be computed, or a loss is not finite.
    UnknownNameError
        If ``monitor`` is no term.

    Examples
    --------
    >>> import numpy as np
    >>> from xsm.losses import RMSE
    >>> from xsm.models.lstm import LSTM
    >>> from xsm.nn import Sizes
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
    _check(model, training, losses, monitor)
    optimiser = torch.optim.Adam(model.parameters(), lr=schedule.learning_rate, fused=True)
    log = _Log(unique_names(losses), monitor)
    hide = None if progress is None else not progress
    with tqdm(total=schedule.epochs, unit="epoch", disable=hide, leave=False) as bar:
        for epoch in range(1, schedule.epochs + 1):
            log.add(_epoch(model, training, losses, schedule, optimiser, precision))
            bar.update()
            if epoch % schedule.validate_every and epoch != schedule.epochs:
                continue
            log.close(
                epoch,
                model,
                _validate(model, validation, losses) if validation else None,
            )
            bar.set_postfix_str(f"{monitor} {log.latest:.4g}")
            if log.waited >= schedule.patience:
                break
    return log.finish(model)


def _check(model: Model, training: Windows, losses: Sequence[Loss], monitor: str) -> None:
    """Refuse terms that cannot be computed and a monitor that is none of them."""
    model.eval()
    with torch.no_grad():
        batch = training.batch(torch.zeros(1, dtype=torch.long, device=training.device))
        check_losses(losses, batch, model.evaluate(batch))
    names = ["total", *unique_names(losses)]
    if monitor not in names:
        msg = f"monitor={monitor!r} is no loss term. {did_you_mean(monitor, names)}"
        raise UnknownNameError(msg)


def _epoch(
    model: Model,
    training: Windows,
    losses: Sequence[Loss],
    schedule: Schedule,
    optimiser: torch.optim.Optimizer,
    precision: str,
) -> Tensor:
    """Train one epoch and return the mean of the total and of each term."""
    model.train()
    parts = torch.zeros(1 + len(losses), device=training.device)
    kind = torch.device(training.device).type
    drawn = training.draw(schedule.iterations, schedule.batch_size, sampling=schedule.sampling)
    for index in drawn:
        batch = training.batch(index)
        with torch.autocast(kind, torch.bfloat16, enabled=precision == "bfloat16"):
            output = model.evaluate(batch)
        total, terms = total_loss(losses, output, batch)
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        optimiser.step()
        parts += torch.stack([total.detach(), *terms.values()])
    mean = parts / schedule.iterations
    if not torch.isfinite(mean).all():
        found = dict(zip(["total", *unique_names(losses)], mean.tolist(), strict=True))
        msg = (
            f"The training loss is not finite: {found}. Lower learning_rate="
            f"{schedule.learning_rate}, or look for extreme values in the inputs and the target."
        )
        raise TrainingError(msg)
    return mean


def _validate(model: Model, windows: Windows, losses: Sequence[Loss]) -> Tensor:
    """Return the total and each term over all samples, as one batch each time would give it."""
    model.eval()
    sums = torch.zeros(1 + len(losses), dtype=torch.float64)
    with torch.no_grad():
        for index in torch.arange(len(windows), device=windows.device).split(_VALIDATION_BATCH):
            batch = windows.batch(index)
            total, terms = total_loss(losses, model.evaluate(batch), batch)
            sums += len(index) * torch.stack([total, *terms.values()]).double().cpu()
    return sums / len(windows)


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

    def finish(self, model: Model) -> History:
        """Put the best weights back and return the history."""
        model.load_state_dict(self.weights)
        model.eval()
        parts = [torch.stack(part).numpy() for part in zip(*self.rows, strict=True)]
        tables = [{n: p[:, i] for i, n in enumerate(self.names)} for p in parts]
        return History(np.asarray(self.epochs), tables[0], tables[1], self.best_epoch)
