"""Adapted spread: the equation by a plain loop, its guarantee, and only what is known counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr

import xsm
from tests.evaluation.test_calibration import SKEWED
from xsm.evaluation.distribution import PROBABILITIES
from xsm.exceptions import GridError, NotEnoughDataError, UnknownNameError

DAY = np.timedelta64(1, "D")
UNITS = {"units": "m3 m-3"}


def world(steps=400, cells=3, leads=(1, 3), *, every=1, sizes=(0.01, 0.02, 0.04), seed=0):
    """Return observations about 0.3, and forecasts of 0.3 with a spread of 0.02 everywhere."""
    rng = np.random.default_rng(seed)
    time = np.datetime64("2019-11-01", "ns") + np.arange(steps) * DAY
    noise = rng.normal(size=(steps, cells)) * np.resize(sizes, cells)
    place = {"cell": ("cell", np.arange(cells))}
    ds = xr.Dataset({"swvl1": (("time", "cell"), 0.3 + noise, UNITS)}, {"time": time, **place})
    init = time[: -max(leads) : every]
    dims, shape = ("init", "lead", "cell"), (len(init), len(leads), cells)
    coords = {"init": init, "lead": np.array(leads, "m8[D]").astype("m8[ns]"), **place}
    given = {"swvl1": 0.3, "swvl1_std": 0.02}
    parts = {n: (dims, np.full(shape, v), UNITS) for n, v in given.items()}
    return ds, xr.Dataset(parts, coords)


def looped(ds, forecast, *, level=0.9, rate=0.05, latency=0, low=-1.6448536, high=1.6448536):
    """Return the spread by a loop over starts, leads and cells, which says the equation again."""
    time, init = ds["time"].values, forecast["init"].values
    found = forecast["swvl1_std"].transpose("init", "lead", "cell").copy(deep=True).values
    mean = forecast["swvl1"].transpose("init", "lead", "cell").values
    own = found.copy()
    soil = ds["swvl1"].transpose("time", "cell").values
    for k, lead in enumerate(forecast["lead"].values):
        for c in range(found.shape[2]):
            told = []  # start, and the logarithm of the factor that was given out
            for s, start in enumerate(init):
                total = 0.0
                for j, g in enumerate(told):
                    (row,) = np.nonzero(time == init[j] + lead)
                    if not len(row) or math.isnan(soil[row[0], c]):
                        continue
                    if time[row[0]] + latency * DAY > start:
                        continue
                    z = (soil[row[0], c] - mean[j, k, c]) / (own[j, k, c] * math.exp(g))
                    total += rate * ((not low <= z <= high) - (1 - level))
                told.append(total)
                found[s, k, c] = own[s, k, c] * math.exp(total)
    return found


@pytest.mark.parametrize(("latency", "every", "level"), [(0, 1, 0.9), (2, 1, 0.5), (1, 5, 0.9)])
def test_the_spread_is_that_of_the_equation(latency, every, level):
    ds, forecast = world(60, every=every)
    gaps = np.random.default_rng(3).random(ds["swvl1"].shape) < 0.2
    ds["swvl1"] = ds["swvl1"].where(~gaps).assign_attrs(UNITS)
    ds = ds.drop_isel(time=[7, 8])
    options = {"level": level, "rate": 0.3, "latency": latency}
    found = xsm.adapt_spread(ds, forecast, **options)
    ends = {0.9: 1.6448536269514722, 0.5: 0.6744897501960817}[level]
    wanted = looped(ds, forecast, **options, low=-ends, high=ends)
    np.testing.assert_allclose(found["swvl1_std"], wanted, rtol=1e-12)
    assert abs(wanted / 0.02 - 1).max() > 0.1  # it did move
    xr.testing.assert_identical(found["swvl1"], forecast["swvl1"])
    assert found["swvl1_std"].attrs["units"] == "m3 m-3"


def test_every_cell_is_covered_as_the_guarantee_says():
    """Misses differ from 1 - level by at most range of g / (rate T), of any errors."""
    ds, forecast = world(1_000)
    ds["swvl1"][500:] += 0.05  # the soil changes, and so do the errors
    raw = xsm.reliability(ds, forecast, levels=0.9, dim="time")["coverage"]
    found = xsm.adapt_spread(ds, forecast)
    covered = xsm.reliability(ds, found, levels=0.9, dim="time")["coverage"].isel(level=0)
    g = np.log(found["swvl1_std"] / 0.02)
    bound = (g.max("init") - g.min("init") + 0.05) / (0.05 * found.sizes["init"])
    assert float(abs(raw - 0.9).max()) > 0.3
    assert (abs(covered - 0.9) <= bound).all()
    assert float(abs(covered - 0.9).max()) < 0.04


def test_what_is_observed_later_changes_nothing_before():
    ds, forecast = world(120)
    start = forecast["init"].values[70]
    other = ds.copy(deep=True)
    other["swvl1"] = xr.where(ds["time"] > start, 0.9, ds["swvl1"]).transpose(*ds["swvl1"].dims)
    other["swvl1"].attrs = UNITS
    one, two = (xsm.adapt_spread(d, forecast)["swvl1_std"] for d in (ds, other))
    np.testing.assert_array_equal(
        one.sel(init=slice(None, start)), two.sel(init=slice(None, start))
    )
    assert (one.isel(init=-1) != two.isel(init=-1)).all()
    late = xsm.adapt_spread(ds, forecast, latency=3)["swvl1_std"]
    known = xsm.adapt_spread(ds.sel(time=slice(None, start)), forecast, latency=3)["swvl1_std"]
    to = slice(None, start + 3 * DAY)
    np.testing.assert_array_equal(late.sel(init=to), known.sel(init=to))


@pytest.mark.parametrize("chunks", [{"init": 7}, {"lead": 1, "cell": 2}, {"cell": 1, "init": 50}])
def test_lazy_is_eager(chunks):
    ds, forecast = world(100)
    eager = xsm.adapt_spread(ds, forecast)
    lazy = xsm.adapt_spread(ds.chunk(time=30), forecast.chunk(chunks))
    assert lazy["swvl1_std"].chunks is not None
    assert lazy["swvl1"].chunksizes == forecast.chunk(chunks)["swvl1"].chunksizes
    xr.testing.assert_allclose(lazy.drop_attrs(), eager.drop_attrs(), rtol=1e-12)


def test_the_order_of_starts_and_foreign_names_do_not_matter():
    ds, forecast = world(80)
    wanted = xsm.adapt_spread(ds, forecast)["swvl1_std"]
    mixed = forecast.isel(init=np.random.default_rng(0).permutation(forecast.sizes["init"]))
    found = xsm.adapt_spread(ds, mixed)["swvl1_std"]
    np.testing.assert_array_equal(found["init"], mixed["init"])
    xr.testing.assert_allclose(found.sortby("init"), wanted)
    days = np.array([1, 3])
    named = forecast.assign_coords(lead=("lead", days, {"units": "days"}))
    named = named.rename(init="forecast_reference_time", lead="step").transpose("cell", ...)
    found = xsm.adapt_spread(ds, named)
    assert found["swvl1_std"].dims == named["swvl1_std"].dims
    assert found["step"].values.tolist() == [1, 3]
    np.testing.assert_allclose(found["swvl1_std"].transpose(..., "cell"), wanted)


def test_a_skewed_distribution_is_covered_on_both_sides():
    """Errors of a gamma distribution, and its quantiles as calibration leaves them."""
    ds, forecast = world(3_000, cells=1, leads=(1,))
    z = SKEWED.rvs(ds["swvl1"].shape, random_state=1) - SKEWED.mean()
    ds["swvl1"] = ds["swvl1"].copy(data=0.3 + 0.03 * z)
    table = SKEWED.ppf(PROBABILITIES) - SKEWED.mean()
    at = xr.Variable("probability", PROBABILITIES)
    forecast["swvl1_quantile"] = ("probability", table)
    forecast = forecast.assign_coords(probability=at)
    found = xsm.adapt_spread(ds, forecast)
    edges = xsm.intervals(found, 0.9).isel(level=0)
    truth = ds["swvl1"].sel(time=(found["init"] + DAY).values).values[:, None]
    below, above = (truth < edges["swvl1_lower"]).mean(), (truth > edges["swvl1_upper"]).mean()
    assert abs(float(below) - 0.05) < 0.015
    assert abs(float(above) - 0.05) < 0.015
    ratio = (found["swvl1_std"].isel(init=slice(1_000, None)) / 0.02).mean()
    assert 1.3 < float(ratio) < 1.7  # the errors are 1.5 times as large as was said


@pytest.mark.parametrize("upward", [False, True])
def test_each_layer_has_a_spread_of_its_own(upward):
    ds, forecast = world(600, cells=2, sizes=(0.01, 0.04))
    names = {"cell": "depth"}
    depth = ("depth", [0.05, 0.3], {"units": "m", "positive": "down"})
    ds, forecast = (d.rename(names).assign_coords(depth=depth) for d in (ds, forecast))
    ds, forecast = (d.rename(swvl1="soil_moisture") for d in (ds, forecast))
    forecast = forecast.rename(swvl1_std="soil_moisture_std")
    if upward:
        ds, forecast = (d.isel(depth=[1, 0]) for d in (ds, forecast))
    found = xsm.adapt_spread(ds, forecast)["soil_moisture_std"]
    np.testing.assert_array_equal(found["depth"], forecast["depth"])
    late = (found / 0.02).isel(init=slice(300, None)).mean(["init", "lead"])
    assert 0.4 < float(late.sel(depth=0.05)) < 0.6
    assert 1.6 < float(late.sel(depth=0.3)) < 2.4


def test_layers_in_variables_have_a_spread_each():
    ds, forecast = world(600, cells=1, sizes=(0.01,))
    deep, below = world(600, cells=1, sizes=(0.04,), seed=1)
    ds["swvl2"] = deep["swvl1"]
    forecast = forecast.assign({n.replace("1", "2"): below[n] for n in below})
    found = xsm.adapt_spread(ds, forecast)
    late = (found / 0.02).isel(init=slice(300, None)).mean()
    assert 0.4 < float(late["swvl1_std"]) < 0.6
    assert 1.6 < float(late["swvl2_std"]) < 2.4


def test_units_of_both_may_differ():
    ds, forecast = world(80)
    percent = {"units": "%"}
    other = forecast.assign({n: (100 * forecast[n]).assign_attrs(percent) for n in forecast})
    found = xsm.adapt_spread(ds, other)["swvl1_std"]
    assert found.attrs["units"] == "%"
    np.testing.assert_allclose(found / 100, xsm.adapt_spread(ds, forecast)["swvl1_std"])


def test_what_nothing_is_known_of_stays_as_it_was():
    ds, forecast = world(80)
    ds["swvl1"][:, 1] = np.nan
    forecast["swvl1_std"][5, 0, 2] = np.nan
    found = xsm.adapt_spread(ds, forecast)["swvl1_std"]
    np.testing.assert_array_equal(found[..., 1], 0.02)
    np.testing.assert_array_equal(found.isnull(), forecast["swvl1_std"].isnull())
    fewer = xsm.adapt_spread(ds.isel(cell=[0, 2]), forecast)["swvl1_std"]
    np.testing.assert_array_equal(fewer[..., 1], 0.02)
    np.testing.assert_array_equal(fewer[..., 0], found[..., 0])


def test_float32_stays_and_the_verb_is_the_function():
    ds, forecast = world(60)
    forecast = forecast.astype("float32", keep_attrs=True)
    found = ds.physm.adapt_spread(forecast, rate=0.1)
    assert found["swvl1_std"].dtype == np.float32
    xr.testing.assert_allclose(found, xsm.adapt_spread(ds, forecast, rate=0.1))
    xr.testing.assert_allclose(ds["swvl1"].physm.adapt_spread(forecast, rate=0.1), found)


def test_errors_say_what_is_needed():
    ds, forecast = world(60)
    with pytest.raises(NotEnoughDataError, match=r"rate=2 was given; above 0 and at most 1"):
        xsm.adapt_spread(ds, forecast, rate=2)
    with pytest.raises(NotEnoughDataError, match=r"levels=\[1.0\] was given"):
        xsm.adapt_spread(ds, forecast, level=1.0)
    with pytest.raises(GridError, match=r'fitted.forecast\(ds, init="all", weather="known"\)'):
        xsm.adapt_spread(ds, forecast.isel(lead=0, drop=True).rename(init="time"))
    with pytest.raises(UnknownNameError, match="'swvl1_std' was adapted already"):
        xsm.adapt_spread(ds, xsm.adapt_spread(ds, forecast))
    table = ("probability", np.linspace(0.1, 3, len(PROBABILITIES)))
    beside = forecast.assign(swvl1_quantile=table).assign_coords(probability=PROBABILITIES)
    with pytest.raises(NotEnoughDataError, match="all on one side of the forecast"):
        xsm.adapt_spread(ds, beside)
    with pytest.raises(NotEnoughDataError, match=r"are for 2019-11-02.* of 2029.*no time is in"):
        xsm.adapt_spread(ds.assign_coords(time=ds["time"] + 3_653 * DAY), forecast)
    with pytest.raises(NotEnoughDataError, match="No observation of 'soil_moisture' lies at a"):
        xsm.adapt_spread(ds.assign(swvl1=ds["swvl1"].where(False)), forecast)


def test_a_spread_has_ends():
    """Observations that no spread reaches, and some that are exact."""
    ds, forecast = world(400, cells=2, leads=(1,), sizes=(0.0,))
    ds["swvl1"][:, 0] += 0.69
    found = xsm.adapt_spread(ds, forecast, rate=1.0)["swvl1_std"].isel(init=-1, lead=0)
    np.testing.assert_allclose(found, [0.2, 0.002])
    wide = forecast.assign(swvl1_std=10 * forecast["swvl1_std"])
    half = {"rate": 1.0, "level": 0.5}  # 0.69 is inside from a spread of 1.02 on
    most = xsm.adapt_spread(ds, wide, **half)
    xsm.reliability(ds, most)  # 1 m3 m-3 is as wide as soil moisture can be
    assert float(most["swvl1_std"].max()) == 1.0
    percent = {n: (100 * wide[n]).assign_attrs(units="%") for n in wide}
    most = xsm.adapt_spread(ds, wide.assign(percent), **half)
    assert float(most["swvl1_std"].max()) == pytest.approx(100.0)


def test_data_backwards_are_the_same_data():
    ds, forecast = world(60)
    found = xsm.adapt_spread(ds.isel(time=slice(None, None, -1)), forecast)
    xr.testing.assert_identical(found["swvl1_std"], xsm.adapt_spread(ds, forecast)["swvl1_std"])
