"""What was assumed of layers of which only a depth is known, and how to state others."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from xsm.data.naming.layers import dim_points
from xsm.data.naming.points import described, named
from xsm.data.naming.variable import Variable

__all__ = ["assumed", "sensors_at"]


def sensors_at(ds: xr.Dataset, name: str, dim: str | None) -> dict[int, float]:
    """Return the depth in m of each sensor along a dimension, or of the one that a name tells.

    Empty where bounds of layers are stated, or depths are middles of layers.
    """
    if dim is not None:
        way, depths = dim_points(ds, name, dim)
        return depths if way == "points" else {}
    at = None if "layer_edges_m" in ds[name].attrs else named(ds, name)
    return {} if at is None else {0: at[1]}


def assumed(ds: xr.Dataset, layers: Sequence[Variable]) -> str:
    """Say what was assumed of the layers of a role; nothing where their bounds are known."""
    first = layers[0]
    name = str(first.name)
    typed = f'ds["{name}"].attrs["layer_edges_m"]'
    if first.dim is not None:
        way, depths = dim_points(ds, name, first.dim)
        return described(repr(name), list(depths.values()), way, typed) if way else ""
    alone = [v for v in layers if v.at is not None]
    if not alone:
        return ""
    names = ", ".join(repr(v.name) for v in alone)
    said = described(names, [v.at for v in alone if v.at is not None], "points", typed)
    return said.replace(", one more than layers.", " of each, its top and bottom.")
