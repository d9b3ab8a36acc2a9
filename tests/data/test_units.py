"""Units: pint itself, hand calculation and physical constants are the truth."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pint
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from xsm.data.units import Conversion, conversion, dequantify, is_amount, quantify
from xsm.exceptions import UnitsError

ONE = 1e-15  # relative, float64


@pytest.mark.parametrize(
    ("given_units", "wanted", "helpers", "factor", "offset"),
    [
        ("m of water equivalent", "mm", {"water": True}, 1000, 0),
        ("mm of water equivalent", "mm", {}, 1, 0),
        ("mm w.e.", "mm", {}, 1, 0),
        ("(0 - 1)", "1", {}, 1, 0),
        ("fraction", "1", {}, 1, 0),
        ("", "1", {}, 1, 0),
        ("%", "m3 m-3", {}, 0.01, 0),
        ("percent", "%", {}, 1, 0),
        ("mm/d", "mm day-1", {}, 1, 0),
        ("mm day^-1", "mm day-1", {}, 1, 0),
        ("m**3 m**-3", "m3 m-3", {}, 1, 0),
        ("m3/m3", "m3 m-3", {}, 1, 0),
        ("m-3 m-3", "m3 m-3", {}, 1, 0),
        ("cm^3/cm^3", "m3 m-3", {}, 1, 0),
        ("mm mm-1", "m3 m-3", {}, 1, 0),
        ("kg m**-2 s**-1", "mm day-1", {"water": True}, 86400, 0),
        ("kg.m-2.s-1", "mm day-1", {"water": True}, 86400, 0),
        ("kg/m2/s", "mm day-1", {"water": True}, 86400, 0),
        ("m s**-1", "mm day-1", {}, 86400_000, 0),
        ("mm h-1", "mm day-1", {}, 24, 0),
        ("cm d-1", "m day-1", {}, 0.01, 0),
        ("kg/m^2", "mm", {"water": True}, 1, 0),
        ("cm", "mm", {}, 10, 0),
        ("m", "mm day-1", {"step_days": 1 / 24}, 24_000, 0),
        ("kg m-2", "mm day-1", {"water": True, "step_days": 3 / 24}, 8, 0),
        ("J m**-2", "W m-2", {"step_days": 1}, 1 / 86400, 0),
        ("MJ m-2 d-1", "W m-2", {}, 1e6 / 86400, 0),
        ("kg m-2", "m3 m-3", {"water": True, "thickness": 0.1}, 0.01, 0),
        ("mm", "m3 m-3", {"thickness": 0.3}, 1 / 300, 0),
        ("g cm-3", "g cm-3", {}, 1, 0),
        ("g/cm3", "kg m-3", {}, 1000, 0),
        ("cg/cm3", "g cm-3", {}, 0.01, 0),
        ("degC", "K", {}, 1, 273.15),
        ("C", "K", {}, 1, 273.15),
        ("deg C", "K", {}, 1, 273.15),
        ("Celsius", "K", {}, 1, 273.15),
        ("Kelvin", "K", {}, 1, 0),
        ("degF", "K", {}, 5 / 9, 273.15 - 32 * 5 / 9),
        ("kPa", "Pa", {}, 1000, 0),
        ("mb", "Pa", {}, 100, 0),
        ("hPa", "Pa", {}, 100, 0),
        ("g/kg", "kg kg-1", {}, 0.001, 0),
        ("cm-1", "m-1", {}, 100, 0),
        ("K", "degC", {}, 1, -273.15),
    ],
)
def test_factor_by_hand(given_units, wanted, helpers, factor, offset):
    change = conversion(given_units, wanted, **helpers)
    assert change.factor == pytest.approx(factor, rel=ONE)
    assert change.offset == pytest.approx(offset, rel=4 * ONE)


@pytest.mark.parametrize(
    ("ours", "theirs", "wanted", "wanted_theirs"),
    [
        ("mile/hour", "mile/hour", "m s-1", "m/s"),
        ("inch day-1", "inch/day", "mm day-1", "mm/day"),
        ("degF", "degF", "K", "kelvin"),
        ("atm", "atm", "Pa", "pascal"),
    ],
)
def test_pint_agrees(ours, theirs, wanted, wanted_theirs):
    registry = pint.UnitRegistry()
    change = conversion(ours, wanted)
    for value in (-40.0, 0.0, 12.5):
        truth = registry.Quantity(value, theirs).to(wanted_theirs).magnitude
        assert change.factor * value + change.offset == pytest.approx(truth, rel=1e-13)


def test_round_factors_are_exact():
    assert conversion("kg m-2 s-1", "mm day-1", water=True) == Conversion(86400.0)
    assert conversion("m", "mm day-1", step_days=1.0) == Conversion(1000.0)
    assert conversion("mm day-1", "mm day-1", water=True, step_days=0.5).identity


@given(
    st.floats(-1e6, 1e6),
    st.floats(1e-6, 1e6).flatmap(lambda f: st.sampled_from([f, -f])),
    st.floats(-1e3, 1e3),
)
def test_inverse_is_the_way_back(value, factor, offset):
    change = Conversion(factor, offset)
    back = change.then(change.inverse())
    assert back.factor == pytest.approx(1.0, rel=1e-12)
    assert back.offset == pytest.approx(0.0, abs=1e-9 * (1 + abs(offset / factor)))
    there = xr.DataArray(np.array([value]))
    home = change.inverse()(change(there))
    scale = abs(value) + abs(offset / factor) + 1e-300
    np.testing.assert_allclose(home, there, atol=1e-13 * scale + 1e-300)


def test_then_applies_in_order():
    fahrenheit = conversion("degF", "K").then(conversion("K", "degC"))
    assert fahrenheit.factor * 212 + fahrenheit.offset == pytest.approx(100)


@pytest.mark.parametrize(
    ("given_type", "result"),
    [("f4", "f4"), ("f8", "f8"), ("i2", "f4"), ("u1", "f4"), ("i8", "f8"), ("?", "f4")],
)
def test_types_of_values(given_type, result):
    x = xr.DataArray(np.array([0, 1], given_type), dims="x", name="t", attrs={"units": "degC"})
    converted = Conversion(2.0, 1.0)(x)
    assert converted.dtype == result
    assert converted.name == "t"
    assert converted.attrs == {}
    assert converted.values.tolist() == [1, 3]


def test_identity_returns_the_array_itself():
    x = xr.DataArray(np.array([1, 2]), attrs={"units": "K"})
    assert Conversion()(x) is x


def test_conversion_is_lazy_and_keeps_coordinates(raise_if_computed):
    x = xr.DataArray(da.ones((4, 2), chunks=2, dtype="f4"), dims=("t", "x"), coords={"t": range(4)})
    converted = Conversion(2.0)(x)
    assert converted.chunks == x.chunks
    assert list(converted.coords) == ["t"]


def test_nan_stays_nan():
    assert np.isnan(Conversion(-1.0, 3.0)(xr.DataArray([np.nan]))).all()


def test_is_amount():
    assert is_amount("m of water equivalent", "mm day-1")
    assert is_amount("kg m-2", "mm day-1")
    assert not is_amount("kg m-2 s-1", "mm day-1")
    assert not is_amount("W m-2", "W m-2")
    with pytest.raises(UnitsError, match="'K' do not convert to 'mm day-1'"):
        is_amount("K", "mm day-1")


@pytest.mark.parametrize("text", ["(as distributed; see note)", "class number", "m of"])
def test_unreadable_units(text):
    with pytest.raises(UnitsError, match=r"cannot be read.*ds\[\"tp\"\].attrs\[\"units\"\]"):
        conversion(text, "mm")


@pytest.mark.parametrize(
    ("units", "wanted", "helpers", "hints"),
    [
        ("kg m-2 s-1", "mm day-1", {}, ["water=True"]),
        ("mm", "mm day-1", {"water": True}, ["step_days="]),
        ("kg m-2", "mm day-1", {}, ["water=True", "step_days="]),
        ("kg m-2", "m3 m-3", {"water": True}, ["layer_edges_m"]),
        ("mm", "m3 m-3", {}, ["layer_edges_m"]),
        ("degC", "m3 m-3", {"water": True}, []),
        ("W m-2", "m3 m-3", {"water": True}, []),
        ("MM", "m3 m-3", {"water": True}, []),
        ("K", "mm day-1", {"water": True}, []),
        ("degC", "mm day-1", {}, []),
    ],
)
def test_hints_are_those_that_help(units, wanted, helpers, hints):
    with pytest.raises(UnitsError, match=r"do not convert.*orrect the units attribute") as error:
        conversion(units, wanted, **helpers)
    known = ["water=True", "step_days=", "layer_edges_m", "thickness"]
    assert [hint for hint in known if hint in str(error.value)] == hints


@pytest.mark.parametrize("text", ["kg kg-1", "g/g", "kg/kg", "g kg**-1", "g.g-1"])
def test_water_by_mass_is_no_water_by_volume(text):
    with pytest.raises(UnitsError, match=r"a mass in the one and a length in the other.*bulk"):
        conversion(text, "m3 m-3", water=True)
    assert conversion(text, "kg kg-1").factor in {1, 0.001}  # humidity
    assert conversion(text, "%").factor in {100, 0.1}  # clay
    with pytest.raises(UnitsError, match="a length in the one and a mass in the other"):
        conversion("m3 m-3", text)


@pytest.mark.parametrize("text", ["m3 m-3", "m^3/m^3", "1", "%", "vol%", "L/L", "v/v", ""])
def test_ratios_of_volumes(text):
    assert conversion(text, "m3 m-3").factor == (0.01 if "%" in text else 1)
    assert conversion("1", "kg kg-1").identity


@pytest.mark.parametrize("thickness", [0.0, -0.1, float("nan")])
def test_thickness_must_be_positive(thickness):
    with pytest.raises(UnitsError, match="above 0, is needed"):
        conversion("kg m-2", "m3 m-3", water=True, thickness=thickness)


def test_quantities_there_and_back(raise_if_computed):
    tp = xr.DataArray(da.ones((4, 2), chunks=2), dims=("time", "x"), attrs={"units": "mm d-1"})
    ds = xr.Dataset({"tp": tp, "flag": ("x", [1, 2])}, {"x": ("x", [5, 6], {"units": "m"})})
    quantified = quantify(ds)
    assert str(quantified["tp"].data.units) == "millimeter / day"
    assert not hasattr(quantified["flag"].data, "units")
    assert quantify(quantified)["tp"].data.units == quantified["tp"].data.units
    plain, was = dequantify(quantified)
    assert was
    assert isinstance(plain["tp"].data, da.Array)
    assert conversion(plain["tp"].attrs["units"], "mm day-1").identity
    assert plain["x"].attrs == {"units": "m"}


def test_a_user_quantifies_with_pint_xarray(raise_if_computed):
    import pint_xarray  # noqa: F401

    ds = xr.Dataset({"t2m": ("x", da.ones(3))}, {"lat": ("x", [1.0, 2.0, 3.0])})
    plain, was = dequantify(ds.pint.quantify({"t2m": "degC", "lat": "degree"}))
    assert was
    assert conversion(plain["t2m"].attrs["units"], "K").offset == 273.15
    assert "lat" in plain.coords
    assert plain["lat"].attrs["units"] == "degree"


def test_plain_data_come_back_themselves():
    ds = xr.Dataset({"a": ("x", [1.0])})
    assert dequantify(ds) == (ds, False)
    assert dequantify(ds)[0] is ds


def test_files_are_not_loaded(tmp_path):
    xr.Dataset({"a": ("x", np.ones(3), {"units": "m"})}).to_netcdf(tmp_path / "a.nc")
    with xr.open_dataset(tmp_path / "a.nc") as ds:
        # Not of the DataArray: from Python 3.12 on, xarray sees no chunks in a quantity.
        assert quantify(ds)["a"].data.chunks == ((3,),)
        assert not ds["a"].variable._in_memory
        assert dequantify(ds)[1] is False
        assert not ds["a"].variable._in_memory


def test_quantify_names_unreadable_units():
    with pytest.raises(UnitsError, match="'class number' cannot be read"):
        quantify(xr.Dataset({"a": ("x", [1.0], {"units": "class number"})}))


@pytest.mark.parametrize("given", [xr.DataArray([0.2], dims="x", name="swvl1"), {"swvl1": 0.2}])
def test_only_data_sets_are_dequantified(given):
    with pytest.raises(TypeError, match=r"ds is of the type (DataArray|dict); a Dataset is needed"):
        dequantify(given)
