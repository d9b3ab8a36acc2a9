"""Figures: ``ds.physm.plot.<kind>(...)``, ``fitted.plot.<kind>(...)``, and what they call.

matplotlib is imported when the first figure is drawn (extra ``plot``), cartopy where it is
installed and there are coasts or projections to draw (extra ``maps``).
"""

from xsm.plotting.experts import (
    plot_dominant_expert,
    plot_expert_maps,
    plot_expert_seasons,
    plot_expert_shares,
)
from xsm.plotting.figures import DataPlots, FittedPlots
from xsm.plotting.forecasts import plot_fan
from xsm.plotting.improvement import plot_improvement
from xsm.plotting.maps import map_variable, plot_classes, plot_map
from xsm.plotting.profiles import plot_profile
from xsm.plotting.reliability import plot_reliability, plot_spread
from xsm.plotting.series import plot_series
from xsm.plotting.skill import plot_horizon, plot_skill
from xsm.plotting.spectra import plot_spectra
from xsm.plotting.training import plot_training
from xsm.plotting.zones import KOPPEN_GEIGER, plot_boxes, plot_zones, read_zones

__all__ = [
    "KOPPEN_GEIGER",
    "DataPlots",
    "FittedPlots",
    "map_variable",
    "plot_boxes",
    "plot_classes",
    "plot_dominant_expert",
    "plot_expert_maps",
    "plot_expert_seasons",
    "plot_expert_shares",
    "plot_fan",
    "plot_horizon",
    "plot_improvement",
    "plot_map",
    "plot_profile",
    "plot_reliability",
    "plot_series",
    "plot_skill",
    "plot_spectra",
    "plot_spread",
    "plot_training",
    "plot_zones",
    "read_zones",
]
