"""What loss terms ask of the data beside the target: trends, sinks, parameters of the soil."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
import xarray as xr

from xsm.data.grid import time_dim
from xsm.data.naming import VariableTable
from xsm.hydrology.balance.water_balance import inflow_arrays
from xsm.hydrology.soil.hydraulics import HYDRAULIC, layer_parameters
from xsm.hydrology.soil.known import known_sink
from xsm.hydrology.soil.layered import layered_array
from xsm.hydrology.soil.layering import DEPTH
from xsm.hydrology.soil.profile import Profile
from xsm.typing import Compat, Trend

__all__ = ["Balance", "balance_series", "profile_series", "soil_maps"]


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


def profile_series(
    ds: xr.Dataset, table: VariableTable, profile: Profile | None, needs: Collection[str]
) -> dict[str, xr.DataArray]:
    """Return the fluxes that a term on profiles needs at the time of the prediction, lazily.

    Parameters
    ----------
    ds : xarray.Dataset
        Plain data.
    table : VariableTable
        Which variable is what.
    profile : Profile or None
        The target's layers.
    needs : collection of str
        Keys that loss terms read: ``precipitation``, ``sink``.

    Returns
    -------
    dict of str to DataArray
        ``precipitation``, mm day-1 (time, *space), of the step (where soil moisture is a mean of
        its step, the larger one of this and the step before); ``sink``, day-1 (time, *space,
        depth): the uptake by roots where the data hold it, else evaporation, spread by the
        profile of roots of crops (Jackson et al. 1996), else 0.

    Raises
    ------
    MissingVariableError
        If precipitation is wanted and missing.

    Examples
    --------
    >>> import xsm
    >>> ds = xsm.open_tutorial("land").isel(time=slice(0, 2))
    >>> list(profile_series(ds, xsm.variables(ds), None, ["precipitation", "target"]))
    ['precipitation']
    """
    found = {}
    if "precipitation" in needs:
        rain = table.array(ds, "precipitation").drop_attrs()
        layers = table.layers()
        if layers and "mean" in str(ds[layers[0].name].attrs.get("cell_methods", "")):
            before = rain.shift({time_dim(rain): 1})
            rain = rain.where(rain >= before, before)
        found["precipitation"] = rain
    if "sink" in needs and profile is not None:
        known = [role for role in ("root_water_uptake", "evaporation") if role in table][:1]
        sink = known_sink(ds, table, profile, known, _ROOTS)
        if sink is None:
            sink = xr.zeros_like(profile.array)
        found["sink"] = layered_array(replace(profile, array=sink)).rename("sink")
    return found


def soil_maps(
    ds: xr.Dataset,
    centres: Sequence[float],
    roles: Collection[str],
    variables: Mapping[str, str] | None = None,
) -> dict[str, xr.DataArray]:
    """Return hydraulic parameters for each layer of a target, lazily.

    Parameters
    ----------
    ds : xarray.Dataset
        Plain data.
    centres : sequence of float
        Depths of the target's layers, m; empty for one layer, that of the top.
    roles : collection of str
        Keys that are wanted, of which those are taken that are parameters.
    variables : mapping of str to str, optional
        Role to variable name.

    Returns
    -------
    dict of str to DataArray
        Canonical units, (*space, depth); ``air_entry`` is 0 where the data hold none.

    Raises
    ------
    MissingVariableError, UnitsError, GridError
        If parameters are missing, unusable, or of other depths; the message says how to get them.

    Examples
    --------
    >>> import xsm
    >>> texture = xsm.open_tutorial("land").isel(latitude=[8], longitude=[20])
    >>> ds = xsm.soil_parameters(texture, method="texture_class")
    >>> soil_maps(ds, [0.1, 0.2], ["theta_s", "target"])["theta_s"].sizes["depth"]
    2
    """
    if not set(roles) & set(HYDRAULIC):
        return {}
    centres = centres or (0.0,)
    found = layer_parameters(ds, None, centres, DEPTH, variables)
    layers = xr.DataArray(np.ones(len(centres)), dims=DEPTH)
    return {
        name: (array.drop_attrs() * layers).transpose(..., DEPTH)
        for name, array in found.items()
        if name in roles
    }


_ROOTS = 0.961  # beta of Jackson et al. (1996) of crops; 0.966 is the mean of all biomes
