"""Convolution of fields with holes: what is masked has no say, and is not spoken for."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["MaskedConv2d", "masked_pool", "masked_resize"]


class MaskedConv2d(nn.Conv2d):
    """Convolve the cells that are there, and scale by the share of the kernel that they fill.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    kernel : int, default: 3
        Cells of the kernel along each axis, odd.

    Notes
    -----
    ``y = m (W (m x) k / sum(m) + b)`` with the mask ``m`` and the ``k`` cells of the kernel: the
    partial convolution of Liu et al. (2018), but masked cells stay masked. Cells beyond the edge
    count as masked, so that a patch at the edge of the data is no special case.

    References
    ----------
    Liu, G. et al. (2018). Image inpainting for irregular holes using partial convolutions. ECCV.

    Examples
    --------
    >>> conv, mask = MaskedConv2d(1, 2), torch.tensor([[[[1.0, 0.0]]]])
    >>> one, other = (conv(torch.tensor([[[[3.0, hole]]]]), mask) for hole in (7.0, -7.0))
    >>> bool((one == other).all()), float(one[..., 1].abs().max().detach())
    (True, 0.0)
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)
        self.cells = kernel * kernel

    def forward(self, field: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        """Return (batch, outputs, y, x), 0 where the mask (batch, 1, y, x) is 0."""
        ones = self.weight.new_ones(1, 1, *self.kernel_size)
        count = functional.conv2d(mask.to(ones.dtype), ones, padding=self.padding)
        found = functional.conv2d(field * mask, self.weight, padding=self.padding)
        scaled = found * (self.cells / count.clamp_min(1.0)).to(found.dtype)
        if self.bias is not None:
            scaled = scaled + self.bias.to(found.dtype)[:, None, None]
        return scaled * mask


def masked_pool(field: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return means over blocks of 2 x 2 cells of those that are there, and where there are any.

    Parameters
    ----------
    field : Tensor
        (batch, channel, y, x), y and x even.
    mask : Tensor
        (batch, 1, y, x), 0 or 1.

    Returns
    -------
    tuple of Tensor
        Field (batch, channel, y / 2, x / 2) and mask (batch, 1, y / 2, x / 2).

    Examples
    --------
    >>> field, mask = torch.tensor([[[[4.0, 9.0], [2.0, 9.0]]]]), torch.ones(1, 1, 2, 2)
    >>> mask[..., 1] = 0
    >>> masked_pool(field, mask)[0].item()
    3.0
    """
    share = functional.avg_pool2d(mask, 2)
    mean = functional.avg_pool2d(field * mask, 2) / share.clamp_min(0.25)
    return mean, (share > 0).to(mask.dtype)


def masked_resize(field: Tensor, mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Interpolate bilinearly between the cells that are there.

    Parameters
    ----------
    field : Tensor
        (batch, channel, y, x).
    mask : Tensor
        (batch, 1, y, x), 0 or 1.
    size : tuple of int
        Cells wanted along y and x.

    Returns
    -------
    Tensor
        (batch, channel, *size), 0 where no neighbour is there.

    Examples
    --------
    >>> field, mask = torch.tensor([[[[4.0, 9.0]]]]), torch.tensor([[[[1.0, 0.0]]]])
    >>> masked_resize(field, mask, (1, 4)).flatten().tolist()
    [4.0, 4.0, 4.0, 0.0]
    """
    both = torch.cat([field * mask, mask.expand(len(field), -1, -1, -1)], dim=1)
    both = functional.interpolate(both, size=size, mode="bilinear", align_corners=False)
    return both[:, :-1] / both[:, -1:].clamp_min(1e-6)
