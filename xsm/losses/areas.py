"""Means over areas, of what is predicted and of what was observed."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["area_means"]


_WHOLE = 1e-3  # of an area: what rounding of shares may lack


def area_means(
    predicted: Tensor, observed: Tensor, area: Tensor, share: Tensor
) -> tuple[Tensor, Tensor]:
    """Return means over areas, of what is predicted and of what of it was observed.

    Parameters
    ----------
    predicted, observed : Tensor
        (batch, steps, layer); ``observed`` is NaN where it was not.
    area : Tensor
        (batch, 1, key): samples with equal keys are cells of one area at one time.
    share : Tensor
        (batch, 1, 1): share of each cell in its area; 0 outside of all.

    Returns
    -------
    tuple of Tensor
        (area, steps, layer): the mean predicted over all cells of an area, and that observed over
        those that were, weighted by their shares. What is observed is NaN of an area that is not
        whole in the batch, or without an observation.

    Examples
    --------
    Two of three cells of an area, the larger one twice as large, and a whole area of one:

    >>> steps = torch.tensor([3.0, 6.0, 9.0]).view(3, 1, 1)
    >>> area = torch.tensor([5.0, 5.0, 7.0]).view(3, 1, 1)
    >>> share = torch.tensor([1 / 3, 2 / 3, 1.0]).view(3, 1, 1)
    >>> area_means(steps, steps, area, share)[0].flatten()
    tensor([5., 9.])
    >>> area_means(steps[1:], steps[1:], area[1:], share[1:])[1].flatten()
    tensor([nan, 9.])
    """
    group = torch.unique(area[:, 0], dim=0, return_inverse=True)[1]
    count = int(group.max()) + 1

    def total(values: Tensor) -> Tensor:
        return values.new_zeros(count, *values.shape[1:]).index_add(0, group, values)

    here = total(share)
    times = here.round()  # an area can have been drawn twice at a time
    whole = (times > 0) & ((here - times).abs() < _WHOLE * times)
    seen = torch.isfinite(observed)
    known = total(share * seen)
    mean = total(torch.where(seen, share * observed, 0.0)) / known.clamp_min(_WHOLE**2)
    mean = torch.where(whole & (known > _WHOLE**2), mean, torch.nan)
    return total(share * predicted) / here.clamp_min(_WHOLE**2), mean
