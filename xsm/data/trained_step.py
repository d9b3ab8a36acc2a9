"""The step that a model was trained at: its windows and leads are other times at other steps."""

from __future__ import annotations

import xarray as xr

from xsm.data.grid import step, time_dim
from xsm.exceptions import GridError

__all__ = ["check_trained_step", "even_or_none"]


def even_or_none(array: xr.DataArray) -> str | None:
    """Return the step of data in words; None where times are uneven, or one alone."""
    try:
        return str(step(array)) if array.sizes[time_dim(array)] > 1 else None
    except GridError:
        return None


def check_trained_step(
    name: str, trained: str | None, array: xr.DataArray, *, what: str, alone: bool = False
) -> None:
    """Refuse data at another step than that of training, ``what`` of which would be another time.

    One time alone has none; it is refused where it matters (``alone``) and is not a day.
    """
    one = array.sizes[time_dim(array)] < 2
    if one and alone and trained not in {None, "1 day"}:
        msg = (
            f"The data hold one time, which does not tell its step; {name!r} was trained at "
            f"steps of {trained}. Give two times or more."
        )
        raise GridError(msg)
    here = even_or_none(array)
    if trained is None or here is None or trained == here:
        return
    msg = (
        f"{name!r} was trained at steps of {trained}, the data are at steps of {here}: its "
        f"{what} would be of another time. Bring the data to steps of "
        f"{trained}, as by xsm.daily(ds) or xsm.monthly(ds), or train on steps of {here}."
    )
    raise GridError(msg)
