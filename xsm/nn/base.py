"""What every network is: sizes in, a batch in, named outputs out, its published defaults."""

from __future__ import annotations

import abc
import inspect
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeAlias

import torch
from torch import Tensor, nn

from xsm.exceptions import UnknownNameError, did_you_mean
from xsm.losses import Loss
from xsm.nn.heads import with_spread
from xsm.typing import Scaling

__all__ = ["Batch", "Model", "Output", "Schedule", "Sizes", "last_observation"]

Batch: TypeAlias = dict[str, Tensor]
Output: TypeAlias = dict[str, Tensor]


@dataclass(frozen=True)
class Sizes:
    """Sizes of a network's inputs and outputs, derived from the data.

    Parameters
    ----------
    dynamic : int
        Dynamic features, with the two channels of data integration where they are used.
    static : int
        Static features.
    window : int
        Steps in a window.
    target : int, default: 1
        Numbers that the network answers with for each sample: the predicted values, and with
        ``gaussian`` as many more for their spread.
    gaussian : bool, default: False
        The second half of the answer is the spread of the first.
    """

    dynamic: int
    static: int
    window: int
    target: int = 1
    gaussian: bool = False


@dataclass(frozen=True)
class Schedule:
    """How long and in what steps to train.

    Parameters
    ----------
    epochs : int, default: 1000
        At most so many epochs.
    iterations : int, default: 300
        Batches in an epoch.
    batch_size : int, default: 64
        Samples in a batch.
    learning_rate : float, default: 1e-3
        Step of Adam.
    validate_every : int, default: 20
        Epochs between two validations.
    patience : int, default: 10
        Validations without improvement after which training stops.
    sampling : {"time", "mixed"}, default: "time"
        All cells of a batch at one random time, or each sample at its own.
    """

    epochs: int = 1000
    iterations: int = 300
    batch_size: int = 64
    learning_rate: float = 1e-3
    validate_every: int = 20
    patience: int = 10
    sampling: str = "time"


class Model(nn.Module, abc.ABC):
    """Base of all networks: a file in ``xsm/models`` holds one subclass.

    Class attributes state the published defaults; ``fit`` lets a user override each.

    Attributes
    ----------
    losses : tuple of Loss
        Terms of the loss with their published weights.
    window, lead : int
        Steps of input, and steps from the window's end to the prediction.
    scaling : {"cell", "global"}
        How inputs and target are scaled.
    schedule : Schedule
        How long to train.
    """

    losses: ClassVar[tuple[Loss, ...]]
    window: ClassVar[int] = 7
    lead: ClassVar[int] = 1
    scaling: ClassVar[Scaling] = "global"
    schedule: ClassVar[Schedule] = Schedule()

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes

    @abc.abstractmethod
    def forward(self, batch: Batch) -> Output:
        """Return the outputs of a batch by name, at least ``mean`` (batch, target)."""

    @property
    def has_spread(self) -> bool:
        """Whether the outputs hold ``std``, the standard deviation of the prediction."""
        return self.sizes.gaussian

    def outputs(self, batch: Batch) -> Output:
        """Return what ``forward`` does, of a Gaussian head divided into ``mean`` and ``std``."""
        found: Output = self(batch)
        return with_spread(found) if self.sizes.gaussian else found

    def evaluate(self, batch: Batch) -> Output:
        """Return the outputs of a batch; with data integration, as a change since ``base``.

        Parameters
        ----------
        batch : dict of str to Tensor
            ``dynamic`` (batch, window, dynamic), ``static`` (batch, static) and, with data
            integration, ``base`` (batch, target): the last observation, scaled.

        Returns
        -------
        dict of str to Tensor
            ``mean`` (batch, target), scaled, and whatever else the network predicts.
        """
        output = self.outputs(batch)
        if "base" in batch:
            output = {**output, "mean": output["mean"] + batch["base"]}
        return output

    @classmethod
    def hyperparameters(cls) -> dict[str, Any]:
        """Return the names and published defaults of the constructor's hyper-parameters."""
        parameters = inspect.signature(cls).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}

    @classmethod
    def check_hyperparameters(cls, given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Divide given hyper-parameters into those of the network and those of the schedule.

        Parameters
        ----------
        given : dict
            Names and values, as passed to ``fit``.

        Returns
        -------
        network, schedule : dict
            Keyword arguments of the constructor and of :class:`Schedule`.

        Raises
        ------
        UnknownNameError
            If a name is neither; the message names the near misses.
        """
        known, steps = cls.hyperparameters(), {f.name for f in fields(Schedule)}
        unknown = [name for name in given if name not in known and name not in steps]
        if unknown:
            near = [*known, *steps, "head", "members"]
            hints = " ".join(f"{n!r}: {did_you_mean(n, near)}" for n in unknown)
            msg = f"{cls.__name__} has no hyper-parameter {', '.join(map(repr, unknown))}. {hints}"
            raise UnknownNameError(msg)
        network = {name: value for name, value in given.items() if name in known}
        return network, {name: value for name, value in given.items() if name in steps}


def last_observation(dynamic: Tensor, default: Tensor) -> Tensor:
    """Return each sample's last observation in its window, or a default where it has none.

    Parameters
    ----------
    dynamic : Tensor
        (batch, window, dynamic): the last two channels are the observation and its mask.
    default : Tensor
        (batch, 1): value for a window without an observation.

    Returns
    -------
    Tensor
        (batch, 1), in the units of the observation channel.

    Examples
    --------
    >>> observed = torch.tensor([[[0.3, 1.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    >>> last_observation(observed, torch.tensor([[0.5], [0.5]])).squeeze(1)
    tensor([0.3000, 0.5000])
    """
    observed, mask = dynamic[..., -2], dynamic[..., -1]  # (batch, window)
    order = mask * torch.arange(1, mask.shape[1] + 1, device=mask.device)
    latest, at = order.max(dim=1, keepdim=True)  # (batch, 1)
    return torch.where(latest > 0, observed.gather(1, at), default)
