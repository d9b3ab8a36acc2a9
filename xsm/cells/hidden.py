"""Inputs that a network does without: roles hidden in training, or missing from the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from xsm.training.recipe import Recipe
from xsm.typing import FloatArray

__all__ = ["Hidden", "hidden_of", "with_masks", "without_missing"]


@dataclass(frozen=True)
class Hidden:
    """Which inputs can be hidden, and which of them the data have.

    ``dynamic`` and ``static`` are the channels that can be hidden, ``known`` tells of each, first
    the dynamic ones, whether the data have it; each is hidden from a sample that trains with
    probability ``share``.
    """

    dynamic: tuple[int, ...]
    static: tuple[int, ...]
    known: tuple[float, ...]
    share: float

    def draw(self, samples: int, random: torch.Generator) -> Tensor:
        """Return what samples that train are told, (sample, role): 1 known, 0 hidden."""
        kept = torch.rand(samples, len(self.known), generator=random) >= self.share
        return kept.float() * torch.tensor(self.known)

    def told(self, samples: int) -> Tensor:
        """Return what samples that do not train are told."""
        return torch.tensor(self.known).expand(samples, -1)

    def hide(
        self, dynamic: Tensor, static: Tensor, known: Tensor, *, around: bool
    ) -> tuple[Tensor, Tensor]:
        """Return inputs with hidden roles at 0, their mean, and masks behind the static maps.

        ``dynamic`` is (batch, steps, [cell,] channel), ``static`` (batch, [cell,] channel), with
        cells ``around`` a last channel that tells which there are.
        """
        count = len(self.dynamic)
        rows = known.to(dynamic.device)
        dynamic = dynamic * _kept(dynamic, self.dynamic, rows[:, :count])
        static = static * _kept(static, self.static, rows[:, count:])
        masks = rows.view(len(rows), *[1] * (static.dim() - 2), -1)
        masks = masks.expand(*static.shape[:-1], -1)
        if not around:
            return dynamic, torch.cat([static, masks], dim=-1)
        there = static[..., -1:]
        return dynamic, torch.cat([static[..., :-1], masks * there, there], dim=-1)


def hidden_of(recipe: Recipe, missing: tuple[str, ...]) -> Hidden | None:
    """Return what of a recipe's inputs can be hidden; None where nothing can."""
    names = recipe.hideable
    if not names:
        return None
    dynamic = tuple(k for k, name in enumerate(recipe.dynamic) if name in names)
    static = tuple(k for k, name in enumerate(recipe.static) if name in names)
    known = tuple(float(name not in missing) for name in names)
    return Hidden(dynamic, static, known, recipe.input_dropout)


def with_masks(static: FloatArray, recipe: Recipe, missing: tuple[str, ...]) -> FloatArray:
    """Return static inputs (cell, channel) of a prediction, with masks of what can be hidden."""
    names = recipe.hideable
    known = np.array([name not in missing for name in names], np.float32)
    masks = np.broadcast_to(known, (len(static), len(names)))
    return np.concatenate([without_missing(static, recipe.static, missing), masks], axis=1)


def without_missing(
    inputs: FloatArray, names: tuple[str, ...], missing: tuple[str, ...]
) -> FloatArray:
    """Set the channels (..., channel) of inputs that the data lack to 0, in place."""
    for k, name in enumerate(names):
        if name in missing:
            inputs[..., k] = 0.0
    return inputs


def _kept(inputs: Tensor, channels: tuple[int, ...], known: Tensor) -> Tensor:
    """Return 1 for each channel that is known, 0 for the others, shaped as inputs broadcast."""
    found = inputs.new_ones(len(inputs), inputs.shape[-1])
    found[:, list(channels)] = known
    return found.view(len(inputs), *[1] * (inputs.dim() - 2), -1)
