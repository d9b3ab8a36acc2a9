"""Observations and predictions of the same places and times, for figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import xarray as xr

from xsm.data.doubt import guarded, guards_of
from xsm.data.grid import axis_of, time_dim, without_scalars
from xsm.data.joins import common
from xsm.data.reading import Reading
from xsm.data.targets import bare_prediction, default_target
from xsm.exceptions import GridError, NotEnoughDataError
from xsm.hydrology.soil.layered import layered_pair
from xsm.plotting.geography import degrees
from xsm.plotting.labels import role_label

__all__ = [
    "Given",
    "Paired",
    "Predictions",
    "joined",
    "named_predictions",
    "paired",
    "region_means",
]


Given: TypeAlias = xr.Dataset | xr.DataArray
Predictions: TypeAlias = Given | Mapping[str, Given]


@dataclass(frozen=True)
class Paired:
    """A target as it was observed and, by the name of each prediction, predicted, on common labels.

    Arrays in canonical ``units``, time first; ``label`` says what it is, with units; ``target`` is
    its role or variable.
    """

    observed: xr.DataArray
    predicted: Mapping[str, xr.DataArray]
    label: str
    units: str
    target: str

    @property
    def time(self) -> str:
        """The dimension of time."""
        return time_dim(self.observed)


def named_predictions(predicted: Predictions) -> dict[str, Given]:
    """Return predictions by their names, without pint.

    One is named by its model, where it says which.
    """
    if isinstance(predicted, xr.Dataset | xr.DataArray):
        return {str(predicted.attrs.get("model", "predicted")): bare_prediction(predicted)}
    if not predicted:
        msg = "No prediction was given; pass one, or several by name: {'LSTM': a, 'PHY-LSTM': b}."
        raise NotEnoughDataError(msg)
    return {str(name): bare_prediction(each) for name, each in predicted.items()}


def paired(reading: Reading, predicted: Predictions, *, target: str | None = None) -> Paired:
    """Return observations and predictions on common labels, in canonical units, lazily.

    All layers where each prediction holds all. The target is by default what the first prediction
    says. Other dimensions, and no label in common, are refused.
    """
    given = named_predictions(predicted)
    said = next(iter(given.values())).attrs.get("target")
    role = target or str(said or default_target(reading.table))
    pairs = {name: layered_pair(reading, each, role) for name, each in given.items()}
    guard = guards_of(reading, [role]).get(role)
    observed = guarded(next(iter(pairs.values()))[0], guard)
    units = reading.units(role)
    guesses = {name: pair[1] for name, pair in pairs.items()}
    truth, same = joined(observed, guesses)
    return Paired(truth, same, role_label(reading.lookup(role).role, units), units, role)


def joined(
    observed: xr.DataArray, predicted: Mapping[str, xr.DataArray]
) -> tuple[xr.DataArray, dict[str, xr.DataArray]]:
    """Return observations and predictions on the labels that they share, time first.

    Other dimensions are refused, and those named that are to be renamed; so is no label in common.
    """
    _check_dims(observed, predicted)
    first, near = common(observed, {n: without_scalars(a) for n, a in predicted.items()})
    return first, {n: a.transpose(*first.dims) for n, a in near.items()}


def _check_dims(observed: xr.DataArray, predicted: Mapping[str, xr.DataArray]) -> None:
    """Refuse predictions of other dimensions, and name those to rename."""
    own = set(map(str, observed.dims))
    wrong = []
    for name, array in predicted.items():
        other = set(map(str, array.dims))
        if other == own:
            continue
        extra, lacking = (sorted(d, key=str) for d in (other - own, own - other))
        pairs = {d: e for d in extra for e in lacking if _same_axis(array, d, observed, e)}
        if len(pairs) == len(extra) == len(lacking):
            todo = f"type .rename({', '.join(f'{d}={e!r}' for d, e in pairs.items())})"
        else:
            todo = "bring it to the same dimensions"
        wrong.append(f"{name!r} has {dict(array.sizes)}: {todo}")
    if wrong:
        msg = f"The observations have {dict(observed.sizes)}. {'; '.join(wrong)}."
        raise GridError(msg)


def _same_axis(one: xr.DataArray, dim: str, other: xr.DataArray, name: str) -> bool:
    """Tell whether two dimensions are the same axis: of the earth, or of equal labels."""
    axes = axis_of(one, dim), axis_of(other, name)
    if any(axes):
        return axes[0] == axes[1]
    return one.get_index(dim).equals(other.get_index(name))


def region_means(array: xr.DataArray, zones: xr.DataArray, names: Sequence[str]) -> xr.DataArray:
    """Return the mean of each class of cells (..., region), lazily.

    ``zones`` hold the number of the class of each cell, from 0, NaN where there is none. Missing
    values are left out, and cells of latitudes in degrees weighted by their area, the cosine of
    latitude.
    """
    weights = _areas(zones)
    known = array.notnull()
    parts = []
    for k in range(len(names)):
        inside = weights.where(zones == k, 0.0)
        total = xr.dot(array.fillna(0.0).astype(float), inside, dim=list(zones.dims))
        share = xr.dot(known.astype(float), inside, dim=list(zones.dims))
        parts.append(total / share.where(share > 0))
    return xr.concat(parts, xr.DataArray(list(names), dims="region", name="region")).transpose(
        ..., "region"
    )


def _areas(zones: xr.DataArray) -> xr.DataArray:
    """Return weights of cells in proportion to their areas."""
    for name in map(str, zones.coords):
        if axis_of(zones, name) == "Y" and degrees(zones, name):
            cosine = np.cos(np.deg2rad(zones[name].values.astype(float)))
            return xr.ones_like(zones) * xr.DataArray(cosine, dims=zones[name].dims)
    return xr.ones_like(zones)
