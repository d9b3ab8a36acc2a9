"""Downscaled fields under the user's names, in his units, with what belongs to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import xarray as xr

from xsm.data.lead import LEAD, lead_coordinate
from xsm.data.reading import Reading
from xsm.evaluation.calibration import add_spread
from xsm.fields.sources import Sources

__all__ = ["as_given", "present"]


def present(
    fields: Mapping[str, xr.DataArray],
    reading: Reading,
    target: str,
    sources: Sources,
    facts: Mapping[str, Any],
    calibration: xr.Dataset | None = None,
) -> xr.Dataset:
    """Give downscaled fields the name, the units and the order of the coarse data.

    ``fields`` are ``mean`` and, where there is one, ``std``, canonical units. The target comes
    under its name, with ``<name>_std`` and what calibration adds, linked by
    ``ancillary_variables``, with the fine cells' areas as coordinate ``cell_area`` and the
    coordinates of the coarse data that lie along no horizontal axis, as that of the projection
    does. ``facts`` are the attributes. Lazy where the fields are.
    """
    variable = reading.lookup(target)
    name = str(variable.name)
    own = reading.ds[name]
    order = [d for d in own.dims if d in fields["mean"].dims]
    attrs = {k: v for k, v in own.attrs.items() if k not in {"bounds", "ancillary_variables"}}
    attrs |= {"units": variable.units, "cell_measures": "area: cell_area"}
    back = variable.conversion.inverse()
    mean = back(fields["mean"].drop_attrs(deep=False)).transpose(*order).assign_attrs(attrs)
    found = xr.Dataset({name: mean})
    if "std" in fields:
        spread = replace(back, factor=abs(back.factor), offset=0.0)(fields["std"])
        found = add_spread(found, name, spread.transpose(*order), calibration)
    area = (sources.nest.dims, sources.area, {"standard_name": "cell_area", "units": "m2"})
    found = found.assign_coords(_aside(own, found, sources)).assign_coords(cell_area=area)
    if LEAD not in found.coords:  # a forecast that is downscaled keeps its own
        found = found.assign_coords({LEAD: lead_coordinate(mean, 0)})
    found.attrs = dict(facts)
    return as_given(found, own)


def _aside(own: xr.DataArray, found: xr.Dataset, sources: Sources) -> xr.Coordinates:
    """Return the coordinates that lie along no horizontal axis, at the times that are left."""
    names = [c for c in own.coords if not set(own[c].dims) & set(sources.nest.dims)]
    times = {sources.time: found.indexes[sources.time]}
    return own.coords.to_dataset()[names].sel(times).coords


def as_given(found: xr.Dataset, own: xr.Dataset | xr.DataArray) -> xr.Dataset:
    """Turn the axes of a result where those of the user's coarse data run the other way; lazily."""
    turn = {}
    for dim in set(found.indexes) & set(own.indexes):
        new, old = found.indexes[dim], own.indexes[dim]
        if len(old) > 1 and (new[-1] > new[0]) != (old[-1] > old[0]):
            turn[dim] = slice(None, None, -1)
    return found.isel(turn)
