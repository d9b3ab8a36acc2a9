"""What the loss terms of a water balance need beside the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import xarray as xr

from xsm.balance.water import inflow_arrays
from xsm.typing import Compat, Trend

__all__ = ["Balance", "balance_series"]


class Balance(Protocol):
    """A loss term that asks for the trend of the inflow."""

    @property
    def deep(self) -> bool:
        """Whether deep soil water is in the balance."""

    @property
    def terms(self) -> tuple[str, ...]:
        """Terms of the inflow."""

    @property
    def trend(self) -> Trend:
        """Change or level."""

    @property
    def threshold(self) -> float:
        """Inflow at or below which the trend is 0."""

    @property
    def compat(self) -> Compat | None:
        """Code to reproduce."""

    @property
    def trend_key(self) -> str:
        """Key under which the trend is wanted."""


def balance_series(
    ds: xr.Dataset,
    balances: Sequence[Balance],
    *,
    target: str,
    variables: Mapping[str, str],
) -> dict[str, xr.DataArray]:
    """Return the trends and the previous observation that loss terms need, lazily.

    Parameters
    ----------
    ds : xarray.Dataset
        Data of any product.
    balances : sequence of loss terms
        Terms of a water balance.
    target : str
        Role or variable of the target.
    variables : mapping of str to str
        Role to variable name.

    Returns
    -------
    dict of str to DataArray
        Each term's filtered trend under its ``trend_key``, and ``previous``; empty without terms.

    Examples
    --------
    >>> import xsm
    >>> from xsm.losses import WaterBalance
    >>> ds = xsm.open_tutorial("land").isel(latitude=slice(4, 6), longitude=slice(20, 22))
    >>> found = balance_series(ds, [WaterBalance()], target="soil_moisture", variables={})
    >>> list(found)
    ['trend_change_P.E.SRO.SD_single', 'previous']
    """
    series: dict[str, xr.DataArray] = {}
    for term in balances:
        balance = inflow_arrays(
            ds,
            outputs=("inflow_trend_filtered", "previous_observation"),
            deep=term.deep,
            terms=term.terms,
            trend=term.trend,
            threshold=term.threshold,
            compat=term.compat,
            target=target,
            variables=dict(variables),
        )
        series[term.trend_key] = balance["inflow_trend_filtered"]
        series["previous"] = balance["previous_observation"]
    return series
