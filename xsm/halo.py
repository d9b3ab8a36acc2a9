"""Blocks with the steps after them: tasks over dask arrays, a fixed number for each block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, product
from typing import Any

import numpy as np

from xsm.typing import Array

__all__ = ["even_chunks", "stacked_blocks", "with_halo"]


def even_chunks(chunks: Sequence[int], steps: int) -> tuple[int, ...]:
    """Return chunks of equal length, the last one at most as long, as a Zarr store needs them.

    Parameters
    ----------
    chunks : sequence of int
        Chunks of the input along time.
    steps : int
        Steps to divide; at most those of the input.

    Returns
    -------
    tuple of int
        Chunks as long as the longest of the input: the same as the input's where these are even,
        cut off at the end.

    Examples
    --------
    >>> even_chunks((4, 4, 2), 7), even_chunks((1, 4, 4), 9), even_chunks((4, 4), 4)
    ((4, 3), (4, 4, 1), (4,))
    """
    size = max(chunks)
    return tuple(min(size, steps - first) for first in range(0, steps, size)) or (0,)


def stacked_blocks(stack: Array, chunks: Sequence[Sequence[int]]) -> Any:
    """Return a dask array whose blocks have one axis more than it says, at the front.

    A task that takes such a block takes all rows of it, and dask joins the task with those that
    make its other inputs, which it does not where an axis is summed over.

    Parameters
    ----------
    stack : ndarray
        (row, *space).
    chunks : sequence of tuple of int
        Chunks along each of *space.

    Returns
    -------
    dask.array.Array
        (*space), to be handed to ``dask.array.blockwise``, and to nothing else.

    Examples
    --------
    >>> blocks = stacked_blocks(np.zeros((3, 5)), [(2, 3)])
    >>> blocks.shape, [block.compute().shape for block in blocks.to_delayed()]
    ((5,), [(3, 2), (3, 3)])
    """
    import dask.array as da
    from dask.base import tokenize

    name = f"xsm-maps-{tokenize(stack, chunks)}"
    graph = {}
    for at in product(*(range(len(c)) for c in chunks)):
        edges = [sum(c[:i]) for i, c in zip(at, chunks, strict=True)]
        parts = [slice(e, e + c[i]) for e, i, c in zip(edges, at, chunks, strict=True)]
        graph[(name, *at)] = stack[(slice(None), *parts)].copy()
    meta = np.empty((0,) * len(chunks), stack.dtype)
    return da.Array(graph, name, tuple(map(tuple, chunks)), dtype=stack.dtype, meta=meta)


def with_halo(
    function: Callable[..., Array],
    array: Any,
    chunks: Sequence[int],
    halo: int,
    *,
    node: Any,
    maps: Any | None,
    name: str,
) -> Any:
    """Call a function on blocks along the first axis, each with the steps after it.

    Parameters
    ----------
    function : callable
        ``function(node, maps, *pieces)``; the pieces are blocks that make up the steps of the
        result's block and ``halo`` more, first axis time.
    array : dask.array.Array
        (time, *space); its blocks may have further axes.
    chunks : sequence of int
        Chunks of the result along time; they need not be those of the array, and add up to
        ``halo`` steps less.
    halo : int
        Steps that a block needs after its own.
    node : dask.delayed.Delayed
        What all calls share.
    maps : dask.array.Array or None
        (*space), in the chunks of the array; its blocks may have further axes.
    name : str
        Name of the result, unique to its content.

    Returns
    -------
    dask.array.Array
        (time, *space) float32. Each block is one task, which takes whole chunks as they are;
        of the chunks after them it takes the first steps, cut by one more task each.

    Examples
    --------
    Sums of windows of 3 steps, over chunks of 1 and 2 steps:

    >>> import dask.array as da
    >>> from dask.delayed import delayed
    >>> series = da.arange(6, chunks=((2, 1, 1, 2),))
    >>> def run(node, maps, *pieces):
    ...     values = np.concatenate(pieces)
    ...     return values[:-2] + values[1:-1] + values[2:]
    >>> node = delayed(None, name="nothing")
    >>> with_halo(run, series, (2, 2), 2, node=node, maps=None, name="sums").compute()
    array([ 3,  6,  9, 12])
    """
    import dask.array as da
    from dask.highlevelgraph import HighLevelGraph

    graph: dict[Any, Any] = {}
    blocks = list(product(*map(range, array.numblocks[1:])))
    for k, pieces in enumerate(_pieces(array.chunks[0], chunks, halo)):
        for at in blocks:
            found = [_piece(graph, array.name, name, piece, at) for piece in pieces]
            own = None if maps is None else (maps.name, *at)
            graph[(name, k, *at)] = (function, node.key, own, *found)
    parents = [array, node, *([] if maps is None else [maps])]
    layers = HighLevelGraph.from_collections(name, graph, dependencies=parents)
    shape = (tuple(chunks), *array.chunks[1:])
    meta = np.empty((0,) * len(shape), np.float32)
    return da.Array(layers, name, shape, dtype=np.float32, meta=meta)


def _pieces(
    given: Sequence[int], wanted: Sequence[int], halo: int
) -> list[list[tuple[int, int, int, int]]]:
    """Return for each block which chunks it takes, from which step to which, of how many."""
    starts = [0, *accumulate(given)]
    found, first = [], 0
    for size in wanted:
        last = first + size + halo if size else first
        parts = [
            (i, max(first - starts[i], 0), min(last - starts[i], n), n)
            for i, n in enumerate(given)
            if starts[i] < last and starts[i + 1] > first
        ]
        found.append(parts)
        first += size
    return found


def _piece(
    graph: dict[Any, Any], source: str, name: str, piece: tuple[int, int, int, int], at: Any
) -> Any:
    """Return the key of a piece of a chunk; where it is cut, add the task that cuts it."""
    chunk, first, last, size = piece
    whole = (source, chunk, *at)
    if (first, last) == (0, size):
        return whole
    key = (f"{name}-cut", chunk, first, last, *at)
    graph[key] = (_cut, whole, first, last)
    return key


def _cut(array: Array, first: int, last: int) -> Array:
    """Return some steps of a chunk, apart from it, so that the rest can be let go."""
    return array[first:last].copy()
