"""Steps of time: what is wrong is named, and the advice keeps every value."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm
from xsm.data.grid import step
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


@pytest.mark.parametrize("freq", ["MS", "ME", "YS"])
def test_months_are_spoken_of_as_they_are(freq):
    with pytest.raises(GridError, match=r"those of months and years.*xsm\.monthly") as error:
        step(series(pd.date_range("2020", periods=4, freq=freq)))
    assert "resample" not in str(error.value)


def test_own_monthly_data_are_not_to_be_filled_with_days():
    ds = xsm.open_tutorial("land").isel(latitude=[8], longitude=[20]).sel(time="2018")
    with pytest.raises(GridError, match=r"steps last 28 to 31 days.*Give daily data"):
        xsm.monthly(ds[["tp", "swvl1"]]).physm.water_balance(terms=["precipitation"])
