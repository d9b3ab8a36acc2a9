"""Block means of fine fields, and the layer that makes them those of the coarse field."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["block_means", "conserve_means"]


def block_means(fine: Tensor, weight: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return the weighted mean of each block of fine cells, and the weight of the block.

    Parameters
    ----------
    fine : Tensor
        (batch, 1, y, x), finite.
    weight : Tensor
        (batch, 1, y, x): areas, 0 where a cell is missing.
    size : tuple of int
        Blocks along y and x.

    Returns
    -------
    tuple of Tensor
        Mean and weight (batch, 1, *size); 0 where a block has no weight. Sums are
        taken in float32.

    Examples
    --------
    >>> fine, weight = torch.tensor([[[[1.0, 4.0]]]]), torch.tensor([[[[2.0, 1.0]]]])
    >>> block_means(fine, weight, (1, 1))[0].item()
    2.0
    """
    fine, weight = fine.float(), weight.float()
    batch, _, rows, columns = fine.shape
    shape = (batch, 1, size[0], rows // size[0], size[1], columns // size[1])
    total = (fine * weight).reshape(shape).sum(dim=(3, 5))
    share = weight.reshape(shape).sum(dim=(3, 5))
    return torch.where(share > 0, total / torch.where(share > 0, share, 1.0), 0.0), share


def conserve_means(fine: Tensor, coarse: Tensor, weight: Tensor) -> Tensor:
    """Shift the cells of each block by one number, so that their weighted mean is the coarse value.

    The layer of :func:`xsm.physics.conservation.conserve`, with gradients.

    Parameters
    ----------
    fine : Tensor
        (batch, 1, y, x), finite.
    coarse : Tensor
        (batch, 1, block y, block x), finite.
    weight : Tensor
        (batch, 1, y, x): areas, 0 where a cell is missing.

    Returns
    -------
    Tensor
        (batch, 1, y, x); cells of a block without weight stay.

    Examples
    --------
    >>> fine, coarse = torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([[[[5.0]]]])
    >>> conserve_means(fine, coarse, torch.ones(1, 1, 1, 2)).flatten().tolist()
    [4.0, 6.0]
    """
    size = (coarse.shape[-2], coarse.shape[-1])
    mean, share = block_means(fine, weight, size)
    shift = torch.where(share > 0, coarse - mean, 0.0)
    rows, columns = fine.shape[-2] // size[0], fine.shape[-1] // size[1]
    spread = shift.repeat_interleave(rows, dim=-2).repeat_interleave(columns, dim=-1)
    return fine.float() + spread
