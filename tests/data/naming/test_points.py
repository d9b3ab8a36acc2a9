"""Depths of sensors and of model levels: which layers they are, and how others are stated."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.data.naming import find_variables
from xsm.data.naming.points import in_name

DAYS = xr.date_range("2020-01-01", periods=3)
UNITS = {"m": 1.0, "cm": 100.0, "mm": 1000.0}


def profile(depths: list[float], units: str = "cm", dim: str = "depth", **attrs: str) -> xr.Dataset:
    """Return soil moisture 0.1, 0.2, ... of a site, at these depths."""
    values = np.tile(np.arange(1, len(depths) + 1) / 10, (3, 1))
    wet = (("time", dim), values, {"units": "m3 m-3"})
    return xr.Dataset({"soil_moisture": wet}, {"time": DAYS, dim: (dim, depths, {"units": units})})


def edges(ds: xr.Dataset, role: str = "soil_moisture") -> list[float]:
    bounds = [v.depth for v in find_variables(ds).layers(role)]
    assert all(a[1] == b[0] for a, b in pairwise(bounds))
    return [bounds[0][0], *(bottom for _, bottom in bounds)]


@pytest.mark.parametrize("units", list(UNITS))
@pytest.mark.parametrize(
    ("cm", "wanted"),
    [
        ([2, 10, 20, 50], [0, 6, 15, 35, 65]),
        ([5, 10, 20, 50, 100], [0, 7.5, 15, 35, 75, 125]),  # USCRN, SCAN, SMOSMANIA
        ([5, 10, 20, 30], [0, 7.5, 15, 25, 35]),
        ([50, 20, 10, 5], [0, 7.5, 15, 35, 65]),
        ([0, 10], [0, 5, 15]),
        ([10, 30, 50], [0, 20, 40, 60]),  # also the middles of layers
        ([5], [0, 10]),
    ],
)
def test_layers_of_sensors_reach_halfway_to_their_neighbours(units, cm, wanted):
    ds = profile([z * UNITS[units] / 100 for z in cm], units)
    np.testing.assert_allclose(edges(ds), np.array(wanted) / 100)


@pytest.mark.parametrize("units", list(UNITS))
def test_thirty_centimetres_lie_between_the_sensors_at_twenty_and_fifty(units):
    ds = profile([z * UNITS[units] / 100 for z in (2, 10, 20, 50)], units)
    points = xsm.to_depths(ds, [0.02, 0.06, 0.3, 0.01, 0.6, 0.7])["soil_moisture"]
    truth = [0.1, 0.15, 0.3 + 0.1 / 3, 0.1, 0.4, np.nan]  # linear; nothing below 65 cm
    np.testing.assert_allclose(points.isel(time=0), truth)
    layers = xsm.to_depths(ds, [(0.2, 0.3), (0.3, 0.4)])["soil_moisture"]
    np.testing.assert_allclose(layers.isel(time=0), [0.3, 0.35])


def test_what_was_assumed_is_said_and_other_edges_are_stated_as_it_says():
    ds = profile([2, 10, 20, 50])
    note = find_variables(ds).notes["soil_moisture"]
    assert "(0.02, 0.1, 0.2, 0.5 m) are taken for those of sensors" in note
    assert "edges [0.0, 0.06, 0.15, 0.35, 0.65] m" in note
    line = re.search(r"State others by (.*?), one more", note)[1]
    exec(f"{line} = [0.0, 0.05, 0.15, 0.3, 0.7]", {"ds": ds})
    assert edges(ds) == [0, 0.05, 0.15, 0.3, 0.7]
    assert "soil_moisture" not in find_variables(ds).notes
    point = xsm.to_depths(ds, [0.4])["soil_moisture"]  # a layer now, no sensor
    np.testing.assert_allclose(point.isel(time=0), [0.4])


def test_depths_that_may_be_both_stay_layers_and_the_note_says_how_they_are_sensors():
    ds = profile([5, 20, 50])
    assert edges(ds) == [0, 0.1, 0.3, 0.7]
    note = find_variables(ds).notes["soil_moisture"]
    line = re.search(r"sensors, type (.*), edges halfway", note)[1]
    exec(line, {"ds": ds})
    np.testing.assert_allclose(edges(ds), [0, 0.125, 0.35, 0.65])
    said = profile([5, 20, 50], dim="sensor_depth")
    np.testing.assert_allclose(edges(said), [0, 0.125, 0.35, 0.65])
    ds = profile([5, 20, 50])
    ds["depth"].attrs["long_name"] = "depth of measurement below surface"
    np.testing.assert_allclose(edges(ds), [0, 0.125, 0.35, 0.65])


CMIP = {
    "sdepth of three layers": ([0.05, 0.25, 0.7], [0, 0.1, 0.4, 1.0]),
    "Noah": ([0.05, 0.25, 0.7, 1.5], [0, 0.1, 0.4, 1.0, 2.0]),
    "JULES": ([0.05, 0.225, 0.675, 2.0], [0, 0.1, 0.35, 1.0, 3.0]),
    "JSBACH": ([0.0325, 0.192, 0.7755, 2.683, 6.984], [0, 0.065, 0.319, 1.232, 4.134, 9.834]),
    "H-TESSEL": ([0.035, 0.175, 0.64, 1.945], [0, 0.07, 0.28, 1.0, 2.89]),
    "CLM5": ([0.01, 0.04, 0.09, 0.16, 0.26], [0, 0.02, 0.06, 0.12, 0.2, 0.32]),
}


@pytest.mark.parametrize("name", list(CMIP))
@pytest.mark.parametrize("on_map", [False, True])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_middles_of_the_layers_of_models_stay_layers(name, on_map, dtype):
    middles, wanted = CMIP[name]
    ds = profile(np.array(middles, dtype), "m", "sdepth")
    if on_map:
        ds = ds.expand_dims(lat=[0.0, 1.0], lon=[0.0, 1.0, 2.0])
    np.testing.assert_allclose(edges(ds), wanted, atol=1e-6)
    assert "soil_moisture" not in find_variables(ds).notes


def test_nodes_of_clm_have_their_edges_halfway():
    """CLM4.5 technical note, table 6.1: node depths, and interfaces halfway between them."""
    nodes = (0.025 * np.expm1(0.5 * (np.arange(1, 9) - 0.5))).astype("f4")
    faces = [0.0175, 0.0451, 0.0906, 0.1655, 0.2891, 0.4929, 0.8289]
    ds = profile(nodes, "m", "levgrnd").expand_dims(lat=[0.0, 1.0], lon=[0.0, 1.0])
    np.testing.assert_allclose(edges(ds)[1:-1], faces, atol=2e-4)


def test_sensors_of_ismn_have_one_depth_each():
    """Like to_xarray of the package ismn: depth_from and depth_to along sensor, equal."""
    ds = profile([5.0, 10, 20, 50, 100]).rename(depth="sensor").drop_vars("sensor")
    for name in ("depth_from", "depth_to"):
        ds[name] = ("sensor", [0.05, 0.1, 0.2, 0.5, 1.0], {"units": "m"})
    np.testing.assert_allclose(edges(ds), [0, 0.075, 0.15, 0.35, 0.75, 1.25])
    np.testing.assert_allclose(xsm.to_depths(ds, [0.3])["soil_moisture"][:, 0], 0.3 + 0.1 / 3)
    ds["depth_from"][0], ds["depth_to"][0] = 0.0, 0.05  # an upright sensor beside level ones
    np.testing.assert_allclose(edges(ds), [0, 0.0625, 0.15, 0.35, 0.75, 1.25])


def test_layers_of_wrf_by_their_thickness():
    """wrfout: ZS and DZS (Time, soil_layers_stag) in m, of Noah."""
    ds = profile([1, 2, 3, 4]).drop_vars("depth").rename(depth="soil_layers_stag", time="Time")
    ds = ds.rename(soil_moisture="SMOIS").expand_dims(south_north=2, west_east=2)
    deep, thick = np.array([0.05, 0.25, 0.7, 1.5], "f4"), np.array([0.1, 0.3, 0.6, 1.0], "f4")
    for name, values in (("ZS", deep), ("DZS", thick)):
        along = ("Time", "soil_layers_stag")
        ds[name] = (along, np.tile(values, (3, 1)), {"units": "m"})
    stated = {"soil_moisture": "SMOIS"}
    for part in (ds, ds.drop_vars("DZS"), ds.chunk()):
        layers = find_variables(part, stated).layers()
        bounds = np.array([v.depth for v in layers])
        np.testing.assert_allclose(bounds, [[0, 0.1], [0.1, 0.4], [0.4, 1], [1, 2]], atol=1e-6)


@pytest.mark.parametrize("factor", [1.0, 0.01])
def test_layers_of_lis_by_its_global_attribute(factor):
    """LIS history files (LIS_historyMod): SOIL_LAYER_THICKNESSES in cm; old ones of LVT in m."""
    ds = profile([1, 2, 3, 4]).drop_vars("depth").rename(depth="SoilMoist_profiles")
    thick = np.array([10.0, 30.000002, 60.000004, 100.0], "f4") * np.float32(factor)
    ds.attrs = {"NUM_SOIL_LAYERS": 4, "SOIL_LAYER_THICKNESSES": thick}
    np.testing.assert_allclose(edges(ds), [0, 0.1, 0.4, 1.0, 2.0], atol=1e-6)
    ds.attrs["SOIL_LAYER_THICKNESSES"] = thick[:3]
    assert find_variables(ds).layers()[0].depth is None


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        ("SM_5cm SM_10cm SM_20cm SM_50cm SM_100cm", [0, 7.5, 15, 35, 75, 125]),
        ("swc_50_cm swc_20_cm swc_10_cm", [0, 15, 35, 65]),
        ("VWC 5cm Avg;VWC 25cm Avg", [0, 15, 35]),
        ("soil_moisture_50mm soil_moisture_200mm", [0, 12.5, 27.5]),
        ("SMS_2in SMS_8in SMS_20in", [0, 12.7, 35.56, 66.04]),  # SNOTEL
        (
            "SOIL_MOISTURE_5_DAILY SOIL_MOISTURE_10_DAILY SOIL_MOISTURE_20_DAILY "
            "SOIL_MOISTURE_50_DAILY SOIL_MOISTURE_100_DAILY",  # USCRN daily01, its headers.txt
            [0, 7.5, 15, 35, 75, 125],
        ),
        ("soil_moisture_5 soil_moisture_10 soil_moisture_20", [0, 7.5, 15, 25]),  # USCRN hourly
    ],
)
def test_variables_that_are_named_by_their_depth(names, wanted):
    every = names.split(";") if ";" in names else names.split()
    ds = xr.Dataset(
        {n: ("time", np.full(3, 0.1 * i), {"units": "m3 m-3"}) for i, n in enumerate(every, 1)},
        {"time": DAYS},
    )
    ds["st_5cm"] = ("time", np.full(3, 10.0), {"units": "degC"})
    np.testing.assert_allclose(edges(ds), np.array(wanted) / 100)
    table = find_variables(ds)
    assert table["soil_temperature"].name == "st_5cm"
    note = table.notes["soil_moisture"]
    assert "are taken for those of sensors" in note
    top = table.layers()[0]
    ds[top.name].attrs["layer_edges_m"] = [0.0, 0.03]
    assert find_variables(ds).layers()[0].depth == (0.0, 0.03)


def test_a_point_between_variables_that_are_named_by_their_depth():
    ds = xr.Dataset(
        {f"sm_{z}cm": ("time", [z / 100] * 3, {"units": "m3 m-3"}) for z in (5, 10, 20, 50)},
        {"time": DAYS},
    )
    found = xsm.to_depths(ds, [0.05, 0.07, 0.3, 0.45])["soil_moisture"]
    np.testing.assert_allclose(found.isel(time=0), [0.05, 0.07, 0.3, 0.45])


@pytest.mark.parametrize(
    "name", ["swvl1", "SWC_1", "soil_moisture_1", "SoilMoi0_10cm_inst", "wind_10m", "sm"]
)
def test_numbers_in_names_that_are_no_depth_of_a_sensor(name):
    assert in_name(name) is None


def test_counted_probes_are_no_depths_and_other_quantities_no_soil_moisture():
    wet = ("time", np.full(3, 0.2), {"units": "m3 m-3"})
    counted = {f"soil_moisture_{i}": wet for i in (1, 2, 3, 4, 5)}
    ds = xr.Dataset(counted, {"time": DAYS})
    assert "soil_moisture" not in find_variables(ds).notes
    assert find_variables(xr.Dataset({"salinity_5cm": wet}, {"time": DAYS})).roles == ()
