"""Scaling statistics of inputs and target, from training steps only."""

from __future__ import annotations

import warnings

import numpy as np
import xarray as xr

from xsm.exceptions import GridError, NotEnoughDataError
from xsm.features import Features
from xsm.typing import Array, Scaling

__all__ = ["align_scaling", "fit_scaling"]

_FEWEST = 30  # observations that a cell needs for its own range
_SHARE = 0.05  # of cells that may be without


def fit_scaling(features: Features, training: slice, *, scaling: Scaling) -> xr.Dataset:
    """Return offsets and scales, ``scaled = (value - offset) / scale``.

    Under ``"cell"`` dynamic inputs and target are scaled from 0 to 1 over each cell's training
    steps. Under ``"global"`` dynamic inputs get zero mean and unit variance over all cells, and the
    target is scaled from 0 to 1 with one pair. Static inputs always get zero mean and unit variance
    over the cells. A feature that does not vary becomes 0 (its scale is infinite).

    Parameters
    ----------
    features : Features
        Canonical arrays, in memory.
    training : slice
        Steps along time whose values count.
    scaling : {"cell", "global"}
        The way of scaling.

    Returns
    -------
    xarray.Dataset
        ``dynamic_offset``, ``dynamic_scale`` (dynamic[, *space]), ``static_offset``,
        ``static_scale`` (static), ``target_offset``, ``target_scale``, ``target_mean`` ([*space],
        the mean is scaled), ``trained_cell`` (*space), and the range seen in training:
        ``dynamic_min``, ``dynamic_max``, ``static_min``, ``static_max``, shaped as the offsets.

    Raises
    ------
    NotEnoughDataError
        If no cell has observations, or under ``"cell"`` more than 5 % of the observed cells have
        fewer than 30 or a constant target.

    Examples
    --------
    >>> import pandas as pd
    >>> days = {"time": pd.date_range("2020", periods=40)}
    >>> rain, soil = (xr.DataArray(k * np.arange(40.0), days, "time") for k in (1, 0.01))
    >>> features = Features({"precipitation": rain}, {}, soil, {}, "time", ())
    >>> found = fit_scaling(features, slice(0, 31), scaling="cell")
    >>> float(found["dynamic_scale"][0]), float(found["target_scale"])
    (30.0, 0.3)
    """
    times = {features.time: training}
    target = features.observed.isel(times)
    over = [features.time] if scaling == "cell" else None
    moving = _stack({k: v.isel(times) for k, v in features.dynamic.items()}, "dynamic")
    maps = _stack(features.static, "static")
    observed = target.notnull().sum(features.time)
    if not bool((observed > 0).any()):
        span = f"{target.sizes[features.time]} training steps"
        msg = (
            f"The target {target.name!r} is missing (NaN) everywhere in the {span}. Choose another "
            "period, another target=, or check the mask of the data."
        )
        raise NotEnoughDataError(msg)
    offset, scale = _range(target, over)
    trained = _trainable(observed, scale, scaling)
    land = observed > 0
    dynamic = _range(moving, over) if scaling == "cell" else _moments(moving.where(land))
    static = _moments(maps.where(land))
    mean = ((target - offset) / scale).mean(over)
    return xr.Dataset(
        {
            "dynamic_offset": dynamic[0],
            "dynamic_scale": dynamic[1],
            "static_offset": static[0],
            "static_scale": static[1],
            "target_offset": offset.where(trained) if scaling == "cell" else offset,
            "target_scale": scale.where(trained) if scaling == "cell" else scale,
            "target_mean": mean,
            "trained_cell": trained,
            **_limits(moving if scaling == "cell" else moving.where(land), "dynamic", over),
            **_limits(maps.where(land), "static"),
        },
        attrs={"scaling": scaling},
    )


def _stack(arrays: dict[str, xr.DataArray], dim: str) -> xr.DataArray:
    """Put named arrays along a new dimension, in float64."""
    if not arrays:
        return xr.DataArray(np.zeros(0), dims=dim, coords={dim: np.array([], dtype="U1")})
    parts = [a.astype(np.float64).reset_coords(drop=True) for a in arrays.values()]
    names = xr.DataArray(list(arrays), dims=dim, name=dim)
    return xr.concat(parts, names, coords="minimal", compat="override")


def _range(array: xr.DataArray, over: list[str] | None) -> tuple[xr.DataArray, xr.DataArray]:
    """Return minimum and range; the range of what is constant is infinite."""
    low, high = (a.astype(np.float64) for a in (array.min(over), array.max(over)))
    return low, (high - low).where(high != low, np.inf)


def _limits(
    array: xr.DataArray, kind: str, over: list[str] | None = None
) -> dict[str, xr.DataArray]:
    """Return the range of named inputs, by default over all but their first dimension."""
    dims = list(array.dims[1:]) if over is None else over
    return {f"{kind}_min": array.min(dims), f"{kind}_max": array.max(dims)}


def _moments(array: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return mean and standard deviation over all but the first dimension."""
    if array.ndim == 1:
        mean, deviation = array, xr.zeros_like(array)
    else:
        mean, deviation = array.mean(array.dims[1:]), array.std(array.dims[1:])
    tiny = 1e-12 * np.abs(mean)
    return mean, deviation.where(deviation > tiny, np.inf)


def _trainable(observed: xr.DataArray, scale: xr.DataArray, scaling: Scaling) -> xr.DataArray:
    """Tell which cells have a range of their own; warn of the others, or refuse."""
    some = observed > 0
    if scaling == "global":
        return some
    enough = (observed >= _FEWEST) & np.isfinite(scale)
    lost, count = int((some & ~enough).sum()), int(some.sum())
    if lost > _SHARE * count:
        msg = (
            f"{lost} of {count} observed cells have fewer than {_FEWEST} observations or a "
            'constant target in the training steps, more than 5 %: scaling="cell" cannot serve '
            'them. Pass scaling="global", or a longer period.'
        )
        raise NotEnoughDataError(msg)
    if lost:
        warnings.warn(
            f"{lost} of {count} observed cells have fewer than {_FEWEST} observations or a "
            "constant target in the training steps; they are predicted as NaN and marked in "
            "`trained_cell`.",
            UserWarning,
            stacklevel=2,
        )
    return enough


def align_scaling(
    scaling: xr.Dataset, template: xr.DataArray, space: tuple[str, ...]
) -> xr.Dataset:
    """Return the statistics on the cells of other data, by the labels of their coordinates.

    Parameters
    ----------
    scaling : xarray.Dataset
        Statistics of :func:`fit_scaling`.
    template : xarray.DataArray
        An array on the cells that are wanted.
    space : tuple of str
        Names of the space dimensions of the template.

    Returns
    -------
    xarray.Dataset
        The statistics on these cells; NaN, and ``trained_cell`` False, on cells that were not
        trained. Global statistics are returned as they are.

    Raises
    ------
    GridError
        If dimensions differ, or no cell is one of the trained ones.

    Examples
    --------
    >>> cells = {"cell": ["a", "b"]}
    >>> low = xr.DataArray([0.1, 0.2], cells, "cell")
    >>> found = xr.Dataset(
    ...     {"target_offset": low, "trained_cell": low > 0}, attrs={"scaling": "cell"}
    ... )
    >>> other = xr.DataArray([0, 0], {"cell": ["b", "c"]}, "cell")
    >>> aligned = align_scaling(found, other, ("cell",))
    >>> aligned["target_offset"].values, aligned["trained_cell"].values
    (array([0.2, nan]), array([ True, False]))
    """
    if scaling.attrs["scaling"] == "global":
        cells = scaling["trained_cell"].dims
        return scaling.drop_vars("trained_cell").drop_dims(cells, errors="ignore")
    trained = scaling["trained_cell"]
    if set(trained.dims) != set(space):
        msg = (
            f"The model was trained by cell on dimensions {trained.dims}, the data have {space}. "
            f"Rename or stack them: ds.rename(...), or train with scaling='global'."
        )
        raise GridError(msg)
    at = {d: _positions(trained, template, d) for d in space}
    if any(not (place >= 0).any() for place in at.values()):
        msg = (
            f"The cells of the data are not those that the model was trained on (scaling='cell', "
            f"dimensions {space}): {_spans(trained, template, space)}. Select the same cells, "
            "bring coordinates to the same convention (for longitude: ds.assign_coords(...)), "
            "or train with scaling='global' to predict elsewhere."
        )
        raise GridError(msg)
    labels = [c for c in scaling.coords if set(scaling[c].dims) & set(space)]
    found = scaling.drop_vars(labels).isel(at)
    known = xr.DataArray(data=True)
    for d, place in at.items():
        known = known & xr.DataArray(place >= 0, dims=d)
    held = [name for name in found.data_vars if set(space) <= set(found[name].dims)]
    found = found.assign({n: found[n].where(known) for n in held if n != "trained_cell"})
    found["trained_cell"] = found["trained_cell"] & known
    return found.transpose(..., *space)


def _positions(trained: xr.DataArray, template: xr.DataArray, dim: str) -> Array:
    """Return where each label of the data lies among the trained ones; -1 is nowhere."""
    if dim in trained.indexes and dim in template.indexes:
        return np.asarray(trained.indexes[dim].get_indexer(template.indexes[dim]))
    same = trained.sizes[dim] == template.sizes[dim]
    return np.arange(template.sizes[dim]) if same else np.full(template.sizes[dim], -1)


def _spans(trained: xr.DataArray, data: xr.DataArray, space: tuple[str, ...]) -> str:
    """Describe the extent of trained and given cells along each dimension."""
    said = []
    for d in space:
        a, b = (np.asarray(x[d].values) for x in (trained, data))
        said.append(f"{d} trained {a[0]}..{a[-1]} ({a.size}), given {b[0]}..{b[-1]} ({b.size})")
    return "; ".join(said)
