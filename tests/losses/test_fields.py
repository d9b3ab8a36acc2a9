"""Loss terms of fields, by hand and by their limits."""

import math

import pytest
import torch

from xsm.losses.fields import InfiltrationCorrelation, InfiltrationSign, MassBalance, TotalVariation

ONES = torch.ones(1, 1, 4, 4)


def test_mass_is_weighed_by_area_at_each_scale():
    fine = torch.zeros(1, 1, 4, 4)
    fine[..., 0] = 3.0
    area = ONES.clone()
    area[..., 0] = 0.5
    coarse = torch.zeros(1, 1, 2, 2)
    left = 3 * 0.5 / 1.5  # mean of the left cells
    whole = left * 3 / (3 + 4)  # share of their area
    wanted = (left**2 / 2 + whole**2) / 2
    found = MassBalance(block=4)({"mean": fine}, {"coarse": coarse, "area": area})
    assert float(found) == pytest.approx(wanted)
    cells = MassBalance(block=2)({"mean": fine}, {"coarse": coarse, "area": area})
    assert float(cells) == pytest.approx(left**2 / 2)


def test_mass_of_what_conserves_is_kept_at_every_scale():
    coarse = torch.randn(2, 1, 5, 6)
    fine = coarse.repeat_interleave(4, -1).repeat_interleave(4, -2)
    found = MassBalance()({"mean": fine}, {"coarse": coarse, "area": torch.rand(2, 1, 20, 24)})
    assert float(found) == pytest.approx(0.0, abs=1e-10)


def test_mass_ignores_cells_without_area():
    batch = {"coarse": torch.zeros(1, 1, 2, 2), "area": 0 * ONES}
    assert float(MassBalance()({"mean": ONES}, batch)) == 0.0


def test_signs_agree_or_cost():
    output, valid = {"mean": 2 * ONES}, ONES
    wet = {"previous": ONES, "infiltration": ONES, "valid": valid}
    dry = wet | {"infiltration": -ONES}
    assert float(InfiltrationSign()(output, wet)) == 0.0
    assert float(InfiltrationSign()(output, dry)) == 1.0
    unknown = wet | {"infiltration": ONES * math.nan}
    assert float(InfiltrationSign()(output, unknown)) == 0.0


def test_correlation_of_sizes():
    size = torch.arange(1.0, 17).reshape(1, 1, 4, 4)
    sign = torch.ones(4).cumsum(0) % 2 * 2 - 1
    output = {"mean": size * sign}
    batch = {"previous": 0 * size, "infiltration": -size, "valid": ONES}
    assert float(InfiltrationCorrelation()(output, batch)) == pytest.approx(0.0, abs=1e-6)
    against = batch | {"infiltration": 17 - size}
    assert float(InfiltrationCorrelation()(output, against)) == pytest.approx(2.0, abs=1e-6)
    flat = batch | {"infiltration": ONES}
    assert float(InfiltrationCorrelation()(output, flat)) == pytest.approx(1.0)


def test_variation_of_a_slope_is_its_step_and_the_base_is_free():
    slope = torch.arange(4.0).expand(1, 1, 4, 4)
    batch = {"base": 0 * slope, "valid": ONES}
    assert float(TotalVariation()({"mean": slope}, batch)) == pytest.approx(0.5)
    assert float(TotalVariation()({"mean": slope}, batch | {"base": slope})) == 0.0
    lone = batch | {"valid": 0 * ONES}
    assert float(TotalVariation()({"mean": slope}, lone)) == 0.0
