"""The soil itself: its hydraulic parameters, its layers, and how its water moves."""

from __future__ import annotations

from xsm.hydrology.soil.columns import simulate_columns
from xsm.hydrology.soil.consistency import richards_consistency
from xsm.hydrology.soil.depths import to_depths
from xsm.hydrology.soil.parameters import soil_parameters
from xsm.hydrology.soil.richards import richards_residual
from xsm.hydrology.soil.texture import texture_class

__all__ = [
    "richards_consistency",
    "richards_residual",
    "simulate_columns",
    "soil_parameters",
    "texture_class",
    "to_depths",
]
