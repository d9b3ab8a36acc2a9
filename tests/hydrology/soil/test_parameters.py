"""Soil parameters and texture classes with labels: methods, layers, units, laziness, errors."""

from __future__ import annotations

import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import xsm
from xsm.data.units import quantify
from xsm.exceptions import GridError, MissingVariableError, UnitsError, UnknownNameError
from xsm.hydrology.soil import parameters as module
from xsm.hydrology.soil.carsel_parrish import PARAMETERS, class_parameters
from xsm.hydrology.soil.layering import aligned
from xsm.hydrology.soil.rosetta import rosetta_parameters

UNITS = {
    "theta_r": "m3 m-3",
    "theta_s": "m3 m-3",
    "vg_alpha": "m-1",
    "vg_n": "1",
    "k_sat": "m day-1",
}
METHODS = {"rosetta": rosetta_parameters, "texture_class": class_parameters}


def texture(shape: tuple[int, int] = (4, 5), units: str = "%") -> xr.Dataset:
    """Return a map of texture and bulk density, with the sea in one cell."""
    rng = np.random.default_rng(3)
    shares = rng.dirichlet([2, 2, 2], shape) * {"%": 100, "1": 1, "g kg-1": 1000}[units]
    shares[0, 0] = np.nan
    fields = {
        name: (("lat", "lon"), shares[..., i], {"units": units})
        for i, name in enumerate(("sand", "silt", "clay"))
    }
    fields["bulk_density"] = (
        ("lat", "lon"),
        rng.uniform(1, 1.6, shape) * 1000,
        {"units": "kg m-3"},
    )
    coords = {"lat": np.arange(shape[0])[::-1] * 1.0, "lon": np.arange(shape[1]) * 1.0}
    return xr.Dataset(fields, coords)


def hydraulic() -> xr.Dataset:
    """Return the parameters of three soils of a column model, in its units."""
    fields = {
        "theta_r": ("soil", [0.065, 0.067, 0.095], {"units": "m3 m-3"}),
        "theta_s": ("soil", [41.0, 45.0, 41.0], {"units": "%"}),
        "alpha": ("soil", [0.075, 0.02, 0.019], {"units": "cm-1"}),
        "n": ("soil", [1.89, 1.41, 1.31]),
        "Ks": ("soil", [4.42, 0.45, 0.26], {"units": "cm h-1"}),
    }
    return xr.Dataset(fields, {"soil": ["sandy_loam", "silt_loam", "clay_loam"]})


def test_of_the_data():
    found = xsm.soil_parameters(hydraulic())
    assert found.attrs["method"] == "dataset"
    assert found.attrs["comment"] == "the data hold all parameters"
    np.testing.assert_allclose(found["theta_s"], [0.41, 0.45, 0.41])
    np.testing.assert_allclose(found["vg_alpha"], [7.5, 2.0, 1.9])
    np.testing.assert_allclose(found["k_sat"], [1.0608, 0.108, 0.0624])
    assert {name: found[name].attrs["units"] for name in found} == UNITS
    assert found["k_sat"].attrs["standard_name"] == "soil_hydraulic_conductivity_at_saturation"
    assert found["theta_r"].attrs["long_name"] == "residual water content"
    assert list(found["soil"].values) == ["sandy_loam", "silt_loam", "clay_loam"]


@pytest.mark.parametrize("units", ["%", "1", "g kg-1"])
@pytest.mark.parametrize("method", METHODS)
def test_of_texture(method, units):
    ds = texture(units=units)
    found = xsm.soil_parameters(ds, method=method)
    percent = texture()
    arrays = [percent[name].values for name in ("sand", "silt", "clay")]
    if method == "rosetta":
        arrays.append(percent["bulk_density"].values / 1000)
    expected = METHODS[method](*arrays)
    for i, name in enumerate(PARAMETERS):
        assert found[name].dims == ("lat", "lon")
        np.testing.assert_allclose(found[name], expected[..., i], rtol=1e-9)
        assert np.isnan(found[name][0, 0])
    assert {name: found[name].attrs["units"] for name in found} == UNITS
    assert found.attrs["method"] == method
    assert found.attrs["comment"] == "as asked for"
    assert "547:39" in found.attrs["references"] or "24:755" in found.attrs["references"]
    xr.testing.assert_equal(found["lat"], ds["lat"])


def test_the_best_that_can_be_had(monkeypatch):
    ds = texture()
    found = xsm.soil_parameters(ds)
    assert found.attrs["method"] == "rosetta"
    assert "hold no theta_r, theta_s, vg_alpha, vg_n, k_sat" in found.attrs["comment"]
    monkeypatch.setattr(module, "is_installed", lambda: False)
    found = xsm.soil_parameters(ds.assign(theta_r=ds["sand"] / 1000))  # alone it is not taken
    assert found.attrs["method"] == "texture_class"
    assert found.attrs["comment"].endswith("vg_n, k_sat; rosetta-soil is not installed")
    with pytest.raises(ImportError, match=r'pip install "xsm\[soil\]", or pass method="texture_cl'):
        xsm.soil_parameters(ds, method="rosetta")


def test_parameters_that_cannot_be_used_are_not_passed_over_in_silence():
    ds = hydraulic().assign(sand=("soil", [60.0, 20.0, 30.0]), clay=("soil", [10.0, 15.0, 34.0]))
    del ds["alpha"].attrs["units"]
    with pytest.warns(UserWarning, match="method='rosetta' is tried: vg_alpha: 'alpha' has no uni"):
        assert xsm.soil_parameters(ds).attrs["method"] == "rosetta"
    with pytest.raises(
        UnitsError, match=r'ds\["alpha"\].attrs\["units"\] = "...", for example "m-1"'
    ):
        xsm.soil_parameters(ds, method="dataset")


@settings(max_examples=8)
@given(st.integers(1, 4), st.integers(1, 5), st.sampled_from(["rosetta", "texture_class"]))
def test_lazy_equals_eager(rows, columns, method):
    ds = texture()
    lazy = xsm.soil_parameters(ds.chunk(lat=rows, lon=columns), method=method)
    assert lazy["k_sat"].chunks == ds.chunk(lat=rows, lon=columns)["sand"].chunks
    xr.testing.assert_allclose(lazy, xsm.soil_parameters(ds, method=method), rtol=1e-12)


@pytest.mark.parametrize("method", [None, *METHODS])
def test_nothing_is_computed(raise_if_computed, method):
    assert xsm.soil_parameters(texture().chunk(lat=2), method=method)["vg_n"].chunks is not None
    assert xsm.texture_class(texture().chunk(lat=2)).chunks is not None
    assert xsm.soil_parameters(hydraulic().chunk(soil=1))["k_sat"].chunks is not None


def test_wrong_sums_of_lazy_data_raise_when_computed():
    ds = texture()
    ds["sand"][1, 1] = 0.0
    lazy = xsm.soil_parameters(ds.chunk(lat=2), method="texture_class")
    with (
        dask.config.set(scheduler="synchronous"),
        pytest.raises(UnitsError, match=r"in 1 of 10 cells of a block"),
    ):
        lazy.compute()
    with pytest.raises(UnitsError, match=r"in 1 of 20 cells of a block"):
        xsm.texture_class(ds)


@pytest.mark.parametrize("missing", ["sand", "silt", "clay"])
def test_one_share_is_what_the_others_leave(missing):
    found = xsm.texture_class(texture().drop_vars(missing))
    xr.testing.assert_equal(found, xsm.texture_class(texture()))


def test_classes_have_names():
    shares = {"sand": ("soil", [60, 20, 30]), "clay": ("soil", [10, 15, 34])}
    found = xsm.texture_class(hydraulic().assign(shares))
    names = found.attrs["flag_meanings"].split()
    assert [names[int(i) - 1] for i in found] == list(found["soil"].values)
    assert found.dtype == np.float32
    assert found.attrs["flag_values"].dtype == found.dtype
    assert found.name == "texture_class"


def test_one_variable_for_each_layer():
    one = texture()
    names = ("sand_0-5cm_mean", "sand_5-15cm_mean", "clay_0-5cm_mean", "clay_5-15cm_mean")
    layers = [
        one[name.partition("_")[0]] * f for name, f in zip(names, (1, 0.5, 1, 1), strict=True)
    ]
    ds = xr.Dataset({n: a.assign_attrs(units="%") for n, a in zip(names, layers, strict=True)})
    found = xsm.soil_parameters(ds.chunk(lat=2), method="texture_class")
    assert found["theta_s"].dims == ("depth", "lat", "lon")
    np.testing.assert_allclose(found["depth"], [0.025, 0.1])
    np.testing.assert_allclose(found["depth_bnds"], [[0, 0.05], [0.05, 0.15]])
    assert found["depth"].attrs["bounds"] == "depth_bnds"
    top = xsm.soil_parameters(one.drop_vars("silt"), method="texture_class")
    np.testing.assert_allclose(found["k_sat"].isel(depth=0), top["k_sat"])
    assert xsm.texture_class(ds).dims == ("depth", "lat", "lon")
    remapped = xsm.to_depths(found, [(0.0, 0.05)])["theta_s"]
    np.testing.assert_allclose(remapped[0], top["theta_s"])


def test_a_dimension_of_depth():
    depth = ("depth", [5.0, 20.0], {"units": "cm", "positive": "down", "bounds": "edges"})
    fields = {"sand": (("x", "depth"), [[40.0, 92.0]]), "clay": (("x", "depth"), [[20.0, 3.0]])}
    ds = xr.Dataset(
        fields, {"depth": depth, "edges": (("depth", "b"), [[0.0, 10.0], [10.0, 30.0]])}
    )
    found = xsm.soil_parameters(ds, method="texture_class")
    np.testing.assert_allclose(found["theta_s"], [[0.43, 0.43]])
    np.testing.assert_allclose(found["theta_r"], [[0.078, 0.045]])
    xr.testing.assert_identical(found["edges"], ds["edges"])
    horizons = xr.Dataset({n: ("horizon", ds[n].values[0]) for n in ("sand", "clay")})
    horizons = horizons.assign(layer_top=("horizon", [0.0, 0.1], {"units": "m"}))
    horizons = horizons.assign(layer_bottom=("horizon", [0.1, 0.3], {"units": "m"}))
    found = xsm.soil_parameters(horizons, method="texture_class")
    assert found["k_sat"].attrs["layer_edges_m"] == [0.0, 0.1, 0.3]
    assert xsm.texture_class(horizons).attrs["layer_edges_m"] == [0.0, 0.1, 0.3]
    np.testing.assert_allclose(xsm.to_depths(found, [(0.0, 0.2)])["theta_r"], [(0.078 + 0.045) / 2])


def test_layers_that_differ():
    ds = texture().rename(sand="T_SAND", clay="T_CLAY").drop_vars("silt")
    ds = ds.assign(S_SAND=ds["T_SAND"])
    expected = "sand: 0-0.3, 0.3-1 m; clay: 0-0.3 m.*same ones are needed; remap them first, for ex"
    with pytest.raises(GridError, match=expected):
        xsm.soil_parameters(ds)
    with pytest.raises(GridError, match=expected):
        xsm.texture_class(ds)
    found = xsm.soil_parameters(xsm.to_depths(ds, [(0.0, 0.3)]))
    assert found["theta_s"].dims == ("depth", "lat", "lon")


def test_other_coordinates():
    ds = texture()
    moved = ds["clay"].assign_coords(lat=ds["lat"] + 0.5)
    with pytest.raises(GridError, match=r"variables of \['sand', 'clay'\] lie on different coordi"):
        aligned([ds["sand"], moved])


def test_what_is_missing():
    with pytest.raises(
        UnknownNameError, match=r"method='rosseta' was given. Did you mean 'rosetta'"
    ):
        xsm.soil_parameters(texture(), method="rosseta")
    bare = texture()[["sand"]]
    with pytest.raises(MissingVariableError, match=r"theta_r: not found") as error:
        xsm.soil_parameters(bare)
    assert "clay: not found" in str(error.value)
    with pytest.raises(MissingVariableError, match="clay: not found"):
        xsm.texture_class(bare)
    with pytest.raises(MissingVariableError, match="k_sat: not found"):
        xsm.soil_parameters(hydraulic().drop_vars("Ks"), method="dataset")
    wrong = texture()
    wrong["silt"].attrs["units"] = "K"
    with pytest.raises(UnitsError, match="silt: found as 'silt' in 'K'"):
        xsm.texture_class(wrong)


def test_quantities_stay_quantities():
    found = xsm.soil_parameters(quantify(texture()), method="texture_class")
    assert str(found["vg_alpha"].pint.units) == "1 / meter"
    plain = xsm.soil_parameters(texture(), method="texture_class")
    np.testing.assert_allclose(found["k_sat"].pint.dequantify(), plain["k_sat"])
    assert str(xsm.texture_class(quantify(texture())).pint.units) == "dimensionless"


def test_overrides():
    ds = texture().rename(sand="a", clay="b").drop_vars("silt")
    found = xsm.texture_class(ds, variables={"sand": "a", "clay": "b"})
    np.testing.assert_array_equal(found, xsm.texture_class(texture()))
    found = xsm.soil_parameters(ds, method="texture_class", variables={"sand": "a", "clay": "b"})
    assert int(found["theta_s"].notnull().sum()) == 19


@pytest.mark.data
def test_parameters_of_a_column_model(data_dir):
    """The columns took Rosetta's parameters for their texture, scaled to 100 %."""
    land = xr.open_dataset(data_dir / "conus_land" / "conus_land.nc")
    truth = xsm.soil_parameters(xr.open_dataset(data_dir / "conus_profile" / "conus_profile.nc"))
    with pytest.raises(UnitsError, match="in 33 of 684 cells"):
        xsm.soil_parameters(land)
    total = land["sand"] + land["silt"] + land["clay"]
    shares = {name: land[name] * 100 / total for name in ("sand", "silt", "clay")}
    found = xsm.soil_parameters(land.assign(shares))
    assert (truth.attrs["method"], found.attrs["method"]) == ("dataset", "rosetta")
    xr.testing.assert_allclose(found, truth, rtol=1e-6)


def test_air_entry_comes_along_where_the_data_hold_it():
    units = {"theta_r": "1", "theta_s": "1", "vg_alpha": "m-1", "vg_n": "1", "k_sat": "m day-1"}
    ds = xr.Dataset({name: ("x", [0.5], {"units": unit}) for name, unit in units.items()})
    assert "air_entry" not in xsm.soil_parameters(ds, method="dataset")
    ds["air_entry"] = ("x", [2.0], {"units": "cm"})
    found = xsm.soil_parameters(ds, method="dataset")
    np.testing.assert_allclose(found["air_entry"], 0.02)
    assert found["air_entry"].attrs["units"] == "m"
    ds["air_entry"].attrs.clear()
    with pytest.raises(UnitsError, match="'air_entry' has no units"):
        xsm.soil_parameters(ds, method="dataset")
