"""Soil layers at other depths, by depth weighting."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import xarray as xr

from xsm.data.dimensions import check_same_names
from xsm.data.doubt import doubt
from xsm.data.joins import assigned
from xsm.data.naming import ROLES, Variable, roles_of
from xsm.data.provenance import recorded
from xsm.data.reading import Reading, read
from xsm.data.refused import check_names, check_numbers
from xsm.exceptions import GridError, MissingVariableError, warn_outside
from xsm.hydrology.soil.layering import (
    aligned,
    depth_coordinate,
    depth_coordinates,
    describe_layers,
)
from xsm.hydrology.soil.remapping import (
    Mean,
    Plan,
    interval_weights,
    point_weights,
    remap,
    sensor_weights,
)

__all__ = ["to_depths"]


Depths: TypeAlias = Sequence[float] | Sequence[tuple[float, float]]

_MEANS: dict[str, Mean] = {"k_sat": "harmonic", "vg_alpha": "geometric", "vg_n": "geometric"}
"""Flow through layers in series sees the harmonic mean; shapes have no mean but a usual one."""
_EDGES = re.compile(
    "top|bottom|depth", re.IGNORECASE
)  # names of variables that say where layers lie


def to_depths(
    ds: xr.Dataset, depths: Depths, *, variables: Mapping[str, str] | None = None
) -> xr.Dataset:
    """Return soil layers at other depths, by depth weighting that conserves water, lazily.

    Parameters
    ----------
    ds : xarray.Dataset
        Variables of soil layers (soil moisture, soil temperature, texture, hydraulic parameters)
        under any names that ``ds.physm.variables()`` finds: one variable with a dimension of
        depth, or one for each layer, such as ``swvl1`` to ``swvl4`` of ERA5-Land. Layers in any
        order. The bounds of layers come from the data, the product, or ``layer_edges_m``.
    depths : sequence of (float, float), or of float
        Intervals (top, bottom) or points in m, positive down.
    variables : mapping of str to str, optional
        Role to variable name, where a variable is not found or another one is wanted.

    Returns
    -------
    xarray.Dataset
        Each layered role under its role's name, in its canonical unit (soil moisture: m3 m-3),
        along ``depth`` (m, positive down, in the order given, with bounds ``depth_bnds`` for
        intervals), in the place of the old dimension, else after a leading time. Variables
        that are no layers stay. NaN where a layer that counts is NaN, and where the known layers
        cover an interval not or only partly: what is unknown is not filled. Lazy where the
        input is, one task for each block; quantified where the input is.

    Raises
    ------
    GridError
        If ``depths`` are no depths, bounds of layers are not known, coordinates differ, or
        the layers cover none of ``depths``.
    MissingVariableError
        If the data hold no layers.
    UnitsError
        If layers have no usable units.

    Warns
    -----
    UserWarning
        If variables along the old dimension of depth are left out, since they have no role, so
        that it is not known what they are, or are fluxes and ``depths`` are points.

    Notes
    -----
    A layer has one value from its top to its bottom. An interval j gets, of layers i of known
    bounds, ::

        x_j = sum_i x_i |i and j| / |j|

    so that water, ``sum_j theta_j |j|``, is that of the layers over the same depth; of fluxes out
    of layers (``root_water_uptake``) the sum, ``x_j = sum_i x_i |i and j| / |i|``. A point gets the
    value of its layer, and the mean of two layers that meet there. Of sensors, of which only the
    depth is known, a point gets what lies linearly between two of them, and an interval the layers
    that reach halfway to their neighbours. This is the arithmetic mean;
    ``k_sat`` gets the harmonic mean (saturated layers in series), ``vg_alpha`` and ``vg_n`` the
    geometric one, which is a convention: parameters of a mixed interval are better derived from
    its mean texture, ``soil_parameters(to_depths(ds, ...))``. The arithmetic is double precision;
    results have the precision of the data.

    Examples
    --------
    >>> wet = {"units": "m3 m-3"}
    >>> fields = {"swvl1": ("x", [0.1], wet), "swvl2": ("x", [0.3], wet)}
    >>> found = to_depths(xr.Dataset(fields), [(0.0, 0.14), (0.14, 0.28)])
    >>> found["soil_moisture"].values.ravel(), found["depth"].values
    (array([0.2, 0.3]), array([0.07, 0.21]))
    """
    points, targets = _checked(depths)
    reading = read(ds, variables)
    roles = _layered(reading)
    doubt(reading, [layer for layers in roles.values() for layer in layers])
    if points:  # the water that a layer loses is no property of a point
        roles = {role: layers for role, layers in roles.items() if not ROLES[role].flux}
    weights = {
        role: _weights(role, layers, targets, points=points) for role, layers in roles.items()
    }
    _check_cover(roles, weights, depths)
    coords = {"depth": depth_coordinate(targets)} if points else depth_coordinates(targets)
    found = {role: _remapped(reading.ds, role, roles[role], weights[role]) for role in roles}
    result = assigned(_rest(reading.ds, roles), found).assign_coords(coords)
    title = "Soil layers at other depths"
    return reading.given_back(recorded(result, "to_depths", of=ds, title=title))


def _checked(depths: Depths) -> tuple[bool, Any]:
    """Return whether depths are points, and depths as floats; refuse what is no depth."""
    try:
        pairs = [np.ravel(np.asarray(item, dtype=float)) for item in depths]
    except (TypeError, ValueError):
        pairs = []
    sizes = {pair.size for pair in pairs}
    right = sizes in ({1}, {2}) and all(
        math.isfinite(pair.sum()) and pair[0] >= 0 and (pair.size == 1 or pair[1] > pair[0])
        for pair in pairs
    )
    if not right:
        msg = (
            f"depths={depths!r} was given; intervals (top, bottom) or points in m, positive down, "
            "are needed, not both. Type for example [(0.0, 0.1), (0.1, 0.4)] or [0.05, 0.2]."
        )
        raise GridError(msg)
    if sizes == {1}:
        return True, [float(pair[0]) for pair in pairs]
    return False, [(float(top), float(bottom)) for top, bottom in pairs]


def _layered(reading: Reading) -> dict[str, tuple[Variable, ...]]:
    """Return the roles whose variables are layers; refuse unknown bounds."""
    _check_usable(reading)
    names = [name for name in reading.table.roles if ROLES[name].layered]
    found = {name: reading.layers(name) for name in names}
    roles = _shared({name: layers for name, layers in found.items() if _are_layers(layers)})
    if not roles:
        there = ", ".join(map(str, reading.ds.data_vars)) or "nothing"
        msg = (
            "The data hold no soil layers of known bounds: neither a variable with a dimension of "
            f"depth nor one for each layer, among {there}."
            ' Type ds["<its name>"].attrs["layer_edges_m"] = [0.0, 0.1], or pass '
            'variables={"soil_moisture": "<its name>"}.'
        )
        raise MissingVariableError(msg)
    unknown = [layers[0] for layers in roles.values() if any(v.depth is None for v in layers)]
    if unknown:
        lines = ", ".join(f"{v.name!r} along {v.dim!r}" for v in unknown)
        msg = (
            f"The bounds of layers are not known: {lines}. State them in m from the surface down, "
            f'one number more than layers: ds["{unknown[0].name}"].attrs["layer_edges_m"] = '
            f'[0.0, 0.1, 0.4]; or leave the variable out: ds.drop_vars("{unknown[0].name}").'
        )
        raise GridError(msg)
    return roles


def _check_usable(reading: Reading) -> None:
    """Refuse states of the soil that were found but cannot be used: they would stay as they are."""
    moving = {name for name, role in ROLES.items() if role.layered and not role.static}
    faulty = [
        name
        for name, role in roles_of(reading.ds).items()
        if name in reading.table.faults
        and role.name in moving
        and not _beside(reading, name, role.name)
    ]
    reading.require(*(moving & set(reading.table.problems)), *faulty)


def _beside(reading: Reading, name: str, role: str) -> bool:
    """Tell whether a variable is none of the layers of its role, as the water of a whole column."""
    dim = reading.table[role].dim if role in reading else None
    return dim is not None and dim not in reading.ds[name].dims


def _shared(roles: Mapping[str, tuple[Variable, ...]]) -> dict[str, tuple[Variable, ...]]:
    """Return the layers of roles; those of unknown bounds take the ones known along their dim."""
    known = {(v.dim, v.index): v.depth for layers in roles.values() for v in layers if v.depth}
    return {
        role: tuple(
            replace(v, depth=v.depth or (known.get((v.dim, v.index)) if v.dim else None))
            for v in layers
        )
        for role, layers in roles.items()
    }


def _are_layers(layers: Sequence[Variable]) -> bool:
    """Tell whether a role has a dimension of layers, or variables of known bounds."""
    return any(v.dim is not None or v.depth is not None for v in layers)


def _bounds(layers: Sequence[Variable]) -> list[tuple[float, float]]:
    """Return the bounds of layers, which are known."""
    return [v.depth for v in layers if v.depth is not None]


def _weights(
    role: str, layers: Sequence[Variable], targets: Any, *, points: bool
) -> np.ndarray[Any, Any]:
    """Return the share of layers in targets; a flux out of layers is shared, not averaged."""
    bounds = _bounds(layers)
    if points:
        at = [v.at for v in layers if v.at is not None]
        alone = len(at) == len(layers)
        return sensor_weights(at, bounds, targets) if alone else point_weights(bounds, targets)
    found = interval_weights(bounds, targets)
    if not ROLES[role].flux:
        return found
    sizes = (np.diff(np.array(x, dtype=float)).ravel() for x in (targets, bounds))
    return found * np.divide.outer(*sizes)


def _check_cover(
    roles: Mapping[str, tuple[Variable, ...]],
    weights: Mapping[str, np.ndarray[Any, Any]],
    depths: Depths,
) -> None:
    """Refuse depths that no layers cover: they are most likely not in m."""
    if any(array.any() for array in weights.values()):
        return
    shown = "; ".join(f"{role}: {describe_layers(layers)}" for role, layers in roles.items())
    msg = (
        f"depths={depths!r} was given, in m, of which the layers cover none: {shown}. Depths "
        "within the layers are needed, in m and positive down."
    )
    raise GridError(msg)


def _remapped(
    ds: xr.Dataset, role: str, layers: Sequence[Variable], weights: np.ndarray[Any, Any]
) -> xr.DataArray:
    """Return a role at other depths."""
    first = layers[0]
    if first.dim is not None:
        arrays = [ds[first.name]]
        weights, factors, offsets = _spread(layers, weights, ds.sizes[first.dim])
    else:
        check_same_names({str(v.name): ds[v.name] for v in layers}, str(first.name))
        arrays = aligned([ds[v.name] for v in layers])
        factors = [v.conversion.factor for v in layers]
        offsets = [v.conversion.offset for v in layers]
    for array in arrays:
        check_numbers(array, array.name)
        check_names(array, [role])
    like = arrays[0]
    layer_axis = None if first.dim is None else like.dims.index(first.dim)
    axis = _place(like) if layer_axis is None else layer_axis
    plan = Plan(
        weights=tuple(tuple(row) for row in weights.tolist()),
        factors=tuple(factors),
        offsets=tuple(offsets),
        mean=_MEANS.get(role, "arithmetic"),
        dtype=_precision([array.dtype for array in arrays]),
    )
    data = remap(plan, [array.data for array in arrays], axis, layer_axis)
    dims = [dim for dim in like.dims if dim != first.dim]
    dims.insert(axis, "depth")
    kept = {n: c for n, c in like.coords.items() if n != "depth" and first.dim not in c.dims}
    return xr.DataArray(data, kept, dims, role, _attrs(role, layers, plan.mean))


def _spread(
    layers: Sequence[Variable], weights: np.ndarray[Any, Any], size: int
) -> tuple[np.ndarray[Any, Any], list[float], list[float]]:
    """Return weights and conversions in the order of the dimension; unused layers weigh nothing."""
    spread = np.zeros((len(weights), size))
    factors, offsets = [1.0] * size, [0.0] * size
    for column, layer in zip(weights.T, layers, strict=True):
        index = layer.index or 0
        spread[:, index] = column
        factors[index], offsets[index] = layer.conversion.factor, layer.conversion.offset
    return spread, factors, offsets


def _place(array: xr.DataArray) -> int:
    """Return where the dimension of depth goes: after a leading time, else first."""
    dims = array.dims
    leading = bool(dims) and (
        dims[0] == "time" or (dims[0] in array.coords and array[dims[0]].dtype.kind == "M")
    )
    return int(leading)


def _precision(dtypes: Sequence[np.dtype[Any]]) -> str:
    """Return the precision of the data; that of whole numbers is double."""
    found = np.result_type(*dtypes)
    return str(found) if found in (np.float32, np.float64) else "float64"


def _attrs(role: str, layers: Sequence[Variable], mean: Mean) -> dict[str, Any]:
    """Return the attributes of CF of a role, and where it comes from."""
    described = ROLES[role]
    named = {"standard_name": described.output} if described.output else {}
    names = ", ".join(dict.fromkeys(str(v.name) for v in layers))
    return {
        **named,
        "long_name": described.long_name,
        "units": described.units,
        "cell_methods": _cell_methods(role, mean),
        "comment": f"{names}: {describe_layers(layers)}",
    }


def _cell_methods(role: str, mean: Mean) -> str:
    """Return how layers became one."""
    if ROLES[role].flux:
        return "depth: sum"
    return f"depth: mean ({mean})" if mean != "arithmetic" else "depth: mean"


def _rest(ds: xr.Dataset, roles: Mapping[str, tuple[Variable, ...]]) -> xr.Dataset:
    """Return what is no layer; warn of what lies along old layers and has no role."""
    used = {str(v.name) for layers in roles.values() for v in layers}
    along = {v.dim for layers in roles.values() for v in layers if v.dim is not None}
    along |= {"depth"} & set(ds.dims)
    bounds = {str(v.attrs.get("bounds", v.encoding.get("bounds"))) for v in ds.variables.values()}
    unknown = sorted(
        str(name)
        for name, array in ds.data_vars.items()
        if along & set(array.dims)
        and name not in used | bounds
        and not (array.ndim == 1 and _EDGES.search(str(name)))
    )
    if unknown:
        warn_outside(
            f"{unknown} are left out: they lie along {sorted(map(str, along))}, but have no role, "
            "so that it is not known how their layers add up, or are fluxes, which no point has."
        )
    taken = [name for name in (*roles, "depth", "depth_bnds") if name in ds.variables]
    return ds.drop_dims(along).drop_vars([*used, *taken], errors="ignore")
