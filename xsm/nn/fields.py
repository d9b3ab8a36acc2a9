"""Networks of whole fields: what they are given, and what they share."""

from __future__ import annotations

from typing import Any, ClassVar

from xsm.nn.base import Batch, Model, Output, Schedule, Sizes
from xsm.nn.heads import with_spread
from xsm.physics.conservation_torch import conserve_means
from xsm.typing import Scaling

__all__ = ["FieldModel"]


class FieldModel(Model):
    """Base of the networks that downscale: coarse fields in, a fine field out.

    A batch holds, with ``h, w`` coarse and ``y, x`` fine cells of a patch:

    ==============  ==============================  ======================================
    ``dynamic``     (batch, window, dynamic, h, w)  coarse fields, the last channel a mask
    ``fine``        (batch, static, y, x)           base, anchor, covariates, 0 if masked
    ``base``        (batch, 1, y, x)                what is corrected
    ``valid``       (batch, 1, y, x)                1 where a fine cell has all its inputs
    ``present``     (batch, 1, h, w)                1 where the coarse target is there
    ``coarse``      (batch, 1, h, w)                coarse target, 0 where missing
    ``area``        (batch, 1, y, x)                areas, 0 where a fine cell is masked
    ==============  ==============================  ======================================

    and in training ``target``, ``mask`` (batch, 1, y, x) and what the loss terms need.

    Parameters
    ----------
    sizes : Sizes
        ``dynamic`` and ``static`` count the channels of ``dynamic`` and ``fine``. With
        ``gaussian`` ``forward`` returns ``log_variance`` beside ``mean``.
    conserve : {"soft", "exact"}, default: "soft"
        Whether area-weighted means of the fine field are drawn to the coarse one by a term of the
        loss alone, or made equal to it by the last layer too.
    patch : int, default: 32
        Coarse cells of a patch along each axis; smaller domains are one patch.
    anchor : bool, default: True
        Where a fine truth trains: correct what a regression of each fine cell on the coarse window
        says, where there is one, instead of the interpolation.
    hide : float, default: 0.25
        Share of the coarse cells of a patch whose regressions are hidden in training, so that the
        network learns to do without.
    """

    downscales: ClassVar[bool] = True
    default_head: ClassVar[str] = "gaussian"
    window: ClassVar[int] = 6
    lead: ClassVar[int] = 0
    scaling: ClassVar[Scaling] = "global"
    schedule: ClassVar[Schedule] = Schedule(
        epochs=60,
        iterations=20,
        batch_size=8,
        validate_every=2,
        patience=10,
        sampling="mixed",
    )

    def __init__(
        self,
        sizes: Sizes,
        *,
        conserve: str = "soft",
        patch: int = 32,
        anchor: bool = True,
        hide: float = 0.25,
    ) -> None:
        super().__init__(sizes)
        self.conserve, self.patch, self.anchor, self.hide = conserve, patch, anchor, hide

    @classmethod
    def sized(cls, values: int, device: str) -> dict[str, Any]:
        """Return the hyper-parameters of ``size="auto"``; by default those of the constructor.

        Parameters
        ----------
        values : int
            Values of the truth that train.
        device : str
            Kind of the device: ``"cpu"``, ``"cuda"`` or ``"mps"``.

        Returns
        -------
        dict of str to Any
            Arguments of the constructor; what the user gives goes before.
        """
        return {}

    def outputs(self, batch: Batch) -> Output:
        """Return what ``forward`` does, with ``std`` in the place of ``log_variance``."""
        found: Output = self(batch)
        return with_spread(found) if "log_variance" in found else found

    def evaluate(self, batch: Batch) -> Output:
        """Return the outputs of a batch, conserved where that is wanted.

        Parameters
        ----------
        batch : dict of str to Tensor
            As in the table above.

        Returns
        -------
        dict of str to Tensor
            ``mean`` (batch, 1, y, x), of a Gaussian head ``std``, and whatever else the network
            predicts, in float32.
        """
        output: dict[str, Any] = {k: v.float() for k, v in self.outputs(batch).items()}
        if self.conserve == "exact":
            mean = conserve_means(output["mean"], batch["coarse"], batch["area"])
            output = {**output, "mean": mean}
        return output
