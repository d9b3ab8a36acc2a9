"""A term that makes the weights of experts say what the prediction would lose without each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from xsm.losses.terms import Batch

__all__ = ["Absence"]


_LEAST = 0.005  # of a weight: an expert that is not missed is not driven further down


@dataclass(frozen=True)
class Absence:
    """How far the weights of experts are from what is lost where an expert's inputs are absent.

    Parameters
    ----------
    weight : float, default: 0.001
        Factor of the term in the total. It trains weights alone, which nothing else trains, so that
        the factor hardly matters.

    Notes
    -----
    For the samples that were asked, with the error e, the change a_k of the prediction where the
    inputs of expert k come from another time, and the weights w_k::

        r_k = (e + a_k)^2 - e^2,    L = -sum r_k log(max(w_k, 0.005)) / sum |r_k|

    over samples, experts and targets that are observed. L is least where ``w_k`` is the expected
    rise of the squared error without expert k, as a share of all rises: permutation importance
    (Breiman 2001; Fisher et al. 2019), learnt for each sample. A rise may be negative, by chance;
    it counts as it is, so that inputs that say nothing get nothing. Schwab et al. (2019) train the
    attention of experts so, with networks of their own for each absent one. The term is 0 where no
    sample was asked, as in validation.

    References
    ----------
    Breiman, L. (2001). Random forests. Machine Learning 45, 5-32.
    Fisher, A., Rudin, C. and Dominici, F. (2019). All models are wrong, but many are useful. JMLR
    20(177), 1-81.
    Schwab, P., Miladinovic, D. and Karlen, W. (2019). Granger-causal attentive mixtures of experts:
    learning important features with neural networks. AAAI 33, 4846-4853.

    Examples
    --------
    Without the first of two experts the prediction, which was right, is wrong by 2, without the
    second by 1. Of weights of 0.8 and 0.2, which say so, the term is less than of equal ones:

    >>> import torch
    >>> batch = {"target": torch.zeros(2, 1), "mask": torch.ones(2, 1, dtype=torch.bool)}
    >>> output = {"mean": torch.zeros(2, 1)}
    >>> output["expert_absence"] = torch.tensor([[2.0, 0.0], [0.0, 1.0]]).unsqueeze(-1)
    >>> for weights in ([0.8, 0.2], [0.5, 0.5]):
    ...     output["expert_weight"] = torch.tensor([weights, weights])
    ...     print(round(float(Absence()(output, batch)), 3))
    0.5
    0.693
    """

    weight: float = 0.001

    @property
    def name(self) -> str:
        """Name of the term in the history."""
        return "absence"

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys of the batch that the term reads."""
        return ("target", "mask")

    @property
    def reads(self) -> tuple[str, ...]:
        """Keys of the model's output that the term reads."""
        return ("mean", "expert_weight", "expert_absence")

    def __call__(self, output: Batch, batch: Batch) -> Tensor:
        """Return the unweighted term, a scalar."""
        mask, change = batch["mask"].unsqueeze(-2), output["expert_absence"]
        error = (output["mean"].detach() - batch["target"]).unsqueeze(-2)
        rise = torch.where(mask, change * (2 * error + change), 0.0).sum(-1)  # (..., expert)
        logs = output["expert_weight"].clamp_min(_LEAST).log()
        tiny = torch.finfo(rise.dtype).tiny
        return -(rise * logs).sum() / rise.abs().sum().clamp_min(tiny)
