"""What was observed before: in a window, and along a record."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = [
    "MIDDLE",
    "SPREAD",
    "last_observation",
    "last_seen",
    "seen_inputs",
    "with_seen",
    "without_weather",
]


# Of soil moisture that is scaled from 0 to 1 over all cells, about: what runs through a record
# takes it, and answers, in numbers near 0 and about as large as 1, as all its other inputs are.
MIDDLE, SPREAD = 0.5, 0.2


def last_observation(observed: Tensor, default: Tensor) -> Tensor:
    """Return the last observation in each window, or a default where it has none.

    Parameters
    ----------
    observed : Tensor
        (..., window, 2 target): the observations, then their masks.
    default : Tensor
        (..., target): value for a window without an observation.

    Returns
    -------
    Tensor
        (..., target), in the units of the observations.

    Examples
    --------
    >>> observed = torch.tensor([[[0.3, 1.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    >>> last_observation(observed, torch.tensor([[0.5], [0.5]])).squeeze(1)
    tensor([0.3000, 0.5000])
    """
    values, mask = observed.chunk(2, dim=-1)  # (..., window, target)
    order = mask * torch.arange(1, mask.shape[-2] + 1, device=mask.device).view(-1, 1)
    latest, at = order.max(dim=-2, keepdim=True)  # (..., 1, target)
    return torch.where(latest > 0, values.gather(-2, at), default.unsqueeze(-2)).squeeze(-2)


def last_seen(observed: Tensor, value: Tensor, age: Tensor) -> tuple[Tensor, Tensor]:
    """Return the last observation at or before each step, and how many steps ago it was.

    Parameters
    ----------
    observed : Tensor
        (batch, steps, target), NaN where nothing was observed.
    value, age : Tensor
        (batch, target): what was seen last before the first step, and how long before the step
        that precedes it; infinite where nothing was.

    Returns
    -------
    value : Tensor
        (batch, steps, target).
    age : Tensor
        The same, 0 where it is of the step itself.

    Examples
    --------
    >>> series = torch.tensor([0.3, torch.nan, torch.nan]).view(1, 3, 1)
    >>> value, age = last_seen(series, torch.zeros(1, 1), torch.full((1, 1), torch.inf))
    >>> age.flatten().tolist()
    [0.0, 1.0, 2.0]
    """
    place = torch.arange(observed.shape[1], device=observed.device).view(-1, 1)
    at = torch.where(torch.isfinite(observed), place, -1).cummax(dim=1).values
    here = at >= 0
    values = torch.where(here, observed.gather(1, at.clamp_min(0)), value.unsqueeze(1))
    ages = torch.where(here, (place - at).to(age.dtype), age.unsqueeze(1) + 1 + place)
    return values, ages


def seen_inputs(value: Tensor, age: Tensor, limit: int) -> Tensor:
    """Return what a network is given of the last observation: value, age, and whether there is one.

    Parameters
    ----------
    value, age : Tensor
        (batch, steps, target), the age in steps at the time of the prediction.
    limit : int
        An older observation counts as none: no piece that trains holds an older one.

    Returns
    -------
    Tensor
        (batch, steps, 3 target): values as ``(value - 0.5) / 0.2``, ``log(1 + age)``, masks; 0
        where there is none.

    Examples
    --------
    >>> value, age = torch.tensor([[[0.7]], [[0.7]]]), torch.tensor([[[0.0]], [[9.0]]])
    >>> seen_inputs(value, age, 5).squeeze(1)
    tensor([[1.0000, 0.0000, 1.0000],
            [0.0000, 0.0000, 0.0000]])
    """
    there = age <= limit
    parts = [
        torch.where(there, part, 0.0) for part in ((value - MIDDLE) / SPREAD, torch.log1p(age))
    ]
    return torch.cat([*parts, there.to(value.dtype)], dim=-1)


def with_seen(dynamic: Tensor, seen: Tensor) -> Tensor:
    """Return inputs with what was seen of the cell itself.

    Parameters
    ----------
    dynamic : Tensor
        (batch, steps, dynamic), or with neighbours (batch, steps, cell, dynamic + 1), whose last
        channel is 1 where there is such a cell.
    seen : Tensor
        (batch, steps, 3 target) of :func:`seen_inputs`.

    Returns
    -------
    Tensor
        (batch, steps, [cell,] dynamic + 3 target [+ 1]). Each cell of a square is given what was
        seen of the one in its middle, 0 where there is no cell.

    Examples
    --------
    >>> with_seen(torch.zeros(5, 7, 9, 2 + 1), torch.zeros(5, 7, 3)).shape
    torch.Size([5, 7, 9, 6])
    """
    if dynamic.dim() == seen.dim():
        return torch.cat([dynamic, seen], dim=-1)
    own, there = dynamic[..., :-1], dynamic[..., -1:]
    return torch.cat([own, there * seen.unsqueeze(2), there], dim=-1)


def without_weather(dynamic: Tensor, hidden: Tensor, count: int) -> Tensor:
    """Return inputs whose weather is hidden at some steps: 0, its mean.

    Parameters
    ----------
    dynamic : Tensor
        (batch, steps, [cell,] channel), of which the first ``count`` are weather.
    hidden : Tensor of bool
        (batch, steps, 1).
    count : int
        Channels of weather.

    Returns
    -------
    Tensor
        The same.

    Examples
    --------
    >>> without_weather(torch.ones(1, 2, 2), torch.tensor([[[False], [True]]]), 1)
    tensor([[[1., 1.],
             [0., 1.]]])
    """
    away = hidden.view(*hidden.shape[:2], *[1] * (dynamic.dim() - 2))
    weather = dynamic[..., :count].masked_fill(away, 0.0)
    return torch.cat([weather, dynamic[..., count:]], dim=-1)
