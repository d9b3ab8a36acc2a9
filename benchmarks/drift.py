"""Do intervals that were calibrated once stay right? Coverage by decade on forty years of soil.

Damped persistence seven days ahead on three basins of Caravan (ERA5-Land, 1981-2020), learnt on
1981-1990, with its own standard deviation. Conformal factors are learnt at the start of each year
from all earlier errors: once (of 1981-1990), of all alike, or with half the weight after one and
three years. Prints a table of the share of observations inside 90 % intervals, by layer.

    python benchmarks/drift.py --data DIR
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import xarray as xr

from xsm.evaluation.autocorrelation import learn_persistence
from xsm.evaluation.calibration import learn_calibration
from xsm.evaluation.climatology import seasonal_mean
from xsm.evaluation.distribution import Shape
from xsm.evaluation.known import Known
from xsm.evaluation.persistence import persisted

LEAD = 7
WAYS = {"once": None, "all alike": np.inf, "half after 3 years": 3.0, "half after 1 year": 1.0}


def errors(soil: xr.DataArray) -> xr.DataArray:
    """Return the errors of damped persistence in units of its standard deviation."""
    first = soil.sel(time=slice(None, "1990"))
    mean = seasonal_mean(first, "time")
    made, spread = persisted(soil, soil, LEAD, Known(mean, learn_persistence(first, mean)))
    return (soil - made["damped_persistence"]) / spread["damped_persistence"]


def covered(z: xr.DataArray, halflife: float | None) -> xr.DataArray:
    """Return whether each error of 1991 on lies inside the intervals learnt before its year."""
    year = z["time"].dt.year
    found = []
    for now in range(1991, int(year.max()) + 1):
        past = z.sel(time=slice(None, str(1990 if halflife is None else now - 1)))
        age = (past["time"].values[-1] - past["time"].values) / np.timedelta64(1, "D") / 365.25
        weight = xr.DataArray(0.5 ** (age / (halflife or np.inf)), {"time": past["time"]}, "time")
        learnt = learn_calibration(past, "conformal", weight=weight)
        reach = float(learnt["scale"]) * Shape(learnt["quantile"].values).quantile([0.95])[0]
        found.append((abs(z.sel(time=str(now))) <= reach).where(z.sel(time=str(now)).notnull()))
    return xr.concat(found, "time")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="folder of the data")
    folder = Path(parser.parse_args().data)
    ds = xr.open_dataset(folder / "caravan_era5land/caravan_era5land_3basins_daily.nc")
    print("| layer | calibrated | 1991-2000 | 2001-2010 | 2011-2020 |\n|---|---|---:|---:|---:|")
    for layer in (1, 2, 3, 4):
        z = errors(ds[f"volumetric_soil_water_layer_{layer}_mean"].load().transpose("time", ...))
        for way, halflife in WAYS.items():
            inside = covered(z, halflife)
            decade = [(1991, 2000), (2001, 2010), (2011, 2020)]
            values = [float(inside.sel(time=slice(str(a), str(b))).mean()) for a, b in decade]
            print(f"| {layer} | {way} | " + " | ".join(f"{100 * v:.1f}" for v in values) + " |")


if __name__ == "__main__":
    main()
