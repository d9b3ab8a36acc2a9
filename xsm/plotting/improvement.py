"""Where one prediction is better than another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xsm.data.reading import read
from xsm.evaluation.metrics import METRICS, score_sources
from xsm.exceptions import GridError, check_choice
from xsm.plotting.labels import describe
from xsm.plotting.maps import plot_map
from xsm.plotting.pairing import Given, Paired, paired

if TYPE_CHECKING:
    from xsm.plotting.canvas import AxesLike

__all__ = ["DIMENSIONLESS", "gain", "plot_improvement", "scores_of"]


DIMENSIONLESS = ("r", "r2", "kge")
"""Scores without units, of which more is better."""


def scores_of(pair: Paired, metric: str) -> xr.DataArray:
    """Return a score (source, *space) of each prediction over time, lazily, with units.

    All predictions are scored on the same steps. An UnknownNameError if there is no such score in
    :data:`xsm.evaluation.metrics.METRICS`.
    """
    check_choice("metric", metric, METRICS)
    found = score_sources(pair.observed, pair.predicted, dim=pair.time)[metric]
    return found.assign_attrs(units="1" if metric in DIMENSIONLESS else pair.units)


def gain(scores: xr.DataArray, metric: str, name: str, reference: str) -> xr.DataArray:
    """Return how much better one source is than another: above 0 where ``name`` is better.

    Its score minus the other's where more is better, the other's size minus its own where less is.
    """
    own, other = (scores.sel(source=n, drop=True) for n in (name, reference))
    better = own - other if metric in DIMENSIONLESS else abs(other) - abs(own)
    return better.rename(metric).assign_attrs(units=scores.attrs.get("units", ""))


def plot_improvement(
    ds: xr.Dataset,
    predicted: Given,
    reference: Given,
    *,
    metric: str = "rmse",
    names: tuple[str, str] = ("prediction", "reference"),
    target: str | None = None,
    variables: Mapping[str, str] | None = None,
    col: str | None = None,
    robust: bool = False,
    vmax: float | None = None,
    coastlines: bool | None = None,
    projection: Any = None,
    ax: AxesLike | None = None,
) -> Any:
    """Map where one prediction is better than another, against the observations.

    Parameters
    ----------
    ds : xarray.Dataset
        The observations.
    predicted, reference : Dataset or DataArray
        The prediction, and what it should be better than; scored on the steps of both.
    metric : str, default: "rmse"
        A score over time, of :func:`xsm.score`.
    names : tuple of str, default: ("prediction", "reference")
        What the two are called.
    target : str, optional
        Role or variable; by default what the prediction says.
    variables : mapping of str to str, optional
        Role to variable name.
    col : str, optional
        Dimension along which panels lie, ``"depth"`` for profiles.
    robust : bool, default: False
        Colours from the 2nd to the 98th percentile in place of the extremes.
    vmax : float, optional
        End of the scale of colours, on both sides of 0.
    coastlines : bool, optional
        As of :func:`xsm.plotting.plot_map`, and so is ``projection``.
    projection : cartopy.crs.Projection, optional
        Projection of new axes.
    ax : Axes or array of Axes, optional
        Draw into these, one for each panel.

    Returns
    -------
    Axes or ndarray of Axes
        Blue where the prediction is better, red where it is worse, on a scale symmetric about 0;
        the title says on which share of the cells it is better.

    Raises
    ------
    GridError
        If the data are a single series.
    UnknownNameError, MissingVariableError, UnitsError, NotEnoughDataError
        As :func:`xsm.score`.

    Examples
    --------
    >>> import xsm
    >>> from matplotlib.figure import Figure
    >>> ds = xsm.open_tutorial("land").isel(latitude=slice(0, 4), longitude=slice(20, 24))
    >>> soil = ds["swvl1"]
    >>> worse, better = ((soil + e).assign_attrs(units="m3 m-3") for e in (0.02, 0.01))
    >>> ax = plot_improvement(ds, better, worse, metric="mae", ax=Figure().subplots())
    >>> ax.get_title()
    'prediction better than reference on 100 % of cells'
    """
    first, second = names
    pair = paired(read(ds, variables), {first: predicted, second: reference}, target=target)
    if pair.observed.ndim < 2:
        msg = (
            "A map of improvement needs cells; the data are a single series. Compare its scores: "
            "ds.physm.score(predicted)."
        )
        raise GridError(msg)
    found = gain(scores_of(pair, metric), metric, first, second).compute()
    words = f"reduction of {'|bias|' if metric == 'bias' else metric}"
    if metric in DIMENSIONLESS:
        words = f"{first} minus {second}, {metric}"
    axes = plot_map(
        found,
        col=col,
        centre=0.0,
        robust=robust,
        vmax=vmax,
        coastlines=coastlines,
        projection=projection,
        label=describe(words, found.attrs["units"]),
        ax=ax,
    )
    known = found.notnull()
    share = float((found > 0).where(known).mean())
    _head(axes, f"{first} better than {second} on {share:.0%} of cells".replace("%", " %"))
    return axes


def _head(axes: Any, text: str) -> None:
    """Write a title above one panel, or above the figure."""
    if np.ndim(axes) == 0:
        axes.set_title(text, fontsize="medium")
    else:
        axes[0].figure.suptitle(text, fontsize="medium")
