"""Monthly means: rates for fluxes, whole months only, gaps stay gaps."""

import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm
from xsm.exceptions import GridError, UnitsError, UnknownNameError


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


def test_a_missing_day_changes_no_units(no_compute):
    """Averages of months that are not whole: GEUS-PROMICE/pypromice#30."""
    days = xr.date_range("2020-01-01", "2020-07-03")
    count = len(days)
    ds = daily(days, tp=(np.full(count, 0.005), "m"), swvl1=(np.arange(count) / count, "m3 m-3"))
    whole = xsm.monthly(ds)
    with no_compute():
        holed = xsm.monthly(ds.drop_isel(time=40).chunk(time=50))
    assert holed["tp"].attrs["units"] == "mm day-1"
    assert holed["time"].dt.month.values.tolist() == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(holed["tp"], [5, np.nan, 5, 5, 5, 5])
    xr.testing.assert_allclose(holed.drop_isel(time=1), whole.drop_isel(time=1))


def test_fluxes_that_cannot_be_used_are_left_out_by_name():
    days = pd.date_range("2020-01-01", periods=31)
    ds = daily(days, tp=(np.ones(31), "m"), swvl1=(np.ones(31), "m3 m-3"), e=(np.ones(31), "K"))
    ds["tp"].attrs = {}
    with pytest.warns(UserWarning, match=r"'tp' is left out: 'tp' has no units") as caught:
        assert list(xsm.monthly(ds)) == ["swvl1"]
    assert "'e' is left out: found as 'e' in 'K'" in str(caught[0].message)
    with pytest.raises(UnitsError, match=r"xsm.monthly: 'tp' is left out: 'tp' has no units"):
        xsm.monthly(ds, variables={"precipitation": "tp"})
    with pytest.raises(UnitsError, match="'tp' has no units"):
        xsm.monthly(ds[["tp"]])


def test_composites_of_uneven_days_are_rates_as_told():
    """MOD16A2: ET_500m in kg/m^2/8day, where the last step of a year lasts 5 days (user guide)."""
    days = pd.date_range("2019-01-01", "2019-12-31", freq="8D")
    days = days.union(pd.date_range("2020-01-01", "2020-12-31", freq="8D"))
    length = np.append(np.diff(days) / np.timedelta64(1, "D"), 8)
    ds = daily(days, et=(2.0 * length, "mm"), swvl1=(np.ones(len(days)), "m3 m-3"))
    with pytest.warns(UserWarning, match=r"'et' is left out: .*steps last 5 to 8 days") as caught:
        assert list(xsm.monthly(ds)) == ["swvl1"]
    typed = re.search(r'ds\["et"\] = .*day-1"\)', str(caught[0].message))[0]
    space = {"ds": ds, "np": np}
    exec(typed, space)
    np.testing.assert_allclose(xsm.monthly(space["ds"])["et"][:23], 2.0)


def test_a_second_flux_of_a_role_becomes_a_rate_too():
    """E-OBS: rr in mm, thickness_of_rainfall_amount; here beside tp of ERA5-Land, in m."""
    days = pd.date_range("2020-01-01", periods=31)
    ds = daily(days, tp=(np.full(31, 0.005), "m"), total_precipitation=(np.full(31, 0.005), "m"))
    found = xsm.monthly(ds)
    for name in ("tp", "total_precipitation"):
        assert (found[name].attrs["units"], float(found[name][0])) == ("mm day-1", 5.0)
    named = ds.assign(RAIN=ds["tp"])
    with pytest.warns(UserWarning, match=r"'tp' is left out: variables= names 'RAIN' as 'precipi"):
        found = xsm.monthly(named, variables={"precipitation": "RAIN"})
    assert float(found["RAIN"][0]) == 5.0


def test_what_has_no_role_follows_its_cell_methods():
    days = pd.date_range("2020-01-01", periods=60)
    values = np.arange(60.0)
    ways = {"sum": "sum", "mean": "mean", "point": "mean", "maximum": "max", "minimum": "min"}
    ds = daily(days, **{f"own_{way}": (values, "mm") for way in ways})
    for way in ways:
        ds[f"own_{way}"].attrs["cell_methods"] = f"area: mean time: {way} (interval: 1 day)"
    found = xsm.monthly(ds.chunk(time=7))
    monthly = pd.Series(values, days).resample("MS")
    for way, of_pandas in ways.items():
        np.testing.assert_allclose(found[f"own_{way}"], getattr(monthly, of_pandas)())
        assert found[f"own_{way}"].attrs["units"] == "mm"


def test_hourly_sums_without_a_role_are_not_summed_again():
    """ERA5-Land's es (snow evaporation): GRIB_stepType accum, since 00 UTC, no role."""
    hours = pd.date_range("2020-01-01T01:00", periods=91 * 24, freq="h")
    since = np.where(hours.hour == 0, 24, hours.hour) * 1e-4
    ds = daily(hours, es=(since, "m of water equivalent"), t2m=(np.full(len(hours), 280.0), "K"))
    ds["es"].attrs["GRIB_stepType"] = "accum"
    with pytest.warns(UserWarning, match=r"'es' is left out: 'es' is a sum.*Type xsm.daily\(ds\)"):
        xsm.monthly(ds)
    days = xsm.daily(ds)
    np.testing.assert_allclose(xsm.monthly(days)["es"][:2], [31 * 24e-4, 29 * 24e-4])
    with pytest.warns(UserWarning, match=r'cannot be told.*xsm.daily\(ds, accumulation="since_00"'):
        xsm.monthly(ds.chunk())
    xr.testing.assert_allclose(xsm.daily(ds.chunk(), accumulation="since_00"), days)


@pytest.mark.parametrize("hours", [1, 3])
@pytest.mark.parametrize("label", ["end", "start", "middle"])
def test_hours_belong_to_the_month_of_their_interval(label, hours, no_compute):
    """GLDAS-2.1's README: tavg and acc are of the past 3 hours; ERA5-Land's 00 UTC is of the day
    before; MERRA-2's hours are labelled by their middle."""
    edges = pd.date_range("2020-01-01", "2020-04-01", freq=f"{hours}h")
    starts, step = edges[:-1], edges[1] - edges[0]
    times = {"end": edges[1:], "start": starts, "middle": starts + step / 2}[label]
    month = starts.month.to_numpy().astype(float)
    ds = daily(
        times,
        tp=(month * hours / 24, "mm"),
        Qs_acc=(month * hours / 24, "kg m-2"),
        pr=(month / 86400, "kg m-2 s-1"),
        t2m=(270 + month, "K"),
        swvl1=(month / 10, "m3 m-3"),
        mine=(month * hours, "mm"),
    )
    ds["mine"].attrs.update(cell_methods="time: sum", accumulation="step")
    stated = {} if label in {"end", "middle"} else {"label": "start"}
    with no_compute():
        lazy = ds.chunk(time=100)
        lazy["tp"].attrs["accumulation"] = "step"
        found = xsm.monthly(lazy, **stated)
    assert found["time"].dt.month.values.tolist() == [1, 2, 3]
    for name in ("tp", "Qs_acc", "pr"):
        np.testing.assert_allclose(found[name], [1, 2, 3], rtol=1e-12)
    np.testing.assert_allclose(found["t2m"], [271, 272, 273], rtol=1e-12)
    np.testing.assert_allclose(found["swvl1"], [0.1, 0.2, 0.3], rtol=1e-12)
    np.testing.assert_allclose(found["mine"], np.array([1, 2, 3]) * [31, 29, 31] * 24)
    days = xsm.daily(ds, accumulation={"tp": "step"}, states="mean", **stated)
    xr.testing.assert_allclose(xsm.monthly(days), found)
    holed = xsm.monthly(ds.drop_isel(time=len(ds["time"]) // 2), **stated)
    assert holed["tp"].isnull().values.tolist() == [False, True, False]


def test_daily_labels_by_bounds_and_as_stated():
    """Daily means labelled by the end of the day, 00 UTC of the next, as CESM's h1 files are."""
    edges = pd.date_range("2020-01-01", "2020-03-01")
    ds = daily(edges[1:], swe=(edges[:-1].month.to_numpy(), "mm"))
    found = xsm.monthly(ds, label="end")
    np.testing.assert_array_equal(found["swe"], [1, 2])
    ds["time_bnds"] = ("time", "bnds"), np.stack([edges[:-1], edges[1:]], axis=1)
    ds["time"].attrs["bounds"] = "time_bnds"
    xr.testing.assert_identical(xsm.monthly(ds), found)
    holed = xsm.monthly(ds.drop_isel(time=4))
    np.testing.assert_array_equal(holed["swe"], [np.nan, 2])
    with pytest.raises(UnknownNameError, match="label='left' was given"):
        xsm.monthly(ds, label="left")


def test_a_spread_is_that_of_errors_that_are_alike():
    """Of a prediction; a spread of fluxes, whose units change, is left out with a warning."""
    days = pd.date_range("2020-01-01", "2020-02-29")
    spread = np.where(days.month == 1, 0.01, np.where(days.day % 2, 0.02, 0.04))
    ds = daily(days, swvl1=(0 * spread + 0.2, "m3 m-3"), swvl1_std=(spread, "m3 m-3"))
    found = xsm.monthly(ds)
    np.testing.assert_allclose(found["swvl1_std"], [0.01, 0.02 + 0.02 * 14 / 29])
    assert found["swvl1_std"].attrs["units"] == "m3 m-3"
    assert "where the errors of a month are alike" in found["swvl1_std"].attrs["comment"]
    ds = ds.assign(tp=ds["swvl1"].assign_attrs(units="m"), tp_std=ds["swvl1"])
    with pytest.warns(UserWarning, match="'tp_std' .* left out"):
        assert "tp_std" not in xsm.monthly(ds)


@pytest.mark.parametrize("way", ["sum", "mean", "maximum", "minimum"])
@pytest.mark.parametrize("kind", ["f4", "f8", "i4"])
@pytest.mark.parametrize("calendar", ["standard", "360_day"])
def test_they_are_those_of_resample_in_any_chunks(way, kind, calendar):
    days = xr.date_range(
        "2000-01-01", periods={"standard": 456}.get(calendar, 450), calendar=calendar
    )
    values = np.random.default_rng(0).normal(10, 5, (len(days), 3, 2)).astype(kind)
    if kind != "i4":
        values[200, 0] = np.nan
    field = xr.DataArray(values, {"time": days}, ("time", "y", "x"), attrs={"units": "1"})
    ds = field.assign_attrs(cell_methods=f"time: {way}").to_dataset(name="own")
    months = field.resample(time="MS")
    wanted = getattr(months, way.removesuffix("imum"))(skipna=False)
    assert wanted.sizes["time"] == 15
    for chunks in (None, {"time": 37, "y": 1}, {"time": 1}, {"time": -1, "x": 1}):
        found = xsm.monthly(ds if chunks is None else ds.chunk(chunks))["own"]
        xr.testing.assert_allclose(found.drop_attrs(), wanted.drop_attrs(), rtol=1e-6)
        assert found.dtype == wanted.dtype


def test_lazy_is_a_task_a_block():
    days = pd.date_range("2000-01-01", "2002-12-31")
    field = xr.DataArray(np.ones((len(days), 8), "f4"), {"time": days}, ("time", "x"))
    lazy = field.assign_attrs(units="mm").to_dataset(name="swe").chunk(x=2)
    found = xsm.monthly(lazy)["swe"]
    assert len(found.data.dask) - len(lazy["swe"].data.dask) <= 4
    assert found.chunks == ((36,), (2, 2, 2, 2))
