"""How many weights a mixture of experts has, beside those of the network it is compared with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from xsm.nn.base import Sizes

__all__ = ["MixtureSize", "encoder_widths"]


class MixtureSize:
    """How many weights a mixture has, beside those of the plain network."""

    def __init__(
        self, sizes: Sizes, seen: Sequence[int], patch: int, router: int, experts: int
    ) -> None:
        self.sizes, self.seen, self.patch = sizes, seen, patch
        self.router, self.experts = router, experts

    def matched(self, channels: int, hidden: int) -> tuple[int, int]:
        """Return the largest channels and hidden units whose weights are no more than those."""
        most = self._count([self.sizes.dynamic + (self.patch > 1)], channels, hidden, 1, 0)
        for units in range(hidden, 1, -1):
            width = max(1, math.ceil(channels * units / hidden))
            if self._count(self.seen, width, units, self.experts, self.router) <= most:
                return width, units
        return 1, 1

    def _count(
        self, seen: Sequence[int], width: int, hidden: int, experts: int, router: int
    ) -> int:
        """Return the number of weights."""
        own, still = self.sizes, self.sizes.static + (self.patch > 1)
        inputs = width * (2 if own.static else 1)
        encoders = [*seen, *([still] if own.static else [])]
        found = sum(_encoder_weights(n, self.patch, width) for n in encoders)
        found += experts * (_lstm_weights(inputs, hidden) + (hidden + 1) * own.target)
        if router:
            found += _lstm_weights(inputs, router) + (router + 1) * experts
        return found


def _lstm_weights(inputs: int, hidden: int) -> int:
    """Return the number of weights of an LSTM, with the two biases of torch."""
    return 4 * hidden * (inputs + hidden + 2)


def _encoder_weights(channels: int, patch: int, width: int) -> int:
    """Return the number of weights of a patch encoder."""
    taps, widths = 9 if patch > 1 else 1, [channels, *encoder_widths(patch, width)]
    return sum((taps * a + 1) * b for a, b in pairwise(widths))


def encoder_widths(patch: int, width: int) -> list[int]:
    """Return the channels after each convolution, as of :class:`PatchEncoder`."""
    return [*[max(1, width // 2)] * (max(1, patch // 2) - 1), width]
