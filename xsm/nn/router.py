"""What users should know of a router, and of the weights of its experts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["router_remarks"]


_FEW = 1.5  # experts: where the mean weights are spread over fewer, the router has collapsed
_NEVER = 0.01  # an expert whose weight is nowhere above does not matter


def router_remarks(
    names: Sequence[str] | Mapping[str, Any], shares: Tensor, weights: Tensor
) -> tuple[str, ...]:
    """Tell of a router that has collapsed, and of experts that never matter.

    Parameters
    ----------
    names : sequence of str
        The experts.
    shares, weights : Tensor
        (..., expert) of many samples; NaN counts for nothing.

    Returns
    -------
    tuple of str
        A sentence where ``exp(H)`` of the mean shares, the number of experts that have them, is
        below 1.5 (``H = -sum w ln w``), and one where weights are nowhere above 0.01.

    Examples
    --------
    >>> shares = torch.tensor([[0.999, 0.001]])
    >>> router_remarks(["rain", "wind"], shares, shares)[1][:44]
    "The weight of ['wind'] is nowhere above 0.01"
    """
    shares, weights = (values.reshape(-1, values.shape[-1]) for values in (shares, weights))
    there = torch.isfinite(shares).all(dim=1) & torch.isfinite(weights).all(dim=1)
    if not there.any() or len(names) < 2:
        return ()
    mean, most = shares[there].mean(0, dtype=torch.float64), weights[there].amax(0)
    spread = float(torch.exp(-torch.xlogy(mean, mean).sum()))
    said = []
    if spread < _FEW:
        shown = {name: round(float(w), 3) for name, w in zip(names, mean, strict=True)}
        said.append(
            f"The router has collapsed onto {spread:.2f} of {len(names)} experts (mean shares "
            f"{shown}): the others were hardly trained. Add "
            "xsm.losses.LoadBalance(weight=0.01) to losses=, or train longer."
        )
    idle = [name for name, w in zip(names, most, strict=True) if w < _NEVER]
    if idle:
        said.append(
            f"The weight of {idle} is nowhere above {_NEVER}: these experts never matter. Leave "
            "their inputs out of dynamic=, or put them into another of groups=."
        )
    return tuple(said)
