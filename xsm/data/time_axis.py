"""The step of a series: even, in days or in calendar months, or in words what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np

from xsm.exceptions import GridError
from xsm.typing import Array, FloatArray

__all__ = [
    "Step",
    "even_step",
    "month_starts",
    "months_of_index",
    "steps_between",
    "typical_step",
    "uneven",
]


_DAY = np.timedelta64(1, "D")
_HOUR = np.timedelta64(1, "h")
_NONE = np.timedelta64(0, "ns")
_YEAR = np.timedelta64(31_556_952, "s")  # the mean one
_MONTHLY = 20 * _DAY  # half of the steps of monthly series are longer, also of GRACE
_CLOSEST = 10 * _DAY  # and none is shorter
_ODD = 36 * 3600 * 10**9  # ns that a label may lie beside the middle of its month
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


@dataclass(frozen=True)
class Step:
    """The even step of a series: a length of time, or a number of calendar months.

    Of months ``length`` is the mean one; each has its own by the calendar, see :meth:`days`.
    """

    length: np.timedelta64
    months: int = 0

    def __str__(self) -> str:
        """Return the step in words."""
        number, unit = (self.months, "month") if self.months else (self.length / _DAY, "day")
        if number < 1:
            number, unit = self.length / _HOUR, "hour"
        return f"{number:g} {unit}{'s' if number != 1 else ''}"

    def after(self, index: Any, count: int) -> Any:
        """Return the labels ``count`` steps after those of an index, of the same kind.

        Within the index they are its own; behind it months are labelled at their start, end, middle
        or day as those of the index are.
        """
        if not count:
            return index
        if not self.months:
            length = self.length if index.dtype.kind == "M" else _timedelta(self.length)
            return index + count * length
        known = index[count:]
        later = months_of_index(index[len(known) :]) + count * self.months
        starts, ends = month_starts(index, later), month_starts(index, later + 1)
        place, back, _ = _places(index)
        if _one(back) and back[0] <= _DAY:
            return type(index)(known.append(ends - _timedelta(back[0])))
        if _one(place):
            offset = np.minimum(place[0], np.asarray(ends - starts) - _DAY)
            return type(index)(known.append(starts + type(ends - starts)(offset)))
        return type(index)(known.append(starts + (ends - starts) / 2))

    def days(self, index: Any) -> float | tuple[float, ...]:
        """Return the length of the step in days: one for all, or of calendar months each.

        Steps of several months begin with the month of the label, and end with it where labels are
        the last days of months.
        """
        if not self.months:
            return float(self.length / _DAY)
        months = months_of_index(index)
        if (_places(index)[1] <= _DAY).all():
            months += 1 - self.months
        spans = month_starts(index, months + self.months) - month_starts(index, months)
        lengths: FloatArray = np.asarray(spans / _DAY, dtype=float)
        return tuple(lengths.tolist())


def even_step(index: Any, dim: str) -> Step:
    """Return the even step of ascending times; a day where there is one time alone.

    Calendar months are even steps, whatever day labels them, and so are several of them, such as
    years. ``index`` holds dates of numpy or cftime along ``dim``. Uneven times are refused.
    """
    times = np.asarray(index)
    steps = steps_between(times, dim)
    if not steps.size:
        return Step(_DAY)
    months = np.diff(months_of_index(index)) if _monthly(steps) else np.zeros(1, int)
    equal = bool((steps == steps[0]).all())
    if months[0] > 0 and _one(months) and (not equal or _same_place(index)):
        return Step(np.timedelta64(_YEAR * int(months[0]) // 12), int(months[0]))
    if equal:
        return Step(np.timedelta64(steps[0]))
    raise GridError(uneven(index, dim))


def typical_step(index: Any) -> Step | None:
    """Return the step that most of the steps of a series are, gaps or not; None where none is.

    Times are in any order; of fewer than three nothing is said.
    """
    steps = np.diff(np.unique(index.dropna())).astype("m8[ns]").astype(np.int64)
    if steps.size < 2:
        return None
    months = round(12 * float(np.median(steps)) / _nanoseconds(_YEAR))
    if np.median(steps) >= _nanoseconds(_MONTHLY):
        return Step(np.timedelta64(_YEAR * months // 12), months)
    found, counts = np.unique(steps, return_counts=True)
    most = np.timedelta64(int(found[counts.argmax()]), "ns")
    return Step(most) if 2 * counts.max() >= steps.size else None


def months_of_index(index: Any) -> Array:
    """Return the number of the calendar month of each date, since the year 0."""
    return np.asarray(index.year * 12 + index.month - 1)


def month_starts(index: Any, months: Array) -> Any:
    """Return the first days of months, numbered as above, in the calendar of an index."""
    if index.dtype.kind == "M":
        unit = index.dtype if index.tz is None else "M8[ns]"
        return type(index)((months - 1970 * 12).astype("M8[M]").astype(unit))
    first = index[0].replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return type(index)([first.replace(year=int(m) // 12, month=int(m) % 12 + 1) for m in months])


def _monthly(steps: Array) -> bool:
    """Tell whether steps may be those of months."""
    return bool(np.median(steps.astype(np.int64)) >= _nanoseconds(_MONTHLY)) and bool(
        steps.min() >= _CLOSEST
    )


def _places(index: Any) -> tuple[Array, Array, Array]:
    """Return how far dates are from the start of their month, from its end and from its middle."""
    months = months_of_index(index)
    place = np.asarray(index - month_starts(index, months)).astype("m8[ns]")
    back = np.asarray(month_starts(index, months + 1) - index).astype("m8[ns]")
    return place, back, np.abs(place - back) // 2


def _same_place(index: Any) -> bool:
    """Tell whether dates lie at the same place in their months."""
    place, back, middle = _places(index)
    return _one(place) or _one(back) or bool((middle.astype(np.int64) <= _ODD).all())


def _one(values: Array) -> bool:
    """Tell whether values are all equal."""
    return bool((values == values[0]).all())


def _nanoseconds(length: np.timedelta64) -> int:
    """Return a length of time as a number."""
    return int(length.astype("m8[ns]").astype(np.int64))


def _timedelta(length: np.timedelta64) -> timedelta:
    """Return a length of time as dates of cftime add it."""
    return timedelta(microseconds=_nanoseconds(length) // 1000)


def uneven(index: Any, dim: str) -> str:
    """Say where the steps of ascending dates, not all even, differ, and how to make them equal."""
    times = np.asarray(index)
    steps = steps_between(times, dim)
    shortest = steps.min()
    if _monthly(steps) and ((steps % shortest).any() or _same_place(index)):
        return _uneven_months(index, dim)
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


def _uneven_months(index: Any, dim: str) -> str:
    """Say where a month is missing or has two values, and what makes months follow each other."""
    months = months_of_index(index)
    apart = np.diff(months)
    regular = int(np.gcd.reduce(apart))
    at = int((apart != max(regular, 1)).argmax())
    ends = f"from {_text(index[at])} to {_text(index[at + 1])}"
    said = f"{ends} a month has several values" if not apart[at] else f"{ends} steps are missing"
    place, back, _ = _places(index)
    todo = "xsm.monthly(ds) for means of calendar months, which puts NaN where they are missing"
    for kind, anchored in (("MS", place == _NONE), ("ME", back == _DAY)):
        if regular and anchored.all():
            todo = (
                f'ds.resample({dim}="{regular}{kind}").asfreq() to put NaN where steps are missing'
            )
    return f"Time along {dim!r} is irregular: of its months, {said}. Type {todo}."


def _text(time: Any) -> str:
    """Return a date, with its time of day where that is not midnight."""
    text = str(time.astype("M8[s]") if isinstance(time, np.datetime64) else time).replace("T", " ")
    return text.removesuffix(" 00:00:00")
