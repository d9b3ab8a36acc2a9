"""Options of the session: how many threads eager kernels take, and whether bars are shown."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypedDict, cast

from xsm.exceptions import (
    NotEnoughDataError,
    UnknownNameError,
    did_you_mean,
)

__all__ = ["Options", "get_options", "parse_limit", "set_options", "thread_count"]


class Options(TypedDict):
    """All options and their values.

    ``threads`` (int or None) is the number of threads on eager arrays, None for one a core;
    ``progress`` (bool or None) shows bars always, never, or when a person watches.

    Examples
    --------
    >>> Options(threads=2, progress=False)["threads"]
    2
    """

    threads: int | None
    progress: bool | None


_OPTIONS: Options = {"threads": None, "progress": None}

_VALID: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "threads": ("a whole number of at least 1, or None", lambda v: _whole(v) and v >= 1),
    "progress": ("True, False or None", lambda v: isinstance(v, bool)),
}


def _whole(value: object) -> bool:
    """Return whether a value is a whole number; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def get_options() -> Options:
    """Return the options as they are now.

    Returns
    -------
    Options
        A copy: ``threads`` (int or None) and ``progress`` (bool or None). Changing it changes
        nothing, see :func:`xsm.set_options`.

    Examples
    --------
    >>> import xsm
    >>> xsm.get_options()
    {'threads': None, 'progress': None}
    """
    return cast("Options", dict(_OPTIONS))


def thread_count() -> int:
    """Return how many threads work on eager arrays.

    Returns
    -------
    int
        The option ``threads``, else one for each core that this process may use.

    Examples
    --------
    >>> with set_options(threads=3):
    ...     thread_count()
    3
    """
    if hasattr(os, "sched_getaffinity"):
        return _OPTIONS["threads"] or len(os.sched_getaffinity(0))
    return _OPTIONS["threads"] or os.cpu_count() or 1


def set_options(**options: Any) -> Restore:
    """Set options for the rest of the session, or inside a ``with`` block.

    Options hold for the whole process, in all its threads; they do not travel to the workers of a
    dask cluster.

    Parameters
    ----------
    **options
        ``threads`` : int or None, default: None. Threads of kernels and of ``predict`` on eager
        numpy input; None takes one for each core. Inside dask every block takes one thread,
        whatever is set.

        ``progress`` : bool or None, default: None. Show progress bars always or never; None shows
        them when a person watches. ``fit(progress=...)`` goes before it.

    Returns
    -------
    Restore
        A context manager that puts the former values back at the end of a ``with`` block.

    Raises
    ------
    UnknownNameError
        If an option does not exist or a value does not fit; all problems in one error, and
        nothing is changed.

    Examples
    --------
    >>> import xsm
    >>> with xsm.set_options(threads=1, progress=False):
    ...     xsm.get_options()
    {'threads': 1, 'progress': False}
    >>> xsm.get_options()
    {'threads': None, 'progress': None}
    """
    problems = [text for name, value in options.items() if (text := _problem(name, value))]
    if problems:
        raise UnknownNameError(" ".join(problems))
    restore = Restore(get_options())
    _OPTIONS.update(cast("Options", options))
    return restore


def _problem(name: str, value: object) -> str:
    """Return what is wrong with one option, else an empty text."""
    if name not in _VALID:
        return f"There is no option {name!r}. {did_you_mean(name, _VALID)}"
    wanted, fits = _VALID[name]
    if value is None or fits(value):
        return ""
    return f"{name}={value!r} was given; it must be {wanted}."


class Restore:
    """Put options back at the end of a ``with`` block.

    Parameters
    ----------
    before : Options
        The values to put back.
    """

    def __init__(self, before: Options) -> None:
        self._before = before

    def __enter__(self) -> None:
        """Change nothing: the options were set by the call."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Put the former values back, also after an error."""
        _OPTIONS.update(self._before)


def parse_limit(memory_limit: str | int) -> int:
    """Return a number of bytes.

    Parameters
    ----------
    memory_limit : str or int
        Such as ``"2 GiB"``.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    UnknownNameError
        If it is no amount of memory.
    NotEnoughDataError
        If it is too little.

    Examples
    --------
    >>> parse_limit("16 MiB")
    16777216
    """
    from dask.utils import parse_bytes

    try:
        found = int(parse_bytes(memory_limit))
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        msg = f"memory_limit={memory_limit!r} is no amount of memory. Pass such as '2 GiB'."
        raise UnknownNameError(msg) from error
    if found < _LEAST:
        msg = (
            f"memory_limit={memory_limit!r} is too little to stream through: blocks would hold a "
            "handful of cells. Pass 16 MiB or more."
        )
        raise NotEnoughDataError(msg)
    return found


_LEAST = 16 * 2**20  # bytes of memory_limit
