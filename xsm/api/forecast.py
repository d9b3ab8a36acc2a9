"""The verb that forecasts, from the states that a network carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from xsm.api.fitted import FittedModel
from xsm.api.predict import needed_model
from xsm.data.naming import stated
from xsm.data.units import dequantify, quantify

__all__ = ["forecast"]


def forecast(
    ds: xr.Dataset,
    fitted: FittedModel | None = None,
    *,
    init: Any = None,
    lead: int | Sequence[int] = 14,
    weather: str | xr.Dataset | None = None,
    members: Any = None,
    state: xr.Dataset | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    variables: Mapping[str, str] | None = None,
    product: str | None = None,
) -> xr.Dataset:
    """Forecast the target of a network that carries its state, by start and lead time.

    The network runs through the record once. From its state at each ``init`` it goes on ``lead``
    steps: with the last observation as it was then, whose age grows, and with the weather that is
    given for these steps. Nothing that was observed after ``init`` is used.

    Parameters
    ----------
    ds : xarray.Dataset
        The record (time, *space), as for :func:`xsm.predict`; the longer the past, the better the
        state.
    fitted : FittedModel, optional
        A network fit with ``sequence=``; ``ds.physm.forecast()`` takes the one last fitted through
        this very object.
    init : label, list, slice or str, optional
        Last steps that are known, of the data: labels as of ``ds.sel``; ``"all"``; or the first
        step of each period of a frequency (``"MS"``, ``"7D"``). By default the last step of the
        data: the forecast of today. ``"all"`` and frequencies leave out the warm-up.
    lead : int or sequence of int, default: 14
        Steps ahead: 1 to a number, or those that are named.
    weather : {"known", "past"}, Dataset or None
        Weather after ``init``. None: hidden; of a network that was fit with ``cuts=``.
        ``"known"``: that of the data, as of a hindcast. ``"past"``: that of past years from the
        same day of the year on, a member a year (ensemble streamflow prediction, Day 1985), only of
        weather that was known at ``init``. A Dataset: of any product, with all dynamic inputs of
        the model under any names, on the cells and at the steps of the data: along time, or by
        start and lead time, with members or without. Of several runs those of ``init`` are
        taken; a single run counts by the times that it is for.
    members : sequence of int or slice, optional
        Years of ``weather="past"``; by default all that are whole and before the first ``init``.
    state : xarray.Dataset, optional
        What ``fitted.state(before)`` returned for the data that end one step before these.
    batch_size, device, variables, product : optional
        As of :func:`xsm.predict`; ``variables`` counts for the weather too, where it has the names.

    Returns
    -------
    xarray.Dataset
        The target (init, lead [, member], *space) under its name and in its units, with
        ``valid_time`` (init, lead), ``init`` (CF: ``forecast_reference_time``), ``lead``
        (``forecast_period``, a length of time; a number of calendar months of monthly data);
        beside it what :func:`xsm.predict` returns, as ``<target>_std`` of networks with a spread
        (members are of weather, the spread is of the network), and with data integration
        ``observation_age`` (init, *space): days from the last observation to ``init``. Lazy where
        data or weather are. NaN where the state is not warm, or weather is missing.

    Raises
    ------
    UnknownNameError
        If the model carries no state, or ``weather=None`` is asked of one fit without ``cuts=``.
    NotEnoughDataError
        If the weather does not reach as far, or a member was not past at ``init``.
    GridError
        If times or cells of state, weather and data do not fit.

    References
    ----------
    Day, G. N. (1985). Extended streamflow forecasting using NWSRFS. J. Water Resour. Plann. Manage.
    111:157-170.

    Examples
    --------
    >>> import xsm
    >>> ds = xsm.open_tutorial("land").isel(latitude=slice(0, 4), longitude=slice(20, 24))
    >>> short = {"epochs": 1, "iterations": 2, "hidden_size": 4, "progress": False}
    >>> fitted = xsm.fit(ds, "lstm", sequence=60, cuts=3, **short)
    >>> xsm.forecast(ds, fitted, lead=3)["swvl1"].sizes
    Frozen({'init': 1, 'lead': 3, 'latitude': 4, 'longitude': 4})
    >>> hindcast = xsm.forecast(ds, fitted, init=["2020-06-01"], weather="known", lead=2)
    >>> hindcast["valid_time"].dt.strftime("%m-%d").values
    array([['06-02', '06-03']], dtype=object)
    """
    model = needed_model(fitted, "forecast")
    ds, quantified = dequantify(ds)
    found = model.forecast(
        stated(ds, product),
        init=init,
        lead=lead,
        weather=weather,
        members=members,
        state=state,
        batch_size=batch_size,
        device=device,
        variables=variables,
    )
    return quantify(found) if quantified else found
