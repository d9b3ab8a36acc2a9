"""Prediction of arrays in memory, tile by tile on several threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product

import numpy as np
import xarray as xr

from xsm.cells.predictor import Predictor
from xsm.cells.runner import Runner
from xsm.options import thread_count
from xsm.typing import FloatArray

__all__ = ["run_field", "run_record", "run_rows", "run_whole"]


_TILE = 2**17  # windows that a thread scales at a time, of arrays in memory
_FIELD = 2**12  # cells of a band of rows, where neighbours are looked at


def run_whole(
    node: Predictor, moving: list[xr.DataArray], maps: list[xr.DataArray], *, wrap: bool
) -> FloatArray:
    """Predict arrays in memory, tile by tile on several threads."""
    arrays = [a.values.reshape(a.shape[0], -1) for a in moving]
    steps, cells = len(arrays[0]) - node.halo, arrays[0].shape[1]
    rows = np.concatenate([a.values.reshape(len(a), -1) for a in maps]) if maps else None
    out = np.empty((node.rows_out, steps, cells), np.float32)
    wide = max(1, min(cells, node.batch))
    long = max(1, _TILE // wide, 4 * node.halo)

    def run(first: int, begin: int) -> None:
        at = slice(begin, min(begin + wide, cells))
        last = min(first + long, steps)
        own = None if rows is None else rows[:, at]
        tile = node.scale(own, *(a[first : last + node.halo, at] for a in arrays))
        out[:, first:last, at] = node(own, tile)

    _in_threads(run, product(range(0, steps, long), range(0, cells, wide)))
    return out.reshape(len(out), steps, *moving[0].shape[1:])


def run_record(
    node: Runner,
    moving: list[xr.DataArray],
    maps: list[xr.DataArray],
    before: xr.DataArray | None,
    *,
    wrap: bool,
) -> tuple[FloatArray, FloatArray]:
    """Run arrays in memory from the first step to the last, cells on several threads."""
    arrays = [a.values.reshape(a.shape[0], -1) for a in moving]
    steps, cells = arrays[0].shape
    rows = np.concatenate([a.values.reshape(len(a), -1) for a in maps]) if maps else None
    out = np.empty((node.rows_out, steps, cells), np.float32)
    given = None if before is None else before.values.reshape(len(before), -1)
    after = np.empty((node.state_size, cells), np.float32)
    wide = max(1, min(cells, node.batch))
    long = max(1, _TILE // wide)

    def run(begin: int, _: int) -> None:
        at = slice(begin, min(begin + wide, cells))
        own = None if rows is None else rows[:, at]
        state = None if given is None else given[:, at]
        for first in range(0, steps, long):
            tile = node.scale(own, *(a[first : first + long, at] for a in arrays))
            out[:, first : first + long, at], state = node.run(own, state, tile)
        after[:, at] = state

    _in_threads(run, product(range(0, cells, wide), [0]))
    space = moving[0].shape[1:]
    return out.reshape(len(out), steps, *space), after.reshape(len(after), *space)


def run_field(
    node: Predictor, moving: list[xr.DataArray], maps: list[xr.DataArray], *, wrap: bool
) -> FloatArray:
    """Predict arrays in memory, bands of rows with the cells around them on several threads."""
    steps, rows, columns = moving[0].shape
    steps -= node.halo
    out = np.empty((node.rows_out, steps, rows, columns), np.float32)
    band = max(1, min(rows, _FIELD // columns))
    long = max(1, _TILE // (band * columns), 4 * node.halo)
    still = np.concatenate([a.values for a in maps]) if maps else None

    def run(first: int, begin: int) -> None:
        last, end = min(first + long, steps), min(begin + band, rows)
        around = _surroundings(node, begin, end, wrap=wrap)
        own = None if still is None else around(still)
        tile = [around(a.values[first : last + node.halo]) for a in moving]
        out[:, first:last, begin:end] = node(own, node.scale(own, *tile))

    _in_threads(run, product(range(0, steps, long), range(0, rows, band)))
    return out


def run_rows(
    node: Runner,
    moving: list[xr.DataArray],
    maps: list[xr.DataArray],
    before: xr.DataArray | None,
    *,
    wrap: bool,
) -> tuple[FloatArray, FloatArray]:
    """Run arrays in memory, bands of rows with the cells around them on several threads."""
    steps, rows, columns = moving[0].shape
    out = np.empty((node.rows_out, steps, rows, columns), np.float32)
    after = np.empty((node.state_size, rows, columns), np.float32)
    band = max(1, min(rows, _FIELD // columns))
    long = max(1, _TILE // (band * columns))
    still = np.concatenate([a.values for a in maps]) if maps else None

    def run(begin: int, _: int) -> None:
        end = min(begin + band, rows)
        around = _surroundings(node, begin, end, wrap=wrap)
        own = None if still is None else around(still)
        state = None if before is None else before.values[:, begin:end]
        for first in range(0, steps, long):
            tile = node.scale(own, *(around(a.values[first : first + long]) for a in moving))
            out[:, first : first + long, begin:end], state = node.run(own, state, tile)
        after[:, begin:end] = state

    _in_threads(run, product(range(0, rows, band), [0]))
    return out, after


def _surroundings(
    node: Predictor, begin: int, end: int, *, wrap: bool
) -> Callable[[FloatArray], FloatArray]:
    """Return what takes rows of an array, and those that the node needs around them."""
    reach = node.reach
    return partial(_cells_around, begin=begin - reach, end=end + reach, reach=reach, wrap=wrap)


def _cells_around(
    values: FloatArray, begin: int, end: int, reach: int, *, wrap: bool
) -> FloatArray:
    """Return rows of an array (..., row, column) and the columns beside; NaN beyond its edges."""
    rows, columns = values.shape[-2:]
    column = np.arange(-reach, columns + reach)
    row = np.arange(begin, end)
    inside = np.ones(len(column), bool) if wrap else (column >= 0) & (column < columns)
    there = ((row >= 0) & (row < rows))[:, None] & inside
    found = values[..., row.clip(0, rows - 1)[:, None], column % columns]
    return np.where(there, found, np.nan)


def _in_threads(run: Callable[[int, int], None], jobs: Iterable[tuple[int, int]]) -> None:
    """Run jobs on the threads of the option ``threads``."""
    with ThreadPoolExecutor(thread_count()) as pool:
        for done in [pool.submit(run, *job) for job in jobs]:
            done.result()
