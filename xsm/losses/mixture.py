"""A term that lets experts compete, so that their shares say who knows alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from xsm.exceptions import TrainingError
from xsm.losses.terms import Batch

__all__ = ["Mixture"]


_TINY = 1e-6  # of the scaled target: a batch whose targets are all the same


@dataclass(frozen=True)
class Mixture:
    """Negative log-likelihood of a mixture whose parts are the experts, each for itself.

    Parameters
    ----------
    weight : float, default: 0.05
        Factor of the term in the total.
    width : float, default: 1.0
        Spread of each part, s, as a share of the standard deviation of the targets in the batch,
        from above 0. With ``head="gaussian"`` s is what each expert says of its own spread.

    Raises
    ------
    TrainingError
        If ``width`` is not above 0.

    Notes
    -----
    With the shares ``w_e`` of the experts (``expert_share``), what each says ``y_e``, and the
    observation y, both in the min-max scaled target (Jacobs et al. 1991, Eq. 1.3), the mean over
    observed samples of ::

        L = -log sum_e w_e exp( -(y - y_e)^2 / (2 s^2) )

    with a Gaussian head plus ``log s_e`` within the exponent, and ``log(2 pi) / 2``. The squared
    error of the weighted sum lets experts cooperate: any share of the sum may be anyone's, and
    shares say nothing. Here each expert is drawn towards y by itself, by as much as it is believed
    to be the one that knows (``h_e = w_e p_e / sum_k w_k p_k``, given y), and the router is drawn
    towards h. The shares of a prediction are what is believed before y is known. An expert has to
    be able to answer alone: where factors act only together, put them in one group of ``groups=``.
    Where s is small, whoever is ahead first gets all, and experts may end as constants among which
    the router chooses: in a planted world whose driver changes with the season the right expert led
    in no cell with a width of 0.4, in all with 1.
    Without an observed sample the term is 0.

    References
    ----------
    Jacobs, R. A., Jordan, M. I., Nowlan, S. J. and Hinton, G. E. (1991). Adaptive mixtures of
    local experts. Neural Computation 3, 79-87.

    Examples
    --------
    Of two experts the first says what is observed. Its weight decides:

    >>> import torch
    >>> target = torch.tensor([[0.0], [1.0]])
    >>> batch = {"target": target, "mask": torch.ones(2, 1, dtype=torch.bool)}
    >>> apart = torch.tensor([0.0, 9.0]).view(1, 2, 1)
    >>> for share in (0.9, 0.5):
    ...     weights = torch.tensor([[share, 1 - share]] * 2)
    ...     centre = (weights.unsqueeze(-1) * apart).sum(1)
    ...     output = {"mean": target + centre, "expert_share": weights}
    ...     output["expert_departure"] = apart - centre.unsqueeze(1)
    ...     print(round(float(Mixture()(output, batch)), 4))  # -log(share)
    0.1054
    0.6931
    """

    weight: float = 0.05
    width: float = 1.0

    def __post_init__(self) -> None:
        if not self.width > 0:
            msg = f"Mixture(width={self.width}) was given; a share of the spread above 0 is needed."
            raise TrainingError(msg)

    @property
    def name(self) -> str:
        """Name of the term in the history."""
        return "mixture"

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys of the batch that the term reads."""
        return ("target", "mask")

    @property
    def reads(self) -> tuple[str, ...]:
        """Keys of the model's output that the term reads."""
        return ("mean", "expert_share", "expert_departure")

    def __call__(self, output: Batch, batch: Batch) -> Tensor:
        """Return the unweighted term, a scalar."""
        mask = batch["mask"]
        target = torch.where(mask, batch["target"], output["mean"].detach())
        each = output["mean"].unsqueeze(-2) + output["expert_departure"]  # (..., expert, target)
        error = each - target.unsqueeze(-2)
        spread = output.get("expert_std")
        if spread is None:
            exponent = -0.5 * (error / self._width(target, mask)) ** 2
        else:
            exponent = -0.5 * (error / spread) ** 2 - spread.log() - 0.5 * math.log(2 * math.pi)
        share = output["expert_share"].clamp_min(torch.finfo(exponent.dtype).tiny)
        found = -torch.logsumexp(share.log().unsqueeze(-1) + exponent, dim=-2)  # (..., target)
        return torch.where(mask, found, 0.0).sum() / mask.sum().clamp_min(1)

    def _width(self, target: Tensor, mask: Tensor) -> Tensor:
        """Return s, from the standard deviation of what is observed."""
        count = mask.sum().clamp_min(1)
        mean = torch.where(mask, target, 0.0).sum() / count
        square = torch.where(mask, target - mean, 0.0).square().sum() / count
        return self.width * square.sqrt().clamp_min(_TINY)
