"""Targets of several layers, and the soil that they lie in."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import xarray as xr

from xsm.exceptions import GridError, MissingVariableError
from xsm.naming import Variable, VariableTable, find_variables
from xsm.soil.layering import DEPTH, aligned, depth_coordinate, describe_layers
from xsm.targets import observed_target, predicted_target
from xsm.typing import FloatArray

__all__ = [
    "DEPTH",
    "SOIL",
    "layer_depths",
    "layered_array",
    "layered_pair",
    "profile_series",
    "root_shares",
    "soil_maps",
]

SOIL = ("theta_r", "theta_s", "vg_alpha", "vg_n", "k_sat")
_ROOTS = 0.961  # beta of Jackson et al. (1996): the share above a depth of d cm is 1 - beta^d


def layer_depths(table: VariableTable, target: str) -> tuple[tuple[float, float], ...]:
    """Return top and bottom of the layers of a target.

    Parameters
    ----------
    table : VariableTable
        Which variable is what.
    target : str
        Role, or name of a variable.

    Returns
    -------
    tuple of (float, float)
        m, positive down, from the top down; empty where the target has one layer.

    Raises
    ------
    GridError
        If the depth of a layer is not known.

    Examples
    --------
    >>> import xsm
    >>> layer_depths(xsm.variables(xsm.open_tutorial("land")), "soil_moisture")[:2]
    ((0.0, 0.07), (0.07, 0.28))
    """
    layers = table.layers(target)
    if len(layers) < 2:
        return ()
    found = [layer.depth for layer in layers if layer.depth is not None]
    if len(found) < len(layers):
        name = layers[0].name
        msg = (
            f"The depths of {target!r} are not known: {describe_layers(layers)}. State them: "
            f'ds[{name!r}].attrs["layer_edges_m"] = [0.0, 0.1, ...], one number more than layers, '
            "or give the coordinate of depth units of length."
        )
        raise GridError(msg)
    return tuple(found)


def layered_array(ds: xr.Dataset, layers: Sequence[Variable], table: VariableTable) -> xr.DataArray:
    """Return the layers of a target in one array, canonical, lazily.

    Parameters
    ----------
    ds : xarray.Dataset
        Plain data.
    layers : sequence of Variable
        The layers, from the top down, of known depth.
    table : VariableTable
        Which variable is what.

    Returns
    -------
    DataArray
        Dimensions of the data, and ``depth`` last, from the top down (midpoints, m).

    Examples
    --------
    >>> import xsm
    >>> ds = xsm.open_tutorial("land").isel(time=slice(0, 2))
    >>> table = xsm.variables(ds)
    >>> layered_array(ds, table.layers("soil_moisture"), table).dims
    ('time', 'latitude', 'longitude', 'depth')
    """
    first = layers[0]
    if first.dim is not None:
        array = first.conversion(ds[first.name])
    else:
        parts = [table.array(ds, layer).drop_attrs() for layer in layers]
        array = _stacked(parts)
    return _arranged(array, layers)


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
        With ``depth`` last (midpoints, m), where the prediction holds all layers of the target;
        else of its top layer.
    predicted : DataArray
        The same.

    Raises
    ------
    MissingVariableError, UnitsError
        If target or prediction are missing, or without units.

    Examples
    --------
    >>> import xsm
    >>> ds = xsm.open_tutorial("land").isel(time=slice(0, 2))
    >>> [array.dims[-1] for array in layered_pair(ds, ds, "soil_moisture", None)]
    ['depth', 'depth']
    """
    table = find_variables(ds, variables)
    layers = table.layers(target)
    one = len(layers) < 2
    if not one and layers[0].dim is not None:
        guess = predicted_target(ds, predicted, target, variables)
        one = layers[0].dim not in guess.dims
        if not one:
            return layered_array(ds, layers, table), _arranged(guess, layers)
    names = [str(layer.name) for layer in layers]
    if one or not isinstance(predicted, xr.Dataset) or not set(names) <= set(predicted):
        observed = observed_target(ds, target, variables)
        return observed, predicted_target(ds, predicted, target, variables)
    parts = [predicted_target(ds, predicted, name, variables) for name in names]
    return layered_array(ds, layers, table), _arranged(_stacked(parts), layers)


def _stacked(parts: Sequence[xr.DataArray]) -> xr.DataArray:
    """Return layers along depth, which have to lie on the same coordinates."""
    bare = [part.drop_vars(DEPTH, errors="ignore") for part in parts]
    return xr.concat(aligned(bare), DEPTH, coords="minimal", compat="override", join="override")


def _arranged(array: xr.DataArray, layers: Sequence[Variable]) -> xr.DataArray:
    """Return layers along ``depth``, last, from the top down, at the middles of the layers."""
    first = layers[0]
    middles = [sum(layer.depth) / 2 for layer in layers if layer.depth is not None]
    if first.dim is not None:
        array = array.drop_vars(first.dim, errors="ignore")
        array = array.isel({first.dim: [layer.index for layer in layers]})
        array = array.rename({first.dim: DEPTH}) if first.dim != DEPTH else array
    array = array.transpose(..., DEPTH).assign_coords({DEPTH: depth_coordinate(middles)})
    return array.drop_attrs().rename(first.role)


def soil_maps(
    ds: xr.Dataset,
    table: VariableTable,
    depths: Sequence[tuple[float, float]],
    roles: Collection[str],
) -> dict[str, xr.DataArray]:
    """Return hydraulic parameters for each layer of a target, lazily.

    Parameters
    ----------
    ds : xarray.Dataset
        Plain data.
    table : VariableTable
        Which variable is what.
    depths : sequence of (float, float)
        Layers of the target, m; empty where its depth does not matter.
    roles : collection of str
        Parameters that are wanted, of ``SOIL``; ``air_entry``, which is 0 where the data hold none;
        and ``root_share``, the share of the roots in each layer.

    Returns
    -------
    dict of str to DataArray
        Canonical units, (*space, depth). Parameters of several layers of their own give the one
        that holds the middle of the target's.

    Raises
    ------
    MissingVariableError, UnitsError
        If parameters are missing or unusable; the message says how to get them.
    GridError
        If no layer of a parameter holds a layer of the target.

    Examples
    --------
    >>> soil = {"theta_r": 0.05, "theta_s": 0.45}
    >>> ds = xr.Dataset({k: ("x", [v], {"units": "m3 m-3"}) for k, v in soil.items()})
    >>> from xsm.naming import find_variables
    >>> found = soil_maps(ds, find_variables(ds), [(0.0, 0.1), (0.1, 0.2)], ["theta_s"])
    >>> found["theta_s"].values
    array([[0.45, 0.45]])
    """
    wanted = [role for role in SOIL if role in roles]
    missing = [role for role in wanted if not table.layers(role)]
    if missing:
        msg = (
            f"The hydraulic parameters {missing} of the soil are missing, which bounded output and "
            "the Richards equation need. Take them from texture: "
            "ds = ds.merge(xsm.soil_parameters(ds)), or add them under these names with units."
        )
        raise MissingVariableError(msg)
    count = max(1, len(depths))
    found = {}
    for role in wanted:
        layers = _held(table.layers(role), role, depths)
        parts = [table.array(ds, layer).drop_vars(DEPTH, errors="ignore") for layer in layers]
        parts = [part.drop_attrs().rename(role) for part in parts] * (count // len(parts))
        found[role] = _stacked(parts).transpose(..., DEPTH)
    if "air_entry" in roles:
        none = xr.DataArray(np.zeros(count), dims=DEPTH)
        known = table.layers("air_entry")
        found["air_entry"] = none + table.array(ds, known[0]).drop_attrs() if known else none
    if "root_share" in roles and depths:
        found["root_share"] = xr.DataArray(root_shares(depths), dims=DEPTH)
    return found


def _held(
    layers: Sequence[Variable], role: str, depths: Sequence[tuple[float, float]]
) -> list[Variable]:
    """Return the layer of a parameter at the middle of each target layer, or its only one."""
    if len(layers) == 1 or not depths:
        return [layers[0]]
    found = []
    for top, bottom in depths:
        middle = (top + bottom) / 2
        here = [v for v in layers if v.depth and v.depth[0] <= middle <= v.depth[1]]
        if not here:
            msg = (
                f"{role!r} is known at {describe_layers(layers)}, not at {middle:g} m, where a "
                "layer of soil moisture is. Remap the parameters: "
                "xsm.to_depths(parameters, [(0.0, 0.1), ...])."
            )
            raise GridError(msg)
        found.append(here[0])
    return found


def root_shares(depths: Sequence[tuple[float, float]], beta: float = _ROOTS) -> FloatArray:
    """Return the share of the roots in each layer.

    Parameters
    ----------
    depths : sequence of (float, float)
        Top and bottom of each layer, m.
    beta : float, default: 0.961
        Of Jackson et al. (1996): their mean of all biomes is 0.966, of grassland 0.943, of crops
        0.961.

    Returns
    -------
    ndarray
        ``beta^(100 top) - beta^(100 bottom)``; together below 1.

    References
    ----------
    Jackson, R. B. et al. (1996). Oecologia 108:389-411.

    Examples
    --------
    >>> root_shares([(0.0, 0.3)]).round(2)
    array([0.7])
    """
    edges = np.asarray(depths, dtype=float) * 100.0
    return np.asarray(beta ** edges[:, 0] - beta ** edges[:, 1])


def profile_series(
    ds: xr.Dataset, table: VariableTable, needs: Collection[str]
) -> dict[str, xr.DataArray]:
    """Return the fluxes that a term on profiles needs at the time of the prediction, lazily.

    Parameters
    ----------
    ds : xarray.Dataset
        Plain data.
    table : VariableTable
        Which variable is what.
    needs : collection of str
        Keys that loss terms read: ``precipitation``, ``evaporation``.

    Returns
    -------
    dict of str to DataArray
        mm day-1 (time, *space).

    Raises
    ------
    MissingVariableError
        If precipitation is wanted and missing.

    Warns
    -----
    UserWarning
        If evaporation is wanted and missing; then nothing is taken up by roots.

    Examples
    --------
    >>> import xsm
    >>> ds = xsm.open_tutorial("land").isel(time=slice(0, 2))
    >>> list(profile_series(ds, xsm.variables(ds), ["precipitation", "target"]))
    ['precipitation']
    """
    found = {}
    if "precipitation" in needs:
        found["precipitation"] = table.array(ds, "precipitation")
    if "evaporation" in needs:
        if "evaporation" in table:
            found["evaporation"] = table.array(ds, "evaporation")
        else:
            warnings.warn(
                "The Richards term takes no root uptake into account, since the data hold no "
                "evaporation. Add it, or pass losses=[RMSE(), Richards(uptake=False)].",
                UserWarning,
                stacklevel=2,
            )
            rain = table.array(ds, "precipitation")
            found["evaporation"] = xr.zeros_like(rain).rename("evaporation")
    return found
