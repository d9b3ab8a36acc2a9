"""Audits: does a prediction move as physics says, and do the observations themselves."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

import xarray as xr

from xsm.data.dimensions import check_prediction
from xsm.data.grid import as_list
from xsm.exceptions import NotEnoughDataError
from xsm.hydrology.balance import inflow_arrays
from xsm.typing import TERMS, Compat, Trend

__all__ = ["water_balance_consistency"]


TRENDS: tuple[Trend, ...] = ("change", "level")
_LONG = {
    "consistency": "share of steps on which the prediction follows the inflow trend",
    "consistency_filtered": "the same after the filter of Eq. 13 (1 for the observations)",
    "observed_consistency": "share of steps on which the observations follow the inflow trend",
    "excess": "consistency minus observed consistency; nearer 0 is better",
    "always_drying": "share of steps that always falling soil moisture would follow",
    "count": "steps compared",
    "count_filtered": "steps compared after the filter",
}


def water_balance_consistency(
    ds: xr.Dataset,
    observed: xr.DataArray,
    predicted: xr.DataArray,
    *,
    dim: Hashable | Iterable[Hashable],
    target: str,
    deep: bool = False,
    terms: tuple[str, ...] = TERMS,
    trend: Trend | None = None,
    compat: Compat | None = None,
    variables: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """Score how often soil moisture moves with the trend of the inflow.

    Parameters
    ----------
    ds : xarray.Dataset
        Fluxes and observations.
    observed, predicted : DataArray
        Canonical soil moisture; joined on common labels.
    dim : str or iterable of str
        Dimensions that a score is taken over.
    target : str
        Role or variable of the observations in ``ds``.
    deep : bool, default: False
        Subtract the change of the water below the target's layer.
    terms : tuple of str
        Terms of the inflow.
    trend : {"change", "level"}, optional
        One trend; by default both, along a dimension ``trend``.
    compat : {"geng2024_code"}, optional
        Reproduce the authors' released code.
    variables : mapping of str to str, optional
        Role to variable name.

    Returns
    -------
    xarray.Dataset
        ``consistency``, ``consistency_filtered``, ``observed_consistency``, ``excess``,
        ``always_drying``, ``count`` and ``count_filtered``, lazy where the data are; NaN where
        nothing could be compared.

    Raises
    ------
    GridError
        If the prediction lacks a dimension of the observations.

    Examples
    --------
    Soil moisture that rises on each day of rain:

    >>> import pandas as pd
    >>> days = {"time": pd.date_range("2020", periods=4)}
    >>> rain = xr.DataArray([0.0, 2.0, 2.0, 2.0], days, "time", attrs={"units": "mm day-1"})
    >>> soil = xr.DataArray([0.2, 0.3, 0.3, 0.4], days, "time", attrs={"units": "m3 m-3"})
    >>> ds = xr.Dataset({"pr": rain, "soil_moisture": soil})
    >>> audit = water_balance_consistency(
    ...     ds,
    ...     soil,
    ...     soil - 0.05,
    ...     dim="time",
    ...     target="soil_moisture",
    ...     terms=("precipitation",),
    ...     trend="level",
    ... )
    >>> round(float(audit["consistency"]), 3), float(audit["observed_consistency"])
    (0.667, 1.0)
    """
    check_prediction(observed, predicted)
    dims = as_list(dim)
    parts = []
    for kind in TRENDS if trend is None else (trend,):
        balance = inflow_arrays(
            ds,
            outputs=("inflow_trend", "inflow_trend_filtered", "previous_observation"),
            deep=deep,
            terms=terms,
            trend=kind,
            compat=compat,
            target=target,
            variables=variables,
        )
        parts.append(_shares(balance, observed, predicted, dims))
    if trend is not None:
        return parts[0]
    names = xr.DataArray(list(TRENDS), dims="trend", name="trend")
    return xr.concat(parts, names, combine_attrs="drop_conflicts")


def _shares(
    balance: xr.Dataset,
    observed: xr.DataArray,
    predicted: xr.DataArray,
    dims: list[Hashable],
) -> xr.Dataset:
    """Return the shares for one trend (Geng et al. 2024, Eq. 19)."""
    raw, filtered = balance["inflow_trend"], balance["inflow_trend_filtered"]
    raw, filtered, before, truth, guess = xr.align(
        raw,
        filtered,
        balance["previous_observation"],
        observed,
        predicted,
        join="inner",
    )
    if not truth.size:
        msg = (
            f"Predicted {dict(predicted.sizes)} and observed {dict(observed.sizes)} have no label "
            "in common; pass the data of the period and the cells that were predicted."
        )
        raise NotEnoughDataError(msg)
    raw, filtered = raw.where(guess.notnull()), filtered.where(guess.notnull())
    model, count = _share(raw * (before - guess), dims)
    own, _ = _share(raw * (before - truth), dims)
    kept, count_filtered = _share(filtered * (before - guess), dims)
    drying, _ = _share(raw, dims)
    found = xr.Dataset(
        {
            "consistency": model,
            "consistency_filtered": kept,
            "observed_consistency": own,
            "excess": model - own,
            "always_drying": drying,
            "count": count,
            "count_filtered": count_filtered,
        }
    )
    for name, text in _LONG.items():
        found[name].attrs = {"long_name": text, "units": "1"}
    title = {"title": "Consistency with the monotonic water balance"}
    found.attrs = title | {k: v for k, v in balance.attrs.items() if k != "trend"}
    return found


def _share(product: xr.DataArray, dims: list[Hashable]) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the share of negative products among those that are not zero, and their number."""
    count = ((product != 0) & product.notnull()).sum(dims)
    return ((product < 0).sum(dims) / count.where(count > 0)), count
