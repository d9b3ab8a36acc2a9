"""Forecast today: go on from the state of yesterday with the days that are new.

    python forecast_today.py MODEL RECORD STATE FOLDER [--weather FILE] [--lead 14]

``RECORD`` is a NetCDF file with the days up to today; at the first run as many as there are, later
the new ones are enough. ``STATE`` is where the state is kept, ``FOLDER`` gets a file a day. Without
weather the model has to be fit with ``cuts=``. From cron, each morning at six::

    0 6 * * * python forecast_today.py soil.xsm today.nc state.nc forecasts --weather ens.nc
"""

from __future__ import annotations

import argparse
from pathlib import Path

import xarray as xr

import xsm

ENGINE = "h5netcdf"


def main() -> None:
    """Forecast, write, and keep the state: in this order, so that a killed run is made again."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    for name in ("model", "record", "state", "folder"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--weather", type=Path, default=None)
    parser.add_argument("--lead", type=int, default=14)
    asked = parser.parse_args()

    fitted = xsm.load(asked.model)
    ds = xr.load_dataset(asked.record, engine=ENGINE)
    before = xr.load_dataset(asked.state, engine=ENGINE) if asked.state.exists() else None
    if before is not None:
        ds = ds.sel(time=slice(before["next_time"].values, None))
    if not ds.sizes["time"]:
        print(f"no day is new: the state goes on with {before['next_time'].values}")
        return
    weather = None if asked.weather is None else xr.load_dataset(asked.weather, engine=ENGINE)
    forecast = fitted.forecast(ds, state=before, lead=asked.lead, weather=weather)
    day = forecast["init"].dt.strftime("%Y-%m-%d").item()
    asked.folder.mkdir(parents=True, exist_ok=True)
    forecast.to_netcdf(asked.folder / f"{day}.nc", engine=ENGINE)

    part = asked.state.with_suffix(".part")
    fitted.state(ds, state=before).to_netcdf(part, engine=ENGINE)
    part.replace(asked.state)
    print(f"forecast of {day} for {asked.lead} days, {ds.sizes['time']} days new")


if __name__ == "__main__":
    main()
