"""Dropout whose random numbers can belong to a thread."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from xsm.exceptions import TrainingError
from xsm.nn.randomness import Drawing, Source

__all__ = ["Dropout", "choose", "dropping"]


_OWN = threading.local()
_MANY, _VALUES = 64, 2**20  # masks drawn at a time, at most, and their values


class Masks:
    """What is kept by the :class:`Dropout` of one thread, drawn for many batches at a time.

    Parameters
    ----------
    random : Source
        Of random numbers, for no other thread.

    Notes
    -----
    Beside a network that empties the processor's near caches, the five operations that draw a mask
    cost 0.2 ms a batch of 64 (an LSTM of 128 takes 3 ms), and 0.03 ms where masks wait.

    Examples
    --------
    >>> masks = Masks(Source(1))
    >>> sorted(set(masks.take(0.5, torch.ones(8)).tolist()))
    [0.0, 2.0]
    """

    def __init__(self, random: Source) -> None:
        self.random = random
        self._held: dict[object, Iterator[Tensor]] = {}

    def take(self, share: float, values: Tensor) -> Tensor:
        """Return 0 where a value is dropped, else what it is scaled by.

        Parameters
        ----------
        share : float
            Probability of a value to become 0.
        values : Tensor
            What the mask is for.

        Returns
        -------
        Tensor
            As large as the values, on their device, of their type or of float32 if that is finer.
        """
        key = share, values.shape, values.dtype, values.device
        found = next(self._held.get(key, iter(())), None)
        if found is None:
            count = max(1, min(_MANY, _VALUES // max(1, values.numel())))
            random = self.random.on(values.device)
            self._held[key] = iter(draw(share, values, count, random).unbind())
            found = next(self._held[key])
        return found


def draw(share: float, values: Tensor, count: int, random: torch.Generator | None) -> Tensor:
    """Draw masks.

    Parameters
    ----------
    share : float
        Probability of a value to become 0.
    values : Tensor
        What the masks are for.
    count : int
        Number of masks.
    random : torch.Generator or None
        Source of random numbers; None is torch's global one.

    Returns
    -------
    Tensor
        (count, ...) of 0 and of what keeps the mean.

    Examples
    --------
    >>> draw(0.0, torch.ones(2), 1, None)
    tensor([[1., 1.]])
    """
    size = count * values.numel()
    # 32 random bits a value, two values a draw: torch's bernoulli_ takes four times as long on a
    # CPU.
    draws = torch.empty(size // 2 + 1, dtype=torch.int64, device=values.device)
    bits = draws.random_(-(2**63), None, generator=random).view(torch.int32)[:size]
    kept = (bits >= int(share * 2**32) - 2**31).to(torch.promote_types(values.dtype, torch.float32))
    return kept.div_(1.0 - share).view(count, *values.shape)


@contextlib.contextmanager
def dropping(masks: Masks | None, *, foreign: bool = False) -> Iterator[None]:
    """Let this thread's :class:`Dropout` take masks that were drawn many at a time.

    Parameters
    ----------
    masks : Masks or None
        None draws each mask when it is needed, from torch's global generator.
    foreign : bool, default: False
        What other classes draw comes from the source of the masks too, see
        ``xsm.nn.randomness.draws``.

    Yields
    ------
    None
        The block.

    Examples
    --------
    >>> drop, dropped = Dropout(0.5), []
    >>> for _ in range(2):
    ...     with dropping(Masks(Source(0))):
    ...         dropped.append(drop(torch.ones(1, 8)))
    >>> torch.equal(*dropped)
    True
    """
    before = getattr(_OWN, "masks", None)
    _OWN.masks = masks
    own = Drawing(masks.random) if foreign and masks else contextlib.nullcontext()
    try:
        with own:
            yield
    finally:
        _OWN.masks = before


def choose(count: int) -> int:
    """Draw a whole number below ``count``, from what this thread draws its masks from.

    Examples
    --------
    >>> choose(1)
    0
    """
    masks: Masks | None = getattr(_OWN, "masks", None)
    random = None if masks is None else masks.random.on("cpu")
    return int(torch.randint(count, (1,), generator=random))


class Dropout(nn.Module):
    """Set a random share of the values to 0 in training, and scale the others up.

    Values of bfloat16 come back in float32 in training: scaled in 8 bits, they would be too large
    or too small by up to 0.4 %.

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
        masks: Masks | None = getattr(_OWN, "masks", None)
        if masks is None:
            return values * draw(self.share, values, 1, None)[0]
        return values * masks.take(self.share, values)
