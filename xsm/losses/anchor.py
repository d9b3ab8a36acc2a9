"""What draws weights back to those that training went on from.

Li, X., Grandvalet, Y. and Davoine, F. (2018). Explicit inductive bias for transfer learning with
convolutional networks. ICML, PMLR 80:2825-2834 (L2-SP).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from xsm.losses.terms import Batch

__all__ = ["Anchor"]


@dataclass(frozen=True, eq=False)
class Anchor:
    """Half the squared distance of weights from where they began: ``sum((w - w0)^2) / 2``.

    It is 0 where no slopes are taken, so that what validates is judged by its errors alone.
    """

    weight: float = 0.01
    weights: Sequence[Tensor] = ()
    origin: Sequence[Tensor] = ()

    @property
    def name(self) -> str:
        """Name of the term in the history."""
        return "anchor"

    @property
    def needs(self) -> tuple[str, ...]:
        """No key of the batch."""
        return ()

    @property
    def reads(self) -> tuple[str, ...]:
        """No key of the model's output."""
        return ()

    def __call__(self, output: Batch, batch: Batch) -> Tensor:
        """Return the unweighted term, a scalar."""
        if not (torch.is_grad_enabled() and self.weights):
            return torch.zeros((), device=output["mean"].device)
        moved = torch._foreach_sub(list(self.weights), list(self.origin))
        return 0.5 * torch.cat([part.flatten() for part in moved]).square().sum()
