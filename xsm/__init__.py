"""xsm: physics-guided prediction of soil moisture and groundwater, as an xarray accessor.

``import xsm`` registers ``.physm`` on Dataset and DataArray; every verb is a function too:
``ds.physm.fit(...)`` is ``xsm.fit(ds, ...)``.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

from xsm.api import accessor as _of_datasets  # registers .physm
from xsm.api import array_accessor as _of_arrays

if TYPE_CHECKING:
    from xsm.api.audit import audit
    from xsm.api.blend import blend
    from xsm.api.check import check
    from xsm.api.consistency import consistency
    from xsm.api.cross_validate import cross_validate
    from xsm.api.downscale import downscale
    from xsm.api.fit import fit
    from xsm.api.fitted import FittedModel
    from xsm.api.forecast import forecast
    from xsm.api.load import load
    from xsm.api.plan import plan
    from xsm.api.predict import predict
    from xsm.api.score import score
    from xsm.api.validated import CrossValidation
    from xsm.api.variables import variables
    from xsm.api.versions import show_versions
    from xsm.data.daily import daily
    from xsm.data.lead_times import flatten_steps
    from xsm.data.monthly import monthly
    from xsm.data.naming.products import list_products
    from xsm.data.regrid import regrid
    from xsm.evaluation.adaptive import adapt_spread
    from xsm.evaluation.intervals import intervals
    from xsm.evaluation.spread import reliability
    from xsm.hydrology.balance import water_balance
    from xsm.hydrology.groundwater import groundwater_anomaly
    from xsm.hydrology.soil.columns import simulate_columns
    from xsm.hydrology.soil.depths import to_depths
    from xsm.hydrology.soil.parameters import soil_parameters
    from xsm.hydrology.soil.richards import richards_residual
    from xsm.hydrology.soil.texture import texture_class
    from xsm.options import get_options, set_options
    from xsm.registry import describe_model, list_models
    from xsm.synthetic.tutorial import open_tutorial

__version__ = "0.2.0"

__all__ = [
    "CrossValidation",
    "FittedModel",
    "adapt_spread",
    "audit",
    "blend",
    "check",
    "consistency",
    "cross_validate",
    "daily",
    "describe_model",
    "downscale",
    "fit",
    "flatten_steps",
    "forecast",
    "get_options",
    "groundwater_anomaly",
    "intervals",
    "list_models",
    "list_products",
    "load",
    "monthly",
    "open_tutorial",
    "plan",
    "predict",
    "regrid",
    "reliability",
    "richards_residual",
    "score",
    "set_options",
    "show_versions",
    "simulate_columns",
    "soil_parameters",
    "texture_class",
    "to_depths",
    "variables",
    "water_balance",
]

_HOME = {
    "CrossValidation": "api.validated",
    "FittedModel": "api.fitted",
    "adapt_spread": "evaluation.adaptive",
    "audit": "api.audit",
    "blend": "api.blend",
    "check": "api.check",
    "consistency": "api.consistency",
    "cross_validate": "api.cross_validate",
    "daily": "data.daily",
    "describe_model": "registry",
    "downscale": "api.downscale",
    "fit": "api.fit",
    "flatten_steps": "data.lead_times",
    "forecast": "api.forecast",
    "get_options": "options",
    "groundwater_anomaly": "hydrology.groundwater",
    "intervals": "evaluation.intervals",
    "list_models": "registry",
    "list_products": "data.naming.products",
    "load": "api.load",
    "monthly": "data.monthly",
    "open_tutorial": "synthetic.tutorial",
    "plan": "api.plan",
    "predict": "api.predict",
    "regrid": "data.regrid",
    "richards_residual": "hydrology.soil.richards",
    "reliability": "evaluation.spread",
    "score": "api.score",
    "set_options": "options",
    "show_versions": "api.versions",
    "simulate_columns": "hydrology.soil.columns",
    "soil_parameters": "hydrology.soil.parameters",
    "texture_class": "hydrology.soil.texture",
    "to_depths": "hydrology.soil.depths",
    "variables": "api.variables",
    "water_balance": "hydrology.balance",
}

logging.getLogger("xsm").addHandler(logging.NullHandler())  # silent until someone listens

del _of_arrays, _of_datasets


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that ``import xsm`` stays light."""
    if name in _HOME:
        return getattr(importlib.import_module(f"xsm.{_HOME[name]}"), name)
    if name in {"losses", "nn", "models", "physics", "plotting"}:
        return importlib.import_module(f"xsm.{name}")
    msg = f"module 'xsm' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted([*__all__, "__version__"])
