"""Where training goes on from: the weights of a source, what stays, and what draws back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from xsm.losses import Loss
from xsm.losses.anchor import Anchor
from xsm.nn import Model

__all__ = ["Start"]


@dataclass(frozen=True, eq=False)
class Start:
    """Weights to begin with, and which of them move, when and how far.

    ``frozen`` weights never move; in the first ``head_first`` epochs those of ``head`` alone do.
    ``anchor`` is the weight of :class:`Anchor`, 0 for none.
    """

    weights: Mapping[str, Tensor]
    frozen: tuple[str, ...] = ()
    head: tuple[str, ...] = ()
    head_first: int = 0
    anchor: float = 0.0

    def put_into(self, model: Model) -> tuple[Loss, ...]:
        """Give a network its weights; return the term that draws it back to them."""
        model.load_state_dict(dict(self.weights))
        self.release(model, 0)
        if not self.anchor:
            return ()
        moving = [w for name, w in model.named_parameters() if name not in self.frozen]
        return (Anchor(self.anchor, moving, [w.detach().clone() for w in moving]),)

    def release(self, model: Model, epoch: int) -> bool:
        """Let the weights of an epoch move and no others; tell whether that has changed."""
        alone = 0 < epoch <= self.head_first
        before = [w.requires_grad for w in model.parameters()]
        for name, weight in model.named_parameters():
            weight.requires_grad_(name not in self.frozen and (not alone or name in self.head))
        return before != [w.requires_grad for w in model.parameters()]

    def identity(self) -> str:
        """Return what decides the course of a run, with a digest of the weights."""
        digest = hashlib.sha256()
        for name in sorted(self.weights):
            values = self.weights[name].detach().cpu().contiguous()
            digest.update(name.encode() + values.numpy().tobytes())
        return f"{digest.hexdigest()[:16]} {self.frozen} {self.head_first} {self.anchor}"
