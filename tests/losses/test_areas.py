"""Means over areas: against numbers made by hand."""

import math

import pytest
import torch

from xsm.losses.areas import area_means


def rows(*values: float) -> torch.Tensor:
    return torch.tensor(values).view(-1, 1, 1)


AREA, SHARE = rows(3.0, 3.0, 8.0, 8.0), rows(0.25, 0.75, 0.4, 0.6)


def test_cells_count_by_their_shares_and_what_one_holds_is_observed_of_its_area():
    said, seen = area_means(rows(4.0, 8.0, 1.0, 2.0), rows(math.nan, 6.0, 1.0, 2.0), AREA, SHARE)
    assert said.flatten().tolist() == pytest.approx([7.0, 1.6])
    assert seen.flatten().tolist() == pytest.approx([6.0, 1.6])


def test_an_area_drawn_twice_counts_as_once_and_a_part_of_one_does_not():
    twice = [torch.cat([each, each[:2]]) for each in (rows(4.0, 8.0, 1.0, 2.0), AREA, SHARE)]
    said, seen = area_means(twice[0], twice[0], *twice[1:])
    assert said.flatten().tolist() == pytest.approx([7.0, 1.6])
    assert seen.flatten().tolist() == pytest.approx([7.0, 1.6])
    part = area_means(*[each[1:] for each in (rows(4.0, 8.0, 1.0, 2.0),) * 2], AREA[1:], SHARE[1:])
    assert part[1].isnan().flatten().tolist() == [True, False]


def test_cells_outside_of_all_areas_are_not_compared_and_slopes_are_finite():
    guess = rows(1.0, 2.0).requires_grad_()
    said, seen = area_means(guess, rows(1.0, math.nan), rows(0.0, 1.0), rows(0.0, 1.0))
    assert seen.isnan().all()
    said.sum().backward()
    assert torch.isfinite(guess.grad).all()
