"""Rosetta: the numbers that its authors' service returns, in canonical units."""

from __future__ import annotations

import numpy as np
import pytest

from xsm.exceptions import UnitsError
from xsm.hydrology.soil import rosetta
from xsm.hydrology.soil.rosetta import rosetta_parameters

SOILS = np.array([[20.0, 60.0, 20.0, np.nan], [55.0, 25.0, 20.0, 1.1]])
# theta_r, theta_s, log10 alpha (cm-1), log10 n, log10 Ks (cm day-1) of these soils, as printed in
# the documentation of https://www.handbook60.org/rosetta (version 3, models 2 and 3).
SERVICE = np.array(
    [
        [0.08994502219206943, 0.09130753033144606],
        [0.4301366480210401, 0.485031958049669],
        [-2.4262357492034043, -2.0223880878467875],
        [0.17568732926631986, 0.151071612216524],
        [1.192731130984082, 1.9060147751706147],
    ]
).T


def canonical(logs: np.ndarray) -> np.ndarray:
    """Return parameters in m and days."""
    linear = np.concatenate([logs[:, :2], 10 ** logs[:, 2:]], axis=1)
    return linear * [1, 1, 100, 1, 0.01]


def test_the_service_returns_the_same():
    with pytest.warns(UserWarning, match="in 1 of 2 cells of a block; Rosetta predicts these from"):
        found = rosetta_parameters(*SOILS.T)
    np.testing.assert_allclose(found, canonical(SERVICE), rtol=1e-12)


def test_the_package_returns_the_same():
    from rosetta import rosetta as predict

    rng = np.random.default_rng(1)
    soils = np.column_stack([100 * rng.dirichlet([2, 2, 2], 300), rng.uniform(0.6, 1.9, 300)])
    mean, _, codes = predict(3, soils, "geo")
    assert (codes == 3).all()
    expected = mean[:, :5] * [1, 1, 100, 1, 0.01]
    np.testing.assert_allclose(rosetta_parameters(*soils.T), expected, rtol=1e-10)


def test_without_bulk_density():
    found = rosetta_parameters(*SOILS[:, :3].T)
    np.testing.assert_allclose(found[0], canonical(SERVICE)[0], rtol=1e-12)
    assert abs(found[1] / canonical(SERVICE)[1] - 1).max() > 0.1


@pytest.mark.parametrize("density", [0.2, 2.5, np.nan])
def test_a_density_that_rosetta_does_not_take(density):
    with pytest.warns(UserWarning, match=r"bulk_density is missing, or not in 0.5 to 2.0 g cm-3"):
        found = rosetta_parameters(*[np.array(v) for v in (20.0, 60.0, 20.0, density)])
    np.testing.assert_allclose(found, canonical(SERVICE)[0], rtol=1e-12)


def test_shapes_nan_and_repeated_soils():
    sand = np.full((2, 3, 4), 20.0)
    sand[0, 1] = np.nan
    found = rosetta_parameters(sand, np.full_like(sand, 60.0), np.full_like(sand, 20.0))
    assert found.shape == (2, 3, 4, 5)
    assert np.isnan(found[0, 1]).all()
    np.testing.assert_allclose(found[1], np.broadcast_to(canonical(SERVICE)[0], (3, 4, 5)))
    assert np.isnan(rosetta_parameters(*[np.full(3, np.nan)] * 4)).all()
    assert rosetta_parameters(*[np.empty((0, 2))] * 3).shape == (0, 2, 5)


def test_a_soil_does_not_depend_on_the_others(monkeypatch):
    rng = np.random.default_rng(2)
    soils = 100 * rng.dirichlet([2, 2, 2], 40)
    expected = rosetta_parameters(*soils.T)
    monkeypatch.setattr(rosetta, "_SLICE", 7)
    np.testing.assert_allclose(rosetta_parameters(*soils.T), expected, rtol=1e-12)
    np.testing.assert_allclose(rosetta_parameters(*soils[::-1].T), expected[::-1], rtol=1e-12)


def test_shares_have_to_be_whole():
    with pytest.raises(UnitsError, match="100 % is needed"):
        rosetta_parameters(*[np.array(0.3)] * 3)
