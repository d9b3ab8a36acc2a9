"""Hydraulic functions against the papers' equations and tables, limits, inverses, differences."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from xsm.exceptions import UnknownNameError
from xsm.physics import retention, retention_torch
from xsm.physics.curves import DRIEST, DRY, WET, curve_at, curve_of
from xsm.physics.retention import Hydraulics, clapp_hornberger

# Carsel and Parrish (1988): theta_r, theta_s, alpha (m-1), n, k_sat (m day-1).
SAND = Hydraulics(0.045, 0.43, 14.5, 2.68, 7.128)
CLAY_LOAM = Hydraulics(0.095, 0.41, 1.9, 1.31, 0.0624)
CLAY = Hydraulics(0.068, 0.38, 0.8, 1.09, 0.048)
STRETCHED = replace(CLAY, entry=0.02)
SANDSTONE = Hydraulics(0.153, 0.250, 0.79, 10.4, 1.08)  # Hygiene sandstone, van Genuchten (1980)
LOAM = clapp_hornberger(0.451, 0.478, 5.39, 0.6)
HEAVY = clapp_hornberger(0.482, 0.405, 11.4, 0.11)
GARDNER = Hydraulics(0.06, 0.40, 10.0, 0.0, 0.24, model="gardner")
SOILS = {
    "sand": SAND,
    "clay loam": CLAY_LOAM,
    "clay": CLAY,
    "clay with air entry": STRETCHED,
    "sandstone": SANDSTONE,
    "loam": LOAM,
    "heavy": HEAVY,
    "gardner": GARDNER,
}
NUMBERS = [field.name for field in fields(Hydraulics) if field.name != "model"]
HEADS = -np.geomspace(0.003, 150.0, 200)


@pytest.fixture(params=SOILS.values(), ids=SOILS.keys())
def soil(request):
    return request.param


def entry_of(soil):
    """Return the suction below which a soil stays saturated."""
    return 1.0 / soil.alpha if soil.model == "brooks_corey" else soil.entry


def saturation_of(theta, soil):
    return (theta - soil.theta_r) / (soil.theta_s - soil.theta_r)


def mualem(saturation, soil):
    m = 1 - 1 / soil.shape
    return soil.k_sat * saturation**0.5 * (1 - (1 - saturation ** (1 / m)) ** m) ** 2


def test_equations_of_van_genuchten_written_out():
    for soil in (SAND, CLAY_LOAM, CLAY, SANDSTONE):
        m = 1 - 1 / soil.shape
        saturation = (1 + (soil.alpha * -HEADS) ** soil.shape) ** -m
        clear = saturation < 1 - WET
        theta = soil.theta_r + (soil.theta_s - soil.theta_r) * saturation
        found = retention.water_content(HEADS, soil)
        np.testing.assert_allclose(found[clear], theta[clear], rtol=1e-12)
        np.testing.assert_allclose(found, theta, atol=WET)
        inside = clear & (saturation > 1e-3)
        expected = mualem(saturation, soil)[inside]
        np.testing.assert_allclose(retention.conductivity(HEADS, soil)[inside], expected, rtol=1e-6)
        found = retention.conductivity_of_water(theta, soil)[inside]
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_closed_form_of_van_genuchten_for_m_one_half():
    """Eq. 8, 9 and the example of Fig. 1 and 2 of van Genuchten (1980): half full at 346 cm."""
    soil = Hydraulics(0.10, 0.50, 0.5, 2.0, 1.0)
    assert retention.pressure_head(0.30, soil) == pytest.approx(-math.sqrt(3) / 0.5)
    heads = HEADS[HEADS < -0.1]
    x = 0.5 * -heads
    eq9 = (1 - x * (1 + x**2) ** -0.5) ** 2 / (1 + x**2) ** 0.25
    np.testing.assert_allclose(retention.conductivity(heads, soil), eq9, rtol=1e-6)


def test_air_entry_written_out():
    """Eq. 9 and 11 of Ippisch et al. (2006)."""
    soil, m = STRETCHED, 1 - 1 / STRETCHED.shape
    heads = HEADS[HEADS < -0.1]
    top = (1 + (soil.alpha * soil.entry) ** soil.shape) ** -m
    plain = (1 + (soil.alpha * -heads) ** soil.shape) ** -m
    saturation = plain / top
    pores = [1 - (1 - s ** (1 / m)) ** m for s in (plain, top)]
    found = saturation_of(retention.water_content(heads, soil), soil)
    np.testing.assert_allclose(found, saturation, rtol=1e-12)
    expected = soil.k_sat * np.sqrt(saturation) * (pores[0] / pores[1]) ** 2
    np.testing.assert_allclose(retention.conductivity(heads, soil), expected, rtol=1e-9)
    assert retention.water_content(-0.0199, soil) == soil.theta_s


@pytest.mark.parametrize(
    ("b", "theta_s", "suction", "k_sat", "wilting", "reference"),
    [
        (2.79, 0.339, 0.069, 4.66e-5, 0.010, 0.192),
        (4.74, 0.434, 0.141, 5.23e-6, 0.047, 0.312),
        (5.25, 0.439, 0.355, 3.38e-6, 0.066, 0.329),
        (11.55, 0.468, 0.468, 9.74e-7, 0.138, 0.412),
    ],
    ids=["sand", "sandy loam", "loam", "clay"],
)
def test_table_of_the_noah_land_surface_model(b, theta_s, suction, k_sat, wilting, reference):
    """Its wilting point is half the water at 200 m, its reference a mean with that of 0.5 mm/d.

    Chen, F. and Dudhia, J. (2001). Mon. Wea. Rev. 129:569-585: Clapp-Hornberger curves.
    """
    soil = clapp_hornberger(theta_s, suction, b, k_sat)
    assert 0.5 * retention.water_content(-200.0, soil) == pytest.approx(wilting, abs=5.1e-4)
    theta = np.linspace(0.05, theta_s, 100_000)
    slow = theta[np.searchsorted(retention.conductivity_of_water(theta, soil), 5.79e-9)]
    assert theta_s / 3 + 2 / 3 * slow == pytest.approx(reference, abs=6e-4)


def test_clapp_hornberger_is_their_power_law():
    wetness = np.array([0.9, 0.5, 0.2])
    theta = 0.451 * wetness
    np.testing.assert_allclose(retention.pressure_head(theta, LOAM), -0.478 * wetness**-5.39)
    found = retention.conductivity_of_water(theta, LOAM)
    np.testing.assert_allclose(found, 0.6 * wetness ** (2 * 5.39 + 3))


def test_gardner_is_an_exponential():
    heads = HEADS[-HEADS < 1.2]
    np.testing.assert_allclose(
        retention.conductivity(heads, GARDNER), 0.24 * np.exp(10.0 * heads), rtol=1e-12
    )
    np.testing.assert_allclose(
        saturation_of(retention.water_content(heads, GARDNER), GARDNER), np.exp(10.0 * heads)
    )


def test_inverse_up_to_saturation(soil):
    heads = -np.concatenate([entry_of(soil) * (1 + 1e-6) + np.geomspace(1e-5, 0.01, 30), -HEADS])
    heads = heads[heads < -entry_of(soil)]
    theta = retention.water_content(heads, soil)
    clear = saturation_of(theta, soil) > 1e-5
    assert clear.sum() > 10
    back = retention.pressure_head(theta, soil)
    np.testing.assert_allclose(back[clear], heads[clear], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(
        retention.conductivity(heads, soil)[clear],
        retention.conductivity_of_water(theta, soil)[clear],
        rtol=1e-5,
    )


def test_every_water_content_is_that_of_its_head(soil):
    theta = np.linspace(soil.theta_r, soil.theta_s, 5001)
    back = retention.water_content(retention.pressure_head(theta, soil), soil)
    low = retention.water_content(-DRIEST, soil)
    np.testing.assert_allclose(back, np.maximum(theta, low), atol=2 * DRY)


def test_limits_and_order(soil):
    assert retention.water_content(0.0, soil) == soil.theta_s
    assert retention.water_content(3.0, soil) == soil.theta_s
    assert retention.conductivity_of_water(soil.theta_s, soil) == pytest.approx(soil.k_sat)
    assert retention.conductivity(0.0, soil) == soil.k_sat
    assert retention.capacity(0.0, soil) == 0
    found = retention.pressure_head(soil.theta_s, soil)
    assert found == pytest.approx(-entry_of(soil), abs=1e-12)
    assert retention.water_content(-1e12, soil) >= soil.theta_r
    assert -DRIEST * (1 + 1e-9) <= retention.pressure_head(soil.theta_r, soil) < -1
    for outside in (soil.theta_r - 0.1, soil.theta_s + 0.1):
        nearest = np.clip(outside, soil.theta_r, soil.theta_s)
        for function in (retention.pressure_head, retention.conductivity_of_water):
            assert function(outside, soil) == pytest.approx(function(nearest, soil), abs=1e-9)
    theta = np.linspace(soil.theta_r, soil.theta_s, 10_001)
    assert (np.diff(retention.pressure_head(theta, soil)) >= 0).all()
    assert (np.diff(retention.conductivity_of_water(theta, soil)) >= 0).all()
    fine = -np.geomspace(1e-9, 1e9, 10_001)[::-1]
    assert (np.diff(retention.water_content(fine, soil)) >= 0).all()
    assert (np.diff(retention.conductivity(fine, soil)) >= 0).all()
    assert np.isfinite(retention.capacity(fine, soil)).all()


@given(
    n=st.floats(1.05, 12.0),
    alpha=st.floats(0.1, 20.0),
    entry=st.sampled_from([0.0, 0.02]),
    share=st.floats(0.0, 1.0),
)
def test_all_soils_are_finite_and_within_bounds(n, alpha, entry, share):
    soil = Hydraulics(0.05, 0.45, alpha, n, 1.0, entry=entry)
    theta = 0.05 + 0.4 * share
    head, k = retention.pressure_head(theta, soil), retention.conductivity_of_water(theta, soil)
    assert -DRIEST * 1.001 <= head <= 0.0
    assert 0.0 <= k <= 1.0 + 1e-12
    assert 0.05 <= retention.water_content(head, soil) <= 0.45
    if head > -0.99 * DRIEST and share > DRY:
        assert retention.water_content(head, soil) == pytest.approx(theta, abs=1e-7)


def test_slopes_are_those_of_the_curves(soil):
    heads = HEADS[1.01 * entry_of(soil) < -HEADS]
    if soil.model != "brooks_corey":
        heads = np.append(heads, -entry_of(soil) - 1e-4)
    step = np.minimum(1e-5 * heads, -1e-7)
    upper, lower = (retention.water_content(heads + sign * step, soil) for sign in (1, -1))
    found = retention.capacity(heads, soil)
    np.testing.assert_allclose(found, (upper - lower) / (2 * step), rtol=1e-5, atol=1e-8)
    code, curve = soil.code, curve_of(soil.code, soil.alpha, soil.shape, soil.entry)
    upper, lower = (
        np.array([curve_at(code, h, curve)[2] for h in heads + sign * step]) for sign in (1, -1)
    )
    found = np.array([curve_at(code, h, curve)[3] for h in heads])
    np.testing.assert_allclose(found, (upper - lower) / (2 * step), rtol=1e-5, atol=1e-8)


def test_missing_values_and_shapes(soil):
    head = np.array([[-1.0, np.nan, 0.0], [-2.0, -0.5, -1e-9]])
    each = {name: np.array([getattr(soil, name)] * 2 + [np.nan]) for name in NUMBERS}
    gone = replace(soil, **each)
    for name in ("water_content", "pressure_head", "conductivity_of_water"):
        values = head if name == "water_content" else -head / 4
        found = getattr(retention, name)(values, gone)
        assert found.dtype == np.float64
        np.testing.assert_array_equal(np.isnan(found), [[0, 1, 1], [0, 0, 1]])


NAMES = {
    "water_content": "water_content",
    "capacity": "capacity",
    "pressure_head": "pressure_head",
    "conductivity_of_water": "log_conductivity",
}


def arguments(name, soil):
    """Return values that cover all of a function's range, both ends too."""
    if name in {"water_content", "capacity"}:
        return np.concatenate([HEADS, [0.0, 1.0, -1e4, -1e-5, -0.0200001]])
    inside = np.linspace(soil.theta_r, soil.theta_s, 101)
    return np.concatenate([inside, soil.theta_s - np.geomspace(1e-6, 1e-4, 10) / 4])


def on_tensors(name, values, soil):
    found = getattr(retention_torch, NAMES[name])(values, soil)
    return found.exp() if name == "conductivity_of_water" else found


@pytest.mark.parametrize("name", NAMES)
def test_tensors_give_the_same(name, soil):
    values = arguments(name, soil)
    expected = getattr(retention, name)(values, soil)
    found = on_tensors(name, torch.as_tensor(values), soil)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6, atol=1e-12)
    single = on_tensors(name, torch.as_tensor(values).float(), soil)
    assert single.dtype == torch.float32
    if name == "pressure_head":  # in dry soil the rounding of theta, 3e-8, is a meter and more
        clear = saturation_of(values, soil) > 0.02
        np.testing.assert_allclose(single.numpy()[clear], expected[clear], rtol=2e-3, atol=5e-4)
    elif name != "capacity":  # whose ends are steps
        np.testing.assert_allclose(single.numpy(), expected, rtol=2e-3, atol=1e-3 * expected.max())


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_the_function(name, soil):
    if name in {"water_content", "capacity"}:
        values = -np.array([0.03, 0.9, 3.0, 40.0])
    else:
        values = soil.theta_r + (soil.theta_s - soil.theta_r) * np.array([0.5, 0.7, 0.9, 0.99])
    given_ = [torch.tensor(values, requires_grad=True)]
    learned = [n for n in NUMBERS if n != "entry"]
    given_ += [
        torch.tensor([float(getattr(soil, n))], dtype=torch.float64, requires_grad=True)
        for n in learned
    ]

    def used(x, *parameters):
        return on_tensors(name, x, replace(soil, **dict(zip(learned, parameters, strict=True))))

    assert torch.autograd.gradcheck(used, given_, eps=1e-7, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_finite_at_both_ends_and_beyond(name, dtype, soil):
    if name in {"water_content", "capacity"}:
        ends = [-1e30, -1e5, -1e-3, -1e-6, -1e-13, 0.0, 5.0]
    else:
        near = [soil.theta_r + 1e-7, soil.theta_s - 1e-7]
        ends = [soil.theta_r, soil.theta_s, *near, soil.theta_r - 0.1, soil.theta_s + 0.1]
    values = torch.tensor(ends, dtype=dtype, requires_grad=True)
    parameters = {
        n: torch.tensor(getattr(soil, n), dtype=dtype, requires_grad=True) for n in NUMBERS
    }
    found = getattr(retention_torch, NAMES[name])(values, replace(soil, **parameters))
    assert torch.isfinite(found).all()
    found.sum().backward()
    for tensor in (values, *parameters.values()):
        assert tensor.grad is None or torch.isfinite(tensor.grad).all()


def test_saturated_soil_has_a_slope_to_learn_from(soil):
    theta = torch.tensor([soil.theta_s], dtype=torch.float64, requires_grad=True)
    retention_torch.log_conductivity(theta, soil).sum().backward()
    assert theta.grad.item() > 0


def test_unknown_models_are_refused():
    with pytest.raises(UnknownNameError, match=r"model='brooks'.*'brooks_corey'"):
        Hydraulics(0.1, 0.4, 1.0, 2.0, 1.0, model="brooks")
