"""Pores of the layers of an account, taken from the soil that the data hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from xsm.data.reading import Reading
from xsm.hydrology.soil.hydraulics import of_layers

__all__ = ["with_pores"]


def with_pores(reading: Reading, bottoms: Sequence[float]) -> tuple[Reading, tuple[str, ...]]:
    """Return data with ``theta_s`` of each layer as a map ``pores_1``, ... of its own, lazily.

    ``bottoms`` are those of the layers, m, from the surface down. A layer has the pores of the
    horizon that its centre lies in, below the lowest one those of it. Data that have these maps
    already stay as they are.
    """
    names = tuple(f"pores_{k + 1}" for k in range(len(bottoms)))
    if all(name in reading.ds.variables for name in names):
        return reading, names
    reading.require("theta_s")
    known = [layer.depth[1] for layer in reading.layers("theta_s") if layer.depth is not None]
    lowest = max(known, default=float("inf"))
    centres = [min((a + b) / 2, lowest) for a, b in pairwise((0.0, *bottoms))]
    found = of_layers(reading, "theta_s", centres, _DIM)
    maps = {
        name: (found.isel({_DIM: k}) if _DIM in found.dims else found).assign_attrs(units="m3 m-3")
        for k, name in enumerate(names)
    }
    table = replace(reading.table, names={**reading.table.names, **dict.fromkeys(names, "m3 m-3")})
    ds = reading.ds.assign({k: v.drop_vars(_COORDS, errors="ignore") for k, v in maps.items()})
    return replace(reading, ds=ds, table=table), names


_DIM = "_layer"
_COORDS = ("depth", _DIM)
