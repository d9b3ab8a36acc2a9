"""Weights that carry layers to other depths, and the blocks that apply them; no labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from xsm.typing import Array, FloatArray

__all__ = [
    "Bounds",
    "Mean",
    "Plan",
    "interval_weights",
    "point_weights",
    "remap",
    "sensor_weights",
]


Bounds: TypeAlias = Sequence[tuple[float, float]]
Mean: TypeAlias = Literal["arithmetic", "geometric", "harmonic"]

_SLAB = 2**15  # values
_ROUNDING = 1e-6  # m; edges nearer than this are the same


@dataclass(frozen=True)
class Plan:
    """How the layers of a variable are carried to other depths.

    Parameters
    ----------
    weights : tuple of tuple of float
        (target, layer): share of each layer in each target; a row of zeros gives NaN.
    factors, offsets : tuple of float
        Of each layer, to its canonical unit.
    mean : {"arithmetic", "geometric", "harmonic"}
        The mean that the shares belong to.
    dtype : str
        Of the result.

    Examples
    --------
    >>> Plan(((0.5, 0.5),), (1.0, 1.0), (0.0, 0.0)).mean
    'arithmetic'
    """

    weights: tuple[tuple[float, ...], ...]
    factors: tuple[float, ...]
    offsets: tuple[float, ...]
    mean: Mean = "arithmetic"
    dtype: str = "float64"


def interval_weights(layers: Bounds, targets: Bounds) -> FloatArray:
    """Return the share of each layer in each target interval.

    Parameters
    ----------
    layers, targets : sequence of tuple of float
        Top and bottom in m, positive down; layers do not overlap.

    Returns
    -------
    array (target, layer)
        Overlap by the target's thickness, summing to one; a row of zeros where the layers do not
        cover all of a target. Edges that differ by less than 1e-6 m are the same.

    Examples
    --------
    >>> interval_weights([(0.0, 0.1), (0.1, 0.4)], [(0.0, 0.2), (0.3, 0.5)])
    array([[0.5, 0.5],
           [0. , 0. ]])
    """
    top, bottom = np.array(layers, dtype=float).T
    upper, lower = (edge[:, None] for edge in np.array(targets, dtype=float).T)
    overlap = np.minimum(bottom, lower) - np.maximum(top, upper)
    overlap = np.where(overlap > _ROUNDING, overlap, 0.0)
    return _covered(overlap, overlap.sum(axis=1, keepdims=True) >= lower - upper - _ROUNDING)


def point_weights(layers: Bounds, points: Sequence[float]) -> FloatArray:
    """Return the share of each layer in the value at each point.

    Parameters
    ----------
    layers : sequence of tuple of float
        Top and bottom in m, positive down; layers do not overlap.
    points : sequence of float
        Depths in m, positive down.

    Returns
    -------
    array (point, layer)
        One for the layer that holds the point; half for both layers that meet there; a row of
        zeros where no layer is.

    Examples
    --------
    >>> point_weights([(0.0, 0.1), (0.1, 0.4)], [0.0, 0.1, 0.2, 0.5])
    array([[1. , 0. ],
           [0.5, 0.5],
           [0. , 1. ],
           [0. , 0. ]])
    """
    top, bottom = np.array(layers, dtype=float).T
    depth = np.array(points, dtype=float)[:, None]
    inside = ((top - _ROUNDING <= depth) & (depth <= bottom + _ROUNDING)).astype(float)
    return _covered(inside, inside.any(axis=1, keepdims=True))


def sensor_weights(sensors: Sequence[float], layers: Bounds, points: Sequence[float]) -> FloatArray:
    """Return the share of each sensor in the value at each point, linear between two of them.

    Parameters
    ----------
    sensors : sequence of float
        Depths in m, positive down, from the top down.
    layers : sequence of tuple of float
        What the sensors stand for: above the first and below the last one its value holds as far
        as its layer reaches.
    points : sequence of float
        Depths in m, positive down.

    Returns
    -------
    array (point, sensor)
        Summing to one; a row of zeros where no layer is.

    Examples
    --------
    >>> sensor_weights([0.1, 0.3], [(0.0, 0.2), (0.2, 0.4)], [0.0, 0.2, 0.25, 0.5])
    array([[1.  , 0.  ],
           [0.5 , 0.5 ],
           [0.25, 0.75],
           [0.  , 0.  ]])
    """
    deep = np.asarray(points, dtype=float)
    place = np.interp(deep, sensors, np.arange(len(sensors)))
    shares = np.maximum(0.0, 1.0 - abs(place[:, None] - np.arange(len(sensors))))
    reach = max(bottom for _, bottom in layers) + _ROUNDING
    return _covered(shares, (deep <= reach)[:, None])


def _covered(shares: FloatArray, covered: Array) -> FloatArray:
    """Return shares that sum to one, and zeros for targets that are not covered."""
    total = shares.sum(axis=1, keepdims=True)
    found: FloatArray = np.divide(shares, total, out=np.zeros_like(shares), where=covered)
    return found


def remap(plan: Plan, arrays: Sequence[Any], axis: int, layer_axis: int | None) -> Any:
    """Return layers at other depths, lazily where an array is a dask array.

    Parameters
    ----------
    plan : Plan
        Weights and conversions.
    arrays : sequence of array
        One array that holds the layers along ``layer_axis``, or one array for each, of one shape.
    axis : int
        Where the axis of the targets lies in the result.
    layer_axis : int or None
        The axis of the layers, or None for one array a layer.

    Returns
    -------
    array
        A dask array where an input is one, of one task for each block of the other axes; blocks
        along ``layer_axis`` are joined inside the task.

    Examples
    --------
    >>> plan = Plan(((0.5, 0.5),), (1.0, 1.0), (0.0, 0.0))
    >>> remap(plan, [np.array([1.0]), np.array([3.0])], 0, None)
    array([[2.]])
    """
    if not any(hasattr(array, "dask") for array in arrays):
        return _block(plan, axis, layer_axis, *[np.asarray(array) for array in arrays])
    return _lazy(plan, arrays, axis, layer_axis)


def _block(plan: Plan, axis: int, layer_axis: int | None, *arrays: Array) -> FloatArray:
    """Return the targets of one block, slab by slab, whose double precision stays in the cache."""
    layers = arrays if layer_axis is None else np.moveaxis(arrays[0], layer_axis, 0)
    shape = layers[0].shape
    found = np.empty((*shape[:axis], len(plan.weights), *shape[axis:]), plan.dtype)
    targets = np.moveaxis(found, axis, 0)
    length = shape[0] if shape else 1
    rows = max(1, _SLAB * length // max(1, layers[0].size))
    for start in range(0, length, rows):
        part = (slice(start, start + rows),) if shape else ()
        targets[(slice(None), *part)] = _targets(plan, [layer[part] for layer in layers])
    return found


def _targets(plan: Plan, layers: Sequence[Array]) -> FloatArray:
    """Return the targets (target, ...) of layers in double precision."""
    total = np.zeros((len(plan.weights), *layers[0].shape))
    steps = zip(layers, plan.factors, plan.offsets, np.array(plan.weights).T, strict=True)
    for layer, factor, offset, column in steps:
        if column.any():
            values: FloatArray = layer.astype(np.float64)
            if (factor, offset) != (1.0, 0.0):
                values = values * factor + offset
            values = _forward(values, plan.mean)
            for k in np.flatnonzero(column):
                total[k] += column[k] * values
    total = _backward(total, plan.mean)
    total[~np.array(plan.weights).any(axis=1)] = np.nan
    return total


def _forward(values: FloatArray, mean: Mean) -> FloatArray:
    """Return what is averaged."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if mean == "geometric":
            return np.asarray(np.log(values))
        return 1.0 / values if mean == "harmonic" else values


def _backward(values: FloatArray, mean: Mean) -> FloatArray:
    """Return the mean of what was averaged."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if mean == "geometric":
            return np.asarray(np.exp(values))
        return 1.0 / values if mean == "harmonic" else values


def _lazy(plan: Plan, arrays: Sequence[Any], axis: int, layer_axis: int | None) -> Any:
    """Return the targets of blocks as a dask array."""
    import dask.array as da

    given = list(range(arrays[0].ndim))
    others = [i for i in given if i != layer_axis]
    out = [*others[:axis], -1, *others[axis:]]
    return da.blockwise(
        _block,
        out,
        plan,
        None,
        axis,
        None,
        layer_axis,
        None,
        *[part for array in arrays for part in (array, given)],
        new_axes={-1: len(plan.weights)},
        concatenate=True,
        dtype=plan.dtype,
        meta=np.empty((0,) * len(out), plan.dtype),
        token="to-depths",
    )
