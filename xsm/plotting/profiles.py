"""Profiles of soil through time: observed, predicted, and what is wrong with the prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from dask.base import compute

from xsm.data.grid import time_dim
from xsm.data.joins import common
from xsm.data.reading import Reading, read
from xsm.data.units import dequantify
from xsm.exceptions import GridError, UnknownNameError, check_choice
from xsm.hydrology.soil.layering import DEPTH
from xsm.hydrology.soil.profile import read_profile
from xsm.hydrology.soil.richards import richards_arrays
from xsm.plotting.canvas import MISSING, colour_norm, colour_scale, given_back, panels, value_limits
from xsm.plotting.geography import cell_edges
from xsm.plotting.labels import describe
from xsm.plotting.pairing import Given, named_predictions, paired
from xsm.plotting.places import at_places
from xsm.plotting.series import date_axis, dates_of
from xsm.typing import Array, FloatArray

if TYPE_CHECKING:
    from xsm.plotting.canvas import AxesLike

__all__ = ["PANELS", "plot_profile"]


PANELS = ("observed", "predicted", "error", "residual")
"""What a profile through time may show."""


def plot_profile(
    ds: xr.Dataset,
    predicted: Given | None = None,
    *,
    at: Mapping[str, float] | None = None,
    show: Sequence[str] | None = None,
    parameters: xr.Dataset | None = None,
    target: str = "soil_moisture",
    variables: Mapping[str, str] | None = None,
    ax: AxesLike | None = None,
) -> Any:
    """Draw a profile of one cell on depth and time.

    Parameters
    ----------
    ds : xarray.Dataset
        Observed soil moisture by layers.
    predicted : Dataset or DataArray, optional
        All layers, under the names and at the depths of ``ds``.
    at : mapping of str to float, optional
        The place, ``{"latitude": 44.0, "longitude": 11.0}``, whose nearest cell is drawn; needed
        where the data hold several cells.
    show : sequence of str, optional
        Of ``"observed"``, ``"predicted"``, ``"error"`` (predicted minus observed) and
        ``"residual"`` (of the Richardson-Richards equation, of the prediction, or of the
        observations where there is none). By default all but the residual, and that too where
        ``parameters`` are given.
    parameters : Dataset, optional
        Hydraulic parameters for the residual, as of :func:`xsm.soil_parameters`; by default those
        that the data hold.
    target : str, default: "soil_moisture"
        Role or variable.
    variables : mapping of str to str, optional
        Role to variable name.
    ax : Axes or array of Axes, optional
        Draw into these, one for each panel.

    Returns
    -------
    Axes or ndarray of Axes
        Depth downward, each layer as thick as it is, time to the right. Observed and predicted
        share a scale of colours; error and residual have scales symmetric about 0. The residual is
        cut off at its 2nd and 98th percentile, since it peaks where water infiltrates.

    Raises
    ------
    GridError
        If there are several cells, the place lies outside the data, or the data are no profile.
    UnknownNameError
        If there is no such panel, or it needs a prediction and there is none.
    MissingVariableError, UnitsError, NotEnoughDataError
        If layers, parameters, units or common labels are missing.

    Examples
    --------
    >>> import xsm
    >>> from matplotlib.figure import Figure
    >>> ds = xsm.open_tutorial("land").isel(latitude=[8], longitude=[20], time=slice(0, 9))
    >>> ax = plot_profile(ds, ax=Figure().subplots())
    >>> [float(limit) for limit in ax.get_ylim()]
    [2.89, 0.0]
    """
    ds, _ = dequantify(ds)
    guess = None if predicted is None else next(iter(named_predictions(predicted).values()))
    chosen = _chosen(show, predicted=guess is not None, parameters=parameters is not None)
    place = {d: [v] for d, v in (at or {}).items()}
    reading = read(at_places(ds, place), variables)
    guess = guess if guess is None else at_places(guess, place)
    soil = parameters
    if parameters is not None:
        soil = at_places(parameters, {d: v for d, v in place.items() if d in parameters.dims})
    fields, units = _fields(reading, guess, target)
    if "residual" in chosen:
        fields["residual"] = _residual(reading, guess, soil)
    shown = compute(*(_alone(fields[name]) for name in chosen))
    edges = np.asarray(read_profile(reading, target).edges)
    axes = panels(len(chosen), ax=ax, columns=1, size=(9.0, 2.3), share="xy")
    _draw(axes, dict(zip(chosen, shown, strict=True)), edges, units)
    return given_back(axes)


def _chosen(show: Sequence[str] | None, *, predicted: bool, parameters: bool) -> list[str]:
    """Return the panels to draw."""
    possible = [p for p in PANELS if predicted or p not in {"predicted", "error"}]
    if show is None:
        return [p for p in possible if parameters or p != "residual"]
    for name in show:
        check_choice("show", name, PANELS)
        if name not in possible:
            msg = f"show={name!r} needs a prediction: ds.physm.plot.profile(predicted)."
            raise UnknownNameError(msg)
    return list(show)


def _fields(
    reading: Reading, guess: Given | None, target: str
) -> tuple[dict[str, xr.DataArray], str]:
    """Return what is known of the target on depth and time, and its units."""
    names = list(dict.fromkeys(str(v.name) for v in reading.layers(target)))
    pair = paired(reading, reading.ds[names] if guess is None else guess, target=target)
    if DEPTH not in pair.observed.dims:
        msg = (
            f"A profile needs several layers in both data and prediction; {pair.target!r} is there "
            f"at one depth, {dict(pair.observed.sizes)}. Draw plot.series instead."
        )
        raise GridError(msg)
    mean = next(iter(pair.predicted.values()))
    fields = {"observed": pair.observed, "predicted": mean, "error": mean - pair.observed}
    return fields, pair.units


def _residual(reading: Reading, guess: Given | None, parameters: xr.Dataset | None) -> xr.DataArray:
    """Return the residual of the Richardson-Richards equation, day-1, from the top down."""
    if guess is not None:
        given = guess if isinstance(guess, xr.Dataset) else guess.to_dataset()
        names = {str(v.name) for v in reading.layers()}
        ds, near = common(reading.ds, {"the prediction": given[sorted(names)]})
        reading = read(
            ds.assign(near["the prediction"].data_vars), reading.stated
        )  # in the prediction's units
    found = richards_arrays(reading, parameters=parameters)["residual"]
    profile = read_profile(reading)
    return found.isel({profile.dim: list(profile.order)}).rename({profile.dim: DEPTH})


def _alone(array: xr.DataArray) -> xr.DataArray:
    """Return the one profile of an array (depth, time)."""
    time = time_dim(array)
    rest = {str(d): n for d, n in array.sizes.items() if d not in {time, DEPTH}}
    if any(n > 1 for n in rest.values()):
        place = ", ".join(f'"{d}": ...' for d in rest)
        msg = f"The data hold profiles of {rest}; one is drawn. Name its place: at={{{place}}}."
        raise GridError(msg)
    return array.squeeze(list(rest)).transpose(DEPTH, time)


def _draw(axes: Array, fields: Mapping[str, xr.DataArray], edges: FloatArray, units: str) -> None:
    """Draw each field into its panel."""
    together = [fields[n].values for n in ("observed", "predicted") if n in fields]
    limits = value_limits(together) if together else (0.0, 1.0)
    words = {"error": "predicted minus observed", "residual": "residual of the Richards equation"}
    for panel, (name, field) in zip(axes, fields.items(), strict=True):
        signed = name in words
        own = (
            value_limits([field.values], centre=0.0, robust=name == "residual")
            if signed
            else limits
        )
        when, _ = dates_of(field[time_dim(field)])
        drawn = panel.pcolormesh(
            _edges_of_time(when),
            edges,
            np.ma.masked_invalid(field.values),
            cmap=colour_scale(None, diverging=signed),
            norm=colour_norm(own),
            shading="flat",
            rasterized=True,
        )
        panel.set_facecolor(MISSING)
        panel.set_ylim(edges[-1], edges[0])
        panel.set_ylabel("depth [m]")
        panel.set_title(words.get(name, name), loc="left", fontsize="medium")
        extend = "both" if name == "residual" else "neither"
        label = describe("", "day-1" if name == "residual" else units).strip()
        panel.figure.colorbar(drawn, ax=panel, label=label, extend=extend, pad=0.01)
    date_axis(axes[-1], field[time_dim(field)])


def _edges_of_time(when: Array) -> Array:
    """Return the edges of the steps about their times."""
    plain = when.astype("M8[s]").astype(np.int64).astype(float)
    return cell_edges(plain, alone=86400.0).astype(np.int64).astype("M8[s]")
