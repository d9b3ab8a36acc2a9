"""Potential evaporation of temperature: numbers printed in FAO 56, symmetries, limits."""

import numpy as np
import pytest
import xarray as xr

from xsm.physics.evaporation import hargreaves, sun_above

PRINTED = [  # latitude, day, MJ m-2 day-1: Allen et al. (1998), example 8, and annex 2, table 2.6
    (-20.0, 246, 32.2),
    (0.0, 15, 36.2),
    (0.0, 105, 36.8),
    (0.0, 196, 33.9),
]


@pytest.mark.parametrize(("latitude", "day", "printed"), PRINTED)
def test_the_sun_above_the_air_as_fao_56_prints_it(latitude, day, printed):
    assert float(sun_above(latitude, day)) == pytest.approx(printed, abs=0.25)


def test_poles_have_their_night_and_their_day():
    assert float(sun_above(85.0, 355)) == 0.0
    assert float(sun_above(85.0, 172)) > float(sun_above(10.0, 172))
    assert np.isfinite(sun_above(np.array([-90.0, 90.0]), 100)).all()


def test_nothing_evaporates_without_a_range_of_temperature_or_in_deep_frost():
    assert float(hargreaves(290.0, 290.0, 30.0, 100)) == 0.0
    assert float(hargreaves(230.0, 240.0, 30.0, 100)) == 0.0
    low, high = 285.0, 300.0
    double = hargreaves(low - 22.5, high + 22.5, 30.0, 100)  # four times the range, the same mean
    assert float(double) == pytest.approx(2 * float(hargreaves(low, high, 30.0, 100)))


def test_labels_and_gaps_stay():
    time = xr.date_range("2020-01-01", periods=3)
    low = xr.DataArray([280.0, np.nan, 281.0], {"time": time}, dims="time")
    latitude = xr.DataArray([10.0, 50.0], dims="latitude")
    found = hargreaves(low, low + 10, latitude, low.time.dt.dayofyear)
    assert set(found.dims) == {"time", "latitude"}
    assert found.isnull().any("latitude").values.tolist() == [False, True, False]
    lazy = hargreaves(low.chunk(time=1), low + 10, latitude, low.time.dt.dayofyear)
    assert lazy.chunks is not None
    xr.testing.assert_allclose(lazy.compute(), found)
