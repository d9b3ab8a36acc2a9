"""Figures of a fitted model: ``fitted.plot.training()``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xsm.plotting.binding import bound, bound_second, renewed
from xsm.plotting.data import map_variable, plot_spread
from xsm.plotting.experts import (
    plot_dominant_expert,
    plot_expert_maps,
    plot_expert_seasons,
    plot_expert_shares,
)
from xsm.plotting.improvement import plot_improvement
from xsm.plotting.profiles import plot_profile
from xsm.plotting.series import plot_series
from xsm.plotting.spectra import plot_spectra
from xsm.plotting.training import plot_training
from xsm.plotting.zones import plot_zones

if TYPE_CHECKING:
    from xsm.fitted import FittedModel

__all__ = ["FittedPlots"]


class FittedPlots:
    """Figures of a fitted model; all give matplotlib's axes back.

    All but ``training`` predict the data set that they are given first:
    ``fitted.plot.series(ds, ...)`` is ``ds.physm.plot.series(fitted.predict(ds), ...)``.

    Parameters
    ----------
    fitted : FittedModel
        The model.
    """

    def __init__(self, fitted: FittedModel) -> None:
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
