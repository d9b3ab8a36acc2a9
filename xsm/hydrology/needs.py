"""What loss terms ask of the data beside the target: trends, sinks, parameters of the soil."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np
import xarray as xr

from xsm.data.grid import time_dim
from xsm.data.reading import Reading
from xsm.hydrology.balance.water_balance import inflow_arrays
from xsm.hydrology.soil.hydraulics import HYDRAULIC, layer_parameters
from xsm.hydrology.soil.known import known_sink
from xsm.hydrology.soil.layered import layered_array
from xsm.hydrology.soil.layering import DEPTH
from xsm.hydrology.soil.profile import Profile
from xsm.typing import Compat, Trend

__all__ = ["Balance", "balance_series", "profile_series", "soil_maps"]


@runtime_checkable
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
    reading: Reading, balances: Sequence[Balance], *, target: str
) -> dict[str, xr.DataArray]:
    """Return the trends and the previous observation that loss terms need, lazily.

    Each term's filtered trend under its ``trend_key``, and ``previous``; nothing without terms.
    """
    series: dict[str, xr.DataArray] = {}
    for term in balances:
        balance = inflow_arrays(
            reading,
            outputs=("inflow_trend_filtered", "previous_observation"),
            deep=term.deep,
            terms=term.terms,
            trend=term.trend,
            threshold=term.threshold,
            compat=term.compat,
            target=target,
        )
        series[term.trend_key] = balance["inflow_trend_filtered"]
        series["previous"] = balance["previous_observation"]
    return series


def profile_series(
    reading: Reading, profile: Profile | None, needs: Collection[str]
) -> dict[str, xr.DataArray]:
    """Return the fluxes that a term on profiles needs at the time of the prediction, lazily.

    ``precipitation``, mm day-1 (time, *space), of the step (where soil moisture is a mean of its
    step, the larger one of this and the step before); ``sink``, day-1 (time, *space, depth): the
    uptake by roots where the data hold it, else evaporation, spread by the profile of roots of
    crops (Jackson et al. 1996), else 0.
    """
    found = {}
    if "precipitation" in needs:
        rain = reading.array("precipitation").drop_attrs()
        layers = reading.layers()
        if layers and "mean" in str(reading.ds[layers[0].name].attrs.get("cell_methods", "")):
            before = rain.shift({time_dim(rain): 1})
            rain = rain.where(rain >= before, before)
        found["precipitation"] = rain
    if "sink" in needs and profile is not None:
        known = [role for role in ("root_water_uptake", "evaporation") if role in reading][:1]
        sink = known_sink(reading, profile, known, _ROOTS)
        if sink is None:
            sink = xr.zeros_like(profile.array)
        found["sink"] = layered_array(replace(profile, array=sink)).rename("sink")
    return found


def soil_maps(
    reading: Reading, centres: Sequence[float], roles: Collection[str]
) -> dict[str, xr.DataArray]:
    """Return hydraulic parameters (*space, depth) for each layer of a target, lazily.

    ``centres`` are depths in m, none of them for the one layer at the top; of ``roles`` those count
    that are parameters. Canonical units; ``air_entry`` is 0 where the data hold none. Missing ones
    are refused with what to type.
    """
    if not set(roles) & set(HYDRAULIC):
        return {}
    centres = centres or (0.0,)
    found = layer_parameters(reading, None, centres, DEPTH)
    layers = xr.DataArray(np.ones(len(centres)), dims=DEPTH)
    return {
        name: (array.drop_attrs() * layers).transpose(..., DEPTH)
        for name, array in found.items()
        if name in roles
    }


_ROOTS = 0.961  # beta of Jackson et al. (1996) of crops; 0.966 is the mean of all biomes
