"""The simulated profile: every budget closes, the physics is what it says, seeds repeat."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.exceptions import NotEnoughDataError
from xsm.synthetic import profile_world, tutorial
from xsm.synthetic.profile import EDGES

KNOWN = ["soil_water_flux", "root_water_uptake"]


@pytest.fixture
def world(small_profile) -> xr.Dataset:
    return small_profile


def test_every_layer_closes_to_rounding(world):
    gain = 100 * world["theta"].diff("time")  # mm in 0.1 m
    flow = -world["soil_water_flux"].diff("depth_interface").rename(depth_interface="depth")
    inflow = flow.drop_vars("depth") - world["root_water_uptake"].drop_vars("depth")
    rest = gain.drop_vars("depth") - inflow.isel(time=slice(1, None))
    assert float(abs(rest).max()) < 1e-10
    assert int(rest.notnull().sum()) == 364 * 5 * int(world["theta_s"].notnull().sum())


def test_the_residual_with_its_own_fluxes_is_nothing_and_without_them_is_something(world):
    closed = xsm.richards_residual(world, terms=KNOWN)
    assert float(abs(closed["residual"]).max()) < 1e-12
    audit = xsm.consistency(world, law="richards", dim=["time", "latitude", "longitude"])
    quiet = xsm.consistency(world, law="richards", dim=["time", "latitude", "longitude"], quiet=0.1)
    inner = {"depth": slice(1, 4)}
    assert bool((audit["inconsistency"][inner] > 5e-4).all())
    # days without rain are resolved by daily steps, days with rain are not
    assert bool((quiet["inconsistency"][inner] < 0.6 * audit["inconsistency"][inner]).all())
    assert bool((audit["out_of_range"] == 0).all())


def test_water_that_falls_leaves_or_stays(world):
    into = 1000 * (world["tp"] + world["e"] - world["sro"]) - world["drainage"]
    stored = (world["column_water"] + 1000 * world["sd"]).diff("time")
    rest = stored - into.isel(time=slice(1, None))
    assert float(abs(rest).max()) < 1e-9
    assert int(rest.notnull().sum()) == 364 * int(world["theta_s"].notnull().sum())


def test_water_of_the_column_is_no_layer(world):
    found = xsm.to_depths(world, [(0.05, 0.25), (0.25, 0.55)])
    xr.testing.assert_identical(found["column_water"], world["column_water"])
    above = (world["theta"] * world["depth_bnds"].diff("bnds").squeeze("bnds")).isel(depth=[0, 1])
    mean = above.sum("depth", skipna=False) / 0.2
    np.testing.assert_allclose(found["soil_moisture"].isel(depth=0), mean, rtol=1e-6)
    assert "standard_name" not in world["column_water"].attrs


def test_water_keeps_between_its_bounds_and_the_maps_are_those_of_its_texture(world):
    land = world["theta_s"].notnull()
    assert bool((world["theta"] > world["theta_r"]).where(land, other=True).all())
    assert float((world["theta"] - world["theta_s"]).max()) < 1e-5
    soil = xsm.soil_parameters(world, method="texture_class")
    for name in ("theta_r", "theta_s", "vg_alpha", "vg_n", "k_sat"):
        np.testing.assert_allclose(world[name], soil[name])
    np.testing.assert_array_equal(world["texture_class"], xsm.texture_class(world))
    assert int(np.unique(world["texture_class"].values[land.values]).size) > 1


def test_the_sea_is_blank_everywhere_and_the_land_nowhere(world):
    land = world["theta_s"].notnull()
    assert 0 < int(land.sum()) < land.size
    for name, array in world.data_vars.items():
        assert bool((array.notnull() == land).all()), name


def test_variables_are_found_without_help(world):
    table = xsm.variables(world)
    assert not table.problems
    assert [v.depth for v in table.layers()] == [
        (0.05, 0.15),
        (0.15, 0.25),
        (0.25, 0.35),
        (0.35, 0.45),
        (0.45, 0.55),
    ]
    assert {"air_entry", "root_water_uptake", "soil_water_flux", "drainage"} <= set(table.roles)
    assert set(np.round(world["depth_interface"].values, 6)) <= set(np.round(EDGES, 6))


def test_one_seed_is_one_world_and_the_tutorial_opens_it(monkeypatch):
    def make(*, seed: int) -> xr.Dataset:
        return profile_world(years=1, shape=(2, 2), seed=seed)

    monkeypatch.setitem(tutorial._WORLDS, "profile", make)
    lazy = xsm.open_tutorial("profile", chunks={"time": 100}, seed=2)
    assert lazy["theta"].chunks is not None
    xr.testing.assert_identical(lazy.compute(), make(seed=2))


def test_too_small_a_world_is_refused():
    with pytest.raises(NotEnoughDataError, match="years=0 was given"):
        profile_world(years=0)
