"""Going on from a network that downscales, see :meth:`xsm.FittedModel.finetune`."""

from __future__ import annotations

from dataclasses import replace

import xarray as xr

from xsm.artefact.asked import Asked, Tuning
from xsm.artefact.learnt import Learnt
from xsm.artefact.lineage import gone_on, observed_years, schedule_after, starts
from xsm.data.grid import time_dim
from xsm.data.nesting import horizontal_axes
from xsm.exceptions import GridError
from xsm.fields.apply import nested
from xsm.fields.fit import Settled, train_fields
from xsm.nn import members_of

__all__ = ["finetune_fields"]


def finetune_fields(source: Learnt, ds: xr.Dataset, asked: Asked, tuning: Tuning) -> Learnt:
    """Go on from a network of fields: covariates keep their scales, the target gets its own.

    It learns from what its source learnt from: a truth, or one scale up.
    """
    recipe, model = nested(source)
    if (recipe.supervision == "truth") != (asked.truth is not None):
        how = "from a truth: pass truth=" if asked.truth is None else "without: leave truth= out"
        msg = f"The source learnt with supervision={recipe.supervision!r}, {how}."
        raise GridError(msg)
    cls = type(members_of(model)[0])
    network = {k: source.parameters.get(k, v) for k, v in cls.hyperparameters().items()}
    y, x = horizontal_axes(ds)
    asked = replace(
        asked,
        supervision=recipe.supervision,
        window=recipe.window,
        target=asked.target or recipe.target,
        factor=None
        if asked.truth is not None
        else dict(zip((y.dim, x.dim), recipe.factor, strict=True)),
    )
    time = time_dim(ds)
    shown = ds[time] if asked.truth is None else asked.truth[time]
    years = observed_years(ds[time], shown.size)
    anchor = tuning.drawn_back(years)
    settled = Settled(
        network,
        schedule_after(source, asked, years),
        str(source.parameters["head"]),
        starts(source, tuning, anchor),
        (recipe.dynamic, recipe.static),
        source.scaling,
    )
    learnt = train_fields(ds, cls, asked, settled)
    found = nested(learnt)[0].factor
    if found != recipe.factor:
        msg = f"The source refines by {recipe.factor}, truth= by {found}; they must be equal."
        raise GridError(msg)
    return gone_on(source, learnt, tuning, anchor, {})
