"""What a fitted model is and how it was trained, as tables and text."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr

from xsm.losses import Loss
from xsm.training.history import History
from xsm.training.splits import Split
from xsm.typing import Array

__all__ = ["card_text", "history_dataset", "made_of", "outcome"]


def history_dataset(histories: Sequence[History]) -> xr.Dataset:
    """Return what the training loop logged as a Dataset: of the network, or of each member.

    ``total`` and each unweighted loss term (part, epoch); of several members (member, part, epoch),
    NaN where a member stopped earlier. ``best_epoch`` in the attributes.
    """
    tables = [_table(history) for history in histories]
    if len(tables) == 1:
        return tables[0].assign_attrs(best_epoch=histories[0].best_epoch)
    joined = xr.concat(tables, "member", join="outer").assign_coords(member=range(len(tables)))
    return joined.assign_attrs(best_epoch=[history.best_epoch for history in histories])


def _table(history: History) -> xr.Dataset:
    """Return one history as a Dataset."""
    both = {
        n: (("part", "epoch"), np.stack([history.training[n], history.validation[n]]))
        for n in history.training
    }
    return xr.Dataset(both, {"part": ["training", "validation"], "epoch": history.epoch})


def outcome(
    history: History, samples: str, times: Array, split: Split, losses: Sequence[Loss]
) -> dict[str, str]:
    """Describe what trained, by what loss, and how it ended: lines of the card by their titles.

    ``samples`` says in words what trained; ``times`` are the dates of the series.
    """
    best = history.best_epoch
    at = int(np.flatnonzero(history.epoch == best)[0])
    parts = {"training": history.training, "validation": history.validation}
    scores = [f"{p} {v['total'][at]:.4g}" for p, v in parts.items() if np.isfinite(v["total"][at])]
    return {
        "training": f"{_span(times[split.training])}, {samples}",
        "validation": _span(times[split.validation]),
        "losses": " + ".join(f"{loss.weight:g} {_titled(loss)}" for loss in losses),
        "best epoch": f"{best} of {int(history.epoch[-1])} ({', '.join(scores)})",
    }


def made_of(settings: Mapping[str, Any], seconds: float) -> dict[str, str]:
    """Describe by what settings and versions a model was made, in how many seconds."""
    return {
        "settings": ", ".join(f"{k}={v}" for k, v in settings.items()),
        "seconds": f"{seconds:.1f}",
        "versions": f"xsm {importlib.metadata.version('xsm')}, torch {torch.__version__}",
    }


def card_text(name: str, card: Mapping[str, str]) -> str:
    """Return the card as text, a line for each title."""
    width = max(map(len, card))
    lines = [f"  {key:<{width}}  {value}" for key, value in card.items()]
    return "\n".join([f"<xsm.FittedModel {name!r}>", *lines])


def _titled(loss: Loss) -> str:
    """Name a loss term, with the trend that it follows."""
    trend = getattr(loss, "trend", None)
    return f"{loss.name} ({trend})" if trend else loss.name


def _span(times: Array) -> str:
    """Describe a period by its first and last time."""
    return f"{times[0]!s:.10} to {times[-1]!s:.10}" if len(times) else "none"
