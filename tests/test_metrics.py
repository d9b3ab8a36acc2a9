"""The climatology equals pandas', lazy or not."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xsm.metrics import day_of_year_mean


@pytest.fixture
def observed():
    rng = np.random.default_rng(0)
    days = pd.date_range("2019-03-01", periods=900)  # a leap year, and parts of two others
    values = rng.random((900, 2, 3)).astype(np.float32)
    values[rng.random(values.shape) < 0.2] = np.nan
    values[:, 1, 2] = np.nan
    return xr.DataArray(values, {"time": days, "x": [1, 2]}, ("time", "x", "y"), name="soil")


@pytest.mark.parametrize("chunks", [None, {"time": 7}, {"time": 400, "x": 1}, {"y": 2}])
def test_climatology_equals_that_of_pandas(observed, chunks, no_compute):
    array = observed.chunk(chunks) if chunks else observed
    with no_compute():
        mean = day_of_year_mean(array, "time")
    table = pd.DataFrame(
        observed.values.reshape(900, 6).astype(float), index=observed.indexes["time"]
    )
    truth = table.groupby(table.index.day_of_year).mean()
    assert mean.dims == ("dayofyear", "x", "y")
    assert mean.x.values.tolist() == [1, 2]
    np.testing.assert_array_equal(mean.dayofyear, truth.index)
    np.testing.assert_allclose(mean.values.reshape(-1, 6), truth.values, rtol=1e-6)


def test_a_lazy_climatology_takes_one_task_for_each_block(observed):
    array = observed.chunk(time=90, x=1, y=1)
    tasks = len(dict(day_of_year_mean(array, "time").data.__dask_graph__()))
    assert tasks < 10 * array.data.npartitions


def test_a_model_without_climatology_says_so():
    import xsm

    ds = xsm.open_tutorial("land").isel(latitude=slice(0, 3), longitude=slice(20, 23))
    fitted = xsm.fit(ds, "lstm", epochs=1, iterations=2, hidden_size=4, progress=False)
    object.__setattr__(fitted, "climatology", None)
    with pytest.warns(UserWarning, match="No climatology was scored.*the model keeps none"):
        fitted.score(ds)
