"""The verb that scores a prediction."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING

import xarray as xr

from xsm.data.provenance import recorded
from xsm.data.reading import read
from xsm.data.targets import bare_prediction, check_prediction_of, target_of
from xsm.evaluation.forecasts import score_forecast
from xsm.evaluation.known import Known, known_before
from xsm.evaluation.leads import is_forecast
from xsm.evaluation.metrics import score as score_prediction
from xsm.evaluation.metrics import scored_pair
from xsm.exceptions import NotEnoughDataError

if TYPE_CHECKING:
    from xsm.api.fitted import FittedModel

__all__ = ["score"]


def score(
    ds: xr.Dataset,
    predicted: xr.Dataset | xr.DataArray,
    *,
    dim: Hashable | Iterable[Hashable] | None = None,
    baselines: bool | FittedModel = True,
    lead: int | None = None,
    target: str | None = None,
    variables: Mapping[str, str] | None = None,
    product: str | None = None,
) -> xr.Dataset:
    """Score a prediction against the observations, beside persistence and climatology.

    Parameters
    ----------
    ds : xarray.Dataset
        The observations, at times in any order.
    predicted : Dataset or DataArray
        A prediction of :func:`xsm.predict`, or of anything else, with units; a Dataset holds it
        under the target's name. Forecasts by start and lead time, of :func:`xsm.forecast` or of any
        product, are known by their dimensions, with members or without.
    dim : str or iterable of str, optional
        Dimensions that a score is taken over; by default time (of forecasts ``"init"``), which
        leaves a map.
    baselines : bool or FittedModel, default: True
        Score persistence, damped persistence and climatology too. What the last two know is of the
        model's training data where a model is given, else of the steps of ``ds`` before the first
        predicted one. The climatology is the mean of each day of the year (of monthly data, of each
        month), where these hold a whole year; else it is left out, and a warning says so. A day of
        the year that lacks values is the mean of the days within 17 before and after, where five of
        them have values (the window of Albergel et al. 2012).
    lead : int, optional
        How many steps ahead the prediction was made, 0 where it is an estimate of the step of its
        last input. Predictions of xsm say it themselves, by their coordinate ``lead``; of others it
        is needed for persistence.
    target : str, optional
        Role or variable of the observations; by default what the prediction says.
    variables : mapping of str to str, optional
        Role to variable name, where xsm finds none or the wrong one.
    product : str, optional
        The product that the data are of, where it is not recognised, see
        :func:`xsm.list_products`.

    Returns
    -------
    xarray.Dataset
        ``r``, ``rmse``, ``r2``, ``kge``, ``ubrmse``, ``bias``, ``mae``, ``count`` along ``source``
        (model, persistence, damped_persistence, climatology), canonical units. Baselines take no
        step from the model: where the climatology lacks one that the model is scored on, its scores
        are NaN and its ``count`` is 0, and a warning says so (of lazy data where training lacks the
        season; holes of single cells show in ``count``). Both persistences are scored on the steps
        that they have: all but those up to the first observation and the lead from there, so that
        ``count`` may be smaller by these; on none, and a warning says so, where the lead is not
        known. Lazy where the data are; NaN where nothing can be scored. ``fitted.score(ds)``
        predicts and scores in one call.

        Of forecasts by ``lead`` too, with a ``climatological_ensemble`` of past years where there
        are two, ``crps`` (of members, else of ``<target>_std``, else the absolute error),
        ``crps_skill`` against damped persistence (a Gaussian of ``std sqrt(1 - rho^2)``),
        ``spread_error`` (1 is right), ``acc`` (correlation of anomalies from the level), and
        ``observation_age`` where the forecast tells it. What baselines know is then of the steps up
        to the first start.

    Raises
    ------
    MissingVariableError, UnitsError
        If target or prediction are missing, or without units.
    GridError
        If the prediction lacks a dimension of the observations (more, such as ``member``, may be),
        has another calendar, or lead times that are no lengths.
    UnknownNameError
        If ``lead`` is not what the prediction says itself, or an array is another variable than the
        target.
    TypeError
        If one of the arguments is of another type.
    NotEnoughDataError
        If the prediction is empty, or predictions and observations have no label in common.

    Notes
    -----
    Damped persistence is ``k(t) + rho(n) (y(t - n) - k(t - n))``, where ``y(t - n)`` is the last
    observation that the prediction may know, ``n`` steps back, and ``rho(n)`` the correlation of
    the cell's anomalies with those n steps later. The level ``k`` is the mean of the days within 17
    around (of monthly data, of the month) where a cell was observed in three years at least, else
    its mean. Of a first-order process it is the best forecast.

    References
    ----------
    Albergel, C. et al. (2012). Remote Sens. Environ. 118:215-226.

    Examples
    --------
    >>> import xsm
    >>> ds = xsm.open_tutorial("land").isel(latitude=slice(0, 4), longitude=slice(20, 24))
    >>> table = xsm.score(ds, ds["swvl1"], baselines=False)
    >>> float(table["rmse"].sel(source="model").max())
    0.0
    """
    known = _known(baselines)
    reading = read(ds, variables, product)
    predicted = bare_prediction(predicted)
    if not all(predicted.sizes.values()):
        msg = f"The prediction is empty: {dict(predicted.sizes)}. Select steps and cells it has."
        raise NotEnoughDataError(msg)
    stated = target is not None
    target = target or target_of(predicted, reading.table)
    if isinstance(predicted, xr.DataArray):
        check_prediction_of(reading, predicted, target, stated=stated)
    if is_forecast(predicted):
        if isinstance(predicted, xr.DataArray):
            predicted = predicted.to_dataset(name=str(reading.lookup(target).name))
        found = score_forecast(reading, predicted, dim=dim, target=target, known=known)
        return recorded(found, "score", of=reading.ds)
    pair = scored_pair(reading, predicted, target)
    if known is True:
        observed, guess = (each[reading.time].values for each in pair)
        known = known_before(pair[0], int((observed < guess.min()).sum()))
    beside = known if isinstance(known, Known) else None
    found = score_prediction(reading, *pair, dim=dim, target=target, lead=lead, known=beside)
    return recorded(found, "score", of=reading.ds)


def _known(baselines: object) -> Known | bool:
    """Return what baselines are made of: what a model has learnt, or whether there are any."""
    if isinstance(baselines, bool):
        return baselines
    from xsm.api.fitted import FittedModel  # it takes torch, which other scores do without

    if not isinstance(baselines, FittedModel):
        msg = f"baselines={baselines!r} was given; True, False or a fitted model is needed."
        raise TypeError(msg)
    return Known(baselines.climatology, baselines.persistence)
