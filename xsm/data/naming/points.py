"""Sensors: points along a depth, the layers that they stand for, and depths in names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
import xarray as xr

from xsm.data.naming.places import WORDS, is_horizontal
from xsm.typing import FloatArray

__all__ = [
    "described",
    "halfway",
    "in_name",
    "named",
    "of_model",
    "reading_of",
    "tiles",
    "with_depths",
]


Bounds = tuple[float, float] | None

_DUST = 1e-9  # m
_WORDS = re.compile(r"sensor|probe|measure|install|instrument|in[ -]situ|depth_from", re.IGNORECASE)
_CELLS = re.compile(r"cell|grid|land|pixel|ncol|feature", re.IGNORECASE)
_UNITS = {"cm": 0.01, "mm": 0.001, "in": 0.0254, "inch": 0.0254}
_AT = re.compile(
    r"(?P<stem>[a-z][a-z_ \-]*?)[_ \-]?(?P<depth>\d+(?:\.\d+)?)[_ \-]?(?P<unit>cm|mm|inch|in)"
    r"(?P<rest>(?:[_ \-].*)?)",
    re.IGNORECASE,
)
_USCRN = re.compile(
    r"(?P<stem>soil_(?:moisture|temp))_(?P<depth>\d+)(?P<rest>(?:_daily)?)", re.IGNORECASE
)
_USCRN_DEPTHS = {5, 10, 20, 50, 100}  # cm, of the U.S. Climate Reference Network


def tiles(depths: FloatArray) -> list[Bounds] | None:
    """Return the layers without gaps from the surface that have these middles, if there are."""
    pairs: list[Bounds] = [None] * depths.size
    top = 0.0
    for i in np.argsort(depths, kind="stable"):
        bottom = round(float(2 * depths[i] - top), 9)
        if not bottom > top:
            return None
        pairs[i], top = (top, bottom), bottom
    return pairs


def halfway(depths: Sequence[float] | FloatArray) -> list[Bounds] | None:
    """Return layers whose edges lie halfway between points; None where two lie at one depth.

    The first begins at the surface, the last ends as far below its point as it begins above.
    """
    points = np.asarray(depths, dtype=float)
    order = np.argsort(points, kind="stable")
    deep = points[order]
    if deep.size == 0 or not (np.diff(deep) > _DUST).all() or deep[0] < 0 or deep[-1] <= 0:
        return None
    edges = [0.0, *((deep[1:] + deep[:-1]) / 2).tolist()]
    edges.append(2 * float(deep[-1]) - edges[-1])
    pairs: list[Bounds] = [None] * deep.size
    for place, i in enumerate(order.tolist()):
        pairs[i] = (round(edges[place], 9), round(edges[place + 1], 9))
    return pairs


def reading_of(
    ds: xr.Dataset, name: str, dim: str, depths: FloatArray
) -> Literal["tiles", "points"]:
    """Tell whether depths along a dimension are middles of layers, or sensors.

    Depths are middles where they tile the ground exactly (to 0.1 mm on a map). Beside a map, where
    sensors are as likely, edges are whole millimetres and layers grow no thinner downward, and
    nothing says that the depths are those of sensors.
    """
    found = tiles(depths)
    if found is None:
        return "points"
    edges = np.sort([b for b in found if b is not None], axis=0)
    if len(_places(ds, name, dim)) > 1:
        return "tiles" if _whole(edges, 1e-4) else "points"
    even = bool((np.diff(edges[:, 1] - edges[:, 0]) > -_DUST).all())
    return "tiles" if even and _whole(edges, 1e-3) and not _sensors(ds, dim) else "points"


def of_model(ds: xr.Dataset, name: str, dim: str) -> bool:
    """Tell whether depths are those of a model: on a map, by cells, or by their name."""
    places = _places(ds, name, dim)
    cells = any(_CELLS.search(place) for place in places)
    return len(places) > 1 or cells or dim.lower() in WORDS["depth"]["names"]


def _places(ds: xr.Dataset, name: str, dim: str) -> list[str]:
    """Return the horizontal dimensions of a variable."""
    return [str(d) for d in ds[name].dims if d != dim and is_horizontal(ds, str(d))]


def _whole(edges: FloatArray, step: float) -> bool:
    """Tell whether edges are multiples of a step, but for rounding in single precision."""
    return bool((abs(edges - np.round(edges / step) * step) < 5e-6).all())


def _sensors(ds: xr.Dataset, dim: str) -> bool:
    """Tell whether something says that depths are those of sensors."""
    words = [dim] + [str(n) for n, v in ds.variables.items() if v.dims == (dim,)]
    words += [str(v) for v in ds.variables[dim].attrs.values()] if dim in ds.variables else []
    return any(_WORDS.search(word) for word in words)


def in_name(name: str) -> tuple[str, float, str] | None:
    """Return the stem of a name that holds one depth, the depth in m, and the rest.

    >>> in_name("SWC_20cm_Avg"), in_name("swvl1")
    (('swc', 0.2, '_avg'), None)
    """
    found = _AT.fullmatch(name)
    if found is not None:
        stem = found["stem"].strip("_- ").lower()
        depth = round(float(found["depth"]) * _UNITS[found["unit"].lower()], 9)
        return stem, depth, found["rest"].lower()
    found = _USCRN.fullmatch(name)
    if found is not None and int(found["depth"]) in _USCRN_DEPTHS:
        return found["stem"].lower(), int(found["depth"]) / 100, found["rest"].lower()
    return None


def named(ds: xr.Dataset, name: str) -> tuple[Bounds, float] | None:
    """Return the layer and the depth in m of a variable whose name holds its depth.

    Its neighbours are the variables of the same name at other depths.
    """
    every = with_depths(ds)
    if name not in every:
        return None
    own = every[name]
    beside = {n: at[1] for n, at in every.items() if (at[0], at[2]) == (own[0], own[2])}
    pairs = halfway(list(beside.values()))
    if pairs is None:
        return None
    return dict(zip(beside, pairs, strict=True))[name], own[1]


def with_depths(ds: xr.Dataset) -> dict[str, tuple[str, float, str]]:
    """Return what :func:`in_name` reads in the names of variables."""
    network = _network(ds)
    found = {str(n): in_name(str(n)) for n in ds.data_vars}
    return {n: at for n, at in found.items() if at and (network or not _USCRN.fullmatch(n))}


def _network(ds: xr.Dataset) -> bool:
    """Tell whether all numbers in such names are depths of the network, and no counts."""
    found = [m for n in ds.data_vars if (m := _USCRN.fullmatch(str(n)))]
    return {int(m["depth"]) for m in found} <= _USCRN_DEPTHS and len(found) > 1


def described(what: str, depths: Sequence[float], way: str, typed: str) -> str:
    """Say how depths were read, and how other edges are stated."""
    shown = ", ".join(f"{depth:g}" for depth in sorted(depths))
    other = halfway(depths) if way == "tiles" else None
    if other is not None:
        edges = _edges(other)
        return (
            f"the depths of {what} ({shown} m) are taken for the middles of layers. Where they are "
            f"sensors, type {typed} = {edges}, edges halfway between them."
        )
    found = halfway(depths)
    return (
        f"the depths of {what} ({shown} m) are taken for those of sensors: each stands for the "
        f"layer halfway to its neighbours, edges {_edges(found or [])} m. State others by {typed}, "
        "one more than layers."
    )


def _edges(pairs: Sequence[Bounds]) -> list[float]:
    """Return the edges of layers that adjoin."""
    known = sorted(b for b in pairs if b is not None)
    return [0.0, *(round(bottom, 4) for _, bottom in known)] if known else []
