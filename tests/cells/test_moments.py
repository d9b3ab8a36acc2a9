"""Moments equal numpy's in float64, however the series is cut."""

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.worlds import bucket
from xsm.cells.moments import cell_moments, merge_moments, pool_moments
from xsm.cells.scaling import fit_scaling

VALUES = arrays(
    np.float32, (17, 3), elements=st.floats(-1e4, 1e4, width=32) | st.just(float("nan"))
)


def by_numpy(values):
    """Return the moments of each cell from the definition, in float64."""
    found = np.empty((5, values.shape[1]))
    for i in range(values.shape[1]):
        x = values[:, i].astype(np.float64)
        x = x[np.isfinite(x)]
        mean = x.mean() if len(x) else 0.0
        ends = (x.min(), x.max()) if len(x) else (np.inf, -np.inf)
        found[:, i] = len(x), mean, ((x - mean) ** 2).sum(), *ends
    return found


@given(values=VALUES, cut=st.integers(1, 16))
def test_moments_equal_their_definition_whole_and_merged(values, cut):
    expected = by_numpy(values)
    parts = np.stack([cell_moments(values[:cut]), cell_moments(values[cut:])])
    for found in (cell_moments(values), merge_moments(parts)):
        np.testing.assert_array_equal(found[[0, 3, 4]], expected[[0, 3, 4]])
        np.testing.assert_allclose(found[1], expected[1], rtol=1e-12, atol=1e-9)
        np.testing.assert_allclose(found[2], expected[2], rtol=1e-9, atol=1e-6)


def test_a_small_spread_far_from_zero_keeps_its_digits():
    """Sums of squares in float32 would lose all: 1e5 squared is 1e10, the variance 1."""
    rng = np.random.default_rng(0)
    pressure = (1e5 + rng.standard_normal((5000, 2))).astype(np.float32)
    truth = pressure.astype(np.float64).var(0)
    found = cell_moments(pressure)
    np.testing.assert_allclose(found[2] / found[0], truth, rtol=1e-9)
    every = pool_moments(found, np.array([True, True]))
    assert every[2] / every[0] == pytest.approx(pressure.astype(np.float64).var(), rel=1e-9)


def test_infinite_values_do_not_count():
    values = np.array([[1.0], [np.inf], [3.0], [-np.inf]])
    assert cell_moments(values).ravel().tolist() == [2, 2, 2, 1, 3]


@pytest.mark.parametrize("scaling", ["cell", "global"])
@pytest.mark.parametrize("chunks", [{"time": 7}, {"time": -1, "lat": 1}, {"time": 33, "lon": 3}])
def test_lazy_statistics_equal_eager_ones_and_read_each_chunk_once(scaling, chunks):
    features = bucket()
    gaps = features.target.where(features.target.lon != 1)
    gaps[20:30, 1, 2] = np.nan
    reads = []

    def noted(block):
        reads.append(1)
        return block

    def lazy(array):
        data = array.chunk(chunks).data
        return array.copy(data=data.map_blocks(noted, meta=np.empty((0, 0, 0), array.dtype)))

    eager = type(features)(
        features.dynamic, features.static, gaps, {}, features.time, features.space
    )
    later = type(features)(
        {k: lazy(v) for k, v in features.dynamic.items()},
        features.static,
        lazy(gaps),
        {},
        features.time,
        features.space,
    )
    assert isinstance(later.target.data, da.Array)
    found = fit_scaling(later, slice(0, 150), scaling=scaling)
    blocks = later.target.isel(time=slice(0, 150)).data.npartitions
    assert len(reads) == 3 * blocks  # two inputs and the target
    expected = fit_scaling(eager, slice(0, 150), scaling=scaling)
    xr.testing.assert_allclose(found, expected, rtol=1e-12)
