"""Layers at other depths: water is conserved, what is unknown stays so, nothing is computed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import xsm
from xsm.data.units import quantify
from xsm.exceptions import GridError, MissingVariableError, UnitsError
from xsm.hydrology.soil.remapping import interval_weights

ERA5 = [(0.0, 0.07), (0.07, 0.28), (0.28, 1.0), (1.0, 2.89)]
WATER = {"units": "m3 m-3"}


def era5(dtype: type = float) -> xr.Dataset:
    """Return four layers as separate variables, with rain besides."""
    rng = np.random.default_rng(0)
    days = np.arange("2020-01-01", "2020-01-11", dtype="M8[D]").astype("M8[ns]")
    dims = ("time", "latitude", "longitude")
    fields = {}
    for i in range(1, 5):
        fields[f"swvl{i}"] = (dims, rng.uniform(0.1, 0.4, (10, 3, 4)).astype(dtype), WATER)
    fields["tp"] = (dims, rng.random((10, 3, 4)), {"units": "mm day-1"})
    return xr.Dataset(fields, {"time": days, "latitude": [2.0, 1.0, 0.0]})


def profile(edges: np.ndarray, values: np.ndarray, order: slice = slice(None)) -> xr.Dataset:
    """Return layers along a dimension of depth, with bounds by CF."""
    bounds = np.column_stack([edges[:-1], edges[1:]])[order]
    attrs = {"units": "m", "positive": "down", "bounds": "z_bnds"}
    coords = {"z": ("z", bounds.mean(axis=1), attrs), "z_bnds": (("z", "b"), bounds)}
    return xr.Dataset({"theta": (("x", "z"), values[:, order], WATER)}, coords)


def water(ds: xr.Dataset, edges: np.ndarray) -> np.ndarray:
    """Return the water (m) above the last edge, of layers along depth."""
    return ds["soil_moisture"].transpose(..., "depth").values @ np.diff(edges)


def stored(ds: xr.Dataset) -> np.ndarray:
    """Return the water (m) of the four layers."""
    return sum((lower - upper) * ds[f"swvl{i}"].values for i, (upper, lower) in enumerate(ERA5, 1))


def between(edges: list[float]) -> list[tuple[float, float]]:
    """Return the intervals between edges."""
    return list(itertools.pairwise(edges))


thicknesses = st.lists(st.floats(0.01, 1.0), min_size=1, max_size=8)


@given(thicknesses, thicknesses, st.booleans(), st.integers(0, 99))
def test_water_is_conserved(layers, targets, reverse, seed):
    edges = np.round(np.concatenate([[0.0], np.cumsum(layers)]), 5)  # below 1 um edges are the same
    wanted = np.concatenate([[0.0], np.cumsum(targets)]) * edges[-1] / sum(targets)
    wanted = np.round(wanted, 5)
    values = np.random.default_rng(seed).uniform(0.05, 0.5, (3, len(layers)))
    ds = profile(edges, values, slice(None, None, -1 if reverse else 1))
    found = xsm.to_depths(ds, between(wanted.tolist()))
    np.testing.assert_allclose(water(found, wanted), values @ np.diff(edges), rtol=1e-12)
    constant = xsm.to_depths(ds.assign(theta=ds["theta"] * 0 + 0.3), between(wanted.tolist()))
    np.testing.assert_allclose(constant["soil_moisture"], 0.3, rtol=1e-14)


@given(st.lists(st.floats(0.02, 2.85), min_size=0, max_size=6, unique_by=lambda x: round(x, 3)))
def test_water_of_era5_land_is_conserved(inner):
    ds = era5()
    wanted = [0.0, *sorted(inner), 2.89]
    found = xsm.to_depths(ds, between(wanted))
    np.testing.assert_allclose(water(found, np.array(wanted)), stored(ds), rtol=1e-12)


def test_identity():
    ds = era5(np.float32)
    found = xsm.to_depths(ds, ERA5)
    assert found["soil_moisture"].dims == ("time", "depth", "latitude", "longitude")
    assert found["soil_moisture"].dtype == np.float32
    for i in range(4):
        np.testing.assert_array_equal(found["soil_moisture"][:, i], ds[f"swvl{i + 1}"])
    xr.testing.assert_identical(found["tp"], ds["tp"])
    assert "swvl1" not in found


def test_known_means():
    edges = np.array([0.0, 0.1, 0.3])
    ds = profile(edges, np.array([[0.1, 0.4]]))
    found = xsm.to_depths(ds, [(0.0, 0.2), (0.05, 0.2), (0.0, 0.1), (0.2, 0.3)])
    np.testing.assert_allclose(found["soil_moisture"], [[0.25, 0.3, 0.1, 0.4]])
    assert found["soil_moisture"].dims == ("x", "depth")


def test_points():
    ds = profile(np.array([0.0, 0.1, 0.3, 0.6]), np.array([[0.1, 0.2, 0.4]]))
    found = xsm.to_depths(ds, [0.0, 0.05, 0.1, 0.3, 0.6, 0.7])
    np.testing.assert_allclose(found["soil_moisture"], [[0.1, 0.1, 0.15, 0.3, 0.4, np.nan]])
    np.testing.assert_allclose(found["depth"], [0.0, 0.05, 0.1, 0.3, 0.6, 0.7])
    assert "bounds" not in found["depth"].attrs
    assert "depth_bnds" not in found


def test_coordinates_and_attributes():
    found = xsm.to_depths(era5(), [(0.1, 0.3), (0.0, 0.1)])
    depth = found["depth"]
    np.testing.assert_array_equal(depth, [0.2, 0.05])  # in the order given
    assert depth.attrs == {
        "standard_name": "depth",
        "long_name": "depth below the surface",
        "units": "m",
        "positive": "down",
        "axis": "Z",
        "bounds": "depth_bnds",
    }
    np.testing.assert_array_equal(found["depth_bnds"], [[0.1, 0.3], [0.0, 0.1]])
    attrs = found["soil_moisture"].attrs
    assert attrs["units"] == "m3 m-3"
    assert attrs["standard_name"] == "volume_fraction_of_condensed_water_in_soil"
    assert attrs["comment"].startswith("swvl1, swvl2, swvl3, swvl4: 0-0.07, 0.07-0.28")
    table = xsm.variables(found)
    assert [v.depth for v in table.layers()] == [(0.0, 0.1), (0.1, 0.3)]
    xr.testing.assert_allclose(xsm.to_depths(found, [(0.1, 0.3), (0.0, 0.1)]), found)


def test_what_is_not_covered_is_nan():
    ds = era5()
    ds["swvl3"][2, 1, 1] = np.nan
    found = xsm.to_depths(ds, [(0.0, 0.28), (0.1, 0.5), (2.0, 3.0), (2.89, 3.0)])["soil_moisture"]
    missing = found.isnull()
    assert not missing[:, 0].any()
    assert missing[2, 1, 1, 1]
    assert int(missing[:, 1].sum()) == 1
    assert missing[:, 2:].all()
    gap = xsm.to_depths(ds.drop_vars("swvl2"), [(0.0, 0.07), (0.0, 1.0), (0.28, 0.5)])
    assert gap["soil_moisture"].isnull().all(["time", "latitude", "longitude"]).values.tolist() == [
        *(False, True, False)
    ]


def test_edges_that_differ_by_rounding():
    edges = np.array([0.0, 0.1, 0.3]) + 3e-8
    found = interval_weights(between(edges.tolist()), [(0.0, 0.1), (0.1, 0.3)])
    np.testing.assert_array_equal(found, np.eye(2))


@given(
    st.integers(1, 10), st.integers(1, 3), st.integers(1, 4), st.sampled_from([float, np.float32])
)
def test_lazy_equals_eager(time, latitude, longitude, dtype):
    ds = era5(dtype)
    depths = [(0.0, 0.1), (0.05, 1.5), (2.0, 4.0)]
    lazy = xsm.to_depths(ds.chunk(time=time, latitude=latitude, longitude=longitude), depths)
    assert lazy["soil_moisture"].dtype == dtype
    xr.testing.assert_equal(lazy, xsm.to_depths(ds, depths))


@given(st.integers(1, 3), st.integers(1, 4))
def test_lazy_equals_eager_along_a_dimension(x, z):
    rng = np.random.default_rng(1)
    ds = profile(np.array([0.0, 0.1, 0.2, 0.5, 1.0]), rng.random((3, 4)))
    lazy = xsm.to_depths(ds.chunk(x=x, z=z), [(0.0, 0.3), (0.3, 0.6)])
    xr.testing.assert_equal(lazy, xsm.to_depths(ds, [(0.0, 0.3), (0.3, 0.6)]))


def test_nothing_is_computed_and_a_block_is_a_task(raise_if_computed):
    ds = era5().chunk(time=5, latitude=2)
    lazy = xsm.to_depths(ds, [(0.0, 0.1), (0.1, 0.4), (0.4, 1.0)])["soil_moisture"].data
    assert lazy.chunks == ((5, 5), (3,), (2, 1), (4,))
    layers = lazy.dask.layers
    (own,) = [layer for name, layer in layers.items() if name.startswith("to-depths")]
    assert len(own) == 4
    assert len(layers) == 5  # nothing but the four variables and this


@pytest.mark.parametrize(("units", "factor"), [("kg m-2", 1000.0), ("%", 100.0), ("m3 m-3", 1.0)])
def test_units(units, factor):
    edges = np.array([0.0, 0.1, 0.3])
    theta = np.array([[0.1, 0.4]])
    amount = theta * factor * (np.diff(edges) if units == "kg m-2" else 1)
    ds = profile(edges, amount)
    ds["theta"].attrs["units"] = units
    found = xsm.to_depths(ds, [(0.0, 0.2)])["soil_moisture"]
    np.testing.assert_allclose(found, [[0.25]])
    assert found.attrs["units"] == "m3 m-3"
    ds["theta"].attrs |= {"units": "kg m-2"}
    if units == "kg m-2":
        found = xsm.to_depths(quantify(ds), [(0.0, 0.2)])["soil_moisture"]
        assert str(found.pint.units) == "dimensionless"
        np.testing.assert_allclose(found.pint.dequantify(), [[0.25]])


def test_temperature_and_whole_numbers():
    fields = {
        "stl1": ("x", [10, 12], {"units": "degC"}),
        "stl2": ("x", [14, 10], {"units": "degC"}),
    }
    found = xsm.to_depths(xr.Dataset(fields), [(0.0, 0.14)])["soil_temperature"]
    np.testing.assert_allclose(found, [[285.15, 284.15]])
    assert found.attrs["units"] == "K"


def test_means_of_parameters():
    edges = np.array([0.0, 0.1, 0.2])
    ds = profile(edges, np.array([[0.4, 0.5]])).rename(theta="theta_s")
    for name, units in (("k_sat", "m day-1"), ("vg_alpha", "m-1"), ("vg_n", "1")):
        ds[name] = ("z", [1.0, 4.0], {"units": units})
    ds["k_sat"][0] = 0.5
    found = xsm.to_depths(ds, [(0.0, 0.2), (0.0, 0.1)])
    np.testing.assert_allclose(found["theta_s"], [[0.45, 0.4]])
    np.testing.assert_allclose(found["k_sat"], [2 / (1 / 0.5 + 1 / 4), 0.5])
    np.testing.assert_allclose(found["vg_alpha"], [2.0, 1.0])
    assert found["k_sat"].attrs["cell_methods"] == "depth: mean (harmonic)"
    ds["k_sat"][1] = 0.0  # an impermeable layer stops the flow
    assert xsm.to_depths(ds, [(0.0, 0.2)])["k_sat"].item() == 0.0


def test_bounds_known_along_a_dimension_serve_all_on_it():
    ds = xr.Dataset({"theta": ("layer4", [0.1, 0.2], WATER), "theta_sat": ("layer4", [0.4, 0.5])})
    with pytest.raises(
        GridError, match="not known: 'theta' along 'layer4', 'theta_sat' along 'lay"
    ):
        xsm.to_depths(ds, [(0.0, 0.1)])
    ds["theta"].attrs["layer_edges_m"] = [0.0, 0.1, 0.2]
    found = xsm.to_depths(ds, [(0.0, 0.2)])
    np.testing.assert_allclose(found["theta_s"], [0.45])


def test_what_has_no_role_along_the_layers_is_left_out():
    edges = np.array([0.0, 0.1, 0.3])
    ds = profile(edges, np.array([[0.1, 0.4]])).rename(z="depth")
    ds = ds.assign(
        root_fraction=("depth", [0.6, 0.4]), layer_top=("depth", edges[:-1], {"units": "m"})
    )
    with pytest.warns(
        UserWarning, match=r"\['root_fraction'\] are left out: they lie along \['depth'"
    ):
        found = xsm.to_depths(ds, [(0.0, 0.2)])
    assert list(found.data_vars) == ["soil_moisture"]


def test_water_of_a_column_stays_beside_the_layers():
    same = WATER | {"standard_name": "volume_fraction_of_condensed_water_in_soil"}
    theta = ("depth", [0.1, 0.3], same | {"layer_edges_m": [0.0, 0.1, 0.2]})
    mm = same | {"units": "mm"}
    ds = xr.Dataset({"theta": theta, "column_water": ((), 40.0, mm)})
    found = xsm.to_depths(ds, [(0.0, 0.2)])
    np.testing.assert_allclose(found["soil_moisture"], [0.2])
    xr.testing.assert_identical(found["column_water"], ds["column_water"])
    with pytest.raises(UnitsError, match="'mm' is water in a layer whose bounds are unknown"):
        xsm.to_depths(ds.assign(deep=("depth", [1.0, 2.0], mm)), [(0.0, 0.2)])


@pytest.mark.parametrize(
    "depths",
    [
        [],
        [(0.1, 0.1)],
        [(0.3, 0.1)],
        [(-0.1, 0.1)],
        [-0.1],
        [(0.0, np.inf)],
        [np.nan],
        [(0.0, 0.1), 0.2],
        [(0.0, 0.1, 0.2)],
        0.1,
        None,
        ["a"],
    ],
)
def test_depths_that_are_none(depths):
    with pytest.raises(GridError, match=r"intervals \(top, bottom\) or points in m, positive down"):
        xsm.to_depths(era5(), depths)


def test_depths_in_other_units():
    with pytest.raises(
        GridError, match=r"in m, of which the layers cover none: soil_moisture: 0-0"
    ):
        xsm.to_depths(era5(), [(5.0, 10.0), (10.0, 20.0)])


def test_without_layers():
    with pytest.raises(
        MissingVariableError, match=r"hold no soil layers of known bounds.* among tp"
    ):
        xsm.to_depths(era5()[["tp"]], [0.1])
    with pytest.raises(MissingVariableError, match=r"among nothing. Type ds"):
        xsm.to_depths(xr.Dataset(), [0.1])
    bare = xr.Dataset({"theta": ("x", [0.1], WATER)})
    with pytest.raises(MissingVariableError, match=r'attrs\["layer_edges_m"\] = \[0.0, 0.1\]'):
        xsm.to_depths(bare, [0.1])


def test_layers_without_units():
    ds = era5()
    del ds["swvl2"].attrs["units"]
    with pytest.raises(UnitsError, match="swvl2: 'swvl2' has no units"):
        xsm.to_depths(ds, [0.1])
    for i in (1, 3, 4):
        del ds[f"swvl{i}"].attrs["units"]
    with pytest.raises(UnitsError, match="soil_moisture: 'swvl1' has no units"):
        xsm.to_depths(ds, [0.1])


def test_layers_on_different_grids_are_broadcast():
    ds = era5()
    ds["swvl4"] = ds["swvl4"].isel(time=0, drop=True).transpose()
    found = xsm.to_depths(ds, [(1.0, 2.0)])["soil_moisture"]
    expected = ds["swvl4"].transpose("latitude", "longitude")
    np.testing.assert_array_equal(found[3, 0], expected)


def test_overrides():
    ds = profile(np.array([0.0, 0.1]), np.array([[0.1]])).rename(theta="w")
    found = xsm.to_depths(ds, [0.05], variables={"soil_moisture": "w"})
    np.testing.assert_array_equal(found["soil_moisture"], [[0.1]])


def test_fluxes_out_of_layers_are_shared_and_keep_their_sum():
    rng = np.random.default_rng(5)
    edges = np.array([0.0, 0.1, 0.4, 1.0])
    ds = profile(edges, rng.uniform(0.1, 0.4, (2, 3)))
    ds["root_water_uptake"] = (("x", "z"), rng.random((2, 3)), {"units": "mm day-1"})
    found = xsm.to_depths(ds, [(0.0, 0.2), (0.2, 1.0)])["root_water_uptake"]
    old = ds["root_water_uptake"].values
    upper = old[:, 0] + old[:, 1] / 3
    np.testing.assert_allclose(found, np.stack([upper, old.sum(1) - upper], 1), rtol=1e-12)
    assert found.attrs["cell_methods"] == "depth: sum"
    with pytest.warns(UserWarning, match=r"\['root_water_uptake'\] are left out.*no point has"):
        points = xsm.to_depths(ds, [0.05, 0.3])
    assert list(points.data_vars) == ["soil_moisture"]
