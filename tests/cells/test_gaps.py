"""Inputs with gaps are told: which, how much of them is missing, and what they cost."""

from __future__ import annotations

import functools
import re
import warnings
from dataclasses import replace

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.worlds import bucket, recipe
from xsm.cells.gaps import count_gaps, gap_counts, sum_gaps
from xsm.cells.reading import make_windows
from xsm.cells.scaling import fit_scaling

UNITS = {"tp": "mm/day", "t2m": "K", "ssrd": "W m-2", "swvl1": "m3 m-3"}
QUICK = {"window": 5, "epochs": 1, "iterations": 2, "hidden_size": 4, "progress": False}
FOREST = {"window": 5, "n_estimators": 2, "progress": False}


def station(**gaps):
    """Return 400 days of one station, of which 300 train, with gaps from one day to another."""
    days, rng = pd.date_range("2020-01-01", periods=400), np.random.default_rng(0)
    columns = {name: rng.random((400, 1)) + (280 if name == "t2m" else 0) for name in UNITS}
    columns["swvl1"] *= 0.4
    for name, (first, last) in gaps.items():
        columns[name][first:last] = np.nan
    variables = {k: (("time", "station"), v, {"units": UNITS[k]}) for k, v in columns.items()}
    return xr.Dataset(variables, {"time": days, "station": ["a"]})


@pytest.mark.parametrize(("model", "quick"), [("lstm", QUICK), ("random_forest", FOREST)])
def test_a_column_that_costs_most_of_the_samples_is_named(model, quick):
    ds = station(ssrd=(0, 192))  # 64 % of the 300 days; whole windows end at 196 to 298
    said = (
        r"leave 103 of 295 samples to train: each takes 5 steps without NaN\. Missing where the "
        r"target is observed: 'shortwave_down' at 64% \(295 samples without it\)"
    )
    with pytest.warns(UserWarning, match=said) as told:
        fitted = ds.physm.fit(model, **quick)
    assert "1 cells, 103 samples" in str(fitted.card) or "103 windows" in str(fitted.card)
    names = re.search(r"fit\(\.\.\., dynamic=(\[.*?\])\)", str(told[0].message)).group(1)
    without = [name.strip("' ") for name in names.strip("[]").split(",")]
    again = ds.physm.fit(model, dynamic=without, **quick)  # what it says; warnings are errors
    assert "295" in str(again.card["training"])


def test_short_gaps_are_filled_by_what_it_says():
    ds = station()
    ds["t2m"][5:400:20] = np.nan
    with pytest.warns(UserWarning, match="'air_temperature' at 5%") as told:
        ds.physm.fit("lstm", **QUICK)
    name, dim, limit = re.search(
        r"ds\['(.*?)'\]\.interpolate_na\('(.*?)', limit=(\d)\)", str(told[0].message)
    ).groups()
    ds[name] = ds[name].interpolate_na(dim, limit=int(limit), keep_attrs=True)
    assert "295 samples" in str(ds.physm.fit("lstm", **QUICK).card["training"])


def test_inputs_that_are_missing_together_are_all_named():
    ds = station(ssrd=(0, 100), t2m=(0, 100))
    with pytest.warns(UserWarning, match="leave 195 of 295 samples") as told:
        ds.physm.fit("lstm", **QUICK)
    said = str(told[0].message)
    assert "'shortwave_down' at 33% (195 samples without it)" in said
    assert "'air_temperature' at 33% (195 samples without it)" in said
    assert "fit(..., dynamic=['precipitation'])" in said
    ds.physm.fit("lstm", dynamic=["precipitation"], **QUICK)


def test_gaps_between_sparse_observations_are_told_too():
    ds = station()
    ds["swvl1"][np.arange(400) % 4 != 0] = np.nan
    ds["t2m"][2:400:12] = (
        np.nan
    )  # two days after one observation in three, in the window of the next
    said = "leave 49 of 73 samples.*'air_temperature' at 0% \\(73 samples without it"
    with pytest.warns(UserWarning, match=said):
        ds.physm.fit("lstm", **QUICK)


def test_without_other_inputs_only_filling_is_proposed():
    ds = station(tp=(0, 100))[["tp", "swvl1"]]
    with pytest.warns(UserWarning, match=r"To keep more, fill gaps before, as in ds\['tp'\]"):
        ds.physm.fit("lstm", **QUICK)


def test_a_map_with_holes_is_named():
    ds = station().isel(station=[0, 0, 0, 0]).assign_coords(station=list("abcd"))
    ds["sand"] = "station", [10.0, 20.0, 30.0, np.nan], {"units": "%"}
    with pytest.warns(UserWarning, match=r"leave 885 of 1,180 samples.*'sand' at 25%") as told:
        ds.physm.fit("lstm", **QUICK)
    assert "fit(..., static=[])" in str(told[0].message)
    ds.physm.fit("lstm", static=[], **QUICK)


@pytest.mark.parametrize("gaps", [{}, {"ssrd": (0, 29)}, {"swvl1": (0, 150)}])
def test_small_gaps_and_those_of_the_target_are_not_told(gaps):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        station(**gaps).physm.fit("lstm", **QUICK)


@pytest.mark.parametrize("chunks", [{}, {"time": 100}, {"time": 7}])
def test_what_is_streamed_is_told_too(monkeypatch, chunks):
    ds = station(ssrd=(0, 192)).chunk(chunks)
    monkeypatch.setattr("xsm.cells.fit.fits", lambda features, limit: False)
    said = r"leave 103 of 295 samples.*'shortwave_down' at 64% \(295 samples without it\)"
    with pytest.warns(UserWarning, match=said):
        ds.physm.fit("lstm", **QUICK)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        station(ssrd=(0, 29)).chunk(chunks).physm.fit("lstm", **QUICK)


def test_the_pass_over_a_stream_reads_each_block_once(monkeypatch):
    ds, reads = station(ssrd=(0, 192)), []

    def block(values, name, block_info):
        reads.append((name, block_info[0]["chunk-location"]))
        return values

    for name in UNITS:
        read, given = functools.partial(block, name=name), da.from_array(ds[name].data, (100, 1))
        ds[name] = ds[name].copy(data=da.map_blocks(read, given, dtype=float))
    monkeypatch.setattr("xsm.cells.fit.fits", lambda features, limit: False)
    reads.clear()  # of what dask asks for the meta of a block
    monkeypatch.setattr("xsm.cells.fit.warn_of_gaps", lambda *_: reads.append("told"))
    ds.physm.fit("lstm", **QUICK)
    reads = reads[: reads.index("told")]
    doubted = [(name, (k, 0)) for name in UNITS for k in range(len(UNITS)) if k in {0, 2, 3}]
    training = [(name, (k, 0)) for name in UNITS for k in range(3)]
    for name in doubted:  # the door has looked at the first, the middle and the last block
        reads.remove(name)
    assert sorted(reads) == sorted(training)


@pytest.mark.parametrize(
    "changes", [{}, {"lead": 0}, {"lead": 3}, {"lead": 3, "known_forcing": True}]
)
def test_the_count_is_that_of_the_windows(changes):
    features, rng = bucket(), np.random.default_rng(1)
    for array in (*features.dynamic.values(), features.target):
        array.values[rng.random(array.shape) < 0.05] = np.nan
    settings, times = recipe(features, **changes), slice(20, 170)
    scaling = fit_scaling(features, times, scaling="cell")
    found = count_gaps(features, scaling, settings, times, span=settings.window)
    assert found.now == len(make_windows(features, scaling, settings, times))
    for name, samples in found.without.items():
        filled = {k: a.fillna(0) if k == name else a for k, a in features.dynamic.items()}
        other = type(features)(filled, {}, features.target, {}, features.time, features.space)
        assert samples == len(make_windows(other, scaling, settings, times))
    assert found.whole > found.now


@pytest.mark.parametrize("chunks", [{"time": 1}, {"time": 33, "lat": 1}, {"time": -1, "lon": 3}])
@pytest.mark.parametrize("changes", [{"lead": 0}, {"lead": 3}, {"lead": 3, "known_forcing": True}])
def test_lazy_counts_are_those_in_memory(changes, chunks):
    features, rng = bucket(), np.random.default_rng(2)
    for array in (*features.dynamic.values(), features.target):
        array.values[rng.random(array.shape) < 0.04] = np.nan
    features.static["elevation"].values[1, 1] = np.nan
    settings, times = recipe(features, **changes), slice(20, 170)
    scaling = fit_scaling(features, times, scaling="cell")
    found = count_gaps(features, scaling, settings, times, span=settings.window)
    lazy = replace(
        features,
        dynamic={k: a.chunk(chunks) for k, a in features.dynamic.items()},
        target=features.target.chunk(chunks),
    )
    counts = gap_counts(lazy, settings, times, span=settings.window)
    same = fit_scaling(lazy, times, scaling="cell", beside=counts)
    xr.testing.assert_allclose(same, scaling)
    assert sum_gaps(counts, lazy, scaling) == found
    assert found.without["elevation"] > found.now


def crn(**gaps):
    """Return a station of the U.S. Climate Reference Network, daily, with its columns' gaps.

    Columns of the readme of daily01 (ncei.noaa.gov, products/daily01): P_DAILY_CALC mm,
    T_DAILY_MEAN degC, SOLARAD_DAILY MJ m-2 day-1, SOIL_MOISTURE_5_DAILY m3 m-3; -9999 is missing.
    """
    ds = station(**gaps).rename(
        tp="P_DAILY_CALC", t2m="T_DAILY_MEAN", ssrd="SOLARAD_DAILY", swvl1="SOIL_MOISTURE_5_DAILY"
    )
    return ds, {
        "precipitation": "P_DAILY_CALC",
        "air_temperature": "T_DAILY_MEAN",
        "shortwave_down": "SOLARAD_DAILY",
        "soil_moisture": "SOIL_MOISTURE_5_DAILY",
    }


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    ("gaps", "said"),
    [
        # a pyranometer that came a year after the rain gauge
        ({"ssrd": (0, 250)}, r"leave 45 of 295 samples.*'shortwave_down' at 83% \(295 samples"),
        # the two sensors of one logger, out together
        ({"ssrd": (100, 180), "t2m": (100, 180)}, r"leave 211 of 295 samples.*\(211 samples"),
    ],
)
def test_gaps_of_columns_under_names_of_ones_own_are_told(monkeypatch, gaps, said, lazy):
    ds, stated = crn(**gaps)
    if lazy:
        ds = ds.chunk(time=60)
        monkeypatch.setattr("xsm.cells.fit.fits", lambda features, limit: False)
    with pytest.warns(UserWarning, match=said) as told:
        ds.physm.fit("lstm", variables=stated, **QUICK)
    assert "ds['SOLARAD_DAILY'].interpolate_na('time', limit=3)" in str(told[0].message) or (
        "ds['T_DAILY_MEAN'].interpolate_na" in str(told[0].message)
    )
