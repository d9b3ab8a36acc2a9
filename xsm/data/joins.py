"""Labels: the one place where data of one origin are brought to the labels of another.

Labels that differ by rounding are the same: 0.1 degrees as float32 and as float64, longitudes of
both conventions. What falls out is counted and told; more than half of the places is refused.
Nothing is repeated along space.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import xarray as xr

from xsm.data.grid import axis_of, is_dates
from xsm.data.time_axis import typical_step
from xsm.exceptions import GridError, NotEnoughDataError, warn_outside
from xsm.typing import Array

__all__ = ["assigned", "at_labels", "common", "on_labels_of", "positions", "same_labels", "snap"]


_Data = TypeVar("_Data", xr.DataArray, xr.Dataset)
_NEAR = 0.01  # of the least step between labels
_HOUR = np.timedelta64(1, "h")
_VERBS = {"1 day": "xsm.daily", "1 month": "xsm.monthly"}
_LONE = 1e-6  # of the size of a label that has no neighbour


def snap(array: _Data, like: xr.DataArray | xr.Dataset) -> _Data:
    """Return data with the labels of others where they differ by rounding, lazily.

    Labels are the same within a hundredth of their least step, longitudes modulo 360; those
    without a near one stay. Attributes of the coordinates stay too.
    """
    moved = {}
    for dim in map(str, set(array.dims) & set(like.dims)):
        if dim not in array.indexes or dim not in like.indexes:
            continue
        own, other = array.indexes[dim], like.indexes[dim]
        if own.equals(other) and own.dtype == other.dtype:
            continue
        if own.dtype.kind in "iuf" and other.dtype.kind in "iuf":
            turns = _is_longitude(array, dim) or _is_longitude(like, dim)
            values = _near(own.to_numpy(), other.to_numpy(), turns=turns)
            if not np.array_equal(values, own.to_numpy()) or own.dtype != values.dtype:
                moved[dim] = array[dim].copy(data=values)
    return array.assign_coords(moved) if moved else array


def _is_longitude(data: xr.DataArray | xr.Dataset, dim: str) -> bool:
    """Tell whether a dimension is longitude."""
    metric = data[dim].attrs.get("units") in {"m", "km"}
    return axis_of(data, dim) == "X" and not metric


def _near(own: Array, other: Array, *, turns: bool) -> Array:
    """Return numbers, those near to another one replaced by it."""
    known = np.unique(other[np.isfinite(other)])
    if not known.size:
        return own
    wide = own.astype(np.float64)
    close = min(_tolerance(known), _tolerance(np.unique(wide[np.isfinite(wide)])))
    found = wide.copy()
    for turn in (-360.0, 360.0, 0.0) if turns else (0.0,):
        at = np.clip(np.searchsorted(known, wide + turn), 1, max(len(known) - 1, 1))
        pair = known[np.stack([at - 1, np.minimum(at, len(known) - 1)])].astype(np.float64)
        off = np.abs(pair - (wide + turn))
        nearest = np.where(off[0] <= off[1], pair[0], pair[1])
        found = np.where(off.min(axis=0) < close, nearest, found)
    exact: Array = found.astype(other.dtype if np.isin(found, other).all() else np.float64)
    return own if np.array_equal(found, wide) and not np.isin(found, other).all() else exact


def _tolerance(labels: Array) -> float:
    """Return how far two labels may lie apart that are the same."""
    if len(labels) > 1:
        return float(_NEAR * np.diff(labels.astype(np.float64)).min())
    return float(_LONE * max(1.0, np.abs(labels).max(initial=0.0)))


def same_labels(
    arrays: Sequence[xr.DataArray], *, without: Sequence[str] = ()
) -> list[xr.DataArray]:
    """Return arrays on the labels of the first that has them; refuse others but for rounding.

    Not broadcast; dimensions ``without`` are left alone. A ValueError says what differs: who calls
    says what to type.
    """
    near: list[xr.DataArray] = [_snapped(array, arrays[:k]) for k, array in enumerate(arrays)]
    return list(xr.align(*near, join="exact", copy=False, exclude=list(without)))


def _snapped(array: xr.DataArray, others: Sequence[xr.DataArray]) -> xr.DataArray:
    """Return an array with the labels of the first of others that has near ones."""
    near = array
    for other in reversed(others):
        near = snap(near, other)
    return near


def common(observed: _Data, others: Mapping[str, _Data]) -> tuple[_Data, dict[str, _Data]]:
    """Return arrays on the labels that all share, in the order of the first; not broadcast.

    Places of an array that the others lack fall out with a warning that counts them; more than half
    of its places, labels twice and no label in common are refused. Times may differ: a prediction
    begins after the first window and ends beyond the data. Another step of time is told.
    """
    near: dict[str, _Data] = {name: snap(array, observed) for name, array in others.items()}
    kept = {str(d): _shared(str(d), [observed, *near.values()]) for d in observed.dims}
    at = {d: index for d, index in kept.items() if index is not None}
    if any(not len(index) for index in at.values()) or 0 in observed.sizes.values():
        given = next(iter(others.values()))
        msg = (
            f"Observed {dict(observed.sizes)} and predicted {dict(given.sizes)} have no label in "
            "common; pass the data of the period and the cells that were predicted."
        )
        raise NotEnoughDataError(msg)
    _count(observed, near, at)
    _tell_of_steps(observed, near, at)
    return _taken(observed, at), {name: _taken(array, at) for name, array in near.items()}


def _shared(dim: str, arrays: Sequence[xr.DataArray | xr.Dataset]) -> Any:
    """Return the labels along a dimension that all arrays have, in the order of the first."""
    having = [a for a in arrays if dim in a.dims]
    indexes = [a.indexes[dim] for a in having if dim in a.indexes]
    sizes = {a.sizes[dim] for a in having}
    if len(indexes) < len(having) and len(sizes) > 1:
        msg = (
            f"Sizes along {dim!r} differ, {sorted(sizes)}, and not all have labels there. Give "
            f"both the same: predicted.assign_coords({dim}=...)."
        )
        raise GridError(msg)
    if not indexes or all(index.equals(indexes[0]) for index in indexes):
        return indexes[0] if indexes else None
    twice = next((index for index in indexes if not index.is_unique), None)
    if twice is not None:
        label = twice[twice.duplicated()][0]
        msg = (
            f"{label} stands more than once along {dim!r}, so that nothing can be brought to "
            f"these labels. Keep one of each: ds.drop_duplicates({dim!r})."
        )
        raise GridError(msg)
    first, *rest = indexes
    there = np.ones(len(first), bool)
    for index in rest:
        there &= first.isin(index)
    return first[there]


def _taken(array: _Data, at: Mapping[str, Any]) -> _Data:
    """Return an array on labels that it has."""
    wanted = {d: i for d, i in at.items() if d in array.indexes and not array.indexes[d].equals(i)}
    return array.isel({d: array.indexes[d].get_indexer(i) for d, i in wanted.items()})


def _count(observed: _Data, others: Mapping[str, _Data], at: Mapping[str, Any]) -> None:
    """Tell how many places of the others fall out, or refuse."""
    for name, array in others.items():
        there = [d for d in at if d in observed.indexes and d in array.indexes]
        dims = [d for d in there if not is_dates(array.indexes[d])]
        had = int(np.prod([array.sizes[d] for d in dims]))
        both = [observed.indexes[d].isin(array.indexes[d]).sum() for d in dims]
        kept = int(np.prod(both))
        own = int(np.prod([observed.sizes[d] for d in dims]))
        if 2 * kept < min(had, own):
            msg = f"Only {kept} of {had} places of {name} are among the {own} of the observations, "
            msg += f"along {', '.join(dims)}: {_ends(observed, array, dims)}. {_HOW}"
            raise GridError(msg)
        if kept < min(had, own):
            warn_outside(
                f"{had - kept} of {had} places of {name} are not among those of the observations "
                f"along {', '.join(dims)} and are left out: {_ends(observed, array, dims)}. {_HOW}"
            )


_HOW = (
    "Give both the same labels, as by "
    'predicted.sel(latitude=ds["latitude"], longitude=ds["longitude"], method="nearest"), or '
    "select the cells that both have."
)


def _ends(observed: _Data, array: _Data, dims: Sequence[str]) -> str:
    """Say where both lie."""
    said = []
    for d in dims:
        a, b = (x.indexes[d] for x in (observed, array))
        if not a.equals(b):
            said.append(f"{d} {a[0]}..{a[-1]} ({len(a)}) and {b[0]}..{b[-1]} ({len(b)})")
    return "; ".join(said)


def _tell_of_steps(observed: _Data, others: Mapping[str, _Data], at: Mapping[str, Any]) -> None:
    """Tell where times of both are compared, but mean other steps: a day's mean and one hour's."""
    for dim in (d for d in at if is_dates(at[d])):
        own = typical_step(observed.indexes[dim])
        for name, array in ((n, a) for n, a in others.items() if dim in a.dims):
            if own is None or array.indexes[dim].equals(observed.indexes[dim]):
                continue
            given = typical_step(array.indexes[dim])
            if given is None or own.length < 1.5 * given.length < 2.25 * own.length:
                continue
            coarse, fine = (given, "ds") if given.length > own.length else (own, "predicted")
            how = f'{fine}.resample({dim}="{int(coarse.length / _HOUR)}h").mean()'
            if str(coarse) in _VERBS:
                how = f"{_VERBS[str(coarse)]}({fine})"
            warn_outside(
                f"Along {dim!r} {name} has steps of {given}, the observations of {own}: only the "
                f"{len(at[dim])} times that both have are compared. Where values are means or sums "
                f"over their steps, bring both to the longer one first: {how}."
            )
            return


def positions(index: Any, wanted: Any) -> Array:
    """Return where each wanted label stands in an index, -1 where it does not."""
    found: Array = np.asarray(index.get_indexer(wanted))
    return found


def at_labels(array: _Data, labels: Mapping[str, Any], **fill: Any) -> _Data:
    """Return data on given labels along dimensions that they have; NaN where they have none."""
    return array.reindex(labels, copy=False, **fill)


def on_labels_of(array: xr.DataArray, like: xr.DataArray) -> xr.DataArray:
    """Return an array on the labels of another along what both have; NaN where it has none."""
    return xr.align(array, like, join="right", copy=False)[0]


def assigned(ds: xr.Dataset, arrays: Mapping[str, xr.DataArray]) -> xr.Dataset:
    """Return data with further arrays of their own labels.

    The levels of a MultiIndex that both have are those of the data: xarray would take one of them
    out of the array.
    """
    return ds.assign({name: _without_levels(array, ds) for name, array in arrays.items()})


def _without_levels(array: xr.DataArray, ds: xr.Dataset) -> xr.DataArray:
    """Return an array without the index of several levels that data have too."""
    own = {n: i for n, i in array.xindexes.items() if isinstance(i, xr.indexes.PandasMultiIndex)}
    same = [n for n, i in own.items() if n in ds.xindexes and i.equals(ds.xindexes[n])]
    return array.drop_vars(same)
