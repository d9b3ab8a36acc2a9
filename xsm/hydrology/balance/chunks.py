"""The scan of the water balance over blocks: eager arrays, or dask arrays of any chunks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise, zip_longest
from operator import getitem
from typing import Any

import numpy as np
import numpy.typing as npt

from xsm.data.doubt.guard import Guard, look
from xsm.typing import Array, FloatArray, Trend

__all__ = ["Plan", "scan_arrays"]


@dataclass(frozen=True)
class Plan:
    """What a scan computes of which arrays.

    Parameters
    ----------
    names : tuple of str
        Inputs of :func:`xsm.physics.water_balance.inflow_trend` that the first arrays are.
    outputs : tuple of str
        Its outputs that are wanted.
    weights : tuple of float
        mm of water per m3 m-3 of each of the remaining arrays, which are layers of soil.
    trend : {"change", "level"}, default: "change"
        Sign of the change of the inflow, or of the inflow itself.
    threshold : float, default: 0.0
        mm day-1, see there.
    step_days : float or tuple of float, default: 1.0
        Length of the step, or of each, as of months.
    reverse_snow : bool, default: False
        Count growing snow as inflow.
    axis : int, default: 0
        The axis of time.
    guards : tuple of Guard or None
        Look at the arrays of blocks, in their order.
    factors : tuple of float
        Numbers that make the arrays canonical, in their order; by default they are.

    Examples
    --------
    >>> Plan(names=("precipitation",), outputs=("inflow",)).trend
    'change'
    """

    names: tuple[str, ...]
    outputs: tuple[str, ...]
    weights: tuple[float, ...] = ()
    trend: Trend = "change"
    threshold: float = 0.0
    step_days: float | tuple[float, ...] = 1.0
    reverse_snow: bool = False
    axis: int = 0
    guards: tuple[Guard | None, ...] = ()
    factors: tuple[float, ...] = ()


def scan_arrays(plan: Plan, arrays: Sequence[Any]) -> list[Any]:
    """Return the outputs of a plan, lazily where any array is a dask array.

    Parameters
    ----------
    plan : Plan
        What to compute.
    arrays : sequence of array
        Of one shape: those that ``plan.names`` names, then the layers.

    Returns
    -------
    list of array
        One for each output, dask arrays where any input is one. Chunks along time carry
        their state to the next, so that any chunks give identical results; nothing is computed.

    Examples
    --------
    >>> plan = Plan(names=("precipitation",), outputs=("trend",))
    >>> scan_arrays(plan, [np.array([1.0, 3.0, 2.0])])[0]
    array([nan,  1., -1.])
    """
    if not any(hasattr(array, "dask") for array in arrays):
        return _scan(plan, [np.asarray(a) for a in arrays], None, None, None)
    stacked = _lazy(plan, arrays)
    return [stacked[k] for k in range(len(plan.outputs))]


def _scan(
    plan: Plan,
    arrays: Sequence[Array],
    state: npt.NDArray[np.float64] | None,
    out: Sequence[FloatArray] | None,
    threads: int | None,
) -> list[FloatArray]:
    """Scan arrays in memory, in double precision."""
    from xsm.physics.water_balance import inflow_trend

    given = dict(zip(plan.names, arrays, strict=False))
    layers, factors = arrays[len(plan.names) :], plan.factors[len(plan.names) :]
    if layers:
        weights = [w * f for w, f in zip_longest(plan.weights, factors, fillvalue=1.0)]
        given["deep_storage"] = _storage(layers, weights)
    found = inflow_trend(
        **given,
        factors=dict(zip(plan.names, plan.factors, strict=False)),
        outputs=plan.outputs,
        trend=plan.trend,
        threshold=plan.threshold,
        step_days=plan.step_days if isinstance(plan.step_days, float) else np.array(plan.step_days),
        reverse_snow=plan.reverse_snow,
        axis=plan.axis,
        state=state,
        out=None if out is None else dict(zip(plan.outputs, out, strict=True)),
        work=np.float64,
        threads=threads,
    )
    return [found[name] for name in plan.outputs]


def _storage(layers: Sequence[Array], weights: Sequence[float]) -> npt.NDArray[np.float64]:
    """Return the water of layers in mm; doubles, since its small changes count."""
    total = weights[0] * layers[0].astype(np.float64)
    for layer, weight in zip(layers[1:], weights[1:], strict=True):
        total += weight * layer.astype(np.float64)
    return total


def _block(plan: Plan, dtype: np.dtype[Any], *arrays: Array) -> FloatArray:
    """Return the outputs of one block, stacked."""
    stack = np.empty((len(plan.outputs), *arrays[0].shape), dtype)
    look(plan.guards, arrays)
    _scan(plan, arrays, None, list(stack), 1)
    return stack


def _carry(
    plan: Plan, dtype: np.dtype[Any], before: tuple[Any, Any] | None, *arrays: Array
) -> tuple[FloatArray, npt.NDArray[np.float64]]:
    """Return the stacked outputs of one block and the state after it, from that before it."""
    from xsm.physics.water_balance import initial_state

    shape = arrays[0].shape
    cells = int(np.prod([n for i, n in enumerate(shape) if i != plan.axis], dtype=np.int64))
    state = initial_state(cells) if before is None else before[1].copy()
    stack = np.empty((len(plan.outputs), *shape), dtype)
    look(plan.guards, arrays)
    _scan(plan, arrays, state, list(stack), 1)
    return stack, state


def _lazy(plan: Plan, arrays: Sequence[Any]) -> Any:
    """Return the stacked outputs (output, ...) as a dask array."""
    import dask.array as da

    index = tuple(range(arrays[0].ndim))
    pairs = [part for array in arrays for part in (da.asarray(array), index)]
    _, unified = da.core.unify_chunks(*pairs)
    narrow = [np.float32 if a.dtype in (np.float16, np.float32) else np.float64 for a in unified]
    dtype = np.result_type(*narrow[: len(plan.names)])
    if unified[0].numblocks[plan.axis] > 1:
        return _chain(plan, dtype, unified)
    return da.blockwise(
        _block,
        (-1, *index),
        plan,
        None,
        dtype,
        None,
        *[part for array in unified for part in (array, index)],
        new_axes={-1: len(plan.outputs)},
        dtype=dtype,
        meta=np.empty((0,) * (len(index) + 1), dtype),
        name=None,
        token="water-balance",
    )


def _plans(plan: Plan, sizes: Sequence[int]) -> list[Plan]:
    """Return the plan of each block along time: with the lengths of its own steps."""
    if isinstance(plan.step_days, float):
        return [plan] * len(sizes)
    ends = [0, *accumulate(sizes)]
    return [replace(plan, step_days=plan.step_days[a:b]) for a, b in pairwise(ends)]


def _chain(plan: Plan, dtype: np.dtype[Any], arrays: Sequence[Any]) -> Any:
    """Return the stacked outputs of blocks that follow each other in time, each on the last."""
    import dask.array as da
    from dask.base import tokenize
    from dask.highlevelgraph import HighLevelGraph

    token = tokenize(plan, dtype, *[array.name for array in arrays])
    run, out = f"water-balance-run-{token}", f"water-balance-{token}"
    graph: dict[Any, Any] = {}
    plans = _plans(plan, arrays[0].chunks[plan.axis])
    for block in np.ndindex(*arrays[0].numblocks):
        k = block[plan.axis]
        last = (run, *block[: plan.axis], k - 1, *block[plan.axis + 1 :]) if k else None
        graph[(run, *block)] = (_carry, plans[k], dtype, last, *[(a.name, *block) for a in arrays])
        graph[(out, 0, *block)] = (getitem, (run, *block), 0)
    layers = HighLevelGraph.from_collections(out, graph, dependencies=list(arrays))
    chunks = ((len(plan.outputs),), *arrays[0].chunks)
    meta = np.empty((0,) * len(chunks), dtype)
    return da.Array(layers, out, chunks, dtype=dtype, meta=meta)
