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
from xsm.training.job import Trained
from xsm.training.splits import Split
from xsm.typing import Array

__all__ = ["card_text", "history_dataset", "whole_card"]


def history_dataset(histories: Sequence[History]) -> xr.Dataset:
    """Return what training logged, of a network or of each member of an ensemble.

    ``total`` and each unweighted loss term (part, epoch); of several members (member, part, epoch),
    NaN where a member stopped earlier. ``best_epoch`` is in the attributes.
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


def whole_card(
    lines: Mapping[str, str],
    trained: Trained,
    times: Array,
    split: Split,
    losses: Sequence[Loss],
    settings: Mapping[str, Any],
    seconds: float,
) -> dict[str, str]:
    """Return lines of a card with what trained, by what loss, how it ended, and how it was made.

    ``times`` are the dates of the series; ``settings`` are all of the training, which took so many
    ``seconds``.
    """
    history, best = trained.history, trained.history.best_epoch
    at = int(np.flatnonzero(history.epoch == best)[0])
    parts = {"training": history.training, "validation": history.validation}
    scores = [f"{p} {v['total'][at]:.4g}" for p, v in parts.items() if np.isfinite(v["total"][at])]
    return {
        **lines,
        "training": f"{_span(times[split.training])}, {trained.samples}",
        "validation": _span(times[split.validation]),
        "losses": " + ".join(f"{loss.weight:g} {_titled(loss)}" for loss in losses),
        "best epoch": f"{best} of {int(history.epoch[-1])} ({', '.join(scores)})",
        "settings": ", ".join(f"{k}={v}" for k, v in settings.items()),
        "seconds": f"{seconds:.1f}",
        "versions": f"xsm {importlib.metadata.version('xsm')}, torch {torch.__version__}",
    }


def card_text(name: str, card: Mapping[str, str]) -> str:
    """Return the card of a model as text, a line for each of its lines."""
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
