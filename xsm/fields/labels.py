"""Downscaled fields under the user's names, in his units, with what belongs to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from xsm.data.naming import Variable
from xsm.evaluation.calibration import add_spread
from xsm.fields.sources import Sources

__all__ = ["as_given", "present"]


def present(
    fields: Mapping[str, xr.DataArray],
    own: xr.DataArray,
    variable: Variable,
    sources: Sources,
    facts: Mapping[str, Any],
    calibration: xr.Dataset | None = None,
) -> xr.Dataset:
    """Give downscaled fields the name, the units and the order of the coarse data.

    Parameters
    ----------
    fields : mapping of str to DataArray
        ``mean`` and, where there is one, ``std``, canonical units.
    own : DataArray
        The coarse target as it is in the user's data.
    variable : Variable
        What it was found as.
    sources : Sources
        The grids.
    facts : mapping of str to Any
        Attributes of the result.
    calibration : xarray.Dataset, optional
        What was learnt of the spread.

    Returns
    -------
    xarray.Dataset
        The target under its name, ``<name>_std`` and what calibration adds, linked by
        ``ancillary_variables``, with the fine cells' areas as coordinate ``cell_area`` and the
        coordinates of the coarse data that lie along no horizontal axis, as that of the projection
        does. Lazy where the fields are.

    Examples
    --------
    >>> from xsm.data.nesting import make_nest
    >>> axes = {"time": xr.date_range("2020", periods=1), "y": [1.0, 3.0], "x": [1.0, 3.0]}
    >>> gws = xr.DataArray(np.ones((1, 2, 2)), axes, name="gws", attrs={"units": "mm"})
    >>> nest = make_nest(gws, 1)
    >>> sources = Sources(nest, "time", {"gws": gws}, {}, {}, None, nest.area)
    >>> found = present({"mean": gws}, gws, Variable("gws", "gws", "name", "mm"), sources, {})
    >>> found["gws"].attrs["units"], found["gws"].attrs["cell_measures"]
    ('mm', 'area: cell_area')
    """
    name = str(variable.name)
    order = [d for d in own.dims if d in fields["mean"].dims]
    attrs = {k: v for k, v in own.attrs.items() if k not in {"bounds", "ancillary_variables"}}
    attrs |= {"units": variable.units, "cell_measures": "area: cell_area"}
    back = variable.conversion.inverse()
    mean = back(fields["mean"].drop_attrs(deep=False)).transpose(*order).assign_attrs(attrs)
    found = xr.Dataset({name: mean})
    if "std" in fields:
        spread = fields["std"].drop_attrs(deep=False) * np.float32(abs(back.factor))
        found = add_spread(found, name, spread.transpose(*order), calibration)
    area = (sources.nest.dims, sources.area, {"standard_name": "cell_area", "units": "m2"})
    found = found.assign_coords(_aside(own, found, sources)).assign_coords(cell_area=area)
    found.attrs = {"Conventions": "CF-1.11", **facts}
    return as_given(found, own)


def _aside(own: xr.DataArray, found: xr.Dataset, sources: Sources) -> xr.Coordinates:
    """Return the coordinates that lie along no horizontal axis, at the times that are left."""
    names = [c for c in own.coords if not set(own[c].dims) & set(sources.nest.dims)]
    times = {sources.time: found.indexes[sources.time]}
    return own.coords.to_dataset()[names].sel(times).coords


def as_given(found: xr.Dataset, own: xr.Dataset | xr.DataArray) -> xr.Dataset:
    """Let the axes of a result run in the direction of the user's.

    Parameters
    ----------
    found : xarray.Dataset
        On the fine grid, in the order of the sources.
    own : Dataset or DataArray
        The coarse data as the user gave them.

    Returns
    -------
    xarray.Dataset
        The same, its axes turned where those of ``own`` run the other way. Lazy where it was.

    Examples
    --------
    >>> found = xr.Dataset(coords={"lat": [4.0, 3.0, 2.0, 1.0]})
    >>> as_given(found, xr.Dataset(coords={"lat": [1.5, 3.5]}))["lat"].values
    array([1., 2., 3., 4.])
    """
    turn = {}
    for dim in set(found.indexes) & set(own.indexes):
        new, old = found.indexes[dim], own.indexes[dim]
        if len(old) > 1 and (new[-1] > new[0]) != (old[-1] > old[0]):
            turn[dim] = slice(None, None, -1)
    return found.isel(turn)
