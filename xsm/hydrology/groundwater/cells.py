"""Cells of the stores: the same as those of the total, or the call that brings them there."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from xsm.data.joins import same_labels
from xsm.data.nesting.axes import horizontal_axes
from xsm.data.nesting.pairs import convention, extent
from xsm.exceptions import GridError
from xsm.hydrology.groundwater.months import MONTH

__all__ = ["check_cells", "check_halves"]


def check_cells(arrays: Mapping[str, xr.DataArray], source: Mapping[str, str]) -> None:
    """Refuse other cells than those of the total, which xarray would join or repeat.

    ``arrays`` are by store and month, the total under ``"tws"``; ``source`` tells which argument
    gave a store that none gave itself.
    """
    tws = arrays["tws"]
    odd = [what for what, array in arrays.items() if not _same(tws, array)]
    if not odd:
        return
    own = extent(tws)
    there = {what: extent(arrays[what]) for what in odd}
    if own and all(there.values()):
        given = list(dict.fromkeys(source.get(what, what) for what in odd))
        shown = "; ".join(f"{what} {there[what]}" for what in odd)
        calls = "; ".join(f"{name} = xsm.regrid({name}, tws)" for name in given)
        ways = sorted({convention(arrays[what]) for what in ("tws", *odd)} - {""})
        two = f" Longitudes follow two conventions, {' and '.join(ways)}." if len(ways) > 1 else ""
        msg = (
            f"tws and {', '.join(odd)} lie on different grids: tws has {own}; {shown}.{two} "
            f"Bring them to the cells of tws, and call again with what comes back: {calls}."
        )
        raise GridError(msg)
    raise GridError(_other_cells(tws, arrays[odd[0]], odd[0]))


def check_halves(depths: Mapping[str, xr.DataArray]) -> None:
    """Refuse stores in memory without any value on one side of 0 degrees, where the total has some.

    That is what labels of the other convention of longitudes leave when they are made the same.
    """
    tws = depths["tws"]
    if tws.chunks is not None or not convention(tws):
        return
    lon = horizontal_axes(tws)[1].dim
    west = (tws[lon] % 360 >= 180).values
    if west.all() or not west.any():
        return
    halves = {"west": np.flatnonzero(west), "east": np.flatnonzero(~west)}
    for what, array in depths.items():
        if array.chunks is not None or lon not in array.dims:
            continue
        there = {half: bool(array.isel({lon: at}).notnull().any()) for half, at in halves.items()}
        empty = [half for half, some in there.items() if not some]
        if len(empty) == 1 and tws.isel({lon: halves[empty[0]]}).notnull().any():
            msg = (
                f"{what} has no value at all {empty[0]} of 0 degrees, where tws has some: its "
                "longitudes may have been of the other convention, -180 to 180 or 0 to 360, when "
                f"they got the labels of tws. Give {what} as it was on its own longitudes, by "
                f"{what} = xsm.regrid({what}, tws)."
            )
            raise GridError(msg)


def _same(tws: xr.DataArray, array: xr.DataArray) -> bool:
    """Tell whether arrays have the same cells in the same order."""
    if {*tws.dims} - {MONTH} != {*array.dims} - {MONTH}:
        return False
    try:
        same_labels([tws, array], without=[MONTH])
    except ValueError:
        return False
    return True


def _other_cells(tws: xr.DataArray, array: xr.DataArray, what: str) -> str:
    """Say how cells that are no grid differ."""
    one, other = ({d: a.sizes[d] for d in a.dims if d != MONTH} for a in (tws, array))
    if one.keys() != other.keys():
        return (
            f"tws has the cells {one or 'of a single series'}, {what} {other or 'of a single'}: "
            "dimensions of space have to be the same. Average over the region with area weights, "
            "or select the cell, first."
        )
    return (
        f"tws and {what} lie on different cells ({one} and {other}): their labels differ. Give "
        f"both the same labels, or reindex where these differ by rounding: {what}.reindex_like("
        'tws, method="nearest", tolerance=1e-4).'
    )
