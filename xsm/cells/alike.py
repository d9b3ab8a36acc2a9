"""Inputs of different experts that say the same: whose weights nobody can tell apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from xsm.cells.features import Features
from xsm.typing import FloatArray

__all__ = ["alike", "alike_remark"]


_SAME = 0.98  # correlation of two inputs: one is the other but for 4 % of its variance
_VALUES = 200_000  # values of each input that are compared, at most


def alike(features: Features, groups: Mapping[str, Sequence[str]]) -> list[tuple[str, str, float]]:
    """Return pairs of inputs of different experts that are copies, with their correlation.

    Of inputs in memory, on common steps and cells of an even sample; of lazy ones nothing is read
    and nothing told.
    """
    of = {name: expert for expert, members in groups.items() for name in members}
    arrays = {n: a for n, a in features.dynamic.items() if n in of and a.chunks is None}
    dims = [features.time, *features.space]
    flat = {
        n: a.transpose(*dims).values.ravel() for n, a in arrays.items() if set(a.dims) == {*dims}
    }
    found = []
    for one, other in combinations(flat, 2):
        if of[one] == of[other] or flat[one].size != flat[other].size:
            continue
        step = max(1, flat[one].size // _VALUES)
        pair: FloatArray = np.stack([flat[one][::step], flat[other][::step]]).astype(np.float64)
        pair = pair[:, np.isfinite(pair).all(0)]
        if pair.shape[1] < 3 or (pair.max(axis=1) == pair.min(axis=1)).any():
            continue
        table: FloatArray = np.atleast_2d(np.corrcoef(pair))
        r = float(table[0, 1])
        if abs(r) > _SAME:
            found.append((one, other, r))
    return found


def alike_remark(features: Features, groups: Mapping[str, Sequence[str]]) -> str | None:
    """Return what to say of inputs that are copies, None where there are none."""
    pairs = alike(features, groups)
    if not pairs:
        return None
    said = ", ".join(f"{one!r} and {other!r} (r = {r:.3f})" for one, other, r in pairs)
    first, second, _ = pairs[0]
    return (
        f"Inputs of different experts say the same: {said}. Which of these experts speaks is "
        "chance, and so are its weight and its permutation importance. Leave one out of dynamic=, "
        f"or put both into one group: groups={{'both': [{first!r}, {second!r}], ...}}."
    )
