"""Blocks with the steps after them and the cells around: tasks over dask arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise, product
from typing import Any, TypeAlias

import numpy as np

from xsm.typing import Array

__all__ = [
    "around_block",
    "covers_of",
    "even_chunks",
    "joined_around",
    "stacked_blocks",
    "with_halo",
]


Piece: TypeAlias = tuple[
    int, int, int, int
]  # a chunk, from which place in it to which, of how many
Cover: TypeAlias = tuple[list[Piece], tuple[int, int]]  # pieces, and places before and after them


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


def with_halo(  # noqa: PLR0913
    function: Callable[..., Array],
    array: Any,
    chunks: Sequence[int],
    halo: int,
    *,
    node: Any,
    maps: Any | None,
    name: str,
    reach: int = 0,
    wrap: bool = False,
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
    reach : int, default: 0
        Rows and columns of space that a block needs around it, of two dimensions; the pieces then
        are one block, and where the grid ends there is NaN in its last channel and in the maps.
    wrap : bool, default: False
        The last column lies beside the first.

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
    covers = covers_of(array, reach, wrap=wrap)
    for k, pieces in enumerate(_pieces(array.chunks[0], chunks, halo)):
        for at in product(*map(range, array.numblocks[1:])):
            if reach:
                around = [cover[i] for cover, i in zip(covers, at, strict=True)]
                parts = around_block(graph, name, array, maps, pieces, around)
                graph[(name, k, *at)] = (_call, function, node.key, *parts)
                continue
            space = [(i, 0, c[i], c[i]) for i, c in zip(at, array.chunks[1:], strict=True)]
            found = [_piece(graph, array.name, name, (piece, *space)) for piece in pieces]
            own = None if maps is None else (maps.name, *at)
            graph[(name, k, *at)] = (function, node.key, own, *found)
    parents = [array, node, *([] if maps is None else [maps])]
    layers = HighLevelGraph.from_collections(name, graph, dependencies=parents)
    shape = (tuple(chunks), *array.chunks[1:])
    meta = np.empty((0,) * len(shape), np.float32)
    return da.Array(layers, name, shape, dtype=np.float32, meta=meta)


def _pieces(given: Sequence[int], wanted: Sequence[int], halo: int) -> list[list[Piece]]:
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


def _covers(chunks: Sequence[int], reach: int, *, wrap: bool) -> list[Cover]:
    """Return for each chunk what covers it and the places around it."""
    size = sum(chunks)
    ends = [0, *accumulate(chunks)]
    found: list[Cover] = []
    for first, last in pairwise(ends):
        begin, end = first - reach, last + reach
        spans = [(max(begin, 0), min(end, size))]
        missing = (max(-begin, 0), max(end - size, 0))
        if wrap and reach <= size:
            spans = [(size + begin, size)] * (begin < 0) + spans + [(0, end - size)] * (end > size)
            missing = (0, 0)
        pieces = [
            (i, max(a - ends[i], 0), min(b - ends[i], n), n)
            for a, b in spans
            for i, n in enumerate(chunks)
            if ends[i] < b and ends[i + 1] > a
        ]
        found.append((pieces, missing))
    return found


def covers_of(array: Any, reach: int, *, wrap: bool) -> list[list[Cover]]:
    """Return along each dimension of space what covers each chunk and the places around it."""
    return [
        _covers(sizes, reach, wrap=wrap and axis == 1)
        for axis, sizes in enumerate(array.chunks[1:])
    ]


def around_block(
    graph: dict[Any, Any],
    name: str,
    array: Any,
    maps: Any | None,
    steps: Sequence[Piece],
    around: Sequence[Cover],
) -> tuple[Any, Any, Any]:
    """Return what :func:`joined_around` takes of a block, the steps after it, the cells around."""
    (rows, above), (columns, beside) = around
    cut = [
        [[_piece(graph, array.name, name, (t, r, c)) for c in columns] for r in rows] for t in steps
    ]
    own = None
    if maps is not None:
        own = [[_piece(graph, maps.name, name, (r, c), lead=1) for c in columns] for r in rows]
    return own, cut, (above, beside)


def _call(
    function: Callable[..., Array],
    node: Any,
    maps: Any,
    pieces: Any,
    missing: tuple[tuple[int, int], tuple[int, int]],
) -> Array:
    """Call a function on a block with the steps after it and the cells around it."""
    return function(node, *joined_around(maps, pieces, missing))


def joined_around(
    maps: Any, pieces: Any, missing: tuple[tuple[int, int], tuple[int, int]]
) -> tuple[Array | None, Array]:
    """Join the pieces of maps and of a block, with NaN where the grid ends."""
    joined = _joined(pieces, 0)
    pads = [(0, 0), *missing, (0, 0)]
    here = np.pad(joined, pads)
    if any(map(any, missing)):
        inside = np.pad(np.ones(joined.shape[:-1], bool), pads[:-1])
        here[..., -1][~inside] = np.nan
    own = None if maps is None else np.pad(_joined(maps, 1), pads[:-1], constant_values=np.nan)
    return own, here


def _joined(pieces: Any, axis: int) -> Array:
    """Join nested lists of arrays, the outermost along the first axis."""
    if isinstance(pieces, np.ndarray):
        return pieces
    parts = [_joined(piece, axis + 1) for piece in pieces]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=axis)


def _piece(
    graph: dict[Any, Any], source: str, name: str, pieces: Sequence[Piece], lead: int = 0
) -> Any:
    """Return the key of a piece of a block; where it is cut, add the task that cuts it."""
    whole = (source, *(chunk for chunk, *_ in pieces))
    if all((first, last) == (0, size) for _, first, last, size in pieces):
        return whole
    key = (f"{name}-cut-{source}", *(part for piece in pieces for part in piece[:3]))
    box = (*[slice(None)] * lead, *(slice(first, last) for _, first, last, _ in pieces))
    graph[key] = (_cut, whole, box)
    return key


def _cut(array: Array, box: tuple[slice, ...]) -> Array:
    """Return a part of a chunk, apart from it, so that the rest can be let go."""
    return array[box].copy()
