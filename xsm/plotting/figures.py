"""Figures of a data set: ``ds.physm.plot.map("swvl1")``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

from xsm.exceptions import MissingVariableError, did_you_mean
from xsm.grid import as_list
from xsm.naming import ROLES, find_variables
from xsm.plotting.binding import bound
from xsm.plotting.experts import (
    plot_dominant_expert,
    plot_expert_maps,
    plot_expert_seasons,
    plot_expert_shares,
)
from xsm.plotting.improvement import plot_improvement
from xsm.plotting.maps import plot_map
from xsm.plotting.pairing import named_predictions
from xsm.plotting.profiles import plot_profile
from xsm.plotting.series import plot_series
from xsm.plotting.spectra import plot_spectra
from xsm.plotting.trust import plot_reliability
from xsm.plotting.zones import plot_zones
from xsm.spread import reliability
from xsm.units import dequantify

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

    from xsm.plotting.canvas import AxesLike

__all__ = ["DataPlots", "map_variable", "plot_spread"]


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


def map_variable(
    ds: xr.Dataset,
    name: str | None = None,
    *,
    over: str | Sequence[str] | None = None,
    col: str | None = None,
    row: str | None = None,
    col_wrap: int = 4,
    centre: float | None = None,
    robust: bool = False,
    vmin: float | None = None,
    vmax: float | None = None,
    cmap: str | Colormap | None = None,
    coastlines: bool | None = None,
    projection: Any = None,
    label: str | None = None,
    ax: AxesLike | None = None,
) -> Any:
    """Draw maps of a variable of a data set, in its own units.

    Parameters
    ----------
    ds : xarray.Dataset
        The data: observations, a prediction, scores, an audit.
    name : str, optional
        A variable, or a role, whose variable is drawn; not needed where the data hold one.
    over : str or sequence of str, optional
        Dimensions that are averaged before; missing values are left out.
    col, row : str, optional
        Dimensions along which panels lie beside and below each other.
    col_wrap : int, default: 4
        Panels in a row, without ``row``.
    centre : float, optional
        Make the scale of colours symmetric about it, and diverging.
    robust : bool, default: False
        Colours from the 2nd to the 98th percentile in place of the extremes.
    vmin, vmax : float, optional
        Ends of the scale of colours.
    cmap : str or Colormap, optional
        By default one that the colour-blind read.
    coastlines : bool, optional
        Draw coasts, as of :func:`xsm.plotting.plot_map`.
    projection : cartopy.crs.Projection, optional
        Projection of new axes.
    label : str, optional
        What the colours show; by default from the attributes, with units.
    ax : Axes or array of Axes, optional
        Draw into these, one for each panel.

    Returns
    -------
    Axes or ndarray of Axes
        One for each panel, see :func:`xsm.plotting.plot_map`.

    Raises
    ------
    MissingVariableError
        If there is no such variable, or several and no name.
    GridError, NotEnoughDataError
        If it is no map, or all missing.

    Examples
    --------
    >>> import xsm
    >>> from matplotlib.figure import Figure
    >>> ds = xsm.open_tutorial("land").isel(time=slice(0, 5))
    >>> ax = map_variable(ds, "soil_moisture", over="time", ax=Figure().subplots())
    >>> ax.get_xlabel(), ax.figure.axes[1].get_ylabel()
    ('longitude [°E]', 'volumetric soil water, 0 to 7 cm [m³ m⁻³]')
    """
    array = _variable(ds, name)
    if over is not None:
        array = array.mean(as_list(over), keep_attrs=True)
    return plot_map(
        array,
        col=col,
        row=row,
        col_wrap=col_wrap,
        centre=centre,
        robust=robust,
        vmin=vmin,
        vmax=vmax,
        cmap=cmap,
        coastlines=coastlines,
        projection=projection,
        label=label,
        ax=ax,
    )


def plot_spread(
    ds: xr.Dataset,
    predicted: xr.Dataset | Mapping[str, xr.Dataset] | None = None,
    *,
    target: str | None = None,
    variables: Mapping[str, str] | None = None,
    ax: AxesLike | None = None,
) -> Any:
    """Draw whether the spread of predictions can be believed.

    Parameters
    ----------
    ds : xarray.Dataset
        The observations; or, without a prediction, what :func:`xsm.reliability` gave.
    predicted : Dataset or mapping of str to Dataset, optional
        One prediction with a spread, or several by name.
    target : str, optional
        Role or variable; by default what the prediction says.
    variables : mapping of str to str, optional
        Role to variable name.
    ax : array of Axes, optional
        Two axes to draw into.

    Returns
    -------
    ndarray of Axes
        Coverage and PIT, see :func:`xsm.plotting.plot_reliability`.

    Raises
    ------
    MissingVariableError, UnitsError, NotEnoughDataError
        As :func:`xsm.reliability`.

    Examples
    --------
    >>> import xsm
    >>> from matplotlib.figure import Figure
    >>> ds = xsm.open_tutorial("land").isel(latitude=slice(0, 4), longitude=slice(20, 24))
    >>> spread = xr.full_like(ds["swvl1"], 0.02)
    >>> guess = xr.Dataset({"swvl1": ds["swvl1"], "swvl1_std": spread}, attrs={"model": "truth"})
    >>> axes = plot_spread(ds, guess, ax=Figure().subplots(1, 2))
    >>> [text.get_text() for text in axes[0].get_legend().get_texts()]
    ['as it says', 'truth']
    """
    if predicted is None:
        return plot_reliability(ds, ax=ax)
    given = named_predictions(predicted)
    tables = {
        name: reliability(ds, each, target=target, variables=variables)
        for name, each in given.items()
        if isinstance(each, xr.Dataset)
    }
    return plot_reliability(tables, ax=ax)


def _variable(ds: xr.Dataset, name: str | None) -> xr.DataArray:
    """Return a variable by its name or role, with units as an attribute."""
    ds, _ = dequantify(ds)
    names = list(map(str, ds.data_vars))
    if name is None and len(names) == 1:
        name = names[0]
    if name is not None and name not in ds and name in ROLES:
        name = str(find_variables(ds).lookup(name).name)
    if name is None or name not in ds:
        hint = did_you_mean(name or "", names)
        msg = f"Name the variable to draw; {name!r} is none of the {len(names)} in the data. {hint}"
        raise MissingVariableError(msg)
    return ds[name]
