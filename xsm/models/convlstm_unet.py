"""ConvLSTM-U-Net: groundwater storage at a finer scale, with memory, physics and uncertainty.

Ibrahim et al. (2026). IRE Journals, 10.64388/irev9i9-1714801. Formulas are xsm's where the
published summary gives none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from xsm.losses import BetaNLL
from xsm.losses.fields import InfiltrationCorrelation, InfiltrationSign, MassBalance, TotalVariation
from xsm.nn import Batch, ConvLSTM, FieldModel, Output, Sizes, UNet, masked_resize

__all__ = ["ConvLSTMUNet"]


_SMALL = 16  # channels of size="auto": a sixteenth of the work of 64; tables in docs/papers
_LEAST = {32: 5_000_000, 64: 20_000_000}  # values of the truth, for more channels on a GPU


class ConvLSTMUNet(FieldModel):
    """Correct an interpolated coarse field by what months before and fine covariates tell.

    Parameters
    ----------
    sizes : Sizes
        Sizes of inputs and outputs, derived from the data.
    hidden : int, default: 64
        Channels of the ConvLSTM.
    layers : int, default: 2
        Layers of the ConvLSTM.
    widths : sequence of int, default: (64, 128, 256)
        Channels of the U-Net at each scale.
    conserve : {"soft", "exact"}, default: "soft"
        Whether area-weighted means are drawn to the coarse field by the loss alone, or made equal.
    patch : int, default: 32
        Coarse cells of a patch along each axis.
    anchor : bool, default: True
        Correct what a regression of each fine cell with a truth says; without, and in other cells,
        one of all cells on the covariates where that beats interpolation, else the interpolation.
    hide : float, default: 0.25
        Share of the coarse cells of a patch whose regressions are hidden in training.

    Notes
    -----
    A ConvLSTM (3 x 3) reads the window of coarse fields; its last state, interpolated to the fine
    grid and joined by the fine covariates, goes through a U-Net with two heads: a correction
    that is added to the base, a regression or the interpolated coarse field, and the spread
    (``head="point"`` leaves the second out). Both start at zero weights, so that the untrained
    network is the base.

    The sizes above are published. ``fit`` and ``downscale`` take ``size="auto"``, of 16 channels
    (``hidden=16, widths=(16, 32, 64)``), on a GPU 32 from five million values of the truth and 64
    from twenty million; ``size="published"`` takes those above, and ``hidden`` and ``widths`` go
    before either.

    ``L = beta_nll + 0.5 mass + 0.05 sign + 0.05 correlation + 0.001 variation``, see
    :mod:`xsm.losses` and ``xsm.losses.fields``; the weights are xsm's. The two terms of
    infiltration are there where precipitation and soil moisture are among the covariates.

    Examples
    --------
    >>> from xsm.nn import Sizes
    >>> model = ConvLSTMUNet(Sizes(2, 3, window=6, gaussian=True), hidden=4, widths=(4, 8))
    >>> batch = {"dynamic": torch.zeros(1, 6, 2, 3, 3), "present": torch.ones(1, 1, 3, 3)}
    >>> batch |= {"fine": torch.zeros(1, 3, 12, 12), "valid": torch.ones(1, 1, 12, 12)}
    >>> batch |= {"base": torch.full((1, 1, 12, 12), 5.0)}
    >>> output = model.evaluate(batch)
    >>> output["mean"].shape, bool((output["mean"] == 5).all())
    (torch.Size([1, 1, 12, 12]), True)
    """

    losses = (
        BetaNLL(1.0),
        MassBalance(0.5),
        InfiltrationSign(0.05),
        InfiltrationCorrelation(0.05),
        TotalVariation(0.001),
    )

    def __init__(
        self,
        sizes: Sizes,
        *,
        hidden: int = 64,
        layers: int = 2,
        widths: Sequence[int] = (64, 128, 256),
        conserve: str = "soft",
        patch: int = 32,
        anchor: bool = True,
        hide: float = 0.25,
    ) -> None:
        super().__init__(sizes, conserve=conserve, patch=patch, anchor=anchor, hide=hide)
        self.memory = ConvLSTM(sizes.dynamic, hidden, layers)
        self.unet = UNet(hidden + sizes.static, widths)
        self.head = nn.Conv2d(widths[0], 2 if sizes.gaussian else 1, 1)
        for weights in self.head.parameters():
            nn.init.zeros_(weights)

    @classmethod
    def sized(cls, values: int, device: str) -> dict[str, Any]:
        """Return the channels that so many values of the truth and a device allow, see Notes."""
        allowed = [n for n, least in _LEAST.items() if device != "cpu" and values >= least]
        hidden = max(allowed, default=_SMALL)
        return {"hidden": hidden, "widths": (hidden, 2 * hidden, 4 * hidden)}

    def forward(self, batch: Batch) -> Output:
        """Return ``mean`` and ``log_variance`` (batch, 1, y, x) of the scaled target."""
        fine, valid, present = batch["fine"], batch["valid"], batch["present"]
        state = self.memory(batch["dynamic"], present)  # (batch, hidden, h, w)
        state = masked_resize(state, present, (fine.shape[-2], fine.shape[-1]))
        features = self.unet(torch.cat([state, fine], dim=1), valid)  # (batch, width, y, x)
        correction, *rest = self.head(features).float().split(1, dim=1)
        found = {"mean": batch["base"] + correction}
        return {**found, "log_variance": rest[0]} if rest else found


MODEL = ConvLSTMUNet
