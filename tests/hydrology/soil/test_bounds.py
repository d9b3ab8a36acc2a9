"""Water beyond the pores is told, where the equation says nothing."""

from __future__ import annotations

import pytest

import xsm


@pytest.fixture
def profile(small_profile):
    return small_profile.isel(time=slice(0, 6))


def soaked(ds):
    """Return a profile with a day of percent that was read as a fraction."""
    name = next(str(n) for n in ds.data_vars if "depth" in ds[n].dims and "time" in ds[n].dims)
    return name, ds.assign({name: ds[name].where(ds["time"] != ds["time"][3], 0.9)})


def test_a_residual_and_an_audit_tell_of_water_beyond_saturation(profile, no_compute):
    name, wet = soaked(profile)
    with pytest.warns(UserWarning, match=r"values of soil moisture \(\d+.\d%\) lie beyond theta_r"):
        xsm.richards_residual(wet)
    with pytest.warns(UserWarning, match="Check its units and the parameters"):
        found = profile.physm.consistency(wet[[name]], law="richards")
    assert float(found["out_of_range"].max()) > 0
    with no_compute():  # what is lazy is not read for a warning
        xsm.richards_residual(wet.chunk())


def test_water_within_the_pores_is_not_talked_of(profile):
    xsm.richards_residual(profile)
