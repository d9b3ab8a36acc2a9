"""Forecasts: one start at a place as a fan, skill by lead, and where it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xsm.data.doubt import guarded, guards_of
from xsm.data.lead import LEAD
from xsm.data.naming.dimensions import members
from xsm.data.reading import Reading, read
from xsm.data.targets import predicted_spread, target_of
from xsm.data.units import dequantify
from xsm.evaluation.ensembles import member_quantiles
from xsm.evaluation.leads import INIT, as_forecast, is_forecast
from xsm.evaluation.spread import levels_of, shape_of
from xsm.exceptions import GridError, check_dataset
from xsm.hydrology.soil.layered import layered_pair
from xsm.plotting.canvas import OBSERVED, colours_of, given_back, panels
from xsm.plotting.labels import role_label
from xsm.plotting.places import at_places
from xsm.plotting.series import date_axis
from xsm.typing import FloatArray

if TYPE_CHECKING:
    from xsm.plotting.canvas import AxesLike

__all__ = ["days_of", "plot_fan"]


_MOST = 100  # members that are drawn as lines


def plot_fan(
    ds: xr.Dataset,
    predicted: xr.Dataset,
    *,
    init: Any = None,
    at: Mapping[str, Any] | None = None,
    levels: float | Sequence[float] = (0.5, 0.9),
    before: int = 30,
    target: str | None = None,
    variables: Mapping[str, str] | None = None,
    ax: AxesLike | None = None,
) -> Any:
    """Draw the forecast of one start at a place, with what was observed before and after.

    Parameters
    ----------
    ds : xarray.Dataset
        The observations.
    predicted : xarray.Dataset
        Forecasts (init, lead [, member], *space), with ``<target>_std`` or members for the fan.
    init : label, optional
        The start; by default the last one.
    at : mapping of str to float, optional
        Coordinates of the place by dimension, the nearest cell.
    levels : float or sequence of float, default: (0.5, 0.9)
        Probabilities of the central intervals.
    before : int, default: 30
        Steps of the observations before the start.
    target : str, optional
        Role or variable; by default what the forecast says.
    variables : mapping of str to str, optional
        Role to variable name.
    ax : Axes, optional
        Draw into these.

    Returns
    -------
    Axes
        Canonical units: intervals as bands, the mean as a line, observations as points, those after
        the start hollow, since the forecast did not know them. Members are thin lines. Only what is
        drawn is computed.

    Raises
    ------
    GridError
        If the prediction has no lead times, there is no such start, or several places are left.
    MissingVariableError, UnitsError, NotEnoughDataError
        If target or units are missing, or a level is no probability.

    Examples
    --------
    >>> import xsm
    >>> from matplotlib.figure import Figure
    >>> ds = xsm.open_tutorial("land").isel(latitude=slice(0, 4), longitude=slice(20, 24))
    >>> soil = ds["swvl1"].sel(time=["2020-03-01"]).rename(time="init")
    >>> held = soil.expand_dims(lead=np.array([1, 2, 3], "m8[D]").astype("m8[ns]"))
    >>> where = {"latitude": 43.5, "longitude": 15.5}
    >>> ax = plot_fan(ds, held.to_dataset(), at=where, ax=Figure().subplots())
    >>> ax.get_title("left")
    'init = 2020-03-01, latitude = 43.5, longitude = 15.5'
    """
    levels_of(levels)
    check_dataset(predicted, "predicted")
    reading = read(ds, variables)
    given = dequantify(predicted)[0]
    part = _one_start(given, init)
    role = target or target_of(given, reading.table)
    part, label = _by_time(part, reading.time)
    part = at_places(part, at)
    observed, guess, bands = _arrays(reading, part, role, levels)
    own = {d for d in map(str, observed.dims) if d not in guess.dims and d in guess.coords}
    observed = at_places(observed, {d: guess[d].values[()] for d in own} | dict(at or {}))
    _check_one(guess, reading.time)
    _check_one(observed, reading.time)
    index = observed.indexes[reading.time]
    known = index <= label
    first = max(int(known.sum()) - before, 0)
    observed = observed.isel({reading.time: slice(first, None)})
    observed = observed.sel({reading.time: slice(None, guess.indexes[reading.time][-1])})
    (panel,) = panels(1, ax=ax, size=(9.0, 3.6))
    _draw_fan(panel, observed.compute(), guess.compute(), bands, label, reading.time)
    panel.set_ylabel(role_label(reading.lookup(role).role, reading.units(role)))
    place = "".join(f", {d} = {guess[d].values[()]:.4g}" for d in at or () if d in guess.coords)
    panel.set_title(f"init = {_date(label)}{place}", loc="left", fontsize="medium")
    return given_back([panel])


def _one_start(predicted: xr.Dataset, init: Any) -> xr.Dataset:
    """Return the forecasts of one start, which stays as a scalar."""
    if not is_forecast(predicted):
        msg = (
            f"The prediction has the dimensions {dict(predicted.sizes)}; a forecast by init and "
            "lead is drawn, as of fitted.forecast(ds). Draw a prediction with plot.series."
        )
        raise GridError(msg)
    forecast = as_forecast(predicted)
    if init is None:
        return forecast.isel({INIT: -1})
    try:
        found = forecast.sel({INIT: init})
    except KeyError as error:
        starts = forecast.indexes[INIT]
        msg = (
            f"init={init!r} is none of the {len(starts)} starts of the forecast, {_date(starts[0])}"
            f" to {_date(starts[-1])}. Name one of them."
        )
        raise GridError(msg) from error
    return found.isel({INIT: -1}) if INIT in found.dims else found


def _by_time(part: xr.Dataset, time: str) -> tuple[xr.Dataset, Any]:
    """Return the forecasts of one start along the times that they are for, and the start."""
    start: Any = part[INIT].values[()]
    if part[LEAD].dtype.kind == "m":
        lead: Any = part[LEAD].values
        valid = start + (lead if isinstance(start, np.datetime64) else lead.astype("m8[us]"))
    else:
        valid = part["valid_time"].values
    drop = [n for n, c in part.coords.items() if c.dims == (LEAD,) or n == INIT]
    return part.drop_vars(drop).rename_dims({LEAD: time}).assign_coords({time: valid}), start


def _arrays(
    reading: Reading, part: xr.Dataset, target: str, levels: float | Sequence[float]
) -> tuple[xr.DataArray, xr.DataArray, list[tuple[xr.DataArray, xr.DataArray]]]:
    """Return observations, forecasts and the ends of their intervals, the widest first."""
    observed, guess = layered_pair(reading, part, target)
    observed = guarded(observed, guards_of(reading, [target]).get(target))
    level = levels_of(levels).sortby(levels_of(levels), ascending=False)
    name = str(reading.lookup(target).name)
    ends = [(1 + s * level) / 2 for s in (-1, 1)]
    ensemble = next(iter(members(guess)), "")
    if ensemble:
        low, high = (member_quantiles(guess, ensemble, p) for p in ends)
    elif f"{name}_std" in part:
        std = predicted_spread(reading, part, name, target)
        low, high = (guess + std * _quantiles(part, name, p, guess) for p in ends)
    else:
        return observed, guess, []
    return observed, guess, [(low.isel(level=k), high.isel(level=k)) for k in range(level.size)]


def _quantiles(
    part: xr.Dataset, name: str, probability: xr.DataArray, like: xr.DataArray
) -> xr.DataArray:
    """Return the quantiles of a spread (level [, time]), which calibration learns by lead."""
    table = part.get(f"{name}_quantile")
    along = [] if table is None else [d for d in table.dims if d in like.dims]
    if not along:
        return probability.copy(data=shape_of(part, name).quantile(probability.values))
    (time,) = along
    rows = [
        probability.copy(data=shape_of(part.isel({time: k}), name).quantile(probability.values))
        for k in range(part.sizes[time])
    ]
    return xr.concat(rows, time).assign_coords({time: part[time]})


def _check_one(guess: xr.DataArray, time: str) -> None:
    """Refuse several places."""
    rest = {str(d): n for d, n in guess.sizes.items() if d != time and d not in members(guess)}
    if any(n > 1 for n in rest.values()):
        place = ", ".join(f'"{d}": ...' for d in rest)
        msg = f"The forecast holds several series ({rest}); one is drawn. Name it, at={{{place}}}."
        raise GridError(msg)


def _draw_fan(
    panel: Any,
    observed: xr.DataArray,
    guess: xr.DataArray,
    bands: list[tuple[xr.DataArray, xr.DataArray]],
    start: Any,
    time: str,
) -> None:
    """Draw bands, members, the mean and the observations, known and not."""
    (colour,) = colours_of(1)
    dates = guess[time].values
    for k, (low, high) in enumerate(bands):
        ends = [np.asarray(end.squeeze().values, float) for end in (low, high)]
        shade = 0.18 + 0.2 * k
        panel.fill_between(dates, *ends, color=colour, alpha=shade, linewidth=0, zorder=1)
    ensemble = next(iter(members(guess)), "")
    lines = guess.squeeze([d for d in guess.dims if d not in {time, ensemble}])
    if ensemble:
        each = lines.transpose(time, ensemble).values[:, :_MOST]
        panel.plot(dates, each, color=colour, linewidth=0.5, alpha=0.5, zorder=2)
        lines = lines.mean(ensemble)
    panel.plot(dates, lines.values, color=colour, linewidth=1.8, label="forecast", zorder=3)
    truth = observed.squeeze([d for d in observed.dims if d != time])
    known = observed.indexes[time] <= start
    style: dict[str, Any] = {"color": OBSERVED, "marker": "o", "markersize": 3.5, "linestyle": ""}
    style["clip_on"] = False
    panel.plot(truth[time].values[known], truth.values[known], label="observed", zorder=4, **style)
    panel.plot(
        truth[time].values[~known],
        truth.values[~known],
        markerfacecolor="white",
        label="observed later",
        zorder=4,
        **style,
    )
    panel.axvline(start, color=OBSERVED, linewidth=0.8, linestyle=":", zorder=2)
    span = xr.DataArray(
        np.unique(np.concatenate([truth[time].values, dates])), dims=time, name=time
    )
    date_axis(panel, span.assign_coords({time: span}))
    panel.grid(alpha=0.3)
    panel.legend(frameon=False, fontsize="small", loc="best")


def _date(label: Any) -> str:
    """Return a date as short as it is exact."""
    return str(label)[:16].replace("T", " ").removesuffix(" 00:00")


def days_of(lead: xr.DataArray) -> tuple[FloatArray, str]:
    """Return leads as numbers, and what they are."""
    if lead.dtype.kind == "m":
        return np.asarray(lead.values / np.timedelta64(1, "D"), float), "lead [d]"
    return np.asarray(lead.values, float), "lead [months]"
