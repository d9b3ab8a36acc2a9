"""Dimensions of arrays that belong together: refused where names differ, with what to type."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from xsm.data.grid import axis_of
from xsm.data.refused import check_dims
from xsm.exceptions import GridError

__all__ = ["check_prediction", "check_same_names"]


def check_prediction(observed: xr.DataArray, predicted: xr.DataArray) -> None:
    """Refuse a prediction that lacks a dimension of the observations, or counts days otherwise.

    Arithmetic would repeat its values along that dimension, and judge what nobody predicted.

    Parameters
    ----------
    observed : DataArray
        What was observed.
    predicted : DataArray
        What was predicted; further dimensions, such as ``member``, are allowed.

    Raises
    ------
    GridError
        If a dimension is missing or has another name, or dates are of another calendar; the message
        says what to type.

    Examples
    --------
    >>> series = xr.DataArray([0.2, 0.3], dims="time")
    >>> check_prediction(series, series.expand_dims(member=5))
    """
    check_dims([*observed.dims, *({"source", "trend"} & set(observed.coords))])
    lost = [str(d) for d in observed.dims if d not in predicted.dims]
    if not lost:
        _check_calendar(observed, predicted)
        return
    what = (
        f"The prediction has the dimensions {_shown(predicted)}, the observations "
        f"{_shown(observed)}"
    )
    names = _other_names(predicted, observed)
    scalars = [d for d in lost if d in predicted.coords and not predicted[d].ndim]
    if names:
        msg = f"{what}. Give both the same names: predicted.rename({_keywords(names)})."
    elif len(scalars) == len(lost):
        msg = (
            f"{what}: it has no {' and no '.join(lost)}. To judge that part alone, type "
            f"predicted.expand_dims({scalars})."
        )
    else:
        msg = f"{what}: it has no {' and no '.join(lost)}. One value for each is needed."
    raise GridError(msg)


def _check_calendar(observed: xr.DataArray, predicted: xr.DataArray) -> None:
    """Refuse dates of another calendar, which have no label in common."""
    for dim in (str(d) for d in observed.dims if _kind(observed, str(d)) == "T"):
        if _kind(predicted, dim) != "T":
            msg = (
                f"The prediction has no dates along {dim!r}, as the observations have. Give it "
                f"those of the steps that it is for: predicted.assign_coords({dim}=<dates>)."
            )
            raise GridError(msg)
        given, wanted = (
            (array[dim].dt.calendar, array[dim].dtype.kind == "O")
            for array in (predicted, observed)
        )
        if given != wanted:
            calendar, objects = wanted
            align = ", align_on='date'" if "360_day" in {calendar, given[0]} else ""
            msg = (
                f"The prediction has dates of the calendar {given[0]!r}, the observations of "
                f"{calendar!r}{' (cftime)' if objects else ''}. Type predicted.convert_calendar("
                f"{calendar!r}, dim={dim!r}, use_cftime={objects}{align})."
            )
            raise GridError(msg)


def check_same_names(arrays: Mapping[str, xr.DataArray], reference: str) -> None:
    """Refuse arrays that have a dimension of the reference under another name.

    Parameters
    ----------
    arrays : mapping of str to DataArray
        Arrays that are to be broadcast; one without a dimension at all is allowed.
    reference : str
        The one whose dimensions count.

    Raises
    ------
    GridError
        If names differ; the message says what to type.

    Examples
    --------
    >>> maps = {"rain": xr.DataArray([1.0], dims="lat"), "soil": xr.DataArray([0.3], dims="lat")}
    >>> check_same_names(maps, "soil")
    """
    like = arrays[reference]
    names = {key: _other_names(array, like) for key, array in arrays.items()}
    odd = [key for key in arrays if names[key]]
    if odd:
        msg = (
            f"{odd[0]!r} has the dimensions {_shown(arrays[odd[0]])}, {reference!r} has "
            f"{_shown(like)}. Give all the same names, ds[name] = ds[name].rename("
            f"{_keywords(names[odd[0]])}), here those of {odd}."
        )
        raise GridError(msg)


def _other_names(array: xr.DataArray, like: xr.DataArray) -> dict[str, str]:
    """Return the dimensions of an array that another one has under another name."""
    own = [str(d) for d in array.dims if d not in like.dims]
    names = {}
    for dim in (str(d) for d in like.dims if d not in array.dims):
        kind, size = _kind(like, dim), like.sizes[dim]
        found = [d for d in own if _kind(array, d) == kind and (kind or array.sizes[d] == size)]
        if len(found) == 1:
            names[found[0]] = dim
    return names


def _kind(array: xr.DataArray, dim: str) -> str:
    """Return which axis a dimension is; empty where nothing says."""
    coordinate = array.indexes.get(dim)
    dates = getattr(getattr(coordinate, "dtype", None), "kind", "") == "M"
    return "T" if dates or type(coordinate).__name__ == "CFTimeIndex" else axis_of(array, dim)


def _shown(array: xr.DataArray) -> str:
    """Return the names of the dimensions."""
    return f"({', '.join(map(str, array.dims))})"


def _keywords(names: Mapping[str, str]) -> str:
    """Return names as arguments of ``rename``."""
    return ", ".join(f"{old}={new!r}" for old, new in names.items())
