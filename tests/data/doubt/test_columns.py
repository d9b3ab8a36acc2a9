"""Columns in other units than they say are found, and the units that are proposed are right."""

import numpy as np
import pytest
import xarray as xr

import xsm
from tests.data.doubt.worlds import station, typed
from xsm.api.check import check
from xsm.data.reading import read

OWN = {
    "P_F": "precip",
    "TA_F": "tair",
    "PA_F": "ps",
    "WS_F": "wspd",
    "SW_IN_F": "rsds",
    "LW_IN_F": "rlds",
    "SWC_F_MDS_1": "theta",
}
LABELS = [  # variable, role, the label it has instead, the true one
    ("TA_F", "air_temperature", "K", "degC"),
    ("PA_F", "surface_pressure", "Pa", "kPa"),
    ("SWC_F_MDS_1", "soil_moisture", "m3 m-3", "%"),
    ("SW_IN_F", "shortwave_down", "MJ m-2 day-1", "W m-2"),
    ("P_F", "precipitation", "m day-1", "mm day-1"),
]


def own_names(ds: xr.Dataset) -> xr.Dataset:
    """Return the record under names of no product, whose units nothing else tells."""
    return ds.rename(OWN)


@pytest.mark.parametrize(("name", "role", "label", "true"), LABELS)
def test_a_wrong_label_is_found_and_the_true_one_proposed(name, role, label, true):
    ds = own_names(station())
    name = OWN[name]
    ds[name].attrs["units"] = label
    (found,) = check(ds).wrong
    assert (found.kind, found.severity, found.variable, found.role) == ("units", "stop", name, role)
    mended = typed(ds, found.line)
    assert not check(mended)
    xr.testing.assert_allclose(read(mended).array(role), read(station()).array(role))
    with pytest.raises(xsm.exceptions.UnitsError, match="would be plausible"):
        xsm.fit(ds, "lstm", epochs=1, iterations=1, progress=False)


@pytest.mark.parametrize(
    ("name", "factor", "offset", "label", "true"),
    [
        ("TA_F", 1.0, 273.15, "degC", "K"),
        ("TA_F", 1.8, 32.0, "K", "degF"),
        ("PA_F", 10.0, 0.0, "kPa", "hPa"),
        ("PA_F", 10.0, 0.0, "Pa", "hPa"),
        ("P_F", 1e-3, 0.0, "mm day-1", "m day-1"),
        ("SWC_F_MDS_1", 0.01, 0.0, "%", "1"),
    ],
)
def test_the_reverse_is_found_too(name, factor, offset, label, true):
    ds = station()
    ds[name] = (factor * ds[name] + offset).assign_attrs(units=label)
    (found,) = check(ds).wrong
    assert found.kind == "units"
    mended = typed(ds, found.line)
    assert not check(mended)
    role = found.role
    np.testing.assert_allclose(read(mended).array(role), read(station()).array(role), rtol=1e-6)


def test_humidity_as_a_fraction_that_is_labelled_percent():
    ds = station()
    ds["RH"] = (0.5 + 0.2 * (ds["SWC_F_MDS_1"] - 30) / 10).assign_attrs(units="%")
    (found,) = check(ds).wrong
    assert (found.role, found.kind, found.line) == (
        "relative_humidity",
        "units",
        'ds["RH"].attrs["units"] = "1"',
    )


def test_evaporation_in_metres_that_is_labelled_millimetres():
    ds = station()
    ds["et"] = (0.002 * (1.2 + np.sin(ds["TA_F"] / 9))).assign_attrs(units="mm day-1")
    (found,) = check(ds).wrong
    assert (found.role, found.kind) == ("evaporation", "units")
    assert "As 'm day-1' they would be plausible" in str(found)
    polar = ds["et"].where(ds["TA_F"] < 15, 0.04).assign_attrs(units="mm day-1")
    assert not check(ds.assign(et=polar))


def test_what_is_stated_to_be_right_is_believed():
    """Values of 290 in degC may be those of an oven; who says so is not asked again."""
    ds = station()
    ds["TA_F"] = (ds["TA_F"] + 273.15).assign_attrs(units="degC")
    (found,) = check(ds).wrong
    line = str(found).partition("say so: ")[2].removesuffix(".")
    assert not check(typed(ds, line))


def test_values_that_no_units_explain_say_so():
    ds = station()
    ds["TA_F"] = (1e5 * (ds["TA_F"] + 50)).assign_attrs(units="K")
    (found,) = check(ds).wrong
    assert (found.severity, found.line) == ("stop", "")
    assert "No units that xsm knows make that plausible" in str(found)


def test_percent_of_saturation_is_no_volume():
    """ESA CCI ACTIVE: long_name 'Percent of Saturation Soil Moisture', units percent."""
    ds = station().rename(SWC_F_MDS_1="sm")[["sm"]]
    ds["sm"] = (1.5 * ds["sm"]).assign_attrs(
        units="percent", long_name="Percent of Saturation Soil Moisture"
    )
    named = {"satellite_soil_moisture": "sm"}
    (found,) = check(ds, named).wrong
    assert (found.kind, found.severity, found.line) == ("saturation", "stop", "")
    assert 'fit(..., target="soil_wetness", variables={"soil_wetness": "sm"})' in str(found)
    assert not check(ds, {"soil_wetness": "sm"})
    ds["porosity"] = xr.DataArray(0.4, attrs={"units": "m3 m-3"})
    (found,) = check(ds, named).wrong
    mended = typed(ds, found.line)
    assert not check(mended, named)
    volume = read(mended, named).array("satellite_soil_moisture")
    np.testing.assert_allclose(volume, 0.01 * ds["sm"] * 0.4)


def test_saturation_without_words_is_told_by_its_values():
    """ASCAT reaches 100 % wherever the soil is wet."""
    ds = station()
    full = (ds["SWC_F_MDS_1"] * 4 - 60).clip(0, 100).assign_attrs(units="%")
    (found,) = check(ds.assign(SWC_F_MDS_1=full)).wrong
    assert (found.kind, found.severity) == ("saturation", "warn")
    assert "more than soils hold" in str(found)


@pytest.mark.parametrize("factor", [1.0, 0.02])
def test_deserts_are_right(factor):
    """A desert: rain in two of a hundred days, soil at 1 to 3 %, most rain below 1 mm."""
    ds, rng = station(), np.random.default_rng(3)
    rain = np.where(rng.random(900) < 0.02, factor * rng.gamma(0.5, 8, 900), 0.0)
    ds["P_F"] = ("time", rain, {"units": "mm day-1"})
    ds["SWC_F_MDS_1"] = (ds["SWC_F_MDS_1"] / 15).assign_attrs(units="%")
    assert not check(ds)
