"""A function of a data set as a verb of an accessor: one mechanism for both accessors.

A verb has the signature and the docstring of its function, less the data. The function is imported
when the verb is first looked at, so that ``import xsm`` stays light.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from xsm.api.memory import recall

if TYPE_CHECKING:
    from inspect import Parameter, Signature

__all__ = ["Verb", "without_parameter"]

_FORCING = """forcing : xarray.Dataset, optional
    The other variables, on the coordinates of the array.
"""


def _as_found(_: Any, found: Any) -> Any:
    """Return what a function found, as it is."""
    return found


class Verb:
    """A function of a module of xsm as a method of an accessor, which holds the data as ``_data``.

    The data are the argument ``ds`` of the function, else its first. Where the function takes a
    model as ``fitted``, the one last fitted through the data counts if none is given. ``call`` is
    another function of the module that takes all its arguments, and ``after`` gets the data and
    what was found, and returns what the user gets. With ``joined``, for arrays, the data set is
    made of array and ``forcing=``, and the array is the ``target``; ``alone`` takes no forcing.
    """

    def __init__(
        self,
        home: str,
        *,
        call: str = "",
        after: Callable[[Any, Any], Any] = _as_found,
        joined: Callable[[Any, Any], Any] | None = None,
        alone: bool = False,
    ) -> None:
        self._home, self._call, self._after = home, call, after
        self._joined, self._alone = joined, alone
        self._method: Callable[..., Any] | None = None

    def __set_name__(self, owner: type, name: str) -> None:
        """Learn the name, which is that of the function, and of the class."""
        self._name, self._owner = name, owner

    def __get__(self, accessor: object, owner: type) -> Callable[..., Any]:
        """Return a function of the class, or a method of an accessor."""
        if self._method is None:
            self._method = self._made()
        return self._method if accessor is None else self._method.__get__(accessor, owner)

    def _made(self) -> Callable[..., Any]:
        """Return the function, as a method that documents itself."""
        import inspect
        from importlib import import_module

        home = import_module(f"xsm.{self._home}")
        function = getattr(home, self._name)
        said = inspect.signature(function)
        data = "ds" if "ds" in said.parameters else next(iter(said.parameters))
        signature = self._signature(said, data)
        rest = next((n for n, p in said.parameters.items() if p.kind is p.VAR_KEYWORD), "")
        work = getattr(home, self._call or self._name)

        def method(*args: Any, **kwargs: Any) -> Any:
            given = self._bound(signature, args, kwargs)
            accessor = given.pop("self")
            owner = accessor._data
            more: Mapping[str, Any] = given.pop(rest, {})
            if "fitted" in said.parameters and given["fitted"] is None:
                given["fitted"] = recall(owner)
            given[data] = owner if self._joined is None else self._whole(owner, given, said)
            try:
                found = work(**given, **more)
            except Exception as error:
                raise _in_few_frames(error) from error.__cause__
            return self._after(owner, found)

        method.__name__ = self._name
        method.__qualname__ = f"{self._owner.__qualname__}.{self._name}"
        method.__module__ = self._owner.__module__
        method.__doc__ = self._documentation(inspect.getdoc(function) or "", data)
        method.__signature__ = signature  # type: ignore[attr-defined]
        method.__annotations__ = dict(function.__annotations__)
        return method

    def _bound(
        self, signature: Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return all arguments by name, or say which do not fit."""
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            msg = f"{self._name}(): {error}. Type help(ds.physm.{self._name})."
            raise TypeError(msg) from None
        bound.apply_defaults()
        return dict(bound.arguments)

    def _whole(self, array: Any, given: dict[str, Any], said: Signature) -> Any:
        """Return array and forcing as a data set, and name the target."""
        forcing = given.pop("forcing", None)
        if "target" in said.parameters:
            given["target"] = str(array.name)
        return array if self._joined is None else self._joined(array, forcing)

    def _signature(self, said: Signature, data: str) -> Signature:
        """Return the signature of the method."""
        from inspect import Parameter

        given = {name: p for name, p in said.parameters.items() if name != data}
        if "fitted" in given and given["fitted"].default is Parameter.empty:
            annotation = f"{given['fitted'].annotation} | None"
            given["fitted"] = given["fitted"].replace(default=None, annotation=annotation)
        if self._joined is not None:
            given.pop("target", None)
            if not self._alone:
                given = _before_keywords(given, _forcing())
        own = Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)
        return said.replace(parameters=[own, *given.values()])

    def _documentation(self, text: str, data: str) -> str:
        """Return the docstring of the function, less the data."""
        if self._joined is not None:
            text = without_parameter(text, "target")
            if not self._alone:
                at = text.index("----------\n", text.index("Parameters\n")) + len("----------\n")
                entry = re.compile(rf"^{data} : .*\n(?:    .*\n)*", re.MULTILINE)
                found = entry.search(text, at)
                place = at if found is None else found.end()
                text = text[:place] + _FORCING + text[place:]
        return without_parameter(text, data)


def _in_few_frames(error: Exception) -> Exception:
    """Return an error; one of xsm says what to type, and points at the call and where it rose."""
    trace = error.__traceback__
    if trace is None or type(error).__module__ != "xsm.exceptions":
        return error
    last = trace
    while last.tb_next is not None:
        last = last.tb_next
    return error.with_traceback(last)


def _forcing() -> Parameter:
    """Return the parameter for the other variables of an array."""
    from inspect import Parameter

    return Parameter(
        "forcing", Parameter.KEYWORD_ONLY, default=None, annotation="xr.Dataset | None"
    )


def _before_keywords(given: Mapping[str, Parameter], new: Parameter) -> dict[str, Parameter]:
    """Return parameters with a new one, the first of those that are named."""
    places = [p for p in given.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    named = [p for p in given.values() if p.kind is not p.POSITIONAL_OR_KEYWORD]
    return {p.name: p for p in (*places, new, *named)}


def without_parameter(text: str, name: str) -> str:
    """Return a docstring in the style of numpy without a parameter; without any, no section."""
    found = re.sub(rf"^{name} : .*\n(?:    .*\n)*", "", text + "\n", count=1, flags=re.MULTILINE)
    return re.sub(r"Parameters\n-+\n\s*(?=\n|\Z)\n?", "", found).strip("\n")
