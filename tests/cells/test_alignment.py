"""Which cells of other data were trained, of a model that is scaled over all cells."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import xsm
from tests.worlds import bucket_dataset

SHORT = {"epochs": 1, "iterations": 2, "hidden_size": 4, "progress": False, "window": 4}


@pytest.fixture(scope="module")
def fitted() -> xsm.FittedModel:
    ds = bucket_dataset(steps=120)
    ds["soil_moisture"][:, 0, 1] = np.nan
    return xsm.fit(ds, "lstm", scaling="global", **SHORT)


def test_cells_without_observations_in_training_are_said(fitted):
    found = fitted.predict(bucket_dataset(steps=120))
    assert found["trained_cell"].dtype == bool
    assert found["trained_cell"].values.tolist()[0] == [True, False, True, True]
    assert found["trained_cell"].values[1:].all()
    assert found["soil_moisture"].isel(lat=0, lon=1).notnull().all()
    assert "trained_cell" in found["soil_moisture"].attrs["ancillary_variables"]


def test_cells_elsewhere_are_said(fitted, no_compute):
    ds = bucket_dataset(steps=120)
    moved = ds.assign_coords(lon=ds["lon"] + 2)
    with no_compute():
        found = fitted.predict(moved.chunk(time=50, lon=2).transpose("lon", "lat", "time"))
    known = found["trained_cell"].transpose("lat", "lon")
    assert known.values.tolist() == [[True, True, False, False]] * 3


def test_nothing_is_said_where_all_were_trained_or_no_label_tells(fitted):
    ds = bucket_dataset(steps=120)
    assert "trained_cell" not in fitted.predict(ds.isel(lat=slice(1, None)))
    bare = ds.drop_vars(["lat", "lon"])
    assert "trained_cell" not in fitted.predict(bare)
    one = xr.Dataset({k: v.isel(lat=1, lon=1, drop=True) for k, v in ds.items()})
    assert "trained_cell" not in fitted.predict(one)
