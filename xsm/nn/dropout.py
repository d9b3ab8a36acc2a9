"""Dropout whose random numbers can belong to a thread."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from xsm.exceptions import TrainingError

__all__ = ["Dropout", "dropping"]

_OWN = threading.local()


@contextlib.contextmanager
def dropping(random: torch.Generator | None) -> Iterator[None]:
    """Let this thread's :class:`Dropout` draw from a generator.

    Parameters
    ----------
    random : torch.Generator or None
        On the CPU; None is torch's global one, whose order of draws is not known where several
        threads share it.

    Yields
    ------
    None
        The block.

    Examples
    --------
    >>> drop, draws = Dropout(0.5), []
    >>> for _ in range(2):
    ...     with dropping(torch.Generator().manual_seed(0)):
    ...         draws.append(drop(torch.ones(1, 8)))
    >>> torch.equal(*draws)
    True
    """
    before = getattr(_OWN, "random", None)
    _OWN.random = random
    try:
        yield
    finally:
        _OWN.random = before


class Dropout(nn.Module):
    """Set a random share of the values to 0 in training, and scale the others up.

    Parameters
    ----------
    share : float
        Probability of a value to become 0.

    Raises
    ------
    TrainingError
        If the share is not in [0, 1).

    Examples
    --------
    >>> Dropout(0.5).eval()(torch.ones(2))
    tensor([1., 1.])
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        try:
            fine = 0 <= share < 1
        except TypeError:  # text, None
            fine = False
        if not fine:
            msg = f"dropout={share!r} was given; a share of at least 0 and below 1 is needed."
            raise TrainingError(msg)
        self.share = share

    def forward(self, values: Tensor) -> Tensor:
        """Return the values, some of them dropped in training."""
        if not self.training or not self.share:
            return values
        # 32 random bits a value, two values a draw: torch's bernoulli_ takes four times as long on
        # a CPU, 3 % of a step of an LSTM.
        draws = torch.empty(values.numel() // 2 + 1, dtype=torch.int64, device=values.device)
        draws.random_(-(2**63), None, generator=getattr(_OWN, "random", None))
        bits = draws.view(torch.int32)[: values.numel()].view(values.shape)
        kept = bits >= int(self.share * 2**32) - 2**31
        return values * kept.to(values.dtype).div_(1.0 - self.share)
