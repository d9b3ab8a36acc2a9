"""What the loss terms of downscaling are given beside the inputs: truth, storage before, rain."""

from __future__ import annotations

import numpy as np

from xsm.fields.frame import Frame
from xsm.fields.sources import Sources
from xsm.physics.infiltration import infiltration, monthly_anomaly
from xsm.typing import Array

__all__ = ["loss_series"]


def loss_series(sources: Sources, frame: Frame, training: slice) -> dict[str, Array]:
    """Return the scaled truth and what the physical terms need, at the ends of the windows.

    ``sources`` are in memory; the months of the ``training`` steps are the normal. (step, 1, y, x)
    float32: ``target``; where precipitation and soil moisture are among the covariates also
    ``previous``, the interpolated coarse target of the step before, and ``infiltration``, its
    anomaly from the mean of the same month of the year in training, in units of its spread. NaN
    where missing; nothing without a truth.
    """
    begin, stats = frame.window - 1, frame.statistics
    if sources.truth is None:
        return {}
    truth = sources.truth.values[begin:].astype(float)
    found: dict[str, Array] = {"target": (truth - stats["target_offset"]) / stats["target_scale"]}
    if {"precipitation", "soil_moisture"} <= set(sources.fine):
        rain, soil = (sources.fine[n].values for n in ("precipitation", "soil_moisture"))
        months = np.asarray(sources.target[sources.time].dt.month.values)
        water = monthly_anomaly(infiltration(rain, soil), months, training)[begin:]
        spread = np.nanstd(water) if np.isfinite(water).any() else 1.0
        found["infiltration"] = water / (spread or 1.0)  # 0 where rain does not vary
        coarse = sources.target.values.astype(float)
        before = np.concatenate([np.full_like(coarse[:1], np.nan), coarse[:-1]])[begin:]
        scaled = (before - stats["target_offset"]) / stats["target_scale"]
        found["previous"] = frame.interpolated(scaled)
    return {name: a[:, None].astype(np.float32) for name, a in found.items()}
