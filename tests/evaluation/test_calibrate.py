"""What cannot calibrate is told before anything is computed."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.evaluation.test_forecasts import world
from xsm.api.calibrate import _by_lead, _weight, calibrated
from xsm.evaluation.leads import on_time
from xsm.exceptions import GridError, NotEnoughDataError, UnknownNameError


def test_half_lives_are_of_conformal_intervals_and_above_zero():
    said = r'halflife=365 was given; it is of method="conformal", not of \'scale\''
    with pytest.raises(UnknownNameError, match=said):
        calibrated(None, xr.Dataset(), "scale", halflife=365)
    z = xr.DataArray(np.zeros(3), {"time": pd.date_range("2020", periods=3)}, "time")
    with pytest.raises(NotEnoughDataError, match="halflife=0 was given; days above 0 are needed"):
        _weight(z, 0)
    np.testing.assert_allclose(_weight(z, 1), [0.25, 0.5, 1])
    assert _weight(z, None) is None


def test_forecasts_that_cannot_teach_are_refused():
    ds, forecast = world()
    one = on_time(forecast.isel(lead=0), "time")
    with pytest.raises(
        GridError, match=r"forecast= has the dimensions .*by init and lead are need"
    ):
        _by_lead(None, ds, "scale", one, None, None)
    again = forecast.copy()
    again["swvl1_std"] = again["swvl1_std"].assign_attrs(comment="recalibrated by method 'scale'")
    with pytest.raises(UnknownNameError, match=r"'swvl1_std'. of the forecast are calibrated or"):
        _by_lead(None, ds, "scale", again, None, None)
