"""Time series of cells or regions, observed and predicted, with intervals."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xsm.data.reading import Reading, read
from xsm.data.targets import predicted_spread
from xsm.evaluation.spread import shape_of
from xsm.exceptions import GridError, NotEnoughDataError, warn_outside
from xsm.hydrology.soil.layering import DEPTH
from xsm.plotting.canvas import OBSERVED, colours_of, given_back, panels
from xsm.plotting.labels import title_of
from xsm.plotting.pairing import Given, Paired, Predictions, named_predictions, paired, region_means
from xsm.plotting.places import at_places
from xsm.plotting.zones import Labels, read_zones
from xsm.typing import Array

if TYPE_CHECKING:
    from xsm.plotting.canvas import AxesLike

__all__ = ["date_axis", "dates_of", "plot_series"]


_MOST = 12  # series of one figure


def plot_series(
    ds: xr.Dataset,
    predicted: Predictions,
    *,
    at: Mapping[str, Any] | None = None,
    by: str | xr.DataArray | None = None,
    labels: Labels | None = None,
    level: float | None = 0.9,
    target: str | None = None,
    variables: Mapping[str, str] | None = None,
    ax: AxesLike | None = None,
) -> Any:
    """Draw the target through time as it was observed and predicted.

    Parameters
    ----------
    ds : xarray.Dataset
        The observations.
    predicted : Dataset, DataArray, or mapping of str to these
        One prediction, or several by name.
    at : mapping of str to float or sequence of float, optional
        Places, ``{"latitude": 44.0, "longitude": 11.0}``, of which the nearest cells are drawn;
        of sequences a panel each; longitudes count from -180 or from 0. Without it all series are
        drawn, up to 12.
    by : str or DataArray, optional
        A map of classes: the mean of each class is drawn (weighted by the area of cells where they
        are of degrees), a panel each, without a band, since errors of neighbours go together.
    labels : mapping or "koppen_geiger", optional
        Names of the classes, as of :func:`xsm.plotting.plot_zones`.
    level : float or None, default: 0.9
        Probability of the band about predictions that hold their spread, ``<target>_std``; None
        draws none.
    target : str, optional
        Role or variable; by default what the prediction says.
    variables : mapping of str to str, optional
        Role to variable name.
    ax : Axes or array of Axes, optional
        Draw into these, one for each series.

    Returns
    -------
    Axes or ndarray of Axes
        Canonical units. Observations with gaps are points. Only what is drawn is computed.

    Raises
    ------
    GridError
        If there are too many series, a place lies outside the data, the map does not fit, or a
        prediction has other dimensions than the observations.
    MissingVariableError, UnitsError, NotEnoughDataError
        If target, units or common labels are missing, or ``level`` is no probability.

    Examples
    --------
    >>> import xsm
    >>> from matplotlib.figure import Figure
    >>> ds = xsm.open_tutorial("land").sel(time="2018")
    >>> where = {"latitude": 42.0, "longitude": 15.0}
    >>> ax = plot_series(ds, ds["swvl1"], at=where, ax=Figure().subplots())
    >>> ax.get_ylabel(), ax.get_title("left")
    ('soil moisture [m³ m⁻³]', 'latitude = 42 °N, longitude = 15 °E')
    """
    reading = read(ds, variables)
    _check_level(level)
    pair = paired(reading, predicted, target=target)
    lines: dict[str, xr.DataArray] = {"observed": pair.observed, **_numbered(pair.predicted)}
    if by is None and level is not None:
        lines |= _bands(reading, named_predictions(predicted), pair, level)
    lines = {name: at_places(line, at) for name, line in lines.items()}
    if by is not None:
        zones = read_zones(by, reading.ds, lines["observed"], labels)
        lines = {name: region_means(line, zones.array, zones.names) for name, line in lines.items()}
    _check_count(lines["observed"], pair.time)
    table = xr.Dataset({n: line.drop_attrs(deep=False) for n, line in lines.items()}).compute()
    _tell_of_missing(table, pair)
    return _draw(table, pair, tuple(at or ()), None if by is None else zones.title, level, ax)


def _tell_of_missing(table: xr.Dataset, pair: Paired) -> None:
    """Warn of series that hold no value: they leave no line."""
    names = dict(zip(_numbered(pair.predicted), pair.predicted, strict=True))
    names["observed"] = "the observations"
    lost = [name for key, name in names.items() if not bool(table[key].notnull().any())]
    if lost:
        warn_outside(
            f"All values of {', '.join(lost)} are missing (NaN) at these places and times: they "
            "leave no line. Choose others by at=, or look at the data."
        )


def _check_level(level: float | None) -> None:
    """Refuse what is no probability."""
    if level is not None and not 0.0 < level < 1.0:
        msg = f"level={level} was given; a probability between 0 and 1 is needed, such as 0.9."
        raise NotEnoughDataError(msg)


def _numbered(predicted: Mapping[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    """Return predictions under names that cannot collide with other variables."""
    return {f"mean {k}": array for k, array in enumerate(predicted.values())}


def _bands(
    reading: Reading, given: Mapping[str, Given], pair: Paired, level: float
) -> dict[str, xr.DataArray]:
    """Return lower and upper ends of the intervals of predictions that hold a spread."""
    own = [str(v.name) for v in reading.layers(pair.target)] or [pair.target]
    found = {}
    for k, (each, mean) in enumerate(zip(given.values(), pair.predicted.values(), strict=True)):
        if not isinstance(each, xr.Dataset):
            continue
        names = [n for n in dict.fromkeys(own) if f"{n}_std" in each]
        if not names:
            continue
        std = _spread(reading, each, names, pair)
        shape = shape_of(each, names[0])
        for end, probability in (("low", (1 - level) / 2), ("high", (1 + level) / 2)):
            quantile = float(shape.quantile(np.array([probability]))[0])
            made = mean + std * quantile
            found[f"{end} {k}"] = made.transpose(*mean.dims)
    return found


def _spread(
    reading: Reading, given: xr.Dataset, names: Sequence[str], pair: Paired
) -> xr.DataArray:
    """Return the standard deviation of a prediction in canonical units."""
    if DEPTH in pair.observed.dims:
        spreads = xr.Dataset({n: given[f"{n}_std"] for n in names})
        return paired(reading, spreads, target=pair.target).predicted["predicted"]
    name = str(reading.lookup(pair.target).name)
    return predicted_spread(reading, given, name, pair.target)


def _check_count(array: xr.DataArray, time: str) -> None:
    """Refuse more series than a person can look at."""
    rest = {str(d): n for d, n in array.sizes.items() if d != time}
    if np.prod(list(rest.values())) > _MOST:
        place = ", ".join(f'"{d}": ...' for d in rest if d != DEPTH)
        msg = (
            f"The data hold {np.prod(list(rest.values())):,} series ({rest}); at most {_MOST} are "
            f"drawn. Name places, at={{{place}}}, or a map of regions whose means are drawn, by=..."
        )
        raise GridError(msg)


def _draw(
    table: xr.Dataset,
    pair: Paired,
    named: tuple[str, ...],
    zone: str | None,
    level: float | None,
    ax: AxesLike | None,
) -> Any:
    """Draw each series in a panel."""
    time = pair.time
    dims = [d for d in table["observed"].dims if d != time]
    places = list(itertools.product(*(range(table.sizes[d]) for d in dims)))
    size = (9.0, 3.2 if len(places) == 1 else 2.2)
    axes = panels(len(places), ax=ax, columns=1, size=size, share="x")
    names = list(pair.predicted)
    for panel, place in zip(axes, places, strict=True):
        part = table.isel(dict(zip(dims, place, strict=True)))
        _draw_lines(panel, part, names, level, time)
        text = ", ".join(_titles(part, [d for d in (*dims, *named) if d != "place"], zone))
        panel.set_title(text, loc="left", fontsize="medium")
        panel.set_ylabel(pair.label)
        panel.grid(alpha=0.3)
    date_axis(axes[-1], table[time])
    if len(axes) > 1:
        _shorten(axes, pair.label)
    handles = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "borderaxespad": 0.2}
    axes[0].legend(ncols=4, frameon=False, fontsize="small", **handles)
    return given_back(axes)


def _titles(part: xr.Dataset, dims: Sequence[Hashable], zone: str | None) -> list[str]:
    """Return what tells a series from the others."""
    known = [d for d in dims if d in part.coords]
    return [
        f"{zone}: {part[d].item()}" if zone is not None and d == "region" else title_of(part[d])
        for d in known
    ]


def _shorten(axes: Array, label: str) -> None:
    """Write the units alone beside low panels, the words once above them."""
    words, bracket, units = label.rpartition(" [")
    for panel in axes:
        panel.set_ylabel(f"{bracket.strip()}{units}" if bracket else words)
    if bracket and axes[0].get_title("left"):
        axes[0].set_title(f"{words}; {axes[0].get_title('left')}", loc="left", fontsize="medium")


def _draw_lines(
    panel: Any, part: xr.Dataset, names: Sequence[str], level: float | None, time: str
) -> None:
    """Draw one series into a panel."""
    when, _ = dates_of(part[time])
    truth = part["observed"].values
    gaps = np.isnan(truth).mean() > 0.2
    look = {"linestyle": "none", "marker": ".", "markersize": 4} if gaps else {"linewidth": 1.3}
    panel.plot(when, truth, color=OBSERVED, label="observed", zorder=2.5, **look)
    for k, (name, colour) in enumerate(zip(names, colours_of(len(names)), strict=True)):
        panel.plot(when, part[f"mean {k}"].values, color=colour, linewidth=1.3, label=name)
        if f"low {k}" in part and level is not None:
            ends = (part[f"low {k}"].values, part[f"high {k}"].values)
            words = f"{100 * level:g} % interval"
            panel.fill_between(when, *ends, color=colour, alpha=0.22, linewidth=0, label=words)


def dates_of(time: xr.DataArray) -> tuple[Array, str]:
    """Return times as matplotlib draws them, numpy's dates, and the name of their axis.

    Of other calendars, which the name tells, each month lies at its place, its days stretched to
    its length in this one.

    >>> equal = xr.date_range("2021-02-01", periods=2, freq="15D", calendar="360_day")
    >>> dates_of(xr.DataArray(equal, dims="time"))
    (array(['2021-02-01T00:00:00', '2021-02-15T00:00:00'], dtype='datetime64[s]'), 'time (360_day)')
    """
    if time.dtype.kind == "M":
        return np.asarray(time.values), "time"
    dates = time.dt
    months = (12 * (dates.year.values - 1970) + dates.month.values - 1).astype("M8[M]")
    starts, ends = (m.astype("M8[s]") for m in (months, months + np.timedelta64(1, "M")))
    hours = 24 * (dates.day.values - 1) + dates.hour.values
    seconds = 3600 * hours + 60 * dates.minute.values + dates.second.values
    whole = (ends - starts).astype(np.int64)
    inside = seconds.astype(np.int64) * whole // (86400 * dates.days_in_month.values)
    return starts + inside.astype("m8[s]"), f"time ({dates.calendar})"


def date_axis(panel: Any, time: xr.DataArray) -> None:
    """Give an axis of time, along which something is drawn, short dates."""
    dates: Any = importlib.import_module("matplotlib.dates")
    values, label = dates_of(time)
    panel.set_xlabel(label)
    locator = dates.AutoDateLocator(minticks=3, maxticks=9)
    panel.xaxis.set_major_locator(locator)
    panel.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    if values.size > 1:
        panel.set_xlim(values[0], values[-1])
