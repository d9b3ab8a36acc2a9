"""U-Net over fields with holes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from xsm.nn.masked import MaskedConv2d, masked_pool, masked_resize

__all__ = ["UNet"]


class UNet(nn.Module):
    """Convolve at several scales, coarse ones joined to fine ones, over what is there.

    No layer compares a cell with the mean of its patch, so that the same neighbourhood gives the
    same answer in any patch.

    Parameters
    ----------
    inputs : int
        Channels of the input.
    widths : sequence of int, default: (64, 128, 256)
        Channels at each scale; each is half as fine as the one before.

    Notes
    -----
    After Ronneberger et al. (2015): means over blocks on the way down, bilinear interpolation on
    the way up (transposed convolutions draw checkerboards), no normalisation.

    References
    ----------
    Ronneberger, O. et al. (2015). U-Net. MICCAI.

    Examples
    --------
    >>> net = UNet(inputs=3, widths=(4, 8))
    >>> net(torch.zeros(2, 3, 5, 6), torch.ones(2, 1, 5, 6)).shape
    torch.Size([2, 4, 5, 6])
    """

    def __init__(self, inputs: int, widths: Sequence[int] = (64, 128, 256)) -> None:
        super().__init__()
        below = [inputs, *widths[:-1]]
        self.down = nn.ModuleList(_Pair(a, b) for a, b in zip(below, widths, strict=True))
        self.up = nn.ModuleList(_Pair(a + b, a) for a, b in itertools.pairwise(widths))
        self.step = 2 ** (len(widths) - 1)

    def forward(self, field: Tensor, mask: Tensor) -> Tensor:
        """Return (batch, widths[0], y, x) of a field (batch, inputs, y, x) and its mask."""
        rows, columns = field.shape[-2:]
        pad = (0, -columns % self.step, 0, -rows % self.step)  # masked cells, cut off again
        field, mask = functional.pad(field, pad), functional.pad(mask, pad)
        passed = []
        for k, pair in enumerate(self.down):
            if k:
                field, mask = masked_pool(field, mask)
            field = pair(field, mask)
            passed.append((field, mask))
        field, mask = passed.pop()
        for pair in reversed(list(self.up)):
            kept, fine = passed.pop()
            up = masked_resize(field, mask, (kept.shape[-2], kept.shape[-1]))
            field, mask = pair(torch.cat([kept, up], dim=1), fine), fine
        return field[..., :rows, :columns]


class _Pair(nn.Module):
    """Two convolutions, each followed by a smooth ramp."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first, self.second = MaskedConv2d(inputs, outputs), MaskedConv2d(outputs, outputs)

    def forward(self, field: Tensor, mask: Tensor) -> Tensor:
        """Return (batch, outputs, y, x)."""
        field = functional.silu(self.first(field, mask))
        return functional.silu(self.second(field, mask))
