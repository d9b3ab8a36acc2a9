"""What a run of one network is, and its training."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from xsm.losses import Loss
from xsm.losses.terms import last_steps
from xsm.nn import Model, Schedule, Sizes
from xsm.nn.devices import seeded
from xsm.training.history import History
from xsm.training.identity import described_model, described_schedule, described_terms
from xsm.training.loop import Slices
from xsm.training.recipe import Recipe
from xsm.training.splits import Split

__all__ = ["Job", "Trained"]


_REMARKED = 4096  # samples at a time


@dataclass(frozen=True)
class Job:
    """What is trained, and how.

    Parameters
    ----------
    model : subclass of Model
        The network's class.
    network : mapping of str to Any
        Its hyper-parameters.
    recipe : Recipe
        What goes in and what comes out.
    split : Split
        Steps that train and that validate.
    losses : tuple of Loss
        Terms of the loss.
    schedule : Schedule
        Epochs, batches, patience.
    monitor : str
        Validation loss that decides.
    device, precision : str
        Where and in what arithmetic, also ``"auto"``.
    seed : int
        Seed of every random choice.
    progress : bool or None
        Show a bar.
    limit : int
        Bytes that samples may take.
    checkpoint : str or None
        Where the state is noted.
    data : str
        Token of the data, so that a checkpoint of other data is refused.
    head : {"point", "gaussian"}
        What the network answers with.
    """

    model: type[Model]
    network: Mapping[str, Any]
    recipe: Recipe
    split: Split
    losses: tuple[Loss, ...]
    schedule: Schedule
    monitor: str
    device: str
    precision: str
    seed: int
    progress: bool | None
    limit: int
    checkpoint: str | None = None
    data: str = ""
    head: str = "point"
    sizes: Sizes = field(init=False)

    def __post_init__(self) -> None:
        """Derive the sizes of the network, and hyper-parameters that depend on them."""
        recipe = self.recipe
        dynamic = len(recipe.dynamic) + 2 * recipe.layers * recipe.data_integration
        gaussian = self.head == "gaussian"
        answer = (2 if gaussian else 1) * recipe.layers  # as many numbers for the spread
        sizes = Sizes(dynamic, len(recipe.static), recipe.window, answer, gaussian, recipe.dynamic)
        object.__setattr__(self, "sizes", sizes)
        object.__setattr__(self, "network", self.model.settle(sizes, self.network))

    def rebuild(self, weights: Mapping[str, Tensor]) -> Model:
        """Return the network with its weights, on the CPU."""
        with seeded(self.seed):  # the weights that it begins with are drawn, and leave no trace
            model = self.model(self.sizes, **self.network)
        model.load_state_dict(dict(weights))
        return model.eval()

    def member(self, number: int) -> Job:
        """Return the job of a member of an ensemble: another seed, another checkpoint.

        Parameters
        ----------
        number : int
            0 is the job itself.

        Returns
        -------
        Job
            With ``.member1`` and so on behind the name of the checkpoint.
        """
        if not number:
            return self
        noted = None if self.checkpoint is None else f"{self.checkpoint}.member{number}"
        return replace(self, seed=self.seed + 7_919 * number, checkpoint=noted)

    def identity(self, ranks: int) -> dict[str, str]:
        """Return what a run is, so that a checkpoint of another run is refused.

        Parameters
        ----------
        ranks : int
            Processes that train together.

        Returns
        -------
        dict of str to str
            What decides its course; see :mod:`xsm.training.identity`.
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
        }


@dataclass(frozen=True)
class Trained:
    """What a job returns.

    Parameters
    ----------
    weights : dict of str to Tensor
        The best weights.
    history : History
        Loss terms by epoch.
    samples : str
        What trained and what validated, in words.
    """

    weights: dict[str, Tensor]
    history: History
    samples: str


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
        warnings.warn(remark, UserWarning, stacklevel=4)
