"""How far ahead a prediction was made: a coordinate, which arithmetic and selection keep."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xsm.data.grid import step
from xsm.data.time_axis import months_of_index
from xsm.exceptions import GridError, UnknownNameError, check_whole
from xsm.typing import Array

__all__ = ["LEAD", "Lead", "lead_coordinate", "lead_of", "origins"]


LEAD = "lead"
"""The coordinate: a length of time, or a number of calendar months with the units "months"."""

Lead = xr.Variable | int
"""How far ahead: as the coordinate says, or a number of steps."""

_ATTRS = {
    "standard_name": "forecast_period",
    "long_name": "time from the end of what is known of the target to what is predicted",
}


def lead_coordinate(data: xr.DataArray, lead: int) -> xr.Variable:
    """Return how far ``lead`` steps of some data are ahead, as a scalar coordinate."""
    each = step(data)
    if each.months:
        return xr.Variable((), lead * each.months, {**_ATTRS, "units": "months"})
    return xr.Variable((), (lead * each.length).astype("m8[ns]"), _ATTRS)


def lead_of(
    predicted: xr.Dataset | xr.DataArray, index: Any, stated: int | None = None
) -> Lead | None:
    """Return how far ahead a prediction was made: as it says, or in steps of ``index`` as stated.

    None where neither is known. Several leads are refused, and what contradicts the prediction.
    """
    stated = None if stated is None else check_whole("lead", stated, 0)
    said = predicted[LEAD].variable if LEAD in predicted.coords else None
    if said is not None and said.ndim:
        dim = str(said.dims[0])
        msg = (
            f"The prediction holds {said.size} leads along {dim!r}, and one at a time is scored: "
            f"type predicted.isel({dim}=0). Where its dates are those of starts, say so: "
            'predicted.rename(time="init"), by their name.'
        )
        raise GridError(msg)
    if said is None or not (said.dtype.kind == "m" or said.attrs.get("units") == "months"):
        return stated  # a number of nobody knows what says nothing
    if stated is not None and not np.array_equal(origins(index, stated), origins(index, said)):
        days = "" if said.dtype.kind != "m" else f"{said.values / np.timedelta64(1, 'D'):g} days"
        msg = (
            f"lead={stated} was given, and the prediction says that it was made "
            f"{days or f'{int(said)} months'} ahead. Leave lead= out; or, where the prediction is "
            f"wrong, pass predicted.drop_vars({LEAD!r})."
        )
        raise UnknownNameError(msg)
    return said


def origins(index: Any, lead: Lead) -> Array:
    """Return for each date the row of the last one that its prediction may know, else -1.

    That is the last one at or before the date minus the lead; without a lead the one before the
    date itself. ``index`` ascends.
    """
    if isinstance(lead, int):
        return np.maximum(np.arange(len(index)) - max(lead, 1), -1)
    ahead: Any = lead.values
    times = np.asarray(index)
    if lead.dtype.kind != "m":
        times = months_of_index(index)
    elif times.dtype.kind == "O":  # dates of cftime take lengths of Python
        ahead = ahead.astype("m8[us]").item()
    now = not lead.values.astype(np.int64)
    found: Array = np.searchsorted(times, times - ahead, side="left" if now else "right") - 1
    return found
