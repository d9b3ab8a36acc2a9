"""The report of a data set: what it lists, in text, in HTML and as data; it never raises."""

import re

import numpy as np
import pytest
import xarray as xr

import xsm
from tests.data.doubt.worlds import broken, grid, station, typed
from tests.door.files import FILES
from tests.door.truth import truth
from xsm.data.units import quantify
from xsm.exceptions import UnitsError


def kinds(report) -> set[str]:
    """Return the kinds of findings, but for the remarks that variables() makes too."""
    return {found.kind for found in report} - {"told"}


def test_a_good_record_has_nothing_wrong():
    found = station().physm.check()
    assert not found
    assert [f.variable for f in found] == ["soil_moisture"]  # bounds that no name tells
    assert "the bounds of the layers of 'SWC_F_MDS_1' are unknown" in str(*found)
    assert "Nothing looks wrong." in repr(found)
    assert "nothing looks wrong" in found._repr_html_()


def test_all_faults_are_listed_the_worst_first():
    ds = broken(broken(station(), "SWC_F_MDS_1", -9999.0), "WS_F", 2.0, where=slice(None))
    ds = ds.rename(TA_F="tair")
    ds["tair"].attrs["units"] = "K"
    ds["PA_F"].attrs["units"] = "m s-1"
    found = ds.physm.check()
    assert found
    assert [f.severity for f in found] == sorted(
        (f.severity for f in found), key=["stop", "warn", "note"].index
    )
    assert kinds(found) == {"fill", "units", "constant", "unusable"}
    text = repr(found)
    for part in (
        "soil_moisture    SWC_F_MDS_1  %         -9999",
        "! soil_moisture: 20 of 900 values",
        "! air_temperature: 'tair' holds",
        "! surface_pressure: found as 'PA_F' in",
        "* wind_speed: all 900 values",
        "time: 900 steps from 2004-01-01 00:00:00 to 2006-06-18 00:00:00; days, labelled by",
    ):
        assert part in text
    html = found._repr_html_()
    assert "ds[&quot;SWC_F_MDS_1&quot;].where" in html
    assert "looks wrong" in html
    assert "<script" not in html


def test_ranges_are_shown_in_the_units_of_the_data():
    row = next(r for r in station().physm.check().rows if r[0] == "air_temperature")
    assert row[2] == "degC"
    assert row[5] == "-93.15 to 66.85"


def test_flags_that_nothing_reads_and_variables_without_a_role_are_named():
    """FLUXNET2015 has <name>_QC, a share of good data in daily files; ESA CCI a flag of its own."""
    ds = station().assign(H_F_MDS=("time", np.ones(900)), SWC_F_MDS_1_QC=("time", np.ones(900)))
    ds["P_F"].attrs["ancillary_variables"] = "rain_flag"
    ds["rain_flag"] = ("time", np.zeros(900, "i1"), {"flag_values": np.array([1, 2], "i1")})
    found = ds.physm.check()
    assert not found
    flags = {f.variable: f.line for f in found if f.kind == "flag"}
    assert flags == {
        "SWC_F_MDS_1": 'ds["SWC_F_MDS_1"] = ds["SWC_F_MDS_1"].where(ds["SWC_F_MDS_1_QC"] >= 0.8)',
        "P_F": 'ds["P_F"] = ds["P_F"].where(ds["rain_flag"] == 1)',
    }
    assert found.facts["left over (no role)"] == "H_F_MDS"
    for line in flags.values():
        typed(ds, line)


def test_what_is_mostly_missing_is_a_remark_and_a_masked_sea_is_none():
    ds = grid().where(lambda d: d.latitude > 45)
    assert not list(ds.physm.check())
    gaps = ds.assign({"2m_temperature": ds["2m_temperature"].where(ds.time.dt.day % 4 == 0)})
    (found,) = gaps.physm.check()
    assert (found.kind, found.severity, found.role) == ("missing", "note", "air_temperature")
    assert found.share == pytest.approx(0.77, abs=0.03)


@pytest.mark.parametrize(
    ("longitudes", "said"),
    [
        (np.arange(0.25, 360, 30), "0.25 to 330.25, counted 0 to 360"),
        (np.arange(-180.0, 180, 30), "-180 to 150, counted -180 to 180"),
        (np.arange(5.0, 9.0), "5 to 8, fits both conventions"),
    ],
)
def test_the_convention_of_longitudes(longitudes, said):
    ds = grid(n=3, shape=(2, len(longitudes))).assign_coords(longitude=longitudes)
    assert ds.physm.check().facts["longitude"] == said


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (
            xr.date_range("2020-06-01T00:30", periods=48, freq="h"),
            "every 1 h, labelled in the middle",
        ),
        (
            xr.date_range("2020-06-01T01:00", periods=48, freq="h"),
            "every 1 h, labelled by their end",
        ),
        (xr.date_range("2020-06-01T12:00", periods=9, freq="D"), "days, labelled in the middle"),
        (xr.date_range("2020-01-01", periods=9, freq="MS"), "months, labelled by their start"),
        (xr.date_range("2020-01-31", periods=9, freq="ME"), "months, labelled by their end"),
        (
            xr.date_range("2020-01-16", periods=9, freq="MS", calendar="noleap", use_cftime=True)
            + np.timedelta64(14, "D").astype("m8[us]").item(),
            "months, labelled in the middle",
        ),
    ],
)
def test_what_labels_of_time_suggest(times, said):
    ds = xr.Dataset(
        {"t2m": ("time", 280.0 + np.arange(len(times)), {"units": "K"})}, {"time": times}
    )
    assert ds.physm.check().facts["time"].endswith(said)


def test_odd_data_raise_nothing():
    assert not xsm.check(xr.Dataset())
    unsorted = station().isel(time=[3, 1, 2])
    assert "does not ascend" in unsorted.physm.check().facts["time"]
    empty = station().isel(time=slice(0, 0))
    assert not empty.physm.check()
    text = xr.Dataset({"tp": ("x", ["a", "b"], {"units": "m"})})
    assert text.physm.check().rows == ()
    nan = station() * np.nan
    assert kinds(nan.assign_attrs().physm.check()) <= {"missing", "unusable"}
    step = xr.Dataset(
        {"swvl1": (("time", "oddity"), np.full((9, 3), 0.3), {"units": "1"})},
        {"time": xr.date_range("2020", periods=9)},
    )
    assert kinds(step.physm.check()) == {"unusable"}


def test_many_layers_take_one_row():
    theta = 0.3 + 0.01 * np.random.default_rng(0).normal(size=(60, 9))
    ds = xr.Dataset(
        {"theta": (("time", "depth"), theta, {"units": "m3 m-3"})},
        {
            "time": xr.date_range("2020", periods=60),
            "depth": ("depth", 0.1 * np.arange(1, 10), {"units": "m"}),
        },
    )
    (row,) = ds.physm.check().rows
    assert row[1] == "theta[depth: 9]"
    assert float(row[3]) == pytest.approx(theta.min(), rel=1e-3)


def test_quantities_are_looked_at():
    ds = broken(station(), "P_F", -9999.0)
    assert kinds(quantify(ds).physm.check()) == {"fill"}


def test_names_are_stated_as_everywhere():
    ds = station().rename(SWC_F_MDS_1="mine")
    assert not ds.physm.check({"soil_moisture": "mine"})
    with pytest.raises(xsm.exceptions.MissingVariableError, match="yours"):
        ds.physm.check({"soil_moisture": "yours"})
    with pytest.raises(TypeError, match="a Dataset is needed"):
        xsm.check(ds["mine"])


def test_the_flag_of_a_product_is_named_though_no_attribute_does():
    """SMAP L3: retrieval_qual_flag, 0 where the retrieval is recommended (NSIDC, user guide)."""
    ds = FILES["SMAP L3"][2](truth())
    (found,) = (f for f in ds.physm.check() if f.kind == "flag")
    line = 'ds["soil_moisture_am"] = ds["soil_moisture_am"].where(ds["retrieval_qual_flag"] == 0)'
    assert (found.variable, found.severity) == ("soil_moisture_am", "note")
    assert found.line == line
    typed(ds, found.line)


def test_a_fill_value_of_a_product_counts_also_within_the_range():
    """GLDAS-2: -9999 is missing, and storage may be less than that in mm (README of GLDAS-2)."""
    values = -9000 + 100 * np.sin(np.arange(60.0))
    values[3] = -9999.0
    days = {"time": xr.date_range("2003-01-01", periods=60)}
    ds = xr.Dataset({"TWS_tavg": ("time", values, {"units": "mm"})}, days)
    assert "fill" not in kinds(ds.physm.check())
    assert "fill" in kinds(ds.physm.check(product="gldas"))


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("U6", "holds <U6; real numbers are needed"),  # as CSV files with a "-" are read
        (object, "holds object; real numbers are needed"),
        ("S6", r"holds \|S6; real numbers"),
        (complex, "holds complex128; real numbers"),
        ("M8[ns]", r"holds datetime64\[ns\]; real numbers"),
        (bool, "holds true and false, and numbers in m3 m-3 are needed"),
    ],
)
def test_what_holds_no_numbers_is_reported_as_verbs_refuse_it(kind, said, lazy):
    ds = station()
    values = ds["SWC_F_MDS_1"].values
    made = values.astype("m8[s]").astype(kind) if kind == "M8[ns]" else values.astype(kind)
    ds["SWC_F_MDS_1"] = (ds["SWC_F_MDS_1"].dims, made, ds["SWC_F_MDS_1"].attrs)
    ds = ds.chunk() if lazy else ds
    report = ds.physm.check()
    [found] = [f for f in report.wrong if f.variable == "SWC_F_MDS_1"]
    assert (found.kind, found.severity, found.role) == ("unusable", "stop", "soil_moisture")
    assert re.search(said, found.words)
    with pytest.raises(UnitsError, match=said):
        xsm.to_depths(ds.rename(SWC_F_MDS_1="sm_5cm"), [0.05])


def test_packed_numbers_are_reported_with_the_line_that_unpacks():
    """As netCDF4 with set_auto_maskandscale(False) or xr.open_dataset(mask_and_scale=False)."""
    ds = station()
    soil = ds["SWC_F_MDS_1"]
    packing = {"scale_factor": 0.01, "add_offset": 20.0}
    ds["SWC_F_MDS_1"] = ((soil - 20) / 0.01).round().astype("i2").assign_attrs(soil.attrs | packing)
    [found] = ds.physm.check().wrong
    assert "ds = xr.decode_cf(ds)" in found.words
    decoded = xr.decode_cf(ds)
    np.testing.assert_allclose(decoded["SWC_F_MDS_1"], soil, atol=0.005)
    assert not decoded.physm.check()
