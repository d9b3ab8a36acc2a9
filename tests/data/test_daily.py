"""Daily values: totals that are known, in any chunks, from any time of day."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from xsm.data.daily import daily
from xsm.data.naming import find_variables
from xsm.data.units import quantify
from xsm.exceptions import GridError, MissingVariableError, UnitsError, UnknownNameError

DAYS = 4


def amounts(step: int) -> np.ndarray:
    """Return amounts of each step of four days and two cells."""
    return np.random.default_rng(0).gamma(0.5, 1.0, (DAYS, 24 // step, 2))


def hourly(step: int = 1) -> tuple[xr.Dataset, dict[str, np.ndarray]]:
    """Return data as ERA5-Land's, labelled at the end of steps, and their daily values."""
    rng = np.random.default_rng(1)
    rain, warm, wet = (
        amounts(step),
        rng.random((DAYS, 24 // step, 2)),
        rng.random((DAYS, 24 // step, 2)),
    )
    hours = np.datetime64("2020-02-27") + np.arange(1, rain[..., 0].size + 1) * np.timedelta64(
        step, "h"
    )
    flat = lambda a: (("time", "x"), a.reshape(-1, 2))  # noqa: E731
    fields = {
        "tp": (*flat(rain.cumsum(axis=1) / 1000), {"units": "m", "cell_methods": "time: sum"}),
        "pr": (*flat(rain / (step / 24)), {"units": "mm day-1"}),
        "t2m": (*flat(280 + warm), {"units": "K"}),
        "swvl1": (*flat(wet), {"units": "m3 m-3"}),
        "dem": ("x", [1.0, 2.0], {"units": "m"}),
    }
    truth = {
        "tp": rain.sum(axis=1) / 1000,
        "pr": rain.sum(axis=1),
        "t2m": 280 + warm.mean(axis=1),
        "swvl1": wet[:, -1],
    }
    return xr.Dataset(fields, {"time": hours.astype("M8[ns]"), "x": [7, 8]}), truth


@pytest.mark.parametrize("step", [1, 3, 6])
def test_known_totals(step):
    ds, truth = hourly(step)
    found = daily(ds)
    days = np.arange("2020-02-27", "2020-03-02", dtype="M8[D]")
    assert (found["time"].values == days).all()
    for name, values in truth.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-12)
    assert list(found.data_vars) == list(ds.data_vars)
    xr.testing.assert_identical(found["dem"], ds["dem"])


def test_water_balance_reads_them():
    ds, truth = hourly()
    found = daily(ds[["tp"]])
    assert found["tp"].attrs == {"units": "m", "accumulation": "step", "cell_methods": "time: sum"}
    rain = find_variables(found).array(found, "precipitation")
    np.testing.assert_allclose(rain, truth["tp"] * 1000)


def test_states_as_means():
    ds, _ = hourly()
    found = daily(ds, states="mean")
    expected = ds["swvl1"].values.reshape(DAYS, 24, 2).mean(axis=1)
    np.testing.assert_allclose(found["swvl1"], expected)
    assert found["swvl1"].attrs["cell_methods"] == "time: mean"


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=8),
    st.sampled_from([1, 3]),
    st.sampled_from(["end", "mean"]),
)
def test_lazy_equals_eager(sizes, step, states):
    ds, _ = hourly(step)
    chunks, left = [], ds.sizes["time"]
    while left:
        size = min(sizes[len(chunks) % len(sizes)], left)
        chunks.append(size)
        left -= size
    lazy = daily(ds.chunk(time=tuple(chunks)), accumulation={"tp": "since_00"}, states=states)
    assert all(lazy[name].chunks is not None for name in ("tp", "pr", "t2m", "swvl1"))
    xr.testing.assert_allclose(lazy, daily(ds, states=states), rtol=1e-12)


def test_nothing_is_computed(raise_if_computed):
    ds, _ = hourly()
    found = daily(ds.chunk(time=17), accumulation="since_00")
    assert found["tp"].chunks is not None


def test_incomplete_outer_days_are_dropped():
    ds, truth = hourly()
    found = daily(ds.isel(time=slice(5, -3)))
    assert found["time"].values.tolist() == daily(ds)["time"].values[1:-1].tolist()
    np.testing.assert_allclose(found["t2m"], truth["t2m"][1:-1])
    from_midnight = ds.isel(time=slice(23, None))  # 00 UTC closes a day that is not there
    assert daily(from_midnight).sizes["time"] == DAYS - 1


def test_a_hole_is_nan_only_where_it_matters():
    ds, truth = hourly()
    holed = daily(ds.drop_isel(time=24 + 7), accumulation={"tp": "since_00"})
    assert np.isnan(holed["t2m"][1]).all()
    np.testing.assert_allclose(holed["tp"], truth["tp"])  # one value a day is needed
    np.testing.assert_allclose(holed["t2m"][[0, 2, 3]], truth["t2m"][[0, 2, 3]])
    no_end = daily(ds.drop_isel(time=47), accumulation={"tp": "since_00"})
    assert np.isnan(no_end["tp"][1]).all()
    assert not np.isnan(no_end["tp"][2]).any()


@pytest.mark.parametrize("hole", [[0], [30], [47], [48], list(range(30, 60))])
@pytest.mark.parametrize("steps", [True, False])
def test_what_amounts_are_is_seen_in_spite_of_a_hole(hole, steps):
    ds, _ = hourly()
    if steps:
        rain = amounts(1).reshape(-1, 2) / 1000
        ds["tp"] = ds["tp"].copy(data=rain)
    stated = daily(ds.drop_isel(time=hole), accumulation="step" if steps else "since_00")
    xr.testing.assert_identical(daily(ds.drop_isel(time=hole)), stated)


def test_nan_stays_in_its_day():
    ds, _ = hourly()
    ds["t2m"][30, 0] = np.nan
    assert np.isnan(daily(ds)["t2m"]).values.sum() == 1


def test_amounts_of_steps_by_both_labels():
    rain = amounts(1)
    hours = np.datetime64("2020-01-01") + np.arange(DAYS * 24) * np.timedelta64(1, "h")
    attrs = {"units": "kg m-2"}
    ds = xr.Dataset({"Rainf": (("time", "x"), rain.reshape(-1, 2), attrs)}, {"time": hours})
    found = daily(ds, label="start")["Rainf"]
    np.testing.assert_allclose(found, rain.sum(axis=1))
    late = daily(ds.assign_coords(time=ds["time"] + np.timedelta64(1, "h")))["Rainf"]
    np.testing.assert_allclose(late, found)
    assert (late["time"] == found["time"]).all()


def test_variables_without_a_role():
    ds, truth = hourly()
    ds = ds.assign(es=ds["tp"], lai=ds["swvl1"].assign_attrs(units="1"))
    ds["lai"].attrs["cell_methods"] = "time: point"
    ds["time_bnds"] = (("time", "b"), np.zeros((ds.sizes["time"], 2)))
    ds["time"].attrs["bounds"] = "time_bnds"
    ds = ds.assign_coords(step=("time", np.arange(ds.sizes["time"])))
    found = daily(ds)
    np.testing.assert_allclose(found["es"], truth["tp"])  # cell_methods say that it is a sum
    np.testing.assert_allclose(found["lai"], truth["swvl1"])
    assert "time_bnds" not in found
    assert "step" not in found.coords


def test_stated_meanings():
    ds, _ = hourly()
    ds.attrs["accumulation"] = "since_00"
    found = daily(ds[["tp"]].chunk())
    assert found.attrs["accumulation"] == "step"
    mean = daily(ds[["tp"]], accumulation="daily_mean_rate")["tp"]
    np.testing.assert_allclose(mean, ds["tp"].values.reshape(DAYS, 24, 2).mean(axis=1))


@pytest.mark.parametrize("accumulation", ["step", "since_00", "daily_mean_rate"])
def test_one_meaning_for_all_is_of_amounts_alone(accumulation):
    ds, truth = hourly()
    point = {"cell_methods": "time: point"}
    lai = ds["swvl1"].assign_attrs(units="m2 m-2", **point)
    high = ds["t2m"].assign_attrs(units="m")  # a height, as that of the boundary layer
    states = {
        "lai": lai,
        "text": ds["time"].dt.strftime("%H"),
        "bare": lai.drop_attrs().assign_attrs(point),
        "blh": high.assign_attrs(GRIB_stepType="instant"),
        "sde": high.assign_attrs(point),
    }
    found = daily(ds.assign(states), accumulation=accumulation)
    for name, values in (("lai", ds["swvl1"]), ("bare", ds["swvl1"]), ("sde", ds["t2m"])):
        np.testing.assert_array_equal(found[name], values[23::24])
        assert found[name].attrs["cell_methods"] == "time: point"
        assert "accumulation" not in found[name].attrs
    np.testing.assert_array_equal(found["blh"], found["sde"])
    np.testing.assert_allclose(found["t2m"], truth["t2m"])


@pytest.mark.parametrize("units", ["m", "mm", "kg m-2", "J m-2"])
def test_one_meaning_for_all_holds_for_amounts_without_a_role(units):
    ds, _ = hourly()
    ds = ds.assign(unheard=ds["pr"].assign_attrs(units=units))
    total = ds["pr"].values.reshape(DAYS, 24, 2).sum(axis=1)
    with pytest.warns(UserWarning, match=rf"'step' is taken to hold for 'unheard' \({units}\)"):
        found = daily(ds, accumulation="step")["unheard"]
    np.testing.assert_allclose(found, total)
    ds["unheard"].attrs["cell_methods"] = "time: sum"
    np.testing.assert_allclose(daily(ds, accumulation="step")["unheard"], total)


def test_text_is_taken_at_the_end_of_the_day():
    ds, _ = hourly()
    ds = ds[["t2m"]].assign(origin=("time", np.arange(ds.sizes["time"]).astype("U4")))
    assert daily(ds)["origin"].values.tolist() == ["23", "47", "71", "95"]


def test_quantities_stay_quantities(raise_if_computed):
    ds, _ = hourly()
    found = daily(quantify(ds.chunk()), accumulation="since_00")
    assert str(found["tp"].data.units) == "meter"
    assert str(found["t2m"].data.units) == "kelvin"


def test_other_calendars():
    ds, truth = hourly()
    noleap = ds.convert_calendar("360_day", use_cftime=True, align_on="date")
    found = daily(noleap[["t2m", "tp"]], accumulation={"tp": "since_00"})
    np.testing.assert_allclose(found["t2m"][0], truth["t2m"][0])
    assert found["time"].dt.day[0] == 27


def test_lazy_amounts_that_no_block_tells_must_be_stated():
    ds = hourly()[0]
    dry = ds.assign(tp=(0 * ds["tp"]).assign_attrs(ds["tp"].attrs)).chunk()
    with pytest.raises(UnitsError, match=r"xsm.daily\(ds, accumulation=\"since_00\"\)") as error:
        daily(dry)
    assert "'tp' are cannot be told" in str(error.value)
    with pytest.raises(UnitsError, match="'tp' has no units, so it cannot be told"):
        daily(ds.drop_attrs())


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"states": "ends"}, UnknownNameError, r"states='ends' was given. Did you mean 'end'"),
        ({"label": "left"}, UnknownNameError, "label='left' was given"),
        ({"accumulation": "stp"}, UnknownNameError, "accumulation='stp' was given"),
        ({"accumulation": {"tp": "x"}}, UnknownNameError, r"accumulation\['tp'\]='x' was given"),
        ({"accumulation": {"tq": "step"}}, MissingVariableError, r"names 'tq'.*Choose from 'dem'"),
    ],
)
def test_unknown_arguments(arguments, error, match):
    with pytest.raises(error, match=match):
        daily(hourly()[0], **arguments)


def test_steps_that_make_no_day():
    ds, _ = hourly()
    for stated in (None, "step"):
        with pytest.raises(GridError, match=r"descends, from 2020-03-02.*type ds.sortby"):
            daily(ds.isel(time=slice(None, None, -1)), accumulation=stated)
    with pytest.raises(GridError, match=r"2020-02-27 04:00:00 along 'time'.*drop_dup"):
        daily(ds.isel(time=[0, 1, 2, 3, *range(3, 96)]))
    with pytest.raises(GridError, match=r"Along 'time' there is no more than one time"):
        daily(ds.isel(time=[0]), accumulation="step")
    with pytest.raises(GridError, match="The time step is one day: these data are daily already"):
        daily(daily(ds))
    with pytest.raises(GridError, match="The shortest time step is 5:00:00"):
        daily(ds.isel(time=slice(0, 40, 5)), accumulation="step")
    with pytest.raises(GridError, match=r"No UTC day from .* is complete"):
        daily(ds.isel(time=slice(3, 30)))
