"""The cells of a map in one panel, its axes, and coasts."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xsm.exceptions import MissingVariableError
from xsm.plotting.canvas import MISSING
from xsm.plotting.geography import cell_edges, coastline, degrees, map_axes, on_globe, placed
from xsm.plotting.labels import axis_label

__all__ = ["draw_cells", "frame_map", "size_of_map"]


def draw_cells(panel: Any, array: xr.DataArray, **colours: Any) -> Any:
    """Draw the cells of a map, a grid or a list of cells in memory, into one panel.

    ``colours`` are ``cmap`` and ``norm``. What comes back is for the bar of colours; grey where
    values are missing.
    """
    across, along = map_axes(array)
    colours |= on_globe(panel, array)
    if across not in array.dims:
        x, y = (np.atleast_1d(placed(array, d)) for d in (across, along))
        values = np.atleast_1d(array.values).astype(float)
        look = {"s": 30, "edgecolors": "0.4", "linewidths": 0.4, "plotnonfinite": True}
        return panel.scatter(x, y, c=values, **look, **colours)
    centres = [placed(array, d) for d in (across, along)]
    known = [abs(float(v[1] - v[0])) for v in centres if v.size > 1]
    x, y = (cell_edges(v, alone=known[0] if known else 1.0) for v in centres)
    if degrees(array, along):
        y = np.clip(y, -90.0, 90.0)
    panel.set_facecolor(MISSING)  # seen through missing cells: cartopy wants no colour for them
    if "cmap" in colours:
        colours["cmap"] = colours["cmap"].with_extremes(bad=(0.0, 0.0, 0.0, 0.0))
    values = np.ma.masked_invalid(array.transpose(along, across).values.astype(float))
    return panel.pcolormesh(x, y, values, shading="flat", rasterized=True, **colours)


def frame_map(panel: Any, array: xr.DataArray, *, coastlines: bool | None) -> None:
    """Give a map its axes: names, units, proportions, coasts (None: where they are there).

    A MissingVariableError if coasts are wanted and not there.
    """
    across, along = map_axes(array)
    if hasattr(panel, "projection"):
        labels = {"left": "y", "bottom": "x"}
        small = {"size": "small"}
        panel.gridlines(
            draw_labels=labels, xlabel_style=small, ylabel_style=small, color="0.5", alpha=0.4
        )
    else:
        panel.set_xlabel(_named(array, across, "°E"))
        panel.set_ylabel(_named(array, along, "°N"))
        _number(panel, array, across, along)
        _shape(panel, array, across, along)
    if degrees(array, across) and degrees(array, along):
        _draw_coasts(panel, wanted=coastlines)


def _named(array: xr.DataArray, dim: str, of_degrees: str) -> str:
    """Return the label of an axis of a map."""
    if dim not in array.coords:
        return f"{dim} [cell]"
    coordinate = array[dim]
    if coordinate.attrs.get("units") == "m":
        return axis_label(coordinate.assign_attrs(units="km"))
    if "units" not in coordinate.attrs and degrees(array, dim):
        return f"{axis_label(coordinate)} [{of_degrees}]"
    return axis_label(coordinate)


def _number(panel: Any, array: xr.DataArray, across: str, along: str) -> None:
    """Set ticks; metres are numbered in km, longitudes beyond a jump as they were."""
    from matplotlib.ticker import MaxNLocator

    for axis in (panel.xaxis, panel.yaxis):
        wide = np.ptp(axis.get_view_interval()) > 40 and degrees(array, across)
        steps = [1, 1.5, 3, 6, 9, 10] if wide else [1, 2, 2.5, 5, 10]
        axis.set_major_locator(MaxNLocator(5, steps=steps))
    for axis, dim in ((panel.xaxis, across), (panel.yaxis, along)):
        if dim in array.coords and array[dim].attrs.get("units") == "m":
            axis.set_major_formatter(lambda x, _: f"{x / 1000:g}")
    jumped = degrees(array, across) and np.ptp(placed(array, across) - array[across].values) > 1
    if jumped:
        most = 180.0 if float(array[across].min()) < 0 else 360.0
        panel.xaxis.set_major_formatter(lambda x, _: f"{(x + 360 - most) % 360 - 360 + most:g}")


def _shape(panel: Any, array: xr.DataArray, across: str, along: str) -> None:
    """Let a kilometre be as long on both axes; cells without coordinates are squares."""
    if degrees(array, across) and degrees(array, along):
        middle = np.deg2rad(np.clip(np.mean(panel.get_ylim()), -70, 70))
        panel.set_aspect(1 / np.cos(middle), adjustable="box")
    else:
        panel.set_aspect("equal", adjustable="box")


def _draw_coasts(panel: Any, *, wanted: bool | None) -> None:
    """Draw coasts where they are wanted and there."""
    path = coastline()
    if wanted is False or (path is None and wanted is None):
        return
    if path is None:
        msg = (
            "coastlines=True needs cartopy (pip install 'xsm[maps]') and the coasts of Natural "
            "Earth, which this command fetches once: python -m cartopy.feature.download physical. "
            "Leave coastlines out to draw without."
        )
        raise MissingVariableError(msg)
    from cartopy.io.shapereader import BasicReader

    lines = [
        np.asarray(line.coords)
        for g in BasicReader(str(path)).geometries()
        for line in getattr(g, "geoms", [g])
    ]
    if hasattr(panel, "projection"):
        import cartopy.crs

        for line in lines:
            panel.plot(*line.T, color="0.25", linewidth=0.6, transform=cartopy.crs.Geodetic())
        return
    from matplotlib.collections import LineCollection

    around = [line + np.array([turn, 0.0]) for turn in (-360.0, 0.0, 360.0) for line in lines]
    panel.add_collection(LineCollection(around, colors="0.25", linewidths=0.6), autolim=False)


def size_of_map(array: xr.DataArray, count: int) -> tuple[float, float]:
    """Return width and height of one of ``count`` panels, inches, near the shape of the map."""
    across, along = map_axes(array)
    wide, high = (np.ptp(cell_edges(np.unique(placed(array, d)))) for d in (across, along))
    if degrees(array, across) and degrees(array, along):
        wide *= np.cos(np.deg2rad(np.clip(np.mean(placed(array, along)), -70, 70)))
    size = 5.5 if count == 1 else 3.2
    shape = float(np.clip(high / wide, 0.3, 1.2))
    return size, round(size * shape + (0.5 if count == 1 else 0.4), 2)
