"""Inputs with gaps: how many samples each of them costs, and what to type."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from xsm.cells.features import Features
from xsm.cells.reading import flat_values
from xsm.cells.windows import valid_samples
from xsm.data.reading import Reading
from xsm.training.recipe import Recipe
from xsm.typing import Array

__all__ = ["Gaps", "count_gaps", "warn_of_gaps"]


_COSTLY = 0.1  # share of the samples that there would be without gaps
_BLOCK = 2**20  # cells and steps counted at a time


@dataclass(frozen=True)
class Gaps:
    """What gaps of the inputs cost in training.

    ``whole`` is the number of samples that there would be without gaps, ``now`` of those that there
    are, ``without`` that without each input with gaps, ``missing`` the share of the observed target
    at whose time it is missing.
    """

    whole: int
    now: int
    without: Mapping[str, int]
    missing: Mapping[str, float]


def warn_of_gaps(reading: Reading, found: Gaps, recipe: Recipe) -> None:
    """Warn where gaps of inputs cost more than a tenth of the samples that train.

    Where they leave none at all, training refuses the data.
    """
    if 0 < found.now < (1 - _COSTLY) * found.whole:
        warnings.warn(_words(found, recipe, reading), UserWarning, stacklevel=6)


def count_gaps(
    features: Features,
    scaling: xr.Dataset,
    recipe: Recipe,
    training: slice,
    *,
    span: int,
    complete: bool = False,
) -> Gaps:
    """Count the samples of features in memory as :class:`xsm.cells.windows.Windows` does.

    ``span`` are the steps of input of a sample; with ``complete`` all layers must be observed.
    """
    cells = np.flatnonzero(_trained(features, scaling))
    still = {name: ~np.isfinite(a.values.reshape(-1)) for name, a in features.static.items()}
    moving = {name: flat_values(a, time=features.time) for name, a in features.dynamic.items()}
    target = flat_values(features.observed, time=features.time)
    names = [*moving, *still]
    whole = now = observed = 0
    gaps: set[str] = set()
    without, missing = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    for part in np.array_split(cells, max(1, target[:, cells[:1]].shape[0] * len(cells) // _BLOCK)):
        seen = np.isfinite(target[training][:, part])
        if seen.ndim > 2:
            seen = np.asarray(seen.all(axis=-1) if complete else seen.any(axis=-1))
        holes = {name: ~np.isfinite(values[training][:, part]) for name, values in moving.items()}
        holes |= {name: np.broadcast_to(hole[part], seen.shape) for name, hole in still.items()}
        holes = {name: hole for name, hole in holes.items() if hole.any()}
        gone = sum((hole.astype(np.uint8) for hole in holes.values()), np.zeros(seen.shape, "u1"))
        count = _Counter(seen, span, recipe)
        every = count(gone >= 0)
        here = count(gone == 0) if holes else every
        whole, now, observed = whole + every, now + here, observed + int(seen.sum())
        gaps |= set(holes)
        for name in names:
            hole = holes.get(name)
            without[name] += here if hole is None else count(gone == hole)
            missing[name] += 0 if hole is None else int((hole & seen).sum())
    named = [name for name in names if name in gaps]
    shares = {name: missing[name] / max(observed, 1) for name in named}
    return Gaps(whole, now, {name: without[name] for name in named}, shares)


@dataclass(frozen=True)
class _Counter:
    """Counts samples: ``seen`` (time, cell) tells where the target is observed."""

    seen: Array
    span: int
    recipe: Recipe

    def __call__(self, whole: Array) -> int:
        """Return their number where inputs are whole (time, cell)."""
        ahead = whole[self.recipe.shift :]
        return int(valid_samples(ahead, self.seen, self.span, self.recipe.lead).sum())


def _trained(features: Features, scaling: xr.Dataset) -> Array:
    """Tell of each flat cell whether it is trained, static inputs aside."""
    keep: Array = scaling["trained_cell"].transpose(*features.space).values.reshape(-1).copy()
    for values in features.soil.values():
        keep &= np.isfinite(values.values.reshape(len(keep), -1)).all(axis=1)
    return keep


def _words(found: Gaps, recipe: Recipe, reading: Reading) -> str:
    """Say what is missing, what it costs, and what to type."""
    worst = sorted(found.missing, key=lambda name: (-found.without[name], -found.missing[name]))
    said = ", ".join(
        f"{name!r} at {found.missing[name]:.0%} ({found.without[name]:,} samples without it)"
        for name in worst
    )
    gain = [n for n in worst if found.without[n] - found.now > _COSTLY * found.whole] or worst
    kept = {
        kind: [name for name in getattr(recipe, kind) if name not in gain]
        for kind in ("dynamic", "static")
        if set(gain) & set(getattr(recipe, kind))
    }
    leave = ", ".join(f"{kind}={names}" for kind, names in kept.items())
    filled = next((n for n in gain if n in recipe.dynamic), None)
    ways = [f"leave out inputs, fit(..., {leave})"] if kept.get("dynamic", [""]) else []
    if filled is not None:
        name = reading.lookup(filled).name
        ways.append(
            f"fill gaps before, as in ds[{name!r}].interpolate_na({reading.time!r}, limit=3)"
        )
    return (
        f"Gaps of inputs leave {found.now:,} of {found.whole:,} samples to train: each takes "
        f"{recipe.window} steps without NaN. Missing where the target is observed: {said}. "
        f"To keep more, {', or '.join(ways)}."
    )
