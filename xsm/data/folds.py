"""Parts of a data set that are left out in turn: regions, classes, blocks of cells, years."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from scipy.cluster.vq import kmeans2
from scipy.spatial import cKDTree

from xsm.data.grid import without_scalars
from xsm.data.joins import snap
from xsm.data.locations import flat_places, locate, straight
from xsm.exceptions import GridError, NotEnoughDataError, UnknownNameError, did_you_mean
from xsm.typing import Array

__all__ = ["KINDS", "Folds", "make_folds", "only"]


KINDS = ("regions", "blocks", "years")
_USUAL = 5  # folds
_DEGREE = 111.195  # km, of latitude


@dataclass(frozen=True, eq=False)
class Folds:
    """Which part of the data each fold leaves out.

    ``labels`` name the fold of each cell (*space), or of each step (time); "" is in none, and
    neither trains nor is predicted. Cells within ``buffer`` km of those left out do not train.
    """

    labels: xr.DataArray
    names: tuple[str, ...]
    of_time: bool
    buffer: float = 0.0

    def held(self, name: str) -> xr.DataArray:
        """Return where a fold leaves out, True or False."""
        return self.labels == name

    def kept(self, name: str) -> xr.DataArray:
        """Return what trains in a fold."""
        rest = (self.labels != name) & (self.labels != "")
        if not self.buffer:
            return rest
        points, out = locate(self.labels), self.held(name).values.ravel()
        away, _ = cKDTree(points[out]).query(points)
        far = (away > straight(self.buffer, points)).reshape(self.labels.shape)
        found = rest & rest.copy(data=far)
        if not found.any():
            msg = (
                f"buffer={self.buffer:g} km leaves no cell to train on where {name!r} is left out. "
                "Pass a smaller one, or more and smaller folds."
            )
            raise NotEnoughDataError(msg)
        return found

    def training(self, ds: xr.Dataset, name: str) -> xr.Dataset:
        """Return what a fold may see: all else is NaN; steps at the ends that are fall out."""
        kept = self.kept(name)
        if self.of_time:
            (dim,), (at,) = kept.dims, np.nonzero(kept.values)
            inner = {dim: slice(int(at[0]), int(at[-1]) + 1)}
            ds, kept = ds.isel(inner), kept.isel(inner)
        return ds if kept.all() else only(ds, kept)


def only(ds: xr.Dataset, where: xr.DataArray) -> xr.Dataset:
    """Return a data set that is NaN but for some cells or steps, lazily.

    Of all variables that lie along a dimension of the mask; whole numbers become float, text and
    dates stay.
    """
    bare, parts = without_scalars(where), {}
    for name, array in ds.data_vars.items():
        if set(array.dims) & set(where.dims) and array.dtype.kind in "iuf":
            wide = array if array.dtype.kind == "f" else array.astype(np.float64)
            own = wide.where(bare).transpose(*array.dims, ...).assign_attrs(array.attrs)
            parts[name] = own.variable  # indexes stay those of the data
    return ds.assign(parts)


def make_folds(
    folds: str | xr.DataArray,
    ds: xr.Dataset,
    observed: xr.DataArray,
    time: str,
    *,
    count: int | None = None,
    size: float | None = None,
    buffer: float = 0.0,
    seed: int = 0,
) -> Folds:
    """Divide a data set into folds, see :func:`xsm.cross_validate`.

    ``observed`` (*space) tells which cells have a target: the others are in no fold.
    """
    if not buffer >= 0:
        msg = f"buffer={buffer!r} was given; km are needed, 0 for none."
        raise NotEnoughDataError(msg)
    given = folds if isinstance(folds, str) else "a map"
    unused = {"size": size if given != "blocks" else None, "buffer": buffer or None}
    unused |= {"count": count if given not in KINDS else None}
    unused["buffer"] = unused["buffer"] if given == "years" else None
    said = [f"{name}={value!r}" for name, value in unused.items() if value is not None]
    if said:
        msg = (
            f'{", ".join(said)} was given with folds={given!r}: size= is of "blocks", count= of '
            f"{list(KINDS)}, buffer= of places. Leave it out."
        )
        raise UnknownNameError(msg)
    if given == "years":
        return _years(ds[time], count)
    if not observed.dims:
        msg = (
            f"folds={given!r} divides cells, and the data are of one place. Pass folds='years', or "
            "the data of several places."
        )
        raise GridError(msg)
    seen = np.asarray(observed.values.ravel(), bool)
    if given in KINDS:
        wanted = _USUAL if count is None else count
        _check_count(wanted, int(seen.sum()), "cells with observations")
        made = _regions if given == "regions" else _blocks
        numbers = made(observed, seen, wanted, size, seed)
        names = np.array([f"{given.removesuffix('s')} {k + 1}" for k in range(numbers.max() + 1)])
        labels = np.where(seen, names[numbers], "")
    else:
        labels = np.where(seen, _classes(folds, ds, observed, seen), "")
    shaped = observed.copy(data=labels.reshape(observed.shape)).rename("fold")
    found = tuple(str(n) for n in dict.fromkeys(np.unique(labels).tolist()) if n)
    if len(found) < 2:
        msg = (
            f"The map has one class on the cells with observations, {list(found)}; two or more are "
            "needed: one is left out, the others train."
        )
        raise NotEnoughDataError(msg)
    return Folds(shaped, _sorted(found), of_time=False, buffer=float(buffer))


def _check_count(count: int, most: int, what: str) -> None:
    """Refuse too few folds, and more than there are parts."""
    if count < 2 or count > most:
        msg = f"count={count} was given; 2 or more are needed, and at most the {most} {what}."
        raise NotEnoughDataError(msg)


def _sorted(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return names in the order of their numbers, where they end with one."""
    return tuple(sorted(names, key=lambda name: (len(name), name)))


def _years(times: xr.DataArray, count: int | None) -> Folds:
    """Divide steps by calendar years, or by runs of years where fewer folds are wanted."""
    years = times.dt.year.values
    every = np.unique(years)
    if len(every) < 2:
        msg = (
            f"folds='years' was given, and the data hold one year, {every[0]}; two or more are "
            "needed. Give a longer series, or divide places: folds='regions'."
        )
        raise NotEnoughDataError(msg)
    wanted = len(every) if count is None else count
    _check_count(wanted, len(every), "years of the data")
    runs = np.array_split(every, wanted)
    names = [str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs]
    group = np.concatenate([np.full(len(r), k) for k, r in enumerate(runs)])
    labels = np.array(names)[group[np.searchsorted(every, years)]]
    dim = str(times.dims[0])
    return Folds(xr.DataArray(labels, {dim: times}, dim, "fold"), tuple(names), of_time=True)


def _regions(cells: xr.DataArray, seen: Array, count: int, size: float | None, seed: int) -> Array:
    """Return the cluster of each cell by its place, numbered from west to east."""
    known = locate(cells)[seen]
    by_place = np.lexsort(known.round(3).T)  # draws do not depend on the order of the cells
    found = kmeans2(known[by_place], count, minit="++", seed=seed, iter=50, missing="raise")
    middles, own = found[0], found[1][np.argsort(by_place)]
    place = flat_places(cells)[1][seen]
    order = np.argsort([np.median(place[own == k]) for k in range(len(middles))])
    numbers = np.zeros(seen.shape, int)
    numbers[seen] = np.argsort(order)[own]
    return numbers


def _blocks(cells: xr.DataArray, seen: Array, count: int, size: float | None, seed: int) -> Array:
    """Return the fold of each cell: squares of a size, dealt at random so that folds are even."""
    points = locate(cells)[seen]
    if size is None or not size > 0:
        near = cKDTree(points).query(points, k=2)[0][:, 1]
        across = np.ptp(points, axis=0).max()
        msg = (
            f"size={size!r} was given; blocks need the length of a side in km. The cells lie "
            f"{np.median(near):.3g} km apart and span {across:.3g} km: for example "
            f"size={max(3 * np.median(near), across / 8):.2g}."
        )
        raise NotEnoughDataError(msg)
    y, x, degrees = flat_places(cells)
    if degrees:
        row = np.floor(y * _DEGREE / size)
        wide = np.cos(np.deg2rad((row + 0.5) * size / _DEGREE)).clip(1e-3)
        column = np.floor(x * _DEGREE * wide / size)
    else:
        row, column = np.floor(y / size), np.floor(x / size)
    _, block = np.unique(np.stack([row, column])[:, seen], axis=1, return_inverse=True)
    sizes = np.bincount(block.ravel())
    _check_count(count, len(sizes), f"blocks of {size:g} km with observations")
    fold, load = np.zeros(len(sizes), int), np.zeros(count)
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    for k in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:  # the largest first
        fold[k] = load.argmin()
        load[fold[k]] += sizes[k]
    numbers = np.zeros(seen.shape, int)
    numbers[seen] = fold[block.ravel()]
    return numbers


def _classes(
    folds: str | xr.DataArray, ds: xr.Dataset, observed: xr.DataArray, seen: Array
) -> Array:
    """Return the class of each cell as text, of a map or of the name of one."""
    if isinstance(folds, str) and folds not in ds.variables:
        maps = [str(n) for n, v in ds.variables.items() if set(v.dims) == set(observed.dims)]
        msg = f"folds={folds!r} was given. {did_you_mean(folds, [*KINDS, *maps])}"
        raise UnknownNameError(msg)
    given: Any = ds[folds] if isinstance(folds, str) else folds
    if not isinstance(given, xr.DataArray):
        msg = (
            f"folds={given!r:.80} is of the type {type(given).__name__}; one of {list(KINDS)}, the "
            "name of a map, or a DataArray of classes is needed."
        )
        raise TypeError(msg)
    if set(given.dims) != set(observed.dims):
        msg = (
            f"The map of folds lies on {list(given.dims)}; {list(observed.dims)} are needed: the "
            "dimensions of the cells."
        )
        raise GridError(msg)
    near = snap(given, observed)
    other = [d for d in observed.dims if d in near.indexes and d in observed.indexes]
    odd = [str(d) for d in other if not near.indexes[d].equals(observed.indexes[d])]
    if odd or dict(near.sizes) != dict(observed.sizes):
        msg = (
            f"The map of folds has other labels than the data along {odd or list(near.dims)}. "
            "Bring it to theirs: map.reindex_like(ds, method='nearest')."
        )
        raise GridError(msg)
    values = near.transpose(*observed.dims).values.ravel()
    bare = np.array([_is_nothing(v) for v in values.tolist()])
    lost = int((bare & seen).sum())
    if lost:
        msg = (
            f"{lost} of {int(seen.sum())} cells with observations have no class: the map is NaN "
            'there. Give them one, map.fillna(-1) or map.where(map.notnull(), "other"), or leave '
            "these cells out of the data."
        )
        raise NotEnoughDataError(msg)
    return np.array([_text(v) for v in values.tolist()])


def _is_nothing(value: Hashable) -> bool:
    """Tell whether a value of a map is no class."""
    return value is None or value == "" or value != value  # noqa: PLR0124  # NaN


def _text(value: Any) -> str:
    """Return a class as text: whole numbers without their decimals."""
    return f"{value:g}" if isinstance(value, float) else str(value)
