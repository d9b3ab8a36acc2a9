"""What a model takes over from the one that it goes on from, and how it says so."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import cast

import numpy as np
import xarray as xr

from xsm.artefact.asked import Asked, Tuning
from xsm.artefact.learnt import Learnt
from xsm.data.grid import step
from xsm.nn import Model, Schedule, frozen_weights, members_of, weights_of_parts
from xsm.training.schedule import check_schedule
from xsm.training.start import Start

__all__ = ["gone_on", "observed_years", "schedule_after", "starts"]


_SLOWEST = 0.05  # of the source's learning rate


def observed_years(array: xr.DataArray, steps: int) -> float:
    """Return for how many years a target is known, of observed steps of an array along time."""
    each = step(array)
    days = each.months * 365.25 / 12 if each.months else each.length / np.timedelta64(1, "D")
    return max(1, steps) * float(days) / 365.25


def schedule_after(source: Learnt, asked: Asked, years: float) -> Schedule:
    """Return the schedule of the source, its steps shorter where less than a year is known."""
    before = {f.name: source.parameters[f.name] for f in fields(Schedule)}
    before["learning_rate"] = float(before["learning_rate"]) * min(1.0, max(years, _SLOWEST))
    return check_schedule(Schedule(**before | dict(asked.schedule)))


def starts(source: Learnt, tuning: Tuning, anchor: float) -> list[Start]:
    """Return where each member goes on from."""
    found = []
    for network in members_of(cast(Model, source.model)):
        parts = weights_of_parts(network)
        weights = {k: v.detach().cpu().clone() for k, v in network.state_dict().items()}
        frozen = frozen_weights(network, tuning.freeze)
        found.append(Start(weights, frozen, parts["head"], tuning.head_first, anchor))
    return found


def gone_on(
    source: Learnt, learnt: Learnt, tuning: Tuning, anchor: float, lines: Mapping[str, str]
) -> Learnt:
    """Return a model with what came from where on its card, and the lineage in its fingerprint."""
    today = dt.datetime.now(dt.UTC).date().isoformat()
    entry = {
        "model": source.name,
        "target": source.recipe.target,
        "token": source.token,
        "training": source.card.get("training", ""),
        "data": {k: v for k, v in source.fingerprint.items() if k != "lineage"},
        "left": today,
    }
    stays = tuning.freeze if isinstance(tuning.freeze, str) else ", ".join(tuning.freeze or ())
    taken = ["weights to begin with, scales of inputs"]
    taken += [f"{stays} as it was"] if stays else []
    taken += [f"the head alone in {tuning.head_first} epochs"] if tuning.head_first else []
    card = {
        **learnt.card,
        **lines,
        "source": f"{source.name} of {entry['target']}, {entry['training']}, {source.token[:12]}",
        "from the source": "; ".join(taken),
        "from these data": "scale of the target, all further training",
        "fine-tuned": today,
    }
    own = {"freeze": stays or None, "anchor": anchor, "head_first": tuning.head_first}
    lineage = [*source.fingerprint.get("lineage", []), entry]
    return replace(
        learnt,
        card=card,
        fingerprint={**learnt.fingerprint, "lineage": lineage},
        parameters={**learnt.parameters, **own},
    )
