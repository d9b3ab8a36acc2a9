"""Spectra: at which scales of time or space a field varies, and a prediction does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr
from dask.base import compute

from xsm.data.grid import step as even_step
from xsm.data.grid import step_days, time_dim
from xsm.data.reading import read
from xsm.exceptions import GridError, NotEnoughDataError, check_choice
from xsm.hydrology.soil.layering import DEPTH
from xsm.plotting.canvas import OBSERVED, colours_of, given_back, panels, plain_log
from xsm.plotting.geography import degrees, placed, space_of
from xsm.plotting.labels import describe
from xsm.plotting.pairing import Predictions, paired
from xsm.typing import FloatArray

if TYPE_CHECKING:
    from xsm.plotting.canvas import AxesLike

__all__ = ["plot_spectra", "spectrum_of_space", "spectrum_of_time"]


_KILOMETRES = 111.195  # of a degree of a great circle, radius 6371 km


def spectrum_of_time(series: FloatArray, step: float) -> tuple[FloatArray, FloatArray]:
    """Return frequency and mean spectral density of series (time, ...).

    Frequencies are above 0 up to 1 / (2 step). The density is variance for each unit of frequency;
    it adds up to the variance. The anomaly of each series is tapered by Hann's window and
    transformed. Gaps (NaN) are 0 in the window, so that they leak as its ends do; the density is
    divided by the sum of the window's squares. Series with fewer than half of the steps are left
    out; a NotEnoughDataError if none has 8 values. Percival, D. B. and Walden, A. T. (1993).
    Spectral Analysis for Physical Applications.
    """
    values = np.asarray(series, dtype=float)
    values = values.reshape(values.shape[0], -1)
    known = np.isfinite(values)
    values = values[:, known.sum(0) >= max(8, values.shape[0] / 2)]
    if not values.shape[1]:
        msg = "No series has 8 values and half of the steps; a spectrum needs longer ones."
        raise NotEnoughDataError(msg)
    window = np.hanning(values.shape[0] + 2)[1:-1, None] * np.isfinite(values)
    wave = np.fft.rfft(_anomaly(values, window, axis=0) * window, axis=0)
    power = 2 * step * np.abs(wave) ** 2 / (window**2).sum(0)
    frequency = np.fft.rfftfreq(values.shape[0], step)
    return frequency[1:], power.mean(1)[1:]


def _anomaly(values: FloatArray, window: FloatArray, axis: int | tuple[int, ...]) -> FloatArray:
    """Return values less their weighted mean, 0 where missing."""
    filled = np.where(np.isfinite(values), values, 0.0)
    total = window.sum(axis, keepdims=True)
    mean = (filled * window).sum(axis, keepdims=True) / np.where(total > 0, total, 1.0)
    found: FloatArray = np.where(np.isfinite(values), filled - mean, 0.0)
    return found


def spectrum_of_space(
    fields: FloatArray, steps: tuple[float, float]
) -> tuple[FloatArray, FloatArray]:
    """Return wavenumber and mean spectral density of fields (..., along, across), all directions.

    As :func:`spectrum_of_time` in two dimensions, of cells ``steps`` apart along both; power is
    summed over rings of equal wavenumber. A NotEnoughDataError if the fields have fewer than 8 rows
    or columns, or no value.
    """
    values = np.asarray(fields, dtype=float)
    rows, columns = values.shape[-2:]
    values = values.reshape(-1, rows, columns)
    values = values[np.isfinite(values).any((1, 2))]
    if min(rows, columns) < 8 or not len(values):
        msg = f"Fields of {rows} x {columns} cells; a spectrum of space needs 8 rows and columns."
        raise NotEnoughDataError(msg)
    taper = np.outer(np.hanning(rows + 2)[1:-1], np.hanning(columns + 2)[1:-1])
    window = taper * np.isfinite(values)
    waves = np.fft.fft2(_anomaly(values, window, axis=(1, 2)) * window)
    total = (window**2).sum((1, 2), keepdims=True)
    power = (np.abs(waves) ** 2 / total).mean(0) / (rows * columns)
    distance = np.hypot(
        *np.meshgrid(
            np.fft.fftfreq(rows, steps[0]), np.fft.fftfreq(columns, steps[1]), indexing="ij"
        )
    )
    width = 1.0 / min(rows * steps[0], columns * steps[1])
    most = int(0.5 / max(steps) / width)
    ring = np.round(distance / width).astype(int)
    sums = np.bincount(ring.ravel(), power.ravel(), minlength=most + 1)[1 : most + 1]
    return width * np.arange(1, most + 1), sums / width


def plot_spectra(
    ds: xr.Dataset,
    predicted: Predictions,
    *,
    over: Literal["time", "space"] = "time",
    target: str | None = None,
    variables: Mapping[str, str] | None = None,
    ax: AxesLike | None = None,
) -> Any:
    """Draw at which scales the observations vary, and how much of it predictions keep.

    Parameters
    ----------
    ds : xarray.Dataset
        The observations.
    predicted : Dataset, DataArray, or mapping of str to these
        One prediction, or several by name.
    over : {"time", "space"}, default: "time"
        Spectra along time, averaged over cells and layers; or of maps over all directions, averaged
        over time and layers, which shows whether a downscaled field is as rough as the truth.
    target : str, optional
        Role or variable; by default what the prediction says.
    variables : mapping of str to str, optional
        Role to variable name.
    ax : Axes, optional
        Draw into it.

    Returns
    -------
    Axes
        Density of variance, logarithmic; what all have in common is compared. An upper axis says
        how long periods or waves are.

    Raises
    ------
    GridError
        If time is not uniform, or there are no maps.
    NotEnoughDataError
        If series or maps are too short.
    UnknownNameError
        If ``over`` is neither.

    Examples
    --------
    >>> import xsm
    >>> from matplotlib.figure import Figure
    >>> ds = xsm.open_tutorial("land").isel(latitude=slice(4, 8), longitude=slice(18, 24))
    >>> smooth = ds["swvl1"].rolling(time=10, center=True).mean()
    >>> guess = smooth.assign_attrs(units="m3 m-3")
    >>> plot_spectra(ds, {"smooth": guess}, ax=Figure().subplots()).get_ylabel()
    'variance density of soil moisture [(m³ m⁻³)² day]'
    """
    check_choice("over", over, ("time", "space"))
    pair = paired(read(ds, variables), predicted, target=target)
    names = ["observed", *pair.predicted]
    arrays = compute(pair.observed, *pair.predicted.values())
    together = np.logical_and.reduce([a.notnull().values for a in arrays])
    shown = [a.where(together) for a in arrays]
    if over == "time":
        months = even_step(pair.observed).months
        step, unit = (months, "month") if months else (step_days(pair.observed), "day")
        order = (time_dim(pair.observed), ...)
        found = [spectrum_of_time(a.transpose(*order).values, step) for a in shown]
    else:
        across, along = _map_dims(pair.observed)
        steps, unit = _distances(pair.observed, across, along)
        found = [spectrum_of_space(a.transpose(..., along, across).values, steps) for a in shown]
    (panel,) = panels(1, ax=ax, size=(6.0, 4.0))
    colours = [OBSERVED, *colours_of(len(names) - 1)]
    for name, colour, (where, density) in zip(names, colours, found, strict=True):
        panel.loglog(where, density, color=colour, linewidth=1.4, label=name)
    words = pair.label.partition(" [")[0]
    units = f"({pair.units})2 {unit}" if pair.units not in {"", "1"} else unit
    panel.set_ylabel(describe(f"variance density of {words}", units))
    panel.set_ylim(bottom=max(panel.get_ylim()[0], found[0][1].min() / 30))
    _axes_of_scale(panel, "frequency" if over == "time" else "wavenumber", unit)
    panel.grid(alpha=0.3, which="both")
    panel.legend(frameon=False)
    return given_back([panel])


def _map_dims(array: xr.DataArray) -> tuple[str, str]:
    """Return the two dimensions of maps."""
    space = space_of(array)
    rest = [str(d) for d in array.dims if d not in {time_dim(array), DEPTH}]
    if not space and len(rest) == 2:
        return rest[1], rest[0]
    if len(space) != 2:
        msg = (
            f"Spectra of space need maps; the data have {dict(array.sizes)}. Draw over='time', or "
            'name the axes by their attributes, ds["x"].attrs["axis"] = "X".'
        )
        raise GridError(msg)
    return space[0], space[1]


def _distances(array: xr.DataArray, across: str, along: str) -> tuple[tuple[float, float], str]:
    """Return the distances between rows and between columns, and their unit."""
    x, y = (
        float(np.median(np.abs(np.diff(placed(array, d))))) if array.sizes[d] > 1 else 1.0
        for d in (across, along)
    )
    if degrees(array, across) and degrees(array, along):
        shrink = float(np.cos(np.deg2rad(np.mean(placed(array, along)))))
        return (y * _KILOMETRES, x * _KILOMETRES * shrink), "km"
    units = str(array[across].attrs.get("units", "")) if across in array.coords else ""
    if units == "m":
        return (y / 1000, x / 1000), "km"
    return (y, x), units or "cell"


def _axes_of_scale(panel: Any, words: str, unit: str) -> None:
    """Name the axis of frequencies, and show periods or wavelengths above it."""
    panel.set_xlabel(describe(words, f"{unit}-1"))
    plain_log(panel.xaxis)
    above = panel.secondary_xaxis("top", functions=(_inverse, _inverse))
    plain_log(above.xaxis)
    above.set_xlabel(describe("period" if words == "frequency" else "wavelength", unit))


def _inverse(x: FloatArray) -> FloatArray:
    """Return one over something, finite at 0."""
    values = np.asarray(x, dtype=float)
    found: FloatArray = 1.0 / np.where(values == 0, np.finfo(float).tiny, values)
    return found
