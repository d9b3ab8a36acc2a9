"""Which variable is what: five conventions agree, and what is unclear is said."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr

from tests.data.naming.products import EDGES, PRODUCTS, truth
from xsm.data.naming import METEOROLOGY, ROLES, STATIC, find_variables
from xsm.data.units import quantify
from xsm.exceptions import MissingVariableError, UnitsError, UnknownNameError

FLUXES = ("precipitation", "evaporation", "surface_runoff")
STATES = ("snow_water_equivalent", "air_temperature", "shortwave_down")
DAYS = np.arange("2020-01-01", "2020-01-05", dtype="M8[D]").astype("M8[ns]")


def series(**variables: tuple[list[float] | np.ndarray, dict[str, object]]) -> xr.Dataset:
    """Return series of four days."""
    fields = {n: ("time", np.resize(v, 4) * 1.0, attrs) for n, (v, attrs) in variables.items()}
    return xr.Dataset(fields, {"time": DAYS})


@pytest.mark.parametrize("quantified", [False, True])
@pytest.mark.parametrize("product", PRODUCTS)
def test_products_agree(product, quantified):
    ds = PRODUCTS[product]()
    given = quantify(ds) if quantified else ds
    table, known = find_variables(given), truth()
    for role in (*FLUXES, *STATES):
        found = table.array(given, role)
        xr.testing.assert_allclose(found, known[role].rename(role), rtol=1e-12)
        assert found.attrs["units"] == ROLES[role].units
    layers = table.layers()
    np.testing.assert_allclose([v.depth for v in layers], np.stack([EDGES[:-1], EDGES[1:]], 1))
    for i, layer in enumerate(layers):
        found = table.array(given, layer)
        np.testing.assert_allclose(found, known["soil_moisture"][..., i], rtol=1e-12)


@pytest.mark.parametrize("product", PRODUCTS)
def test_nothing_is_computed(product, raise_if_computed):
    ds = PRODUCTS[product]().chunk(time=3)
    for given in (ds, quantify(ds)):
        table = find_variables(given)
        for role in table.roles:
            assert table.array(given, role).chunks is not None
        assert table.layers()[0].depth == (0.0, 0.1)  # read from bounds, though they are lazy


def test_files_are_not_loaded(tmp_path):
    PRODUCTS["era5_land"]().to_netcdf(tmp_path / "a.nc")
    with xr.open_dataset(tmp_path / "a.nc") as ds:
        find_variables(ds)
        assert not any(v.variable._in_memory for v in ds.data_vars.values())


def test_the_package_is_the_verb():
    import xsm

    ds = series(tp=([1], {"units": "m"}))
    assert repr(xsm.variables(ds)) == repr(find_variables(ds))


def test_defaults():
    assert METEOROLOGY == (
        "precipitation",
        "air_temperature",
        "specific_humidity",
        "surface_pressure",
        "shortwave_down",
        "longwave_down",
        "wind_speed",
    )
    assert {"sand", "silt", "clay", "bulk_density", "elevation", "soil_water_capacity"} < set(
        STATIC
    )
    assert {"theta_r", "theta_s", "vg_alpha", "vg_n", "k_sat"} < set(STATIC)
    assert "land_cover" not in STATIC


def test_order_of_resolution():
    rain = {"units": "mm day-1"}
    named = rain | {"standard_name": "precipitation_flux"}
    ds = series(tp=([1], rain), my_rain=([2], named), other=([3], rain))
    assert find_variables(ds)["precipitation"].name == "my_rain"
    assert find_variables(ds)["precipitation"].how == "standard_name"
    chosen = find_variables(ds, {"precipitation": "other"})
    assert (chosen["precipitation"].name, chosen["precipitation"].how) == ("other", "override")
    ds["my_rain"].attrs["standard_name"] = "unknown"
    assert find_variables(ds)["precipitation"].how == "alias"


def test_one_standard_name_for_many_variables():
    attrs = {"units": "m3 m-3", "standard_name": "volume_fraction_of_condensed_water_in_soil"}
    names = ("swvl2", "smap_sm", "swvl1_mean", "swvl1")
    table = find_variables(series(**{name: ([0.2], attrs) for name in names}))
    assert [v.name for v in table.layers()] == ["swvl1", "swvl2"]
    assert [v.depth for v in table.layers()] == [(0, 0.07), (0.07, 0.28)]
    assert table["satellite_soil_moisture"].name == "smap_sm"
    assert table.lookup("swvl1_mean").role == "soil_moisture"
    assert table.lookup("swvl2").depth == (0.07, 0.28)


def test_coordinates_and_bounds_never_match():
    ds = series(q=([1], {"units": "m3 s-1"}))
    ds = ds.assign_coords(tp=("time", np.ones(4), {"units": "m"}))
    ds["time"].attrs["bounds"] = "e"
    ds["e"] = ("time", np.ones(4))
    assert "precipitation" not in find_variables(ds)
    assert "evaporation" not in find_variables(ds)


def test_ambiguous_variables_are_a_problem():
    attrs = {"units": "mm day-1"}
    ds = series(tp=([1], attrs), PRECTOTLAND=([2], attrs))
    table = find_variables(ds)
    assert "precipitation" in table
    assert "precipitation" not in table.roles
    with pytest.raises(
        UnitsError, match=r"several variables fit: 'tp', 'PRECTOTLAND'.*variables={"
    ):
        table.require("precipitation")
    assert find_variables(ds, {"precipitation": "tp"})["precipitation"].name == "tp"
    assert find_variables(ds.rename(tp="precipitation"))["precipitation"].name == "precipitation"
    several = {"units": "K", "standard_name": "air_temperature"}
    with pytest.raises(UnitsError, match="several variables fit: 'high', 'low'"):
        find_variables(series(low=([1], several), high=([2], several)))["air_temperature"]


def test_rain_and_snow_add_up():
    flux = {"units": "kg m-2 s-1"}
    ds = series(Rainf=([1e-5], flux), Snowf=([2e-5], flux))
    table = find_variables(ds)
    assert table["precipitation"].how == "derived"
    np.testing.assert_allclose(table.array(ds, "precipitation"), 3e-5 * 86400)
    assert find_variables(ds[["Rainf"]])["precipitation"].name == "Rainf"


def test_unknown_overrides():
    ds = series(tp=([1], {"units": "m"}))
    with pytest.raises(UnknownNameError, match=r"'rain' is no role.*'tpp' is no variable"):
        find_variables(ds, {"rain": "tp", "evaporation": "tpp"})
    with pytest.raises(MissingVariableError, match=r"evaporation='tpp' .*Did you mean 'tp'"):
        find_variables(ds, {"evaporation": "tpp"})


@pytest.mark.parametrize("overrides", [["tp"], "tp"])
def test_overrides_are_a_mapping(overrides):
    with pytest.raises(
        TypeError, match=r"a mapping of roles .*variables={\"precipitation\": \"tp\""
    ):
        find_variables(series(tp=([1], {"units": "m"})), overrides)


@pytest.mark.parametrize("name", [3, ["tp"], None])
def test_overrides_are_names(name):
    ds = series(tp=([1], {"units": "m"}))
    with pytest.raises(MissingVariableError, match=r"precipitation=.* is no variable of the data"):
        find_variables(ds, {"precipitation": name})
    with pytest.raises(UnknownNameError, match="3 is no role"):
        find_variables(ds, {3: "tp"})


def test_missing_units():
    ds = series(tp=([1], {}), swvl1=([0.2], {}), rh=([80], {}), snowc=([0.5], {}), sand=([40], {}))
    table = find_variables(ds)
    for role, name in [("precipitation", "tp"), ("soil_moisture", "swvl1")]:
        with pytest.raises(UnitsError, match=rf"{role}: '{name}' has no units.*attrs\[\"units\"\]"):
            table.array(ds, role)
    with pytest.raises(UnitsError, match="'rh' has no units"):
        table.require("relative_humidity")
    assert float(table.array(ds, "snow_cover")[0]) == 0.5
    assert float(table.array(ds, "sand")[0]) == 40
    assert "'%' is assumed" in table.notes["sand"]


def test_wrong_units():
    ds = series(tp=([1], {"units": "K"}), dem=([1], {"units": "s"}))
    table = find_variables(ds)
    with pytest.raises(UnitsError, match="found as 'tp' in 'K', 'mm day-1' is needed"):
        table.require("precipitation")
    assert "elevation" not in table  # maps that cannot be used are left aside, and shown
    assert "found as 'dem' in 's'" in repr(table)


def test_packed_integers_are_refused(tmp_path):
    packing = {"dtype": "int16", "scale_factor": 1e-4, "_FillValue": -32767}
    whole = series(swvl1=([0.2], {"units": "m3 m-3"}), my_index=([0.5], {}))
    whole.to_netcdf(tmp_path / "a.nc", encoding=dict.fromkeys(whole, packing))
    with xr.open_dataset(tmp_path / "a.nc", mask_and_scale=False) as ds:
        table = find_variables(ds)
        for name in ("soil_moisture", "swvl1", "my_index"):
            with pytest.raises(UnitsError, match=r"packed integers.*Type ds = xr.decode_cf\(ds\)"):
                table.lookup(name)
        back = xr.decode_cf(ds)
        np.testing.assert_allclose(find_variables(back).array(back, "swvl1"), 0.2, atol=1e-4)
    whole["my_index"] = whole["my_index"].astype("i2")
    assert find_variables(whole).lookup("my_index").how == "name"


def test_gravimetric_soil_moisture():
    with pytest.raises(UnitsError, match=r"found as 'swvl1' in 'kg kg-1'.*bulk density"):
        find_variables(series(swvl1=([0.2], {"units": "kg kg-1"}))).require("soil_moisture")
    assert "clay" in find_variables(series(clay=([200], {"units": "g/kg"})))


@pytest.mark.parametrize(
    ("name", "positive", "sign"),
    [("e", None, -1), ("et", None, 1), ("e", "up", 1), ("et", "down", -1), ("e", "down", -1)],
)
def test_sign_of_product_and_attribute(name, positive, sign):
    attrs = {"units": "mm day-1"} | ({"positive": positive} if positive else {})
    ds = series(**{name: ([2 * sign], attrs)})
    found = find_variables(ds).array(ds, "evaporation")
    assert (found == 2).all()


def test_contradicted_sign_warns():
    wrong = series(et=([-2, -1, 0.1, -3], {"units": "mm day-1"}))
    with pytest.warns(UserWarning, match=r"75% of the values of 'et'.*\"positive\"\] = \"down\""):
        find_variables(wrong)
    wrong = series(e=([0.002, 0.001], {"units": "m"}))
    with pytest.warns(UserWarning, match=r"100% of the values of 'e'.*\"positive\"\] = \"up\""):
        find_variables(wrong)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        find_variables(wrong.chunk())  # lazy values are not looked at
        wrong["e"].attrs["positive"] = "down"
        find_variables(wrong)


def test_positive_must_be_a_direction():
    ds = series(e=([1], {"units": "m", "positive": "upward"}))
    with pytest.raises(UnitsError, match=r"positive='upward' is stated for 'e'"):
        find_variables(ds).require("evaporation")


def test_land_cover_is_not_converted():
    ds = series(IGBP=([1, 2], {"units": "class number"}))
    assert find_variables(ds).array(ds, "land_cover").values.tolist() == [1, 2, 1, 2]


def test_saturation_degree_is_no_soil_moisture():
    table = find_variables(series(GWETTOP=([0.5], {"units": "1"})))
    assert "soil_moisture" not in table
    assert table["soil_wetness"].depth == (0, 0.05)


@pytest.mark.data
def test_real_data(data_dir):
    for path in sorted(data_dir.glob("*/*.nc")):
        with xr.open_dataset(path) as ds:
            table = find_variables(ds)
            for role in table.roles:
                low, high = ROLES[role].range or (-np.inf, np.inf)
                values = table.array(ds, role).values.ravel()[::50]
                values = values[np.isfinite(values)]
                assert values.size, (path.name, role)
                assert np.quantile(values, 0.01) >= low, (path.name, role)
                assert np.quantile(values, 0.99) <= high, (path.name, role)
