"""What a run is, in words and checksums, so that a checkpoint of another run is refused."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from dask.base import compute, tokenize

from xsm.losses import Loss
from xsm.nn import Model, Schedule

if TYPE_CHECKING:
    from dask.array import Array as LazyArray

__all__ = ["data_token", "described_model", "described_schedule", "described_terms"]


def described_model(model: type[Model], network: Mapping[str, Any]) -> str:
    """Return the name of a network with all its hyper-parameters.

    Parameters
    ----------
    model : subclass of Model
        The network's class.
    network : mapping of str to Any
        Hyper-parameters that were given.

    Returns
    -------
    str
        For a class that is not xsm's with a hash of its source, where there is one.

    Examples
    --------
    >>> from xsm.models.convlstm_unet import ConvLSTMUNet
    >>> described_model(ConvLSTMUNet, {})[:13]
    'ConvLSTMUNet('
    """
    said = f"{model.__qualname__}({model.hyperparameters() | dict(network)})"
    return f"{said} {_source(model)}".strip()


def described_terms(losses: Sequence[Loss]) -> str:
    """Return the terms of a loss with all that they hold.

    Parameters
    ----------
    losses : sequence of Loss
        The terms.

    Returns
    -------
    str
        The same in each process, also for classes without a ``repr``.

    Examples
    --------
    >>> from xsm.losses import RMSE
    >>> described_terms([RMSE(weight=0.5)])
    '(RMSE(weight=0.5))'
    """
    said = []
    for term in losses:
        kind = type(term)
        held = repr(term)
        if kind.__repr__ is object.__repr__:
            facts = {name: getattr(term, name) for name in ("name", "weight", "needs", "reads")}
            held = f"{kind.__qualname__}({facts | dict(getattr(term, '__dict__', {}))})"
        said.append(f"{held} {_source(kind)}".strip())
    return f"({', '.join(said)})"


def described_schedule(schedule: Schedule) -> str:
    """Return what of a schedule decides the course of a run.

    Parameters
    ----------
    schedule : Schedule
        Epochs, batches, patience.

    Returns
    -------
    str
        Without ``epochs`` and ``patience``, so that a run can be made longer; with a learning rate
        that falls over the epochs, their number belongs to the run.

    Examples
    --------
    >>> described_schedule(Schedule(epochs=3)) == described_schedule(Schedule(epochs=9))
    True
    """
    epochs = 0 if schedule.decay == "none" else schedule.epochs
    return repr(replace(schedule, epochs=epochs, patience=0))


def data_token(arrays: Mapping[str, xr.DataArray]) -> str:
    """Return a checksum of values and coordinates.

    Parameters
    ----------
    arrays : mapping of str to DataArray
        In memory or lazy; lazy ones are read once.

    Returns
    -------
    str
        The same for any chunks, also for none; another one where one value is another or in
        another place, or a label.

    Examples
    --------
    >>> soil = xr.DataArray([[0.1, 0.2], [0.3, np.nan]], {"x": [1, 2]}, ("time", "x"))
    >>> data_token({"soil": soil}) == data_token({"soil": soil.chunk(time=1)})
    True
    >>> data_token({"soil": soil}) == data_token({"soil": soil[::-1]})
    False
    """
    sums = {name: _checksum(array) for name, array in arrays.items()}
    lazy = any(array.chunks is not None for array in arrays.values())
    (found,) = compute(sums, **({} if lazy else {"scheduler": "threads"}))
    labels = {
        name: {d: array[d].values.astype(str) for d in array.dims if d in array.coords}
        for name, array in arrays.items()
    }
    return tokenize({name: int(value) for name, value in found.items()}, labels)


def _checksum(array: xr.DataArray) -> LazyArray:
    """Return the sum of all values' bits, each times an odd number of its place, modulo 2**64."""
    import dask.array as da

    data = array.data
    if array.chunks is None:
        data = da.from_array(array.values, chunks="auto", name=False)
    bits = data.astype(np.float64).view(np.uint64)
    odd, stride = np.uint64(1), 2
    for size, chunks in zip(reversed(data.shape), reversed(data.chunks), strict=True):
        places = da.arange(size, chunks=(chunks,), dtype=np.uint64) * np.uint64(stride)
        odd = places.reshape(-1, *[1] * odd.ndim) + odd
        stride *= size
    return (bits * odd).sum(dtype=np.uint64)


def _source(own: type) -> str:
    """Return a hash of the source of a class that is not xsm's."""
    if own.__module__.startswith("xsm."):
        return ""
    try:
        return tokenize(inspect.getsource(own))[:8]
    except (OSError, TypeError):
        return ""
