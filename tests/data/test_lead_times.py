"""Time of start and lead time become one time: that of the value."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm
from xsm.exceptions import GridError, NotEnoughDataError

DAYS = pd.date_range("2020-05-01", periods=40)
HOURS = pd.to_timedelta(np.arange(1, 25), "h")


def era5_land(days=DAYS, hours=HOURS, **attrs) -> xr.Dataset:
    """Return ERA5-Land as cfgrib opens it: runs from 00 UTC, steps of 1 to 24 hours.

    JuliaGeo/GRIBDatasets.jl#47, weech/GRIB.jl#9, dhis2/open-climate-service#224. Rain grows evenly
    to 1 mm on the first day, 2 mm on the second, and so on.
    """
    shape = (len(days), len(hours), 1, 1)
    dims = ("time", "step", "latitude", "longitude")
    share = np.asarray(hours / pd.Timedelta(1, "D"))
    amount = np.arange(1, len(days) + 1)[:, None] * share / 1000
    kelvin = 280 + np.arange(len(days))[:, None] + 0 * share
    rain = {"units": "m", "GRIB_stepType": "accum", "standard_name": "unknown", **attrs}
    starts = np.asarray(days.values)[:, None]
    return xr.Dataset(
        {
            "tp": (dims, amount.reshape(shape), rain),
            "t2m": (dims, kelvin.reshape(shape), {"units": "K", "GRIB_stepType": "instant"}),
            "lsm": (("latitude", "longitude"), [[1.0]]),
        },
        {
            "time": ("time", days, {"standard_name": "forecast_reference_time"}),
            "step": ("step", hours, {"standard_name": "forecast_period"}),
            "latitude": [50.0],
            "longitude": [7.0],
            "valid_time": (("time", "step"), starts + hours.values, {"standard_name": "time"}),
            "number": 0,
        },
    )


def test_days_of_era5_land_have_their_totals(no_compute):
    ds = era5_land()
    with no_compute():
        flat = xsm.flatten_steps(ds.chunk(time=7))
        day = xsm.daily(flat)
        rain = day.physm.variables().array(day, "precipitation")
    assert rain.dims == ("time", "latitude", "longitude")
    np.testing.assert_allclose(rain.values.ravel(), np.arange(1, 41))  # mm day-1
    np.testing.assert_array_equal(day["time"], DAYS)
    np.testing.assert_allclose(day["t2m"].values.ravel()[1:], 281 + np.arange(39) - 0.0, atol=0.05)
    np.testing.assert_array_equal(flat["time"].values, ds["valid_time"].values.ravel())
    assert {"step", "valid_time"}.isdisjoint(flat.variables)
    assert flat["lsm"].dims == ("latitude", "longitude")
    assert list(flat) == list(ds)


def test_lead_times_are_refused_with_the_call():
    ds = era5_land()
    text = r"'step'.*since the start of a forecast.*Type ds = xsm\.flatten_steps\(ds\)"
    for verb in (
        xsm.daily,
        xsm.monthly,
        lambda ds: ds.physm.variables().array(ds, "precipitation"),
        lambda ds: ds.physm.water_balance(terms=["precipitation"]),
        lambda ds: xsm.score(ds, ds, target="t2m"),
        lambda ds: ds.physm.fit("lstm", target="t2m"),
    ):
        with pytest.raises(GridError, match=text):
            verb(ds)


def test_a_single_run_and_other_names():
    """One run has its start as a scalar; WeatherBench 2 says prediction_timedelta."""
    ds = era5_land()
    one = xsm.flatten_steps(ds.isel(time=3))
    np.testing.assert_array_equal(one["time"].values, ds["valid_time"].values[3])
    np.testing.assert_array_equal(one["tp"].values, ds["tp"].values[3])
    other = ds.drop_vars("valid_time").rename(time="init", step="prediction_timedelta")
    found = xsm.flatten_steps(other.transpose("latitude", "prediction_timedelta", ...))
    assert found["tp"].dims == ("latitude", "time", "longitude")
    np.testing.assert_array_equal(found["time"].values, ds["valid_time"].values.ravel())


def test_lead_times_as_numbers_and_dates_of_cftime():
    ds = era5_land().drop_vars("valid_time")
    hours = ds.assign_coords(step=("step", np.arange(1.0, 25), {"units": "hours"}))
    xr.testing.assert_identical(xsm.flatten_steps(hours), xsm.flatten_steps(ds))
    julian = ds.convert_calendar("noleap", use_cftime=True)
    assert str(xsm.flatten_steps(julian)["time"].values[-1]) == "2020-06-10 00:00:00"
    with pytest.raises(GridError, match=r"'step' holds no lengths of time \(units: ''\)") as error:
        xsm.flatten_steps(ds.drop_vars("step"))
    line = str(error.value).split("ds = ")[1].removesuffix(".")
    mended = eval(line, {"ds": ds.drop_vars("step"), "np": np})
    np.testing.assert_array_equal(
        xsm.flatten_steps(mended)["time"], xsm.flatten_steps(ds)["time"].values
    )


def test_what_is_summed_since_00_says_so_and_nothing_else():
    flat = xsm.flatten_steps(era5_land())
    assert flat["tp"].attrs["accumulation"] == "since_00"
    assert "accumulation" not in flat["t2m"].attrs
    stated = xsm.flatten_steps(era5_land(accumulation="step"))
    assert stated["tp"].attrs["accumulation"] == "step"
    noon = xsm.flatten_steps(era5_land(DAYS + pd.Timedelta(6, "h")))  # ERA5: runs from 06 and 18
    assert "accumulation" not in noon["tp"].attrs


def test_runs_that_overlap_are_refused():
    days = pd.to_timedelta(np.arange(49), "h")
    ds = era5_land(hours=days)
    with pytest.raises(GridError, match=r"has values of several runs.*slice\(1, 25\)") as error:
        xsm.flatten_steps(ds)
    line = str(error.value).split("ds = ")[1].split(", then")[0]
    found = xsm.flatten_steps(eval(line, {"ds": ds}))
    np.testing.assert_array_equal(found["time"], xsm.flatten_steps(era5_land())["time"].values)


def test_runs_in_any_order_and_variables_along_one_dimension():
    ds = era5_land().assign(run=("time", np.arange(40.0)))
    found = xsm.flatten_steps(ds.isel(time=slice(None, None, -1)))
    np.testing.assert_array_equal(found["run"], np.repeat(np.arange(40.0), 24))
    assert found.indexes["time"].is_monotonic_increasing


def test_data_without_or_with_several_lead_times_are_refused():
    flat = xsm.flatten_steps(era5_land())
    with pytest.raises(GridError, match=r"no lead time \(dimensions: .*'time': 960"):
        xsm.flatten_steps(flat)
    with pytest.raises(GridError, match=r"several lead times \(\['step', 'lead'\]\)"):
        xsm.flatten_steps(era5_land().expand_dims(lead=2, axis=-1))


def test_quantities_stay_quantities():
    ds = era5_land().drop_vars("lsm").pint.quantify()
    assert str(xsm.flatten_steps(ds)["t2m"].pint.units) == "kelvin"


def test_a_variable_along_lead_times_alone_is_repeated():
    """As a map of weights by step, which cfgrib opens beside fields."""
    days = pd.date_range("2020-01-01", periods=2)
    steps = np.array([12, 24], "m8[h]").astype("m8[ns]")
    ds = xr.Dataset({"w": ("step", [1.0, 2.0])}, {"time": days, "step": steps})
    assert xsm.flatten_steps(ds)["w"].values.tolist() == [1.0, 2.0, 1.0, 2.0]


def test_nothing_selected_is_refused():
    days = pd.date_range("2020-01-01", periods=2)
    steps = np.array([12, 24], "m8[h]").astype("m8[ns]")
    ds = xr.Dataset(
        {"t2m": (("time", "step", "x"), np.ones((2, 2, 3)))}, {"time": days, "step": steps}
    )
    with pytest.raises(NotEnoughDataError, match="no step along 'x': nothing was selected"):
        xsm.flatten_steps(ds.isel(x=slice(0, 0)))


@pytest.mark.parametrize("first", [6, 24])
def test_sums_of_a_long_run_become_amounts(first) -> None:
    """A run of ECMWF's open data (ifs, oper): 6-hourly to ten days; or from the second day on."""
    hours = np.arange(first, 241, 6)
    steps = hours.astype("m8[h]").astype("m8[ns]")
    rain = {"units": "m", "GRIB_stepType": "accum", "GRIB_shortName": "tp"}
    total = (hours / 24) ** 2 / 1000
    run = xr.Dataset(
        {"tp": ("step", total, rain), "t2m": ("step", hours * 1.0, {"units": "K"})},
        {"time": np.datetime64("2026-03-01", "ns"), "step": steps},
    )
    flat = xsm.flatten_steps(run)
    assert flat["tp"].attrs["accumulation"] == "step"
    assert "accumulation" not in flat["t2m"].attrs
    amounts = np.diff(total, prepend=0.0 if first == 6 else np.nan)
    np.testing.assert_allclose(flat["tp"], amounts, rtol=1e-6)
    daily = xsm.daily(flat[["tp"]], label="end")["tp"]
    whole = daily.sel(time=slice("2026-03-02", "2026-03-09"))
    days = np.arange(1, 9)
    np.testing.assert_allclose(whole, ((days + 1) ** 2 - days**2) / 1000, rtol=1e-6)
