"""Layers of soil: bounds from attributes, CF, coordinates, midpoints, names."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from xsm.data.naming import find_variables
from xsm.data.naming.layers import depth_dim, dim_bounds
from xsm.exceptions import GridError, UnitsError


def profile(dim: str = "depth", size: int = 3, units: str = "m3 m-3") -> xr.Dataset:
    """Return soil moisture 0.1, 0.2, ... along a dimension."""
    days = np.arange("2020-01-01", "2020-01-03", dtype="M8[D]").astype("M8[ns]")
    values = np.tile(np.arange(1, size + 1) / 10, (2, 1))
    return xr.Dataset({"theta": (("time", dim), values, {"units": units})}, {"time": days})


def bounds(ds: xr.Dataset) -> list[tuple[float, float] | None]:
    return [v.depth for v in find_variables(ds).layers()]


def test_cf_bounds_in_cm_and_encoding():
    ds = profile().assign_coords(depth=("depth", [5.0, 20, 60], {"units": "cm"}))
    ds["depth_bnds"] = (("depth", "bnds"), [[0.0, 10], [10, 30], [30, 90]])
    ds["depth"].encoding["bounds"] = "depth_bnds"
    assert bounds(ds) == [(0, 0.1), (0.1, 0.3), (0.3, 0.9)]


def test_tops_and_bottoms():
    ds = profile("layer")
    ds["layer_top"] = ("layer", [0, 10, 30], {"units": "cm"})
    ds["layer_bottom"] = ("layer", [0.1, 0.3, 0.9], {"units": "m"})
    assert bounds(ds) == [(0, 0.1), (0.1, 0.3), (0.3, 0.9)]


def test_midpoints_without_gaps():
    ds = profile().assign_coords(depth=("depth", [5, 20, 60], {"units": "cm"}))
    assert bounds(ds) == [(0, 0.1), (0.1, 0.3), (0.3, 0.9)]


def test_upward_axis_is_turned_and_sorted():
    attrs = {"units": "m", "positive": "up"}
    ds = profile("z").assign_coords(z=("z", [-0.6, -0.2, -0.05], attrs))
    table = find_variables(ds)
    assert [v.depth for v in table.layers()] == [(0, 0.1), (0.1, 0.3), (0.3, 0.9)]
    assert [v.index for v in table.layers()] == [2, 1, 0]
    assert table.array(ds, "soil_moisture").values.tolist() == [0.3, 0.3]


@pytest.mark.parametrize(
    "depth",
    [
        ("depth", [5, 20, 60]),  # no units
        ("depth", [5, 20, 60], {"units": "hPa"}),
    ],
)
def test_unknown_bounds_are_said(depth):
    ds = profile().assign_coords(depth=depth)
    table = find_variables(ds)
    assert bounds(ds) == [None, None, None]
    hint = 'Give 4 edges in m: ds["theta"].attrs["layer_edges_m"] = [0.0, 0.1, ...]'
    assert hint in table.notes["soil_moisture"]
    assert table.array(ds, table.layers()[2]).values.tolist() == [0.3, 0.3]


def test_two_sensors_at_one_depth_are_refused():
    ds = profile().assign_coords(depth=("depth", [5, 10, 10], {"units": "cm"}))
    with pytest.raises(GridError, match=r"10 along 'depth'. Keep the first of each"):
        find_variables(ds)


def test_coordinate_of_another_length_is_not_used():
    ds = profile("layer4", 4)
    ds["layer_top"] = ("layer", [0, 10, 20, 30, 50], {"units": "cm"})
    ds["layer_bottom"] = ("layer", [10, 20, 30, 50, 100.0], {"units": "cm"})
    assert bounds(ds) == [None] * 4
    ds["theta"].attrs["layer_edges_m"] = [0.0, 0.1, 0.2, 0.3, 0.5]
    assert bounds(ds) == [(0, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.5)]


def test_sensors_with_a_depth():
    ds = profile("sensor").assign(sensor_depth=("sensor", [60, 5, 20], {"units": "cm"}))
    assert [v.index for v in find_variables(ds).layers()] == [1, 2, 0]


def test_water_in_layers():
    ds = profile(units="kg m-2")
    with pytest.raises(UnitsError, match=r"water in a layer whose bounds are unknown.*layer_edges"):
        find_variables(ds).require("soil_moisture")
    ds["theta"].attrs["layer_edges_m"] = [0, 0.1, 0.3, 0.9]
    table = find_variables(ds)
    found = [float(table.array(ds, layer)[0]) for layer in table.layers()]
    np.testing.assert_allclose(found, [0.1 / 100, 0.2 / 200, 0.3 / 600])


@pytest.mark.parametrize(
    ("name", "attrs", "depth"),
    [
        ("swvl4", {}, (1.0, 2.89)),
        ("volumetric_soil_water_layer_1", {}, (0, 0.07)),
        ("mrsos", {}, (0, 0.1)),
        ("SoilMoi40_100cm_inst", {}, (0.4, 1.0)),
        ("SoilM_0_10cm", {}, (0, 0.1)),
        ("sm_surface", {}, (0, 0.05)),
        ("soil_moisture", {"layer_top_cm": 7.0, "layer_bottom_cm": 28}, (0.07, 0.28)),
        ("soil_moisture", {"layer_top_m": "0", "layer_bottom_m": "0.3"}, (0, 0.3)),
        (
            "soil_moisture",
            {
                "GRIB_typeOfLevel": "depthBelowLandLayer",
                "GRIB_topLevel": 7,
                "GRIB_bottomLevel": 28,
            },
            (0.07, 0.28),
        ),
        ("soil_moisture", {}, None),
    ],
)
def test_single_layers(name, attrs, depth):
    ds = xr.Dataset({name: ("x", [0.2], {"units": "m3 m-3", **attrs})})
    assert find_variables(ds).lookup(name).depth == depth


def test_overlapping_layers_are_left_to_lookup():
    names = ("SoilM_0_100cm", "SoilM_0_10cm", "SoilM_10_40cm", "SoilM_40_100cm", "SoilM_0_200cm")
    ds = xr.Dataset({name: ("x", [10.0], {"units": "kg m-2"}) for name in names})
    table = find_variables(ds)
    assert [v.name for v in table.layers()] == ["SoilM_0_10cm", "SoilM_10_40cm", "SoilM_40_100cm"]
    assert float(table.array(ds, "SoilM_0_200cm")[0]) == pytest.approx(0.005)


def test_layers_keep_their_own_names():
    ds = xr.Dataset({f"swvl{i}": ("x", [0.1 * i], {"units": "m3 m-3"}) for i in (2, 1, 3)})
    table = find_variables(ds)
    named = [table.array(ds, v).name for v in table.layers()]
    assert named == ["soil_moisture", "swvl2", "swvl3"]
    assert table.array(ds, "swvl1").name == "swvl1"


def test_layers_below_an_override_stay():
    ds = xr.Dataset({f"swvl{i}": ("x", [0.1 * i], {"units": "m3 m-3"}) for i in (1, 2, 3)})
    table = find_variables(ds, {"soil_moisture": "swvl2"})
    assert table["soil_moisture"].name == "swvl2"
    assert [v.name for v in table.layers()] == ["swvl2", "swvl3"]
    assert table.lookup("swvl1").depth == (0, 0.07)


def test_an_override_of_unknown_depth_is_alone():
    ds = xr.Dataset({name: ("x", [0.1], {"units": "m3 m-3"}) for name in ("wet", "swvl2")})
    assert [v.name for v in find_variables(ds, {"soil_moisture": "wet"}).layers()] == ["wet"]


NAMED = {"units": "m3 m-3", "standard_name": "volume_fraction_of_condensed_water_in_soil"}


def era5_layers(**changed: dict[str, object]) -> xr.Dataset:
    """Return the layers of ERA5-Land with a standard_name, some with other attributes."""
    attrs = {f"swvl{i}": NAMED for i in (1, 2, 3, 4)} | changed
    return xr.Dataset({name: ("x", [0.2], a) for name, a in attrs.items()})


@pytest.mark.parametrize("attrs", [{}, NAMED | {"units": "m3/m"}, {"units": "K"}])
def test_a_faulty_top_layer_is_refused(attrs):
    ds = era5_layers(swvl1=attrs)
    table = find_variables(ds)
    assert table.layers() == ()
    assert "! soil_moisture: " in repr(table)
    with pytest.raises(UnitsError, match=r"'swvl1'.*top layer.*variables=.*target=\"swvl2\""):
        table.require("soil_moisture")
    assert table.lookup("swvl2").depth == (0.07, 0.28)
    named = find_variables(ds, {"soil_moisture": "swvl2"})
    assert [v.name for v in named.layers()] == ["swvl2", "swvl3", "swvl4"]
    assert find_variables(ds.drop_vars("swvl1"))["soil_moisture"].name == "swvl2"


def test_a_faulty_layer_below_is_shown():
    table = find_variables(era5_layers(swvl3={}))
    assert [v.name for v in table.layers()] == ["swvl1", "swvl2", "swvl4"]
    assert "! swvl3: 'swvl3' has no units" in repr(table)
    with pytest.raises(UnitsError, match="'swvl3' has no units"):
        table.lookup("swvl3")


def test_a_faulty_map_of_the_top_layer_is_left_aside():
    names = ("sand_0-5cm_mean", "sand_5-15cm_mean")
    ds = xr.Dataset({name: ("x", [40.0], {"units": "%"}) for name in names})
    ds[names[0]].attrs["units"] = "K"
    table = find_variables(ds)
    assert "sand" not in table
    assert 'variables={"sand": "sand_5-15cm_mean"}.' in repr(table)


def test_layers_of_a_product_stay_together():
    table = find_variables(era5_layers(swvl1={"units": "%"}))
    assert [v.name for v in table.layers()] == ["swvl1", "swvl2", "swvl3", "swvl4"]
    assert [v.how for v in table.layers()] == ["alias", *["standard_name"] * 3]


def test_a_layer_of_another_name_counts_by_its_bounds():
    bounds = {"layer_top_cm": 0, "layer_bottom_cm": 7}
    ds = era5_layers(swvl1=NAMED | bounds, deep=NAMED | {"layer_edges_m": [2.89, 4.0]})
    found = [v.name for v in find_variables(ds.rename(swvl1="SM")).layers()]
    assert found == ["SM", "swvl2", "swvl3", "swvl4", "deep"]
    assert find_variables(ds.assign(SM=ds["swvl1"]))["soil_moisture"].name == "swvl1"
    probe = ds.assign(probe=ds["swvl1"].assign_attrs(layer_bottom_cm=2))
    assert find_variables(probe)["soil_moisture"].name == "swvl1"  # known names first
    del ds["swvl1"].attrs["units"]
    with pytest.raises(UnitsError, match=r"'SM' has no units.*It is the top layer"):
        find_variables(ds.rename(swvl1="SM")).require("soil_moisture")


def test_unknown_bounds_beside_layers_below_the_surface_are_said():
    ds = era5_layers().rename(swvl1="SM")
    table = find_variables(ds)
    assert table["soil_moisture"].name == "swvl2"
    assert 'ds["SM"].attrs["layer_edges_m"] = [0.0, 0.1]' in table.notes["soil_moisture"]
    assert "soil_moisture" not in find_variables(era5_layers(SM=NAMED)).notes


@pytest.mark.parametrize("edges", ["surface", [0, "deep"], [0, None], [0.1, 0.0]])
def test_edges_that_are_no_depths_are_a_problem(edges):
    stated = NAMED | {"layer_edges_m": edges}
    with pytest.raises(
        UnitsError, match=r"'swvl1' states layer_edges_m=.*numbers from the surface"
    ):
        find_variables(era5_layers(swvl1=stated)).require("soil_moisture")
    table = find_variables(era5_layers(swvl3=stated))
    assert "'swvl3' states layer_edges_m=" in table.faults["swvl3"]
    assert table["soil_moisture"].name == "swvl1"


def test_tops_that_are_no_depths_are_a_problem():
    stated = NAMED | {"layer_top_cm": "surface", "layer_bottom_cm": 7}
    table = find_variables(era5_layers(swvl1=stated))
    assert "layer_top_cm='surface', layer_bottom_cm=7;" in table.problems["soil_moisture"]


def test_kinds_of_soil_are_no_layers():
    """Columns of a model by soil type and depth: `soil` is also what JULES calls its layers."""
    theta = (("soil", "time", "depth"), np.full((3, 4, 2), 0.3), {"units": "m3 m-3"})
    kinds = ("soil", ["sandy_loam", "silt_loam", "clay_loam"])
    ds = xr.Dataset(
        {"theta": theta},
        {"soil": kinds, "depth": ("depth", [5.0, 15.0], {"units": "cm"})},
    )
    assert depth_dim(ds, "theta") == "depth"
    assert depth_dim(ds.isel(depth=0), "theta") == "soil"


def test_stated_edges_follow_a_coordinate_that_was_turned():
    edges = [0.0, 0.1, 0.25, 0.5, 1.0]
    middles = np.array([0.05, 0.175, 0.375, 0.75])
    depth = ("depth", middles, {"units": "m", "positive": "down"})
    soil = ("depth", [0.1, 0.2, 0.3, 0.4], {"units": "m3 m-3", "layer_edges_m": edges})
    ds = xr.Dataset({"theta": soil}, {"depth": depth})
    turned = ds.sortby("depth", ascending=False)
    assert dim_bounds(turned, "theta", "depth")[0] == (3, (0.0, 0.1))
    odd = turned.isel(depth=[0, 2, 1, 3])  # neither up nor down, each in its layer
    assert dim_bounds(odd, "theta", "depth")[0] == (3, (0.0, 0.1))
    part = turned.assign_coords(depth=("depth", [9.0, 8.0, 7.0, 6.0], depth[2]))
    with pytest.raises(GridError, match=r"not each depth lies in a layer of its own\. Correct"):
        dim_bounds(part, "theta", "depth")


ERA5 = [0.0, 0.07, 0.28, 1.0, 2.89]


def test_stated_edges_of_numbered_layers_that_were_turned_are_refused():
    """CLM and NOAH number their layers from the surface; edges are told from there too."""
    soil = ("layer", [0.1, 0.2, 0.3], {"units": "m3 m-3", "layer_edges_m": [0.0, 0.1, 0.4, 1.0]})
    ds = xr.Dataset({"theta": soil}, {"layer": [1, 2, 3]})
    assert dim_bounds(ds, "theta", "layer")[0] == (0, (0.0, 0.1))
    with pytest.raises(GridError, match=r"may have been turned since\. Sort them"):
        dim_bounds(ds.isel(layer=[2, 1, 0]), "theta", "layer")
    turned = ds.isel(layer=[2, 1, 0]).sortby("layer")
    assert dim_bounds(turned, "theta", "layer")[0] == (0, (0.0, 0.1))
    below = ds.assign_coords(layer=[-0.05, -0.25, -0.7])  # heights, no units
    assert dim_bounds(below, "theta", "layer")[2] == (2, (0.4, 1.0))


LAYERS = {"units": "m", "positive": "down", "bounds": "depth_bnds"}


@pytest.mark.parametrize(
    ("edges", "middles"),
    [
        ([0.0, 0.1, 0.25, 0.5, 1.0], [1.0, 2.0, 3.0, 4.0]),  # numbers of layers, said to be m
        ([0.0, 0.2, 0.5, 1.0, 2.0], [0.05, 0.175, 0.375, 0.75]),
        ([0.0, 10.0, 25.0, 50.0, 100.0], [0.05, 0.175, 0.375, 0.75]),  # edges in cm
        ([0.0, 0.1, 0.25], [0.05, 0.175, 0.375, 0.75]),  # fewer layers
    ],
)
def test_stated_edges_that_contradict_the_coordinate_are_refused(edges, middles):
    soil = ("depth", [0.1, 0.2, 0.3, 0.4], {"units": "m3 m-3", "layer_edges_m": edges})
    ds = xr.Dataset({"theta": soil}, {"depth": ("depth", middles, {"units": "m"})})
    with pytest.raises(GridError, match=r"not each depth lies.*ds\.drop_vars\('depth'\)"):
        find_variables(ds).require("soil_moisture")
    bare = ds.drop_vars("depth")
    known = find_variables(bare).layers()[0].depth
    assert known == (tuple(edges[:2]) if len(edges) == 5 else None)


def test_stated_edges_follow_a_choice_of_layers():
    """ERA5-Land on one axis: the first and the last layer are no two sensors."""
    soil = ("depth", [0.1, 0.2, 0.3, 0.4], {"units": "m3 m-3", "layer_edges_m": ERA5})
    ds = xr.Dataset(
        {"theta": soil}, {"depth": ("depth", [3.5, 17.5, 64.0, 194.5], {"units": "cm"})}
    )
    assert dim_bounds(ds.isel(depth=[0, 3]), "theta", "depth") == [(0, (0, 0.07)), (1, (1.0, 2.89))]
    assert dim_bounds(ds.isel(depth=[2]), "theta", "depth") == [(0, (0.28, 1.0))]


def test_one_layer_of_a_choice_keeps_its_edges():
    attrs = {"units": "m3 m-3", "layer_edges_m": ERA5}
    depth = ("depth", [3.5, 17.5, 64.0, 194.5], {"units": "cm", "positive": "down"})
    ds = xr.Dataset({"theta": ("depth", [0.1, 0.2, 0.3, 0.4], attrs)}, {"depth": depth})
    one = ds.isel(depth=1)
    assert find_variables(one).layers()[0].depth == (0.07, 0.28)
    one["theta"].attrs["layer_edges_m"] = [0.28, 1.0]
    with pytest.raises(GridError, match=r"'depth' is 0\.175 m, outside of it.*drop_vars"):
        find_variables(one).require("soil_moisture")
    assert find_variables(one.drop_vars("depth")).layers()[0].depth == (0.28, 1.0)
    one["theta"].attrs["layer_edges_m"] = [0.07, 0.28]
    assert find_variables(one).layers()[0].depth == (0.07, 0.28)


@pytest.mark.parametrize(
    "wrong",
    [
        [[0.0, 10.0], [10.0, 40.0], [40.0, 100.0], [100.0, 200.0]],  # GLDAS's, in cm
        [[1.0, 2.0], [0.4, 1.0], [0.1, 0.4], [0.0, 0.1]],  # turned without the coordinate
    ],
)
def test_bounds_that_contradict_the_coordinate_are_refused(wrong):
    """CF: a coordinate lies within its bounds, which are in its units."""
    soil = ("depth", [0.1, 0.2, 0.3, 0.4], {"units": "m3 m-3"})
    ds = xr.Dataset({"theta": soil}, {"depth": ("depth", [0.05, 0.25, 0.7, 1.5], LAYERS)})
    ds["depth_bnds"] = (("depth", "bnds"), wrong)
    with pytest.raises(GridError, match=r"these lie elsewhere.*ds\.drop_vars\('depth_bnds'\)"):
        find_variables(ds).require("soil_moisture")
    right = ds.drop_vars("depth_bnds")
    assert find_variables(right).layers()[0].depth == (0.0, 0.1)
    right["depth_bnds"] = (("depth", "bnds"), wrong, {"units": "cm"})
    if wrong[0][0] == 0:
        assert find_variables(right).layers()[1].depth == (0.1, 0.4)
