"""What a run of one network is, and its training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from xsm.exceptions import warn_outside
from xsm.losses import Loss, answered_steps
from xsm.losses.terms import last_steps
from xsm.nn import Model, Schedule, Sizes
from xsm.nn.devices import choose_device, choose_precision, one_intraop_thread, seeded
from xsm.nn.settings import usual_settings
from xsm.training.checkpoint import Checkpoint
from xsm.training.history import History
from xsm.training.identity import described_model, described_schedule, described_terms
from xsm.training.loop import Alone, Ranks, Samples, Slices, train
from xsm.training.recipe import Recipe
from xsm.training.splits import Split
from xsm.training.start import Start

__all__ = ["Job", "Trained", "train_network"]


_REMARKED = 4096  # samples at a time


@dataclass(frozen=True)
class Job:
    """What network is trained, and how; it travels to the workers of a cluster.

    ``network`` are hyper-parameters, settled for the sizes. ``limit`` are the bytes that samples
    may take. ``data`` is a token of the data, so that a checkpoint of other data is refused.
    ``start`` is where training goes on from; None begins with weights that are drawn. With
    ``rehearse`` steps are measured instead, see :func:`xsm.training.loop.train`.
    """

    model: type[Model]
    network: Mapping[str, Any]
    losses: tuple[Loss, ...]
    schedule: Schedule
    sizes: Sizes
    split: Split
    recipe: Recipe
    monitor: str
    device: str
    precision: str
    seed: int
    progress: bool | None
    limit: int
    checkpoint: str | None = None
    data: str = ""
    start: Start | None = None
    rehearse: bool = False

    def __post_init__(self) -> None:
        """Settle hyper-parameters that depend on the sizes."""
        object.__setattr__(self, "network", self.model.settle(self.sizes, self.network))

    @property
    def settings(self) -> dict[str, Any]:
        """Schedule, hyper-parameters and seed by name."""
        hyperparameters = {**self.model.hyperparameters(), **self.network}
        return {**asdict(self.schedule), **hyperparameters, "seed": self.seed}

    def rebuild(self, weights: Mapping[str, Tensor]) -> Model:
        """Return the network with its weights, on the CPU."""
        with seeded(self.seed):  # the weights that it begins with are drawn, and leave no trace
            model = self.model(self.sizes, **self.network)
        model.load_state_dict(dict(weights))
        return model.eval()

    def member(self, number: int) -> Job:
        """Return the job of a member of an ensemble: another seed, another checkpoint.

        0 is the job itself; others note their state under its name with ``.member1`` and so on.
        """
        if not number:
            return self
        noted = None if self.checkpoint is None else f"{self.checkpoint}.member{number}"
        return replace(self, seed=self.seed + 7_919 * number, checkpoint=noted)

    def identity(self, ranks: int) -> dict[str, str]:
        """Return what decides the course of a run on so many processes, in words.

        A checkpoint of another run is refused; see :mod:`xsm.training.identity`.
        """
        return {
            "model": described_model(self.model, self.network),
            "recipe": repr(self.recipe),
            "losses": described_terms(self.losses),
            "schedule": described_schedule(self.schedule),
            "monitor": self.monitor,
            "precision": self.precision,
            "seed": str(self.seed),
            "split": repr(self.split),
            "data": self.data,
            "ranks": str(ranks),
            **({} if self.start is None else {"start": self.start.identity()}),
        }


@dataclass(frozen=True)
class Trained:
    """What training returns.

    ``weights`` are the best weights of a network, tensors on the CPU, or all that an estimator has
    learnt, arrays; ``samples`` says in words what trained and what validated.
    """

    weights: Mapping[str, Any]
    history: History
    samples: str


def train_network(
    job: Job, training: Samples, validation: Slices | None, ranks: Ranks | None = None
) -> Trained:
    """Train a network in this process, one of ``ranks`` that each hold a share of the samples.

    It is seeded, goes on from its checkpoint where there is one, and warns of what the trained
    network remarks.
    """
    ranks = ranks or Alone()
    device, checkpoint = choose_device(job.device), None
    if job.checkpoint is not None:
        checkpoint = Checkpoint(job.checkpoint, job.identity(ranks.size))
    with seeded(job.seed):
        model = job.model(job.sizes, **job.network)
    with usual_settings(), one_intraop_thread():
        model = model.to(device)
        drawn_back = () if job.start is None else job.start.put_into(model)
        history = train(
            model,
            training,
            validation,
            losses=(*job.losses, *drawn_back),
            schedule=replace(job.schedule, batch_size=-(-job.schedule.batch_size // ranks.size)),
            seed=job.seed + 1_000_003 * ranks.rank,
            monitor=job.monitor,
            precision=choose_precision(job.precision, device),
            progress=job.progress,
            checkpoint=checkpoint,
            ranks=ranks,
            start=job.start,
            rehearse=job.rehearse,
        )
        if validation and not ranks.rank:
            _warn(model, validation, answered_steps(job.losses))
    said = training.describe() + (f"; {len(validation):,} validate" if validation else "")
    return Trained({k: v.detach().cpu() for k, v in model.state_dict().items()}, history, said)


def _warn(model: Model, samples: Slices, answered: int) -> None:
    """Pass on what a trained network has to say about what it answers."""
    if type(model).remarks is Model.remarks:
        return
    model.eval()
    with torch.no_grad():
        batches = samples.slices(_REMARKED)
        outputs = [last_steps(model.evaluate(batch), 1, answered) for batch in batches]
    joined = {name: torch.cat([output[name] for output in outputs]) for name in outputs[0]}
    for remark in model.remarks(joined):
        warn_outside(remark)
