"""What a user asked of a fit, as one record that travels from the door to where it is needed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, cast

import xarray as xr

from xsm.data.nesting.nest import Factor
from xsm.losses import Loss
from xsm.options import get_options, parse_limit
from xsm.training.schedule import given
from xsm.typing import Scaling

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Asked", "Tuning"]


# Of a target that is known for a year; the square keeps a source that knows all seasons where few
# days are known. Measured from a simulation to SMAP, one seed, RMSE of the year after: 30 days of
# winter 0.072 with 0.001, 0.060 with 0.01, 0.057 with 0.1 (from scratch 0.087); 90 days from May
# 0.054 with 0.001 and 0.01, 0.056 with 0.1 (0.054); a year 0.045 with 0.0001, 0.048 with 0.003.
_ANCHOR = 1e-4


@dataclass(frozen=True)
class Tuning:
    """How a fitted model goes on, as :meth:`xsm.FittedModel.finetune` describes it."""

    freeze: str | Sequence[str] | None = None
    anchor: float | None = None
    head_first: int = 0

    def drawn_back(self, years: float) -> float:
        """Return the weight of the anchor: the shorter the target is known, the more it holds."""
        return _ANCHOR / years**2 if self.anchor is None else self.anchor


_STEPS = ("epochs", "batch_size", "learning_rate", "patience")  # of the schedule, named by fit


@dataclass(frozen=True, eq=False, repr=False)
class Asked:
    """The arguments of :func:`xsm.fit`, which describes them, beside data and model.

    ``schedule`` holds those of the schedule that were given by name, ``hyperparameters`` all
    others. None is what was left out. With ``rehearse`` nothing is trained: what it would take is
    measured, see :mod:`xsm.training.rehearsal`.
    """

    target: str | Sequence[str] | None = None
    dynamic: Sequence[str] | None = None
    static: Sequence[str] | None = None
    data_integration: bool = False
    known_forcing: bool = False
    variables: Mapping[str, str] | None = None
    valid: float = 0.25
    window: int | None = None
    lead: int | None = None
    scaling: Scaling | None = None
    losses: Sequence[Loss] | None = None
    schedule: Mapping[str, Any] = field(default_factory=dict)
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    monitor: str = "total"
    device: str = "auto"
    precision: str = "auto"
    seed: int = 0
    progress: bool | None = None
    memory_limit: str | int = "2 GiB"
    checkpoint: str | os.PathLike[str] | None = None
    client: Client | None = None
    sequence: int | None = None
    warmup: int = 30
    latency: tuple[int, int] = (1, 14)
    cuts: int = 0
    input_dropout: float = 0.0
    cell_offset: bool = False
    factor: Factor | None = None
    covariates: xr.Dataset | xr.DataArray | Sequence[xr.Dataset | xr.DataArray] | None = None
    truth: xr.Dataset | xr.DataArray | None = None
    supervision: str | None = None
    conserve: str | None = None
    area: xr.DataArray | None = None
    rehearse: bool = False

    @classmethod
    def of(cls, arguments: Mapping[str, Any], *, rehearse: bool = False) -> Asked:
        """Return the record of arguments by name; what :func:`xsm.fit` has not is the model's."""
        own = {f.name for f in fields(cls)} - {"schedule", "hyperparameters", "rehearse"}
        others = {n: v for n, v in arguments.items() if n not in own}
        steps = {n: others.pop(n, None) for n in _STEPS}
        said = {n: v for n, v in arguments.items() if n in own}
        return cls(**said, schedule=given(**steps), hyperparameters=others, rehearse=rehearse)

    @property
    def of_cells(self) -> dict[str, Any]:
        """What was said that only models of cells know."""
        names = ("dynamic", "static", "lead", "scaling", "client", "sequence")
        flags = ("data_integration", "known_forcing", "input_dropout", "cell_offset")
        said = {name: getattr(self, name) for name in names}
        return given(**said, **{name: getattr(self, name) or None for name in flags})

    @property
    def of_fields(self) -> dict[str, Any]:
        """What was said that only models that downscale know."""
        names = ("factor", "covariates", "truth", "supervision", "conserve", "area")
        return given(**{name: getattr(self, name) for name in names})

    @property
    def of_networks(self) -> dict[str, Any]:
        """What was said, or holds by default, that only networks know."""
        about = given(losses=self.losses, checkpoint=self.checkpoint, client=self.client)
        about |= given(sequence=self.sequence, input_dropout=self.input_dropout or None)
        names = ("monitor", "device", "precision")
        return about | {name: getattr(self, name) for name in names}

    @property
    def one_target(self) -> str | None:
        """The target of a model that predicts one; several are refused where it is looked up."""
        return cast("str | None", self.target)

    @property
    def limit(self) -> int:
        """Bytes that samples may take."""
        return parse_limit(self.memory_limit)

    @property
    def shown(self) -> bool | None:
        """Whether a bar is shown; None where it depends on who watches."""
        return get_options()["progress"] if self.progress is None else self.progress

    @property
    def run(self) -> dict[str, Any]:
        """What of it a :class:`xsm.training.job.Job` takes as it is."""
        names = ("monitor", "device", "precision", "seed")
        noted = None if self.checkpoint is None else os.fspath(self.checkpoint)
        own = {"progress": self.shown, "limit": self.limit, "checkpoint": noted}
        own |= {"rehearse": self.rehearse}
        return {name: getattr(self, name) for name in names} | own
