"""What richards_residual refuses, and what it says then."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import xsm
from tests.hydrology.soil.columns import LOAM, SHAPE, STEPS, columns
from xsm.exceptions import GridError, MissingVariableError, UnitsError, UnknownNameError


def test_missing_parameters_say_what_to_type():
    ds = columns().drop_vars("vg_n")
    with pytest.raises(
        MissingVariableError, match=r"vg_n[\s\S]*parameters=xsm.soil_parameters\(ds\)"
    ):
        xsm.richards_residual(ds)
    with pytest.raises(MissingVariableError, match="parameters= holds not all"):
        xsm.richards_residual(ds, parameters=ds[["vg_alpha"]])
    with pytest.raises(MissingVariableError, match="parameters='rosetta' was given; a Dataset"):
        xsm.richards_residual(ds, parameters="rosetta")
    ds = columns()
    ds["vg_alpha"].attrs.pop("units")
    with pytest.raises(UnitsError, match=r"'vg_alpha' has no units[\s\S]*xsm.soil_parameters"):
        xsm.richards_residual(ds)


def test_an_uptake_that_cannot_be_used_is_not_passed_over():
    ds = columns(uptake=np.zeros((STEPS, 5, *SHAPE)))
    ds["root_water_uptake"].attrs["units"] = "m2"
    with pytest.raises(UnitsError, match="'root_water_uptake' in 'm2'"):
        xsm.richards_residual(ds)
    assert xsm.richards_residual(ds, terms=[]).attrs["terms"] == ""


def test_missing_soil_moisture_and_units():
    with pytest.raises(MissingVariableError, match="soil_moisture: not found"):
        xsm.richards_residual(columns().drop_vars("theta"))
    ds = columns()
    ds["theta"].attrs["units"] = "degC"
    with pytest.raises(UnitsError, match="'theta' in 'degC'"):
        xsm.richards_residual(ds)
    with pytest.raises(MissingVariableError, match="precipitation: not found"):
        xsm.richards_residual(columns().drop_vars("tp"), quiet=0.1)


def test_depths_that_are_not_known():
    ds = columns().drop_vars(["depth", "depth_bnds"])
    with pytest.raises(GridError, match=r'6 edges in m, ds\["theta"\].attrs\["layer_edges_m"\]'):
        xsm.richards_residual(ds)
    bare = columns().drop_vars("depth_bnds")
    bare["depth"].attrs = {}
    with pytest.raises(GridError, match=r'or the depths their units: ds\["depth"\]'):
        xsm.richards_residual(bare)


def test_layers_with_gaps_and_too_few_layers():
    with pytest.raises(GridError, match=r"do not touch: 0.05-0.15, 0.25-0.35"):
        xsm.richards_residual(columns().isel(depth=[0, 2, 4]))
    with pytest.raises(GridError, match=r"has 2 layer\(s\); an equation needs one with neighbours"):
        xsm.richards_residual(columns().isel(depth=[0, 1]))
    two = xsm.richards_residual(columns().isel(depth=[0, 1]), bottom="free_drainage")
    assert two["residual"].isel(depth=1, time=1).notnull().all()


def test_parameters_at_other_depths():
    ds = columns()
    maps_by_depth = {n: ds[n].expand_dims(z=[0.1, 0.2]) for n in LOAM}
    horizons = xr.Dataset(maps_by_depth)
    horizons["z"].attrs = {"units": "m", "axis": "Z"}
    with pytest.raises(
        GridError, match=r"No layer of theta_r holds the depths \[0.3, 0.4, 0.5\] m"
    ):
        xsm.richards_residual(ds, parameters=horizons)
    horizons["z"].attrs.pop("units")
    with pytest.raises(
        GridError, match=r"layers of theta_r, 'theta_r', are not known. Give 3 edges"
    ):
        xsm.richards_residual(ds, parameters=horizons)


def test_irregular_time():
    with pytest.raises(GridError, match="is irregular"):
        xsm.richards_residual(columns().isel(time=[0, 1, 3, 4]))


def test_other_grids_and_further_dimensions():
    ds = columns()
    other = ds[list(LOAM)].isel(latitude=[0, 1])
    with pytest.raises(GridError, match="lie on different coordinates"):
        xsm.richards_residual(ds.drop_vars(LOAM), parameters=other)
    many = ds[list(LOAM)].expand_dims(member=3)
    with pytest.raises(GridError, match=r"varies along \['member'\].*\.isel\(member=0\)"):
        xsm.richards_residual(ds.drop_vars(LOAM), parameters=many)
    many = many.rename(member="sample")
    with pytest.raises(GridError, match=r"along 'sample' \(3\).*not taken for space.*sample=0"):
        xsm.richards_residual(ds.drop_vars(LOAM), parameters=many)


def test_names_that_do_not_exist():
    ds = columns()
    with pytest.raises(UnknownNameError, match=r"face='geometri' was given. Did you mean"):
        xsm.richards_residual(ds, face="geometri")
    with pytest.raises(UnknownNameError, match="bottom='closed' was given"):
        xsm.richards_residual(ds, bottom="closed")
    with pytest.raises(
        UnknownNameError, match=r"term 'drain' does not exist. Did you mean 'drainage'"
    ):
        xsm.richards_residual(ds, terms=["drain"])
    with pytest.raises(UnknownNameError, match="are one sink; take one of them"):
        xsm.richards_residual(ds, terms=["root_water_uptake", "evaporation"])


def test_terms_that_do_not_fit():
    ds = columns(uptake=np.zeros((STEPS, 5, *SHAPE)))
    ds["infiltration"] = ("time", np.zeros(STEPS), {"units": "mm day-1"})
    ds["et"] = ("time", np.zeros(STEPS), {"units": "mm day-1"})
    with pytest.raises(GridError, match=r"profile begins at 0.05 m. Leave"):
        xsm.richards_residual(ds, terms=["infiltration"])
    for roots in (None, 1.5, [0.5, 0.5], [0.9, 0.9, 0, 0, 0]):
        with pytest.raises(GridError, match='the term "evaporation" needs the share of the roots'):
            xsm.richards_residual(ds, terms=["evaporation"], roots=roots)
    ds["root_water_uptake"].attrs["layer_edges_m"] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    with pytest.raises(
        GridError, match=r"root_water_uptake has layers with faces at .* xsm.to_depths"
    ):
        xsm.richards_residual(ds)


def test_fluxes_at_other_depths():
    ds = columns()
    dims = ("time", "face")
    ds["soil_water_flux"] = (dims, np.zeros((STEPS, 2)), {"units": "mm day-1"})
    with pytest.raises(GridError, match="needs a dimension of depths with units of length"):
        xsm.richards_residual(ds, terms=["soil_water_flux"])
    ds["face"] = ("face", [0.07, 0.12], {"units": "m", "axis": "Z"})
    with pytest.raises(GridError, match=r"is known at \[0.07, 0.12\] m.*none in common"):
        xsm.richards_residual(ds, terms=["soil_water_flux"])
