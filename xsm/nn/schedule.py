"""How long and in what steps a network is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Schedule"]


@dataclass(frozen=True)
class Schedule:
    """How long and in what steps to train.

    Parameters
    ----------
    epochs : int, default: 1000
        At most so many epochs.
    iterations : int, default: 300
        Batches in an epoch.
    batch_size : int, default: 64
        Samples in a batch.
    learning_rate : float, default: 1e-3
        Step of Adam.
    validate_every : int, default: 20
        Epochs between two validations.
    patience : int, default: 10
        Validations without improvement after which training stops.
    sampling : {"time", "mixed"}, default: "time"
        All cells of a batch at one random time, or each sample at its own.
    decay : {"none", "cosine"}, default: "none"
        Keep the learning rate, or let it fall to a fiftieth along half a cosine over the epochs.
    clip : float, default: 0.0
        Longest gradient of all weights together that is followed; longer ones are shortened. 0
        follows all as they are.
    """

    epochs: int = 1000
    iterations: int = 300
    batch_size: int = 64
    learning_rate: float = 1e-3
    validate_every: int = 20
    patience: int = 10
    sampling: str = "time"
    decay: str = "none"
    clip: float = 0.0

    def rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 1.

        Examples
        --------
        >>> schedule = Schedule(epochs=3, decay="cosine")
        >>> [round(schedule.rate(epoch), 5) for epoch in (1, 2, 3)]
        [0.001, 0.00051, 2e-05]
        """
        if self.decay == "none" or self.epochs < 2:
            return self.learning_rate
        share = 0.5 * (1.0 + math.cos(math.pi * (epoch - 1) / (self.epochs - 1)))
        return self.learning_rate * (0.02 + 0.98 * share)
