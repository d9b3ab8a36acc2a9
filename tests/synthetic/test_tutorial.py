"""Named worlds: found by name, near misses named, lazy where chunks are given."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.exceptions import UnknownNameError
from xsm.synthetic import land_world, tutorial


@pytest.fixture
def small_world(monkeypatch):
    """Let the tutorial make a small world, in a moment."""

    def make(*, seed: int) -> xr.Dataset:
        return land_world(years=1, shape=(4, 6), seed=seed)

    monkeypatch.setitem(tutorial._WORLDS, "land", make)


def test_land_is_three_years_on_24_by_32_cells():
    ds = xsm.open_tutorial("land")
    assert dict(ds.sizes) == {"time": 1096, "latitude": 24, "longitude": 32}
    assert str(ds["time"].values[-1])[:10] == "2020-12-31"
    assert ds.chunks == {}
    assert isinstance(ds["swvl1"].data, np.ndarray)


def test_unknown_name_names_the_near_misses():
    with pytest.raises(UnknownNameError, match=r"name='lan' was given. Did you mean 'land'"):
        xsm.open_tutorial("lan")


def test_chunks_give_dask_arrays_with_the_same_values(small_world, raise_if_computed):
    ds = xsm.open_tutorial("land", chunks={"time": 100, "latitude": 2})
    assert ds["swvl1"].chunks == ((100, 100, 100, 65), (2, 2), (6,))
    assert ds["elevation"].chunks == ((2, 2), (6,))


def test_chunked_world_equals_the_one_in_memory(small_world):
    lazy, eager = xsm.open_tutorial("land", chunks={}), xsm.open_tutorial("land")
    assert lazy["tp"].chunks is not None
    xr.testing.assert_identical(lazy.compute(), eager)


def test_seed_chooses_the_world(small_world):
    one, same, other = (xsm.open_tutorial("land", seed=seed) for seed in (3, 3, 4))
    xr.testing.assert_identical(one, same)
    assert not one["t2m"].equals(other["t2m"])
