"""The soil itself: its hydraulic parameters, its texture class, and its layers."""

from __future__ import annotations

from xsm.soil.depths import to_depths
from xsm.soil.parameters import soil_parameters
from xsm.soil.texture import texture_class

__all__ = ["soil_parameters", "texture_class", "to_depths"]
