"""Graphs of parts of lazy data: the tasks of the part alone, found without a look at the others."""

from __future__ import annotations

from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any

import xarray as xr

if TYPE_CHECKING:
    from dask.highlevelgraph import HighLevelGraph

__all__ = ["own_tasks"]


def own_tasks(lazy: xr.Dataset) -> xr.Dataset:
    """Return the same data with a graph of those tasks alone that they are computed from.

    A part of a lazy data set knows the layers of the graph of the whole. ``compute`` culls them
    only after some were written out task by task, so that a block of a store of 5,490 chunks took
    250 ms of optimisation, and one of 100,000 would take seconds. Here each layer is asked for the
    tasks of the part first, which takes as long for a store of any size.

    Parameters
    ----------
    lazy : xarray.Dataset
        Data with dask arrays or without.

    Returns
    -------
    xarray.Dataset
        The same variables, names and chunks. Nothing is computed; names of tasks stay, so that a
        scheduler knows a task again that several parts share.

    Examples
    --------
    >>> import numpy as np
    >>> grid = xr.Dataset({"soil": ("x", np.arange(1000.0))}).chunk(x=10) + 1.0
    >>> part = grid.isel(x=slice(5, 15))
    >>> len(part.__dask_graph__()), len(own_tasks(part).__dask_graph__())
    (202, 6)
    >>> bool(own_tasks(part).equals(part))
    True
    """
    held = {name: array.data for name, array in lazy.data_vars.items() if array.chunks is not None}
    if not held:
        return lazy
    import dask.array as da
    from dask.base import tokenize
    from dask.core import flatten
    from dask.highlevelgraph import HighLevelGraph

    graph = HighLevelGraph.merge(*(array.dask for array in held.values()))
    keys = set(flatten([array.__dask_keys__() for array in held.values()]))
    name = f"part-{tokenize(graph.layers.keys(), keys)}"
    small = HighLevelGraph({name: _tasks(graph, keys)}, {name: set()})
    arrays = {k: da.Array(small, a.name, a.chunks, meta=a._meta) for k, a in held.items()}
    return lazy.assign({k: (lazy[k].dims, array, lazy[k].attrs) for k, array in arrays.items()})


def _tasks(graph: HighLevelGraph, keys: set[Any]) -> dict[Any, Any]:
    """Return the tasks of a graph from which some keys are computed."""
    found: dict[Any, Any] = {}
    for name in reversed([*TopologicalSorter(graph.dependencies).static_order()]):
        layer, known = graph.layers[name], set[Any]()
        if layer.has_legacy_tasks:  # their dependencies are told from other values by the keys
            near = [layer, *(graph.layers[other] for other in graph.dependencies[name])]
            known = known.union(*(other.get_output_keys() for other in near))
        part, needed = layer.cull(keys, known)
        if needed:
            found.update(part)
            keys = keys.difference(needed).union(*needed.values())
    return found
