"""The figures of ``geng2024.py``: zones, improvement, series (3 to 5 of Geng et al. 2024)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr


def draw(
    test: xr.Dataset, found: Mapping[str, xr.Dataset], zones: xr.DataArray, folder: Path
) -> None:
    """Draw forecasts of the test period beside it; ``zones`` are classes of Koeppen and Geiger."""
    mpl.use("Agg")
    boxes = test.physm.plot.zones(found, zones, metric="rmse", labels="koppen_geiger")
    keep(boxes, folder / "geng2024_zones.png")
    names = ("PHYs-LSTM", "LSTM")
    better = test.physm.plot.improvement(*(found[name] for name in names), names=names)
    keep(better, folder / "geng2024_improvement.png")
    regions = xr.where(zones >= 17, 2, xr.where(zones >= 8, 1, 0)).where(zones > 0)
    labels = {0: "arid", 1: "temperate", 2: "cold"}
    series = test.physm.plot.series(found, by=regions.rename("climate"), labels=labels)
    keep(series, folder / "geng2024_series.png")


def keep(axes: Any, path: Path) -> None:
    """Save the figure that axes belong to."""
    np.ravel(axes)[0].figure.savefig(path, dpi=110, bbox_inches="tight")
