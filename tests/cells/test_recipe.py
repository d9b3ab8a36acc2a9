"""What is faulty is told, and never taken for what is not there."""

from __future__ import annotations

import pytest

import xsm
from xsm.exceptions import UnitsError

SMALL = {"epochs": 1, "iterations": 2, "hidden_size": 4, "progress": False}


@pytest.fixture(scope="module")
def land():
    part = {"latitude": slice(0, 2), "longitude": slice(18, 20), "time": slice(0, 100)}
    return xsm.open_tutorial("land").isel(part)


def spoilt(ds, name):
    return ds.assign({name: ds[name].assign_attrs(units="furlong")})


def test_a_static_map_that_cannot_be_used_is_named(land):
    with pytest.warns(UserWarning, match="Static maps are left out of the inputs.*sand: found as"):
        fitted = spoilt(land, "sand").physm.fit("lstm", **SMALL)
    assert "sand" not in fitted.recipe.static
    assert "clay" in fitted.recipe.static
    named = spoilt(land, "sand").physm.fit("lstm", static=["clay"], **SMALL)  # nothing is said
    assert named.recipe.static == ("clay",)


@pytest.mark.parametrize(
    ("part", "role"), [("d2m", "specific_humidity"), ("u10", "wind_speed"), ("sp", "specific_hum")]
)
def test_a_faulty_part_of_what_is_derived_is_no_missing_input(land, part, role):
    with pytest.raises(
        UnitsError, match=rf"{role}\w*: made of .*of which some are faulty. .*{part}"
    ):
        spoilt(land, part).physm.fit("lstm", **SMALL)


def test_density_that_cannot_be_used_is_told():
    """Rosetta knows soils without it; a faulty one must not be taken for none."""
    pytest.importorskip("rosetta")
    ds = xsm.open_tutorial("land").isel(latitude=slice(0, 2), longitude=slice(18, 20), time=0)
    with pytest.raises(UnitsError, match="bulk_density"):
        xsm.soil_parameters(spoilt(ds, "bulk_density"), method="rosetta")


def test_snow_that_cannot_be_used_is_told(small_profile):
    """Quiet steps know what snow keeps; a faulty one must not be taken for none."""
    ds = small_profile.isel(time=slice(0, 6))
    snow = (ds["tp"] * 0.0).assign_attrs(units="K")
    with pytest.raises(UnitsError, match="snow_water_equivalent"):
        xsm.richards_residual(ds.assign(sd=snow), quiet=1.0)
