"""What is wrong with many variables alike is said once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm
from xsm.data.naming.display import told_once
from xsm.exceptions import GridError, UnitsError

UNITS = {"tp": "mm/day", "t2m": "K", "sp": "Pa", "ssrd": "W m-2", "strd": "W m-2", "swvl1": "1"}


def data(dim, units=UNITS):
    """Return twelve days of some variables along a dimension."""
    days = pd.date_range("2020", periods=12)
    return xr.Dataset(
        {name: (("time", dim), np.full((12, 4), 0.2), {"units": u}) for name, u in units.items()},
        {"time": days},
    )


# Treatments of a field trial (AgMIP's "trtno"), and draws of a Bayesian model (ArviZ's "draw").
@pytest.mark.parametrize("dim", ["trtno", "draw"])
def test_an_unknown_dimension_of_all_variables_is_told_once(dim):
    ds = data(dim)
    shown = str(xsm.variables(ds))
    assert shown.count("it is not taken for space") == 1
    assert "The same holds for 'swvl1', 't2m', 'sp', 'ssrd', 'strd'." in shown
    assert "! precipitation, soil_moisture, air_temperature, surface_pressure" in shown
    assert xsm.variables(ds)._repr_html_().count("it is not taken for space") == 2  # and as text
    with pytest.raises(GridError, match=f"along '{dim}'") as told:
        ds.physm.fit("lstm", dynamic=list(UNITS)[:5], target="swvl1")
    assert str(told.value).count("it is not taken for space") == 1
    assert all(repr(name) in str(told.value) for name in UNITS)


def test_packed_integers_of_a_whole_file_are_told_once():
    # ERA5-Land of the old Climate Data Store: int16 with scale_factor and add_offset.
    ds = data("station").astype(np.int16)
    for array in ds.values():
        array.attrs |= {"scale_factor": 1e-4, "add_offset": 0.1}
    with pytest.raises(UnitsError, match="packed integers") as told:
        ds.physm.fit("lstm", dynamic=["tp", "t2m"])
    assert str(told.value).count("xr.decode_cf(ds)") == 1
    assert str(xsm.variables(ds)).count("xr.decode_cf(ds)") == 1


def test_texts_that_say_other_things_stay_apart():
    texts = {"a": "'tp' is in 'm'.", "b": "'e' is in 'm'.", "c": "'sd' is in 'mm'."}
    assert told_once(texts) == {
        "a, b": "'tp' is in 'm'. The same holds for 'e'.",
        "c": "'sd' is in 'mm'.",
    }
    typed = {"a": "'tp': ds[\"tp\"].attrs", "b": "'e': ds[\"e\"].attrs", "x": "no quotes"}
    assert told_once(typed) == typed
