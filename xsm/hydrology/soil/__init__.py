"""The soil itself: its hydraulic parameters, its layers, and how its water moves."""

from __future__ import annotations

from xsm.soil.columns import simulate_columns
from xsm.soil.consistency import richards_consistency
from xsm.soil.depths import to_depths
from xsm.soil.parameters import soil_parameters
from xsm.soil.residual import richards_residual
from xsm.soil.texture import texture_class

__all__ = [
    "richards_consistency",
    "richards_residual",
    "simulate_columns",
    "soil_parameters",
    "texture_class",
    "to_depths",
]
