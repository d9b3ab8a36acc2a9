"""Hydraulic parameters at the layers of a profile."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from xsm.data.naming import Variable, VariableTable
from xsm.data.naming.layers import dim_depths
from xsm.data.reading import Reading, read
from xsm.exceptions import GridError, MissingVariableError, UnitsError
from xsm.hydrology.soil.carsel_parrish import PARAMETERS
from xsm.hydrology.soil.layering import describe_layers, role_array

__all__ = ["HYDRAULIC", "layer_parameters", "of_layers"]


HYDRAULIC = (*PARAMETERS, "air_entry")
"""Roles of the parameters, in the order of :class:`xsm.physics.retention.Hydraulics`."""

_NEAR = 1e-4  # m


def layer_parameters(
    reading: Reading,
    parameters: xr.Dataset | None,
    centres: Sequence[float],
    dim: str,
) -> dict[str, xr.DataArray]:
    """Return the hydraulic parameters of layers by the roles of :data:`HYDRAULIC`, lazily.

    Those of ``parameters``, as of :func:`xsm.soil_parameters`, else those that were read;
    ``air_entry`` is 0 where there is none. Maps stay maps; parameters by layer have the dimension
    ``dim``: each of the ``centres`` (m) has those of the horizon it lies in, the upper one where
    two meet. Missing parameters are refused with what to type, horizons that do not cover the
    layers too.
    """
    given: object = parameters
    if given is not None and not isinstance(given, xr.Dataset):
        msg = (
            f"parameters={given!r} was given; a Dataset is needed. Type "
            "parameters=xsm.soil_parameters(ds)."
        )
        raise MissingVariableError(msg)
    source = reading if parameters is None else read(parameters)
    _require(source.table, given=parameters is not None)
    names = [role for role in HYDRAULIC if role in source.table.found]
    found = {role: of_layers(source, role, centres, dim) for role in names}
    return {"air_entry": xr.DataArray(0.0, name="air_entry")} | found


def _require(table: VariableTable, *, given: bool) -> None:
    """Refuse missing parameters, and say how to get them."""
    wanted = [*PARAMETERS, *(["air_entry"] if "air_entry" in table.problems else [])]
    try:
        table.require(*wanted)
    except (MissingVariableError, UnitsError) as error:
        where = "parameters= holds not all" if given else "The data hold not all"
        msg = (
            f"{error}\n  {where} hydraulic parameters. Type parameters=xsm.soil_parameters(ds), "
            "which takes them from the data, from Rosetta or from classes of texture."
        )
        raise type(error)(msg) from error


def of_layers(reading: Reading, role: str, centres: Sequence[float], dim: str) -> xr.DataArray:
    """Return a parameter, by layer where it is by horizon."""
    array, layers = role_array(reading, role).drop_attrs(deep=False), reading.layers(role)
    along = layers[0].dim or ("depth" if len(layers) > 1 else None)
    if along is None:
        return array.drop_vars("depth", errors="ignore")
    chosen = _horizons(reading.ds, layers, centres)
    own = [c for c in array.coords if along in array[c].dims]
    if chosen != list(range(array.sizes[along])):
        array = array.isel({along: chosen})
    return array.drop_vars(own).rename({along: dim} if along != dim else {})


def _horizons(ds: xr.Dataset, layers: Sequence[Variable], centres: Sequence[float]) -> list[int]:
    """Return the position of the horizon of each centre."""
    positions = [i if v.index is None else v.index for i, v in enumerate(layers)]
    bounds = [v.depth for v in layers if v.depth is not None]
    if len(bounds) == len(layers):
        tops, bottoms = np.array(bounds).T
        inside = [(tops <= c + _NEAR) & (c <= bottoms + _NEAR) for c in centres]
    else:
        first = layers[0]
        depths = None if first.dim is None else dim_depths(ds, first.dim)
        if depths is None:
            msg = (
                f"The depths of the layers of {first.role}, {first.name!r}, are not known. Give "
                f'{len(layers) + 1} edges in m: ds["{first.name}"].attrs["layer_edges_m"] = '
                "[0.0, 0.1, ...]."
            )
            raise GridError(msg)
        inside = [abs(depths[positions] - c) < _NEAR for c in centres]
    if not all(found.any() for found in inside):
        odd = [c for c, found in zip(centres, inside, strict=True) if not found.any()]
        msg = (
            f"No layer of {layers[0].role} holds the depths {[round(c, 4) for c in odd]} m: "
            f"{describe_layers(layers)}. Pass parameters= that cover the layers of soil moisture."
        )
        raise GridError(msg)
    return [positions[int(np.flatnonzero(found)[0])] for found in inside]
