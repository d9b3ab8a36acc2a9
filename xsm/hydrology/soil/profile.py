"""A role with layers as one array from the top down, and the geometry of its layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import xarray as xr

from xsm.data.grid import time_dim
from xsm.data.naming import ROLES, Variable
from xsm.data.naming.layers import dim_depths
from xsm.data.reading import Reading
from xsm.data.refused import check_names
from xsm.data.units import conversion
from xsm.exceptions import GridError, MissingVariableError, UnitsError, did_you_mean
from xsm.hydrology.soil.layering import aligned, carried_bounds, depth_coordinate, describe_layers

__all__ = ["FACE_DIM", "Profile", "face_coordinate", "read_profile"]


FACE_DIM = "depth_interface"
"""Dimension of the faces between layers."""

_TOUCH = 1e-4  # m; layers whose edges are that near touch


@dataclass(frozen=True)
class Profile:
    """Layers of soil from the top down.

    ``array`` in canonical units with a dimension ``dim`` of layers; ``edges`` and ``centres`` in m,
    positive down (where points were measured, these); ``order``, the position of each layer in the
    data; ``coords``, bounds as the data hold them, for results in their order.
    """

    array: xr.DataArray
    dim: str
    edges: tuple[float, ...]
    centres: tuple[float, ...]
    order: tuple[int, ...]
    coords: dict[str, xr.Variable]

    @property
    def thickness(self) -> tuple[float, ...]:
        """Thickness of the layers, m."""
        return tuple(float(size) for size in np.round(np.diff(self.edges), 9))

    def in_order_of_data(self, array: xr.DataArray) -> xr.DataArray:
        """Return layers from the top down in the order in which the data hold them."""
        back = np.argsort(self.order)
        return array if (np.diff(back) == 1).all() else array.isel({self.dim: back})


def read_profile(
    reading: Reading, role: str = "soil_moisture", *, source: xr.Dataset | None = None
) -> Profile:
    """Return the layers of a role, along a dimension or each in a variable, as one array, lazily.

    ``source`` holds the values in place of the data: a prediction, of the same names and depths,
    with units. A dimension of depth keeps its name and coordinate; of several variables it is
    ``depth`` (m). Where the depths of the values are known, but no bounds of layers fit, each value
    stands for the ground half way to its neighbours. Gaps between layers and unknown depths are
    refused.
    """
    reading.require(role)
    ds, layers = reading.ds, reading.layers(role)
    edges, centres = _geometry(ds, layers)
    if source is not None:
        source = _on_depths_of(ds, source, layers[0])
        layers = tuple(_in_source(ds, source, v) for v in layers)
    array, dim = _stacked(ds if source is None else source, layers)
    check_names(array)
    order = tuple(i if v.index is None else v.index for i, v in enumerate(layers))
    coords = carried_bounds(reading, [role])
    if dim not in array.coords:
        array = array.assign_coords({dim: (dim, list(centres), depth_coordinate(centres).attrs)})
    return Profile(array.rename(role), dim, edges, centres, order, coords)


def face_coordinate(edges: Sequence[float]) -> xr.Variable:
    """Return the coordinate of the faces of layers (depths in m, positive down), by CF."""
    attrs = {"long_name": "depth of the faces of the layers", "axis": "Z"}
    attrs |= {"standard_name": "depth", "units": "m", "positive": "down"}
    return xr.Variable(FACE_DIM, np.asarray(edges, np.float64), attrs)


def _in_source(ds: xr.Dataset, source: xr.Dataset, variable: Variable) -> Variable:
    """Return a layer as a prediction holds it: other units convert, other depths are refused."""
    name, dim = str(variable.name), variable.dim
    if name not in source:
        hint = did_you_mean(name, map(str, source.data_vars))
        msg = f"The prediction holds no variable {name!r}. {hint} Rename it; all layers are needed."
        raise MissingVariableError(msg)
    units = source[name].attrs.get("units")
    if units is None:
        msg = (
            f"The prediction {name!r} has no units; the observations are in {variable.units!r}. "
            f'Set predicted["{name}"].attrs["units"].'
        )
        raise UnitsError(msg)
    if dim is not None:
        _same_depths(ds, source[name], dim)
    if units == variable.units:
        return variable
    thickness = variable.depth[1] - variable.depth[0] if variable.depth else None
    change = conversion(str(units), ROLES[variable.role].units, water=True, thickness=thickness)
    return replace(variable, units=str(units), conversion=change)


def _on_depths_of(ds: xr.Dataset, source: xr.Dataset, first: Variable) -> xr.Dataset:
    """Return a prediction on the depths of the data, where both are the same in m."""
    dim = first.dim
    if dim is None or dim not in ds.coords or dim not in source.coords:
        return source
    one, other = (dim_depths(part, dim) for part in (ds, source))
    if one is None or other is None or one.shape != other.shape:
        return source
    near = bool(np.allclose(one, other, rtol=0, atol=_TOUCH))
    return source.assign_coords({dim: ds[dim].variable}) if near else source


def _same_depths(ds: xr.Dataset, predicted: xr.DataArray, dim: str) -> None:
    """Refuse a prediction of other layers."""
    shown = [
        array[dim].values.tolist() if dim in array.coords else array.sizes.get(dim)
        for array in (predicted, ds)
    ]
    known = dim in ds.coords and dim in predicted.coords
    if (shown[0] == shown[1]) if known else (predicted.sizes.get(dim) == ds.sizes[dim]):
        return
    msg = (
        f"The prediction {predicted.name!r} has layers {dim}={shown[0]}, the data {dim}={shown[1]}."
        f" Give both the same: {_typed(ds, predicted, dim)}."
    )
    raise GridError(msg)


def _typed(ds: xr.Dataset, predicted: xr.DataArray, dim: str) -> str:
    """Return what selects the layers that data and prediction have in common."""
    known = dim in ds.coords and dim in predicted.coords
    depths = [dim_depths(a, dim) for a in (ds, predicted.to_dataset(name="x"))] if known else []
    own, given = depths if known else (None, None)
    if own is None or given is None:
        return f"the same values of {dim!r}, with units of length"
    near = abs(own[:, None] - given) < _TOUCH
    for name, array, hit in (("ds", ds, near), ("predicted", predicted, near.T)):
        if hit.any(axis=0).all():
            labels = array[dim].values[hit.any(axis=1)].tolist()
            return f"{name} = {name}.sel({dim}={labels})"
    return f"bring the data to depths of the prediction, xsm.to_depths(ds, {given.tolist()})"


def _stacked(ds: xr.Dataset, layers: Sequence[Variable]) -> tuple[xr.DataArray, str]:
    """Return the layers in canonical units as one array, and the dimension of layers."""
    first = layers[0]
    if first.dim is None:
        return _joined([v.conversion(ds[v.name]).drop_attrs(deep=False) for v in layers])
    array = ds[first.name]
    order = [v.index for v in layers]
    if order != list(range(array.sizes[first.dim])):
        array = array.isel({first.dim: order})
    changes = [v.conversion for v in layers]
    if len(set(changes)) == 1:
        return first.conversion(array).drop_attrs(deep=False), first.dim
    factor = xr.DataArray([c.factor for c in changes], dims=first.dim)
    dtype = array.dtype if array.dtype.kind == "f" else np.float64
    return (array * factor).astype(dtype).drop_attrs(deep=False), first.dim


def _joined(arrays: Sequence[xr.DataArray]) -> tuple[xr.DataArray, str]:
    """Return one array for each layer as one, the dimension of layers after that of time."""
    odd = next((a for a in arrays if set(a.dims) != set(arrays[0].dims)), None)
    if odd is not None:
        msg = (
            f"The layers {arrays[0].name!r} and {odd.name!r} lie on {list(arrays[0].dims)} and on "
            f"{list(odd.dims)}; all layers need the same dimensions. Rename those of one, or name "
            "the target that you mean."
        )
        raise GridError(msg)
    bare = [array.drop_vars("depth", errors="ignore") for array in arrays]
    together = xr.concat(
        aligned(bare), "depth", coords="minimal", compat="override", join="override"
    )
    time = time_dim(together)
    at = bare[0].dims.index(time) + 1
    dims = [str(d) for d in bare[0].dims]
    return together.transpose(*dims[:at], "depth", *dims[at:]), "depth"


def _geometry(
    ds: xr.Dataset, layers: Sequence[Variable]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the faces and centres of layers in m, or say how to give them."""
    bounds = [v.depth for v in layers if v.depth is not None]
    sensors = len(layers) > 1 and all(v.at is not None for v in layers)
    if sensors or len(bounds) < len(layers):
        return _of_points(ds, layers)
    if any(abs(a[1] - b[0]) > _TOUCH for a, b in pairwise(bounds)):
        msg = (
            f"The layers of {layers[0].role} do not touch: {describe_layers(layers)}. Select "
            "layers without gaps between them."
        )
        raise GridError(msg)
    edges = (bounds[0][0], *(bottom for _, bottom in bounds))
    return edges, tuple(round(0.5 * (top + bottom), 9) for top, bottom in bounds)


def _of_points(
    ds: xr.Dataset, layers: Sequence[Variable]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return faces half way between values whose depths are known."""
    first = layers[0]
    alone = np.array([v.at for v in layers if v.at is not None])
    depths = alone if first.dim is None else dim_depths(ds, first.dim)
    if (
        depths is None
        or depths.size < len(layers)
        or len(layers) < 2
        or (np.diff(np.sort(depths)) <= 0).any()
    ):
        edges = ", ".join(f"{0.1 * i:.1f}" for i in range(min(len(layers), 2) + 1))
        coordinate = f', or the depths their units: ds["{first.dim}"].attrs["units"] = "cm"'
        msg = (
            f"The depths of the layers of {first.role}, {first.name!r}, are not known. Give "
            f'{len(layers) + 1} edges in m, ds["{first.name}"].attrs["layer_edges_m"] = '
            f"[{edges}{', ...' if len(layers) > 2 else ''}]"
            f"{coordinate if first.dim in ds.coords else ''}."
        )
        raise GridError(msg)
    at = np.sort(depths)
    inner = 0.5 * (at[1:] + at[:-1])
    faces = [max(2 * at[0] - inner[0], 0.0), *inner, 2 * at[-1] - inner[-1]]
    return tuple(float(x) for x in np.round(faces, 9)), tuple(float(x) for x in at)
