"""A model that corrects itself by its last known error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self, TypeVar

import numpy as np
import xarray as xr

from xsm.artefact.learnt import Learnt
from xsm.cells.apply import errors_before, read_for
from xsm.cells.recipe import require_target
from xsm.cells.updating import BY_LEAD, FADING, UPDATED, Before
from xsm.data.joins import on_labels_of
from xsm.data.lead import LEAD, lead_coordinate
from xsm.data.reading import Reading
from xsm.evaluation.leads import INIT, as_forecast, is_forecast, joined, with_observed
from xsm.evaluation.metrics import scored_pair
from xsm.evaluation.updating import fading_of, pair_sums, shares
from xsm.exceptions import GridError, UnknownNameError
from xsm.hydrology.soil.layering import DEPTH

__all__ = ["Correctable"]


_Model = TypeVar("_Model", bound=Learnt)


class Correctable(Learnt):
    """A trained model that can learn how long its errors last."""

    def correct(
        self,
        ds: xr.Dataset,
        *,
        forecast: xr.Dataset | None = None,
        batch_size: int | None = None,
        device: str = "auto",
        variables: Mapping[str, str] | None = None,
    ) -> Self:
        """Return a model that adds what is left of its last known error to what it predicts.

        Errors of slow water last: where a network was too dry yesterday, it mostly is so today.
        Hydrologists call this error updating. It needs observations wherever it predicts; where a
        cell has none yet, nothing is added.

        Parameters
        ----------
        ds : xarray.Dataset
            Inputs and observations that were not trained on, such as the period that validated.
        forecast : xarray.Dataset, optional
            Forecasts of this model, not corrected, whose valid times ``ds`` observed: what is left
            of an error is then learnt for each lead by itself, for forecasts of these leads.
            Without it an error fades in forecasts as it does between predictions.
        batch_size, device, variables : optional
            As of :meth:`FittedModel.predict`.

        Returns
        -------
        FittedModel
            The same network; ``predict``, ``score`` and ``forecast`` are corrected, lazily where
            the data are. A model that was corrected before learns anew. Calibrate after it.

        Raises
        ------
        UnknownNameError
            If the model keeps an account of the water, downscales, or was calibrated already.
        MissingVariableError
            If the data hold no observations.
        NotEnoughDataError
            If there are fewer than 200 pairs of errors.

        Notes
        -----
        With the last observation ``y(s)`` that the prediction ``f(t)`` may know, at least ``lead``
        steps before it (a step where that is 0, ``latency`` where that is longer),

        ``f(t) + g (b (y(s) - f(s)) - c (f(t) - f(s)))``:

        b of its error then, and less by c of the change that was predicted since, by least squares
        over all cells of ``ds`` together and each layer by itself, from 0 to 1; of forecasts for
        each lead. b = c = 1 is persistence. ``g = rho(k + a) / rho(k)`` with the correlation rho of
        errors so many steps apart, k the youngest age that can be known and a how much older the
        error is; without ``forecast=`` later leads are as older errors. What is added never takes a
        value out of what the target can be. The closure of a water budget is not kept.

        References
        ----------
        Refsgaard, J. C. (1997). Nord. Hydrol. 28:65-84.

        Examples
        --------
        >>> import xsm
        >>> ds = xsm.open_tutorial("land").isel(latitude=slice(2), longitude=slice(20, 22))
        >>> known = {"sequence": 60, "data_integration": True, "hidden_size": 4}
        >>> fitted = ds.isel(time=slice(500)).physm.fit("lstm", epochs=1, iterations=2, **known)
        >>> better = fitted.correct(ds.isel(time=slice(400, 700)))
        >>> 0.0 < float(better.correction["error"]) <= 1.0
        True
        """
        return _corrected(self, ds, forecast, variables, batch_size=batch_size, device=device)


def _corrected(
    fitted: _Model,
    ds: xr.Dataset,
    forecast: xr.Dataset | None,
    variables: Mapping[str, str] | None,
    **options: Any,
) -> _Model:
    """Return the model with what its errors in a data set tell of how long they last."""
    raw = replace(fitted, correction=None)
    reading = read_for(raw, ds, variables)
    _check(raw)
    require_target(reading.table, raw.recipe)
    before = errors_before(raw, reading, **options)
    fading = fading_of(before.errors)
    sums = pair_sums(before.errors, *before.here(fading))
    learnt = shares(sums.compute()).assign({FADING: fading})
    left = ", ".join(f"{value:.2f}" for value in np.ravel(learnt["error"]))
    steps = f"{before.youngest} step{'s' * (before.youngest > 1)}"
    said = f"{left} of an error is left after {steps}"
    if forecast is not None:
        leads = shares(_by_lead(raw, reading, before, fading, forecast))
        learnt = learnt.assign({f"{BY_LEAD}{name}": array for name, array in leads.items()})
        said += f", learnt by lead for {learnt.sizes[LEAD]} leads"
    card = {**fitted.card, "correction": said}
    return replace(raw, correction=learnt.drop_attrs(), card=card)


def _check(raw: Learnt) -> None:
    """Refuse models that no earlier error can correct."""
    if raw.calibration is not None:
        msg = (
            "The spread of this model was calibrated for predictions without correction. Correct "
            "first, then calibrate: fitted.correct(ds).calibrate(ds), of the model as it was fit."
        )
        raise UnknownNameError(msg)
    if raw.recipe.shown:
        msg = (
            f"{raw.name!r} keeps an account of the water, which what is added to one store would "
            "break. Correct a network without one, and weigh both where you need soil moisture "
            "alone: xsm.blend([account, network.correct(past)], ds)."
        )
        raise UnknownNameError(msg)


def _by_lead(
    raw: Learnt, reading: Reading, before: Before, fading: xr.DataArray, forecast: xr.Dataset
) -> xr.Dataset:
    """Return the sums over errors of forecasts and of what they may know, along lead."""
    if not is_forecast(forecast) or UPDATED in forecast.attrs:
        was = "was corrected already" if UPDATED in forecast.attrs else "has no init and lead"
        msg = (
            f"forecast= {was}, {dict(forecast.sizes)}. Pass forecasts of the model as it was fit, "
            "fitted.forecast(ds, init=...); for predictions leave it out."
        )
        raise GridError(msg)
    forecast = as_forecast(forecast).sortby(INIT)
    members = [d for d in ("member",) if d in forecast.dims]
    forecast = forecast.mean(members, keep_attrs=True) if members else forecast
    unit, target = lead_coordinate(before.errors, 1).values, raw.recipe.target
    cells = before.errors.isel({reading.time: 0}, drop=True)

    def sums(part: xr.Dataset) -> xr.Dataset:
        lead = int(np.rint(part[LEAD].values / unit))
        pair = scored_pair(*with_observed(reading, part.copy()), target)
        truth, mean = (on_labels_of(a.drop_vars(DEPTH, errors="ignore"), cells) for a in pair)
        truth, mean = (a.rename({reading.time: INIT}).transpose(INIT, ...) for a in (truth, mean))
        mean = mean.assign_coords({INIT: part[INIT].values})
        wrong = xr.DataArray(truth.variable - mean.variable)
        known = before.ahead(mean.expand_dims(LEAD, 1), [lead], fading, by_lead=True)
        return pair_sums(wrong, *(array.isel({LEAD: 0}) for array in known))

    return joined(forecast, sums).compute()
