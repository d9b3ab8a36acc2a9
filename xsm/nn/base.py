"""What every network is: sizes in, a batch in, named outputs out, its published defaults."""

from __future__ import annotations

import abc
import copy
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, TypeAlias

import torch
from torch import Tensor, nn

from xsm.exceptions import UnknownNameError, did_you_mean
from xsm.losses import Loss
from xsm.nn.devices import choose_device
from xsm.nn.heads import with_spread
from xsm.nn.schedule import Schedule
from xsm.typing import Scaling

__all__ = ["Answer", "Batch", "Model", "Output", "Schedule", "Sizes"]


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
    names : tuple of str, optional
        Roles, or names, of the first dynamic features: all but those of data integration.
    sequence : bool, default: False
        The network runs through pieces of a record and carries its state; ``window`` is 1.
    """

    dynamic: int
    static: int
    window: int
    target: int = 1
    gaussian: bool = False
    names: tuple[str, ...] = ()
    sequence: bool = False


@dataclass(frozen=True)
class Answer:
    """An output of a network that predictions keep.

    Parameters
    ----------
    name : str
        Key of the output.
    rows : int, default: 1
        Values for each sample.
    kind : {"value", "spread", "share", "quantity"}, default: "value"
        Scaled as the target; scaled as the target but without its offset; or not scaled at all: a
        share, or a quantity in canonical units.
    dim : str, default: "depth"
        Dimension of the values, where there are several, or where they have labels.
    labels : tuple of str, optional
        Coordinate of that dimension.
    long_name : str, optional
        What it is, in words.
    units : str, default: "1"
        Canonical units of a quantity.
    """

    name: str
    rows: int = 1
    kind: Literal["value", "spread", "share", "quantity"] = "value"
    dim: str = "depth"
    labels: tuple[str, ...] = ()
    long_name: str = ""
    units: str = "1"


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
    sequence_schedule : Schedule
        How long to train where it runs through the record, on pieces of it.
    sequence_defaults : mapping of str to Any
        Hyper-parameters whose defaults are others there.
    layered : bool
        Whether all layers of the target are predicted at once, where it has several.
    bounded : bool
        Whether the target is scaled by residual and saturated water content, 0 and 1.
    downscales : bool
        Whether it sees whole fields and makes finer ones of them.
    carries : bool
        Whether it can run through a record: it has :meth:`carry` and ``state_size``.
    forcing : tuple of str
        Roles of inputs that it has to be given, in canonical units instead of scaled; its target
        is in canonical units too, and each of its steps is a day.
    observes : tuple of str
        Roles that it can be trained on together, ``target=[...]``, by :meth:`terms_of`.
    """

    losses: ClassVar[tuple[Loss, ...]]
    window: ClassVar[int] = 7
    lead: ClassVar[int] = 1
    scaling: ClassVar[Scaling] = "global"
    schedule: ClassVar[Schedule] = Schedule()
    sequence_schedule: ClassVar[Schedule] = Schedule(
        epochs=24,
        iterations=25,
        learning_rate=8e-3,
        validate_every=1,
        patience=12,
        sampling="mixed",
        decay="cosine",
        clip=1.0,
    )
    sequence_defaults: ClassVar[Mapping[str, Any]] = {"dropout": 0.3}
    layered: ClassVar[bool] = False
    bounded: ClassVar[bool] = False
    downscales: ClassVar[bool] = False
    carries: ClassVar[bool] = False
    forcing: ClassVar[tuple[str, ...]] = ()
    observes: ClassVar[tuple[str, ...]] = ()
    state_size = 0

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes

    @abc.abstractmethod
    def forward(self, batch: Batch) -> Output:
        """Return the outputs of a batch by name, at least ``mean`` (batch, target)."""

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Outputs that predictions keep, the target first."""
        rows = self.sizes.target // (2 if self.sizes.gaussian else 1)
        spread = (Answer("std", rows, "spread"),) if self.has_spread else ()
        return (Answer("mean", rows), *spread)

    @classmethod
    def settle(cls, sizes: Sizes, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return hyper-parameters as they hold for the data: as given, else as usual of a sequence.

        They are stored with the model, so that a default which depends on the data is kept.

        Parameters
        ----------
        sizes : Sizes
            Sizes of inputs and outputs, and the names of the inputs.
        given : mapping of str to Any
            Hyper-parameters that differ from the defaults.

        Returns
        -------
        dict of str to Any
            Arguments of the constructor.
        """
        usual = cls.sequence_defaults if sizes.sequence else {}
        known = cls.hyperparameters()
        return {name: value for name, value in usual.items() if name in known} | dict(given)

    @classmethod
    def terms_of(cls, shown: Mapping[str, str], options: Mapping[str, Any]) -> tuple[Loss, ...]:
        """Return the terms that compare all that is shown: roles and their keys in the batch.

        ``options`` are all hyper-parameters.
        """
        return cls.losses

    def remarks(self, output: Output) -> tuple[str, ...]:
        """Return what a user should know about a trained network, as warnings of ``fit``.

        Parameters
        ----------
        output : dict of str to Tensor
            What :meth:`evaluate` returned of samples that validate, of the last step of each.

        Returns
        -------
        tuple of str
            Sentences; none by default.
        """
        return ()

    def embed(self, dynamic: Tensor) -> Tensor:
        """Return what the network makes of each step alone; by default, what it is given.

        Predictions embed each step of a cell once, for all the windows that hold it.

        Parameters
        ----------
        dynamic : Tensor
            (..., dynamic), or for a network that looks at neighbours (..., cell, dynamic + 1):
            the cells of a square around each, row by row, with a last channel that is 1 where
            there is such a cell.

        Returns
        -------
        Tensor
            (..., embedding).
        """
        return dynamic

    @property
    def has_spread(self) -> bool:
        """Whether the outputs hold ``std``, the standard deviation of the prediction."""
        return self.sizes.gaussian

    def outputs(self, batch: Batch) -> Output:
        """Return what ``forward`` does, of a Gaussian head divided into ``mean`` and ``std``."""
        return self._divided(self(batch))

    def _divided(self, found: Output) -> Output:
        """Return outputs with the spread of a Gaussian head, where the network has not made it."""
        return with_spread(found) if self.sizes.gaussian and "std" not in found else found

    def evaluate(self, batch: Batch) -> Output:
        """Return the outputs of a batch; with data integration, as a change since ``base``.

        Parameters
        ----------
        batch : dict of str to Tensor
            ``dynamic`` (batch, window, [cell,] dynamic), ``static`` (batch, [cell,] static) and,
            with data integration, ``base`` (batch, target): the last observation, scaled. With more
            steps than a window, each further one is answered too, from the window that ends with
            it; ``base`` is (batch, answered, target) then.

        Returns
        -------
        dict of str to Tensor
            ``mean`` (batch, target), scaled, and whatever else the network predicts; with several
            answered steps ``mean`` (batch, answered, target), and so the others.
        """
        if self.sizes.sequence:
            return self.run(batch, None)[0]
        steps = self.embed(batch["dynamic"])  # (batch, window + answered - 1, embedding)
        window = self.sizes.window
        answered = steps.shape[1] - window + 1
        if answered == 1:
            return self.evaluate_embedded({**batch, "dynamic": steps})
        # a row is an answered step of a sample, so that the network sees one window of each
        rows = {
            "dynamic": torch.cat([steps[:, k : k + window] for k in range(answered)]),
            "static": torch.cat([batch["static"]] * answered),
        }
        if "base" in batch:
            rows["base"] = torch.cat(batch["base"].unbind(1))
        output = self.evaluate_embedded(rows)
        return {n: v.unflatten(0, (answered, -1)).transpose(0, 1) for n, v in output.items()}

    def carry(self, batch: Batch, state: Tensor | None) -> tuple[Output, Tensor]:
        """Run through the steps of ``dynamic`` (batch, steps, dynamic), from a state.

        ``state`` (batch, ``state_size``) is that of an earlier call, None begins at rest. Returns
        ``mean`` (batch, steps, target), and the state after the last step.
        """
        msg = f"{type(self).__name__} carries no state; it needs carry(batch, state)."
        raise NotImplementedError(msg)

    def run(self, batch: Batch, state: Tensor | None) -> tuple[Output, Tensor]:
        """Return what :meth:`carry` does, of a Gaussian head divided into mean and std."""
        found, after = self.carry(batch, state)
        return self._divided(found), after

    def evaluate_embedded(self, batch: Batch) -> Output:
        """Return the outputs of a batch whose ``dynamic`` is embedded (batch, window, embedding).

        Parameters
        ----------
        batch : dict of str to Tensor
            As of :meth:`evaluate` for one answered step, embedded.

        Returns
        -------
        dict of str to Tensor
            As of :meth:`evaluate`.
        """
        output = self.outputs(batch)
        if "base" not in batch:
            return output
        names = [a.name for a in self.answers if a.kind == "value" and a.name in output]
        return {**output, **{n: self.since(batch["base"], output[n]) for n in names}}

    def since(self, base: Tensor, change: Tensor) -> Tensor:
        """Return the answer of a network that predicts a change since an observation.

        Parameters
        ----------
        base, change : Tensor
            (batch, target) the last observation, and what :meth:`forward` returned; scaled.

        Returns
        -------
        Tensor
            (batch, target), their sum.
        """
        return base + change

    def pool(self, outputs: Sequence[Output]) -> Output:
        """Return what an ensemble of such networks answers with, beside ``mean`` and ``std``.

        Takes what :meth:`outputs` returned, by member; by default the mean of each other output.
        """
        names = [answer.name for answer in self.answers if answer.name not in {"mean", "std"}]
        return {n: torch.stack([each[n] for each in outputs]).mean(dim=0) for n in names}

    def choose_place(self, device: str) -> str:
        """Return where it predicts, see ``xsm.nn.devices``."""
        return str(choose_device(device))

    def frozen_copy(self) -> Model:
        """Return a copy on the CPU, for evaluation: as it is now, whatever happens to it."""
        return copy.deepcopy(self).cpu().eval()

    def copy_on(self, device: str) -> Model:
        """Return a copy on a device; on the CPU, itself."""
        return self if device == "cpu" else copy.deepcopy(self).to(device)

    @classmethod
    def describe_training(cls) -> str:
        """Return by what it is trained, and for how long, to be added to other defaults."""
        return f", {cls.schedule}\nLosses: {', '.join(map(str, cls.losses))}"

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
