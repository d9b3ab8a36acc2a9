"""Terms of a loss over pieces of a record, after their warm-up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from xsm.losses.terms import Batch, Loss, answered_steps

__all__ = ["OverPiece", "over_pieces"]


@dataclass(frozen=True)
class OverPiece:
    """A term over all steps of pieces (batch, steps, target) after the first ``warmup``.

    A term that compares steps is given them as they follow each other; one that does not is given
    each step as a sample of its own.
    """

    term: Loss
    sequence: int
    warmup: int

    @property
    def weight(self) -> float:
        """Factor of the term in the total."""
        return self.term.weight

    @property
    def name(self) -> str:
        """Name of the term in the history."""
        return self.term.name

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys of the batch that the term reads."""
        return self.term.needs

    @property
    def reads(self) -> tuple[str, ...]:
        """Keys of the model's output that the term reads."""
        return self.term.reads

    @property
    def answered(self) -> int:
        """Steps of a piece: all of them are handed over."""
        return self.sequence

    def __call__(self, output: Batch, batch: Batch) -> Tensor:
        """Return the unweighted term, a scalar."""
        steps = output["mean"].shape[1] - self.warmup
        flat = answered_steps([self.term]) == 1
        cut = {key: self._cut(values, steps, flat) for key, values in output.items()}
        given = {key: self._cut(batch[key], steps, flat) for key in self.needs}
        return self.term(cut, given)

    def _cut(self, values: Tensor, steps: int, flat: bool) -> Tensor:  # noqa: FBT001
        """Return values after the warm-up; flat as (batch * steps, ...)."""
        if values.dim() == 2:  # static maps
            values = values.unsqueeze(1)
        if values.shape[1] > 1:
            values = values[:, self.warmup :]
        if not flat:
            return values
        return values.expand(-1, steps, *values.shape[2:]).flatten(0, 1)


def over_pieces(terms: Sequence[Loss], sequence: int, warmup: int) -> tuple[OverPiece, ...]:
    """Return terms as they train on pieces of ``sequence`` steps.

    Examples
    --------
    >>> from xsm.losses import RMSE
    >>> over_pieces([RMSE()], 180, 30)[0].answered
    180
    """
    return tuple(OverPiece(term, sequence, warmup) for term in terms)
