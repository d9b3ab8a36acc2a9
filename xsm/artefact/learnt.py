"""All that a fitted model is, as plain data: the record that :class:`xsm.FittedModel` extends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
import xarray as xr
from dask.base import tokenize

from xsm.artefact.kinds import kind_of
from xsm.data.naming import Variable
from xsm.estimators import Estimator
from xsm.nn import Model
from xsm.training.recipe import Recipe

__all__ = ["Learnt"]


@dataclass(frozen=True, eq=False, repr=False)
class Learnt:
    """What training has made, without verbs; its fields are described in :class:`xsm.FittedModel`.

    ``token`` names the content, for the graphs that hold the model.
    """

    name: str
    model: Model | Estimator
    recipe: Recipe
    scaling: xr.Dataset
    climatology: xr.DataArray | None
    history: xr.Dataset
    variable: Variable
    attrs: Mapping[str, Any]
    parameters: Mapping[str, Any]
    card: Mapping[str, str]
    fingerprint: Mapping[str, Any] = field(default_factory=dict)
    layers: tuple[Variable, ...] = ()
    calibration: xr.Dataset | None = None
    persistence: xr.Dataset | None = None
    correction: xr.Dataset | None = None
    token: str = field(default="", init=False)

    def __post_init__(self) -> None:
        """Name the content once."""
        learnt = kind_of(type(self.model)).content(self.model)
        parts = (self.name, self.recipe, learnt, self.scaling)
        object.__setattr__(self, "token", tokenize(*parts))

    @cached_property
    def digest(self) -> str:
        """Digest of the weights, or of all that an estimator has learnt: the same after storing."""
        learnt = kind_of(type(self.model)).content(self.model)
        found = sha256(self.name.encode())
        for name in sorted(learnt):
            found.update(name.encode() + np.ascontiguousarray(learnt[name]).tobytes())
        return found.hexdigest()[:12]
