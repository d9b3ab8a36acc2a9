"""The line from what a source says to a new target."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from xsm.cells.target_map import agreement, map_target
from xsm.exceptions import NotEnoughDataError


def series(values: np.ndarray) -> xr.DataArray:
    return xr.DataArray(values, dims=("time", "cell"), coords={"time": np.arange(len(values))})


def pairs(x: np.ndarray, y: np.ndarray) -> xr.Dataset:
    return agreement(series(x), series(y), ("cell",))


@pytest.fixture
def said() -> np.ndarray:
    return np.random.default_rng(0).uniform(0.1, 0.4, (50, 3))


def test_a_line_that_holds_is_found(said):
    found = map_target(pairs(said, 0.05 + 0.7 * said), "it")
    assert float(found.offset) == pytest.approx(0.05)
    assert float(found.slope) == pytest.approx(0.7)
    assert str(found) == "0.05 + 0.7 x source (r 1.00), 150 pairs"


def test_it_is_that_of_least_squares_of_the_pairs(said):
    """The figures of numpy's polyfit; what is missing on either side is left out."""
    noisy = 0.1 + 0.5 * said + 0.05 * np.random.default_rng(1).standard_normal(said.shape)
    noisy[::7] = np.nan
    said[3] = np.nan
    both = np.isfinite(said) & np.isfinite(noisy)
    slope, offset = np.polyfit(said[both], noisy[both], 1)
    found = map_target(pairs(said, noisy), "it")
    assert float(found.slope) == pytest.approx(slope)
    assert float(found.offset) == pytest.approx(offset)
    assert found.count == both.sum()


def test_the_scale_lets_the_network_say_what_it_said(said):
    """offset + scale * s of the new target is the line of offset + scale * s of the source."""
    found = map_target(pairs(said, 0.05 + 0.7 * said), "it")
    before = xr.Dataset({"target_offset": 0.1, "target_scale": 0.4})
    after = found.scale(before)
    for s in (0.0, 0.3, 1.0):
        new = after["target_offset"] + s * after["target_scale"]
        assert float(new) == pytest.approx(0.05 + 0.7 * (0.1 + 0.4 * s))


def test_what_hardly_agrees_keeps_a_fifth_of_the_spread(said):
    other = np.random.default_rng(2).uniform(0.0, 0.6, said.shape)
    with pytest.warns(UserWarning, match="The source tells little of it"):
        found = map_target(pairs(said, other), "it")
    assert float(found.slope) == pytest.approx(0.2 * other.std() / said.std(), rel=1e-6)
    middle = float(found.offset + found.slope * said.mean())
    assert middle == pytest.approx(other.mean())


def test_layers_have_lines_of_their_own(said):
    both = xr.concat([series(said), series(2 * said)], "depth").transpose("time", "cell", "depth")
    found = map_target(agreement(series(said).expand_dims(depth=2, axis=2), both, ("cell",)), "it")
    np.testing.assert_allclose(found.slope, [1.0, 2.0])


def test_few_pairs_are_refused(said):
    said[2:] = np.nan
    with pytest.raises(NotEnoughDataError, match="6 observations of it come with a prediction"):
        map_target(pairs(said, said), "it")
