"""Big-endian numbers, as NetCDF classic and GRIB hold them, give what native ones give.

The NetCDF classic format is XDR, big-endian (NetCDF Users Guide, appendix B); scipy's reader of it
passes such arrays on.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm
from xsm.data.byte_order import native

SMALL = {"epochs": 1, "iterations": 2, "hidden_size": 4, "progress": False}


def swapped(ds):
    """Return a data set whose numbers, labels too, are in the other byte order."""
    turned = {}
    for name, variable in ds.variables.items():
        if variable.dtype.kind in "fiu" and variable.dtype.itemsize > 1:
            order = variable.dtype.newbyteorder()
            turned[name] = (variable.dims, variable.values.astype(order), variable.attrs)
    labels = {name: value for name, value in turned.items() if name in ds.coords}
    made = ds.assign({n: v for n, v in turned.items() if n not in labels}).assign_coords(labels)
    assert not any(made[name].dtype.isnative for name in turned)
    return made


@pytest.fixture(scope="module")
def land():
    part = {"latitude": slice(0, 2), "longitude": slice(18, 20), "time": slice(0, 100)}
    return xsm.open_tutorial("land").isel(part)


@pytest.fixture(scope="module")
def fitted(land):
    return land.physm.fit("lstm", **SMALL)


VERBS = {
    "predict": lambda ds, fitted: fitted.predict(ds),
    "fit": lambda ds, fitted: ds.physm.fit("lstm", **SMALL).predict(ds),
    "score": lambda ds, fitted: fitted.score(ds),
    "consistency": lambda ds, fitted: ds.physm.consistency(ds["swvl1"].shift(time=1)),
    "water_balance": lambda ds, fitted: xsm.water_balance(ds),
    "monthly": lambda ds, fitted: xsm.monthly(ds),
    "to_depths": lambda ds, fitted: xsm.to_depths(ds, [0.1, 0.5]),
    "soil_parameters": lambda ds, fitted: xsm.soil_parameters(ds, method="texture_class"),
}


@pytest.mark.filterwarnings("ignore:No climatology")
@pytest.mark.parametrize("chunks", [None, {"time": 50}])
@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_verbs(land, fitted, verb, chunks):
    parts = [ds if chunks is None else ds.chunk(chunks) for ds in (land, swapped(land))]
    told, found = (verb(part, fitted).compute() for part in parts)
    xr.testing.assert_allclose(found, told, rtol=1e-12)


def test_a_profile(small_profile):
    """The residual of big-endian water content was -3e65 a day."""
    ds = small_profile.isel(time=slice(0, 5), longitude=slice(3, 6))
    told = xsm.richards_residual(ds)
    assert float(abs(told["residual"]).max()) > 0
    xr.testing.assert_equal(xsm.richards_residual(swapped(ds)), told)


def test_native_data_are_themselves_and_lazy_ones_stay_so(land, no_compute):
    stations = land.assign_coords(latitude=pd.CategoricalIndex(["a", "b"]))
    assert native(land) is land
    assert native(stations) is stations
    lazy = swapped(land).chunk()
    with no_compute():
        assert native(lazy)["tp"].chunks is not None
    assert native(swapped(land))["latitude"].dtype == np.float64
