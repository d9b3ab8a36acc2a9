"""Amounts, rates and sums since 00 UTC: what is known, what is seen, what must be stated."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.data.naming import accumulation_of, find_variables
from xsm.data.naming.amounts import check_sign, sawtooth
from xsm.data.naming.held import in_memory
from xsm.exceptions import GridError, UnitsError


def hourly(name: str = "tp", units: str = "m", step: int = 1, **attrs: object) -> xr.Dataset:
    """Return ten days of amounts, 0.001 to 0.002 for each step, at 01:00 to 00:00."""
    count = 240 // step
    hours = np.datetime64("2020-01-01") + np.arange(1, count + 1) * np.timedelta64(step, "h")
    values = 0.001 * (1 + np.random.default_rng(0).random((count, 3)))
    coords = {"time": hours.astype("M8[ns]")}
    return xr.Dataset({name: (("time", "x"), values, {"units": units, **attrs})}, coords)


def since_00(ds: xr.Dataset) -> xr.Dataset:
    """Return the sums of each day so far."""
    per_day = 24 // round(float(ds["time"].diff("time")[0] / np.timedelta64(1, "h")))
    return ds.map(
        lambda a: a.copy(data=a.values.reshape(-1, per_day, 3).cumsum(axis=1).reshape(-1, 3)),
        keep_attrs=True,
    )


@pytest.mark.parametrize("step", [1, 3])
def test_amounts_of_steps_become_rates(step):
    ds = hourly(step=step)
    found = find_variables(ds).array(ds, "precipitation")
    np.testing.assert_allclose(found, ds["tp"] * 1000 * 24 / step)


@pytest.mark.parametrize(
    ("role", "name", "units", "sign"),
    [
        ("precipitation", "tp", "m", 1),
        ("precipitation", "tp", "kg m-2", 1),
        ("evaporation", "e", "m of water equivalent", -1),
        ("shortwave_down", "ssrd", "J m**-2", 1),
    ],
)
@pytest.mark.parametrize("step", [1, 3])
def test_sums_since_00_are_stopped(role, name, units, sign, step):
    ds = since_00(hourly(name, units, step)) * sign
    ds[name].attrs["units"] = units
    with pytest.raises(
        UnitsError, match=rf"'{name}' is .*a sum since 00 UTC. Type xsm.daily\(ds\)"
    ):
        find_variables(ds).require(role)


def test_dew_does_not_hide_a_sawtooth():
    ds = hourly("e")
    ds["e"] = (-ds["e"]).where(ds["time"].dt.hour > 2, 0.0001).assign_attrs(units="m")
    assert sawtooth(since_00(ds)["e"])
    assert not sawtooth(ds["e"])


@pytest.mark.parametrize("start", [0, 7, 13])
def test_daily_cycles_are_no_sawtooth(start):
    ds = hourly()
    sun = np.clip(np.sin((ds["time"].dt.hour - start) / 12 * np.pi), 0, None)
    assert not sawtooth((ds["tp"] * 0 + sun).transpose("time", "x"))
    assert not sawtooth(ds["tp"] * 0)
    assert not sawtooth(ds["tp"] * np.nan)


def test_sawtooth_knows_other_calendars():
    ds = since_00(hourly())
    noleap = ds.convert_calendar("noleap", use_cftime=True)
    assert sawtooth(noleap["tp"])


def test_lazy_amounts_must_be_stated(raise_if_computed):
    ds = hourly().chunk()
    match = (
        r"cannot be told without reading.*xsm.daily\(ds, accumulation=\"since_00\"\)"
        r".*\"accumulation\"\] = \"step\""
    )
    with pytest.raises(UnitsError, match=match):
        find_variables(ds).require("precipitation")
    ds["tp"].attrs["accumulation"] = "step"
    assert find_variables(ds)["precipitation"].conversion.factor == pytest.approx(24_000)


def test_products_that_say_it_need_no_look(raise_if_computed):
    ds = hourly("Qs_acc", "kg m-2", step=3).chunk()
    assert find_variables(ds)["surface_runoff"].conversion.factor == pytest.approx(8)
    ds = hourly("total_precipitation_hourly").chunk()
    assert find_variables(ds)["precipitation"].conversion.factor == pytest.approx(24_000)
    rates = hourly("pr", "kg m-2 s-1").chunk()
    assert find_variables(rates)["precipitation"].conversion.factor == pytest.approx(86400)


@pytest.mark.parametrize("where", ["variable", "dataset"])
def test_stated_accumulation(where):
    ds = hourly()
    attrs = ds["tp"].attrs if where == "variable" else ds.attrs
    attrs["accumulation"] = "daily_mean_rate"  # m for each day, at each hour
    assert find_variables(ds)["precipitation"].conversion.factor == pytest.approx(1000)
    attrs["accumulation"] = "since_00"
    with pytest.raises(UnitsError, match=r"since 00 UTC. Type xsm.daily\(ds\)"):
        find_variables(ds).require("precipitation")
    attrs["accumulation"] = "rate"
    with pytest.raises(UnitsError, match="\"rate\" is stated, but the units 'm' are an amount"):
        find_variables(ds).require("precipitation")
    attrs["accumulation"] = "stp"
    with pytest.raises(UnitsError, match=r"accumulation='stp' is stated. Did you mean 'step'"):
        find_variables(ds).require("precipitation")


def test_monthly_means_of_daily_amounts():
    months = np.arange("2020-01", "2020-05", dtype="M8[M]").astype("M8[ns]")
    ds = xr.Dataset({"tp": ("time", np.full(4, 0.002), {"units": "m"})}, {"time": months})
    with pytest.raises(
        GridError, match=r"not tell for how long.*\"accumulation\"\] = \"daily_mean_rate\""
    ):
        find_variables(ds).require("precipitation")
    stated = ds.copy()
    stated["tp"].attrs["accumulation"] = "daily_mean_rate"
    assert float(find_variables(stated).array(stated, "precipitation")[0]) == pytest.approx(2)
    ds["tp"].attrs["GRIB_stepType"] = "avgad"
    assert accumulation_of(ds, "tp") == "daily_mean_rate"


def test_days_are_steps():
    days = np.arange("2020-01-01", "2020-01-04", dtype="M8[D]").astype("M8[ns]")
    ds = xr.Dataset({"tp": ("time", np.ones(3), {"units": "m"})}, {"time": days}).chunk()
    assert accumulation_of(ds, "tp") == "step"


def test_in_memory(tmp_path):
    ds = hourly()
    assert in_memory(ds["tp"])
    assert not in_memory(ds["tp"].chunk())
    ds.to_netcdf(tmp_path / "a.nc")
    with xr.open_dataset(tmp_path / "a.nc") as opened:
        assert not in_memory(opened["tp"])
        opened.load()
        assert in_memory(opened["tp"])


def test_sign_needs_values():
    from xsm.data.naming import ROLES
    from xsm.data.units import Conversion

    empty = xr.DataArray(np.full(3, np.nan), name="et")
    check_sign(empty, Conversion(), ROLES["evaporation"])  # filterwarnings = error


@pytest.mark.parametrize("stated", [{"accumulation": "step"}, {}])
def test_one_time_does_not_tell_the_step_of_an_amount(stated):
    ds, only = hourly(**stated), {"terms": ["precipitation"]}
    wanted = ds["tp"] * 24_000
    np.testing.assert_allclose(ds.physm.water_balance(**only)["inflow"], wanted)
    one = ds.isel(time=[5])
    with pytest.raises(GridError, match=r"one time along 'time' does not tell the step.*type ds"):
        one.physm.water_balance(**only)
    one["tp"].attrs["accumulation"] = "daily_mean_rate"  # as the message says of a day
    np.testing.assert_allclose(one.physm.water_balance(**only)["inflow"], one["tp"] * 1000)
    one["tp"].attrs = {"units": "m h-1"}
    np.testing.assert_allclose(one.physm.water_balance(**only)["inflow"], wanted[[5]])


def test_states_at_one_time_are_read_beside_amounts():
    ds = hourly().assign(swvl1=lambda d: (d["tp"] * 100).assign_attrs(units="m3 m-3"))
    one = ds.isel(time=[5])
    np.testing.assert_allclose(find_variables(one).array(one, "soil_moisture"), one["swvl1"])
    guess = (one["swvl1"] + 0.01).assign_attrs(units="m3 m-3").to_dataset()
    found = xsm.score(one, guess, baselines=False)["bias"]
    np.testing.assert_allclose(found.isel(source=0), 0.01)
