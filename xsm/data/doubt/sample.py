"""A small part of each variable, taken from all over it: what values are judged by."""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from xsm.data.culling import own_tasks
from xsm.data.grid import time_dim
from xsm.data.naming.held import in_memory
from xsm.exceptions import GridError
from xsm.typing import Array, FloatArray

__all__ = ["Sample", "take"]


_WHOLE = 2**17  # values that are all looked at, of arrays in memory
_MANY = 8192  # of larger ones, so many
_STEPS = 240  # steps of a block, or of an array
_BLOCKS = 3  # of a lazy array
_BYTES = 2**29  # of a block that is read, and of all that a call reads beyond one a variable
_FILE = 128  # rows and columns of a box of a file that is not read by dask
_POINT, _LAYER = "point", "layer"

_GUARD = threading.Lock()
_KNOWN: dict[
    tuple[str, str | None], tuple[weakref.ref[Any], Sample]
] = {}  # of dask arrays that live


@dataclass(frozen=True, eq=False)
class Sample:
    """Values of a variable as they are stored, float64 (time, point, layer), and its size."""

    array: xr.DataArray
    size: int

    @property
    def whole(self) -> bool:
        """Whether these are all values."""
        return self.array.size == self.size

    def of_layer(self, index: int | None) -> xr.DataArray:
        """Return the values of one layer, or all of a variable without layers."""
        if index is None or _LAYER not in self.array.dims:
            return self.array
        return self.array.isel({_LAYER: index}, drop=True)


def take(ds: xr.Dataset, layers: Mapping[str, str | None]) -> dict[str, Sample]:
    """Return samples of variables, each with its dimension of layers or None.

    Of arrays in memory all values or some thousands from all over; of dask arrays three blocks each
    (first, middle and last in time), all read at once and kept as long as the array lives, other
    blocks where these are empty; of files not yet read, boxes of these times. Blocks of more than
    512 MiB are left to the time when they are computed.
    """
    found: dict[str, Sample] = {}
    lazy: dict[str, xr.DataArray] = {}
    for name, layer in layers.items():
        array = _along_time(ds[name])
        if array.dtype.kind not in "fiub" or not array.size:
            continue
        if array.chunks is not None:
            known = _KNOWN.get((array.data.name, layer))
            if known is not None and known[0]() is not None:
                found[name] = known[1]
            else:
                lazy[name] = array
        elif in_memory(array):
            found[name] = _sample(array, [_thin(array, layer)], layer)
        else:
            found[name] = _sample(array, [array.isel(b) for b in _boxes(array, layer)], layer)
    found |= _read(lazy, layers)
    return {name: found[name] for name in layers if name in found}


def _along_time(array: xr.DataArray) -> xr.DataArray:
    """Return an array with the labels of time alone: to cut those of space takes time."""
    time = _time(array)
    coords = {} if time is None else {time: array.coords[time].variable}
    return xr.DataArray(array.variable, coords, name=array.name)


def _time(array: xr.DataArray) -> str | None:
    """Return the dimension of time, or None."""
    try:
        return time_dim(array)
    except GridError:
        return None


def _thin(array: xr.DataArray, layer: str | None) -> xr.DataArray:
    """Return some thousand values from all over an array, or all where it is small."""
    if array.size <= _WHOLE:
        return array
    time = _time(array)
    pick: dict[Hashable, slice] = {}
    room = _MANY / (array.sizes[layer] if layer else 1)
    if time is not None:
        stride = max(array.sizes[time] // _STEPS, 1)
        while stride > 1 and math.gcd(stride, 24) > 1:  # not always the same hour
            stride += 1
        pick[time] = slice(None, None, stride)
        room /= -(-array.sizes[time] // stride)
    return array.isel({**pick, **_space(array.sizes, {time, layer}, room)})


def _space(
    sizes: Mapping[Hashable, int], not_space: set[str | None], room: float
) -> dict[Any, Any]:
    """Return even picks along the dimensions of space, about as many as there is room for."""
    dims = sorted((n, str(d)) for d, n in sizes.items() if d not in not_space)
    pick, room = {}, max(room, 1.0)
    for left, (size, dim) in zip(range(len(dims), 0, -1), dims, strict=True):
        count = min(size, max(1, round(room ** (1 / left))))
        stride = max(size // count, 1)
        pick[dim] = slice(stride // 2, None, stride)
        room /= count
    return pick


def _sample(array: xr.DataArray, parts: Sequence[xr.DataArray], layer: str | None) -> Sample:
    """Join parts, along time where there is time, else along points."""
    time = _time(array)
    flat = [_flat(part, time, layer) for part in parts]
    if time is None:
        return Sample(xr.concat(flat, _POINT) if len(flat) > 1 else flat[0], array.size)
    same = [part for part in flat if part.sizes.get(_POINT) == flat[0].sizes.get(_POINT)]
    return Sample(xr.concat(same, time) if len(same) > 1 else flat[0], array.size)


def _flat(part: xr.DataArray, time: str | None, layer: str | None) -> xr.DataArray:
    """Return a part as (time, point, layer), float64, without coordinates but time."""
    lead = [d for d in (time,) if d is not None]
    last = [d for d in (layer,) if d is not None and d in part.dims]
    ordered = part.variable.transpose(*lead, ..., *last)
    sizes = [part.sizes[d] for d in lead], [part.sizes[d] for d in last]
    values = np.asarray(ordered.values, dtype=float).reshape(*sizes[0], -1, *sizes[1])
    dims = [*lead, _POINT, *([_LAYER] if last else [])]
    return xr.DataArray(values, part.coords, dims, name=part.name, attrs=part.attrs)


def _read(lazy: Mapping[str, xr.DataArray], layers: Mapping[str, str | None]) -> dict[str, Sample]:
    """Read blocks of dask arrays at once; others of those whose blocks are empty."""
    if not lazy:
        return {}
    each = {name: _block_bytes(array) for name, array in lazy.items()}
    lazy = {name: array for name, array in lazy.items() if each[name] <= _BYTES}
    count = _BLOCKS if (_BLOCKS - 1) * sum(each.values()) <= _BYTES else 1
    parts = _compute({n: _blocks(a, layers[n], _middle(a, count)) for n, a in lazy.items()})
    empty = {n: lazy[n] for n, found in parts.items() if not _any(found)}
    again = {n: _blocks(a, layers[n], _elsewhere(a, count)) for n, a in empty.items()}
    others = _compute({n: blocks for n, blocks in again.items() if blocks})
    found = {}
    for name, array in lazy.items():
        filled = [part for part in others.get(name, []) if part.notnull().any()]
        found[name] = _sample(array, filled or parts[name], layers[name])
        with _GUARD:
            key = (array.data.name, layers[name])
            _KNOWN[key] = (weakref.ref(array.data, partial(_forget, key)), found[name])
    return found


def _forget(key: tuple[str, str | None], _: object) -> None:
    """Let a sample go with its array."""
    _KNOWN.pop(key, None)


def _any(parts: Iterable[xr.DataArray]) -> bool:
    """Tell whether some part holds a value."""
    return any(bool(part.notnull().any()) for part in parts)


def _block_bytes(array: xr.DataArray) -> int:
    """Return the size of the largest block."""
    return math.prod(max(sizes) for sizes in array.chunksizes.values()) * array.dtype.itemsize


def _middle(array: xr.DataArray, count: int) -> list[dict[str, int]]:
    """Return the places of the first, middle and last block in time, in the middle of space."""
    time = _time(array)
    numbers = {str(d): len(sizes) for d, sizes in array.chunksizes.items()}
    middle = {d: n // 2 for d, n in numbers.items()}
    if time is None or count == 1:
        return [middle]
    last = numbers[time] - 1
    return [middle | {time: at} for at in dict.fromkeys((0, numbers[time] // 2, last))]


def _elsewhere(array: xr.DataArray, count: int) -> list[dict[str, int]]:
    """Return the places of other blocks in space; none where there is one alone."""
    time = _time(array)
    numbers = {str(d): len(sizes) for d, sizes in array.chunksizes.items()}
    done = tuple(n // 2 for n in numbers.values())
    places = {
        tuple(n // 2 if d == time else min(int(n * share), n - 1) for d, n in numbers.items())
        for share in (0.0, 0.25, 0.75, 1.0)
    }
    chosen = sorted(places - {done})[: max(count, 1) + 1]
    return [dict(zip(numbers, place, strict=True)) for place in chosen]


def _blocks(
    array: xr.DataArray, layer: str | None, places: Sequence[Mapping[str, int]]
) -> list[xr.DataArray]:
    """Return thin parts of blocks, lazily; steps of a block follow each other."""
    time, parts = _time(array), []
    for place in places:
        box = {}
        for dim, sizes in array.chunksizes.items():
            start = sum(sizes[: place[str(dim)]])
            box[str(dim)] = slice(start, start + sizes[place[str(dim)]])
        if layer is not None:
            box[layer] = slice(None)
        part = array.isel(box)
        steps = 1 if time is None else min(part.sizes[time], _STEPS)
        pick = {} if time is None else {time: slice(0, steps)}
        room = _MANY / len(places) / steps / (part.sizes[layer] if layer else 1)
        parts.append(part.isel({**pick, **_space(part.sizes, {time, layer}, room)}))
    return parts


def _compute(parts: Mapping[str, Sequence[xr.DataArray]]) -> dict[str, list[xr.DataArray]]:
    """Read parts of all variables in one go."""
    named = {f"{n} {k}": part for n, found in parts.items() for k, part in enumerate(found)}
    apart = {n: xr.Variable([f"{d} {n}" for d in p.dims], p.data) for n, p in named.items()}
    if not apart:
        return {}
    lazy = own_tasks(xr.Dataset(apart))
    read = lazy.compute(**_where())
    filled: dict[str, Array] = {str(n): read[n].values for n in read}
    return {
        n: [part.copy(data=filled[f"{n} {k}"]) for k, part in enumerate(found)]
        for n, found in parts.items()
    }


def _where() -> dict[str, Any]:
    """Read by the workers of an active client, where files may be, else by threads here.

    Graphs of blocks stay as they are on a cluster: it may still know tasks of the same names that
    were fused otherwise (https://github.com/dask/dask/issues/9888).
    """
    import dask

    if hasattr(dask.base.get_scheduler(), "__self__"):  # a method of a client
        return {"optimize_graph": False}
    one = dask.config.get("scheduler", None) in ("sync", "synchronous", "single-threaded")
    return {"scheduler": "synchronous" if one else "threads"}


def _boxes(array: xr.DataArray, layer: str | None) -> list[dict[str, slice]]:
    """Return boxes of a file: some times in a row, in the middle of space."""
    if array.size <= _WHOLE:
        return [{}]
    time = _time(array)
    box = {}
    for dim, size in array.sizes.items():
        if dim not in {time, layer}:
            start = max(size - _FILE, 0) // 2
            box[str(dim)] = slice(start, start + _FILE)
    if time is None:
        return [box]
    size, steps = array.sizes[time], min(array.sizes[time], _STEPS)
    cells = math.prod(min(n, _FILE) for d, n in array.sizes.items() if d != time)
    steps = max(1, min(steps, _WHOLE // max(cells, 1) // _BLOCKS))
    starts = dict.fromkeys((0, max(size - steps, 0) // 2, max(size - steps, 0)))
    if size <= steps * _BLOCKS:
        starts, steps = {0: None}, size
    return [{**box, time: slice(start, start + steps)} for start in starts]


def finite(values: Any) -> FloatArray:
    """Return the finite values, flat."""
    flat = np.asarray(values, dtype=float).reshape(-1)
    return flat[np.isfinite(flat)]
