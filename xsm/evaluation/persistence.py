"""What an observation says of later steps by itself: persistence, plain and damped."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xsm.data.grid import time_dim
from xsm.data.lead import Lead, lead_of, origins
from xsm.evaluation.autocorrelation import count_steps, level_at, rho_of
from xsm.evaluation.known import Known
from xsm.exceptions import warn_outside
from xsm.hydrology.balance import previous_observation

__all__ = ["persisted"]


def persisted(
    observed: xr.DataArray,
    predicted: xr.DataArray,
    stated: int | None,
    known: Known,
) -> tuple[dict[str, xr.DataArray], dict[str, xr.DataArray]]:
    """Return what the last observation that a prediction may know says of each step, lazily.

    ``persistence`` is that observation itself. ``damped_persistence`` is
    ``k + rho (y - k')``: its anomaly from the level of its day, times the correlation after the
    steps in between, on the level of the day that it is for, as is ``known`` of the same places.
    Both are NaN where the lead is not known, and a warning says so; the second where no correlation
    is known. The standard deviation of its error is returned too, ``std sqrt(1 - rho^2)``.
    """
    time = time_dim(observed)
    nothing = xr.full_like(observed, np.nan, dtype=np.float32)
    lead = lead_of(predicted, observed.indexes[time], stated)
    if lead is None:
        warn_outside(
            "No persistence was scored, plain or damped, their scores are NaN: the prediction does "
            "not say how far ahead it was made. Type lead=1 where it is of the step after its last "
            "input, as score(..., lead=1), lead=0 where it is of the same step, or "
            "baselines=False."
        )
        return {"persistence": nothing, "damped_persistence": nothing}, {}
    found = {"persistence": _held(observed, lead), "damped_persistence": nothing}
    spread = {}
    if known.persistence is not None:
        level = level_at(known.persistence, known.climatology, observed[time])
        level = level.transpose(*observed.dims, missing_dims="ignore")  # members have one level
        steps = xr.DataArray(count_steps(observed.indexes[time]), dims=time)
        since = steps - _held(steps.where(observed.notnull()).transpose(*observed.dims), lead)
        anomaly = _held(observed - level, lead)
        rho = rho_of(since, known.persistence["rho"])
        found["damped_persistence"] = (level + rho * anomaly).transpose(*observed.dims)
        spread["damped_persistence"] = known.persistence["std"] * np.sqrt(1 - rho**2)
    return found, spread


def _held(values: xr.DataArray, lead: Lead) -> xr.DataArray:
    """Return the last value at or before the step that a prediction of each step may know."""
    time = time_dim(values)
    rows = origins(values.indexes[time], lead)
    known = rows >= 0
    back = np.unique((np.arange(len(rows)) - rows)[known])
    last = previous_observation(values)  # strictly before, which is a row on
    if back.size < 2:  # even steps: no row is picked by itself
        return last.shift({time: int(back[0]) - 1 if back.size else len(rows)})
    held = values.fillna(last).isel({time: np.maximum(rows, 0)})
    kept = xr.DataArray(known, dims=time)
    return held.assign_coords({time: values[time]}).where(kept)
