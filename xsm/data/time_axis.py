"""Steps between times: ascending and equal, or in words what is wrong and what to type."""

from __future__ import annotations

from typing import Any

import numpy as np

from xsm.exceptions import GridError
from xsm.typing import Array

__all__ = ["steps_between", "uneven"]


_DAY = np.timedelta64(1, "D")
_NONE = np.timedelta64(0, "ns")
_MONTH = 28 * _DAY  # the shortest one
_UNITS = {"D": 86400 * 10**9, "h": 3600 * 10**9, "min": 60 * 10**9, "s": 10**9}
_FINEST = 24  # steps that may be put into the shortest one to make all equal


def steps_between(times: Array, dim: str) -> Array:
    """Return the steps between times that ascend.

    Parameters
    ----------
    times : ndarray
        Dates of numpy or cftime.
    dim : str
        Their dimension, for the message.

    Returns
    -------
    ndarray of timedelta64
        One less than times, each above 0.

    Raises
    ------
    GridError
        If times descend or occur more than once.

    Examples
    --------
    >>> days = np.array(["2020-01-01", "2020-01-02", "2020-01-04"], "M8[ns]")
    >>> steps_between(days, "time") / np.timedelta64(1, "D")
    array([1., 2.])
    """
    steps = np.diff(times).astype("m8[ns]")
    if (steps > _NONE).all():
        return steps
    said, todo = [], "ds"
    if (steps < _NONE).any():
        at = int((steps < _NONE).argmax())
        said.append(f"descends, from {_text(times[at])} to {_text(times[at + 1])}")
        todo += f".sortby({dim!r})"
    found, counts = np.unique(times, return_counts=True)
    if (counts > 1).any():
        said.append(f"holds {_text(found[counts > 1][0])} more than once")
        todo += f".drop_duplicates({dim!r})"
    msg = (
        f"Time along {dim!r} {' and '.join(said) or 'holds dates that are missing'}, so it does "
        f"not ascend: type {todo if said else f'ds.sel({dim}=ds[{dim!r}].notnull())'}."
    )
    raise GridError(msg)


def uneven(times: Array, dim: str) -> str:
    """Say where the steps of ascending times differ, and how to make them equal.

    Parameters
    ----------
    times : ndarray
        Dates of numpy or cftime, with steps that are not all equal.
    dim : str
        Their dimension.

    Returns
    -------
    str
        The text of an error.

    Examples
    --------
    >>> days = np.array(["2020-01-01", "2020-01-02", "2020-01-04"], "M8[ns]")
    >>> print(uneven(days, "time"))
    Time along 'time' is irregular: from 2020-01-02 to 2020-01-04 is another step than from
    2020-01-01 to 2020-01-02. Type ds.resample(time="1D", origin="start").asfreq() to put NaN where
    steps are missing.
    """
    steps = steps_between(times, dim)
    shortest = steps.min()
    if shortest >= _MONTH:
        low, high = (round(s / _DAY) for s in (shortest, steps.max()))
        return (
            f"Time along {dim!r} is irregular: steps last {low} to {high} days, as those of months "
            "and years do, and equal steps are needed here. Give daily data, and take the monthly "
            "means of the result: xsm.monthly(...)."
        )
    at = int((steps != steps[0]).argmax())
    text = (
        f"Time along {dim!r} is irregular: from {_text(times[at])} to {_text(times[at + 1])} is "
        f"another step than from {_text(times[0])} to {_text(times[1])}."
    )
    common = int(np.gcd.reduce(steps.astype(np.int64)))
    if common * _FINEST < int(shortest.astype(np.int64)) or common % _UNITS["s"]:
        return (
            f"{text} No step fits into all; bring the data to equal ones, for example states and "
            f'rates by ds.resample({dim}="1D").mean().'
        )
    unit = next(u for u, n in _UNITS.items() if common % n == 0)
    step = f"{common // _UNITS[unit]}{unit}"
    return (
        f'{text} Type ds.resample({dim}="{step}", origin="start").asfreq() to put NaN where steps '
        "are missing."
    )


def _text(time: Any) -> str:
    """Return a date, with its time of day where that is not midnight."""
    text = str(time.astype("M8[s]") if isinstance(time, np.datetime64) else time).replace("T", " ")
    return text.removesuffix(" 00:00:00")
