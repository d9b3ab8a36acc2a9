"""Bounds of time: how long intervals are, where labels lie, what cell_methods say of amounts."""

from __future__ import annotations

import re

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.data.intervals import intervals_of, label_of, method_of_time, with_bounds_read
from xsm.data.naming import ROLES, accumulation_of, find_variables
from xsm.exceptions import GridError

PLACES = {"start": 0.0, "middle": 0.5, "end": 1.0}


def bounded(edges, values, units: str, label: str = "middle", name: str = "pr", **attrs):
    """Return a variable whose intervals lie between edges, with bounds of time."""
    starts, lengths = edges[:-1], edges[1:] - edges[:-1]
    times = starts + lengths * PLACES[label]
    bounds = np.stack([np.asarray(starts), np.asarray(edges[1:])], axis=1)
    ds = xr.Dataset(
        {
            name: ("time", np.broadcast_to(values, len(times)).astype(float), {"units": units}),
            "time_bnds": (("time", "bnds"), bounds),
        },
        {"time": times},
    )
    ds["time"].attrs["bounds"] = "time_bnds"
    ds[name].attrs.update(attrs)
    return ds


def months(periods: int = 24, calendar: str = "standard"):
    """Return the first days of months and the one after."""
    options = {"calendar": calendar, "use_cftime": calendar != "standard"}
    return xr.date_range("2003-01-01", periods=periods + 1, freq="MS", **options)


def rain(ds: xr.Dataset):
    """Return the precipitation in mm day-1."""
    return find_variables(ds).array(ds, "precipitation").values


@pytest.mark.parametrize("calendar", ["standard", "noleap", "360_day"])
@pytest.mark.parametrize("label", PLACES)
def test_months_are_known_by_their_bounds(label, calendar):
    ds = bounded(months(calendar=calendar), 1.0, "mm day-1", label)
    found = intervals_of(ds, "time")
    assert (found.label, found.months) == (label, True)
    assert found.days.sum() == {"standard": 731, "noleap": 730, "360_day": 720}[calendar]
    lazy = ds.chunk(time=5)
    for same in (lazy, ds.transpose("bnds", ...)):
        np.testing.assert_array_equal(intervals_of(same, "time").days, found.days)
    read = with_bounds_read(lazy.set_coords("time_bnds"))
    assert (read["time_bnds"].chunks, lazy["time_bnds"].chunks[0][0]) == (None, 5)


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda ds: ds.drop_vars("time_bnds"),
        lambda ds: ds.assign(time_bnds=ds["time_bnds"].astype(float)),  # not decoded
        lambda ds: ds.isel(bnds=[0]),
        lambda ds: ds.assign(time_bnds=ds["time_bnds"].where(ds["time_bnds"] > ds["time"][2])),
        lambda ds: ds.assign(time_bnds=ds["time_bnds"] + np.timedelta64(900, "D")),
        lambda ds: ds.assign(time_bnds=ds["time_bnds"].isel(bnds=[1, 0])),
    ],
)
def test_bounds_that_tell_nothing_are_none(spoilt):
    assert intervals_of(spoilt(bounded(months(), 1.0, "mm day-1")), "time") is None


def test_the_last_method_of_time_counts():
    array = xr.DataArray(0.0, attrs={"cell_methods": "area: mean time: sum within days time: max"})
    assert method_of_time(array, "valid_time") == "max"
    array.attrs["cell_methods"] = "area: time: mean (interval: 1 day comment: time: sum)"
    assert method_of_time(array, "time") == "mean"
    assert method_of_time(array.drop_attrs(), "time") == ""


@pytest.mark.parametrize("calendar", ["standard", "noleap"])
@pytest.mark.parametrize("label", ["start", "middle"])
@pytest.mark.parametrize("count", [1, 2, 24])
def test_totals_of_months_with_bounds(label, calendar, count):
    """Daymet V4 monthly: prcp in mm, this cell_methods, time_bnds (time, nv) (ORNL DAAC guide)."""
    edges = months(count, calendar)
    days = (edges[1:] - edges[:-1]) / np.timedelta64(1, "D")
    methods = "area: mean time: sum within days time: sum over days"
    ds = bounded(edges, 5.0 * days, "mm", label, cell_methods=methods)
    np.testing.assert_allclose(rain(ds), 5.0)
    np.testing.assert_allclose(rain(ds.chunk(time=1)), 5.0)
    if count > 2:
        np.testing.assert_allclose(rain(ds.drop_vars("time_bnds")), 5.0)  # the step is the month
        np.testing.assert_allclose(rain(ds.drop_isel(time=7)), 5.0)
    plain = ds.assign(pr=ds["pr"].assign_attrs(cell_methods=""))
    with pytest.raises(GridError, match=r"do not tell for how long|of 'pr' are an amount"):
        rain(plain)


def test_labels_in_the_next_month_are_moved_as_told():
    """CESM labels a month by its end, 00 UTC of the next one; time_bnds say so (noleap)."""
    edges = months(calendar="noleap")
    days = (edges[1:] - edges[:-1]) / np.timedelta64(1, "D")
    ds = bounded(edges, 5.0 * days, "mm", "end", cell_methods="time: sum")
    for units in ("mm", "mm/month"):
        given = ds.assign(pr=ds["pr"].assign_attrs(units=units))
        with pytest.raises(GridError, match="in the month after that of which 'pr' is") as error:
            rain(given)
        space = {"ds": given}
        exec(re.search(r"ds = ds\.assign_coords\(.*\.values\)\)", str(error.value))[0], space)
        np.testing.assert_allclose(rain(space["ds"]), 5.0)
    assert xsm.monthly(ds.assign(pr=ds["pr"].assign_attrs(units="mm day-1")))["time"][0] == edges[0]


@pytest.mark.parametrize(
    ("methods", "told", "factor"),
    [
        ("time: sum within days time: mean over days", "daily_mean_rate", 1),
        ("area: mean time: mean (interval: 1 day)", "daily_mean_rate", 1),
        ("time: mean (interval: 3 hours)", "3_hourly_mean_rate", 8),
        ("time: mean (interval: 1 hour)", "hourly_mean_rate", 24),
    ],
)
def test_means_of_amounts_in_the_words_of_cf(methods, told, factor):
    ds = bounded(months(), 2.0, "kg m-2", cell_methods=methods)
    assert accumulation_of(ds, "pr", ROLES["precipitation"]) == told
    np.testing.assert_allclose(rain(ds), 2.0 * factor)
    stated = ds.assign(pr=ds["pr"].assign_attrs(accumulation="hourly_mean_rate"))
    np.testing.assert_allclose(rain(stated), 48.0)  # what the user says comes first


def test_bounds_tell_amounts_of_hours_that_nobody_can_look_at(raise_if_computed):
    """One-time and lazy data: the amount of three hours."""
    edges = xr.date_range("2020-01-01", periods=9, freq="3h")
    ds = bounded(edges, 1.5, "mm", "end", cell_methods="time: sum")
    lazy = ds.assign(pr=ds["pr"].chunk(time=2))
    assert find_variables(lazy)["precipitation"].conversion.factor == 8.0
    np.testing.assert_allclose(rain(ds.isel(time=[3])), 12.0)


def test_uneven_bounds_are_divided_as_told():
    """MOD16A2: the last composite of a year lasts five or six days (user guide)."""
    starts = xr.date_range("2019-11-01", periods=8, freq="8D")
    edges = starts.append(xr.date_range("2020-01-01", periods=3, freq="8D"))
    days = (edges[1:] - edges[:-1]) / np.timedelta64(1, "D")
    ds = bounded(edges, 2.0 * days, "mm", "start", cell_methods="time: sum")
    with pytest.raises(GridError, match="between 'time_bnds', which is 5 to 8 days") as error:
        rain(ds)
    space = {"ds": ds, "np": np}
    exec(re.search(r'ds\["pr"\] = .*day-1"\)', str(error.value))[0], space)
    np.testing.assert_allclose(rain(space["ds"]), 2.0)


def test_monthly_gldas_is_read_by_its_product_not_by_its_bounds():
    """README of GLDAS-2.1: *_acc of monthly files is the mean of 3-hourly sums, labelled a sum."""
    ds = bounded(months(), 0.125, "kg m-2", "start", "Qs_acc", cell_methods="time: sum")
    ds.attrs["title"] = "GLDAS2.1 LIS land surface model output monthly mean"
    for part in (ds, ds.isel(time=[3]), ds.chunk(time=1)):
        np.testing.assert_allclose(find_variables(part).array(part, "surface_runoff"), 1.0)
    with pytest.raises(GridError, match="3_hourly_mean_rate"):
        find_variables(ds.drop_attrs(deep=False)).require("surface_runoff")


@pytest.mark.parametrize("label", PLACES)
def test_labels_of_hours(label):
    edges = xr.date_range("2020-01-01", periods=49, freq="3h")
    ds = bounded(edges, 1.0, "mm", label)
    assert label_of(ds, "time", edges[1] - edges[0], None) == label
    without = ds.drop_vars("time_bnds")
    expected = "middle" if label == "middle" else "end"
    assert label_of(without, "time", edges[1] - edges[0], None) == expected
    assert label_of(ds, "time", edges[1] - edges[0], "middle") == "middle"
