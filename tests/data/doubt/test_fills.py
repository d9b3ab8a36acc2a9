"""Fill values that nothing declares are found, and what is typed masks them and no more."""

import numpy as np
import pytest

from tests.data.doubt.worlds import broken, station, typed
from xsm.api.check import check
from xsm.data.doubt.fills import find_fills
from xsm.data.doubt.limits import Limits
from xsm.data.reading import read


def fills_of(ds, role):
    return [f for f in check(ds) if f.kind == "fill" and f.role == role]


@pytest.mark.parametrize(
    ("name", "role", "value"),
    [
        ("SWC_F_MDS_1", "soil_moisture", -9999.0),  # FLUXNET2015, AmeriFlux BASE
        ("SWC_F_MDS_1", "soil_moisture", -99.0),  # soil moisture of USCRN daily01, its readme
        ("P_F", "precipitation", -999.0),  # header of NASA POWER's daily csv
        ("TA_F", "air_temperature", -999.0),
        ("TA_F", "air_temperature", -99.99),
        ("P_F", "precipitation", 1e15),  # UNDEF of MERRA-2
        ("PA_F", "surface_pressure", 9.96921e36),  # NC_FILL_FLOAT of netCDF-C
        ("SWC_F_MDS_1", "soil_moisture", 255.0),  # bytes
        ("SWC_F_MDS_1", "soil_moisture", 65535.0),
        ("SW_IN_F", "shortwave_down", 9.999e20),  # GRIB of NLDAS-2
        ("SWC_F_MDS_1", "soil_moisture", -327.68),  # -32768 times a scale of 0.01
    ],
)
@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_a_code_is_found_counted_and_masked_by_what_is_typed(name, role, value, kind):
    ds = station()
    ds[name] = ds[name].astype(kind).assign_attrs(ds[name].attrs)
    with_codes = broken(ds, name, value)
    (found,) = fills_of(with_codes, role)
    assert (found.severity, found.variable) == ("stop", name)
    assert found.share == pytest.approx(20 / 900)
    assert f"20 of 900 values of {name!r} are {np.dtype(kind).type(value):.8g}" in str(found)
    mended = typed(with_codes, found.line)
    assert not check(mended)
    assert mended[name].attrs == ds[name].attrs
    assert int(mended[name].isnull().sum()) == 20
    np.testing.assert_array_equal(
        mended[name].dropna("time"), ds[name].where(mended[name].notnull()).dropna("time")
    )


def test_one_is_enough_of_a_known_code():
    ds = broken(station(), "P_F", -9999.0, where=10)
    (found,) = fills_of(ds, "precipitation")
    assert "1 of 900 values" in str(found)


def test_codes_on_both_sides_are_masked_together():
    ds = broken(broken(station(), "P_F", -9999.0), "P_F", 1e20, where=slice(80, 90))
    (found,) = fills_of(ds, "precipitation")
    assert int(typed(ds, found.line)["P_F"].isnull().sum()) == 30


def test_a_column_of_nothing_but_codes():
    ds = broken(station(), "P_F", -9999.0, where=slice(None))
    (found,) = fills_of(ds, "precipitation")
    assert "nothing else is there" in str(found)
    assert bool(typed(ds, found.line)["P_F"].isnull().all())


def test_a_code_that_attributes_name_counts_where_it_is():
    """Opened with mask_and_scale=False: the attribute is there, and so is the value."""
    ds = broken(station(), "SW_IN_F", 1.0)
    assert not fills_of(ds, "shortwave_down")
    ds["SW_IN_F"].attrs["missing_value"] = 1.0
    assert len(fills_of(ds, "shortwave_down")) == 1


def test_a_code_within_a_wide_range_counts_where_it_is_far_from_all_others():
    """-9999 mm lies in the range of water storage, whose anomalies are some hundred mm."""
    ds = station().rename(SWC_F_MDS_1="tws")[["tws"]]
    ds["tws"] = (10 * (ds["tws"] - 30)).assign_attrs(units="mm")
    assert not check(ds)
    (found,) = fills_of(broken(ds, "tws", -9999.0), "terrestrial_water_storage")
    assert 'ds["tws"] > -9000' in found.line


def test_what_is_stated_to_be_valid_is_no_fill_value():
    ds = broken(station(), "P_F", -99.0)
    (found,) = fills_of(ds, "precipitation")
    said = str(found)
    assert said.endswith('say so: ds["P_F"].attrs["valid_min"] = -99.0.')
    believed = typed(ds, said.partition("say so: ")[2].removesuffix("."))
    assert not check(believed)


@pytest.mark.parametrize("placeholder", [[-1e15, 1e15], np.array([-32767, 32767], "i2")])
def test_valid_ranges_of_no_meaning_do_not_hide_codes(placeholder):
    ds = broken(station(), "P_F", -9999.0)
    ds["P_F"].attrs["valid_range"] = placeholder
    assert len(fills_of(ds, "precipitation")) == 1


def test_valid_ranges_of_packed_files_are_of_the_packed_type():
    ds = station()
    ds["SWC_F_MDS_1"].attrs["valid_range"] = np.array([0, 10000], "i2")  # of 0.01 %
    ds["SWC_F_MDS_1"].encoding["scale_factor"] = 0.01
    assert not check(ds)
    assert check(broken(ds, "SWC_F_MDS_1", -9999.0))


def test_extremes_and_repeated_values_are_no_fill_values():
    rain = np.r_[np.zeros(500), np.random.default_rng(0).gamma(1, 5, 400), [99.0, 255.0]]
    assert find_fills(rain, Limits(0, 2000)) is None
    capped = np.r_[np.linspace(0.0, 1.0, 500), np.full(50, 1.05)]
    assert find_fills(capped, Limits(0, 1)) is None
    cold = np.r_[np.linspace(-60.0, 20.0, 500), [-99.0] * 5]  # a range that is wider
    assert find_fills(cold, Limits(-120, 60)) is None


def test_layers_that_a_code_was_moved_with_are_found_too():
    """SWC_F_MDS_2 made of SWC_F_MDS_1 + 2, codes and all."""
    ds = broken(station(), "SWC_F_MDS_1", -9999.0)
    ds["SWC_F_MDS_1"] = (ds["SWC_F_MDS_1"] + 2).assign_attrs(units="%")
    (found,) = fills_of(ds, "soil_moisture")
    assert "-9997" in str(found)
    assert read(typed(ds, found.line)).array("soil_moisture").min() > 0
