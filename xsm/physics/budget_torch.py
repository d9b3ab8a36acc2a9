"""The closed water budget in torch, with the gradients of :mod:`xsm.physics.budget`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from xsm.physics.budget import budget
from xsm.physics.budget_adjoint import budget_adjoint

__all__ = ["water_budget"]


def water_budget(given: Tensor, fixed: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    """Run the chain of stores through all steps, with gradients.

    Parameters
    ----------
    given, fixed, start : Tensor
        As of :func:`xsm.physics.budget.budget`, all of one type.

    Returns
    -------
    tuple of Tensor
        Stores, mm, and fluxes, mm a step, (row, time, cell). The kernel runs on processors:
        tensors of another device are copied there and back.

    Raises
    ------
    GridError
        If shapes do not fit.

    Examples
    --------
    >>> given = torch.zeros(9, 1, 1, requires_grad=True)
    >>> stores, _ = water_budget(given, torch.ones(4, 1), torch.ones(4, 1))
    >>> stores.sum().backward()
    >>> given.grad[0].item()  # a mm of snow more is a mm more in store
    1.0
    """
    stores, fluxes = _Budget.apply(given, fixed, start)  # type: ignore[no-untyped-call]
    return stores, fluxes


class _Budget(torch.autograd.Function):
    """The compiled chain and its adjoint."""

    @staticmethod
    def forward(ctx: Any, given: Tensor, fixed: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
        """Run on the processors; keep what the adjoint begins from."""
        stores, fluxes = (
            torch.from_numpy(array).to(given.device)
            for array in budget(*(_array(tensor) for tensor in (given, fixed, start)))
        )
        ctx.save_for_backward(given, fixed, start, stores)
        return stores, fluxes

    @staticmethod
    def backward(ctx: Any, *wanted: Tensor) -> tuple[Tensor, ...]:
        """Run back."""
        arrays = [_array(tensor) for tensor in (*ctx.saved_tensors, *wanted)]
        device = wanted[0].device
        return tuple(torch.from_numpy(found).to(device) for found in budget_adjoint(*arrays))


def _array(tensor: Tensor) -> Any:
    """Return a tensor as an array in the order of the rows."""
    return tensor.detach().cpu().contiguous().numpy()
