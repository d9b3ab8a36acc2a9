"""Loss terms of fine fields: mass of coarse regions, infiltration, smoothness.

All act on the scaled target; ``mask`` (observed) and ``valid`` (has its inputs) tell which cells
count, so that the sea has no say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xsm.physics.conservation_torch import block_means

__all__ = ["InfiltrationCorrelation", "InfiltrationSign", "MassBalance", "TotalVariation"]


Batch = Mapping[str, Tensor]


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over the cells that count, 0 where there is none."""
    return torch.where(mask, values, 0.0).sum() / mask.sum().clamp_min(1)


@dataclass(frozen=True)
class MassBalance:
    """Area-weighted means of regions of the fine field, against those of the coarse field.

    Parameters
    ----------
    weight : float, default: 1.0
        Factor of the term in the total.
    block : int, default: 32
        Fine cells of the largest region along each axis; the coarse cell is the smallest.

    Notes
    -----
    Mean square of ``sum(A f) / sum(A) - sum(A c) / sum(A)`` over regions of 1, 2, 4, ... coarse
    cells along each axis, up to ``block`` fine cells; each scale has the same say.

    Examples
    --------
    >>> fine, coarse = torch.full((1, 1, 4, 4), 3.0), torch.full((1, 1, 2, 2), 1.0)
    >>> batch = {"coarse": coarse, "area": torch.ones(1, 1, 4, 4)}
    >>> float(MassBalance()({"mean": fine}, batch))
    4.0
    """

    weight: float = 1.0
    block: int = 32
    name: ClassVar[str] = "mass_balance"
    needs: ClassVar[tuple[str, ...]] = ("coarse", "area")
    reads: ClassVar[tuple[str, ...]] = ("mean",)

    def __call__(self, output: Batch, batch: Batch) -> Tensor:
        """Return the unweighted term, a scalar."""
        coarse = batch["coarse"]
        rows, columns = coarse.shape[-2:]
        mean, area = block_means(output["mean"], batch["area"], (rows, columns))
        area = area / area.mean().clamp_min(1e-30)  # m2 of a continent overflow no sum
        gap, found, cells = mean - coarse, [], batch["area"].shape[-1] // columns
        while True:
            found.append(_mean(gap * gap, area > 0))
            cells *= 2
            if cells > self.block or min(gap.shape[-2:]) < 2:
                return torch.stack(found).mean()
            gap, area = _joined(gap, area)


def _joined(gap: Tensor, area: Tensor) -> tuple[Tensor, Tensor]:
    """Join 2 x 2 regions; those left over at the edge drop out."""
    rows, columns = gap.shape[-2] // 2, gap.shape[-1] // 2
    gap, area = (a[..., : 2 * rows, : 2 * columns] for a in (gap, area))
    return block_means(gap, area, (rows, columns))


@dataclass(frozen=True)
class InfiltrationSign:
    """Storage that falls in months of more infiltration than usual, or rises in months of less.

    Parameters
    ----------
    weight : float, default: 1.0
        Factor of the term in the total.

    Notes
    -----
    ``mean( ReLU( -sign(I') (S_t - S_(t-1)) )^2 )``: ``I'`` is the anomaly of the infiltration
    ``a(th) P``, ``a = 0.1 + 0.4 th``, from the mean of the same month of the year in training;
    ``S_(t-1)`` is the interpolated coarse storage of the month before.

    Examples
    --------
    >>> one = torch.ones(1, 1, 1, 1)
    >>> batch = {"previous": 3 * one, "infiltration": 0.2 * one, "valid": one}
    >>> float(InfiltrationSign()({"mean": one}, batch))
    4.0
    """

    weight: float = 1.0
    name: ClassVar[str] = "infiltration_sign"
    needs: ClassVar[tuple[str, ...]] = ("previous", "infiltration", "valid")
    reads: ClassVar[tuple[str, ...]] = ("mean",)

    def __call__(self, output: Batch, batch: Batch) -> Tensor:
        """Return the unweighted term, a scalar."""
        change, infiltration, mask = _change(output, batch)
        against = torch.relu(-torch.sign(infiltration) * change)
        return _mean(against * against, mask)


@dataclass(frozen=True)
class InfiltrationCorrelation:
    """How little the size of the change of storage goes with that of the infiltration anomaly.

    Parameters
    ----------
    weight : float, default: 1.0
        Factor of the term in the total.

    Notes
    -----
    ``1 - r( |S_t - S_(t-1)|, |I'| )`` over the cells of the batch, see :class:`InfiltrationSign`.

    Examples
    --------
    >>> storage = torch.tensor([[[[1.0, 2.0, 3.0]]]])
    >>> batch = {"previous": 0 * storage, "infiltration": storage, "valid": torch.ones(1, 1, 1, 3)}
    >>> round(float(InfiltrationCorrelation()({"mean": storage}, batch)), 5)
    0.0
    """

    weight: float = 1.0
    name: ClassVar[str] = "infiltration_correlation"
    needs: ClassVar[tuple[str, ...]] = ("previous", "infiltration", "valid")
    reads: ClassVar[tuple[str, ...]] = ("mean",)

    def __call__(self, output: Batch, batch: Batch) -> Tensor:
        """Return the unweighted term, a scalar."""
        change, infiltration, mask = _change(output, batch)
        parts = [
            torch.where(mask, a - _mean(a, mask), 0.0) for a in (change.abs(), infiltration.abs())
        ]
        product = (parts[0] * parts[1]).sum()
        squares = (parts[0] ** 2).sum() * (parts[1] ** 2).sum()
        return 1.0 - product / torch.sqrt(squares.clamp_min(1e-12))


def _change(output: Batch, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Return the change of storage, the anomaly of infiltration, and where both are known."""
    previous, infiltration = batch["previous"], batch["infiltration"]
    mask = torch.isfinite(previous + infiltration) & (batch["valid"] > 0)
    change = output["mean"] - torch.where(mask, previous, 0.0)
    return torch.where(mask, change, 0.0), torch.where(mask, infiltration, 0.0), mask


@dataclass(frozen=True)
class TotalVariation:
    """Mean step of the correction between neighbouring cells.

    Parameters
    ----------
    weight : float, default: 1.0
        Factor of the term in the total.

    Notes
    -----
    ``mean |d(f - b)|`` along y and x between cells that are both there, with the base ``b``: what
    the interpolation holds already costs nothing.

    Examples
    --------
    >>> steps = torch.tensor([[[[0.0, 2.0, 2.0]]]])
    >>> batch = {"base": 0 * steps, "valid": torch.ones(1, 1, 1, 3)}
    >>> float(TotalVariation()({"mean": steps}, batch))
    1.0
    """

    weight: float = 1.0
    name: ClassVar[str] = "total_variation"
    needs: ClassVar[tuple[str, ...]] = ("base", "valid")
    reads: ClassVar[tuple[str, ...]] = ("mean",)

    def __call__(self, output: Batch, batch: Batch) -> Tensor:
        """Return the unweighted term, a scalar."""
        correction, there = output["mean"] - batch["base"], batch["valid"] > 0
        found = [correction.new_zeros(()), correction.new_zeros(())]
        for axis in (-2, -1):
            both = there.narrow(axis, 1, there.shape[axis] - 1)
            both = both & there.narrow(axis, 0, there.shape[axis] - 1)
            step = torch.where(both, correction.diff(dim=axis).abs(), 0.0)
            found = [found[0] + step.sum(), found[1] + both.sum()]
        return found[0] / found[1].clamp_min(1)
