"""Datasets as groups of plain arrays and back: coordinates, stacked cells, attributes, text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from xsm.artefact.values import plain, restore
from xsm.exceptions import ArtefactError
from xsm.typing import Array

__all__ = ["Group", "dataset_of", "group_of", "own_dims"]


@dataclass(frozen=True)
class Group:
    """Arrays with names, and attributes as JSON.

    Arrays are in memory: little-endian numbers, times or text of fixed width; attributes as JSON.
    """

    arrays: Mapping[str, xr.Variable]
    attrs: Mapping[str, Any] = field(default_factory=dict)


def group_of(ds: xr.Dataset, where: str) -> Group:
    """Return a data set as arrays that can be stored; lazy ones are computed.

    Of stacked coordinates (a MultiIndex) each level becomes an array along the stacked dimension.
    :func:`dataset_of` gives the data set back. An ArtefactError if a variable holds objects other
    than text.
    """
    stacked, described = {}, {}
    for dim, index in ds.xindexes.items():
        if isinstance(index, xr.indexes.PandasMultiIndex) and dim in ds.dims:
            stacked[str(dim)] = [str(level) for level in index.index.names]
            described[str(dim)] = _attrs(ds[dim].variable, f"{where}/{dim}")
    ds = ds.reset_index(list(stacked)).drop_vars(list(stacked), errors="ignore").compute()
    names = [str(name) for name in ds.coords]
    attrs = {
        "xsm_coordinates": names,
        "xsm_stacked": stacked,
        "xsm_stacked_attributes": described,
        "xsm_attributes": plain(dict(ds.attrs), f"attributes of {where}"),
        "coordinates": " ".join(name for name in names if name not in ds.dims),
    }
    arrays: dict[Any, xr.Variable] = {
        name: _storable(variable, f"{where}/{name}") for name, variable in ds.variables.items()
    }
    return Group(arrays, attrs)


def _attrs(variable: xr.Variable, where: str) -> dict[str, Any]:
    """Return the attributes of a variable as JSON."""
    return {str(k): plain(v, f"{where}.attrs[{k!r}]") for k, v in variable.attrs.items()}


def _storable(variable: xr.Variable, where: str) -> xr.Variable:
    """Return a variable with plain values in the order of bytes that is stored."""
    values = np.asarray(variable.values)
    values = values.astype(object) if values.dtype.kind == "T" else values  # text, as objects
    if values.dtype.kind == "O":
        values = _texts(values, where)
    if values.dtype.kind == "U":
        values = values.astype(f"<U{max(values.dtype.itemsize // 4, 1)}")
    values = values.astype(values.dtype.newbyteorder("<"), copy=False)
    dims = [str(d) for d in variable.dims]
    return xr.Variable(
        dims, np.ascontiguousarray(values).reshape(values.shape), _attrs(variable, where)
    )


def own_dims(name: str, array: Array, attrs: Mapping[str, Any] | None = None) -> xr.Variable:
    """Return a little-endian array on dimensions of its own."""
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return xr.Variable([f"{name}_{i}" for i in range(array.ndim)], array, attrs)


def _texts(values: Array, where: str) -> Array:
    """Return objects that are all text as text of fixed width."""
    other = next((v for v in values.flat if not isinstance(v, str)), None)
    if other is not None:
        msg = (
            f"{where} holds objects such as {other!r} ({type(other).__name__}), which only a "
            "pickle could store. Leave it out, then save: dataclasses.replace(fitted, "
            f"{where.partition('/')[0]}=ds) with ds without it (ds.drop_vars(...))."
        )
        raise ArtefactError(msg)
    return values.astype(np.str_)


def dataset_of(group: Group) -> xr.Dataset:
    """Return the data set that :func:`group_of` stored, equal to it; text has a fixed width.

    An ArtefactError if an attribute cannot be read, a ValueError or KeyError if the arrays do not
    fit.
    """
    attrs = restore(group.attrs["xsm_attributes"])
    arrays = {
        name: xr.Variable(v.dims, v.data, {k: restore(a) for k, a in v.attrs.items()})
        for name, v in group.arrays.items()
    }
    names = group.attrs["xsm_coordinates"]
    stacked = group.attrs["xsm_stacked"]
    levels = {level for found in stacked.values() for level in found}
    kept = {name: array for name, array in arrays.items() if name not in levels}
    ds = xr.Dataset(kept, attrs=attrs).set_coords([name for name in names if name in kept])
    for dim, own in stacked.items():
        ds = ds.assign_coords({level: arrays[level] for level in own}).set_index({dim: own})
        described = group.attrs["xsm_stacked_attributes"][dim]
        ds[dim].attrs = {k: restore(v) for k, v in described.items()}
    return ds
