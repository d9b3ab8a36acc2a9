"""Monthly means: rates for fluxes, whole months only, gaps stay gaps."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm
from xsm.exceptions import GridError


def daily(days, **variables) -> xr.Dataset:
    arrays = {n: ("time", np.asarray(v, float), {"units": u}) for n, (v, u) in variables.items()}
    return xr.Dataset(arrays, {"time": days})


def test_means_equal_those_of_pandas(no_compute):
    days = pd.date_range("2019-12-10", "2020-03-31")
    values = np.random.default_rng(0).normal(size=len(days))
    ds = daily(days, swe=(values, "mm"), tp=(values / 1000, "m"))
    with no_compute():
        found = xsm.monthly(ds.chunk(time=20))
    wanted = pd.Series(values, days)["2020"].resample("MS").mean()
    assert found["time"].dt.month.values.tolist() == [1, 2, 3]
    np.testing.assert_allclose(found["swe"], wanted)
    np.testing.assert_allclose(found["tp"], wanted)  # a daily amount in m is a rate in mm day-1
    assert found["tp"].attrs["units"] == "mm day-1"


def test_uneven_months_become_even_with_gaps():
    days = pd.to_datetime(["2010-01-16", "2010-02-14", "2010-04-20"])
    found = xsm.monthly(daily(days, twsa=([1.0, 2.0, 4.0], "mm")))
    np.testing.assert_array_equal(found["twsa"], [1, 2, np.nan, 4])
    assert str(found["time"].values[0])[:10] == "2010-01-01"


def test_a_missing_day_leaves_no_mean():
    values = np.ones(31)
    values[4] = np.nan
    found = xsm.monthly(daily(pd.date_range("2020-01-01", periods=31), swe=(values, "mm")))
    assert found["swe"].isnull().all()


def test_statics_stay_and_text_goes():
    ds = daily(pd.date_range("2020-01-01", periods=31), swe=(np.ones(31), "mm"))
    ds = ds.assign(dem=5.0, flag=("time", np.full(31, "a")))
    assert set(xsm.monthly(ds)) == {"swe", "dem"}


def test_parts_of_months_are_refused():
    with pytest.raises(GridError, match=r"No month between 2020-01-05.* is complete"):
        xsm.monthly(daily(pd.date_range("2020-01-05", periods=20), swe=(np.ones(20), "mm")))
    back = pd.date_range("2020-01-01", periods=31)[::-1]
    with pytest.raises(GridError, match=r"does not ascend: type ds.sortby\('time'\)"):
        xsm.monthly(daily(back, swe=(np.ones(31), "mm")))


def test_quantities_stay_quantities():
    ds = daily(pd.date_range("2020-01-01", periods=31), swe=(np.ones(31), "mm"))
    found = xsm.monthly(ds.pint.quantify())
    assert str(found["swe"].pint.units) in {"mm", "millimeter"}


def test_monthly_fluxes_keep_their_sign_when_they_are_read_again():
    """Under ERA5-Land's name evaporation is negative, in canonical sign positive: both are told."""
    ds = xsm.open_tutorial("land").isel(latitude=slice(0, 2), longitude=slice(18, 20))
    months = xsm.monthly(ds)
    daily, again = (xsm.variables(data).array(data, "evaporation") for data in (ds, months))
    wanted = daily.resample(time="MS").mean()
    np.testing.assert_allclose(again.values, wanted.values, rtol=1e-5)
    assert float(again.min()) >= 0
    assert months["e"].attrs["positive"] == "up"
