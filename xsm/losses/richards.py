"""The Richardson-Richards equation as a loss term on a predicted profile.

Zhang et al. (2025), J. Hydrol., 10.1016/j.jhydrol.2025.133086, put this equation into the loss of a
network; their discretisation and weight are not published, these are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from xsm.losses.terms import Batch
from xsm.physics.differentiable import residual
from xsm.physics.retention import Hydraulics

__all__ = ["Richards"]


_SOIL = ("theta_r", "theta_s", "vg_alpha", "vg_n", "k_sat", "air_entry")
_GEOMETRY = ("layer_centre", "layer_thickness", "step_days")


@dataclass(frozen=True)
class Richards:
    """Penalty on a predicted profile that does not move as water in soil does.

    Parameters
    ----------
    weight : float, default: 0.5
        Factor of the term in the total.
    face : {"geometric", "arithmetic", "upstream"}, default: "geometric"
        How the conductivity between two layers follows from theirs.
    quiet : float, optional
        Only steps with at most this much precipitation, mm day-1, are compared: daily values do not
        resolve infiltration. By default all are.
    uptake : bool, default: True
        Count the uptake by roots: that of the data, or else their evaporation, spread over the
        layers.
    excess : bool, default: True
        Where the observed profile is known at both steps, compare only what the prediction's
        residual exceeds the observed one by.

    Notes
    -----
    With the predictions of neighbouring steps and fluxes centred between them::

        r_i = (th_i^{t+1} - th_i^t) / dt + (q_{i+1/2} - q_{i-1/2}) / dz_i + S_i
        e_i = max(|r_i| - |r_i observed|, 0)
        L   = sqrt(mean( (e_i dt / (th_s - th_r))^2 ))

    at the inner layers, whose fluxes above and below are both known (DESIGN: 20, 30, 40 cm of
    10..50). q is Darcy's flux at the predicted water content, S the uptake by roots. The root of
    the mean keeps the term on the scale of the error's, whose slope does not fade near 0 either.
    Without a quiet sample in a batch the term is 0.

    Daily profiles are no solutions of the equation themselves: fluxes of the day are not those of
    its two ends. A penalty on the whole residual would teach what no soil does; with ``excess`` the
    observed profile costs nothing. Where it is not known, the whole residual counts.

    References
    ----------
    Richards, L. A. (1931). Physics 1:318-333.

    Examples
    --------
    The same water everywhere: gravity alone drives it, with the same flux at all faces.

    >>> import torch
    >>> even = torch.full((4, 2, 3), 0.5)  # (batch, answered, layer)
    >>> soil = {"theta_r": 0.1, "theta_s": 0.5, "vg_alpha": 1.0, "vg_n": 2.0, "k_sat": 0.2}
    >>> soil |= {"air_entry": 0.0, "layer_thickness": 0.1, "step_days": 1.0}
    >>> soil |= {"target_offset": 0.1, "target_scale": 0.4}
    >>> batch = {name: torch.full((4, 1, 3), value) for name, value in soil.items()}
    >>> batch["layer_centre"] = torch.tensor([0.1, 0.2, 0.3]).expand(4, 1, 3)
    >>> bool(Richards(uptake=False, excess=False)({"mean": even}, batch) < 1e-5)
    True
    """

    weight: float = 0.5
    face: Literal["geometric", "arithmetic", "upstream"] = "geometric"
    quiet: float | None = None
    uptake: bool = True
    excess: bool = True

    @property
    def name(self) -> str:
        """Name of the term in the history."""
        return "richards"

    @property
    def answered(self) -> int:
        """Last steps of a sample that the term compares."""
        return 2

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys of the batch that the term reads."""
        rain = () if self.quiet is None else ("precipitation",)
        roots = ("sink",) if self.uptake else ()
        truth = ("target",) if self.excess else ()
        return (*_SOIL, *_GEOMETRY, "target_offset", "target_scale", *rain, *roots, *truth)

    @property
    def reads(self) -> tuple[str, ...]:
        """Keys of the model's output that the term reads."""
        return ("mean",)

    def __call__(self, output: Batch, batch: Batch) -> Tensor:
        """Return the unweighted term, a scalar."""
        rate = self._residual(batch, output["mean"])  # (batch, answered - 1, layer)
        known = torch.isfinite(rate)
        if self.quiet is not None:
            known = known & (batch["precipitation"][:, 1:] <= self.quiet)
        size = torch.where(known, rate, 0.0).abs()
        if self.excess:
            with torch.no_grad():
                own = self._residual(batch, batch["target"])
            size = torch.relu(size - own.abs().nan_to_num())
        pores = batch["theta_s"] - batch["theta_r"]
        share = torch.where(known, size * batch["step_days"] / pores, 0.0)
        square = (share * share).sum() / known.sum().clamp_min(1)
        return torch.sqrt(square.clamp_min(1e-12))

    def _residual(self, batch: Batch, profile: Tensor) -> Tensor:
        """Return the residual (batch, answered - 1, layer) of a scaled profile, day-1."""
        theta_r, theta_s, alpha, shape, k_sat, entry = (batch[name] for name in _SOIL)
        offset, scale = batch["target_offset"], batch["target_scale"]
        return residual(
            offset + scale * profile[:, :-1],
            offset + scale * profile[:, 1:],
            Hydraulics(theta_r, theta_s, alpha, shape, k_sat, entry=entry),
            centres=batch["layer_centre"][0, 0],
            thickness=batch["layer_thickness"][0, 0],
            step_days=float(batch["step_days"][0, 0, 0]),
            sink=batch["sink"][:, 1:] if self.uptake else None,
            face=self.face,
        )
