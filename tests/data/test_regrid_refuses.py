"""What a mean over cells would hide, and what is no grid, is refused by ``xsm.regrid``."""

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.exceptions import UnitsError

LIKE = xr.Dataset(coords={"lat": [44.5, 42.5], "lon": [1.0, 3.0]})


def field(value: float = 280.0) -> xr.Dataset:
    values = np.full((4, 4), 280.0) + np.arange(4)
    values[1, 1] = value
    places = {"lat": 45 - np.arange(4.0), "lon": 0.5 + np.arange(4.0)}
    return xr.Dataset({"t2m": (("lat", "lon"), values, {"units": "K"})}, places)


@pytest.mark.parametrize(
    ("value", "said"),
    [(-9999.0, "are -9999 K"), (1e20, r"are 1e\+20 K"), (np.inf, "are infinite")],
)
def test_fill_values_are_not_averaged(value, said):
    with pytest.raises(UnitsError, match=said):
        xsm.regrid(field(value), LIKE)
    near = xsm.regrid(field(value), LIKE, method="nearest")  # which mixes nothing
    assert float(near["t2m"].max()) >= 280


@pytest.mark.parametrize("given", [[1.0], None, "data.nc", np.ones(2)])
def test_what_is_no_labelled_data_is_refused(given):
    with pytest.raises(TypeError, match=r"ds is of the type .*a Dataset or DataArray.*regrid\(ds"):
        xsm.regrid(given, LIKE)
    with pytest.raises(TypeError, match="like is of the type"):
        xsm.regrid(field(), given)
