"""Which model was last fitted through which object: a weak table outside the objects."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import xarray as xr

if TYPE_CHECKING:
    from xsm.api.fitted import FittedModel

__all__ = ["kept", "recall", "remember"]


_FITTED: dict[int, tuple[weakref.ref[Any], FittedModel]] = {}


def remember(owner: xr.Dataset | xr.DataArray, fitted: FittedModel) -> FittedModel:
    """Keep a model for as long as an object lives; it never travels with the object.

    Parameters
    ----------
    owner : Dataset or DataArray
        The object.
    fitted : FittedModel
        The model.

    Returns
    -------
    FittedModel
        The model.

    Examples
    --------
    >>> ds = xr.Dataset()
    >>> remember(ds, "a model"), recall(ds), recall(ds.copy())
    ('a model', 'a model', None)
    """
    key = id(owner)
    _FITTED[key] = (weakref.ref(owner, lambda _: _FITTED.pop(key, None)), fitted)
    return fitted


def recall(owner: xr.Dataset | xr.DataArray) -> FittedModel | None:
    """Return the model last fitted through this very object.

    Parameters
    ----------
    owner : Dataset or DataArray
        The object.

    Returns
    -------
    FittedModel or None
        None where there is none; a selection of the object is another object.

    Examples
    --------
    >>> recall(xr.Dataset()) is None
    True
    """
    return _FITTED[id(owner)][1] if id(owner) in _FITTED else None


def kept(
    owner: xr.Dataset | xr.DataArray, found: tuple[xr.Dataset, FittedModel | None]
) -> xr.Dataset:
    """Keep the model that came with what was found, where there is one, and return the latter.

    Parameters
    ----------
    owner : Dataset or DataArray
        The object.
    found : (xarray.Dataset, FittedModel or None)
        What was found, and the model that found it.

    Returns
    -------
    xarray.Dataset
        What was found.

    Examples
    --------
    >>> ds = xr.Dataset()
    >>> kept(ds, (ds, "a model")) is ds, recall(ds)
    (True, 'a model')
    """
    result, fitted = found
    if fitted is not None:
        remember(owner, fitted)
    return result
