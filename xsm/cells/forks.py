"""Forecasts of a block: the state at each start, and how the network goes on from there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from operator import getitem
from typing import Any

import numpy as np

from xsm.cells.halo import around_block, covers_of, joined_around
from xsm.cells.runner import HIDDEN, Runner
from xsm.typing import Array, FloatArray

__all__ = ["Forks", "forked"]


_TOGETHER = 2**14  # cells of forecasts that are gathered at a time


@dataclass(frozen=True, eq=False)
class Forks:
    """Where forecasts leave the run through a block, and what they go on with.

    ``at`` (init,), ascending: the steps of the block after which they leave, -1 before its first.
    ``rows`` (init, member, lead): the rows of weather, -1 where it is hidden; the first ``history``
    of them are steps of the record, whose observations count.
    """

    at: Array
    rows: Array
    history: int

    def __dask_tokenize__(self) -> tuple[object, ...]:
        """Name the content."""
        return ("xsm.Forks", self.at.tobytes(), self.rows.tobytes(), self.rows.shape, self.history)


def forked(  # noqa: PLR0913
    records: Sequence[Any],
    ahead: Sequence[Sequence[Any]],
    forks: Sequence[Forks],
    *,
    node: Any,
    runner: Runner,
    maps: Any | None,
    before: Any | None,
    name: str,
    wrap: bool,
) -> Any:
    """Return forecasts (init, member, lead, *space), whose blocks are (row, ...) with ages behind.

    ``records`` (time, *space) are dask arrays in the same chunks, of networks that look at
    neighbours one of scaled inputs. Each of their chunks of time, up to the last that has any, has
    its ``forks``, and their weather ``ahead``: as the records, in one chunk of rows; none where
    there are no rows. ``node`` is the ``runner`` as a delayed object, ``before`` the state of the
    first chunk. Blocks along time follow each other, those along space lie side by side.
    """
    import dask.array as da
    from dask.highlevelgraph import HighLevelGraph

    first, reach = records[0], runner.reach
    runs, out = f"{name}-run", f"{name}-out"
    graph: dict[Any, Any] = {}
    found: dict[Any, Any] = {}
    covers = covers_of(first, reach, wrap=wrap)
    kept = [k for k, each in enumerate(forks) if len(each.at)]
    for at in product(*map(range, first.numblocks[1:])):
        state = None if before is None else (before.name, 0, *at)
        own = None if maps is None else (maps.name, *at)
        around = [cover[i] for cover, i in zip(covers, at, strict=True)]
        for k, each in enumerate(forks):
            task: tuple[Any, ...]
            if reach:
                pairs = [(records[0], k), *((array, 0) for array in ahead[k])]
                parts = []
                for array, j in pairs:
                    size = array.chunks[0][j]
                    step = [(j, 0, size, size)]
                    parts.append(list(around_block(graph, runs, array, maps, step, around)))
                task = (_around, node.key, each, state, parts)
            else:
                here = [(array.name, k, *at) for array in records]
                later = [(array.name, 0, *at) for array in ahead[k]]
                task = (_alone, node.key, each, state, own, here, later)
            graph[(runs, k, *at)] = task
            state = (f"{runs}-state", k, *at)
            graph[state] = (getitem, (runs, k, *at), 1)
        found |= {(out, j, 0, 0, *at): (getitem, (runs, k, *at), 0) for j, k in enumerate(kept)}
    parents = [*records, *(array for some in ahead for array in some), node]
    parents += [part for part in (maps, before) if part is not None]
    below = HighLevelGraph.from_collections(runs, graph, dependencies=parents)
    whole = HighLevelGraph({**below.layers, out: found}, {**below.dependencies, out: {runs}})
    inits = tuple(len(forks[k].at) for k in kept)
    chunks = (inits, *((n,) for n in forks[0].rows.shape[1:]), *first.chunks[1:])
    meta = np.empty((0,) * len(chunks), np.float32)
    return da.Array(whole, out, chunks, dtype=np.float32, meta=meta)


def _alone(
    node: Runner,
    forks: Forks,
    before: FloatArray | None,
    maps: FloatArray | None,
    record: list[FloatArray],
    ahead: list[FloatArray],
) -> tuple[FloatArray | None, FloatArray]:
    """Forecast a block of cells that have no neighbours; inputs are not scaled yet."""
    scaled = node.scale(maps, *record)
    later = node.scale(maps, *ahead) if ahead else scaled[:0]
    return _forecast(node, forks, before, maps, scaled, later)


def _around(
    node: Runner, forks: Forks, before: FloatArray | None, parts: list[Any]
) -> tuple[FloatArray | None, FloatArray]:
    """Forecast a block with the cells around it; inputs are scaled."""
    own, scaled = joined_around(*parts[0])
    later = joined_around(*parts[1])[1] if len(parts) > 1 else scaled[:0]
    return _forecast(node, forks, before, own, scaled, later)


def _forecast(
    node: Runner,
    forks: Forks,
    before: FloatArray | None,
    maps: FloatArray | None,
    record: FloatArray,
    ahead: FloatArray,
) -> tuple[FloatArray | None, FloatArray]:
    """Return the forecasts of a block (row, init, member, lead, *space), and the state after it.

    Behind the outputs and the flag come rows of the age of the last observation, of each layer.
    """
    state, done = before, 0
    inner = [n - 2 * node.reach for n in record.shape[1:-1]]
    if state is None:
        state = node.rest(inner)
    weather = np.concatenate([ahead, np.zeros_like(ahead, shape=(1, *ahead.shape[1:]))])  # row -1
    inits, members, _ = forks.rows.shape
    many = max(1, _TOGETHER // (members * max(1, int(np.prod(inner)))))
    parts = []
    for first in range(0, inits, many):
        some, states = slice(first, first + many), []
        for step in forks.at[some]:
            if step + 1 > done:
                _, state = node.run(maps, state, record[done : step + 1])
                done = step + 1
            states.append(state)
        own = replace(forks, at=forks.at[some], rows=forks.rows[some])
        there = None if forks.history else record[own.at, ..., -1]
        parts.append(_go_on(node, own, np.stack(states), maps, weather, there))
    if done < len(record):
        _, state = node.run(maps, state, record[done:])
    if not parts:
        return None, state
    found = np.concatenate(parts, axis=1)
    return node.tell(found), state


def _go_on(
    node: Runner,
    forks: Forks,
    states: FloatArray,
    maps: FloatArray | None,
    weather: FloatArray,
    there: FloatArray | None,
) -> FloatArray:
    """Run on from states (init, row, *space): (row, init, member, lead, *space).

    Hidden weather is there where that of the start is: ``there`` (init, *space), or the last step
    of the history.
    """
    count, (inits, members, leads) = len(node.recipe.dynamic), forks.rows.shape
    given = weather[forks.rows]  # (init, member, lead, *space, channel)
    start = given[:, 0, forks.history - 1, ..., -1] if there is None else there
    start = np.where(np.isfinite(start), HIDDEN, np.nan)[:, np.newaxis, np.newaxis]
    away = (forks.rows < 0).reshape(*forks.rows.shape, *[1] * (start.ndim - 3))
    given[..., -1] = np.where(away, start, given[..., -1])
    seen = given[:, 0, : forks.history, ..., count:-1].copy()
    given[:, :, forks.history :, ..., count:-1] = 0.0
    space, inner = given.shape[3:-1], states.shape[2:]
    out = np.empty((node.rows_out + node.ages, inits, members, leads, *inner), np.float32)
    if node.reach:
        for i, m in product(range(inits), range(members)):
            out[: node.rows_out, i, m] = node.run(maps, states[i], given[i, m])[0]
    else:
        flat = np.moveaxis(given, 2, 0).reshape(leads, -1, given.shape[-1])
        before = np.repeat(states[:, np.newaxis], members, axis=1)
        before = np.moveaxis(before, 2, 0).reshape(states.shape[1], -1)
        own = None
        if maps is not None:
            own = np.broadcast_to(
                maps.reshape(len(maps), 1, -1), (len(maps), inits * members, int(np.prod(space)))
            ).reshape(len(maps), -1)
        found = node.run(own, before, flat)[0]
        found = found.reshape(node.rows_out, leads, inits, members, *inner)
        out[: node.rows_out] = np.moveaxis(found, 1, 3)
    if node.ages:
        inside = (slice(None),) * 2 + (slice(node.reach, -node.reach or None),) * len(inner)
        masks = seen[..., node.ages :][inside if node.reach else ...]
        for i in range(inits):
            age = node.age(states[i], np.moveaxis(masks[i], -1, 1))
            out[node.rows_out :, i] = age[:, np.newaxis, np.newaxis]
    return out
