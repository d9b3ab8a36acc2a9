"""Samples that lack what an expert sees: its inputs come from the most alike place."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from xsm.nn.base import Batch, Output
from xsm.nn.dropout import choose

__all__ = ["FASTER", "absences", "explainer", "with_absent"]


# In every fourth batch, by chance, an eighth of the samples is asked: 3 % more work. Fewer in each
# batch would be as many, and cost more: what is done once a batch took as long as the rows.
_ASKED, _EVERY = 8, 4
_UNITS = 32

# Weights learn of fewer samples than the prediction. Adam's steps are as long in all weights; those
# of the logits are longer by this factor.
FASTER = 3.0


def explainer(inputs: int, experts: int) -> nn.Sequential:
    """Return a net from what the router knows to the logits of weights, alike at first."""
    last = nn.Linear(_UNITS, experts)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(inputs, _UNITS), nn.ReLU(), last)


def with_absent(batch: Batch, seen: Sequence[Sequence[int]]) -> tuple[Batch, Tensor]:
    """Return a batch with further rows, its first ones without an expert's inputs, and which.

    ``seen`` are the channels of each expert. The inputs of one expert of each of these rows come
    from another sample of the batch, the one whose static maps are the most alike: the same place,
    or one like it, at another time. In most batches none is asked.
    """
    if choose(_EVERY):
        return batch, torch.empty(0, dtype=torch.int64, device=batch["dynamic"].device)
    dynamic, static = batch["dynamic"], batch["static"]
    count = -(-len(dynamic) // _ASKED)
    place = torch.arange(count, device=dynamic.device)
    which = (choose(len(seen)) + place) % len(seen)
    gone = torch.zeros(len(seen), dynamic.shape[-1], dtype=torch.bool, device=dynamic.device)
    for expert, channels in enumerate(seen):
        gone[expert, list(channels)] = True
    gone = gone[which].view(count, *[1] * (dynamic.dim() - 2), -1)
    other = dynamic[_partners(static.flatten(1), count)]
    further = {"dynamic": torch.where(gone, other, dynamic[:count]), "static": static[:count]}
    if "base" in batch:
        further["base"] = batch["base"][:count]
    joined = {name: torch.cat([batch[name], values]) for name, values in further.items()}
    return joined, which


def _partners(static: Tensor, count: int) -> Tensor:
    """Return for each of the first rows another one: the most alike, of some the next."""
    rows = torch.arange(len(static), device=static.device)
    behind = (rows - rows[:count, None]) % len(static)
    apart = torch.cdist(static[:count].float(), static.float()) + 1e-6 * behind
    return apart.masked_fill(behind == 0, torch.inf).argmin(dim=1)


def absences(found: Output, rows: int, which: Tensor) -> Output:
    """Return the outputs of the samples alone, and by how much each moves without an expert.

    ``expert_absence`` (..., expert, target) is as ``expert_departure``, 0 where none was asked.
    """
    kept = {name: values[:rows] for name, values in found.items()} if len(which) else found
    change = torch.zeros_like(kept["expert_departure"])
    if not len(which):
        return {**kept, "expert_absence": change}
    moved = found["mean"][rows:] - found["mean"][: len(which)]
    change[torch.arange(len(which)), ..., which, :] = moved.detach().to(change.dtype)
    return {**kept, "expert_absence": change}
