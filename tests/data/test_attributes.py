"""Units that a file calls otherwise, and times that xarray has not read for it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.exceptions import GridError, UnitsError

CELLS = {"lat": [-30.0, 30.0], "lon": [60.0, 180.0, 300.0]}


@pytest.fixture
def csr(tmp_path: Path) -> xr.Dataset:
    """Return a file of CSR's mascons, whose attributes are Units, also of time.

    CSR_GRACE_GRACE-FO_RL06_Mascons_all-corrections_v02.nc; public scripts that read it and RL0603
    begin by renaming the attribute Units of every variable.
    """
    months = np.arange("2004-01", "2006-01", dtype="M8[M]").astype("M8[D]")
    days = (months - np.datetime64("2002-01-01")).astype(float) + 14.5
    values = np.random.default_rng(0).normal(size=(24, 2, 3))
    ds = xr.Dataset(
        {
            "lwe_thickness": (("time", "lat", "lon"), values, {"Units": "cm"}),
            "time_bounds": (("time", "timebound"), np.stack([days - 15, days + 15], 1)),
        },
        {"time": days, **CELLS},
    )
    ds["time"].attrs = {"Units": "days since 2002-01-01T00:00:00Z", "calendar": "gregorian"}
    ds["lon"].attrs = {"Units": "degrees_east"}
    ds.to_netcdf(tmp_path / "csr.nc")
    return xr.open_dataset(tmp_path / "csr.nc")


def typed(message: str, ds: xr.Dataset) -> xr.Dataset:
    """Return the data after the line that a message says to type."""
    line = re.search(r"decode it: (.*)\.$", message)
    space = {"ds": ds, "xr": xr}
    exec(line[1], space)
    return space["ds"]


def test_units_in_capitals_are_read_and_time_is_decoded_by_the_line_of_the_message(csr):
    truth = 10 * csr["lwe_thickness"].values
    with pytest.raises(GridError, match=r"decode it: .*\[\"Units\"\]; ds = xr\.decode_cf") as error:
        xsm.monthly(csr)
    ds = typed(str(error.value), csr)
    assert ds["time"].dtype.kind == "M"
    table = ds.physm.variables()
    assert table["terrestrial_water_storage"].units == "cm"
    np.testing.assert_allclose(table.array(ds, "terrestrial_water_storage"), truth)
    none = xr.zeros_like(ds["lwe_thickness"]).assign_attrs(units="mm", Units="mm")
    for tws in (ds, ds["lwe_thickness"]):
        found = xsm.groundwater_anomaly(tws, none, none, baseline=None)["groundwater_storage"]
        np.testing.assert_allclose(found, truth)


def test_a_file_opened_without_decoding_is_decoded_by_the_line_of_the_message():
    days = xr.DataArray(np.zeros(3), {"time": [0, 31, 59]}, "time", name="tws")
    days["time"].attrs["units"] = "days since 2003-01-01"
    with pytest.raises(GridError, match=r"decode it: ds = xr\.decode_cf\(ds\)\.$") as error:
        xsm.monthly(days.to_dataset())
    assert typed(str(error.value), days.to_dataset())["time"].dt.month.values.tolist() == [1, 2, 3]


def test_two_units_that_differ_are_refused_until_one_is_taken_out(csr):
    csr["lwe_thickness"].attrs["units"] = "mm"
    said = r"units='mm' and Units='cm', which differ.*del ds\[\"lwe_thickness\"\]"
    with pytest.raises(UnitsError, match=said) as error:
        csr.physm.variables().require("terrestrial_water_storage")
    text = re.search(r"or (ds\[.*\].attrs\[\"units\"\] = '\w+')\.", str(error.value))
    exec(text[1], {"ds": csr})
    assert csr.physm.variables()["terrestrial_water_storage"].units == "cm"
    csr["lwe_thickness"].attrs["units"] = "centimeter"  # the same in other words
    table = csr.physm.variables()
    assert table["terrestrial_water_storage"].conversion.factor == 10.0


def test_the_data_of_the_user_stay_as_they_are(csr):
    csr.physm.variables()
    assert "units" not in csr["lwe_thickness"].attrs
    layers = xr.Dataset(
        {"theta": ("depth", [0.2, 0.3], {"UNITS": "%"})}, {"depth": ("depth", [5.0, 20.0])}
    )
    layers["depth"].attrs = {"Units": "cm"}
    found = layers.physm.variables().layers()
    assert [v.depth for v in found] == [(0.0, 0.1), (0.1, 0.3)]
    assert found[0].conversion.factor == 0.01
