"""Axes: time found by its dates, space by the rest."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xsm.data.grid import space_dims, step, step_days, time_dim
from xsm.exceptions import GridError


def series(times, dim="time") -> xr.DataArray:
    return xr.DataArray(np.zeros(len(times)), dims=dim, coords={dim: times})


def test_time_is_found_under_any_name_and_calendar():
    assert time_dim(series(pd.date_range("2020", periods=3), "valid_time")) == "valid_time"
    noleap = xr.date_range("2020", periods=3, calendar="noleap", use_cftime=True)
    assert time_dim(series(noleap, "t")) == "t"
    assert step_days(series(noleap, "t")) == 1.0


def test_step_of_hours_days_and_a_single_time():
    assert step_days(series(pd.date_range("2020", periods=3, freq="3h"))) == 0.125
    assert step(series(pd.date_range("2020", periods=1))).length == np.timedelta64(1, "D")


def test_no_time_or_two_times_are_refused():
    with pytest.raises(GridError, match=r"no dimension with dates.*ds\.assign_coords\(time=") as no:
        time_dim(xr.DataArray(np.zeros(3), dims="time"))
    assert "decode_cf" not in str(no.value)  # which would change nothing
    two = xr.Dataset(
        coords={"a": pd.date_range("2020", periods=2), "b": pd.date_range("2020", periods=2)}
    )
    with pytest.raises(GridError, match=r"several dimensions with dates.*ds\.isel\(b=0, drop=True"):
        time_dim(two)
    assert time_dim(two.isel(b=0, drop=True)) == "a"


def test_space_is_all_but_time():
    array = series(pd.date_range("2020", periods=3)).expand_dims(depth=2, station=4)
    assert space_dims(array) == ("depth", "station")
    assert space_dims(array, without=("depth",)) == ("station",)
