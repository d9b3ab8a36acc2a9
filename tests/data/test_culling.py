"""Graphs of parts of lazy data."""

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from dask.core import flatten
from dask.optimization import cull

from xsm.data.culling import own_tasks


def world(chunk: int = 10) -> xr.Dataset:
    """Two variables on a line, some of whose layers are of legacy tasks or written out."""
    values = np.random.default_rng(0).normal(size=(6, 1000))
    dims = {"time": 6, "x": chunk}
    ds = xr.Dataset({"a": (("time", "x"), values), "b": (("time", "x"), values**2)}).chunk(dims)
    both = xr.concat([ds, ds + 1.0], "x")
    return both.assign(
        speed=np.hypot(both["a"], both["b"]),
        smooth=both["a"].rolling(x=3, center=True).mean(),
        total=both["b"].cumsum("x"),
        level=both["a"].mean("time"),
        shifted=both["b"].shift(x=7),
    )


@pytest.mark.parametrize(
    "box",
    [
        {"x": slice(0, 5)},
        {"x": slice(985, 1015)},
        {"x": [3, 1999, 400]},
        {"x": slice(None, None, -37), "time": 2},
        {"x": slice(0, 0)},
    ],
    ids=["one chunk", "across a concat", "labels", "backwards", "nothing"],
)
def test_part_is_the_same(box: dict[str, object]) -> None:
    """Values, dtypes, chunks and names are those of the part as dask computes it."""
    part = world().isel(box)
    own = own_tasks(part)
    for name, array in part.items():
        assert own[name].chunks == array.chunks
        assert own[name].dtype == array.dtype
        assert own[name].data.name == array.data.name
    xr.testing.assert_identical(own.compute(), part.compute())


def test_tasks_are_those_that_dask_culls() -> None:
    """The graph holds what dask leaves of the graph of the whole, written out task by task."""
    part = world().isel(x=slice(95, 105))
    wanted, _ = cull(part.__dask_graph__().to_dict(), list(flatten(part.__dask_keys__())))
    assert set(own_tasks(part).__dask_graph__()) == set(wanted)


def test_whole_is_not_written_out() -> None:
    """No layer of the whole is turned into tasks, and as few are kept for any number of chunks."""
    counts = []
    for chunk in (100, 2):
        values = da.zeros((6, 1000), chunks=(6, chunk))
        whole = xr.Dataset({"a": (("time", "x"), np.hypot(values, values + 1.0))})
        part = whole.isel(x=slice(0, 2))
        counts.append(len(own_tasks(part).__dask_graph__()))
        wide = [layer for layer in part.__dask_graph__().layers.values() if len(layer) > 1]
        assert not any(layer.is_materialized() for layer in wide)
    assert counts[0] == counts[1]


def test_what_is_in_memory_stays() -> None:
    """Data without dask come back themselves."""
    ds = world().compute()
    assert own_tasks(ds) is ds
    mixed = world()[["a"]].assign(level=ds["level"])
    assert own_tasks(mixed)["level"].chunks is None
