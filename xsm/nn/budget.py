"""What of a water budget does not change in time: a network of maps, within bounds."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["Parameters", "overlap"]


_HIDDEN = 32
_PORES = (0.25, 0.65)  # m3 m-3, between which the capacity of a layer lies
_STEEPEST = 5.0  # exponent of drainage, from 1
_PERCOLATES, _FEEDS = (0.01, 1.0), (1e-3, 0.3)  # shares a day, on a logarithmic scale
_WARMEST = 2.0  # K from freezing, of the threshold of snow
_BIAS = 0.3  # of precipitation, at most
_BELOW, _GROUND = 10.0, 50.0  # mm to begin with, times softplus


class Parameters(nn.Module):
    """Capacities, exponents, shares that stay, stores to begin with, and biases of each cell.

    ``forward`` takes maps (batch, static) and returns ``fixed`` and ``start`` as the account takes
    them but with cells first, ``thickness`` (layer,) in mm of water a m3 m-3, ``threshold`` in K
    from freezing, ``aside``, ``bias``, and ``offset`` and ``slope`` of a satellite, (batch, 1).
    """

    thickness: Tensor

    def __init__(self, static: int, bottoms: Sequence[float]) -> None:
        super().__init__()
        count = self.layers = len(bottoms)
        size = 3 * count + 9
        self.maps = nn.Sequential(nn.Linear(static, _HIDDEN), nn.Tanh()) if static else None
        self.head = nn.Linear(_HIDDEN, size, bias=False) if static else None
        self.base = nn.Parameter(torch.zeros(size))  # what all cells share
        with torch.no_grad():
            if self.head is not None:
                self.head.weight.mul_(0.1)  # cells are alike at first
        edges = torch.tensor([0.0, *bottoms])
        self.register_buffer("thickness", 1000 * edges.diff(), persistent=False)

    def forward(self, static: Tensor) -> dict[str, Tensor]:
        """Return the parameters of cells."""
        values = self.base.expand(len(static), -1)
        if self.maps is not None and self.head is not None:
            values = values + self.head(self.maps(static))
        n = self.layers
        pores, powers, filled, rest = values.split([n, n, n, 9], dim=-1)
        capacity = self.thickness * _between(pores, *_PORES)
        percolates, feeds = rest[:, :1], rest[:, 1:2] - 1
        fixed = [_along(percolates, *_PERCOLATES), _along(feeds, *_FEEDS)]
        fixed += [capacity, _between(powers, 1.0, _STEEPEST)]
        below = nn.functional.softplus(rest[:, 2:4]) * rest.new_tensor([_BELOW, _GROUND])
        start = [torch.zeros_like(rest[:, :1]), below, capacity * torch.sigmoid(filled + 0.5)]
        return {
            "fixed": torch.cat(fixed, dim=-1),
            "start": torch.cat(start, dim=-1),
            "thickness": self.thickness,
            "threshold": _WARMEST * torch.tanh(rest[:, 4:5]),
            "aside": torch.sigmoid(rest[:, 5:6] - 1),
            "bias": _BIAS * torch.tanh(rest[:, 6:7]),
            "offset": 0.1 * rest[:, 7:8],
            "slope": torch.exp(0.5 * rest[:, 8:9]),
        }


def overlap(bottoms: Sequence[float], depths: Sequence[tuple[float, float]]) -> Tensor:
    """Return shares of the layers of an account in each layer that was observed, summing to 1.

    Parameters
    ----------
    bottoms : sequence of float
        Bottom of each layer of the account, m, from the surface down.
    depths : sequence of (float, float)
        Top and bottom of each layer observed, m.

    Returns
    -------
    Tensor
        (observed, layer). Where no layer of the account reaches, the lowest is taken.

    Examples
    --------
    >>> overlap([0.1, 0.4], [(0.0, 0.2)])
    tensor([[0.5000, 0.5000]])
    """
    rows = torch.zeros(len(depths), len(bottoms))
    tops = [0.0, *bottoms[:-1]]
    for row, (upper, lower) in zip(rows, depths, strict=True):
        for k, (top, bottom) in enumerate(zip(tops, bottoms, strict=True)):
            row[k] = max(0.0, min(lower, bottom) - max(upper, top))
        if not row.any():
            row[-1] = 1.0
    return rows / rows.sum(dim=1, keepdim=True).clamp_min(1e-12)


def _between(values: Tensor, low: float, high: float) -> Tensor:
    """Return numbers between bounds."""
    return low + (high - low) * torch.sigmoid(values)


def _along(values: Tensor, low: float, high: float) -> Tensor:
    """Return numbers between bounds, even on a logarithmic scale."""
    return low * (high / low) ** torch.sigmoid(values)
