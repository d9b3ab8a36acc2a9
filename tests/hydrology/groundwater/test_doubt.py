"""Stores are doubted before they are subtracted."""

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.exceptions import UnitsError

MONTHS = {"time": xr.date_range("2004-01", periods=72, freq="MS")}
BASE = ("2005-01", "2008-12")


def store(level: float, name: str, seed: int = 0) -> xr.DataArray:
    values = level + 40 * np.random.default_rng(seed).normal(size=72)
    return xr.DataArray(values, MONTHS, "time", name, {"units": "mm"})


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("which", ["tws", "soil_moisture", "snow"])
@pytest.mark.parametrize(
    ("value", "said"),
    [(-9999.0, "are -9999 mm"), (1e20, r"are 1e\+20"), (65535.0, "65535"), (np.inf, "infinite")],
)
def test_fill_values_and_infinite_ones_are_refused(which, value, said, lazy):
    given = {"tws": store(0, "lwe"), "soil_moisture": store(300, "soil"), "snow": store(60, "swe")}
    given[which][10:14] = value
    given = {name: a.chunk(time=36) if lazy else a for name, a in given.items()}
    with pytest.raises(UnitsError, match=said):
        xsm.groundwater_anomaly(**given, baseline=BASE).compute()


def test_a_store_in_metres_that_says_mm_times_a_million_is_no_store():
    far = (store(300, "soil") * 1000).assign_attrs(units="mm")
    with pytest.raises(UnitsError, match=r"'soil' holds .* lie outside of -30000 to 30000 mm"):
        xsm.groundwater_anomaly(store(0, "lwe"), far, store(60, "swe"), baseline=BASE)


def test_a_record_of_one_fill_value_is_missing():
    """A station that never reported, all -9999."""
    gone = store(0, "lwe").copy(data=np.full(72, -9999.0))
    with pytest.raises(UnitsError, match=r"72 of 72 values of 'lwe' are -9999.*nothing else is th"):
        xsm.groundwater_anomaly(gone, store(300, "soil"), store(60, "swe"), baseline=BASE)
