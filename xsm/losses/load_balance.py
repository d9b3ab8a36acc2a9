"""A term that keeps a router from giving all weight to a few experts."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from xsm.losses.terms import Batch

__all__ = ["LoadBalance"]


@dataclass(frozen=True)
class LoadBalance:
    """How unevenly a router uses its experts over a batch.

    Parameters
    ----------
    weight : float, default: 0.01
        Factor of the term in the total.

    Notes
    -----
    ``E sum_e (mean_b w_be)^2 - 1``: the squared coefficient of variation of the mean weights
    ``w`` of ``E`` experts over the samples ``b``, dimensionless; 0 where all are used alike, ``E -
    1`` where one has all. Single samples may still rely on one expert. It is the importance loss
    of Shazeer et al. (2017), Eq. 6 and 7, for dense weights.

    References
    ----------
    Shazeer, N. et al. (2017). Outrageously large neural networks. ICLR, arXiv:1701.06538.

    Examples
    --------
    >>> import torch
    >>> even, alone = torch.eye(4), torch.eye(4)[:1]
    >>> [float(LoadBalance()({"expert_share": w}, {})) for w in (even, alone)]
    [0.0, 3.0]
    """

    weight: float = 0.01

    @property
    def name(self) -> str:
        """Name of the term in the history."""
        return "load_balance"

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys of the batch that the term reads."""
        return ()

    @property
    def reads(self) -> tuple[str, ...]:
        """Keys of the model's output that the term reads."""
        return ("expert_share",)

    def __call__(self, output: Batch, batch: Batch) -> Tensor:
        """Return the unweighted term, a scalar."""
        mean = output["expert_share"].mean(dim=0)  # (expert,)
        return len(mean) * (mean * mean).sum() - 1.0
