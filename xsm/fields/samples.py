"""The samples of fields that train and that validate: from sources to scaled patches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import xarray as xr

from xsm.artefact.asked import Asked
from xsm.data.grid import step
from xsm.data.nesting import interpolate
from xsm.exceptions import NotEnoughDataError
from xsm.fields.frame import Frame
from xsm.fields.loss_series import loss_series
from xsm.fields.patches import Fields
from xsm.fields.regional import fit_regional
from xsm.fields.scaling import field_statistics, frame_of, stacked, with_covariates_of
from xsm.fields.sources import Sources
from xsm.fields.supervision import detail_below, supervised, with_maps
from xsm.nn import Sizes
from xsm.nn.devices import choose_device
from xsm.training.recipe import NestedRecipe
from xsm.training.splits import Split, chronological
from xsm.typing import Array, FloatArray

__all__ = ["FieldSamples", "make_fields", "sizes_of"]


_VALIDATION, _FEWEST = 65_536, 64  # coarse cells, and patches, that validate: others say no more
_LAYERS = 3  # channels of the base: interpolated, anchor minus interpolated, whether there is one


@dataclass(frozen=True, eq=False)
class FieldSamples:
    """What trains and what validates, with the statistics by which it was scaled.

    ``sources`` are what it was made of, in memory, with the truth that supervised; ``scaling`` has
    maps by fine cell where there was a truth. Without steps that validate ``validation`` is None.
    """

    training: Fields
    validation: Fields | None
    scaling: xr.Dataset
    split: Split
    sources: Sources


def make_fields(
    native: Sources,
    recipe: NestedRecipe,
    options: Mapping[str, Any],
    asked: Asked,
    *,
    kept: xr.Dataset | None = None,
) -> FieldSamples:
    """Return the samples of fields on the grids of the prediction, lazy or not.

    ``options`` are all hyper-parameters of the network, of which ``patch`` and ``hide`` are read;
    ``kept`` are statistics whose scales of covariates stay.
    Refused are fields that take more than the limit of memory or hold no whole window with a
    target, and ``supervision="truth"`` without one.
    """
    step(native.target)  # refuses uneven times
    sources = supervised(native, recipe.supervision)
    if sources.nbytes > (limit := asked.limit):
        msg = (
            f"The fields take {sources.nbytes / 2**30:.1f} GiB, memory_limit allows "
            f"{limit / 2**30:.1f}. Train on a region or a period (the network predicts any "
            "other), or pass a larger memory_limit."
        )
        raise NotEnoughDataError(msg)
    sources = sources.load()
    if sources.truth is None:
        sources = replace(sources, truth=interpolate(sources.target, sources.nest))
    window = recipe.window
    split = chronological(sources.steps, valid=asked.valid, window=window, lead=0)
    scaling = with_covariates_of(field_statistics(sources, split.training), kept)
    if recipe.supervision == "scale_transfer" and not recipe.dynamic + recipe.static:
        scaling["detail"] = detail_below(native, split.training)
    scaling, left_out = with_maps(scaling, sources, split.training, recipe)
    frame = frame_of(scaling, sources.nest, sources.area, window=window)
    fine = stacked(sources.fine, (sources.steps, *sources.nest.shape), 1)
    arrays = _arrays(sources, frame, fine, left_out, split.training)
    if recipe.supervision == "truth":
        ends = np.arange(max(0, split.training.indices(sources.steps)[1] - window + 1))
        told = fit_regional(arrays, frame.memory(fine), steps=ends, factor=sources.nest.factor)
        if told is not None:
            scaling["regional"] = "term", told
            arrays["regional"] = replace(frame, regional=told).guessed(arrays, fine)
    device = choose_device(asked.device)
    training, validation = _fields(arrays, recipe, options, sources, split, frame, device)
    if split.validates:  # what is known of cells, of all steps
        scaling, _ = with_maps(scaling, sources, slice(None), recipe)
    return FieldSamples(training, validation, scaling, split, sources)


def sizes_of(sources: Sources, window: int, *, gaussian: bool) -> Sizes:
    """Return the sizes of a network; the mask is a channel beside the coarse fields."""
    fine = _LAYERS + len(sources.fine) + len(sources.static)
    return Sizes(len(sources.coarse) + 1, fine, window, gaussian=gaussian)


def _arrays(
    sources: Sources,
    frame: Frame,
    fine: FloatArray,
    left_out: FloatArray | None,
    training: slice,
) -> dict[str, Array]:
    """Return all that the network and its loss are given, scaled."""
    coarse = stacked(sources.coarse, sources.target.shape, 1)
    static = stacked(sources.static, sources.nest.shape, 0)
    anchored = None
    if left_out is not None:
        anchored = frame.anchored(coarse[:, 0])
        anchored[: len(left_out)] = left_out
    arrays = frame.inputs(coarse, fine, static, anchored)
    return arrays | loss_series(sources, frame, training)


def _fields(
    arrays: Mapping[str, Array],
    recipe: NestedRecipe,
    options: Mapping[str, Any],
    sources: Sources,
    split: Split,
    frame: Frame,
    device: torch.device,
) -> tuple[Fields, Fields | None]:
    """Return what trains and what validates."""
    ends = np.arange(frame.window - 1, sources.steps)
    steps = np.arange(len(ends))
    side = int(options["patch"])
    ring = sources.nest.x.ring
    settings: dict[str, Any] = {
        "window": frame.window,
        "patch": (min(side, sources.nest.y.size), min(side, sources.nest.x.size)),
        "ring": ring,
        "base_scale": float(frame.statistics["base_scale"]),
        "device": device,
    }
    hide = float(options["hide"]) if recipe.anchored else 0.0
    training = Fields(arrays, steps[ends < split.training.stop], hide=hide, **settings)
    begin = split.validation.start + frame.window - 1
    most = max(_FEWEST, _VALIDATION // (settings["patch"][0] * settings["patch"][1]))
    later = steps[ends >= begin]
    validation = Fields(arrays, later, most=most, **settings) if split.validates else None
    for what, found in (("train", training), ("validate", validation)):
        if found is not None and not len(found):
            msg = (
                f"No patch has a target to {what} with: the truth, or all covariates together, are "
                "missing at every whole window. Look at .isnull() of each."
            )
            raise NotEnoughDataError(msg)
    return training, validation
