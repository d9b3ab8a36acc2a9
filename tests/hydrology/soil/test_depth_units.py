"""Depths in cm, mm and m are the same depths, in the data and in a prediction."""

from __future__ import annotations

import re

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.data.reading import read
from xsm.exceptions import GridError
from xsm.hydrology.soil.profile import read_profile

DEPTHS = np.array([2, 10, 20, 50])
UNITS = {"cm": 1.0, "mm": 10.0, "m": 0.01}
WET = np.random.default_rng(0).uniform(0.1, 0.4, (40, 4))


def site(units: str, shift: float = 0.0) -> xr.Dataset:
    """Return soil moisture of four sensors of a site."""
    times = {"time": xr.date_range("2020-01-01", periods=40)}
    depth = ("depth", DEPTHS * UNITS[units], {"units": units})
    wet = (("time", "depth"), WET + shift, {"units": "m3 m-3"})
    return xr.Dataset({"soil_moisture": wet}, times | {"depth": depth})


@pytest.mark.parametrize("units", list(UNITS))
def test_depths_of_any_unit_are_those_of_the_answer(units):
    found = xsm.to_depths(site(units), [(0.0, 0.06), (0.06, 0.15)])
    np.testing.assert_allclose(found["soil_moisture"], WET[:, :2])
    assert found["depth"].attrs["units"] == "m"


@pytest.mark.parametrize("predicted", list(UNITS))
@pytest.mark.parametrize("observed", list(UNITS))
def test_a_prediction_at_the_same_depths_in_other_units_is_scored(observed, predicted):
    guess = site(predicted, shift=0.01)[["soil_moisture"]]
    scores = xsm.score(site(observed), guess, baselines=False)
    np.testing.assert_allclose(scores["bias"].sel(source="model"), 0.01)


def test_a_prediction_of_fewer_or_other_depths_is_refused_with_what_to_type():
    ds, guess = site("cm"), site("m", shift=0.01).isel(depth=[1, 3])
    with pytest.raises(GridError, match=r"layers depth=\[0\.1, 0\.5\], the data") as error:
        xsm.score(ds, guess, baselines=False)
    part = eval(re.search(r"ds = (ds\.sel\(.*\))\.$", str(error.value))[1], {"ds": ds})
    found = xsm.score(part, guess, baselines=False)
    np.testing.assert_allclose(found["bias"].sel(source="model"), 0.01)
    with pytest.raises(
        GridError, match=r"predicted = predicted\.sel\(depth=\[2\.0, 20\.0\]"
    ) as error:
        xsm.score(site("m").isel(depth=[0, 2]), site("cm", shift=0.01), baselines=False)
    line = re.search(r"predicted = (predicted\.sel\(.*\))\.$", str(error.value))[1]
    less = eval(line, {"predicted": site("cm", shift=0.01)})
    found = xsm.score(site("m").isel(depth=[0, 2]), less, baselines=False)
    np.testing.assert_allclose(found["bias"].sel(source="model"), 0.01)
    other = site("m").assign_coords(depth=("depth", [0.03, 0.12, 0.3, 0.6], {"units": "m"}))
    with pytest.raises(GridError, match=r"xsm\.to_depths\(ds, \[0\.03, 0\.12, 0\.3, 0\.6\]\)"):
        xsm.score(ds, other, baselines=False)
    bare = site("m")
    bare["depth"].attrs.clear()
    with pytest.raises(GridError, match="with units of length"):
        xsm.score(ds, bare, baselines=False)


def test_sensors_are_nodes_of_a_profile_under_any_names():
    names = {f"sm_{z}cm": ("time", WET[:, i], {"units": "m3 m-3"}) for i, z in enumerate(DEPTHS)}
    along = read_profile(read(site("cm")))
    apart = read_profile(read(xr.Dataset(names, {"time": site("cm")["time"]})))
    assert along.centres == apart.centres == (0.02, 0.1, 0.2, 0.5)
    np.testing.assert_allclose(along.edges, apart.edges)
    np.testing.assert_allclose(along.edges[1:], [0.06, 0.15, 0.35, 0.65])
