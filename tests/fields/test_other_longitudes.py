"""Covariates, truth and forcing whose longitudes begin elsewhere, or that lie on other cells."""

from __future__ import annotations

import re

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.exceptions import GridError

MONTHS = xr.date_range("2003-01-01", periods=24, freq="MS")
LAT, LON = np.arange(-75.0, 90, 30), np.arange(15.0, 360, 30)
FINE = {"lat": np.arange(-82.5, 90, 15), "lon": np.arange(7.5, 360, 15)}
RANDOM = np.random.default_rng(0)


def fine() -> xr.DataArray:
    values = RANDOM.normal(size=(24, 12, 24))
    return xr.DataArray(values, {"time": MONTHS, **FINE}, ("time", "lat", "lon"), name="tws")


def west(array: xr.DataArray) -> xr.DataArray:
    """Return the same cells from -180 to 180."""
    return array.assign_coords(lon=(array["lon"] + 180) % 360 - 180).sortby("lon")


@pytest.fixture
def coarse() -> xr.DataArray:
    values = RANDOM.normal(size=(24, 6, 12))
    axes = {"time": MONTHS, "lat": LAT, "lon": LON}
    array = xr.DataArray(values, axes, ("time", "lat", "lon"), name="tws")
    return array.assign_attrs(units="cm")


def test_truth_of_another_convention_teaches_the_same(coarse):
    truth = fine().assign_attrs(units="cm")
    one, other = (
        coarse.physm.downscale(2, model="cell_regression", truth=t)["tws"]
        for t in (truth, west(truth))
    )
    xr.testing.assert_identical(one, other)
    assert not one.isnull().any()


def test_covariates_of_another_convention_predict_the_same(coarse):
    rain = abs(fine()).rename("tp").assign_attrs(units="mm day-1")
    few = {"hidden": 4, "widths": (4, 8), "epochs": 1, "iterations": 2, "progress": False}
    found = []
    for covariates in (rain.to_dataset(), west(rain).to_dataset()):
        fitted = coarse.physm.fit("convlstm_unet", factor=2, covariates=covariates, **few)
        found.append(fitted.downscale(coarse.to_dataset(), covariates=covariates)["tws"])
    np.testing.assert_allclose(*found, rtol=1e-5)
    assert not found[0].isnull().any()


def test_a_truth_of_other_cells_is_brought_to_them_by_the_line_of_the_message(coarse):
    truth = fine().assign_attrs(units="cm")
    truth = truth.assign_coords(lon=truth["lon"] + 7.5)
    with pytest.raises(GridError, match=r"misaligned.*truth = xsm\.regrid\(truth, ds\.") as error:
        coarse.physm.downscale(2, model="cell_regression", truth=truth)
    line = re.search(r"truth = (xsm\.regrid\(.*\))\.$", str(error.value))[1]
    moved = eval(line, {"xsm": xsm, "truth": truth, "ds": coarse.to_dataset()})
    np.testing.assert_allclose(moved.isel(lon=1), truth.isel(lon=[0, 1]).mean("lon"))
    found = coarse.physm.downscale(2, model="cell_regression", truth=moved)["tws"]
    assert not found.isnull().any()


def test_forcing_of_another_convention_is_brought_by_the_line_of_the_message(coarse):
    forcing = west(abs(coarse).rename("tp").assign_attrs(units="mm day-1")).to_dataset()
    with pytest.raises(GridError, match=r"forcing = xsm\.regrid\(forcing, array\)") as error:
        coarse.physm.consistency(forcing=forcing)
    line = re.search(r"forcing = (xsm\.regrid\(.*\))\.$", str(error.value))[1]
    moved = eval(line, {"xsm": xsm, "forcing": forcing, "array": coarse})
    np.testing.assert_allclose(moved["tp"], abs(coarse))
