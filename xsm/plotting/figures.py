"""The table of figures: ``ds.physm.plot`` and ``fitted.plot`` bind functions to an object."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import xarray as xr

from xsm.plotting.experts import (
    plot_dominant_expert,
    plot_expert_maps,
    plot_expert_seasons,
    plot_expert_shares,
)
from xsm.plotting.improvement import plot_improvement
from xsm.plotting.maps import map_variable
from xsm.plotting.profiles import plot_profile
from xsm.plotting.reliability import plot_spread
from xsm.plotting.series import plot_series
from xsm.plotting.spectra import plot_spectra
from xsm.plotting.training import plot_training
from xsm.plotting.zones import plot_zones

__all__ = ["DataPlots", "FittedPlots", "bound", "bound_second", "renewed"]


class Fitted(Protocol):
    """What figures ask of a fitted model."""

    @property
    def history(self) -> xr.Dataset:
        """Loss terms by epoch."""

    def predict(self, ds: xr.Dataset, /) -> xr.Dataset:
        """Predict the target."""


class FittedPlots:
    """Figures of a fitted model; all give matplotlib's axes back.

    All but ``training`` predict the data set that they are given first:
    ``fitted.plot.series(ds, ...)`` is ``ds.physm.plot.series(fitted.predict(ds), ...)``.

    Parameters
    ----------
    fitted : FittedModel
        The model.
    """

    def __init__(self, fitted: Fitted) -> None:
        self._fitted = fitted

    def __repr__(self) -> str:
        """List the figures."""
        names = [n for n in vars(type(self)) if not n.startswith("_")]
        return f"<xsm.plotting.FittedPlots: {', '.join(names)}>"

    @property
    def training(self) -> Callable[..., Any]:
        """Each term of the loss by epoch, see :func:`xsm.plotting.plot_training`."""
        return bound(plot_training, self._fitted.history)

    @property
    def map(self) -> Callable[..., Any]:
        """Maps of a prediction, see :func:`xsm.plotting.map_variable`."""
        return renewed(map_variable, self._fitted.predict)

    @property
    def improvement(self) -> Callable[..., Any]:
        """Where it beats another prediction, see :func:`xsm.plotting.plot_improvement`."""
        return bound_second(plot_improvement, self._fitted.predict)

    @property
    def zones(self) -> Callable[..., Any]:
        """Scores as boxes by classes of cells, see :func:`xsm.plotting.plot_zones`."""
        return bound_second(plot_zones, self._fitted.predict)

    @property
    def series(self) -> Callable[..., Any]:
        """The target through time, with intervals, see :func:`xsm.plotting.plot_series`."""
        return bound_second(plot_series, self._fitted.predict)

    @property
    def profile(self) -> Callable[..., Any]:
        """A profile on depth and time, see :func:`xsm.plotting.plot_profile`."""
        return bound_second(plot_profile, self._fitted.predict)

    @property
    def spectra(self) -> Callable[..., Any]:
        """At which scales the prediction varies, see :func:`xsm.plotting.plot_spectra`."""
        return bound_second(plot_spectra, self._fitted.predict)

    @property
    def reliability(self) -> Callable[..., Any]:
        """Whether the spread can be believed, see :func:`xsm.plotting.plot_spread`."""
        return bound_second(plot_spread, self._fitted.predict)

    @property
    def expert_maps(self) -> Callable[..., Any]:
        """Mean weights of the experts, see :func:`xsm.plotting.plot_expert_maps`."""
        return renewed(plot_expert_maps, self._fitted.predict)

    @property
    def dominant_expert(self) -> Callable[..., Any]:
        """Expert of largest weight, see :func:`xsm.plotting.plot_dominant_expert`."""
        return renewed(plot_dominant_expert, self._fitted.predict)

    @property
    def expert_seasons(self) -> Callable[..., Any]:
        """Weights of experts by month, see :func:`xsm.plotting.plot_expert_seasons`."""
        return renewed(plot_expert_seasons, self._fitted.predict)

    @property
    def expert_shares(self) -> Callable[..., Any]:
        """Weights of experts through time, see :func:`xsm.plotting.plot_expert_shares`."""
        return renewed(plot_expert_shares, self._fitted.predict)


class DataPlots:
    """Figures of observations, predictions and scores; all give matplotlib's axes back.

    Each is a function of :mod:`xsm.plotting` whose first argument is the data set.

    Parameters
    ----------
    ds : xarray.Dataset
        The data.
    """

    def __init__(self, ds: xr.Dataset) -> None:
        self._ds = ds

    def __repr__(self) -> str:
        """List the figures."""
        names = [n for n in vars(type(self)) if not n.startswith("_")]
        return f"<xsm.plotting.DataPlots: {', '.join(names)}>"

    @property
    def map(self) -> Callable[..., Any]:
        """Maps of a variable, see :func:`xsm.plotting.map_variable`."""
        return bound(map_variable, self._ds)

    @property
    def improvement(self) -> Callable[..., Any]:
        """Where one prediction is better, see :func:`xsm.plotting.plot_improvement`."""
        return bound(plot_improvement, self._ds)

    @property
    def zones(self) -> Callable[..., Any]:
        """Scores as boxes by classes of cells, see :func:`xsm.plotting.plot_zones`."""
        return bound(plot_zones, self._ds)

    @property
    def series(self) -> Callable[..., Any]:
        """The target through time, with intervals, see :func:`xsm.plotting.plot_series`."""
        return bound(plot_series, self._ds)

    @property
    def profile(self) -> Callable[..., Any]:
        """A profile on depth and time, see :func:`xsm.plotting.plot_profile`."""
        return bound(plot_profile, self._ds)

    @property
    def spectra(self) -> Callable[..., Any]:
        """At which scales fields vary, see :func:`xsm.plotting.plot_spectra`."""
        return bound(plot_spectra, self._ds)

    @property
    def reliability(self) -> Callable[..., Any]:
        """Whether spreads can be believed, see :func:`xsm.plotting.plot_spread`."""
        return bound(plot_spread, self._ds)

    @property
    def expert_maps(self) -> Callable[..., Any]:
        """Mean weights of this prediction, see :func:`xsm.plotting.plot_expert_maps`."""
        return bound(plot_expert_maps, self._ds)

    @property
    def dominant_expert(self) -> Callable[..., Any]:
        """Expert of largest weight, see :func:`xsm.plotting.plot_dominant_expert`."""
        return bound(plot_dominant_expert, self._ds)

    @property
    def expert_seasons(self) -> Callable[..., Any]:
        """Weights of experts by month, see :func:`xsm.plotting.plot_expert_seasons`."""
        return bound(plot_expert_seasons, self._ds)

    @property
    def expert_shares(self) -> Callable[..., Any]:
        """Weights of experts through time, see :func:`xsm.plotting.plot_expert_shares`."""
        return bound(plot_expert_shares, self._ds)


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
