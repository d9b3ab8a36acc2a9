"""Observations and predictions of the same places and times, for figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import xarray as xr

from xsm.data.grid import axis_of, time_dim, without_scalars
from xsm.data.naming import ROLES, find_variables
from xsm.data.targets import default_target
from xsm.data.units import dequantify
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
    """A target as it was observed and predicted, on common labels.

    Parameters
    ----------
    observed : DataArray
        Canonical units, time first.
    predicted : dict of str to DataArray
        The same, by the name of each prediction.
    label : str
        What it is, with units.
    units : str
        Its units.
    target : str
        Role or variable.
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

    Parameters
    ----------
    predicted : Dataset, DataArray, or mapping of str to these
        One prediction, or several by name.

    Returns
    -------
    dict of str to Dataset or DataArray
        One is named by its model, where it says which.

    Raises
    ------
    NotEnoughDataError
        If the mapping is empty.

    Examples
    --------
    >>> list(named_predictions(xr.Dataset(attrs={"model": "lstm"})))
    ['lstm']
    """
    if isinstance(predicted, xr.Dataset | xr.DataArray):
        return {str(predicted.attrs.get("model", "predicted")): _bare(predicted)}
    if not predicted:
        msg = "No prediction was given; pass one, or several by name: {'LSTM': a, 'PHY-LSTM': b}."
        raise NotEnoughDataError(msg)
    return {str(name): _bare(each) for name, each in predicted.items()}


def _bare(predicted: Given) -> Given:
    """Strip pint units."""
    if isinstance(predicted, xr.Dataset):
        return dequantify(predicted)[0]
    name = "predicted" if predicted.name is None else predicted.name
    return dequantify(predicted.to_dataset(name=name))[0][name]


def paired(
    ds: xr.Dataset,
    predicted: Predictions,
    *,
    target: str | None = None,
    variables: Mapping[str, str] | None = None,
) -> Paired:
    """Return observations and predictions on common labels, lazily.

    Parameters
    ----------
    ds : xarray.Dataset
        The observations.
    predicted : Dataset, DataArray, or mapping of str to these
        One prediction, or several by name, with units.
    target : str, optional
        Role or variable; by default what the first prediction says.
    variables : mapping of str to str, optional
        Role to variable name.

    Returns
    -------
    Paired
        Canonical units; all layers where each prediction holds all.

    Raises
    ------
    MissingVariableError, UnitsError
        If target or prediction are missing, or without units.
    GridError
        If their dimensions differ.
    NotEnoughDataError
        If they have no label in common.

    Examples
    --------
    >>> import xsm
    >>> ds = xsm.open_tutorial("land").isel(latitude=[8], longitude=[20], time=slice(0, 5))
    >>> paired(ds, ds["swvl1"].isel(time=slice(1, 9))).observed.sizes["time"]
    4
    """
    ds, _ = dequantify(ds)
    given = named_predictions(predicted)
    table = find_variables(ds, variables)
    said = next(iter(given.values())).attrs.get("target")
    role = target or str(said or default_target(table))
    pairs = {name: layered_pair(ds, each, role, variables) for name, each in given.items()}
    observed = next(iter(pairs.values()))[0]
    found = table.lookup(role)
    units = ROLES[found.role].units if found.role in ROLES else found.units
    guesses = {name: pair[1] for name, pair in pairs.items()}
    truth, same = joined(observed, guesses)
    return Paired(truth, same, role_label(found.role, units), units, role)


def joined(
    observed: xr.DataArray, predicted: Mapping[str, xr.DataArray]
) -> tuple[xr.DataArray, dict[str, xr.DataArray]]:
    """Return observations and predictions on the labels that they share.

    Parameters
    ----------
    observed : DataArray
        What was observed.
    predicted : mapping of str to DataArray
        What was predicted.

    Returns
    -------
    observed : DataArray
        Time first.
    predicted : dict of str to DataArray
        The same dimensions.

    Raises
    ------
    GridError
        If their dimensions differ; the message says which to rename.
    NotEnoughDataError
        If they share none.

    Examples
    --------
    >>> observed = xr.DataArray([1.0, 2.0], {"time": [0, 1]}, "time")
    >>> joined(observed, {"a": observed[1:]})[0].sizes["time"]
    1
    """
    _check_dims(observed, predicted)
    bare = [observed, *map(without_scalars, predicted.values())]
    first, *rest = xr.align(*bare, join="inner")
    if not first.size:
        other = {name: dict(a.sizes) for name, a in predicted.items()}
        msg = (
            f"Observed {dict(observed.sizes)} and predicted {other} have no label in common; pass "
            "the data of the period and the cells that were predicted."
        )
        raise NotEnoughDataError(msg)
    same = {n: a.transpose(*first.dims) for n, a in zip(predicted, rest, strict=True)}
    return first, same


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
    """Return the mean of each class of cells, lazily.

    Parameters
    ----------
    array : DataArray
        Values on cells.
    zones : DataArray
        Number of the class of each cell, from 0; NaN where there is none.
    names : sequence of str
        Of the classes.

    Returns
    -------
    DataArray
        (..., region); missing values are left out, and cells of latitudes in degrees weighted by
        their area, the cosine of latitude.

    Examples
    --------
    >>> field = xr.DataArray([1.0, 3.0, 5.0], dims="x")
    >>> region_means(field, xr.DataArray([0.0, 0.0, 1.0], dims="x"), ["a", "b"]).values
    array([2., 5.])
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
