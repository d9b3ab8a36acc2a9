"""The table of figures: ``ds.physm.plot`` and ``fitted.plot`` are two readers of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import xarray as xr

from xsm.plotting.experts import (
    plot_dominant_expert,
    plot_expert_maps,
    plot_expert_seasons,
    plot_expert_shares,
)
from xsm.plotting.forecasts import plot_fan
from xsm.plotting.improvement import plot_improvement
from xsm.plotting.maps import map_variable
from xsm.plotting.profiles import plot_profile
from xsm.plotting.reliability import plot_spread
from xsm.plotting.series import plot_series
from xsm.plotting.skill import plot_horizon, plot_skill
from xsm.plotting.spectra import plot_spectra
from xsm.plotting.training import plot_training
from xsm.plotting.zones import plot_zones

__all__ = ["FIGURES", "DataPlots", "Figure", "FittedPlots", "history", "renewed", "second"]


Draw: TypeAlias = Callable[..., Any]


class Fitted(Protocol):
    """What figures ask of a fitted model."""

    @property
    def history(self) -> xr.Dataset:
        """Loss terms by epoch."""

    def predict(self, ds: xr.Dataset, /) -> xr.Dataset:
        """Predict the target."""


def history(draw: Draw, fitted: Fitted) -> Draw:
    """Return a figure of the training: its first argument is the history of the model."""
    return _bound(draw, fitted.history)


def renewed(draw: Draw, fitted: Fitted) -> Draw:
    """Return a figure of a prediction: its first argument is what the model makes of the data."""

    def drawn(ds: xr.Dataset, /, *args: Any, **kwargs: Any) -> Any:
        return draw(fitted.predict(ds), *args, **kwargs)

    return _described(drawn, draw, None)


def second(draw: Draw, fitted: Fitted) -> Draw:
    """Return a figure of data and their prediction, which is its second argument."""

    def drawn(ds: xr.Dataset, /, *args: Any, **kwargs: Any) -> Any:
        return draw(ds, fitted.predict(ds), *args, **kwargs)

    return _described(drawn, draw, 1)


@dataclass(frozen=True)
class Figure:
    """A row of the table: a function, how a fitted model gets to it, a line for each reader.

    ``reached`` is :func:`renewed`, :func:`second` or :func:`history`; what shows the history is no
    figure of a data set, and what has no way there none of a model. ``fitted`` is what the figure
    of a model is, where ``about`` does not say.
    """

    draw: Draw
    reached: Callable[[Draw, Fitted], Draw] | None
    about: str
    fitted: str = ""


FIGURES: Mapping[str, Figure] = {
    "training": Figure(plot_training, history, "Each term of the loss by epoch"),
    "map": Figure(map_variable, renewed, "Maps of a variable", "Maps of a prediction"),
    "improvement": Figure(
        plot_improvement,
        second,
        "Where one prediction is better",
        "Where it beats another prediction",
    ),
    "zones": Figure(plot_zones, second, "Scores as boxes by classes of cells"),
    "series": Figure(plot_series, second, "The target through time, with intervals"),
    "profile": Figure(plot_profile, second, "A profile on depth and time"),
    "spectra": Figure(
        plot_spectra,
        second,
        "At which scales fields vary",
        "At which scales the prediction varies",
    ),
    "reliability": Figure(
        plot_spread,
        second,
        "Whether spreads can be believed",
        "Whether the spread can be believed",
    ),
    "fan": Figure(plot_fan, None, "A forecast of one start, with its intervals"),
    "skill": Figure(plot_skill, None, "Scores of forecasts by lead"),
    "horizon": Figure(plot_horizon, None, "Maps of the lead at which skill ends"),
    "expert_maps": Figure(
        plot_expert_maps,
        renewed,
        "Mean weights of this prediction",
        "Mean weights of the experts",
    ),
    "dominant_expert": Figure(plot_dominant_expert, renewed, "Expert of largest weight"),
    "expert_seasons": Figure(plot_expert_seasons, renewed, "Weights of experts by month"),
    "expert_shares": Figure(plot_expert_shares, renewed, "Weights of experts through time"),
}


class _Plots:
    """A reader of the table; its properties are set from the rows, below."""

    _of: Any

    def __repr__(self) -> str:
        """List the figures."""
        names = [n for n in vars(type(self)) if not n.startswith("_")]
        return f"<xsm.plotting.{type(self).__name__}: {', '.join(names)}>"

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Draw:
            """Return a figure."""


class DataPlots(_Plots):
    """Figures of observations, predictions and scores; all give matplotlib's axes back.

    Each is a function of :mod:`xsm.plotting` whose first argument is the data set.

    Parameters
    ----------
    ds : xarray.Dataset
        The data.
    """

    def __init__(self, ds: xr.Dataset) -> None:
        self._of = ds


class FittedPlots(_Plots):
    """Figures of a fitted model; all give matplotlib's axes back.

    All but ``training`` predict the data set that they are given first:
    ``fitted.plot.series(ds, ...)`` is ``ds.physm.plot.series(fitted.predict(ds), ...)``.

    Parameters
    ----------
    fitted : FittedModel
        The model.
    """

    def __init__(self, fitted: Fitted) -> None:
        self._of = fitted


def _bound(draw: Draw, first: object) -> Draw:
    """Return a function whose first argument is known."""

    def drawn(*args: Any, **kwargs: Any) -> Any:
        return draw(first, *args, **kwargs)

    return _described(drawn, draw, 0)


def _described(drawn: Draw, draw: Draw, left_out: int | None) -> Draw:
    """Give a function the name, the docstring and the signature of another one."""
    drawn.__doc__ = draw.__doc__
    drawn.__name__ = drawn.__qualname__ = draw.__name__
    whole = inspect.signature(draw)
    kept = [p for at, p in enumerate(whole.parameters.values()) if at != left_out]
    if left_out != 0:
        kept[0] = kept[0].replace(name="ds", kind=inspect.Parameter.POSITIONAL_ONLY)
    drawn.__signature__ = whole.replace(parameters=kept)  # type: ignore[attr-defined]
    return drawn


def _show(reader: type[_Plots], name: str, draw: Draw, reached: Draw, about: str) -> None:
    """Give a reader a figure as a property, which help, pages and completion find."""

    def figure(self: _Plots) -> Callable[..., Any]:
        return reached(draw, self._of)

    figure.__name__, figure.__qualname__ = name, f"{reader.__name__}.{name}"
    shown = property(figure, doc=f"{about}, see :func:`xsm.plotting.{draw.__name__}`.")
    setattr(reader, name, shown)


for _name, _row in FIGURES.items():
    if _row.reached is not None:
        _show(FittedPlots, _name, _row.draw, _row.reached, _row.fitted or _row.about)
    if _row.reached is not history:
        _show(DataPlots, _name, _row.draw, _bound, _row.about)
