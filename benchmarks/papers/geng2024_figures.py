"""The figures of ``geng2024.py``: zones, improvement, series (3 to 5 of Geng et al. 2024).

LSTM, PHY-LSTM and PHYs-LSTM (all terms, weights 5:5, ``trend="change"``), one seed.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr

sys.path.insert(0, str(Path(__file__).parents[1]))

from real_data import ALL_TERMS, Case, climates, load

import xsm
from xsm.losses import RMSE, WaterBalance

NETWORKS = {"LSTM": "lstm", "PHY-LSTM": "phy_lstm", "PHYs-LSTM": "phys_lstm"}


def draw(case: Case, data: str, epochs: int, folder: Path) -> None:
    """Train the three networks and save the figures."""
    mpl.use("Agg")
    warnings.simplefilter("ignore", UserWarning)
    ds = load(case, data)
    found = {name: forecast(ds, case, model, epochs) for name, model in NETWORKS.items()}
    test = ds.sel(time=case.test)
    zones = climates(ds, data)
    boxes = test.physm.plot.zones(found, zones, metric="rmse", labels="koppen_geiger")
    keep(boxes, folder / "geng2024_zones.png")
    pair = found["PHYs-LSTM"], found["LSTM"]
    better = test.physm.plot.improvement(*pair, names=("PHYs-LSTM", "LSTM"))
    keep(better, folder / "geng2024_improvement.png")
    regions = xr.where(zones >= 17, 2, xr.where(zones >= 8, 1, 0)).where(zones > 0)
    named = {0: "arid", 1: "temperate", 2: "cold"}
    series = test.physm.plot.series(found, by=regions.rename("climate"), labels=named)
    keep(series, folder / "geng2024_series.png")


def forecast(ds: xr.Dataset, case: Case, model: str, epochs: int) -> xr.Dataset:
    """Train a network and predict the test period, one day ahead."""
    losses = [RMSE(0.5), WaterBalance(0.5, model == "phys_lstm", ALL_TERMS, "change")]
    fitted = ds.sel(time=case.train).physm.fit(
        model,
        losses=None if model == "lstm" else losses,
        target=case.target,
        seed=0,
        epochs=epochs,
        validate_every=3,
        patience=5,
        progress=False,
    )
    first = int((ds.time < ds.sel(time=case.test).time[0]).sum()) - fitted.recipe.window
    return xsm.predict(ds.isel(time=slice(first, None)), fitted).sel(time=case.test)


def keep(axes: Any, path: Path) -> None:
    """Save the figure that axes belong to."""
    np.ravel(axes)[0].figure.savefig(path, dpi=110, bbox_inches="tight")
