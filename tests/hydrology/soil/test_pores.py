"""Pores of the layers of an account: each layer has those of the horizon its centre lies in."""

import numpy as np
import pytest
import xarray as xr

from xsm.data.reading import read
from xsm.exceptions import GridError, MissingVariableError
from xsm.hydrology.soil.pores import with_pores

EDGES = [0.0, 0.2, 0.6]


def soil(**attrs: object) -> xr.Dataset:
    values = np.array([[0.40, 0.42], [0.50, 0.52]], np.float32)
    made = xr.DataArray(values, dims=("soil_layer", "cell"), attrs={"units": "m3 m-3", **attrs})
    return xr.Dataset({"theta_sat": made})  # the name of mHM's restart files


def test_a_layer_has_the_pores_of_its_horizon_and_the_lowest_reach_on():
    reading, names = with_pores(read(soil(layer_edges_m=EDGES)), (0.1, 0.5, 1.0, 2.0))
    assert names == ("pores_1", "pores_2", "pores_3", "pores_4")
    first = [float(reading.array(name)[0]) for name in names]
    np.testing.assert_allclose(first, [0.40, 0.50, 0.50, 0.50])
    assert reading.array("pores_2").dims == ("cell",)
    again, _ = with_pores(reading, (0.1, 0.5, 1.0, 2.0))
    assert again is reading


def test_percent_become_shares_and_laziness_stays():
    """Porosity in percent, as of HWSD: one map that holds for all depths."""
    ds = xr.Dataset({"porosity": ("cell", np.array([40.0, 50.0]), {"units": "percent"})}).chunk()
    reading, names = with_pores(read(ds), (0.1, 1.0))
    arrays = [reading.array(name) for name in names]
    assert all(array.chunks is not None for array in arrays)
    for array in arrays:
        np.testing.assert_allclose(array, [0.4, 0.5])


def test_what_is_missing_is_told():
    with pytest.raises(GridError, match=r"depths of the layers of theta_s.*layer_edges_m"):
        with_pores(read(soil()), (0.1,))
    with pytest.raises(MissingVariableError, match="theta_s: not found"):
        with_pores(read(soil().drop_vars("theta_sat")), (0.1,))
