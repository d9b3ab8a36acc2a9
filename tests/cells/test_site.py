"""A model that is scaled by cell serves the site it was trained on, and no other."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm
from xsm.exceptions import GridError

QUICK = {"window": 5, "epochs": 1, "iterations": 2, "hidden_size": 4, "progress": False}


def station(dims=("time",), **coords):
    """Return a year of one station, with what says where it is."""
    rng, shape = np.random.default_rng(0), (365, 1)[: len(dims)]
    ds = xr.Dataset(
        {
            "tp": (dims, rng.random(shape), {"units": "mm/day"}),
            "swvl1": (dims, 0.4 * rng.random(shape), {"units": "m3 m-3"}),
        },
        {"time": pd.date_range("2020-01-01", periods=365)},
    )
    return ds.assign_coords(coords)


@pytest.mark.parametrize(
    ("dims", "here", "there", "said"),
    [
        (
            ("time",),
            {"latitude": 51.08, "longitude": 10.45},
            {"latitude": 48.2, "longitude": 10.45},
            "latitude trained 51.08, given 48.2",
        ),
        (("time",), {"station": "a"}, {"station": "b"}, "station trained 'a', given 'b'"),
        (
            ("time", "station"),
            {"site_id": ("station", ["US-Ne1"])},
            {"site_id": ("station", ["US-Ne2"])},
            "site_id trained 'US-Ne1', given 'US-Ne2'",
        ),
    ],
)
def test_another_site_is_refused_with_what_to_type(dims, here, there, said, tmp_path):
    ds, other = station(dims, **here), station(dims, **there)
    fitted = ds.physm.fit("lstm", **QUICK)
    fitted.save(tmp_path / "model")
    for model in (fitted, xsm.load(tmp_path / "model")):
        with pytest.raises(GridError, match=f"not of the site that.*trained on.*{said}") as told:
            other.physm.predict(model)
    with pytest.raises(GridError, match="not of the site"):
        fitted.score(other)
    names = re.search(r"ds\.drop_vars\((.*?)\)", str(told.value)).group(1)
    bare = other.drop_vars([name.strip("' ") for name in names.strip("[]").split(",")])
    values = fitted.predict(bare)["swvl1"].values  # what it says, where it is the same site
    np.testing.assert_array_equal(values, fitted.predict(ds)["swvl1"].values)
    assert "scaling='global'" in str(told.value)
    everywhere = ds.physm.fit("lstm", scaling="global", **QUICK)  # or this
    assert np.isfinite(everywhere.predict(other)["swvl1"]).sum() == 361


def test_the_same_site_may_be_rounded_or_say_less_or_have_another_version():
    ds = station(latitude=51.0792, longitude=10.453, expver="0001", number=0)
    fitted = ds.physm.fit("lstm", **QUICK)
    wanted = fitted.predict(ds)["swvl1"].values
    for other in (
        ds.assign_coords(latitude=np.float32(51.08)),
        ds.drop_vars(["latitude", "longitude"]),
        ds.assign_coords(expver="0005", number=1),
        ds.assign_coords(station="a"),
    ):
        np.testing.assert_array_equal(fitted.predict(other)["swvl1"].values, wanted)
