"""How much a model of cells loses where an input is that of another cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from xsm.artefact.learnt import Learnt
from xsm.cells.features import Features
from xsm.cells.prediction import predicted_mean
from xsm.data.joins import common
from xsm.typing import Array

__all__ = ["lost_without"]


_CELLS = 64  # at most; what counts is which input matters more, not by how much


def lost_without(
    fitted: Learnt, features: Features, where: xr.DataArray, *, seed: int = 0
) -> dict[str, float]:
    """Return by how much the RMSE rises where an input is that of another cell; 0 where it falls.

    Of cells ``where`` (*space) is True, at most 64, read into memory. A permutation over cells, not
    over time: what an input tells of a place is what a place without data is compared by.
    """
    rng = np.random.default_rng(seed)
    known = np.flatnonzero(where.transpose(*features.space).values.ravel())
    chosen = np.sort(rng.permutation(known)[:_CELLS])
    own = _cells(features, chosen)
    order = rng.permutation(len(chosen))
    other = np.empty_like(order)
    other[order] = np.roll(order, 1)
    usual, found = _rmse(fitted, own), {}
    for kind in ("dynamic", "static"):
        held: Mapping[str, xr.DataArray] = getattr(own, kind)
        for name, array in held.items():
            moved: Any = {kind: {**held, name: array.isel(cell=other)}}
            found[name] = max(_rmse(fitted, replace(own, **moved)) - usual, 0.0)
    return found


def _cells(features: Features, chosen: Array) -> Features:
    """Return some cells, one after the other along ``cell``, in memory."""

    def flat(array: xr.DataArray) -> xr.DataArray:
        bare = array.drop_vars([c for c in array.coords if features.time not in array[c].dims])
        return bare.stack(cell=features.space, create_index=False).isel(cell=chosen)

    def each(held: Mapping[str, xr.DataArray]) -> dict[str, xr.DataArray]:
        return {name: flat(array) for name, array in held.items()}

    target = None if features.target is None else flat(features.target)
    rows = replace(
        features,
        dynamic={k: v.transpose(features.time, "cell") for k, v in each(features.dynamic).items()},
        static=each(features.static),
        target=None if target is None else target.transpose(features.time, "cell", ...),
        series={},
        space=("cell",),
        soil={k: v.transpose("cell", ...) for k, v in each(features.soil).items()},
        wrap=False,
    )
    return rows.load()


def _rmse(fitted: Learnt, features: Features) -> float:
    """Return the error of a model on cells that were observed."""
    found = predicted_mean(fitted, features)
    observed, near = common(features.observed, {"the prediction": found})
    return float(np.sqrt(((near["the prediction"] - observed) ** 2).mean()))
