"""Months: whole ones of series of some days, the ends of a baseline in any kind of date."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm

DAYS = ["2004-02-01", "2005-06-30"]


def found(tws: xr.DataArray, snow: xr.DataArray, **settings: object) -> xr.DataArray:
    """Return the total without snow."""
    none = xr.zeros_like(tws)
    return xsm.groundwater_anomaly(tws, none, snow, **settings)["groundwater_storage"]


@pytest.mark.parametrize("calendar", ["standard", "noleap"])
@pytest.mark.parametrize("days", [1, 2, 3, 5, 8, 10])
def test_series_of_some_days_are_averaged_as_monthly_does(days, calendar):
    times = xr.date_range("2004-01-01", "2006-12-31", calendar=calendar)
    daily = xr.DataArray(np.arange(float(len(times))), {"time": times}, attrs={"units": "mm"})
    sparse = daily.isel(time=slice(None, None, days))
    for part in (sparse, sparse.isel(time=slice(45 // days, -60 // days))):
        whole = xsm.monthly(part.to_dataset(name="swe"))["swe"]
        anomaly = found(xr.zeros_like(whole), part, baseline=None)
        xr.testing.assert_allclose(anomaly, -whole)
    late = sparse.isel(time=slice(15 // days, None))
    assert found(late, late, baseline=None).isnull().values.tolist() == [True] + [False] * 35


def test_the_ends_of_a_baseline_are_dates_of_any_kind():
    times = xr.date_range("2004-01-01", periods=36, freq="MS")
    tws = xr.DataArray(np.arange(36.0) ** 2, {"time": times}, attrs={"units": "mm"})
    expected = tws - tws.isel(time=slice(1, 18)).mean()
    days = (DAYS, list(map(np.datetime64, DAYS)), pd.to_datetime(DAYS), ["2004-02", "2005-06"])
    for ends in (*days, pd.PeriodIndex(DAYS, freq="M"), slice(*DAYS)):
        anomaly = found(tws, xr.zeros_like(tws), baseline=ends)
        xr.testing.assert_allclose(anomaly, expected)
    anomaly = found(tws, xr.zeros_like(tws), baseline=(2004, 2005))
    xr.testing.assert_allclose(anomaly, tws - tws.isel(time=slice(0, 24)).mean())
