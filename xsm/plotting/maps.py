"""Maps: one panel, or one for each value of other dimensions."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xsm.exceptions import GridError
from xsm.plotting.canvas import (
    MISSING,
    colour_norm,
    colour_scale,
    colours_of,
    given_back,
    panels,
    value_limits,
)
from xsm.plotting.cells import draw_cells, frame_map, size_of_map
from xsm.plotting.geography import space_of
from xsm.plotting.labels import axis_label, title_of
from xsm.typing import Array

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

    from xsm.plotting.canvas import AxesLike
from xsm.data.grid import as_list
from xsm.data.naming import ROLES
from xsm.data.reading import read
from xsm.data.refused import check_numbers
from xsm.data.units import dequantify
from xsm.exceptions import MissingVariableError, did_you_mean

__all__ = ["map_variable", "plot_classes", "plot_map", "split_panels"]


_MOST = 60  # panels of one figure


def plot_map(
    array: xr.DataArray,
    *,
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
    """Draw a map, or one for each value of one or two dimensions, on one scale of colours.

    Parameters
    ----------
    array : DataArray
        (latitude, longitude), any two dimensions of space, or a list of cells whose coordinates
        say where they lie; beside them only ``col`` and ``row``. Lazy arrays are computed once.
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
        Draw coasts, with cartopy; by default where cartopy and the coasts of Natural Earth are on
        this machine. Nothing is downloaded.
    projection : cartopy.crs.Projection, optional
        Projection of new axes; by default degrees, true to scale in the middle of the map.
    label : str, optional
        What the colours show; by default from the attributes, with units.
    ax : Axes or array of Axes, optional
        Draw into these, one for each panel; also axes of cartopy.

    Returns
    -------
    Axes or ndarray of Axes
        One for each panel. Missing values are grey.

    Raises
    ------
    GridError
        If other dimensions are left, or two of space cannot be told.
    NotEnoughDataError
        If all values are missing.
    MissingVariableError
        If coasts are wanted and not there.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> field = xr.DataArray(
    ...     [[0.1, 0.2]], {"lat": [50.0], "lon": [7.0, 8.0]}, ("lat", "lon"), "theta"
    ... )
    >>> [float(limit) for limit in plot_map(field, ax=Figure().subplots()).get_xlim()]
    [6.5, 8.5]
    """
    check_numbers(array, array.name)
    parts = split_panels(array, col, row)
    values = [part.values for part in parts]
    limits = value_limits(values, robust=robust, centre=centre, low=vmin, high=vmax)
    colours = {
        "cmap": colour_scale(cmap, diverging=centre is not None),
        "norm": colour_norm(limits),
    }
    columns = array.sizes[col] if col and row else col_wrap
    axes = _map_panels(parts, columns, projection, ax)
    for panel, part in zip(axes, parts, strict=True):
        drawn = draw_cells(panel, part, **colours)
        frame_map(panel, part, coastlines=coastlines)
        named = ", ".join(title_of(part[d]) for d in (row, col) if d)
        panel.set_title(named, fontsize="medium")
    _label_outside(axes, columns)
    words = _folded(axis_label(array) if label is None else label, axes[0].figure)
    beyond = _beyond(values, limits)
    axes[0].figure.colorbar(drawn, ax=list(axes), label=words, extend=beyond, shrink=0.9)
    return given_back(axes)


def plot_classes(
    array: xr.DataArray,
    names: Sequence[str],
    *,
    coastlines: bool | None = None,
    projection: Any = None,
    label: str = "",
    ax: AxesLike | None = None,
) -> Any:
    """Draw a map of classes, each in a colour of its own.

    Parameters
    ----------
    array : DataArray
        Number of the class of each cell, from 0; NaN where there is none.
    names : sequence of str
        Of the classes.
    coastlines : bool, optional
        As of :func:`plot_map`.
    projection : cartopy.crs.Projection, optional
        As of :func:`plot_map`.
    label : str, default: ""
        What the classes are, for the title.
    ax : Axes, optional
        Draw into it.

    Returns
    -------
    Axes
        With the names beside the bar of colours.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> zones = xr.DataArray([[0.0, 1.0]], dims=("y", "x"))
    >>> plot_classes(zones, ["wet", "dry"], ax=Figure().subplots()).figure.axes[1].get_yticks()
    array([0, 1])
    """
    (part,) = split_panels(array, None, None)
    (panel,) = _map_panels([part], 1, projection, ax)
    from matplotlib.colors import BoundaryNorm, ListedColormap, to_rgba

    chosen = ListedColormap(colours_of(len(names))).with_extremes(bad=to_rgba(MISSING))
    norm = BoundaryNorm(np.arange(len(names) + 1) - 0.5, len(names))
    drawn = draw_cells(panel, part, cmap=chosen, norm=norm)
    frame_map(panel, part, coastlines=coastlines)
    panel.set_title(label, fontsize="medium")
    bar = panel.figure.colorbar(drawn, ax=panel, shrink=0.9)
    bar.set_ticks(np.arange(len(names)), labels=list(names))
    bar.ax.minorticks_off()
    bar.ax.tick_params(length=0)
    return panel


def split_panels(array: xr.DataArray, col: str | None, row: str | None) -> list[xr.DataArray]:
    """Return the maps that panels show, row by row, in memory; lazy arrays are computed once.

    A GridError if there is no such dimension, there are too many values, or dimensions are left.
    """
    dims = [d for d in (row, col) if d is not None]
    absent = [d for d in dims if d not in array.dims]
    if absent:
        msg = f"There is no dimension {absent[0]!r}; {array.name!r} has {dict(array.sizes)}."
        raise GridError(msg)
    counts = [array.sizes[d] for d in dims]
    if np.prod(counts) > _MOST:
        msg = (
            f"{' x '.join(map(str, counts))} panels along {dims} were asked for; at most {_MOST} "
            f"are drawn. Select some, for example .isel({dims[-1]}=slice(None, None, 10))."
        )
        raise GridError(msg)
    _check_rest(array, dims)
    whole = array.compute()
    whole = whole.assign_coords(
        {d: np.arange(n) for d, n in whole.sizes.items() if d in dims and d not in whole.coords}
    )
    places = itertools.product(*(range(n) for n in counts))
    return [whole.isel(dict(zip(dims, at, strict=True))) for at in places]


def _check_rest(array: xr.DataArray, dims: Sequence[str]) -> None:
    """Refuse dimensions that are neither of the map nor of the panels."""
    bare = array.isel(dict.fromkeys(dims, 0))
    space = space_of(bare)
    rest = {str(d): n for d, n in bare.sizes.items() if d not in space}
    if not space or not rest:
        return  # what is no map at all is told by map_axes
    first = next(iter(rest))
    msg = (
        f"{array.name!r} has {rest} beside the dimensions of a map. Select one value "
        f"(.isel({first}=0)), average (over={first!r}, or .mean({first!r})), or draw a panel for "
        f"each (col={first!r})."
    )
    raise GridError(msg)


def _map_panels(
    parts: Sequence[xr.DataArray], columns: int, projection: Any, ax: AxesLike | None
) -> Array:
    """Return a panel for each map."""
    return panels(
        len(parts),
        ax=ax,
        columns=columns,
        size=size_of_map(parts[0], len(parts)),
        maps=True,
        projection=projection,
    )


def _label_outside(axes: Array, columns: int) -> None:
    """Keep the names of the axes of a grid of maps at its left and below."""
    for at, panel in enumerate(axes):
        if at % columns:
            panel.set_ylabel("")
        if at + columns < len(axes):
            panel.set_xlabel("")


def _folded(label: str, figure: Any) -> str:
    """Break a label that is longer than a figure is high."""
    most = max(12, int(9 * figure.get_figure(root=True).get_figheight()))  # characters
    words, bracket, units = label.rpartition(" [")
    if len(label) <= most or not bracket:
        return textwrap.fill(label, most)
    return f"{textwrap.fill(words, most)}\n[{units}"


def _beyond(values: Sequence[Array], limits: tuple[float, float]) -> str:
    """Tell on which side values lie beyond the scale of colours."""
    below = any(bool((v < limits[0]).any()) for v in values)
    above = any(bool((v > limits[1]).any()) for v in values)
    return {(False, False): "neither", (True, False): "min", (False, True): "max"}.get(
        (below, above), "both"
    )


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


def _variable(ds: xr.Dataset, name: str | None) -> xr.DataArray:
    """Return a variable by its name or role, with units as an attribute."""
    ds, _ = dequantify(ds)
    names = list(map(str, ds.data_vars))
    if name is None and len(names) == 1:
        name = names[0]
    if name is not None and name not in ds and name in ROLES:
        name = str(read(ds).lookup(name).name)
    if name is None or name not in ds:
        hint = did_you_mean(name or "", names)
        msg = f"Name the variable to draw; {name!r} is none of the {len(names)} in the data. {hint}"
        raise MissingVariableError(msg)
    return ds[name]
