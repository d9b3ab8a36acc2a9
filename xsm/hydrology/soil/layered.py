"""Targets of several layers, and the soil that they lie in, for models that predict a profile."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from xsm.data.naming import find_variables
from xsm.data.targets import observed_target, predicted_target
from xsm.hydrology.soil.layering import DEPTH, depth_coordinate
from xsm.hydrology.soil.profile import Profile, read_profile

__all__ = ["layered_array", "layered_pair"]


def layered_array(profile: Profile) -> xr.DataArray:
    """Return the layers of a profile along ``depth``, last, from the top down.

    Parameters
    ----------
    profile : Profile
        Of :func:`xsm.hydrology.soil.profile.read_profile`.

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
