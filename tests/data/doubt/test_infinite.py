"""Infinite values are refused at the door, and in the blocks that are computed later."""

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.exceptions import UnitsError


@pytest.fixture(scope="module")
def land() -> xr.Dataset:
    ds = xsm.open_tutorial("land").isel(latitude=slice(4, 6), longitude=slice(18, 20))
    return ds.isel(time=slice(0, 60)).load()


def divided(ds: xr.Dataset, name: str) -> xr.Dataset:
    """Data of which some were divided by zero."""
    bad = ds.copy(deep=True)
    bad[name][5:8, 0, 0] = np.inf
    return bad


def _guess(ds: xr.Dataset) -> xr.DataArray:
    """A prediction of the top layer."""
    return ds["swvl2"].rename("guess").drop_attrs().assign_attrs(units="m3 m-3")


VERBS = {
    "water_balance": ("tp", xsm.water_balance),
    "to_depths": ("swvl2", lambda ds: xsm.to_depths(ds, [(0.0, 0.2)])),
    "score": ("swvl1", lambda ds: xsm.score(ds, _guess(ds), baselines=False)),
    "monthly": ("t2m", xsm.monthly),
}


@pytest.mark.parametrize("verb", VERBS)
def test_infinite_values_are_refused(land, verb):
    name, run = VERBS[verb]
    with pytest.raises(UnitsError, match=rf"3 of \d+ values of '{name}' that were looked"):
        run(divided(land, name))


def test_what_the_message_says_mends_them(land):
    ds = divided(land, "tp")
    ds["tp"] = ds["tp"].where(abs(ds["tp"]) < float("inf"))
    assert int(xsm.water_balance(ds)["inflow"].isnull().sum()) > 0


def test_those_of_blocks_that_were_not_looked_at_are_refused_when_computed(land):
    """The first, middle and last block in time are looked at: not the second of five."""
    lazy = divided(land.isel(time=slice(0, 60)), "tp")
    lazy["tp"] = lazy["tp"].roll(time=9, roll_coords=False)
    found = xsm.water_balance(lazy.chunk(time=12))
    with pytest.raises(UnitsError, match="infinite, as after a division by 0"):
        found.compute()


def test_check_shows_them(land):
    report = xsm.check(divided(land, "sd"))
    assert [f.kind for f in report.wrong] == ["infinite"]


def test_a_year_of_rain_that_no_place_has_is_refused():
    """26.5 m in a year are the most that was ever measured, at Cherrapunji; 138 mm a day are 50."""
    random = np.random.default_rng(0)
    time = xr.date_range("2019-01-01", periods=400)
    rain = random.gamma(0.3, 460.0, (400, 2))
    ds = xr.Dataset({"pr": (("time", "station"), rain, {"units": "mm day-1"})}, {"time": time})
    with pytest.raises(UnitsError, match="'pr' holds"):
        xsm.water_balance(ds, terms=["precipitation"])
    month = ds.isel(time=slice(0, 30))  # a month may be as wet
    assert np.isfinite(xsm.water_balance(month, terms=["precipitation"])["inflow"]).any()
