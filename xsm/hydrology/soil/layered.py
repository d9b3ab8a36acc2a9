"""Targets of several layers, and the soil that they lie in, for models that predict a profile."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from xsm.data.reading import Reading
from xsm.data.targets import observed_target, predicted_target, spread_of_layers
from xsm.hydrology.soil.layering import DEPTH, depth_coordinate
from xsm.hydrology.soil.profile import Profile, read_profile

__all__ = ["layered_array", "layered_pair", "layered_spread"]


def layered_array(profile: Profile) -> xr.DataArray:
    """Return the layers of a profile along ``depth`` (centres, m), last, from the top, lazily."""
    array, dim = profile.array, profile.dim
    array = array.drop_vars([c for c in array.coords if dim in array[c].dims])
    array = array.rename({dim: DEPTH} if dim != DEPTH else {}).transpose(..., DEPTH)
    return array.assign_coords({DEPTH: depth_coordinate(profile.centres)}).drop_attrs(deep=False)


def layered_pair(
    reading: Reading, predicted: xr.Dataset | xr.DataArray, target: str
) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the observed and the predicted target in canonical units, lazily.

    Both with ``depth`` last (centres, m) where the prediction holds all layers of the target, which
    have to be those of the data; else of the top layer.
    """
    layers = reading.layers(target)
    if len(layers) > 1 and _holds_all(predicted, [str(v.name) for v in layers], layers[0].dim):
        source = predicted if isinstance(predicted, xr.Dataset) else predicted.to_dataset()
        profiles = (read_profile(reading, target, source=part) for part in (None, source))
        observed, guess = map(layered_array, profiles)
        return observed, guess
    observed = observed_target(reading, target)
    return observed, predicted_target(reading, predicted, target)


def layered_spread(
    reading: Reading, predicted: xr.Dataset, names: Sequence[str], target: str
) -> xr.DataArray:
    """Return the spread of variables of a prediction as :func:`layered_pair` does the mean."""
    parts = {name: spread_of_layers(reading, predicted, name, target) for name in names}
    return layered_pair(reading, xr.Dataset(parts), target)[1]


def _holds_all(predicted: xr.Dataset | xr.DataArray, names: list[str], dim: str | None) -> bool:
    """Tell whether a prediction holds all layers."""
    if isinstance(predicted, xr.DataArray):
        return predicted.name == names[0] and dim in predicted.dims
    there = set(names) <= set(predicted)
    return there and (dim is None or dim in predicted[names[0]].dims)
