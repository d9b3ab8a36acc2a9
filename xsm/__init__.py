"""xsm: physics-guided prediction of soil moisture and groundwater, as an xarray accessor.

``import xsm`` registers ``.physm`` on Dataset and DataArray; every verb is a function too:
``ds.physm.fit(...)`` is ``xsm.fit(ds, ...)``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from xsm import accessor as _accessor  # registers .physm

if TYPE_CHECKING:
    from xsm.aggregation import daily
    from xsm.api import fit, predict, variables
    from xsm.assess import consistency, reliability, score
    from xsm.balance import water_balance
    from xsm.fitted import FittedModel
    from xsm.groundwater import groundwater_anomaly
    from xsm.loading import load
    from xsm.months import monthly
    from xsm.options import get_options, set_options
    from xsm.planning import plan
    from xsm.refining import downscale
    from xsm.registry import describe_model, list_models
    from xsm.soil import (
        richards_residual,
        simulate_columns,
        soil_parameters,
        texture_class,
        to_depths,
    )
    from xsm.spread import intervals
    from xsm.tutorial import open_tutorial

__version__ = "0.1.0"

__all__ = [
    "FittedModel",
    "consistency",
    "daily",
    "describe_model",
    "downscale",
    "fit",
    "get_options",
    "groundwater_anomaly",
    "intervals",
    "list_models",
    "load",
    "monthly",
    "open_tutorial",
    "plan",
    "predict",
    "reliability",
    "richards_residual",
    "score",
    "set_options",
    "simulate_columns",
    "soil_parameters",
    "texture_class",
    "to_depths",
    "variables",
    "water_balance",
]

_HOME = {
    "FittedModel": "fitted",
    "consistency": "assess",
    "daily": "aggregation",
    "describe_model": "registry",
    "downscale": "refining",
    "fit": "api",
    "get_options": "options",
    "groundwater_anomaly": "groundwater",
    "intervals": "spread",
    "list_models": "registry",
    "load": "loading",
    "monthly": "months",
    "open_tutorial": "tutorial",
    "plan": "planning",
    "predict": "api",
    "richards_residual": "soil",
    "reliability": "assess",
    "score": "assess",
    "set_options": "options",
    "simulate_columns": "soil",
    "soil_parameters": "soil",
    "texture_class": "soil",
    "to_depths": "soil",
    "variables": "api",
    "water_balance": "balance",
}

del _accessor


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that ``import xsm`` stays light."""
    if name in _HOME:
        return getattr(importlib.import_module(f"xsm.{_HOME[name]}"), name)
    if name in {"losses", "nn", "models", "physics"}:
        return importlib.import_module(f"xsm.{name}")
    msg = f"module 'xsm' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted([*__all__, "__version__"])
