"""Does a model move as water must: questions whose answers need no observation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from xsm.api.fitted import FittedModel
from xsm.api.predict import needed_model
from xsm.cells.apply import read_for
from xsm.cells.recipe import missing_inputs
from xsm.data.naming import ROLES, stated
from xsm.data.provenance import recorded
from xsm.data.reading import read
from xsm.exceptions import MissingVariableError, NotEnoughDataError

__all__ = ["audit"]


_STORAGE, _SNOW = "terrestrial_water_storage", "snow_water_equivalent"
_MORE = 10.0  # mm of rain that fall on one day more
_FROST = 243.15  # K
_SLACK = {"mm": 1e-3, "mm day-1": 1e-3, "m3 m-3": 1e-5}  # rounding, by canonical unit


@dataclass(frozen=True)
class _Question:
    """What is changed from the middle of the record on, and what must not happen then.

    ``fault`` is given the answers before and after the change, and returns by how much, beyond 0,
    each step does what it must not.
    """

    text: str
    role: str
    value: float
    judged: tuple[str, ...]
    fault: Callable[[xr.DataArray, xr.DataArray, str], xr.DataArray]


def _rise(before: xr.DataArray, after: xr.DataArray, time: str) -> xr.DataArray:
    return after.diff(time)


def _fall(before: xr.DataArray, after: xr.DataArray, time: str) -> xr.DataArray:
    return -after.diff(time)


def _any(before: xr.DataArray, after: xr.DataArray, time: str) -> xr.DataArray:
    return abs(after)


def _less(before: xr.DataArray, after: xr.DataArray, time: str) -> xr.DataArray:
    return (before - after).isel({time: slice(0, 1)})


_QUESTIONS = {
    "no_rain": _Question(
        "without rain or snow the water stored does not rise",
        "precipitation",
        0.0,
        (_STORAGE, "soil_moisture"),
        _rise,
    ),
    "more_rain": _Question(
        f"with {_MORE:g} mm more of rain on a day there is no less water after it",
        "precipitation",
        np.nan,
        (_STORAGE, "soil_moisture", "satellite_soil_moisture"),
        _less,
    ),
    "no_demand": _Question(
        "where nothing can evaporate, nothing does",
        "potential_evaporation",
        0.0,
        ("evaporation",),
        _any,
    ),
    "deep_frost": _Question(
        "at 30 K below freezing no snow melts", "air_temperature", _FROST, (_SNOW,), _fall
    ),
}


def audit(
    fitted: FittedModel,
    ds: xr.Dataset,
    *,
    variables: Mapping[str, str] | None = None,
    product: str | None = None,
) -> xr.Dataset:
    """Ask a model what it predicts where one input is changed, and whether water can do that.

    From the middle of the record on an input is changed, and the model is run again; nothing is
    compared with observations. An account (``"water_budget"``) passes for any weights; networks
    that learn soil moisture alone may not, and this says where.

    Parameters
    ----------
    fitted : FittedModel
        A model of cells.
    ds : xarray.Dataset
        Its inputs (time, *space), some weeks at least.
    variables : mapping of str to str, optional
        Role to variable name, as of :func:`xsm.predict`.
    product : str, optional
        The product that the data are of, where it is not recognised.

    Returns
    -------
    xarray.Dataset
        Along ``question``: ``share`` of the steps of each cell that do what they must not, and
        ``worst``, by how much at most, in the units of what is judged (``judged``). NaN for a
        question that the model cannot be asked, since it lacks the input or the answer, and where
        there is no prediction. Lazy where the data are.

    Raises
    ------
    MissingVariableError
        If the data lack an input, or no question can be asked.
    NotEnoughDataError
        If there are fewer than four steps.

    Notes
    -----
    ``no_rain``: the water stored, or soil moisture where that is all there is (which can rise
    while snow melts), does not rise. ``more_rain``: with 10 mm more on one day there is no less
    water after it. ``no_demand``: without potential evaporation there is none. ``deep_frost``:
    at 243 K no snow melts. Rounding is left out (1e-3 mm, 1e-5 m3 m-3).

    Examples
    --------
    >>> import xsm
    >>> ds = xsm.open_tutorial("land").isel(latitude=slice(0, 4), longitude=slice(20, 24))
    >>> ds = ds.isel(time=slice(0, 60))
    >>> fitted = xsm.fit(ds, "lstm", epochs=1, iterations=2, hidden_size=4, progress=False)
    >>> found = xsm.audit(fitted, ds)
    >>> found["judged"].sel(question="more_rain").item()
    'soil_moisture'
    """
    fitted = needed_model(fitted, "audit")
    reading = read_for(fitted, stated(ds, product), variables)
    away = missing_inputs(reading, fitted.recipe)
    names = (*fitted.recipe.dynamic, *fitted.recipe.static)
    inputs = {name: reading.array(name) for name in names if name not in away}
    if fitted.recipe.data_integration:
        seen = reading.layers(fitted.recipe.target) or (reading.lookup(fitted.recipe.target),)
        inputs |= {str(v.name): reading.ds[v.name] for v in seen}
    plain = xr.Dataset({n: a.drop_vars("depth", errors="ignore") for n, a in inputs.items()})
    time, steps = reading.time, plain.sizes[reading.time]
    if steps < 4:
        msg = f"The data hold {steps} steps; four or more are needed to change the later half."
        raise NotEnoughDataError(msg)
    before = _answers(fitted, plain)
    asked = {
        name: role
        for name, question in _QUESTIONS.items()
        if question.role in plain and (role := _first(question.judged, before)) is not None
    }
    if not asked:
        msg = (
            f"{fitted.name!r} can be asked nothing: it answers {sorted(before)} of "
            f"{list(fitted.recipe.dynamic)}. Train with precipitation, and predict water."
        )
        raise MissingVariableError(msg)
    rows = {}
    for name, role in asked.items():
        changed = _changed(plain, _QUESTIONS[name], time, steps // 2)
        both = before[role], _answers(fitted, changed)[role]
        one, two = (_seeing(a, plain[time][steps // 2], time, fitted) for a in both)
        fault = _QUESTIONS[name].fault(one, two.where(one.notnull()), time)
        slack = _SLACK[ROLES[role].units]
        share = (fault > slack).where(fault.notnull()).mean(time)
        rows[name] = xr.Dataset({"share": share, "worst": fault.max(time).clip(min=0)})
    return recorded(_joined(rows, asked), "audit", of=ds, by=fitted)


def _answers(fitted: FittedModel, ds: xr.Dataset) -> dict[str, xr.DataArray]:
    """Return what a model predicts by role, in canonical units; the top one of layers."""
    found = read(fitted.predict(ds))
    roles = (_STORAGE, _SNOW, "soil_moisture", "satellite_soil_moisture", "evaporation")
    return {role: found.array(role) for role in roles if role in found}


def _seeing(
    array: xr.DataArray, first: xr.DataArray, time: str, fitted: FittedModel
) -> xr.DataArray:
    """Return the predictions that have seen the weather of a day, and those after it."""
    ahead = 0 if fitted.recipe.known_forcing else fitted.recipe.lead
    after = array.isel({time: array.indexes[time] >= first.values[()]})
    return after.isel({time: slice(ahead, None)})


def _first(roles: tuple[str, ...], there: Mapping[str, object]) -> str | None:
    """Return the first role that is there."""
    return next((role for role in roles if role in there), None)


def _changed(plain: xr.Dataset, question: _Question, time: str, middle: int) -> xr.Dataset:
    """Return inputs that are changed from the middle on, or on the day there."""
    own = plain[question.role]
    place = xr.DataArray(np.arange(plain.sizes[time]), dims=time)
    value, later = question.value, place >= middle
    if np.isnan(value):
        changed = own + _MORE * (place == middle)
    else:
        changed = own.where(~later, value).assign_attrs(own.attrs)
    return plain.assign({question.role: changed.transpose(*own.dims).variable})


def _joined(rows: Mapping[str, xr.Dataset], asked: Mapping[str, str]) -> xr.Dataset:
    """Return all questions along one dimension."""
    first = next(iter(rows.values()))
    every = [rows.get(name, xr.full_like(first, np.nan)) for name in _QUESTIONS]
    names = xr.DataArray(list(_QUESTIONS), dims="question", name="question")
    found = xr.concat(every, names)
    judged = [asked.get(name, "") for name in _QUESTIONS]
    texts = [question.text for question in _QUESTIONS.values()]
    found = found.assign_coords(judged=("question", judged), text=("question", texts))
    found["share"].attrs = {"long_name": "share of steps that do what they must not", "units": "1"}
    found["worst"].attrs = {"long_name": "the most by which a step does, in units of the judged"}
    found.attrs = {"title": "Does the model move as water must"}
    return found
