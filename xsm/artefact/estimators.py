"""An estimator as arrays and back: what it has learnt is arrays already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from xsm.artefact.reading import Artefact
from xsm.artefact.tables import own_dims
from xsm.estimators import Estimator
from xsm.exceptions import ArtefactError
from xsm.nn import Sizes
from xsm.training.recipe import Recipe
from xsm.typing import Array

__all__ = ["arrays_of", "build", "check", "content", "fill"]


def content(model: Estimator) -> dict[str, Array]:
    """Return all that was learnt, by which the model is named."""
    return dict(model.arrays)


def arrays_of(model: Estimator) -> dict[str, xr.Variable]:
    """Return all that an estimator has learnt as arrays on named dimensions."""
    return {name: own_dims(name, values) for name, values in model.arrays.items()}


def check(model: Estimator, given: Mapping[str, Any], arrays: Mapping[str, xr.Variable]) -> None:
    """Refuse to save what cannot be built again."""
    type(model)(model.sizes, **given)


def build(
    cls: type[Estimator], sizes: Sizes, given: Mapping[str, Any], recipe: Recipe, artefact: Artefact
) -> Estimator:
    """Build an estimator, and refuse one of other windows than those that it would be given."""
    dynamic = len(recipe.dynamic) + 2 * recipe.layers * recipe.data_integration
    wanted = Sizes(dynamic, len(recipe.static), recipe.window, recipe.layers)
    if sizes != wanted:
        msg = (
            f"{artefact.place} holds an estimator of {sizes}, but its windows are {wanted}. It was "
            "changed: take another copy."
        )
        raise ArtefactError(msg)
    return cls(sizes, **given)


def fill(model: Estimator, stored: Mapping[str, xr.Variable]) -> None:
    """Put into an estimator what it has learnt, which it checks."""
    model.load_arrays({name: variable.values for name, variable in stored.items()})
