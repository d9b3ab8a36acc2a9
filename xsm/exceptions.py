"""The errors of xsm: what was given, what is needed, what to type."""

from __future__ import annotations

import difflib
import operator
import sys
import threading
import warnings
from collections.abc import Iterable
from types import FrameType
from typing import Any

__all__ = [
    "ArtefactError",
    "GridError",
    "MissingVariableError",
    "NotEnoughDataError",
    "TrainingError",
    "UnitsError",
    "UnknownNameError",
    "check_choice",
    "check_dataset",
    "check_whole",
    "did_you_mean",
]


class ArtefactError(ValueError):
    """A model cannot be stored, or what was found is no artefact, or not a whole one."""


class MissingVariableError(ValueError):
    """A variable that the call needs was not found in the data."""


class UnitsError(ValueError):
    """Units are missing, unreadable, or of the wrong dimension."""


class GridError(ValueError):
    """Dimensions, coordinates or time steps do not fit the call."""


class NotEnoughDataError(ValueError):
    """The data are too short, too sparse, or empty for the call."""


class TrainingError(ValueError):
    """Training stopped: the loss is not finite, or a loss term cannot be computed."""


class UnknownNameError(ValueError):
    """A name of a model, an option, a hyper-parameter or a term does not exist."""


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Return a sentence with the near misses of a name, or all choices where none is near.

    Parameters
    ----------
    name : str
        The name that was given.
    choices : iterable of str
        The names that exist.

    Returns
    -------
    str
        One sentence, to be appended to an error message.

    Examples
    --------
    >>> did_you_mean("phy_lstn", ["lstm", "phy_lstm"])
    "Did you mean 'phy_lstm'?"
    >>> did_you_mean("x", ["lstm", "phy_lstm"])
    "Choose from 'lstm', 'phy_lstm'."
    """
    names = sorted(choices)
    near = difflib.get_close_matches(name, names, n=3)
    if near:
        return f"Did you mean {', '.join(map(repr, near))}?"
    return f"Choose from {', '.join(map(repr, names))}."


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Refuse a value that is none of the choices.

    Parameters
    ----------
    name : str
        Name of the argument.
    value : str
        What was given.
    choices : iterable of str
        What exists.

    Raises
    ------
    UnknownNameError
        If the value is none of the choices; the message names the near misses.

    Examples
    --------
    >>> check_choice("trend", "level", ["change", "level"])
    """
    choices = list(choices)
    if value not in choices:
        msg = f"{name}={value!r} was given. {did_you_mean(str(value), choices)}"
        raise UnknownNameError(msg)


def check_whole(name: str, value: Any, least: int | None = None) -> int:
    """Return a whole number, and refuse what is none.

    Parameters
    ----------
    name : str
        Name of the argument.
    value : int
        What was given, of Python or numpy.
    least : int, optional
        The least that makes sense.

    Returns
    -------
    int
        The number.

    Raises
    ------
    UnknownNameError
        If the value is no whole number, or less.

    Examples
    --------
    >>> check_whole("epochs", 3, 1)
    3
    """
    try:
        found = operator.index(value)
    except TypeError:
        found = None
    if found is None or isinstance(value, bool) or (least is not None and found < least):
        needed = "a whole number" if least is None else f"a whole number of at least {least}"
        msg = f"{name}={value!r} was given; {needed} is needed."
        raise UnknownNameError(msg)
    return found


def check_dataset(given: object, name: str = "ds") -> None:
    """Refuse what is no Dataset.

    Parameters
    ----------
    given : object
        What was given.
    name : str, default: "ds"
        Name of the argument.

    Raises
    ------
    TypeError
        If it is of another type.

    Examples
    --------
    >>> import xarray as xr
    >>> check_dataset(xr.Dataset())
    """
    import xarray as xr

    if not isinstance(given, xr.Dataset):
        hint = "Type xr.Dataset({'swvl1': (dims, values, {'units': 'm3 m-3'})}, coords)."
        if isinstance(given, xr.DataArray):
            variable = "swvl1" if given.name is None else given.name
            hint = f"Pass the whole Dataset, or {name}.to_dataset(name={variable!r})."
        msg = f"{name} is of the type {type(given).__name__}; a Dataset is needed. {hint}"
        raise TypeError(msg)


def warn_outside(text: str) -> None:
    """Warn at the user's line, once a line: the first outside of xsm and of what calls it.

    Blocks are computed in threads of dask, while the thread of the user's line waits for them.
    """
    here = sys._getframe(1)
    waiting = sys._current_frames().get(threading.main_thread().ident or 0)
    line = _users(here) or (_users(waiting) if _through_lazy(waiting) else None) or here
    warnings.warn_explicit(
        text,
        UserWarning,
        line.f_code.co_filename,
        line.f_lineno,
        str(line.f_globals.get("__name__", "")),
        line.f_globals.setdefault("__warningregistry__", {}),
    )


_BETWEEN = frozenset(
    {
        *("xsm", "dask", "distributed", "xarray", "numpy", "pandas", "numba", "torch", "scores"),
        *("asyncio", "concurrent", "contextlib", "functools", "queue", "selectors", "threading"),
        "tqdm",
    }
)
_LAZY = frozenset({"dask", "distributed"})


def _package(frame: FrameType) -> str:
    """Return the package whose code a frame runs."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _users(frame: FrameType | None) -> FrameType | None:
    """Return the first frame that is neither of xsm nor of what may stand between it and users."""
    while frame is not None and _package(frame) in _BETWEEN:
        frame = frame.f_back
    return frame


def _through_lazy(frame: FrameType | None) -> bool:
    """Tell whether a frame waits for dask."""
    while frame is not None and _package(frame) in _BETWEEN - _LAZY:
        frame = frame.f_back
    return frame is not None and _package(frame) in _LAZY
