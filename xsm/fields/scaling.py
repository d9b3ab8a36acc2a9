"""Statistics of downscaling: scales of inputs and target, maps by cell; as a Dataset and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from xsm.data.nesting import Nest, interpolate
from xsm.data.nesting.interpolation import lerp_weights
from xsm.exceptions import GridError
from xsm.fields.frame import Frame
from xsm.fields.sources import Sources
from xsm.physics.rounding import ROUNDING
from xsm.typing import FloatArray

__all__ = ["field_statistics", "frame_of", "maps_of", "stacked", "with_covariates_of"]


_LEAST = 0.01  # of the spread of the target: smallest scale of what is left to learn
_KINDS = ("dynamic", "fine", "static")


def field_statistics(sources: Sources, training: slice) -> xr.Dataset:
    """Return offsets and scales of the inputs and of the target.

    Parameters
    ----------
    sources : Sources
        In memory, with a truth.
    training : slice
        Steps that train.

    Returns
    -------
    xarray.Dataset
        ``<kind>_offset`` and ``<kind>_scale`` (mean and standard deviation over cells and training
        steps) along ``dynamic``, ``fine`` and ``static``; ``target_offset``, the mean of the
        coarse target; ``target_scale``, the root mean square of truth minus interpolation, which
        is what is left to learn, but at least a hundredth of the spread of the target;
        ``base_scale``, the spread of the target in units of ``target_scale``.

    Examples
    --------
    >>> import numpy as np
    >>> from xsm.data.reading import read
    >>> from xsm.fields.collect import collect_sources
    >>> axes = {"time": xr.date_range("2000", periods=12, freq="MS")}
    >>> axes |= {"y": np.arange(4.0), "x": np.arange(4.0)}
    >>> values = np.random.default_rng(0).normal(size=(12, 4, 4))
    >>> gws = xr.DataArray(values, axes, name="gws", attrs={"units": "mm"})
    >>> own = {"target": "groundwater_storage", "factor": 2}
    >>> sources = collect_sources(read(gws.to_dataset()), **own)
    >>> stats = field_statistics(sources, slice(0, 9))
    >>> np.allclose(stats["target_offset"], values[:9].mean())
    True
    """
    pick = {sources.time: training}
    kinds = {
        "dynamic": {n: a.isel(pick) for n, a in sources.coarse.items()},
        "fine": {n: a.isel(pick) for n, a in sources.fine.items()},
        "static": sources.static,
    }
    found: dict[str, Any] = {}
    coords: dict[str, list[str]] = {}
    for kind, arrays in kinds.items():
        values = [a.values[np.isfinite(a.values)] for a in arrays.values()]
        found[f"{kind}_offset"] = (kind, [float(v.mean()) if v.size else 0.0 for v in values])
        found[f"{kind}_scale"] = (kind, [_spread(v) for v in values])
        coords[kind] = list(arrays)
    target = sources.target.isel(pick)
    spread = float(found["dynamic_scale"][1][0])
    left = target.values[:0]
    if sources.truth is not None:
        left = sources.truth.isel(pick).values - interpolate(target, sources.nest).values
    rest = float(np.sqrt(np.nanmean(left**2))) if np.isfinite(left).any() else 0.0
    scale = max(rest, _LEAST * spread)
    found["target_offset"], found["target_scale"] = found["dynamic_offset"][1][0], scale
    found["base_scale"] = spread / scale
    return xr.Dataset(found, coords)


def with_covariates_of(scaling: xr.Dataset, kept: xr.Dataset | None) -> xr.Dataset:
    """Return statistics with the scales of covariates of others; the target keeps its own."""
    if kept is None:
        return scaling
    found = scaling.copy()
    for part in ("offset", "scale"):
        for kind in ("fine", "static"):
            found[f"{kind}_{part}"] = kept[f"{kind}_{part}"]
        own = kept[f"dynamic_{part}"].values.copy()
        own[0] = scaling[f"dynamic_{part}"].values[0]
        found[f"dynamic_{part}"] = "dynamic", own
    return found


def _spread(values: FloatArray) -> float:
    """Return the standard deviation, 1 where there is none but for rounding."""
    spread = float(values.std(dtype=float)) if values.size else 0.0
    return spread if values.size and spread > ROUNDING * np.abs(values).max() else 1.0


def stacked(arrays: Mapping[str, xr.DataArray], shape: tuple[int, ...], axis: int) -> FloatArray:
    """Join arrays along a new axis, also where there are none.

    Parameters
    ----------
    arrays : mapping of str to DataArray
        All of one shape.
    shape : tuple of int
        That shape.
    axis : int
        Where the new axis lies.

    Returns
    -------
    ndarray
        float32.

    Examples
    --------
    >>> stacked({}, (5, 2, 3), axis=1).shape
    (5, 0, 2, 3)
    """
    if not arrays:
        return np.zeros((*shape[:axis], 0, *shape[axis:]), np.float32)
    return np.stack([a.values for a in arrays.values()], axis=axis).astype(np.float32)


def frame_of(scaling: xr.Dataset, nest: Nest, area: FloatArray, *, window: int) -> Frame:
    """Return the frame in which a network sees a region.

    Parameters
    ----------
    scaling : xarray.Dataset
        Statistics of the training, with ``anchor`` (lag, y, x) on its grid where there is one.
    nest : Nest
        The grids of the region.
    area : ndarray
        (y, x) areas of its fine cells.
    window : int
        Steps of input.

    Returns
    -------
    Frame
        Cells outside the region of the training have no anchor.

    Examples
    --------
    >>> import numpy as np
    >>> from xsm.data.reading import read
    >>> from xsm.fields.collect import collect_sources
    >>> axes = {"time": xr.date_range("2000", periods=12, freq="MS")}
    >>> axes |= {"y": np.arange(4.0), "x": np.arange(4.0)}
    >>> values = np.random.default_rng(0).normal(size=(12, 4, 4))
    >>> gws = xr.DataArray(values, axes, name="gws", attrs={"units": "mm"})
    >>> own = {"target": "groundwater_storage", "factor": 2}
    >>> sources = collect_sources(read(gws.to_dataset()), **own)
    >>> stats = field_statistics(sources, slice(None))
    >>> frame_of(stats, sources.nest, sources.area, window=6).area.shape
    (8, 8)
    """
    names = [f"{kind}_{part}" for kind in _KINDS for part in ("offset", "scale")]
    names += ["target_offset", "target_scale", "base_scale", "detail"]
    anchor = maps_of(scaling, nest).get("anchor")
    return Frame(
        nest.factor,
        window,
        lerp_weights(nest.y, nest.factor[0]),
        lerp_weights(nest.x, nest.factor[1]),
        area,
        {name: scaling[name].values for name in names if name in scaling},
        None if anchor is None else anchor.transpose("lag", ...).values,
        scaling["regional"].values if "regional" in scaling else None,
    )


def maps_of(scaling: xr.Dataset, nest: Nest) -> dict[str, xr.DataArray]:
    """Return the maps by fine cell that a model has learnt, on the fine grid of a region.

    Parameters
    ----------
    scaling : xarray.Dataset
        Statistics of the training.
    nest : Nest
        The grids of the region.

    Returns
    -------
    dict of str to DataArray
        ``anchor``, ``pattern``, ``offset`` and ``slope``, those that there are; none where the
        region has other cells. NaN for cells that were not trained.

    Examples
    --------
    >>> import numpy as np
    >>> from xsm.data.reading import read
    >>> from xsm.fields.collect import collect_sources
    >>> axes = {"time": xr.date_range("2000", periods=12, freq="MS")}
    >>> axes |= {"y": np.arange(4.0), "x": np.arange(4.0)}
    >>> values = np.random.default_rng(0).normal(size=(12, 4, 4))
    >>> gws = xr.DataArray(values, axes, name="gws", attrs={"units": "mm"})
    >>> own = {"target": "groundwater_storage", "factor": 2}
    >>> sources = collect_sources(read(gws.to_dataset()), **own)
    >>> maps_of(field_statistics(sources, slice(None)), sources.nest)
    {}
    """
    found = {}
    for name in ("anchor", "pattern", "offset", "slope"):
        if name not in scaling:
            continue
        try:
            found[name] = nest.place(scaling[name], name)
        except GridError:  # another region, or another resolution: nothing is known of its cells
            return {}
    return found
