"""Which expert of a mixture counts, where and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xsm.data.doubt import Guard, guarded
from xsm.data.doubt.fills import CODES
from xsm.data.grid import time_dim
from xsm.data.joins import at_labels
from xsm.data.refused import check_numbers, check_some
from xsm.data.units import dequantify
from xsm.exceptions import GridError, MissingVariableError
from xsm.plotting.canvas import OBSERVED, colours_of, given_back, panels
from xsm.plotting.maps import plot_classes, plot_map
from xsm.plotting.pairing import region_means
from xsm.plotting.series import date_axis, dates_of
from xsm.plotting.zones import Labels, Zones, read_zones

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

    from xsm.plotting.canvas import AxesLike

__all__ = [
    "expert_weights",
    "plot_dominant_expert",
    "plot_expert_maps",
    "plot_expert_seasons",
    "plot_expert_shares",
]


_EXPERT = "expert"
_WEIGHT = "expert_weight"
_MONTHS = "JFMAMJJASOND"
_SHARE = Guard(_WEIGHT, _WEIGHT, -1e-3, 1.001, CODES, CODES)


def expert_weights(predicted: xr.Dataset) -> xr.DataArray:
    """Return the weights (..., expert) of the experts of a prediction, named, without pint.

    Lazy where the prediction is; experts without names are numbered from 1. A MissingVariableError
    if there are no weights.
    """
    predicted, _ = dequantify(predicted)
    if _WEIGHT not in predicted or _EXPERT not in predicted[_WEIGHT].dims:
        msg = (
            f"The data hold {list(map(str, predicted.data_vars))}, and no {_WEIGHT} along "
            f"{_EXPERT!r}. Predict with a mixture of experts, such as fit('ismoe')."
        )
        raise MissingVariableError(msg)
    check_some(predicted)
    check_numbers(predicted[_WEIGHT], _WEIGHT, "shares")
    weight = guarded(predicted[_WEIGHT], _SHARE)
    if _EXPERT not in weight.coords:
        names = [f"expert {k + 1}" for k in range(weight.sizes[_EXPERT])]
        weight = weight.assign_coords({_EXPERT: names})
    return weight.transpose(..., _EXPERT)


def _names(weight: xr.DataArray) -> list[str]:
    """Return the names of the experts as words."""
    return [str(name).replace("_", " ") for name in weight[_EXPERT].values]


def plot_expert_maps(
    predicted: xr.Dataset,
    *,
    col_wrap: int = 4,
    vmax: float | None = None,
    cmap: str | Colormap | None = None,
    coastlines: bool | None = None,
    projection: Any = None,
    ax: AxesLike | None = None,
) -> Any:
    """Map the mean weight of each expert.

    Parameters
    ----------
    predicted : xarray.Dataset
        A prediction of a mixture of experts.
    col_wrap : int, default: 4
        Panels in a row.
    vmax : float, optional
        Upper end of the scale of colours.
    cmap : str or Colormap, optional
        By default one that the colour-blind read.
    coastlines : bool, optional
        As of :func:`xsm.plotting.plot_map`, and so is ``projection``.
    projection : cartopy.crs.Projection, optional
        Projection of new axes.
    ax : Axes or array of Axes, optional
        Draw into these, one for each expert.

    Returns
    -------
    ndarray of Axes
        One for each expert, on one scale of colours from 0.

    Raises
    ------
    MissingVariableError
        If the prediction holds no weights.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> days = xr.date_range("2020", periods=2)
    >>> weight = xr.DataArray(
    ...     np.full((2, 1, 2, 2), 0.5), {"time": days}, ("time", "lat", "lon", "expert")
    ... )
    >>> predicted = weight.to_dataset(name="expert_weight")
    >>> [panel.get_title() for panel in plot_expert_maps(predicted, ax=Figure().subplots(1, 2))]
    ['expert 1', 'expert 2']
    """
    weight = expert_weights(predicted)
    mean = weight.mean(time_dim(weight))
    found = plot_map(
        mean,
        col=_EXPERT,
        col_wrap=col_wrap,
        vmin=0.0,
        vmax=vmax,
        cmap=cmap,
        coastlines=coastlines,
        projection=projection,
        label="mean weight [1]",
        ax=ax,
    )
    axes = np.atleast_1d(found)
    for panel, name in zip(axes, _names(weight), strict=True):
        panel.set_title(name, fontsize="medium")
    return given_back(axes)


def plot_dominant_expert(
    predicted: xr.Dataset,
    *,
    coastlines: bool | None = None,
    projection: Any = None,
    ax: AxesLike | None = None,
) -> Any:
    """Map the expert whose mean weight is the largest.

    Parameters
    ----------
    predicted : xarray.Dataset
        A prediction of a mixture of experts.
    coastlines : bool, optional
        As of :func:`xsm.plotting.plot_map`, and so is ``projection``.
    projection : cartopy.crs.Projection, optional
        Projection of new axes.
    ax : Axes, optional
        Draw into it.

    Returns
    -------
    Axes
        Grey where there is no prediction. With equal weights the first expert is shown.

    Raises
    ------
    MissingVariableError
        If the prediction holds no weights.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> days = xr.date_range("2020", periods=1)
    >>> weight = xr.DataArray(
    ...     [[[[0.1, 0.9], [0.6, 0.4]]]], {"time": days}, ("time", "lat", "lon", "expert")
    ... )
    >>> ax = plot_dominant_expert(weight.to_dataset(name="expert_weight"), ax=Figure().subplots())
    >>> ax.collections[0].get_array().data
    array([[1., 0.]])
    """
    weight = expert_weights(predicted)
    mean = weight.mean(time_dim(weight)).compute()
    known = mean.notnull().all(_EXPERT)
    first = mean.fillna(-1.0).argmax(_EXPERT).where(known)
    return plot_classes(
        first,
        _names(weight),
        label="expert of largest mean weight",
        coastlines=coastlines,
        projection=projection,
        ax=ax,
    )


def plot_expert_seasons(
    predicted: xr.Dataset,
    *,
    by: str | xr.DataArray | None = None,
    labels: Labels | None = None,
    ax: AxesLike | None = None,
) -> Any:
    """Draw the mean weight of each expert in each month, by regions.

    Parameters
    ----------
    predicted : xarray.Dataset
        A prediction of a mixture of experts.
    by : str or DataArray, optional
        A map of regions, in the prediction or on its cells; by default all cells are one.
    labels : mapping or "koppen_geiger", optional
        Names of the regions, as of :func:`xsm.plotting.plot_zones`.
    ax : Axes or array of Axes, optional
        Draw into these, one for each region.

    Returns
    -------
    Axes or ndarray of Axes
        One for each region; months that the prediction does not hold are gaps. Cells of latitudes
        in degrees are weighted by their area.

    Raises
    ------
    MissingVariableError, GridError
        If there are no weights, or the map does not fit.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> days = xr.date_range("2020", periods=60)
    >>> weight = xr.DataArray(np.full((60, 2, 2), 0.5), {"time": days}, ("time", "cell", "expert"))
    >>> predicted = weight.to_dataset(name="expert_weight")
    >>> len(plot_expert_seasons(predicted, ax=Figure().subplots()).lines)
    2
    """
    weight = expert_weights(predicted)
    means, zones = _by_region(weight, predicted, by, labels)
    time = time_dim(weight)
    cycle = at_labels(means.groupby(means[time].dt.month).mean(), {"month": np.arange(1, 13)})
    axes = panels(len(zones.names), ax=ax, columns=3, size=(3.6, 2.8), share="xy")
    colours = colours_of(weight.sizes[_EXPERT])
    for at, (panel, region) in enumerate(zip(axes, zones.names, strict=True)):
        part = cycle.isel(region=at)
        for k, (name, colour) in enumerate(zip(_names(weight), colours, strict=True)):
            values = part.isel({_EXPERT: k}).values
            panel.plot(np.arange(1, 13), values, marker="o", ms=3, color=colour, label=name)
        panel.set_title(_titled(zones, region), fontsize="medium")
        panel.set_xticks(np.arange(1, 13), labels=list(_MONTHS))
        panel.grid(alpha=0.3)
    panel.set_ylim(bottom=0.0)
    _name_grid(axes, "month", "mean weight [1]", 3)
    _legend_beside(axes, min(len(axes), 3) - 1)
    return given_back(axes)


def plot_expert_shares(
    predicted: xr.Dataset,
    *,
    by: str | xr.DataArray | None = None,
    labels: Labels | None = None,
    ax: AxesLike | None = None,
) -> Any:
    """Draw the weights of the experts through time as stacked areas, by regions.

    Parameters
    ----------
    predicted : xarray.Dataset
        A prediction of a mixture of experts.
    by : str or DataArray, optional
        A map of regions, in the prediction or on its cells; by default all cells are one.
    labels : mapping or "koppen_geiger", optional
        Names of the regions, as of :func:`xsm.plotting.plot_zones`.
    ax : Axes or array of Axes, optional
        Draw into these, one for each region.

    Returns
    -------
    Axes or ndarray of Axes
        One for each region; the areas of all experts add up to 1.

    Raises
    ------
    MissingVariableError, GridError
        If there are no weights, or the map does not fit.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> days = xr.date_range("2020", periods=60)
    >>> weight = xr.DataArray(np.full((60, 2, 2), 0.5), {"time": days}, ("time", "cell", "expert"))
    >>> predicted = weight.to_dataset(name="expert_weight")
    >>> [float(e) for e in plot_expert_shares(predicted, ax=Figure().subplots()).get_ylim()]
    [0.0, 1.0]
    """
    weight = expert_weights(predicted)
    means, zones = _by_region(weight, predicted, by, labels)
    time = time_dim(weight)
    when, _ = dates_of(means[time])
    axes = panels(len(zones.names), ax=ax, columns=1, size=(9.0, 2.4), share="x")
    colours = colours_of(weight.sizes[_EXPERT])
    for at, (panel, region) in enumerate(zip(axes, zones.names, strict=True)):
        layers = means.isel(region=at).transpose(_EXPERT, time).values
        panel.stackplot(when, layers, colors=colours, labels=_names(weight), linewidth=0)
        edges = np.cumsum(layers, axis=0)[:-1]
        panel.plot(when, edges.T, color=OBSERVED, linewidth=0.3)
        panel.set_ylim(0.0, 1.0)
        panel.set_ylabel("weight [1]")
        panel.set_title(_titled(zones, region), loc="left", fontsize="medium")
    date_axis(axes[-1], means[time])
    _legend_beside(axes, 0)
    return given_back(axes)


def _by_region(
    weight: xr.DataArray,
    predicted: xr.Dataset,
    by: str | xr.DataArray | None,
    labels: Labels | None,
) -> tuple[xr.DataArray, Zones]:
    """Return mean weights by region (..., region), in memory."""
    space = [d for d in weight.dims if d not in {_EXPERT, time_dim(weight)}]
    if by is not None:
        zones = read_zones(by, predicted, weight, labels)
    elif not space:
        zones = Zones(xr.DataArray(0.0), ("",), "")
    else:
        like = weight.isel({d: 0 for d in weight.dims if d not in space}, drop=True)
        zones = Zones(xr.zeros_like(like, dtype=float).compute(), ("",), "")
    spread = set(zones.array.dims)
    if spread != set(space):
        msg = f"The map of regions lies on {sorted(map(str, spread))}; {space} are needed."
        raise GridError(msg)
    return region_means(weight, zones.array, zones.names).compute(), zones


def _titled(zones: Zones, region: str) -> str:
    """Return the title of the panel of a region."""
    return f"{zones.title}: {region}" if zones.title else region


def _name_grid(axes: Any, across: str, along: str, columns: int) -> None:
    """Name the axes of a grid of panels at its left and below."""
    columns = min(columns, len(axes))
    for at, panel in enumerate(axes):
        panel.set_ylabel("" if at % columns else along)
        panel.set_xlabel("" if at + columns < len(axes) else across)


def _legend_beside(axes: Any, at: int) -> None:
    """Write the names of the experts beside the panels, the last one on top as in the areas."""
    handles, names = axes[0].get_legend_handles_labels()
    axes[at].legend(
        handles[::-1],
        names[::-1],
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        frameon=False,
        fontsize="small",
    )
