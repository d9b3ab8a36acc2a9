"""What a run is, in words and checksums, so that a checkpoint of another run is refused."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from xsm.losses import Loss
from xsm.nn import Model, Schedule

__all__ = ["described_model", "described_schedule", "described_terms"]


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


def _source(own: type) -> str:
    """Return a hash of the source of a class that is not xsm's."""
    if own.__module__.startswith("xsm."):
        return ""
    try:
        return hashlib.sha256(inspect.getsource(own).encode()).hexdigest()[:8]
    except (OSError, TypeError):
        return ""
