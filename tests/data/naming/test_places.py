"""Sensors with a depth each: a profile, places, or both at once, which is refused."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm
from xsm.exceptions import GridError

HOURS = pd.date_range("2017-01-01", periods=24 * 40, freq="h")


def network(*sensors: tuple[str, float, float, float]) -> xr.Dataset:
    """Return soil moisture of sensors: station, depth from and to in m, value.

    As ``to_xarray`` of the package ismn gives it: TUW-GEO/ismn#83, src/ismn/components.py.
    """
    station, top, bottom, value = map(np.array, zip(*sensors, strict=True))
    wet = np.broadcast_to(value[:, None], (len(sensors), len(HOURS)))
    metres = {"units": "m"}
    number = np.array([ord(name) for name in station.tolist()], float)
    return xr.Dataset(
        {
            "soil_moisture": (("sensor", "date_time"), wet, {"units": "m3 m-3"}),
            "depth_from": ("sensor", top, metres),
            "depth_to": ("sensor", bottom, metres),
            "station": ("sensor", station.astype(object)),
            "latitude": ("sensor", number),
            "longitude": ("sensor", number),
        },
        {"date_time": HOURS},
    )


MANY = (
    *(("A", 0.05, 0.05, 0.2), ("A", 0.1, 0.1, 0.25), ("B", 0.05, 0.05, 0.15)),
    *(("B", 0.1, 0.1, 0.18), ("C", 0.0, 0.05, 0.4)),
)


def top(ds: xr.Dataset) -> xr.DataArray:
    return ds.physm.variables().array(ds, "soil_moisture")


@pytest.mark.parametrize("lazy", [False, True])
def test_sensors_of_several_places_and_depths_are_refused(lazy):
    ds = network(*MANY)
    ds = ds.chunk() if lazy else ds
    with pytest.raises(GridError, match="sensors at several depths of several places") as error:
        top(ds)
    lines = re.findall(r"ds = (ds\.isel\(.*?\))[.;]", str(error.value))
    shallow, station = (eval(line, {"ds": ds}) for line in lines)
    assert top(shallow).isel(date_time=0).values.tolist() == [0.2, 0.15]  # of A and B, at 5 cm
    assert top(station).dims == ("date_time",)
    assert top(station).values[0] == 0.2  # of A, at 5 cm
    assert [v.name for v in station.physm.variables().layers()] == ["soil_moisture"] * 2


def test_a_network_trains_each_station_on_its_own():
    ds = network(*MANY)
    with pytest.raises(GridError, match="one depth, one a place"):
        xsm.daily(ds).physm.fit("lstm", data_integration=True)
    day = xsm.daily(ds.isel(sensor=ds["depth_from"].values == 0.05))
    random = np.random.default_rng(0)
    day["precip"] = ("date_time", random.gamma(0.5, 10, day.sizes["date_time"]), {"units": "mm"})
    day["soil_moisture"] = day["soil_moisture"] + 0.01 * (np.arange(day.sizes["date_time"]) % 3)
    day["soil_moisture"].attrs["units"] = "m3 m-3"
    few = {"scaling": "global", "epochs": 1, "iterations": 2, "window": 5, "progress": False}
    found = day.physm.predict(day.physm.fit("lstm", data_integration=True, **few))
    mean = found["soil_moisture"].transpose("sensor", ...).mean("date_time")
    assert mean.sizes == {"sensor": 2}


def test_a_profile_has_the_bounds_that_it_states():
    ds = network(("A", 0.1, 0.3, 0.3), ("A", 0.0, 0.1, 0.2))
    layers = ds.physm.variables().layers()
    assert [v.depth for v in layers] == [(0.0, 0.1), (0.1, 0.3)]
    assert (top(ds) == 0.2).all()


def test_places_with_one_sensor_each_stay_places():
    ds = network(("A", 0.0, 0.05, 0.2), ("B", 0.0, 0.05, 0.3), ("C", 0.1, 0.15, 0.4))
    assert top(ds).isel(date_time=0).values.tolist() == [0.2, 0.3, 0.4]


def test_wells_with_a_depth_are_no_layers():
    """Depth of each well beside its series, as in collections of groundwater levels (GEMS-GER)."""
    ds = network(("A", 0.0, 0.05, 0.2), ("B", 0.0, 0.05, 0.3))[["soil_moisture"]]
    ds = ds.rename(sensor="station").assign(well_depth=("station", [12.0, 7.5], {"units": "m"}))
    assert top(ds).isel(date_time=0).values.tolist() == [0.2, 0.3]
