"""Steps of time: what is wrong is named, and the advice keeps every value."""

import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm
from xsm.data.grid import step, step_days
from xsm.data.time_axis import even_step, typical_step
from xsm.exceptions import GridError


def series(times) -> xr.DataArray:
    return xr.DataArray(np.arange(float(len(times))), {"time": times}, "time")


@pytest.mark.parametrize(
    ("days", "match"),
    [
        ([3, 2, 1], r"descends, from 2020-01-03 to 2020-01-02, .*: type ds\.sortby\('time'\)\.$"),
        ([1, 1, 2], r"holds 2020-01-01 more than once, .*type ds\.drop_duplicates\('time'\)\.$"),
        ([2, 2, 1], r"and holds 2020-01-02 .*ds\.sortby\('time'\)\.drop_duplicates\('time'\)"),
        ([1, None, 2], r"dates that are missing.*ds\.sel\(time=ds\['time'\]\.notnull\(\)\)"),
    ],
)
def test_time_that_does_not_ascend(days, match):
    times = pd.to_datetime([None if d is None else f"2020-01-{d:02d}" for d in days])
    with pytest.raises(GridError, match=match):
        step(series(times))


@pytest.mark.parametrize("calendar", ["standard", "noleap"])
@pytest.mark.parametrize(
    ("freq", "kept", "advice"),
    [
        ("1h", [0, 1, 2, 4], "1h"),
        ("30min", [0, 1, 2, 3, 5], "30min"),
        ("3h", [0, 2, 3], "3h"),
        ("1D", [0, 2, 5], "1D"),  # steps of two and three days
        ("8D", [0, 1, 3], "8D"),
    ],
)
def test_the_advice_for_missing_steps_keeps_all_values(freq, kept, advice, calendar):
    cftime = calendar != "standard"
    every = xr.date_range(
        "2020-01-01T00:20", periods=6, freq=freq, calendar=calendar, use_cftime=cftime
    )
    given = series(every[kept])
    with pytest.raises(GridError, match=r"is irregular: from 2020-01-") as error:
        step(given)
    assert f'Type ds.resample(time="{advice}", origin="start").asfreq()' in str(error.value)
    full = given.resample(time=advice, origin="start").asfreq()
    assert step(full) == step(series(every))
    xr.testing.assert_equal(full.dropna("time"), given)


def test_steps_that_nothing_divides():
    odd = pd.to_datetime(["2020-01-01T00:00:00", "2020-01-02T06:13:07", "2020-01-03T01:00:00"])
    with pytest.raises(GridError, match=r"No step fits into all; .*states and rates by"):
        step(series(odd))


def months(kind: str, periods: int = 16, calendar: str = "standard"):
    """Return monthly labels at the start, the end or the middle, or at days as those of GRACE."""
    freq = "ME" if kind == "end" else "MS"
    cftime = calendar != "standard"
    start = xr.date_range(
        "2003-01-01", periods=periods + 1, freq=freq, calendar=calendar, use_cftime=cftime
    )
    if kind == "middle":
        return start[:-1] + (start[1:] - start[:-1]) / 2
    if kind == "GRACE":
        days = np.random.default_rng(0).integers(8, 20, periods) * np.timedelta64(1, "D")
        return start[:-1] + pd.to_timedelta(days)
    return start[:-1]


@pytest.mark.parametrize("calendar", ["standard", "noleap", "360_day"])
@pytest.mark.parametrize("kind", ["start", "end", "middle", "GRACE"])
def test_calendar_months_are_even_steps(kind, calendar):
    index = months(kind, calendar=calendar)
    even = even_step(index, "time")
    assert (even.months, str(even)) == (1, "1 month")
    assert even.days(index) == tuple(xr.DataArray(index, dims="time").dt.days_in_month.values)
    assert kind == "GRACE" or even_step(index[::12], "time").months == 12
    for ahead in (0, 1, 5, 16, 20):
        later = even.after(index, ahead)
        assert (later.year * 12 + later.month == index.year * 12 + index.month + ahead).all()
        assert (later[: max(len(index) - ahead, 0)] == index[ahead:]).all()
        if kind != "GRACE":
            assert (later == months(kind, 40, calendar)[ahead : ahead + 16]).all()


@pytest.mark.parametrize(
    ("freq", "number", "lengths"),
    [("YS", 12, (366.0, 365.0, 365.0)), ("YE", 12, (366.0, 365.0, 365.0)), ("QS", 3, (91, 91, 92))],
)
def test_years_and_quarters_are_even_steps(freq, number, lengths):
    index = pd.date_range("2020", periods=3, freq=freq)
    even = even_step(index, "time")
    assert (even.months, even.days(index)) == (number, lengths)
    assert (even.after(index, 2) == pd.date_range("2020", periods=5, freq=freq)[2:]).all()


@pytest.mark.parametrize(
    ("days", "found"),
    [
        (["2020-01-01", "2020-02-01"], 1),  # 31 days
        (["2021-07-01", "2021-08-01", "2021-09-01"], 1),  # twice 31 days
        (["2020-01-20", "2020-02-17"], 0),  # four weeks
        (["2020-01-17", "2020-02-02"], 0),  # 16 days
        (["2020-01-01", "2020-01-31", "2020-03-01"], 0),  # 30 days
    ],
)
def test_equal_steps_are_months_only_at_one_place_of_their_months(days, found):
    assert step(series(np.array(days, "M8[ns]"))).months == found


@pytest.mark.parametrize(
    ("kind", "lost", "advice"),
    [
        ("start", [3], r'Type (ds\.resample\(time="1MS"\)\.asfreq\(\)) to put NaN'),
        ("end", [3, 4], r'Type (ds\.resample\(time="1ME"\)\.asfreq\(\)) to put NaN'),
        ("middle", [3], r"Type (xsm\.monthly\(ds\)) for means of calendar months"),
        ("GRACE", [2, 5], r"Type (xsm\.monthly\(ds\)) for means of calendar months"),
    ],
)
@pytest.mark.parametrize("calendar", ["standard", "noleap"])
def test_a_missing_month_is_named_and_filled_as_told(kind, lost, advice, calendar):
    whole = series(months(kind, calendar=calendar)).assign_attrs(units="mm")
    ds = whole.to_dataset(name="swe").drop_isel(time=lost)
    with pytest.raises(GridError, match=r"of its months, from .* steps are missing") as error:
        step(ds)
    space = {"ds": ds, "xsm": xsm}
    full = eval(re.search(advice, str(error.value))[1], space)["swe"]
    assert step(full).months == 1
    np.testing.assert_array_equal(full, whole.where(~np.isin(np.arange(16), lost)))


def test_two_values_of_a_month_become_their_mean():
    """GRACE has two solutions in November 2011 and none in December: centres in RL06 of CSR."""
    days = np.array(["2011-11-01", "2011-11-16", "2012-01-05", "2012-02-14"], "M8[ns]")
    ds = series(days).assign_attrs(units="mm").to_dataset(name="swe")
    with pytest.raises(GridError, match=r"a month has several values\. Type xsm\.monthly\(ds\)"):
        step(ds)
    found = xsm.monthly(ds)["swe"]
    np.testing.assert_array_equal(found, [0.5, np.nan, 2, 3])


def test_physics_that_needs_equal_steps_says_so():
    ds = series(months("start")).assign_attrs(units="mm day-1").to_dataset(name="precipitation")
    with pytest.raises(GridError, match=r"steps of calendar months, 28 to 31 days.*Give daily"):
        step_days(ds)


def test_own_monthly_data_are_balanced():
    ds = xsm.open_tutorial("land").isel(latitude=[8], longitude=[20]).sel(time="2018")
    found = xsm.monthly(ds[["tp", "swvl1"]]).physm.water_balance(terms=["precipitation"])
    wanted = xsm.variables(ds).array(ds, "precipitation").resample(time="MS").mean()
    np.testing.assert_allclose(found["inflow"], wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("times", "found"),
    [
        (pd.date_range("2020", periods=50, freq="h"), "1 hour"),
        (pd.date_range("2020", periods=50, freq="3h")[::-1], "3 hours"),
        (pd.date_range("2020", periods=50).delete([3, 4, 20, 33]), "1 day"),
        (pd.date_range("2020", periods=12, freq="ME"), "1 month"),
        (pd.date_range("2020", periods=12, freq="MS").delete(5), "1 month"),
        (pd.date_range("2020", periods=6, freq="YS"), "12 months"),
        (xr.date_range("2020", periods=9, calendar="noleap", use_cftime=True), "1 day"),
        (pd.to_datetime(["2020-01-01", "2020-01-02"]), "None"),
        (pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-04", "2020-01-07"]), "None"),
    ],
)
def test_the_step_of_most_times_has_gaps_and_any_order(times, found):
    assert str(typical_step(times)) == found
