"""All layers of a role in one array, and the coordinate of depth that says where they lie."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
import xarray as xr

from xsm.data.joins import same_labels
from xsm.data.naming import Variable, VariableTable
from xsm.data.reading import Reading
from xsm.exceptions import GridError

__all__ = [
    "aligned",
    "carried_bounds",
    "depth_coordinate",
    "depth_coordinates",
    "describe_layers",
    "role_array",
    "same_layers",
    "scalar_depth",
]


DEPTH = "depth"


def role_array(reading: Reading, role: str) -> xr.DataArray:
    """Return a role in its canonical unit with all of its layers; nothing is computed.

    One map: as it is. One variable with a dimension of layers: with that dimension and its
    coordinate, and edges as attribute ``layer_edges_m`` where they are known and the coordinate has
    no bounds. One variable for each layer: along a new first dimension ``depth`` (midpoints, m).
    """
    ds, layers = reading.ds, reading.layers(role)
    first = layers[0]
    if first.dim is not None:
        array = first.conversion(ds[first.name])
        edges = _edges(layers)
        if edges and not _bounds_name(ds, first.dim):
            array = array.assign_attrs(layer_edges_m=edges)
        return array.rename(role)
    arrays = [reading.array(layer).rename(role) for layer in layers]
    if len(arrays) == 1:
        return arrays[0]
    stacked = xr.concat(
        aligned(arrays), DEPTH, coords="minimal", compat="override", join="override"
    )
    bounds = [layer.depth for layer in layers if layer.depth]
    if len(bounds) < len(layers):
        return stacked
    midpoints = depth_coordinate([(top + bottom) / 2 for top, bottom in bounds])
    return stacked.drop_vars(DEPTH, errors="ignore").assign_coords({DEPTH: midpoints})


def aligned(arrays: Sequence[xr.DataArray]) -> list[xr.DataArray]:
    """Return arrays on the same coordinates and dimensions, in the order of the first.

    Nothing is computed. Other coordinates are refused.
    """
    try:
        exact = same_labels(arrays)
    except ValueError as error:
        names = list(dict.fromkeys(str(array.name) for array in arrays))
        msg = (
            f"The variables of {names} lie on different coordinates: {error}. Bring them to the "
            "same ones first, for example by ds.interp_like(other)."
        )
        raise GridError(msg) from error
    return list(xr.broadcast(*exact))


def depth_coordinates(bounds: Sequence[tuple[float, float]]) -> dict[str, xr.Variable]:
    """Return ``depth`` (midpoints, m) and ``depth_bnds`` (depth, bnds) of layers, by CF.

    ``bounds`` are top and bottom of each in m, positive down.
    """
    values = np.array(bounds, dtype=float)
    coordinate = depth_coordinate(values.mean(axis=1).tolist())
    coordinate.attrs["bounds"] = "depth_bnds"
    return {DEPTH: coordinate, "depth_bnds": xr.Variable((DEPTH, "bnds"), values)}


def scalar_depth(layer: tuple[float, float]) -> dict[str, xr.Variable]:
    """Return ``depth`` (midpoint, m) and ``depth_bnds`` (bnds) of one layer, by CF."""
    return {name: v.isel({DEPTH: 0}) for name, v in depth_coordinates([layer]).items()}


def depth_coordinate(depths: Sequence[float]) -> xr.Variable:
    """Return the coordinate along ``depth`` of points in m, positive down, by CF."""
    return xr.Variable(DEPTH, np.round(np.array(depths, dtype=float), 9), _ATTRS)


def carried_bounds(reading: Reading, roles: Iterable[str]) -> dict[str, xr.Variable]:
    """Return the coordinates that say where the layers of roles lie, for a result that has them.

    The bounds that a coordinate of depth of the data names; for one variable a layer, the new
    coordinate and its bounds; nothing where there are no layers.
    """
    found: dict[str, xr.Variable] = {}
    for layers in map(reading.layers, roles):
        dim, bounds = layers[0].dim, [v.depth for v in layers if v.depth]
        if dim is not None and (name := _bounds_name(reading.ds, dim)):
            found[name] = reading.ds.variables[name]
        elif dim is None and len(bounds) == len(layers) > 1:
            found |= depth_coordinates(bounds)
    return found


def same_layers(table: VariableTable, roles: Iterable[str]) -> None:
    """Refuse roles whose layers are not the same; maps without layers fit all."""
    found = {role: table.layers(role) for role in roles}
    layered = {role: layers for role, layers in found.items() if _is_layered(layers)}
    kinds = {tuple((v.dim, v.index, v.depth) for v in layers) for layers in layered.values()}
    if len(kinds) > 1:
        shown = "; ".join(f"{role}: {describe_layers(v)}" for role, v in layered.items())
        msg = (
            f"The layers of the soil differ: {shown}. The same ones are needed; remap them first, "
            "for example xsm.to_depths(ds, [(0.0, 0.1), (0.1, 0.3)])."
        )
        raise GridError(msg)


def describe_layers(layers: Sequence[Variable]) -> str:
    """Return dimension and depths of the layers of a role as one line of text."""
    along = f" along {layers[0].dim!r}" if layers[0].dim else ""
    if any(v.depth is None for v in layers):
        return f"{len(layers)} of unknown depth{along}"
    return ", ".join("{:g}-{:g}".format(*v.depth) for v in layers if v.depth) + f" m{along}"


_ATTRS = {
    "standard_name": "depth",
    "long_name": "depth below the surface",
    "units": "m",
    "positive": "down",
    "axis": "Z",
}


def _is_layered(layers: Sequence[Variable]) -> bool:
    """Tell whether a role is more than one map that holds for all depths."""
    return len(layers) > 1 or layers[0].dim is not None or layers[0].depth is not None


def _edges(layers: Sequence[Variable]) -> list[float] | None:
    """Return the edges of layers from the surface down, where they follow each other in the data.

    The attribute ``layer_edges_m`` can say nothing else.
    """
    bounds = [v.depth for v in layers if v.depth]
    in_order = [v.index for v in layers] == list(range(len(layers)))
    joined = all(a[1] == b[0] for a, b in itertools.pairwise(bounds))
    if len(bounds) < len(layers) or not in_order or not joined:
        return None
    return [bounds[0][0], *(bottom for _, bottom in bounds)]


def _bounds_name(ds: xr.Dataset, dim: str) -> str:
    """Return the name of the bounds of a dimension's coordinate, or nothing."""
    if dim not in ds.coords:
        return ""
    name = str(ds[dim].attrs.get("bounds", ds[dim].encoding.get("bounds", "")))
    return name if name in ds.variables else ""
