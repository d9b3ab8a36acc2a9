"""What networks and estimators are as arrays: one protocol, asked for by the class of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import xarray as xr

from xsm.artefact import estimators, networks
from xsm.artefact.reading import Artefact
from xsm.estimators import Estimator
from xsm.nn import Model, Sizes
from xsm.training.recipe import Recipe
from xsm.typing import Array

__all__ = ["Kind", "kind_of"]


class Kind(Protocol):
    """What saving asks of a kind of models; modules of this package hold its functions."""

    def content(self, model: Any, /) -> dict[str, Array]:
        """Return arrays that name the content."""

    def arrays_of(self, model: Any, /) -> dict[str, xr.Variable]:
        """Return all that was learnt, to be stored."""

    def check(
        self, model: Any, given: Mapping[str, Any], arrays: Mapping[str, xr.Variable], /
    ) -> None:
        """Raise if the model could not be built again from its hyper-parameters."""

    def build(
        self,
        cls: Any,
        sizes: Sizes,
        given: Mapping[str, Any],
        recipe: Recipe,
        artefact: Artefact,
        /,
    ) -> Model | Estimator:
        """Build a model, without what it has learnt, if the artefact fits it."""

    def fill(self, model: Any, stored: Mapping[str, xr.Variable], /) -> None:
        """Put into a model what it has learnt."""


def kind_of(cls: type[Model] | type[Estimator]) -> Kind:
    """Return the functions for a class."""
    return estimators if issubclass(cls, Estimator) else networks
