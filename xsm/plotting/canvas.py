"""Axes, colours and limits: what every figure begins with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from xsm.exceptions import GridError, NotEnoughDataError
from xsm.typing import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize

    AxesLike: TypeAlias = Axes | Sequence[Axes] | Array

__all__ = [
    "DIVERGING",
    "MISSING",
    "OBSERVED",
    "SEQUENTIAL",
    "colour_norm",
    "colour_scale",
    "colours_of",
    "given_back",
    "panels",
    "plain_log",
    "pyplot",
    "value_limits",
]


SEQUENTIAL = "YlGnBu"
"""Dry to wet; its lightness falls evenly."""

DIVERGING = "RdBu"
"""Red and blue, which red-green blindness tells apart."""

MISSING = "#d9d9d9"
"""Where there is no value."""

OBSERVED = "#222222"
"""What was observed."""

# Okabe and Ito (2008), the order chosen so that neighbours differ in lightness; in the place of
# black, which is for observations, the wine of Tol (2021)
_EIGHT = (
    *("#0072B2", "#E69F00", "#009E73", "#D55E00"),
    *("#56B4E9", "#CC79A7", "#882255", "#F0E442"),
)


def pyplot() -> Any:
    """Return ``matplotlib.pyplot``, loaded when the first figure is drawn.

    An ImportError if matplotlib is not installed; the message says what to type.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        msg = "Figures need matplotlib, which is not installed. Type: pip install 'xsm[plot]'."
        raise ImportError(msg) from error
    return plt


def panels(
    count: int,
    *,
    ax: AxesLike | None = None,
    columns: int = 1,
    size: tuple[float, float] = (5.0, 3.5),
    share: str = "",
    maps: bool = False,
    projection: Any = None,
) -> Array:
    """Return axes (``count``,) for panels: new ones, or those that were given.

    ``size`` of a panel in inches; ``share`` is ``"x"``, ``"y"`` or ``"xy"``. Panels of ``maps``
    have a shape of their own; those of a new figure share both axes. A GridError if fewer or more
    axes were given.
    """
    plt = pyplot()
    if ax is not None:
        given = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
        if given.size != count:
            msg = f"ax holds {given.size} axes; the figure has {count} panels. Pass as many."
            raise GridError(msg)
        return given
    columns = min(columns, count)
    rows = -(-count // columns)
    _, grid = plt.subplots(
        rows,
        columns,
        figsize=(columns * size[0] + 1.0, rows * size[1]),
        squeeze=False,
        sharex=maps or "x" in share,
        sharey=maps or "y" in share,
        layout="compressed" if maps else "constrained",
        subplot_kw={} if projection is None else {"projection": projection},
    )
    for spare in grid.ravel()[count:]:
        spare.remove()
    _show_ticks_above_gaps(grid, count)
    used: Array = grid.ravel()[:count]
    return used


def _show_ticks_above_gaps(grid: Array, count: int) -> None:
    """Label the lowest panel of each column, also where the last row is not full."""
    rows, columns = grid.shape
    for column in range(columns):
        lowest = rows - 1 if (rows - 1) * columns + column < count else rows - 2
        if lowest >= 0:
            grid[lowest, column].tick_params(labelbottom=True)


def plain_log(axis: Any) -> None:
    """Write plain numbers on a logarithmic axis of matplotlib: 0.1, 0.2, 0.5, 1."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=8))
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def given_back(axes: Iterable[Any]) -> Any:
    """Return one axes as it is, several as an array, for the user."""
    found = np.asarray(list(axes), dtype=object)
    return found[0] if found.size == 1 else found


def value_limits(
    values: Iterable[Array],
    *,
    robust: bool = False,
    centre: float | None = None,
    low: float | None = None,
    high: float | None = None,
) -> tuple[float, float]:
    """Return the limits of a common scale, the lower first; NaN and infinity do not count.

    ``robust`` takes the 2nd and 98th percentiles in place of the extremes; ``centre`` makes the
    scale symmetric about it, and of fixed limits ``low`` and ``high`` the further one counts. A
    NotEnoughDataError if there is no value at all, or the limits are the wrong way round.

    >>> value_limits([np.array([-1.0, np.nan]), np.array([3.0])], centre=0.0)
    (-3.0, 3.0)
    """
    finite = [v[np.isfinite(v)] for v in (np.asarray(a, dtype=float) for a in values)]
    joined = np.concatenate([v.ravel() for v in finite]) if finite else np.zeros(0)
    if not joined.size:
        msg = "There is nothing to draw: all values are missing. Select where there are some."
        raise NotEnoughDataError(msg)
    ends = np.percentile(joined, (2, 98)) if robust else (joined.min(), joined.max())
    first, last = (
        float(e) if given is None else given for e, given in zip(ends, (low, high), strict=True)
    )
    if centre is not None:
        fixed = [abs(v - centre) for v in (low, high) if v is not None]
        reach = max(fixed or [abs(first - centre), abs(last - centre)])
        first, last = centre - reach, centre + reach
    if first > last:
        msg = f"The limits {first:g} and {last:g} are the wrong way round; type vmin= below vmax=."
        raise NotEnoughDataError(msg)
    margin = 0.0 if last > first else max(abs(first) * 1e-3, 1e-9)
    return first - margin, last + margin


def colour_scale(name: str | Colormap | None, *, diverging: bool = False) -> Colormap:
    """Return a scale of colours with grey for what is missing.

    None takes one that the colour-blind read. A copy: those of matplotlib stay as they are.
    """
    plt = pyplot()
    from matplotlib.colors import to_rgba

    chosen = name or (DIVERGING if diverging else SEQUENTIAL)
    return plt.get_cmap(chosen).with_extremes(bad=to_rgba(MISSING))


def colour_norm(limits: tuple[float, float]) -> Normalize:
    """Return a new map from values to a scale of colours with these ends."""
    from matplotlib.colors import Normalize

    return Normalize(*limits)


def colours_of(count: int) -> list[Any]:
    """Return colours of categories that the colour-blind tell apart.

    Up to eight of Okabe and Ito (2008); of more, an even scale of lightness.
    """
    if count <= len(_EIGHT):
        return list(_EIGHT[:count])
    even = pyplot().get_cmap("viridis")(np.linspace(0, 1, count))
    return [tuple(map(float, row)) for row in even]
