"""A deep ensemble: networks of one kind that differ in their seed, and how far they disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import nn

from xsm.nn.base import Answer, Batch, Model, Output
from xsm.nn.fields import FieldModel
from xsm.typing import Array

__all__ = ["Ensemble", "FieldEnsemble", "assemble", "members_of", "weight_bytes"]


Kind = TypeVar("Kind")


class Ensemble(Model):
    """The mean and the total spread of several trained networks.

    Parameters
    ----------
    members : sequence of Model
        Networks of one class and one size.

    Notes
    -----
    The members are equal parts of a mixture (Lakshminarayanan et al. 2017)::

        mean = mean(mean_k)        std^2 = mean(std_k^2) + mean((mean_k - mean)^2)

    The first part of the variance is what each member expects (aleatoric; 0 of members that
    predict values alone), the second is how far they disagree (epistemic).

    References
    ----------
    Lakshminarayanan, B., Pritzel, A. and Blundell, C. (2017). Simple and scalable predictive
    uncertainty estimation using deep ensembles. NeurIPS 30.

    Examples
    --------
    >>> from xsm.models.lstm import LSTM
    >>> from xsm.nn import Sizes
    >>> pair = [LSTM(Sizes(dynamic=3, static=2, window=7), hidden_size=8) for _ in range(2)]
    >>> batch = {"dynamic": torch.zeros(5, 7, 3), "static": torch.zeros(5, 2)}
    >>> {name: tuple(v.shape) for name, v in Ensemble(pair).evaluate(batch).items()}
    {'mean': (5, 1), 'std': (5, 1)}
    """

    losses = ()  # members are trained one by one

    def __init__(self, members: Sequence[Model]) -> None:
        super().__init__(members[0].sizes)
        self.members = nn.ModuleList(members)

    @property
    def has_spread(self) -> bool:
        """Whether the outputs hold ``std``: members always disagree."""
        return True

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Outputs that predictions keep: the mean, its spread, and what else members answer."""
        own = [a for a in members_of(self)[0].answers if a.name not in {"mean", "std"}]
        spreads = (replace(a, name=f"{a.name}_std") for a in own if a.kind == "quantity")
        return (*super().answers, *own, *spreads)

    def embed(self, dynamic: torch.Tensor) -> torch.Tensor:
        """Return the embeddings (..., member embedding) of all members, one behind the other."""
        return torch.cat([member.embed(dynamic) for member in members_of(self)], dim=-1)

    def forward(self, batch: Batch) -> Output:
        """Return ``mean`` and ``std`` (batch, target), scaled, of embedded steps, and the rest."""
        members = members_of(self)
        steps = batch["dynamic"].chunk(len(members), dim=-1)
        found = [
            m.outputs({**batch, "dynamic": part}) for m, part in zip(members, steps, strict=True)
        ]
        return self._together(found)

    @property
    def state_size(self) -> int:  # type: ignore[override]
        """Numbers of the states of all members, one behind the other."""
        return sum(member.state_size for member in members_of(self))

    def run(self, batch: Batch, state: torch.Tensor | None) -> tuple[Output, torch.Tensor]:
        """Return ``mean`` and ``std`` (batch, steps, target), and the states after the steps."""
        members = members_of(self)
        states = [None] * len(members) if state is None else state.chunk(len(members), dim=-1)
        each = [m.run(batch, own) for m, own in zip(members, states, strict=True)]
        found, after = [one[0] for one in each], [one[1] for one in each]
        return self._together(found), torch.cat(after, dim=-1)

    def _together(self, found: Sequence[Output]) -> Output:
        """Return the mixture, what members pool, and how far they disagree about quantities."""
        first = members_of(self)[0]
        names = [answer.name for answer in first.answers if answer.kind == "quantity"]
        stacks = {n: torch.stack([one[n] for one in found]) for n in names}
        spread = {f"{n}_std": each.std(dim=0, correction=0) for n, each in stacks.items()}
        return {**_mixture(found), **first.pool(found), **spread}

    def since(self, base: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
        """Return the answer of networks that predict a change, as each of them does."""
        return members_of(self)[0].since(base, change)


class FieldEnsemble(FieldModel):
    """The mean and the total spread of several trained networks of fields.

    Parameters
    ----------
    members : sequence of FieldModel
        Networks of one class and one size.

    Notes
    -----
    As :class:`Ensemble`. A mean of fields that conserve does so too.

    Examples
    --------
    >>> from xsm.models.convlstm_unet import ConvLSTMUNet
    >>> from xsm.nn import Sizes
    >>> sizes = Sizes(dynamic=2, static=3, window=6, gaussian=True)
    >>> pair = FieldEnsemble([ConvLSTMUNet(sizes, hidden=4, widths=(4, 8)) for _ in range(2)])
    >>> pair.has_spread, pair.patch
    (True, 32)
    """

    losses = ()  # members are trained one by one

    def __init__(self, members: Sequence[FieldModel]) -> None:
        first = members[0]
        super().__init__(
            first.sizes,
            conserve=first.conserve,
            patch=first.patch,
            anchor=first.anchor,
            hide=first.hide,
        )
        self.members = nn.ModuleList(members)

    @property
    def has_spread(self) -> bool:
        """Whether the outputs hold ``std``: members always disagree."""
        return True

    def forward(self, batch: Batch) -> Output:
        """Return ``mean`` and ``std`` (batch, 1, y, x), scaled."""
        return _mixture([m.evaluate(batch) for m in members_of(self)])

    def evaluate(self, batch: Batch) -> Output:
        """Return ``mean`` and ``std`` (batch, 1, y, x), scaled."""
        found: Output = self(batch)
        return found


def _mixture(found: Sequence[Output]) -> Output:
    """Return mean and standard deviation of equal parts of a mixture."""
    means = torch.stack([output["mean"] for output in found])  # (member, batch, ...)
    within = sum(output["std"] ** 2 for output in found if "std" in output) / len(found)
    variance = means.var(dim=0, correction=0) + within
    return {"mean": means.mean(dim=0), "std": variance.sqrt()}


def members_of(model: Kind) -> tuple[Kind, ...]:
    """Return the networks that a network is made of.

    Parameters
    ----------
    model : Model
        A network or an ensemble; or an estimator, which is one by itself.

    Returns
    -------
    tuple of Model
        The members, or the network alone.

    Examples
    --------
    >>> from xsm.models.lstm import LSTM
    >>> from xsm.nn import Sizes
    >>> one = LSTM(Sizes(dynamic=3, static=2, window=7), hidden_size=8)
    >>> len(members_of(one)), len(members_of(assemble([one, one])))
    (1, 2)
    """
    members: Any = model.members if isinstance(model, Ensemble | FieldEnsemble) else (model,)
    return tuple(members)


def weight_bytes(model: Model) -> dict[str, Array]:
    """Return the bytes of all weights, of any precision.

    Parameters
    ----------
    model : Model
        A network or an ensemble.

    Returns
    -------
    dict of str to ndarray
        uint8, by the names of the weights.

    Examples
    --------
    >>> from xsm.models.lstm import LSTM
    >>> from xsm.nn import Sizes
    >>> one = LSTM(Sizes(dynamic=3, static=2, window=7), hidden_size=8)
    >>> weight_bytes(one)["head.bias"].shape
    (4,)
    """
    state = {k: v.detach().cpu().reshape(-1) for k, v in model.state_dict().items()}
    return {k: v.view(torch.uint8).numpy() for k, v in state.items()}  # bfloat16 too


def assemble(models: Sequence[Model]) -> Model:
    """Return one network that predicts as several do together.

    Parameters
    ----------
    models : sequence of Model
        Networks of one class and one size.

    Returns
    -------
    Model
        An ensemble in evaluation mode; a single network is returned as it is.

    Examples
    --------
    >>> from xsm.models.lstm import LSTM
    >>> from xsm.nn import Sizes
    >>> one = LSTM(Sizes(dynamic=3, static=2, window=7), hidden_size=8)
    >>> assemble([one]) is one
    True
    """
    if len(models) == 1:
        return models[0]
    together: type[Any] = FieldEnsemble if models[0].downscales else Ensemble
    made: Model = together(models)
    return made.eval()
