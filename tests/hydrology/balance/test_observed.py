"""What loss terms are shown of a water budget."""

import numpy as np
import pandas as pd
import xarray as xr

from xsm.data.reading import read
from xsm.hydrology.balance.observed import observed_roles, observed_series
from xsm.hydrology.needs import Wanted
from xsm.losses import RMSE, Shown


def test_observations_come_in_canonical_units_with_the_months_of_their_days():
    days = pd.date_range("2020-01-30", periods=32)
    ro = xr.DataArray(np.full(32, 1e-3), {"time": days}, "time", attrs={"units": "m"})
    reading = read(xr.Dataset({"ro": ro}))
    terms = [RMSE(), Shown("runoff", "observed_runoff", "runoff", monthly=True)]
    assert observed_roles(terms) == ["runoff"]
    keys = {key for term in terms for key in term.needs}
    found = observed_series(Wanted(reading, terms, keys, "soil_moisture"))
    assert set(found) == {"observed_runoff", "month", "month_days"}
    np.testing.assert_allclose(found["observed_runoff"], 1.0)  # mm day-1
    assert found["month_days"].values.tolist() == [31.0] * 2 + [29.0] * 29 + [31.0]
    assert np.diff(found["month"]).tolist() == [0.0, 1.0, *[0.0] * 28, 1.0]


def test_terms_of_other_laws_are_given_nothing():
    reading = read(xr.Dataset({"tp": ("time", [1.0], {"units": "mm day-1"})}))
    assert observed_series(Wanted(reading, [RMSE()], {"target"}, "soil_moisture")) == {}
