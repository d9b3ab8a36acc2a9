"""The monotonic surface water balance as a loss term."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from xsm.exceptions import check_choice
from xsm.losses.terms import Batch
from xsm.typing import TERMS, Compat, Trend

__all__ = ["WaterBalance"]


_LETTERS = {
    "precipitation": "P",
    "evaporation": "E",
    "surface_runoff": "SRO",
    "snow": "SD",
}


@dataclass(frozen=True)
class WaterBalance:
    """Penalty on soil moisture that moves against the trend of the inflow.

    Parameters
    ----------
    weight : float, default: 0.5
        Factor of the term in the total, ``l2`` of Geng et al. (2024), Eq. 8.
    deep : bool, default: False
        Subtract the change of the water below the target's layer (Eq. 11).
    terms : tuple of str
        Terms of the inflow: any of ``precipitation``, ``evaporation``, ``surface_runoff`` and
        ``snow``.
    trend : {"change", "level"}, default: "change"
        Sign of the change of the inflow (as published), or of the inflow itself.
    threshold : float, default: 0.0
        Inflow, or change of it, in mm day-1 at or below which the trend is 0.
    compat : {None, "geng2024_code"}, default: None
        Reproduce the authors' released code, see :func:`xsm.water_balance`.
    previous : {"observed", "predicted"}, default: "observed"
        What the prediction is compared with: the last observation before it (as published), or the
        prediction of the step before.

    Notes
    -----
    ``L = mean(ReLU(T (SM_prev - SMhat))^2)`` (Geng et al. 2024, Eq. 9 and 14), with the filtered
    trend ``T`` in {-1, 0, 1} at the time of the prediction and ``SM_prev`` the last observation
    before it, both in the min-max scaled target (dimensionless). Samples without a trend are left
    out of the mean; samples with ``T = 0`` count. Of a profile, the top layer is compared.

    With ``previous="predicted"`` the term is ``mean(ReLU(T_t (SMhat_{t-1} - SMhat_t))^2)``, of two
    consecutive predictions, and T is that of the inflow alone, of every step: no observation is
    needed, and none filters it. A network that runs through the record is held to the balance
    between observations too; where these are few, as a satellite's, the published term sees few
    steps.

    References
    ----------
    Geng, Q. et al. (2024). Front. For. Glob. Change 7:1353011.

    Examples
    --------
    A rising inflow, and a prediction 0.2 below the last observation:

    >>> import torch
    >>> term = WaterBalance(terms=("precipitation",))
    >>> batch = {"previous": torch.tensor([[0.5]]), term.trend_key: torch.tensor([[1.0]])}
    >>> round(float(term({"mean": torch.tensor([[0.3]])}, batch)), 4)
    0.04
    >>> float(term({"mean": torch.tensor([[0.6]])}, batch))
    0.0

    The same between two predictions:

    >>> free = WaterBalance(terms=("precipitation",), previous="predicted")
    >>> batch = {free.trend_key: torch.ones(1, 2, 1)}
    >>> round(float(free({"mean": torch.tensor([[[0.5], [0.3]]])}, batch)), 4)
    0.04
    """

    weight: float = 0.5
    deep: bool = False
    terms: tuple[str, ...] = TERMS
    trend: Trend = "change"
    threshold: float = 0.0
    compat: Compat | None = None
    previous: Literal["observed", "predicted"] = "observed"

    def __post_init__(self) -> None:
        """Refuse what is neither."""
        check_choice("previous", self.previous, ("observed", "predicted"))

    @property
    def name(self) -> str:
        """Name of the term in the history."""
        return "water_balance_deep" if self.deep else "water_balance"

    @property
    def trend_key(self) -> str:
        """Key of the batch that holds this term's trend: one for each setting of the balance."""
        letters = ".".join(_LETTERS.get(term, term) for term in self.terms)
        parts = ["trend", self.trend, letters, "deep" if self.deep else "single"]
        extra = [f"above{self.threshold:g}"] if self.threshold else []
        extra += ["free"] if self.previous == "predicted" else []
        return "_".join(parts + extra + ([self.compat] if self.compat else []))

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys of the batch that the term reads."""
        return (self.trend_key,) if self.answered == 2 else ("previous", self.trend_key)

    @property
    def answered(self) -> int:
        """Last steps of a sample that the term compares."""
        return 2 if self.previous == "predicted" else 1

    @property
    def reads(self) -> tuple[str, ...]:
        """Keys of the model's output that the term reads."""
        return ("mean",)

    def __call__(self, output: Batch, batch: Batch) -> Tensor:
        """Return the unweighted term, a scalar."""
        trend, mean = batch[self.trend_key], output["mean"][..., :1]
        if self.answered == 2:  # (batch, steps, target): each step against the one before it
            trend, previous, mean = trend[:, 1:], mean[:, :-1], mean[:, 1:]
        else:
            previous = batch["previous"]
        valid = torch.isfinite(trend + previous)
        trend = torch.where(
            valid, trend, 0.0
        )  # before the product: NaN times 0 is NaN in gradients
        previous = torch.where(valid, previous, 0.0)
        against = torch.relu(trend * (previous - mean))
        return (against * against).sum() / valid.sum().clamp_min(1)
