"""Blocks of time as a chain: each block is given the state that the one before it has left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from operator import getitem
from typing import Any

import numpy as np

from xsm.cells.halo import around_block, covers_of, joined_around

__all__ = ["chained"]


def chained(  # noqa: PLR0913
    function: Callable[..., tuple[Any, Any]],
    arrays: Sequence[Any],
    *,
    node: Any,
    maps: Any | None,
    before: Any | None,
    rows: int,
    name: str,
    reach: int = 0,
    wrap: bool = False,
) -> tuple[Any, Any]:
    """Call a function on blocks, along time one after the other, along space side by side.

    Parameters
    ----------
    function : callable
        ``function(node, maps, before, *blocks)`` returns a result and a state; ``before`` is the
        state of the block before in time.
    arrays : sequence of dask.array.Array
        (time, *space), in the same chunks.
    node : dask.delayed.Delayed
        What all calls share.
    maps : dask.array.Array or None
        (*space), in the same chunks; its blocks may have further axes.
    before : dask.array.Array or None
        (row, *space), in one chunk along its rows: the state that the first blocks are given.
    rows : int
        Rows of the state.
    name : str
        Name of the result, unique to its content.
    reach : int, default: 0
        Rows and columns of space that a block needs around it, of one array whose blocks have an
        axis of channels; where the grid ends there is NaN in the last channel and in the maps.
    wrap : bool, default: False
        The last column lies beside the first.

    Returns
    -------
    result : dask.array.Array
        (time, *space) float32, blocks as the function returned them.
    state : dask.array.Array
        (row, *space) float32, after the last blocks.

    Examples
    --------
    Sums that are carried on:

    >>> import dask.array as da
    >>> from dask.delayed import delayed
    >>> series = da.ones(5, chunks=2)
    >>> def run(node, maps, before, block):
    ...     total = (0 if before is None else before[0]) + np.cumsum(block)
    ...     return total, total[-1:]
    >>> options = {"node": delayed(None, name="nothing"), "maps": None, "before": None}
    >>> found, state = chained(run, [series], rows=1, name="sums", **options)
    >>> found.compute()
    array([1., 2., 3., 4., 5.])
    """
    import dask.array as da
    from dask.highlevelgraph import HighLevelGraph

    first = arrays[0]
    runs, out, last = f"{name}-run", f"{name}-out", f"{name}-state"
    steps, places = first.numblocks[0], list(product(*map(range, first.numblocks[1:])))
    graph: dict[Any, Any] = {}
    covers = covers_of(first, reach, wrap=wrap)
    for at in places:
        state = None if before is None else (before.name, 0, *at)
        own = None if maps is None else (maps.name, *at)
        around = [cover[i] for cover, i in zip(covers, at, strict=True)]
        for k in range(steps):
            if reach:
                size = first.chunks[0][k]
                parts = around_block(graph, runs, first, maps, [(k, 0, size, size)], around)
                graph[(runs, k, *at)] = (_around, function, node.key, state, *parts)
            else:
                blocks = [(array.name, k, *at) for array in arrays]
                graph[(runs, k, *at)] = (function, node.key, own, state, *blocks)
            state = (f"{runs}-state", k, *at)
            graph[state] = (getitem, (runs, k, *at), 1)
    parents = [*arrays, node, *(part for part in (maps, before) if part is not None)]
    below = HighLevelGraph.from_collections(runs, graph, dependencies=parents)
    found: Any = {
        (out, k, *at): (getitem, (runs, k, *at), 0) for at in places for k in range(steps)
    }
    after: Any = {(last, 0, *at): (f"{runs}-state", steps - 1, *at) for at in places}
    made = []
    shapes = (first.chunks, ((rows,), *first.chunks[1:]))
    for label, tasks, chunks in zip((out, last), (found, after), shapes, strict=True):
        layers = HighLevelGraph(
            {**below.layers, label: tasks}, {**below.dependencies, label: {runs}}
        )
        meta = np.empty((0,) * len(chunks), np.float32)
        made.append(da.Array(layers, label, chunks, dtype=np.float32, meta=meta))
    return made[0], made[1]


def _around(
    function: Callable[..., tuple[Any, Any]],
    node: Any,
    before: Any,
    maps: Any,
    pieces: Any,
    missing: tuple[tuple[int, int], tuple[int, int]],
) -> tuple[Any, Any]:
    """Call a function on a block with the cells around it."""
    own, here = joined_around(maps, pieces, missing)
    return function(node, own, before, here)
