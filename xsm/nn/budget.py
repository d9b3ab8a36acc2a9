"""What of a water budget does not change in time: a network of maps, within bounds."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from xsm.physics.budget import FLUXES
from xsm.physics.budget_torch import water_budget

__all__ = ["Parameters", "overlap", "settled", "unsettled"]


_HIDDEN = 32
_PORES = (0.25, 0.65)  # m3 m-3, between which the capacity of a layer lies
_MIDDLE, _WIDTH, _LEAST = 0.45, 0.1, 0.05  # of pores, about
_STEEPEST = 5.0  # exponent of drainage, from 1
_PERCOLATES, _FEEDS = (0.01, 1.0), (1e-3, 0.3)  # shares a day, on a logarithmic scale
_WARMEST = 2.0  # K from freezing, of the threshold of snow
_BIAS = 0.3  # of precipitation, at most
_BELOW, _GROUND = 10.0, 50.0  # mm, about what is there to begin with
_QUICK = 4.0  # by which the stores to begin with learn faster
_YEAR = 365  # steps, after which the season is the same


class Parameters(nn.Module):
    """Capacities, exponents, shares that stay, stores to begin with, and biases of each cell.

    ``forward`` takes maps (batch, static) and returns ``fixed`` and ``start`` as the account takes
    them but with cells first, ``thickness`` (layer,) in mm of water a m3 m-3, ``threshold`` in K
    from freezing, ``aside``, ``bias``, and ``offset`` and ``slope`` of a satellite, (batch, 1).
    ``pores`` are the maps that hold the pores of the layers, where these are known.
    """

    thickness: Tensor

    def __init__(self, static: int, bottoms: Sequence[float], pores: Sequence[int] = ()) -> None:
        super().__init__()
        self.pores = list(pores)
        count = self.layers = len(bottoms)
        size = 3 * count + 10
        self.maps = nn.Sequential(nn.Linear(static, _HIDDEN), nn.Tanh()) if static else None
        self.head = nn.Linear(_HIDDEN, size, bias=False) if static else None
        self.base = nn.Parameter(torch.zeros(size))  # what all cells share
        with torch.no_grad():
            if self.head is not None:
                self.head.weight.mul_(0.1)  # cells are alike at first
        edges = torch.tensor([0.0, *bottoms])
        self.register_buffer("thickness", 1000 * edges.diff(), persistent=False)

    def near(self, static: Tensor) -> Tensor:
        """Return maps as numbers near 0: all but the pores are."""
        if not self.pores:
            return static
        known = static.clone()
        known[..., self.pores] = (known[..., self.pores] - _MIDDLE) / _WIDTH
        return known

    def forward(self, static: Tensor) -> dict[str, Tensor]:
        """Return the parameters of cells."""
        values = self.base.expand(len(static), -1)
        if self.maps is not None and self.head is not None:
            values = values + self.head(self.maps(self.near(static)))
        n = self.layers
        *soil, rest = values.split([n, n, n, 10], dim=-1)
        pores, powers, filled = (own.cumsum(dim=-1) for own in soil)  # as the layer above, and own
        found = static[:, self.pores].clamp_min(_LEAST) if self.pores else _between(pores, *_PORES)
        capacity = self.thickness * found
        percolates, feeds = rest[:, :1], rest[:, 1:2] - 1
        fixed = [_along(percolates, *_PERCOLATES), _along(feeds, *_FEEDS)]
        fixed += [capacity, _between(powers, 1.0, _STEEPEST)]
        below = torch.exp((_QUICK * rest[:, 2:4]).clamp(-6, 6)) * rest.new_tensor([_BELOW, _GROUND])
        wet = torch.sigmoid(_QUICK * filled + 0.5)
        start = [torch.zeros_like(rest[:, :1]), below, capacity * wet]
        return {
            "fixed": torch.cat(fixed, dim=-1),
            "start": torch.cat(start, dim=-1),
            "thickness": self.thickness,
            "threshold": _WARMEST * torch.tanh(rest[:, 4:5]),
            "aside": torch.sigmoid(rest[:, 5:6] - 1),
            "bias": _BIAS * torch.tanh(rest[:, 6:7]),
            "offset": 0.1 * rest[:, 7:8],
            "slope": torch.exp(0.5 * rest[:, 8:9]),
            "level": torch.exp(rest[:, 9:10]),
        }


def settled(given: Tensor, still: dict[str, Tensor]) -> Tensor:
    """Return the stores (batch, row) that a piece begins with, after years of the same weather.

    Two passes over the whole years of the piece, without gradients: one fills soil and snow, and
    tells how much recharge the groundwater has to pass on; the other gives its season. ``level``
    is what the groundwater has more or less of than that. A shorter piece begins with ``start``.
    """
    years = given.shape[1] // _YEAR * _YEAR
    if not years:
        return still["start"]
    with torch.no_grad():
        fixed, start = still["fixed"].T, still["start"].T
        for _ in range(2):
            stores, fluxes = water_budget(given[:, :years].contiguous(), fixed, start)
            start = stores[:, -1].clone()
            passed = fluxes[FLUXES.index("recharge")].mean(dim=0)
            if _ == 0:
                start[2] = passed * (1 / fixed[1] - 1)
    snow, below, ground, *soil = start
    return torch.stack([snow, below, ground * still["level"][:, 0], *soil], dim=-1)


def unsettled(still: dict[str, Tensor], begun: Tensor) -> Tensor:
    """Return how far the stores that maps tell are from those a piece began with, as shares."""
    return (still["start"] - begun.detach())[:, 1:] / (_BELOW + begun.detach()[:, 1:])


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
