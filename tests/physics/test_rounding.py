"""What rounding leaves of a difference is none: signs of the balance do not hang on it."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from xsm.physics.infiltration import monthly_anomaly
from xsm.physics.retention import Hydraulics
from xsm.physics.richards import richards_residual
from xsm.physics.rounding import ROUNDING, native_floats, significant
from xsm.physics.water_balance import inflow_trend

KINDS = ["f4", "f8"]


def test_a_difference_counts_from_four_steps_of_float32_on():
    sizes = np.array([1.0, -1.0, 1e5, 1e-5])
    small, large = 0.9 * ROUNDING * sizes, 1.1 * ROUNDING * sizes
    assert not significant(small, sizes).any()
    np.testing.assert_array_equal(significant(large, sizes), large)
    assert np.isnan(significant(np.nan, 1.0))
    lazy = significant(xr.DataArray(small).chunk(), 1.0 * sizes)
    assert lazy.chunks is not None
    assert not lazy.any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("trend", ["change", "level"])
def test_the_same_inflow_by_two_ways_is_no_change(kind, trend):
    """0.3 - 0.2 and 0.7 - 0.6 mm are 0.1 mm, but not as binary numbers; 0.1 + 0.2 - 0.3 is none."""
    rain = np.array([0.3, 0.7, 0.8, 0.4]).astype(kind)
    out = rain - np.array(0.1 if trend == "change" else 0.0, kind)
    runoff = (out / 3).astype(kind)
    evaporation = (out - runoff).astype(kind)
    fluxes = {"precipitation": rain, "evaporation": evaporation, "surface_runoff": runoff}
    found = inflow_trend(**fluxes, outputs=("trend",), trend=trend)["trend"]
    assert (found[1:] == 0).all()


@pytest.mark.parametrize("unit", [1.0, 1 / 3, 1000 / 7])
@pytest.mark.parametrize("kind", KINDS)
def test_trends_do_not_depend_on_the_unit_that_water_was_stored_in(kind, unit):
    rng = np.random.default_rng(0)
    rain = np.round(rng.gamma(0.4, 5.0, (400, 3)), 1)  # gauges tell tenths: many equal days
    lost = np.round(rng.uniform(0, 3, (400, 3)), 1)
    exact = np.sign(np.round(np.diff(10 * rain, axis=0) - np.diff(10 * lost, axis=0)))
    stored = [(a / unit).astype(kind) * np.array(unit, kind) for a in (rain, lost)]
    found = inflow_trend(precipitation=stored[0], evaporation=stored[1], outputs=("trend",))
    np.testing.assert_array_equal(found["trend"][1:], exact)


@pytest.mark.parametrize("kind", KINDS)
def test_soil_that_stays_but_for_rounding_filters_nothing(kind):
    rain = np.array([0.0, 5.0, 9.0], kind)
    soil = np.array([0.3, 0.3, 0.3], kind)
    soil[1:] = np.nextafter(soil[0], np.array(0, kind))
    found = inflow_trend(precipitation=rain, observed=soil, outputs=("filtered",))["filtered"]
    assert found.tolist()[1:] == [1.0, 1.0]


def test_a_change_that_is_real_keeps_its_sign():
    rain = np.array([10.0, 10.001, 10.0])
    assert inflow_trend(precipitation=rain, outputs=("trend",))["trend"].tolist()[1:] == [1, -1]


def test_infiltration_that_never_changes_has_no_anomaly():
    values = np.full((30, 2), 0.1) * 3
    assert not monthly_anomaly(values, np.tile([1, 2, 3], 10), slice(0, 20)).any()


@pytest.mark.parametrize("kind", ["f4", "f8", "i4", "f2"])
def test_the_other_byte_order_is_the_same_number(kind):
    values = np.array([1, 2, 3], np.dtype(kind).newbyteorder())
    found = native_floats(values)
    assert found.dtype in (np.float32, np.float64)
    assert found.dtype.isnative
    assert found.tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("kind", ["?", "u1", "i2", "i8", "f8", ">f8"])
def test_what_is_no_short_float_is_double(kind):
    assert native_floats(np.ones(3, kind)).dtype == np.float64


@pytest.mark.parametrize("kind", KINDS)
def test_a_profile_of_swapped_bytes_has_the_same_residual(kind):
    theta = np.random.default_rng(0).uniform(0.1, 0.4, (5, 3, 4)).astype(kind)
    loam, grid = Hydraulics(0.078, 0.43, 3.6, 1.56, 0.25), {"centres": [0.1, 0.3, 0.5]}
    swapped = theta.astype(theta.dtype.newbyteorder())
    own, other = (richards_residual(a, loam, thickness=[0.2] * 3, **grid) for a in (theta, swapped))
    np.testing.assert_array_equal(own[0], other[0])
