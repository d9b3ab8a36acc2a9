"""A plan says what a prediction takes, without computing; its advice can be typed."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.exceptions import MissingVariableError

QUICK = {"epochs": 1, "iterations": 2, "hidden_size": 4, "progress": False}


@pytest.fixture(scope="module")
def land() -> xr.Dataset:
    where = {"time": slice(0, 120), "latitude": slice(0, 4), "longitude": slice(20, 26)}
    return xsm.open_tutorial("land").isel(where).load()


@pytest.fixture(scope="module")
def fitted(land) -> xsm.FittedModel:
    return land.physm.fit("lstm", dynamic=["tp", "t2m"], static=["elevation"], **QUICK)


def test_counts_are_those_of_the_forecast(land, fitted, no_compute):
    lazy = land.chunk(time=50, latitude=3, longitude=2)
    with no_compute():
        found = lazy.physm.plan(fitted)
        forecast = lazy.physm.predict(fitted)
    assert found.blocks == forecast["swvl1"].data.npartitions == 3 * 2 * 3
    assert found.tasks == len(dict(forecast.__dask_graph__()))
    assert found.windows == forecast["swvl1"].size
    assert found.read == sum(land[n].nbytes for n in ("tp", "t2m", "elevation"))
    assert found.halo == pytest.approx(6 / 50)
    assert dict(found.chunks) == {"time": 50, "latitude": 3, "longitude": 2}


def test_advice_can_be_typed_and_is_then_silent(land, fitted):
    lazy = land.chunk(time=10, latitude=1, longitude=1)
    found = lazy.physm.plan(fitted)
    assert dict(found.better) == {"time": -1, "latitude": 4, "longitude": 6}
    assert "ds.chunk({'time': -1, 'latitude': 4, 'longitude': 6})" in repr(found)
    again = lazy.chunk(found.better).physm.plan(fitted)
    assert not again.better
    assert "The chunks are good." in repr(again)
    assert again.halo == 0.0


def big(fitted, chunks):
    """Return the plan of a global data set of ten years, 84 GB, which never is."""
    import dask.array as da

    days, rows, columns = 3650, 1440, 2000
    grid = {"latitude": np.arange(rows) * 0.1, "longitude": np.arange(columns) * 0.1}
    coords = {"time": np.datetime64("2000-01-01", "ns") + np.arange(days) * np.timedelta64(1, "D")}
    shape, dims = (days, rows, columns), ("time", "latitude", "longitude")
    arrays = {
        name: (dims, da.zeros(shape, chunks=chunks, dtype=np.float32), {"units": units})
        for name, units in (("tp", "m"), ("t2m", "K"))
    }
    hills = (dims[1:], np.zeros(shape[1:], np.float32), {"units": "m"})
    return xr.Dataset({**arrays, "elevation": hills}, coords | grid).physm.plan(fitted)


def test_blocks_of_much_memory_are_made_smaller_and_long_chunks_are_kept(land, no_compute):
    inputs = {"dynamic": ["tp", "t2m"], "static": ["elevation"], "scaling": "global"}
    everywhere = land.physm.fit("lstm", **inputs, **QUICK)
    with no_compute():
        wide = big(everywhere, (365, 720, 1000))
        fine = big(everywhere, (3650, 60, 50))
    assert wide.task_memory > 2**32
    assert 2**31 > wide.windows * 4 / 40 > 0
    sizes = wide.chunks | wide.better
    assert 20 * 365 * sizes["latitude"] * sizes["longitude"] <= 2**28
    assert not fine.better
    assert fine.task_memory < 2**29
    assert fine.blocks == 24 * 40


def test_memory_of_a_task_is_about_what_it_takes(fitted, land):
    import tracemalloc

    lazy = land.chunk(time=-1)
    found = lazy.physm.plan(fitted)
    forecast = lazy.physm.predict(fitted)["swvl1"]
    forecast.compute(scheduler="synchronous")
    tracemalloc.start()
    forecast.compute(scheduler="synchronous")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * found.task_memory


def test_arrays_in_memory_have_no_blocks(land, fitted):
    found = land.physm.plan(fitted)
    assert (found.blocks, found.tasks, found.halo) == (0, 0, 0.0)
    assert "arrays in memory" in repr(found)


def test_text_and_html_say_the_same(land, fitted):
    found = land.chunk(time=10).physm.plan(fitted)
    shown = found._repr_html_()
    for title, text in found._rows():
        assert f"{title:<16}  {text}" in repr(found)
        assert f"<th>{title}</th><td>{text}</td>" in shown


def test_a_plan_needs_a_model(land):
    with pytest.raises(MissingVariableError, match=r"No model was given.*ds.physm.plan\(fitted\)"):
        xsm.plan(land)
