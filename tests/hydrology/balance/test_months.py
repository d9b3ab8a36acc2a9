"""The water balance of monthly data: rates meet storages by the length of each calendar month."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
import xarray as xr

from xsm.exceptions import GridError
from xsm.physics.water_balance import inflow_trend

MM_OF_DEEP = 1000 * 0.3  # a layer from 0.1 to 0.4 m


def world(label: str = "start", calendar: str = "standard", freq: str = "MS", periods: int = 36):
    """Return monthly data whose inflow is known: stores take what fluxes leave, at month's ends."""
    options = {"calendar": calendar, "use_cftime": calendar != "standard"}
    edges = xr.date_range("2003-01-01", periods=periods + 1, freq=freq, **options)
    lengths = np.asarray((edges[1:] - edges[:-1]) / np.timedelta64(1, "D"), float)[:, None]
    rng = np.random.default_rng(0)
    rain, evaporation, runoff = rng.gamma(2.0, 1.5, (3, periods, 2))
    snow, deep = 30.0 * rng.random((periods, 2)), 60.0 + 20.0 * rng.random((periods, 2))
    change = np.diff(snow + deep, axis=0, prepend=np.nan)
    inflow = rain - evaporation - runoff - change / lengths
    times = {
        "start": edges[:-1],
        "last day": edges[1:] - timedelta(days=1),
        "middle": edges[:-1] + (edges[1:] - edges[:-1]) / 2,
    }[label]
    made = {
        "precipitation": (rain, "mm day-1"),
        "evaporation": (evaporation, "mm day-1"),
        "surface_runoff": (runoff, "mm day-1"),
        "snow_water_equivalent": (snow, "mm"),
        "swvl1": (0.2 + 0.1 * rng.random((periods, 2)), "m3 m-3"),
        "swvl2": (deep / MM_OF_DEEP, "m3 m-3"),
    }
    ds = xr.Dataset({k: (("time", "cell"), v, {"units": u}) for k, (v, u) in made.items()})
    ds["swvl1"].attrs["layer_edges_m"] = [0.0, 0.1]
    ds["swvl2"].attrs["layer_edges_m"] = [0.1, 0.4]
    return ds.assign_coords(time=times), inflow, edges


@pytest.mark.parametrize("calendar", ["standard", "noleap", "360_day"])
@pytest.mark.parametrize("label", ["start", "last day", "middle"])
def test_the_inflow_of_months_is_known(label, calendar):
    ds, inflow, _ = world(label, calendar)
    found = ds.physm.water_balance(deep=True)
    np.testing.assert_allclose(found["inflow"], inflow)
    sign = np.sign(np.diff(inflow, axis=0, prepend=np.nan))
    np.testing.assert_array_equal(found["inflow_trend"], sign)


@pytest.mark.parametrize("freq", ["YS", "QS"])
def test_years_and_quarters_too(freq):
    ds, inflow, _ = world(freq=freq)
    np.testing.assert_allclose(ds.physm.water_balance(deep=True)["inflow"], inflow)


@pytest.mark.parametrize("sizes", [5, (1, 2, 33), -1])
def test_chunks_of_time_change_nothing(sizes, no_compute):
    ds, _, _ = world()
    ds["swvl1"] = ds["swvl1"].where(np.random.default_rng(1).random(ds["swvl1"].shape) > 0.4)
    eager = ds.physm.water_balance(deep=True)
    with no_compute():
        lazy = ds.chunk(time=sizes).physm.water_balance(deep=True)
    xr.testing.assert_identical(lazy.compute(), eager)


def test_the_mean_inflow_of_a_gap_weighs_months_by_their_days():
    """March (31 days) and February (28): what flows in between two observations, by the day."""
    rain = np.array([[1.0], [2.0], [-1.75], [0.0]])
    soil = np.array([[0.2], [np.nan], [0.2], [0.2]])
    given = {"precipitation": rain, "observed": soil, "trend": "level", "outputs": ("trend",)}
    days = np.array([31.0, 28.0, 31.0, 30.0])
    assert inflow_trend(**given, step_days=days)["trend"][2] == 1.0  # 2 * 28 - 1.75 * 31 = 1.75
    rain[2] = -1.85
    assert inflow_trend(**given, step_days=days)["trend"][2] == -1.0
    assert inflow_trend(**given)["trend"][2] == 1.0
    with pytest.raises(
        GridError, match=r"step_days holds \(2,\) lengths; one, or one for each of 4"
    ):
        inflow_trend(**given, step_days=days[:2])


def test_labels_at_the_end_are_known_by_bounds():
    """CESM labels January by 1 February, 00 UTC, calendar noleap, with time_bnds."""
    ds, inflow, edges = world(calendar="noleap")
    ds = ds.assign_coords(time=edges[1:])
    ds["time_bnds"] = ("time", "bnds"), np.stack([edges[:-1], edges[1:]], axis=1)
    ds["time"].attrs["bounds"] = "time_bnds"
    np.testing.assert_allclose(ds.physm.water_balance(deep=True)["inflow"], inflow)


def test_audits_of_months():
    """Where soil moisture follows the inflow, it does so on each step that is judged."""
    ds, inflow, _ = world()
    ds["swvl1"] = ds["swvl1"].copy(data=0.2 + 1e-3 * np.nan_to_num(inflow).cumsum(axis=0))
    audit = ds.physm.consistency(deep=True, trend="level")
    np.testing.assert_array_equal(audit["consistency"], 1.0)
    np.testing.assert_array_equal(audit["count"], 35)


def test_months_with_a_gap_are_refused_and_filled_as_told():
    ds, inflow, _ = world()
    holed = ds.drop_isel(time=7)
    with pytest.raises(GridError, match=r'Type ds\.resample\(time="1MS"\)\.asfreq\(\)'):
        holed.physm.water_balance()
    found = holed.resample(time="1MS").asfreq().physm.water_balance(deep=True)["inflow"]
    np.testing.assert_allclose(
        found[[*range(7), *range(9, 36)]], inflow[[*range(7), *range(9, 36)]]
    )
    assert found[7:9].isnull().all()
