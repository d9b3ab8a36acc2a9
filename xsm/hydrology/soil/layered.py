"""Targets of several layers, and the soil that they lie in, for models that predict a profile."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from xsm.grid import time_dim
from xsm.naming import VariableTable, find_variables
from xsm.soil.hydraulics import HYDRAULIC, layer_parameters
from xsm.soil.known import known_sink
from xsm.soil.layering import DEPTH, depth_coordinate
from xsm.soil.profile import Profile, read_profile
from xsm.targets import observed_target, predicted_target

__all__ = ["DEPTH", "layered_array", "layered_pair", "profile_series", "soil_maps"]

_ROOTS = 0.961  # beta of Jackson et al. (1996) of crops; 0.966 is the mean of all biomes


def layered_array(profile: Profile) -> xr.DataArray:
    """Return the layers of a profile along ``depth``, last, from the top down.

    Parameters
    ----------
    profile : Profile
        Of :func:`xsm.soil.profile.read_profile`.

    Returns
    -------
    DataArray
        Canonical units; depths of the layers' centres, m. Lazy where the data are.

    Examples
    --------
    >>> import xsm
    >>> ds = xsm.open_tutorial("land").isel(time=slice(0, 2))
    >>> layered_array(read_profile(ds, xsm.variables(ds))).dims
    ('time', 'latitude', 'longitude', 'depth')
    """
    array, dim = profile.array, profile.dim
    array = array.drop_vars([c for c in array.coords if dim in array[c].dims])
    array = array.rename({dim: DEPTH} if dim != DEPTH else {}).transpose(..., DEPTH)
    return array.assign_coords({DEPTH: depth_coordinate(profile.centres)}).drop_attrs(deep=False)


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


def layered_pair(
    ds: xr.Dataset,
    predicted: xr.Dataset | xr.DataArray,
    target: str,
    variables: Mapping[str, str] | None,
) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the observed and the predicted target in canonical units, lazily.

    Parameters
    ----------
    ds : xarray.Dataset
        The observations.
    predicted : Dataset or DataArray
        The prediction, under the target's name and with units.
    target : str
        Role or variable of the observations.
    variables : mapping of str to str or None
        Role to variable name.

    Returns
    -------
    observed : DataArray
        With ``depth`` last (centres, m), where the prediction holds all layers of the target; else
        of its top layer.
    predicted : DataArray
        The same.

    Raises
    ------
    MissingVariableError, UnitsError
        If target or prediction are missing, or without units.
    GridError
        If the prediction has other depths.

    Examples
    --------
    >>> import xsm
    >>> ds = xsm.open_tutorial("land").isel(time=slice(0, 2))
    >>> [array.dims[-1] for array in layered_pair(ds, ds, "soil_moisture", None)]
    ['depth', 'depth']
    """
    table = find_variables(ds, variables)
    layers = table.layers(target)
    if len(layers) > 1 and _holds_all(predicted, [str(v.name) for v in layers], layers[0].dim):
        source = predicted if isinstance(predicted, xr.Dataset) else predicted.to_dataset()
        profiles = (read_profile(ds, table, target, source=part) for part in (None, source))
        observed, guess = map(layered_array, profiles)
        return observed, guess
    observed = observed_target(ds, target, variables)
    return observed, predicted_target(ds, predicted, target, variables)


def _holds_all(predicted: xr.Dataset | xr.DataArray, names: list[str], dim: str | None) -> bool:
    """Tell whether a prediction holds all layers."""
    if isinstance(predicted, xr.DataArray):
        return predicted.name == names[0] and dim in predicted.dims
    there = set(names) <= set(predicted)
    return there and (dim is None or dim in predicted[names[0]].dims)
