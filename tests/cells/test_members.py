"""Members of an ensemble are no places: what is said of them, and what they do not change.

Structures: ERA5's ensemble of data assimilation by cfgrib (``number``, 10 members; ECMWF, ERA5 data
documentation), large ensembles in the Pangeo catalog of CMIP6 and CESM2-LE (``member_id``), and
CF's ``realization``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm

QUICK = {"window": 3, "epochs": 1, "iterations": 2, "hidden_size": 4, "progress": False}


def ensemble(dim="number", count=3, days=80):
    """Return the weather of two cells in some members, and soil moisture."""
    rng, sizes = np.random.default_rng(0), (days, count, 2)
    coords = {"time": pd.date_range("2020", periods=days), dim: np.arange(count), "cell": [7, 9]}
    ds = xr.Dataset(coords=coords)
    dims = ("time", dim, "cell")
    ds["tp"] = dims, rng.random(sizes), {"units": "mm/day"}
    ds["t2m"] = dims, 280 + rng.random(sizes), {"units": "K"}
    ds["swvl1"] = dims, 0.2 + 0.1 * rng.random(sizes), {"units": "m3 m-3"}
    return ds


@pytest.mark.parametrize("dim", ["number", "member_id", "realization"])
def test_the_card_says_members_and_a_prediction_keeps_them(dim):
    ds = ensemble(dim)
    fitted = ds.physm.fit("lstm", **QUICK)
    assert fitted.card["members"] == f"3 along '{dim}': cells are places times members"
    assert "6 cells" in fitted.card["training"]
    found = ds.physm.predict(fitted)
    assert found["swvl1"].dims == ("time", dim, "cell")
    np.testing.assert_array_equal(found[dim], ds[dim])
    plain = ds.isel({dim: 0}, drop=True).physm.fit("lstm", **QUICK)
    assert "members" not in plain.card


def test_members_are_split_by_time_as_one_series_is():
    ds = ensemble()
    one, whole = (
        part.physm.fit("lstm", **QUICK).card for part in (ds.isel(number=0, drop=True), ds)
    )
    assert one["validation"] == whole["validation"] == "2020-03-01 to 2020-03-20"
    assert one["training"].split(",")[0] == whole["training"].split(",")[0]


def test_scores_say_how_many_members_they_count():
    ds = ensemble()
    guess = (ds["swvl1"] + 0.01).assign_attrs(units="m3 m-3")
    apart = xsm.score(ds, guess, baselines=False)
    assert apart.attrs["members"] == "3 along 'number', each by itself"
    assert apart["count"].values.tolist() == [[[80, 80]] * 3]
    together = xsm.score(ds, guess, dim=("time", "number"), baselines=False)
    assert together.attrs["members"] == "3 along 'number', counted together"
    assert together["count"].values.tolist() == [[240, 240]]
    one = ds.isel(number=0, drop=True)  # an ensemble against one observation
    assert xsm.score(one, guess, baselines=False).attrs["members"].startswith("3 along")
    assert "members" not in xsm.score(one, one["swvl1"], baselines=False).attrs


@pytest.mark.parametrize("lazy", [False, True])
def test_a_model_of_cells_predicts_each_member_of_an_ensemble(lazy):
    ds = ensemble()
    fitted = ds.isel(number=1, drop=True).physm.fit("lstm", **QUICK)  # scaled by cell
    given = ds[["tp", "t2m"]].chunk(time=30, number=1) if lazy else ds[["tp", "t2m"]]
    found = fitted.predict(given)
    assert found["swvl1"].sizes == {"time": 78, "number": 3, "cell": 2}
    for k in range(3):
        alone = fitted.predict(ds.isel(number=k, drop=True))
        np.testing.assert_allclose(found["swvl1"].isel(number=k), alone["swvl1"], rtol=1e-6)
    assert found["trained_cell"].all()


def test_weather_of_members_is_scored_against_one_observation():
    """What is known of a place, its seasons and how long an anomaly lasts, has no members."""
    ds = ensemble()
    ds["swvl1"] = ds["swvl1"].isel(number=0, drop=True)
    fitted = ds.physm.fit("lstm", **QUICK)
    assert "number" not in {*fitted.climatology.dims, *fitted.persistence.dims}
    found = xsm.score(ds, fitted.predict(ds), baselines=fitted)
    apart = found["rmse"].sel(source="damped_persistence")
    assert apart.notnull().all()
