"""Scores of forecasts: by lead beside baselines, and the lead at which skill ends as a map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xsm.data.lead import LEAD
from xsm.exceptions import MissingVariableError, UnknownNameError, did_you_mean
from xsm.plotting.canvas import OBSERVED, colours_of, given_back, panels
from xsm.plotting.forecasts import days_of
from xsm.plotting.labels import describe
from xsm.plotting.maps import plot_map

if TYPE_CHECKING:
    from xsm.plotting.canvas import AxesLike

__all__ = ["plot_horizon", "plot_skill"]


_SHORT = {
    **{name: name.upper() for name in ("rmse", "mae", "crps", "kge")},
    "ubrmse": "ubRMSE",
    "crps_skill": "skill of CRPS",
    "spread_error": "spread over error",
    "acc": "anomaly correlation",
}
_LESS = ("rmse", "ubrmse", "mae", "crps")  # scores that are 0 at best


def plot_skill(
    table: xr.Dataset | Mapping[str, xr.Dataset],
    *,
    metric: str = "crps",
    ax: AxesLike | None = None,
) -> Any:
    """Draw a score of forecasts by lead, beside what needs no model.

    Parameters
    ----------
    table : Dataset, or mapping of str to Dataset
        What :func:`xsm.score` found of forecasts; of several, by name, the model of each, beside
        the baselines of the first.
    metric : str, default: "crps"
        Any of its scores.
    ax : Axes, optional
        Draw into these.

    Returns
    -------
    Axes
        A line for each source, the median over all cells; baselines are dashed.

    Raises
    ------
    MissingVariableError
        If the data are no scores by lead.
    UnknownNameError
        If there is no such score.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> days = np.array([1, 2], "m8[D]").astype("m8[ns]")
    >>> scores = xr.Dataset(
    ...     {"rmse": (("source", "lead"), [[0.01, 0.02], [0.02, 0.03]], {"units": "m3 m-3"})},
    ...     {"source": ["model", "persistence"], "lead": days},
    ... )
    >>> ax = plot_skill(scores, metric="rmse", ax=Figure().subplots())
    >>> ax.get_xlabel(), [line.get_label() for line in ax.lines]
    ('lead [d]', ['model', 'persistence'])
    """
    tables = {"": table} if isinstance(table, xr.Dataset) else dict(table)
    lines: dict[str, xr.DataArray] = {}
    for name, each in tables.items():
        found = _scores(each, metric)
        middle = found.median([d for d in found.dims if d not in {"source", LEAD}])
        lines[name or "model"] = middle.sel(source="model")
        if not lines.keys() - {*tables, "model"}:
            rest = [str(s) for s in middle["source"].values if s != "model"]
            lines |= {source: middle.sel(source=source) for source in rest}
    models = [name or "model" for name in tables]
    order = [*models, *(n for n in lines if n not in models)]
    (panel,) = panels(1, ax=ax, size=(6.0, 3.8))
    for name, colour in zip(order, colours_of(len(order)), strict=True):
        days, label = days_of(lines[name][LEAD])
        drawn = {"linewidth": 2.0} if name in models else {"linewidth": 1.2, "linestyle": "--"}
        values = lines[name].compute().values
        if np.isfinite(values).any():
            marker = "o" if name in models else None
            said = name.replace("_", " ")
            panel.plot(days, values, color=colour, label=said, marker=marker, markersize=4, **drawn)
    said = _SHORT.get(metric, metric)
    panel.set(xlabel=label, ylabel=describe(said, found.attrs.get("units")))
    panel.axhline(0, color=OBSERVED, linewidth=0.6) if metric.endswith("skill") else None
    panel.grid(alpha=0.3)
    panel.legend(frameon=False, fontsize="small")
    return given_back([panel])


def plot_horizon(
    table: xr.Dataset,
    *,
    metric: str = "crps",
    against: str = "damped_persistence",
    ax: AxesLike | None = None,
    **kwargs: Any,
) -> Any:
    """Map the lead at which the skill of forecasts ends.

    Parameters
    ----------
    table : xarray.Dataset
        What :func:`xsm.score` found of forecasts, with cells.
    metric : {"crps", "rmse", "ubrmse", "mae"}, default: "crps"
        The score that has to be better.
    against : str, default: "damped_persistence"
        The source that has to be beaten.
    ax : Axes, optional
        Draw into these.
    **kwargs
        As of :func:`xsm.plotting.plot_map`.

    Returns
    -------
    Axes
        The last lead up to which the model is better at every lead; 0 where it is at none, the last
        of all where skill does not end; without a colour where there are no scores.

    Raises
    ------
    MissingVariableError
        If the data are no scores by lead, of cells, with these sources.
    UnknownNameError
        If there is no such score, or it has no sense of better.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> days = np.array([1, 2], "m8[D]").astype("m8[ns]")
    >>> rmse = xr.DataArray(
    ...     [[[[0.1, 0.3]], [[0.3, 0.1]]], [[[0.2, 0.2]], [[0.2, 0.2]]]],
    ...     {
    ...         "source": ["model", "damped_persistence"],
    ...         "lead": days,
    ...         "lat": [50.0],
    ...         "lon": [5.0, 6.0],
    ...     },
    ...     ("source", "lead", "lat", "lon"),
    ... )
    >>> ax = plot_horizon(rmse.to_dataset(name="rmse"), metric="rmse", ax=Figure().subplots())
    >>> ax.collections[0].get_array().ravel().tolist()
    [1.0, 0.0]
    """
    if metric not in _LESS:
        msg = f"metric={metric!r} was given. {did_you_mean(metric, _LESS)}"
        raise UnknownNameError(msg)
    found = _scores(table, metric)
    if against not in found["source"].values:
        names = [str(n) for n in found["source"].values]
        msg = f"The scores have no source {against!r}. {did_you_mean(against, names)}"
        raise UnknownNameError(msg)
    model, other = (found.sel(source=s, drop=True) for s in ("model", against))
    number, label = days_of(found[LEAD])
    better = (model < other).where(other.notnull() & model.notnull())
    holds = better.fillna(0.0).cumprod(LEAD) > 0
    days = xr.DataArray(number, dims=LEAD)
    ends = days.where(holds).max(LEAD).fillna(0.0).where(better.notnull().any(LEAD))
    units = label.partition("[")[2].rstrip("]")
    said = f"lead up to which {metric.upper()} beats {against.replace('_', ' ')}"
    ends = ends.rename("horizon").assign_attrs(long_name=said, units=units)
    return plot_map(ends.compute(), vmin=0.0, vmax=float(number.max()), ax=ax, **kwargs)


def _scores(table: xr.Dataset, metric: str) -> xr.DataArray:
    """Return a score by lead and source."""
    if LEAD not in table.dims or "source" not in table.dims:
        msg = (
            f"The data have the dimensions {dict(table.sizes)}; scores by source and lead are "
            "needed, as of xsm.score(ds, forecast)."
        )
        raise MissingVariableError(msg)
    if metric not in table:
        msg = f"metric={metric!r} was given. {did_you_mean(metric, map(str, table.data_vars))}"
        raise UnknownNameError(msg)
    return table[metric]
