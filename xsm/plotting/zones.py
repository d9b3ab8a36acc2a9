"""Classes of cells, such as climates or land covers, and scores by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import xarray as xr

from xsm.data.joins import common
from xsm.data.reading import read
from xsm.exceptions import (
    GridError,
    MissingVariableError,
    NotEnoughDataError,
    check_choice,
    did_you_mean,
)
from xsm.hydrology.soil.layering import DEPTH
from xsm.plotting.canvas import colours_of, given_back, panels
from xsm.plotting.improvement import scores_of
from xsm.plotting.labels import describe
from xsm.plotting.pairing import Predictions, paired
from xsm.typing import Array

if TYPE_CHECKING:
    from xsm.plotting.canvas import AxesLike

__all__ = ["KOPPEN_GEIGER", "Labels", "Zones", "plot_boxes", "plot_zones", "read_zones"]


Labels: TypeAlias = Mapping[Any, str] | str

KOPPEN_GEIGER = dict(
    enumerate(
        (
            *("Af", "Am", "Aw", "BWh", "BWk", "BSh", "BSk"),
            *("Csa", "Csb", "Csc", "Cwa", "Cwb", "Cwc", "Cfa", "Cfb", "Cfc"),
            *("Dsa", "Dsb", "Dsc", "Dsd", "Dwa", "Dwb", "Dwc", "Dwd", "Dfa", "Dfb", "Dfc", "Dfd"),
            *("ET", "EF"),
        ),
        start=1,
    )
)
"""Classes of Köppen and Geiger by the numbers of the maps of Beck et al. (2018)."""

_MOST = 40  # classes of one figure


@dataclass(frozen=True)
class Zones:
    """A map of classes: the number of each cell's, from 0, NaN where there is none.

    ``names`` are those of the classes that occur, ``title`` is what they are.
    """

    array: xr.DataArray
    names: tuple[str, ...]
    title: str


def read_zones(
    by: str | xr.DataArray,
    ds: xr.Dataset,
    like: xr.DataArray,
    labels: Labels | None = None,
) -> Zones:
    """Return a map of classes on the cells of some data.

    Parameters
    ----------
    by : str or DataArray
        A variable of ``ds``, or a map of numbers, words, or true and false on the same cells.
    ds : xarray.Dataset
        Data that may hold it.
    like : DataArray
        Values on the cells.
    labels : mapping or "koppen_geiger", optional
        Names of the classes by their values; by default those of the attributes ``flag_values``
        and ``flag_meanings``, else the values themselves. 0 is no class of Köppen and Geiger.

    Returns
    -------
    Zones
        Classes that occur, in the order of their values.

    Raises
    ------
    MissingVariableError
        If there is no such variable.
    GridError
        If the map lies on other cells, or has too many values to be classes.
    UnknownNameError
        If there are no such labels.

    Examples
    --------
    >>> by = xr.DataArray([14.0, 15.0, 0.0], dims="x")
    >>> read_zones(by, xr.Dataset(), by, labels="koppen_geiger").names
    ('Cfa', 'Cfb')
    """
    if isinstance(by, str):
        if by not in ds:
            msg = f"There is no variable {by!r}. {did_you_mean(by, map(str, ds.data_vars))}"
            raise MissingVariableError(msg)
        by = ds[by]
    own = _fitting(by, like).compute()
    values, known = own.values, own.notnull().values
    there = values[known]
    named = _named(own, labels)
    whole = there.dtype.kind != "f" or bool((there == np.round(there)).all())
    kinds = np.unique(there.astype(int) if whole and there.dtype.kind == "f" else there).tolist()
    found = [v for v in kinds if named is None or v in named]
    if not whole or not 0 < len(found) <= _MOST:
        msg = (
            f"by={by.name!r} has {len(kinds)} different values, {len(found)} of them with a name; "
            f"1 to {_MOST} classes are needed, as whole numbers or words. Make some, for example "
            'by=ds["elevation"] > 500.'
        )
        raise GridError(msg)
    places = np.full(values.shape, np.nan)
    for at, value in enumerate(found):
        places[values == value] = at
    words = tuple(str(v) if named is None else named[v] for v in found)
    title = "zone" if by.name is None else str(by.name)
    if own.dtype.kind != "b":
        title = str(by.attrs.get("long_name", title))
    if labels == "koppen_geiger":
        title = "climate of Köppen and Geiger"
    return Zones(own.copy(data=places), words, title.replace("_", " "))


def _fitting(by: xr.DataArray, like: xr.DataArray) -> xr.DataArray:
    """Return a map of classes on the cells of the data, if it has them all."""
    fits = bool(by.dims) and set(by.dims) <= set(like.dims)
    for dim in by.dims if fits else ():
        if dim in by.indexes and dim in like.indexes:
            fits &= bool(like.indexes[dim].isin(by.indexes[dim]).all())
        else:
            fits &= by.sizes[dim] == like.sizes[dim]
    if fits:
        both = [d for d in by.dims if d in by.indexes and d in like.indexes]
        return by.sel({d: like.indexes[d] for d in both})
    shown = ", ".join(f"{d}=ds.{d}" for d in map(str, by.dims))
    msg = (
        f"by={by.name!r} lies on {dict(by.sizes)}, the data on {dict(like.sizes)}; the same cells "
        "are needed. Rename its dimensions to those of the data and take the nearest: "
        f'by.interp({shown}, method="nearest").'
    )
    raise GridError(msg)


def _named(by: xr.DataArray, labels: Labels | None) -> Mapping[Any, str] | None:
    """Return the names of classes by their values, None where the values speak for themselves."""
    if isinstance(labels, str):
        check_choice("labels", labels, ("koppen_geiger",))
        return KOPPEN_GEIGER
    if labels is not None:
        return labels
    if by.dtype.kind == "b":
        return None  # a comparison keeps the attributes of what was compared
    meanings = str(by.attrs.get("flag_meanings", "")).split()
    flags = np.atleast_1d(by.attrs.get("flag_values", []))
    if meanings and len(meanings) == len(flags):
        return {f.item(): m.replace("_", " ") for f, m in zip(flags, meanings, strict=True)}
    return None


def plot_zones(
    ds: xr.Dataset,
    predicted: Predictions,
    by: str | xr.DataArray,
    *,
    metric: str = "r",
    labels: Labels | None = None,
    target: str | None = None,
    variables: Mapping[str, str] | None = None,
    ax: AxesLike | None = None,
) -> Any:
    """Draw a score of cells as boxes, by classes of cells.

    Parameters
    ----------
    ds : xarray.Dataset
        The observations.
    predicted : Dataset, DataArray, or mapping of str to these
        One prediction, or several by name, which are scored on the same steps.
    by : str or DataArray
        A variable of ``ds``, or a map of classes on its cells: climates, land covers, basins.
    metric : str, default: "r"
        A score over time, of :func:`xsm.score`.
    labels : mapping or "koppen_geiger", optional
        Names of the classes by their values; ``"koppen_geiger"`` are those of Beck et al. (2018).
        By default what the map's attributes say.
    target : str, optional
        Role or variable; by default what the prediction says.
    variables : mapping of str to str, optional
        Role to variable name.
    ax : Axes, optional
        Draw into it.

    Returns
    -------
    Axes
        Boxes from the first to the third quartile with the median, whiskers from the 5th to the
        95th percentile of the cells; beneath each class its number of cells.

    Raises
    ------
    MissingVariableError, GridError, UnknownNameError, UnitsError, NotEnoughDataError
        If the map, the score, the target or common labels are missing.

    References
    ----------
    Beck, H. E. et al. (2018). Sci. Data 5:180214.

    Examples
    --------
    >>> import xsm
    >>> from matplotlib.figure import Figure
    >>> ds = xsm.open_tutorial("land").isel(latitude=slice(0, 6), longitude=slice(18, 24))
    >>> guess = (ds["swvl1"] + 0.01).assign_attrs(units="m3 m-3")
    >>> high = (ds["elevation"] > 400).rename("above 400 m")
    >>> ax = plot_zones(ds, guess, high, metric="mae", ax=Figure().subplots())
    >>> ax.get_ylabel()
    'mae [m³ m⁻³]'
    """
    pair = paired(read(ds, variables), predicted, target=target)
    scores = scores_of(pair, metric)
    zones = read_zones(by, ds, scores, labels)
    return plot_boxes(scores, zones, ax=ax)


def plot_boxes(scores: xr.DataArray, zones: Zones, *, ax: AxesLike | None = None) -> Any:
    r"""Draw the values of cells as boxes, by classes of cells.

    Parameters
    ----------
    scores : DataArray
        (source, ...) values of cells.
    zones : Zones
        Classes of the same cells.
    ax : Axes, optional
        Draw into it.

    Returns
    -------
    Axes
        A group of boxes for each class that has values, one for each source.

    Raises
    ------
    GridError
        If there are several layers.
    NotEnoughDataError
        If no cell has both a value and a class.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> scores = xr.DataArray([[0.1, 0.2]], {"source": ["a"]}, ("source", "x"), "rmse")
    >>> zones = read_zones(xr.DataArray([1, 2], dims="x"), xr.Dataset(), scores)
    >>> [t.get_text() for t in plot_boxes(scores, zones, ax=Figure().subplots()).get_xticklabels()]
    ['1\nn = 1', '2\nn = 1']
    """
    if DEPTH in scores.dims and DEPTH not in zones.array.dims:
        msg = (
            f"The scores hold {scores.sizes[DEPTH]} layers; one is drawn. Name its variable, "
            "target='swvl1', or select one of data and prediction, .isel(depth=[0])."
        )
        raise GridError(msg)
    scores = scores.compute()
    sources = [str(s) for s in scores["source"].values]
    groups = [_by_zone(scores.isel(source=k), zones) for k in range(len(sources))]
    if not sum(v.size for group in groups for v in group):
        msg = "No cell has both a score and a class; give a map that covers the predicted cells."
        raise NotEnoughDataError(msg)
    full = [z for z in range(len(zones.names)) if any(group[z].size for group in groups)]
    groups = [[group[z] for z in full] for group in groups]
    zones = replace(zones, names=tuple(zones.names[z] for z in full))
    width = min(max(1.6 + 0.75 * len(zones.names), 0.5 * len(zones.names) * len(sources)), 14.0)
    (panel,) = panels(1, ax=ax, size=(max(width, 4.0), 3.8))
    wide = 0.8 / len(sources)
    for k, (name, colour) in enumerate(zip(sources, colours_of(len(sources)), strict=True)):
        at = np.arange(len(zones.names)) + (k - (len(sources) - 1) / 2) * wide
        _boxes(panel, groups[k], at, 0.85 * wide, colour, name)
    counts = [max(group[z].size for group in groups) for z in range(len(zones.names))]
    words = [f"{name}\nn = {count}" for name, count in zip(zones.names, counts, strict=True)]
    panel.set_xticks(np.arange(len(words)), labels=words)
    _turn_long(panel, zones.names)
    panel.set_xlim(-0.5, len(words) - 0.5)
    panel.set_xlabel(zones.title)
    panel.set_ylabel(describe(str(scores.name), scores.attrs.get("units")))
    panel.grid(axis="y", alpha=0.3)
    panel.set_axisbelow(True)
    if len(sources) > 1:
        panel.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return given_back([panel])


def _by_zone(values: xr.DataArray, zones: Zones) -> list[Array]:
    """Return the finite values of each class."""
    here, near = common(values, {"the map of zones": zones.array})
    both, where = xr.broadcast(here, *near.values())
    flat, place = both.values.ravel(), where.values.ravel()
    flat, place = flat[np.isfinite(flat)], place[np.isfinite(flat)]
    return [flat[place == z] for z in range(len(zones.names))]


def _boxes(
    panel: Any, groups: Sequence[Array], at: Array, wide: float, colour: Any, name: str
) -> None:
    """Draw the boxes of one source."""
    full = [k for k, values in enumerate(groups) if values.size]
    found = panel.boxplot(
        [groups[k] for k in full],
        positions=at[full],
        widths=wide,
        whis=(5, 95),
        showfliers=False,
        patch_artist=True,
        manage_ticks=False,
        medianprops={"color": "black", "linewidth": 1.4},
    )
    for box in found["boxes"]:
        box.set(facecolor=colour, alpha=0.75)
    found["boxes"][0].set_label(name)


def _turn_long(panel: Any, names: Sequence[str]) -> None:
    """Turn long names of classes, so that they do not overlap."""
    if sum(map(len, names)) > 90 or max(map(len, names)) > 16:
        panel.tick_params(axis="x", labelrotation=40)
        for label in panel.get_xticklabels():
            label.set_horizontalalignment("right")
