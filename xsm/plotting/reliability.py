"""Whether the spread of a prediction can be believed: coverage and PIT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xsm.data.reading import read
from xsm.evaluation.spread import reliability_of
from xsm.exceptions import GridError, MissingVariableError
from xsm.plotting.canvas import OBSERVED, colours_of, given_back, panels

if TYPE_CHECKING:
    from xsm.plotting.canvas import AxesLike
from xsm.plotting.pairing import named_predictions

if TYPE_CHECKING:
    from xsm.plotting.canvas import AxesLike

__all__ = ["plot_reliability", "plot_spread"]


def plot_reliability(
    table: xr.Dataset | Mapping[str, xr.Dataset], *, ax: AxesLike | None = None
) -> Any:
    """Draw how often observations lie inside predicted intervals, and where they lie in them.

    Parameters
    ----------
    table : Dataset, or mapping of str to Dataset
        What :func:`xsm.reliability` found, of one prediction or of several by name, over all cells
        and times.
    ax : array of Axes, optional
        Two axes to draw into.

    Returns
    -------
    ndarray of Axes
        Coverage: on the line where intervals cover as they say, below it where they are too narrow.
        PIT: flat at 1 where the spread is right, a U where it is too narrow, a hump where it is too
        wide, a slope where the prediction is biased.

    Raises
    ------
    MissingVariableError
        If the data are no result of :func:`xsm.reliability`.
    GridError
        If they still hold cells.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> table = xr.Dataset(
    ...     {"coverage": ("level", [0.4, 0.9]), "pit": ("pit_value", [1.0, 1.0])},
    ...     {"level": [0.5, 0.9], "pit_value": [0.25, 0.75]},
    ... )
    >>> axes = plot_reliability(table, ax=Figure().subplots(1, 2))
    >>> axes[0].get_xlabel(), axes[1].get_ylabel()
    ('nominal coverage [%]', 'density [1]')
    """
    tables = {"": table} if isinstance(table, xr.Dataset) else dict(table)
    found = {name: _checked(each) for name, each in tables.items()}
    axes = panels(2, ax=ax, columns=2, size=(4.2, 3.8))
    axes[0].plot(
        [0, 100], [0, 100], color=OBSERVED, linewidth=1, linestyle="--", label="as it says"
    )
    axes[1].axhline(1.0, color=OBSERVED, linewidth=1, linestyle="--")
    for (name, each), colour in zip(found.items(), colours_of(len(found)), strict=True):
        _draw(axes, each, name or "prediction", colour)
    _name(axes)
    return given_back(axes)


def _checked(table: xr.Dataset) -> xr.Dataset:
    """Return coverage and PIT in memory."""
    names = ["coverage", "pit"]
    if not set(names) <= set(table):
        msg = (
            f"The data hold {list(map(str, table.data_vars))}; coverage and pit are needed, as of "
            "xsm.reliability(ds, predicted)."
        )
        raise MissingVariableError(msg)
    rest = [str(d) for d in table[names].dims if d not in {"level", "pit_value"}]
    if rest:
        msg = (
            f"The reliability of {rest} was given; one curve is drawn. Judge all together with "
            "xsm.reliability(ds, predicted), without dim=, or select one."
        )
        raise GridError(msg)
    return table[names].compute()


def _draw(axes: Any, table: xr.Dataset, name: str, colour: Any) -> None:
    """Draw the two curves of one prediction."""
    table = table.sortby("level")
    nominal, found = 100 * table["level"].values, 100 * table["coverage"].values
    axes[0].plot(nominal, found, color=colour, marker="o", markersize=4, label=name)
    bins = table.sizes["pit_value"]
    axes[1].stairs(table["pit"].values, np.linspace(0, 1, bins + 1), color=colour, linewidth=1.5)


def _name(axes: Any) -> None:
    """Give the two panels their axes."""
    axes[0].set(
        xlabel="nominal coverage [%]",
        ylabel="observed coverage [%]",
        xlim=(0, 100),
        ylim=(0, 100),
        aspect="equal",
    )
    axes[0].legend(loc="upper left", frameon=False, fontsize="small")
    axes[1].set(xlabel="predicted probability of what was observed [1]", ylabel="density [1]")
    axes[1].set(xlim=(0, 1), ylim=(0, max(2.0, 1.05 * axes[1].get_ylim()[1])))
    for panel, title in zip(axes, ("coverage of central intervals", "PIT"), strict=True):
        panel.set_title(title, fontsize="medium")
        panel.grid(alpha=0.3)


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
    given, reading = named_predictions(predicted), read(ds, variables)
    tables = {
        name: reliability_of(reading, each, target=target)
        for name, each in given.items()
        if isinstance(each, xr.Dataset)
    }
    return plot_reliability(tables, ax=ax)
