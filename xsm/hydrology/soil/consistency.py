"""Audit of a soil moisture profile by the Richardson-Richards equation."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace

import xarray as xr

from xsm.data.grid import as_list, step_days, time_dim
from xsm.data.joins import common
from xsm.data.reading import Reading, read
from xsm.exceptions import MissingVariableError
from xsm.hydrology.soil.bounds import beyond_pores, tell_of_beyond
from xsm.hydrology.soil.known import known_terms
from xsm.hydrology.soil.profile import Profile, read_profile
from xsm.hydrology.soil.richards import Known, known_of, quiet_steps, residual_of

__all__ = ["richards_consistency"]

_TEXT = {
    "residual": ("root mean square of the residual of the Richardson-Richards equation", "day-1"),
    "inconsistency": ("mean of the residual of a step, without its sign", "m3 m-3"),
    "observed_inconsistency": ("the same of the observations", "m3 m-3"),
    "excess": ("inconsistency beyond that of the observations on the same steps", "m3 m-3"),
    "out_of_range": ("share of values below theta_r or above theta_s", "1"),
    "count": ("steps with a residual", "1"),
}


def richards_consistency(
    reading: Reading,
    predicted: xr.Dataset | xr.DataArray | None = None,
    *,
    dim: Hashable | Iterable[Hashable] | None = None,
    target: str | None = None,
    terms: Sequence[str] | None = None,
    parameters: xr.Dataset | None = None,
    roots: float | Sequence[float] | None = None,
    quiet: float | None = None,
) -> xr.Dataset:
    """Score how far soil moisture is from Richardson-Richards, see :func:`xsm.consistency`.

    ``predicted`` holds all layers, under the names, at the depths and with units as the data; by
    default the observations are audited. Float64 on the dimensions that remain, lazy where the data
    are, NaN where nothing is known. With r the residual of a step of length dt, at the layers and
    steps where it is known, on common labels::

        residual = sqrt(mean(r^2)),   inconsistency = mean(|r| dt)
        excess   = mean(|r| dt - |r_observed| dt)     where both are known
    """
    reading = _of_target(reading, target)
    used = known_terms(reading, terms)
    reading.require("soil_moisture", *used, *(["precipitation"] if quiet is not None else []))
    truth = read_profile(reading)
    known = known_of(reading, truth, used, roots, parameters)
    guess = truth if predicted is None else _predicted(reading, predicted)
    calm = None if quiet is None else quiet_steps(reading, quiet)
    truth, guess, known, calm = _joined(truth, guess, known, calm)
    own = residual_of(truth, known)["residual"]
    found = own if guess is truth else residual_of(guess, known)["residual"]
    days = step_days(truth.array)
    own, found = (_of_steps(truth, a, calm) * days for a in (own, found))
    low, high = (known.parameters[name] for name in ("theta_r", "theta_s"))
    wrong = beyond_pores(guess.array, low, high).transpose(*guess.array.dims)
    tell_of_beyond(wrong)
    dims = as_list(time_dim(truth.array) if dim is None else dim)
    wrong = truth.in_order_of_data(wrong).transpose(*truth.array.dims)
    scores = _scores(found, own, wrong, dims, days)
    scores = scores.assign_coords({k: v for k, v in truth.coords.items() if k not in dims})
    scores.attrs = {"title": "Consistency with the Richardson-Richards equation"}
    scores.attrs |= {"law": "richards", "terms": list(used)}
    scores.attrs |= {} if quiet is None else {"quiet": float(quiet)}
    return scores


def _of_target(reading: Reading, target: str | None) -> Reading:
    """Return the data read with a target that names another variable of soil moisture."""
    if target in {None, "soil_moisture", *(v.name for v in reading.layers())}:
        return reading
    return read(reading.ds, {"soil_moisture": str(target), **reading.stated})


def _predicted(reading: Reading, predicted: xr.Dataset | xr.DataArray) -> Profile:
    """Return the layers of a prediction."""
    if isinstance(predicted, xr.Dataset):
        return read_profile(reading, source=predicted)
    names = list(dict.fromkeys(str(v.name) for v in reading.layers()))
    if len(names) > 1:
        msg = (
            f"One array was predicted, {predicted.name!r}; the layers are {names}. Pass a Dataset "
            "with all of them."
        )
        raise MissingVariableError(msg)
    return read_profile(reading, source=predicted.to_dataset(name=names[0]))


def _joined(
    truth: Profile, guess: Profile, known: Known, calm: xr.DataArray | None
) -> tuple[Profile, Profile, Known, xr.DataArray | None]:
    """Return all on the labels that they share."""
    given = {"guess": guess.array, **known.parameters}
    more = {"sink": known.sink, "fluxes": known.fluxes, "calm": calm}
    given |= {name: array for name, array in more.items() if array is not None}
    first, kept = common(truth.array, given)
    joined = replace(truth, array=first)
    other = joined if guess is truth else replace(guess, array=kept["guess"])
    parameters = {name: kept[name] for name in known.parameters}
    return joined, other, Known(parameters, kept.get("sink"), kept.get("fluxes")), kept.get("calm")


def _of_steps(profile: Profile, array: xr.DataArray, calm: xr.DataArray | None) -> xr.DataArray:
    """Return the residual on quiet steps."""
    kept = array if calm is None else array.where(calm)
    return kept.transpose(*profile.array.dims)


def _scores(
    found: xr.DataArray,
    own: xr.DataArray,
    wrong: xr.DataArray,
    dims: list[Hashable],
    days: float,
) -> xr.Dataset:
    """Return the scores of residuals of steps, m3 m-3."""
    scores = xr.Dataset(
        {
            "residual": _mean(found.astype(float) ** 2, dims) ** 0.5 / days,
            "inconsistency": _mean(abs(found), dims),
            "observed_inconsistency": _mean(abs(own), dims),
            "excess": _mean(abs(found) - abs(own), dims),
            "out_of_range": _mean(wrong, dims),
            "count": found.notnull().sum(dims),
        }
    )
    for name, (text, units) in _TEXT.items():
        scores[name].attrs = {"long_name": text, "units": units}
    return scores


def _mean(array: xr.DataArray, dims: list[Hashable]) -> xr.DataArray:
    """Return the mean of what is known, NaN where nothing is."""
    count = array.notnull().sum(dims)
    return array.sum(dims, dtype=float) / count.where(count > 0)
