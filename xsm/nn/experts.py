"""Mixtures of experts: CNN-LSTMs on groups of inputs, and a router that weighs them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from xsm.exceptions import check_choice
from xsm.losses import RMSE, Loss
from xsm.nn.absence import FASTER, absences, explainer, with_absent
from xsm.nn.base import Answer, Batch, Model, Output, Schedule, Sizes
from xsm.nn.dropout import Dropout
from xsm.nn.groups import Groups, channel_names, resolve_groups
from xsm.nn.heads import with_spread
from xsm.nn.mixture_size import MixtureSize, encoder_widths
from xsm.nn.recurrent import all_hidden, centred, last_hidden, remembering
from xsm.nn.router import router_remarks
from xsm.nn.spatial import PatchEncoder, check_patch

__all__ = ["ExpertLSTM", "GroupedEncoder"]


class GroupedEncoder(nn.Module):
    """A :class:`PatchEncoder` for each of several groups of channels, all at once.

    The first convolutions are one product of matrices, with zeros where a channel is none of a
    group's; those after it are products of stacks.

    Parameters
    ----------
    channels : int
        Channels of a cell.
    groups : sequence of sequence of int
        Channels of each group.
    patch : int
        Cells along a side of the square, odd; 1 is the cell alone.
    width : int
        Length of the vector of each group.

    Raises
    ------
    GridError
        If the side is not odd.

    Examples
    --------
    >>> GroupedEncoder(3, [[0, 2], [1, 2], [0, 1, 2]], 5, 16)(torch.zeros(7, 25, 3)).shape
    torch.Size([7, 48])
    """

    def __init__(
        self, channels: int, groups: Sequence[Sequence[int]], patch: int, width: int
    ) -> None:
        super().__init__()
        check_patch(patch)
        self.patch, self.groups = patch, len(groups)
        first, *later = encoder_widths(patch, width)
        taps = 9 if patch > 1 else 1
        rows, self.columns = len(groups) * first, channels * taps
        places, weights, biases = [], [], []
        for k, group in enumerate(groups):
            at = (torch.tensor(list(group))[:, None] * taps + torch.arange(taps)).view(-1)
            row = k * first + torch.arange(first)
            places.append((row[:, None] * self.columns + at).view(-1))
            bound = 1.0 / math.sqrt(len(at))
            weights.append(torch.empty(len(places[-1])).uniform_(-bound, bound))
            biases.append(torch.empty(first).uniform_(-bound, bound))
        self.register_buffer("places", torch.cat(places), persistent=False)
        self.places: Tensor
        self.weight = nn.Parameter(torch.cat(weights))
        self.bias = nn.Parameter(torch.cat(biases))
        self.rows = rows
        self.layers = nn.ModuleList(
            _Stack(self.groups, taps * a, b) for a, b in pairwise([first, *later])
        )

    def forward(self, cells: Tensor) -> Tensor:
        """Return (..., group * width) of squares (..., cell, channel), or cells (..., channel)."""
        dense = torch.zeros(self.rows * self.columns, device=cells.device, dtype=self.weight.dtype)
        kernel = dense.index_copy(0, self.places, self.weight).view(self.rows, self.columns)
        if self.patch == 1:
            return torch.relu(nn.functional.linear(cells, kernel, self.bias))
        shape, side = cells.shape[:-2], self.patch
        square = _taps(cells.reshape(-1, side, side, cells.shape[-1]))
        square = torch.relu(nn.functional.linear(square, kernel, self.bias))
        for layer in self.layers:
            taps = _taps(square)  # (n, side - 2, side - 2, group * channel * 9)
            parts = taps.reshape(-1, self.groups, taps.shape[-1] // self.groups)
            square = torch.relu(layer(parts)).reshape(*taps.shape[:-1], -1)
        return square.reshape(*shape, -1)


class _Stack(nn.Module):
    """Linear layers side by side, each on a vector of its own."""

    def __init__(self, groups: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1.0 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(groups, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(groups, outputs).uniform_(-bound, bound))

    def forward(self, values: Tensor) -> Tensor:
        """Return (..., group, output) of values (..., group, input)."""
        return torch.einsum("...gi,gio->...go", values, self.weight) + self.bias


class ExpertLSTM(Model):
    """CNN-LSTMs on groups of inputs, and weights that say how much each of them counts.

    Parameters
    ----------
    sizes : Sizes
        Sizes of inputs and outputs, derived from the data, and the names of the inputs.
    groups : mapping of str to sequence of str, optional
        Inputs of each expert, see ``xsm.nn.groups``.
    patch : int, default: 3
        Cells along a side of the square that the CNNs see; 1 where the data are no grid.
    channels, hidden_size : int, default: 32, 64
        Features of a step, and hidden units, of the ``cnn_lstm`` that this one is compared with.
    size : {"matched", "full"}, default: "matched"
        All experts together have about as many weights as that one, or each is of its size.
    router_size : int, default: 0
        Hidden units of the router; 0 gives all experts the same weight.
    dropout : float, default: 0.15
        Share of the last hidden states dropped in training.
    layered : bool, default: False
        Predict all layers of the target at once.
    """

    losses: ClassVar[tuple[Loss, ...]] = (RMSE(weight=1.0),)
    carries = True
    window = 15
    lead = 0
    schedule = Schedule(
        epochs=60,
        iterations=100,
        validate_every=2,
        patience=30,
        sampling="mixed",
        decay="cosine",
    )

    def __init__(  # noqa: PLR0913
        self,
        sizes: Sizes,
        *,
        groups: Groups | None = None,
        patch: int = 3,
        channels: int = 32,
        hidden_size: int = 64,
        size: str = "matched",
        router_size: int = 0,
        dropout: float = 0.15,
        layered: bool = False,
    ) -> None:
        super().__init__(sizes)
        names = channel_names(sizes)
        check_patch(patch)
        check_choice("size", size, ("matched", "full"))
        self.groups = resolve_groups(names, groups)
        self.apart = False
        total = sizes.dynamic + (patch > 1)
        shared = list(range(len(names), total))  # observations, and which cells there are
        seen = [[names.index(n) for n in members] + shared for members in self.groups.values()]
        seen += [list(range(total))] if router_size else []
        if size == "matched":
            plan = MixtureSize(sizes, [len(s) for s in seen], patch, router_size, len(self.groups))
            channels, hidden_size = plan.matched(channels, hidden_size)
        self.width = channels
        self.encoder = GroupedEncoder(total, seen, patch, channels)
        still = sizes.static + (patch > 1)
        self.maps = PatchEncoder(still, patch, channels) if sizes.static else None
        inputs = channels * (2 if sizes.static else 1)
        # Loops over the recurrent nets of torch, which are faster than one product of stacks for
        # each step. Measured on a core, six experts, batch 64, forward and backward: of 24 units
        # 7.3 ms, in stacks 8.7; of 64 units 26.9 and 38.5; one of 64 units 3.7.
        self.lstms = nn.ModuleList(nn.LSTM(inputs, hidden_size) for _ in self.groups)
        self.dropout = Dropout(dropout)
        self.head = _Stack(len(self.groups), hidden_size, sizes.target)
        self.router = nn.LSTM(inputs, router_size) if router_size else None
        self.logits = nn.Linear(router_size, len(self.groups)) if router_size else None
        self.own = [[names.index(n) for n in members] for members in self.groups.values()]
        self.explainer = explainer(router_size, len(self.groups)) if router_size else None
        self.state_size = 2 * (hidden_size * len(self.groups) + router_size)
        for lstm in self.lstms if sizes.sequence else ():
            remembering(cast(nn.LSTM, lstm))

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The target, weights and shares, and where experts are wanted apart, what each says."""
        meant = {
            "expert_weight": "share of what would be lost without the inputs of each expert",
            "expert_share": "share of each expert in the prediction",
        }
        labels = tuple(self.groups)
        weights = [
            Answer(name, len(labels), "share", "expert", labels, words)
            for name, words in meant.items()
        ]
        own = super().answers
        each = [Answer(f"mean of {name}", own[0].rows) for name in self.groups]
        return (*own, *weights, *(each if self.apart else []))

    @classmethod
    def settle(cls, sizes: Sizes, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the hyper-parameters with the groups that the data hold, as pairs."""
        found = super().settle(sizes, given)
        if "groups" not in cls.hyperparameters():  # a subclass with groups of its own
            return found
        groups = resolve_groups(channel_names(sizes), given.get("groups"))
        return {**found, "groups": tuple(groups.items())}  # whose order JSON keeps

    def embed(self, dynamic: Tensor) -> Tensor:
        """Return (..., group * channels) of the cells around each (..., [cell,] dynamic)."""
        return self.encoder(dynamic)

    def evaluate(self, batch: Batch) -> Output:
        """Return the outputs of a batch, of one with a target beside ``expert_absence``.

        In training some samples come twice, the second time without an expert's inputs.
        """
        if self.explainer is None or "target" not in batch:
            return super().evaluate(batch)
        if not self.training:
            found = super().evaluate(batch)
            return {**found, "expert_absence": torch.zeros_like(found["expert_departure"])}
        joined, which = with_absent(batch, self.own)
        return absences(super().evaluate(joined), len(batch["dynamic"]), which)

    def forward(self, batch: Batch) -> Output:
        """Return ``mean`` (batch, target), scaled, ``expert_weight`` and ``expert_share``.

        Weights, which explain, and shares, which make the sum, are (batch, expert).
        ``expert_departure`` (batch, expert, target) is what each says less the mean. With a
        Gaussian head ``std`` is that of the mixture of the experts' Gaussians, beside
        ``expert_std`` (batch, expert, target).
        """
        parts = self._parts(batch)
        pairs = zip(self.lstms, parts, strict=False)  # the router's part is the last
        hidden = torch.stack(
            [last_hidden(cast(nn.LSTM, lstm), part) for lstm, part in pairs], dim=1
        )
        last = None
        if self.router is not None:
            with torch.autocast(hidden.device.type, enabled=False):
                last = last_hidden(self.router, parts[-1].float())
        return self._say(hidden, last)

    def carry(self, batch: Batch, state: Tensor | None) -> tuple[Output, Tensor]:
        """Return the outputs of every step (batch, steps, ...), and the state after the last.

        The state (batch, ``state_size``) holds those of the experts one behind the other, then the
        router's.
        """
        parts = self._parts({**batch, "dynamic": self.embed(batch["dynamic"])})
        nets = [cast(nn.LSTM, lstm) for lstm in self.lstms]
        nets += [] if self.router is None else [self.router]
        sizes = [2 * net.hidden_size for net in nets]
        before = [None] * len(nets) if state is None else state.split(sizes, dim=-1)
        each = [all_hidden(*one) for one in zip(nets, parts, before, strict=True)]
        found = [one[0].transpose(0, 1) for one in each]  # (batch, steps, hidden) of each net
        last = None if self.router is None else found.pop()
        said = self._say(torch.stack(found, dim=-2), last)
        return said, torch.cat([one[1] for one in each], dim=-1)

    def _parts(self, batch: Batch) -> tuple[Tensor, ...]:
        """Return what each expert, and the router, is given of embedded steps, time first."""
        steps = batch["dynamic"].transpose(0, 1)  # (step, batch, group * channels)
        parts = steps.split(self.width, dim=-1)
        if self.maps is None:
            return parts
        maps = self.maps(batch["static"]).to(steps.dtype).expand(len(steps), -1, -1)
        return tuple(torch.cat([part, maps], dim=-1) for part in parts)

    def _say(self, hidden: Tensor, router: Tensor | None) -> Output:
        """Return the outputs of the experts' hidden states (..., expert, hidden)."""
        kept = self.dropout(hidden)
        # bfloat16 holds 8 bits: enough for the products inside, not for the answer.
        with torch.autocast(kept.device.type, enabled=False):
            said = self.answer(self.head(kept.float()))  # (..., expert, target)
            shares = self.weigh(router, said)
            weights = shares
            if self.explainer is not None and router is not None:
                weights = torch.softmax(FASTER * self.explainer(router.detach().float()), dim=-1)
            each = with_spread({"mean": said}) if self.sizes.gaussian else {"mean": said}
            share = shares.unsqueeze(-1)
            mean = (share * each["mean"]).sum(dim=-2)
            departure = each["mean"] - mean.unsqueeze(-2)
        found = {"mean": mean, "expert_weight": weights, "expert_share": shares}
        found["expert_departure"] = departure
        if self.sizes.gaussian:
            found["expert_std"] = each["std"]
            found["std"] = (share * (each["std"] ** 2 + departure**2)).sum(dim=-2).sqrt()
        if self.apart:
            apart = each["mean"].unbind(-2)
            found |= {f"mean of {n}": m for n, m in zip(self.groups, apart, strict=True)}
        return found

    def answer(self, said: Tensor) -> Tensor:
        """Return what the experts say (..., expert, target), scaled, of their heads' values."""
        return centred(said, gaussian=self.sizes.gaussian) if self.sizes.sequence else said

    def weigh(self, hidden: Tensor | None, each: Tensor) -> Tensor:
        """Return the weight of each expert.

        Parameters
        ----------
        hidden : Tensor or None
            (..., router) hidden states of the router; None where there is none.
        each : Tensor
            (..., expert, target) what the experts say.

        Returns
        -------
        Tensor
            (..., expert), not negative; they add up to 1.
        """
        if hidden is None or self.logits is None:
            return torch.full_like(each[..., 0], 1.0 / each.shape[-2])
        return torch.softmax(self.logits(hidden.float()), dim=-1)

    def remarks(self, output: Output) -> tuple[str, ...]:
        """Tell of a router that has collapsed, and of experts that never matter."""
        if self.router is None:
            return ()
        return router_remarks(self.groups, output["expert_share"], output["expert_weight"])

    def pool(self, outputs: Sequence[Output]) -> Output:
        """Return mean weights, and experts' means whose weighted sum is the ensemble's mean."""
        found = super().pool(outputs)
        if not self.apart:
            return found
        weights = torch.stack([each["expert_share"] for each in outputs])  # (member, ...)
        shares = weights / weights.sum(dim=0).clamp_min(torch.finfo(weights.dtype).tiny)
        for k, name in enumerate(self.groups):
            means = torch.stack([each[f"mean of {name}"] for each in outputs])
            found[f"mean of {name}"] = (shares[..., k : k + 1] * means).sum(dim=0)
        return found


def _taps(square: Tensor) -> Tensor:
    """Return the 3 x 3 cells around each (n, row, column, channel) as (..., channel * 9)."""
    return square.unfold(1, 3, 1).unfold(2, 3, 1).flatten(-3)
