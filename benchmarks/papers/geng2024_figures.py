"""The figures of Geng et al. (2024), 3 to 5, on ``conus_land``: zones, improvement, series.

Trains LSTM, PHY-LSTM and PHYs-LSTM (all terms, weights 5:5, ``trend="change"``) with one seed, as
``geng2024.py`` does for its tables.

    python benchmarks/papers/geng2024_figures.py --data DIR
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

import matplotlib as mpl
import xarray as xr

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from geng2024 import DATA, PAGES
from real_data import ALL_TERMS, climates, load

import xsm
from xsm.losses import RMSE, WaterBalance

NETWORKS = {"LSTM": "lstm", "PHY-LSTM": "phy_lstm", "PHYs-LSTM": "phys_lstm"}


def main() -> None:
    """Train the three networks and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of the data sets")
    parser.add_argument("--epochs", type=int, default=15)
    args = parser.parse_args()
    mpl.use("Agg")
    warnings.simplefilter("ignore", UserWarning)
    case = DATA["conus_land"]
    ds = load(case, args.data)
    found = {name: forecast(ds, model, args.epochs) for name, model in NETWORKS.items()}
    test = ds.sel(time=case.test)
    zones = climates(ds, args.data)
    boxes = test.physm.plot.zones(found, zones, metric="rmse", labels="koppen_geiger")
    keep(boxes, "zones")
    pair = found["PHYs-LSTM"], found["LSTM"]
    keep(test.physm.plot.improvement(*pair, names=("PHYs-LSTM", "LSTM")), "improvement")
    regions = xr.where(zones >= 17, 2, xr.where(zones >= 8, 1, 0)).where(zones > 0)
    named = {0: "arid", 1: "temperate", 2: "cold"}
    keep(test.physm.plot.series(found, by=regions.rename("climate"), labels=named), "series")


def forecast(ds: xr.Dataset, model: str, epochs: int) -> xr.Dataset:
    """Train a network and predict the test period, one day ahead."""
    case = DATA["conus_land"]
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


def keep(axes: object, name: str) -> None:
    """Save the figure that axes belong to."""
    import numpy as np

    figure = np.ravel(axes)[0].figure
    figure.savefig(PAGES / f"geng2024_{name}.png", dpi=110, bbox_inches="tight")


if __name__ == "__main__":
    main()
