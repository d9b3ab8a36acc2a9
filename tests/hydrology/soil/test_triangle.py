"""Texture classes: the polygons of the triangle, the manual's edges, and shares that are whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xsm.exceptions import UnitsError
from xsm.hydrology.soil.carsel_parrish import PARAMETERS, PUBLISHED, class_parameters
from xsm.hydrology.soil.triangle import CLASSES, classify, definitions, whole

# Corners (sand, clay) of the classes in the figure of the Soil Survey Manual.
POLYGONS = {
    "sand": [(85, 0), (100, 0), (90, 10)],
    "loamy_sand": [(70, 0), (85, 0), (90, 10), (85, 15)],
    "sandy_loam": [(50, 0), (70, 0), (85, 15), (80, 20), (52, 20), (52, 7), (43, 7)],
    "silt_loam": [(20, 0), (50, 0), (23, 27), (0, 27), (0, 12), (8, 12)],
    "silt": [(0, 0), (20, 0), (8, 12), (0, 12)],
    "loam": [(43, 7), (52, 7), (52, 20), (45, 27), (23, 27)],
    "sandy_clay_loam": [(52, 20), (80, 20), (65, 35), (45, 35), (45, 27)],
    "silty_clay_loam": [(0, 27), (20, 27), (20, 40), (0, 40)],
    "clay_loam": [(20, 27), (45, 27), (45, 40), (20, 40)],
    "sandy_clay": [(45, 35), (65, 35), (45, 55)],
    "silty_clay": [(0, 40), (20, 40), (0, 60)],
    "clay": [(20, 40), (45, 40), (45, 55), (0, 100), (0, 60)],
}

# Points (sand, silt, clay) on edges and corners, by the manual's "less than" and "or more".
EDGES = [
    ((85, 15, 0), "loamy_sand"),
    ((86, 14, 0), "sand"),
    ((90, 0, 10), "loamy_sand"),
    ((70, 30, 0), "sandy_loam"),
    ((71, 29, 0), "loamy_sand"),
    ((50, 50, 0), "silt_loam"),
    ((51, 49, 0), "sandy_loam"),
    ((20, 80, 0), "silt"),
    ((21, 79, 0), "silt_loam"),
    ((8, 80, 12), "silt_loam"),
    ((8.5, 80, 11.5), "silt"),
    ((52, 41, 7), "loam"),
    ((53, 40, 7), "sandy_loam"),
    ((45, 48.5, 6.5), "sandy_loam"),
    ((43, 50, 7), "silt_loam"),
    ((52, 28, 20), "loam"),
    ((53, 27, 20), "sandy_clay_loam"),
    ((53, 28, 19), "sandy_loam"),
    ((45, 28, 27), "clay_loam"),
    ((46, 27, 27), "sandy_clay_loam"),
    ((45, 29, 26), "loam"),
    ((23, 50, 27), "clay_loam"),
    ((24, 50, 26), "silt_loam"),
    ((20, 53, 27), "silty_clay_loam"),
    ((45, 20, 35), "clay_loam"),
    ((46, 19, 35), "sandy_clay"),
    ((20, 40, 40), "silty_clay"),
    ((21, 39, 40), "clay"),
    ((45, 15, 40), "clay"),
    ((46, 14, 40), "sandy_clay"),
    ((0, 40, 60), "silty_clay"),
    ((0, 0, 100), "clay"),
    ((40, 35, 25), "loam"),
    ((30, 40, 30), "clay_loam"),
]

# The soil catalogue of HYDRUS holds the same means in other units: alpha in m-1, Ks in cm day-1.
HYDRUS = {
    "sand": (0.045, 0.43, 14.5, 2.68, 712.8),
    "loamy_sand": (0.057, 0.41, 12.4, 2.28, 350.2),
    "sandy_loam": (0.065, 0.41, 7.5, 1.89, 106.1),
    "loam": (0.078, 0.43, 3.6, 1.56, 24.96),
    "silt": (0.034, 0.46, 1.6, 1.37, 6.00),
    "silt_loam": (0.067, 0.45, 2.0, 1.41, 10.80),
    "sandy_clay_loam": (0.100, 0.39, 5.9, 1.48, 31.44),
    "clay_loam": (0.095, 0.41, 1.9, 1.31, 6.24),
    "silty_clay_loam": (0.089, 0.43, 1.0, 1.23, 1.68),
    "sandy_clay": (0.100, 0.38, 2.7, 1.23, 2.88),
    "silty_clay": (0.070, 0.36, 0.5, 1.09, 0.48),
    "clay": (0.068, 0.38, 0.8, 1.09, 4.80),
}


def name_of(sand: float, silt: float, clay: float) -> str:
    """Return the class of one soil by name."""
    return CLASSES[int(classify(np.array(sand), np.array(silt), np.array(clay))) - 1]


def area(corners: list[tuple[float, float]]) -> float:
    """Return the area of a polygon."""
    x, y = np.array(corners, dtype=float).T
    return 0.5 * float(x @ np.roll(y, -1) - y @ np.roll(x, -1))


def inside(corners: list[tuple[float, float]], sand: np.ndarray, clay: np.ndarray) -> np.ndarray:
    """Return which points lie in a polygon, by the parity of the edges that a ray crosses."""
    odd = np.zeros(sand.shape, bool)
    for (x1, y1), (x2, y2) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if y1 != y2:
            crossing = x1 + (clay - y1) * (x2 - x1) / (y2 - y1)
            odd ^= ((y1 > clay) != (y2 > clay)) & (sand < crossing)
    return odd


def test_polygons_tile_the_triangle():
    assert set(POLYGONS) == set(CLASSES)
    assert sum(area(corners) for corners in POLYGONS.values()) == 5000


def test_classes_are_the_polygons():
    rng = np.random.default_rng(0)
    sand, silt, clay = 100 * rng.dirichlet([1, 1, 1], 20_000).T
    found = classify(sand, silt, clay)
    for number, name in enumerate(CLASSES, 1):
        np.testing.assert_array_equal(found == number, inside(POLYGONS[name], sand, clay))
        assert (found == number).any()


@pytest.mark.parametrize(("soil", "name"), EDGES)
def test_edges(soil, name):
    assert sum(soil) == 100
    assert name_of(*soil) == name


def test_every_point_has_exactly_one_class():
    sand, clay = np.meshgrid(np.arange(0, 100.25, 0.25), np.arange(0, 100.25, 0.25))
    silt = 100 - sand - clay
    real = silt >= 0
    masks = np.array(definitions(sand[real], silt[real], clay[real]))
    assert (masks.sum(axis=0) == 1).all()


@given(st.floats(0, 100), st.floats(0, 1))
def test_any_shares_have_a_class(sand, share):
    clay = (100 - sand) * share
    assert 1 <= classify(np.array(sand), np.array(100 - sand - clay), np.array(clay)) <= 12


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_moves_no_soil_over_an_edge(dtype):
    fractions = [np.array([value], dtype) * dtype(100) for value in (0.52, 0.28, 0.20)]
    assert classify(*fractions) == 1 + CLASSES.index("loam")


def test_shares_that_are_no_whole():
    clay = np.array([20.0])
    with pytest.raises(UnitsError, match=r"sum to 1 %, or one is negative, in 1 of 1 cells"):
        whole(np.array([0.4]), np.array([0.4]), np.array([0.2]))
    with pytest.raises(UnitsError, match=r"sum to 100 %, or one is negative.* within 1 %"):
        whole(np.array([82.0]), np.array([-2.0]), clay)
    with pytest.raises(UnitsError, match=r'attrs\["units"\] = "1"; mask cells that are not soil'):
        classify(np.zeros(2), np.zeros(2), np.zeros(2))
    with pytest.warns(UserWarning, match="miss 100 % by up to 0.9 % in 1 of 1 cells"):
        found = whole(np.array([40.9]), np.array([40.0]), clay)
    np.testing.assert_allclose(found.sum(), 100)
    np.testing.assert_allclose(found[0] / found[1], 40.9 / 40)
    with pytest.warns(UserWarning, match="by up to 0.5 %"):
        assert whole(np.array([80.5]), np.array([-0.5]), clay)[1] == 0
    np.testing.assert_allclose(whole(np.array([40.1]), np.array([40.0]), clay).sum(), 100)


def test_nan_and_nothing():
    shares = [np.array([40.0, np.nan, 40.0]), np.array([40.0, 1.0, np.nan]), np.array([20.0] * 3)]
    np.testing.assert_array_equal(classify(*shares), [6, np.nan, np.nan])
    assert np.isnan(class_parameters(*shares)[1:]).all()
    assert classify(*[np.empty((0, 2))] * 3).shape == (0, 2)
    assert class_parameters(*[np.empty((0, 2))] * 3).shape == (0, 2, 5)


@pytest.mark.parametrize("name", CLASSES)
def test_published_means(name):
    sand, clay = np.mean(POLYGONS[name], axis=0)
    found = class_parameters(np.array(sand), np.array(100 - sand - clay), np.array(clay))
    expected = np.array(HYDRUS[name]) * [1, 1, 1, 1, 0.01]
    np.testing.assert_allclose(found, expected, rtol=2e-4)
    assert len(PUBLISHED[name]) == len(PARAMETERS)
