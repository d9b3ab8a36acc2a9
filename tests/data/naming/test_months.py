"""Amounts at steps of months: what products say, what must be stated, what the message types."""

from __future__ import annotations

import re

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.data.naming import ROLES, accumulation_of, find_variables
from xsm.exceptions import GridError, UnitsError

MONTHS = xr.date_range("2018-01-01", periods=24, freq="MS")


def series(times, name: str, values, units: str, **attrs: object) -> xr.Dataset:
    """Return one variable."""
    values = np.broadcast_to(values, len(times)).astype(float)
    return xr.Dataset({name: ("time", values, {"units": units, **attrs})}, {"time": times})


def typed(ds: xr.Dataset, pattern: str, message: str) -> xr.Dataset:
    """Return the data after what a message tells to type."""
    space = {"ds": ds.copy()}
    exec(re.search(pattern, message)[0], space)
    return space["ds"]


FALSE_STEPS = {
    "months": MONTHS,
    "July and August": MONTHS[6:8],
    "two months": MONTHS[:2],
    "every January": MONTHS[::12],
    "360 days": xr.date_range("2018", periods=9, freq="MS", calendar="360_day", use_cftime=True),
    "ends of months": xr.date_range("2018-01-31", periods=9, freq="ME"),
}


@pytest.mark.parametrize("times", FALSE_STEPS.values(), ids=FALSE_STEPS)
@pytest.mark.parametrize(
    ("name", "units", "value", "role", "truth"),
    [
        ("tp", "m", 0.005, "precipitation", 5.0),
        ("e", "m of water equivalent", -0.002, "evaporation", 2.0),
    ],
)
def test_monthly_means_of_era5_land(times, name, units, value, role, truth):
    """Amounts of a day, in m: "ERA5 family post-processed accumulations" of ECMWF's Confluence."""
    ds = series(times, name, value, units)
    with pytest.raises(GridError, match=r"not tell for how long\. Type what holds") as error:
        find_variables(ds).require(role)
    ds = typed(ds, rf'ds\["{name}"\].attrs\["accumulation"\] = "daily_mean_rate"', str(error.value))
    np.testing.assert_allclose(find_variables(ds).array(ds, role), truth)
    np.testing.assert_allclose(find_variables(ds[{"time": [0]}]).array(ds, role), truth)


@pytest.mark.parametrize(
    ("each", "told", "kinds"),
    [
        (1, "daily_mean_rate", FALSE_STEPS),
        (30, "step", ["months", "July and August", "360 days", "ends of months"]),
    ],
)
def test_radiation_tells_what_the_amounts_of_a_file_are(each, told, kinds):
    """ssrd in J m-2 is 86,400 times some 200 W m-2 as a mean of days, 30 times that as a total."""
    for times in map(FALSE_STEPS.get, kinds):
        ds = series(times, "tp", 0.005 * each, "m")
        ds = ds.merge(series(times, "ssrd", 2e7 * each, "J m**-2"))
        assert accumulation_of(ds, "tp", ROLES["precipitation"]) == told
        days = xr.DataArray(times, dims="time").dt.days_in_month
        truth = 5.0 if each == 1 else 5.0 * each / days
        np.testing.assert_allclose(find_variables(ds).array(ds, "precipitation"), truth)
        for unlike in (0.1 / each, np.nan):
            dark = ds.assign(ssrd=(ds["ssrd"] * unlike).assign_attrs(ds["ssrd"].attrs))
            with pytest.raises(GridError, match="not tell for how long"):
                find_variables(dark).require("precipitation")
        with pytest.raises(GridError, match="not tell for how long"):
            find_variables(ds.chunk()).require("precipitation")


@pytest.mark.parametrize(("name", "units"), [("Rainf", "kg m-2"), ("total_precipitation_sum", "m")])
@pytest.mark.parametrize("times", [MONTHS, FALSE_STEPS["ends of months"], MONTHS[6:8]])
def test_totals_of_months_by_product(name, units, times):
    """Rainf of NLDAS_FORA0125_M, bands of ECMWF/ERA5_LAND/MONTHLY_AGGR: totals of the month."""
    days = xr.DataArray(times, dims="time").dt.days_in_month
    ds = series(times, name, days * (0.005 if units[0] == "m" else 5.0), units)
    if name.endswith("_sum"):  # Caravan, which is daily and in mm, has the name too
        caravan = series(times, name, 5.0, "mm")
        with pytest.raises(GridError, match="not tell for how long"):
            find_variables(caravan).require("precipitation")
    np.testing.assert_allclose(find_variables(ds).array(ds, "precipitation"), 5.0)
    table = xsm.variables(ds.chunk(time=5))
    np.testing.assert_allclose(table.array(ds.chunk(time=5), "precipitation"), 5.0)
    np.testing.assert_allclose(xsm.monthly(ds)[name], 5.0)


@pytest.mark.parametrize("times", [*FALSE_STEPS.values(), MONTHS[[0, 1, 3, 4]]])
def test_totals_of_months_as_told(times):
    """ppt of TerraClimate (climatologylab.org): mm, the total of the month, labelled by day 1."""
    days = xr.DataArray(times, dims="time").dt.days_in_month
    ds = series(times, "pr", 5.0 * days, "mm")
    with pytest.raises(GridError, match=r"not tell for how long") as error:
        find_variables(ds).require("precipitation")
    for typed_line in (r'ds\["pr"\] = \(ds.*?day-1"\)', r'"step"(?= for totals of cal)'):
        found = re.search(typed_line, str(error.value))
        if found is None:
            continue
        line = found[0] if "=" in found[0] else f'ds["pr"].attrs["accumulation"] = {found[0]}'
        said = typed(ds, re.escape(line), line)
        np.testing.assert_allclose(find_variables(said).array(said, "precipitation"), 5.0)
        return
    pytest.fail(str(error.value))


@pytest.mark.parametrize("units", ["mm/month", "mm month-1", "kg m-2 month-1", "mm mon-1"])
@pytest.mark.parametrize("times", [MONTHS, xr.date_range("2019-12-20", periods=90)])
def test_rates_by_month_take_the_days_of_their_month(units, times):
    """pr of PCR-GLOBWB and of GPCC's products is in mm/month: not of 30.44 days."""
    days = xr.DataArray(times, dims="time").dt.days_in_month
    ds = series(times, "pr", 5.0 * days, units)
    found = find_variables(ds).array(ds, "precipitation")
    np.testing.assert_allclose(found, 5.0)
    back = find_variables(ds)["precipitation"].conversion.inverse()(found)
    np.testing.assert_allclose(back, ds["pr"])


def test_totals_of_years():
    times = xr.date_range("2018-01-01", periods=4, freq="YS")
    ds = series(times, "tp", [1.825, 1.825, 1.83, 1.825], "m")
    with pytest.raises(GridError, match=r"or of years ds") as error:
        find_variables(ds).require("precipitation")
    ds = typed(ds, r'(?<=of years )ds\["\w+"\] = \(ds.*?day-1"\)', str(error.value))
    np.testing.assert_allclose(find_variables(ds).array(ds, "precipitation"), 5.0)


def gldas(title: str = "GLDAS2.1 LIS land surface model output monthly mean") -> xr.Dataset:
    """Return 1 mm a day as monthly GLDAS has it: the mean of 3-hourly amounts."""
    return series(MONTHS, "Qs_acc", 0.125, "kg m-2", cell_methods="time: sum").assign_attrs(
        title=title
    )


@pytest.mark.parametrize("times", [slice(None), slice(6, 8), slice(2)])
def test_monthly_gldas_is_known_by_its_title(times):
    """README of GLDAS-2.1, "accumulation variables"; title of GLDAS_NOAH025_M.A200301.021.nc4."""
    ds = gldas().isel(time=times)
    assert accumulation_of(ds, "Qs_acc", xsm.data.naming.ROLES["surface_runoff"])[0] == "3"
    np.testing.assert_allclose(find_variables(ds).array(ds, "surface_runoff"), 1.0)
    assert xsm.monthly(ds)["Qs_acc"].attrs["units"] == "mm day-1"


def test_monthly_gldas_without_a_title_is_stated_as_told():
    ds = gldas("")
    with pytest.raises(GridError, match='"3_hourly_mean_rate" of amounts of 3 hours'):
        find_variables(ds).require("surface_runoff")
    ds["Qs_acc"].attrs["accumulation"] = "3_hourly_mean_rate"
    np.testing.assert_allclose(find_variables(ds).array(ds, "surface_runoff"), 1.0)
    with pytest.warns(UserWarning, match=r"'Qs_acc' is left out: .*3_hourly_mean_rate"):
        xsm.monthly(gldas("").assign(swe=gldas()["Qs_acc"]))


def test_what_a_product_denies_is_refused():
    ds = gldas()
    ds["Qs_acc"].attrs["accumulation"] = "daily_mean_rate"
    with pytest.raises(UnitsError, match="monthly files of this product hold") as error:
        find_variables(ds).require("surface_runoff")
    said = typed(ds, r'ds\["Qs_acc"\].attrs\["accumulation"\] = "\w+"', str(error.value))
    np.testing.assert_allclose(find_variables(said).array(said, "surface_runoff"), 1.0)
    said = typed(ds, r'ds\["Qs_acc"\].attrs\["units"\] = "[^"]+"', str(error.value))
    np.testing.assert_allclose(find_variables(said).array(said, "surface_runoff"), 0.125)


def test_means_of_hourly_amounts():
    ds = series(MONTHS, "tp", 0.001, "m", accumulation="hourly_mean_rate")
    np.testing.assert_allclose(find_variables(ds).array(ds, "precipitation"), 24.0)


def test_two_times_that_are_days_apart_do_not_tell_the_step():
    """Pentads of CPC's merged analysis (CMAP) hold mm day-1; their totals hold mm of five days."""
    ds = series(xr.date_range("2020-01-01", periods=2, freq="5D"), "pr", 10.0, "mm")
    with pytest.raises(GridError, match=r"two times along 'time' do not tell.* of 5 days") as error:
        find_variables(ds).require("precipitation")
    ds = typed(ds, r'ds\["pr"\].attrs\["accumulation"\] = "step"', str(error.value))
    np.testing.assert_allclose(find_variables(ds).array(ds, "precipitation"), 2.0)
    assert '"daily_mean_rate"' in str(error.value)
