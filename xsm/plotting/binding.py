"""Functions as figures of an object: the same signature, less what the object brings."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

__all__ = ["bound", "bound_second", "renewed"]

First = TypeVar("First")
Given = TypeVar("Given")
Second = TypeVar("Second")
Result = TypeVar("Result")
Rest = ParamSpec("Rest")


def bound(
    function: Callable[Concatenate[First, Rest], Result], first: First
) -> Callable[Rest, Result]:
    """Return a function whose first argument is known.

    Parameters
    ----------
    function : callable
        Any.
    first : object
        Its first argument.

    Returns
    -------
    callable
        With the docstring of the function, and its signature without the first argument.

    Examples
    --------
    >>> bound(round, 3.14159)(2)
    3.14
    """

    def draw(*args: Rest.args, **kwargs: Rest.kwargs) -> Result:
        return function(first, *args, **kwargs)

    return _described(draw, function, 0)


def bound_second(
    function: Callable[Concatenate[First, Second, Rest], Result], second: Callable[[First], Second]
) -> Callable[Concatenate[First, Rest], Result]:
    """Return a function whose second argument follows from the first.

    Parameters
    ----------
    function : callable
        Any.
    second : callable
        Makes the second argument from the first.

    Returns
    -------
    callable
        With the docstring of the function, and its signature without the second argument.

    Examples
    --------
    >>> bound_second(pow, abs)(-2)
    4
    """

    def draw(first: First, /, *args: Rest.args, **kwargs: Rest.kwargs) -> Result:
        return function(first, second(first), *args, **kwargs)

    return _described(draw, function, 1)


def renewed(
    function: Callable[Concatenate[Second, Rest], Result], first: Callable[[Given], Second]
) -> Callable[Concatenate[Given, Rest], Result]:
    """Return a function whose first argument is made from another one.

    Parameters
    ----------
    function : callable
        Any.
    first : callable
        Makes the first argument from what is given.

    Returns
    -------
    callable
        With the docstring of the function, and its signature.

    Examples
    --------
    >>> renewed(max, sorted)([3, 1])
    3
    """

    def draw(given: Given, /, *args: Rest.args, **kwargs: Rest.kwargs) -> Result:
        return function(first(given), *args, **kwargs)

    return _described(draw, function, None)


def _described(
    draw: Callable[Rest, Result], function: Callable[..., Result], left_out: int | None
) -> Callable[Rest, Result]:
    """Give a function the name, the docstring and the signature of another one."""
    draw.__doc__ = function.__doc__
    draw.__name__ = draw.__qualname__ = function.__name__
    try:
        whole = inspect.signature(function)
    except ValueError:  # some functions of C have none
        return draw
    kept = [p for at, p in enumerate(whole.parameters.values()) if at != left_out]
    if left_out != 0:
        kept[0] = kept[0].replace(name="ds", kind=inspect.Parameter.POSITIONAL_ONLY)
    draw.__signature__ = whole.replace(parameters=kept)  # type: ignore[attr-defined]
    return draw
