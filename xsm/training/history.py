"""What happened in training: each loss term by epoch, the best weights, when to stop."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from xsm.exceptions import TrainingError
from xsm.nn import Model
from xsm.typing import FloatArray

__all__ = ["History", "Log", "under"]


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


class Log:
    """Collect loss terms, keep the best weights, and count validations without improvement.

    Parameters
    ----------
    names : list of str
        Loss terms, in their order.
    monitor : str
        ``total`` or the term that decides.
    """

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
        self.weights = under("best.", state)

    def finish(self, model: Model) -> History:
        """Put the best weights back and return the history."""
        model.load_state_dict(self.weights)
        model.eval()
        parts = [torch.stack(part).numpy() for part in zip(*self.rows, strict=True)]
        tables = [{n: p[:, i] for i, n in enumerate(self.names)} for p in parts]
        return History(np.asarray(self.epochs), tables[0], tables[1], self.best_epoch)


def under(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the entries under a prefix, without it.

    Parameters
    ----------
    prefix : str
        How their names begin.
    state : dict of str to Tensor
        All entries.

    Returns
    -------
    dict of str to Tensor
        Those under the prefix.

    Examples
    --------
    >>> under("best.", {"best.weight": 1, "epoch": 2})
    {'weight': 1}
    """
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
