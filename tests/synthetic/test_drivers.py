"""Worlds whose drivers are planted: the store that they fill is solved for its driver."""

from __future__ import annotations

import numpy as np
import pytest

from xsm.exceptions import UnknownNameError
from xsm.synthetic import driver_world


@pytest.mark.parametrize("kind", ["regions", "seasons", "together", "copy", "noise"])
def test_the_soil_follows_the_driver_that_is_named(kind) -> None:
    ds = driver_world(kind, seed=1, steps=400, shape=(3, 4))
    soil = ds["swvl1"].values
    given = (soil[1:] - 0.7 * soil[:-1]) / 0.009
    rain, light = ds["precipitation"].values[1:], ds["shortwave_down"].values[1:] / 40
    truth = {"precipitation": rain, "radiation": light, "both": rain * light / 4}
    driver = ds["driver"].values[1:]
    for name in np.unique(driver):
        np.testing.assert_allclose(given[driver == name], truth[name][driver == name], rtol=1e-9)
    west = (ds["half"] == "west").values
    if kind == "seasons":
        lit = ds["time"].dt.season.isin(["MAM", "JJA"]).values[1:]
        assert ((driver == "radiation") == lit[:, None, None]).all()
    else:
        assert ((driver == "precipitation") == west).all()
    r = np.corrcoef(ds["precipitation"].values.ravel(), ds["air_temperature"].values.ravel())[0, 1]
    assert (r > 0.999) == (kind == "copy")
    assert "Nothing looks wrong." in str(ds.physm.check())


def test_the_temperature_of_a_day_tells_the_driver_of_its_season() -> None:
    ds = driver_world("seasons", steps=720, shape=(3, 4))
    lit = (ds["driver"] == "radiation").values
    warm = ds["air_temperature"].values > 285.0  # the mean of the season and of its noise
    assert (warm == lit).mean() > 0.9  # with a peak in July this is 0.76
    weeks = ds["air_temperature"].mean(("lat", "lon")).rolling(time=15).mean()[14:]
    assert ((weeks > 285.0).values == lit[14:, 0, 0]).mean() > 0.95


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"kind='region' was given\. Did you mean 'regions'"):
        driver_world("region")
