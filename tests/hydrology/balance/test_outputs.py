"""What of the balance is made, and how: chosen outputs, units that change in the scan."""

import numpy as np
import pytest
import xarray as xr

import xsm
from tests.hydrology.balance.test_balance import land
from xsm.data.reading import read
from xsm.exceptions import MissingVariableError, UnitsError, UnknownNameError
from xsm.hydrology.balance.chunks import Plan


@pytest.mark.parametrize("chunks", [None, {"time": 7, "latitude": 2}])
def test_only_what_is_asked_for_is_made(chunks):
    ds = land() if chunks is None else land().chunk(chunks)
    whole = xsm.water_balance(land())
    for names in (["inflow_trend_filtered"], ["previous_observation", "inflow"]):
        found = ds.physm.water_balance(outputs=names)
        assert list(found) == names
        xr.testing.assert_identical(found.compute(), whole[names])


@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        (["trend"], "output 'trend' does not exist. Choose from 'inflow', 'inflow_trend'"),
        ([], "outputs is empty. Choose from 'inflow'"),
    ],
)
def test_outputs_that_do_not_exist(outputs, text):
    with pytest.raises(UnknownNameError, match=text):
        xsm.water_balance(land(), outputs=outputs)


def test_what_observations_make_needs_observations():
    dry = land().drop_vars(["swvl1", "swvl2", "swvl3", "swvl4"])
    with pytest.raises(MissingVariableError, match="soil_moisture: not found"):
        xsm.water_balance(dry, outputs=["inflow_trend_filtered"])


# ERA5-Land's documentation (ECMWF) has metres; GLDAS-2.1 Noah's README (NASA GES DISC) has
# kg m-2 s-1; mHM's manual (UFZ) has mm per step.
@pytest.mark.parametrize(
    ("units", "each"), [("m", 1e-3), ("kg m-2 s-1", 1 / 86400), ("mm day-1", 1.0)]
)
@pytest.mark.parametrize("chunks", [None, {"latitude": 2}])
def test_units_of_the_file_give_the_balance_of_canonical_ones(units, each, chunks):
    ds = land(np.float64, seed=2)
    wet = xsm.water_balance(ds)
    for name in ("tp", "sro"):
        ds[name] = (1000 * each * ds[name]).assign_attrs(units=units)
    named = {"precipitation": "tp", "surface_runoff": "sro"}
    found = xsm.water_balance(ds if chunks is None else ds.chunk(chunks), variables=named)
    np.testing.assert_allclose(found["inflow"], wet["inflow"], rtol=1e-12, atol=1e-9)


def test_a_lazy_scan_reads_what_the_file_holds(monkeypatch):
    seen = []
    look = Plan.__init__
    monkeypatch.setattr(Plan, "__init__", lambda self, **k: (seen.append(k), look(self, **k))[1])
    found = xsm.water_balance(land(np.float32).chunk(latitude=2))
    assert seen[0]["factors"] == (1000.0, -1000.0, 1000.0, 1000.0, 1.0)
    names = {layer.split("-")[0] for layer in found["inflow"].__dask_graph__().layers}
    assert not names & {"mul", "add"}  # no pass of its own for units


def test_integers_and_temperatures_are_converted_before():
    packed = land()["tp"].copy(data=np.ones((40, 5, 6), np.int16))
    reading = read(land().assign(tp=packed, t2m=packed.astype("f4").assign_attrs(units="degC")))
    array, factor = reading.scaled("air_temperature")
    assert (float(array[0, 0, 0]), factor) == (pytest.approx(274.15), 1.0)
    array, factor = reading.scaled("precipitation")
    assert (array.dtype, float(array[0, 0, 0]), factor) == (np.float32, 1000.0, 1.0)
    array, factor = reading.scaled("surface_runoff")
    assert factor == 1000.0
    assert (array.name, array.attrs["units"]) == ("surface_runoff", "mm day-1")
    np.testing.assert_array_equal(array * factor, 1000 * land()["sro"])


def test_fill_values_are_told_in_units_of_the_file():
    ds = land()
    ds["tp"][33, 3, 3] = -9999.0
    lazy = ds.chunk(time=1, latitude=1, longitude=1)
    with pytest.raises(UnitsError, match=r"'tp' that were computed now are -9999, .*> -8999.1"):
        xsm.water_balance(lazy, terms=["precipitation"])["inflow"][33:34, 3, 3].compute()
