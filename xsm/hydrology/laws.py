"""The table of laws: by which law data can be audited, and what its loss terms are given.

A law bears one name on every floor: arrays in :mod:`xsm.physics`, labels in hydrology, a term in
:mod:`xsm.losses`. Terms are known by the keys that they need: no wing imports the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import xarray as xr

from xsm.hydrology.balance.areas import area_maps
from xsm.hydrology.balance.budget import budget_consistency
from xsm.hydrology.balance.consistency import water_balance_consistency
from xsm.hydrology.balance.observed import observed_roles, observed_series
from xsm.hydrology.balance.water_balance import balance_series, roles_of_terms
from xsm.hydrology.needs import Term, Wanted
from xsm.hydrology.soil.consistency import richards_consistency
from xsm.hydrology.soil.richards import profile_series, soil_maps

__all__ = ["LAWS", "Law"]


def _nothing(_: Wanted) -> dict[str, xr.DataArray]:
    """Give nothing to loss terms."""
    return {}


def _none(_: Sequence[Term]) -> list[str]:
    """Require no role."""
    return []


@dataclass(frozen=True)
class Law:
    """A law that data are audited by, and that networks are trained with.

    ``audit`` takes a reading, what was predicted or None, ``dim``, ``target``, ``terms``, and the
    ``arguments`` of :func:`xsm.consistency` that are its own. ``series`` (time, *space) and
    ``maps`` (*space) give loss terms the keys that they need, lazily; ``roles`` are those that a
    fit with these terms requires, in one error with its inputs.
    """

    name: str
    audit: Callable[..., xr.Dataset]
    arguments: tuple[str, ...] = ()
    series: Callable[[Wanted], Mapping[str, xr.DataArray]] = _nothing
    maps: Callable[[Wanted], Mapping[str, xr.DataArray]] = _nothing
    roles: Callable[[Sequence[Term]], Sequence[str]] = _none


LAWS: dict[str, Law] = {
    law.name: law
    for law in (
        Law(
            "water_balance",
            audit=water_balance_consistency,
            arguments=("deep", "trend", "compat"),
            series=balance_series,
            roles=roles_of_terms,
        ),
        Law(
            "richards",
            audit=richards_consistency,
            arguments=("parameters", "roots", "quiet"),
            series=profile_series,
            maps=soil_maps,  # which says how to get parameters that are missing
        ),
        Law(
            "budget",
            audit=budget_consistency,
            arguments=("states",),
            series=observed_series,
            maps=area_maps,
            roles=observed_roles,
        ),
    )
}
"""Laws by name."""
