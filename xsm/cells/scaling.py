"""Scaling statistics of inputs and target, from training steps only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from xsm.cells.features import Features
from xsm.cells.moments import MOMENTS, cell_moments, merge_moments, pool_moments
from xsm.cells.passes import over_time
from xsm.data.grid import without_scalars
from xsm.exceptions import NotEnoughDataError, warn_outside
from xsm.hydrology.soil.layering import DEPTH
from xsm.physics.rounding import ROUNDING
from xsm.training.recipe import Recipe
from xsm.typing import FloatArray, Scaling

__all__ = ["extremes", "fit_scaling", "within_bounds"]


_FEWEST = 30  # observations that a cell needs for its own range
_SHARE = 0.05  # of cells that may be without


def fit_scaling(
    features: Features,
    training: slice,
    *,
    scaling: Scaling,
    bounded: bool = False,
    logs: Sequence[str] = (),
    plain: Sequence[str] = (),
    beside: dict[str, xr.DataArray] | None = None,
) -> xr.Dataset:
    """Return offsets and scales, ``scaled = (value - offset) / scale``.

    Under ``"cell"`` dynamic inputs and target are scaled from 0 to 1 over each cell's training
    steps. Under ``"global"`` dynamic inputs get zero mean and unit variance over all cells, and the
    target is scaled from 0 to 1 with one pair. Static inputs always get zero mean and unit variance
    over the cells. A feature that does not vary becomes 0 (its scale is infinite).

    Parameters
    ----------
    features : Features
        Canonical arrays, in memory or lazy; lazy ones are read once, chunk by chunk.
    training : slice
        Steps along time whose values count.
    scaling : {"cell", "global"}
        The way of scaling.
    bounded : bool, default: False
        Scale the target from residual to saturated water content instead.
    logs : sequence of str, optional
        Dynamic inputs whose ``log(1 + value)`` is scaled, see :func:`xsm.cells.inputs.as_logs`.
    plain : sequence of str, optional
        Dynamic inputs that keep their values, and the target where it is among them.
    beside : dict of str to DataArray, optional
        Arrays that are computed in the same pass, in place.

    Returns
    -------
    xarray.Dataset
        ``dynamic_offset``, ``dynamic_scale`` (dynamic[, *space]), ``static_offset``,
        ``static_scale`` (static), ``target_offset``, ``target_scale``, ``target_mean`` ([*space]
        [, depth], the mean is scaled), ``trained_cell`` (*space), and the range seen in training:
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
    arrays = {k: v.isel(times) for k, v in features.dynamic.items()}
    for name in logs:
        above = arrays[name].clip(min=0)
        arrays[name] = above.copy(data=np.log1p(above.data))
    moving, own, still = _read(arrays, target, features, {} if beside is None else beside)
    observed = own.sel(_moment="count", drop=True)
    if not bool((observed > 0).any()):
        span = f"{target.sizes[features.time]} training steps"
        msg = (
            f"The target {target.name!r} is missing (NaN) everywhere in the {span}. Choose another "
            "period, another target=, or check the mask of the data."
        )
        raise NotEnoughDataError(msg)
    land = observed > 0
    inside = land.any(DEPTH) if DEPTH in land.dims else land
    every = _pool(moving, inside) if scaling == "global" else moving
    goal = _pool(own, land) if scaling == "global" else own
    offset, scale = _range(goal)
    trained = _trainable(observed, scale, scaling)
    if bounded:
        offset, scale = (part.compute() for part in within_bounds(features))
        _warn_outside(own, offset, scale)
        trained = trained & scale.notnull()
    dynamic = _range(every) if scaling == "cell" else _spread(every)
    if plain:
        kept = ~dynamic[0]["dynamic"].isin(list(plain))
        dynamic = dynamic[0].where(kept, 0.0), dynamic[1].where(kept, 1.0)
        offset, scale = xr.zeros_like(offset), xr.ones_like(scale)
    still_moments = _pool(_of_maps(still), inside)
    static = _spread(still_moments)
    if plain:
        kept = ~static[0]["static"].isin(list(plain))
        static = static[0].where(kept, 0.0), static[1].where(kept, 1.0)
    mean = goal.sel(_moment="mean", drop=True).where(goal.sel(_moment="count", drop=True) > 0)
    middle = (mean - offset) / scale
    found = {
        "dynamic_offset": dynamic[0],
        "dynamic_scale": dynamic[1],
        "static_offset": static[0],
        "static_scale": static[1],
        "target_offset": offset.where(trained) if scaling == "cell" else offset,
        "target_scale": scale.where(trained) if scaling == "cell" else scale,
        "target_mean": middle.mean() if bounded else middle,
        "trained_cell": trained.any(DEPTH) if DEPTH in trained.dims else trained,
        **_limits(every, "dynamic"),
        **_limits(still_moments, "static"),
    }
    return xr.Dataset(found, attrs={"scaling": scaling})


def extremes(scaling: xr.Dataset, recipe: Recipe, name: str) -> FloatArray:
    """Return the least and the greatest values of an input or of the target in training."""
    if name in recipe.dynamic:
        at = recipe.dynamic.index(name)
        ends = [scaling[f"dynamic_{end}"].isel(dynamic=at).values for end in ("min", "max")]
        return np.stack(ends)
    low, scale = scaling["target_offset"].values, scaling["target_scale"].values
    return np.stack([low, np.where(np.isfinite(scale), low + scale, low)])


def within_bounds(features: Features) -> tuple[xr.DataArray, xr.DataArray]:
    """Return residual water content, and how much more the soil holds when saturated.

    Parameters
    ----------
    features : Features
        With ``theta_r`` and ``theta_s`` (*space, depth).

    Returns
    -------
    offset : DataArray
        m3 m-3, lazy where the data are; NaN where these are no bounds; without depth where the
        target has one layer.
    scale : DataArray
        The same.

    Examples
    --------
    >>> bounds = {"theta_r": 0.05, "theta_s": 0.45}
    >>> soil = {k: xr.DataArray([[v]], dims=("x", "depth")) for k, v in bounds.items()}
    >>> rain = xr.DataArray([[1.0]], dims=("time", "x"))
    >>> features = Features({"precipitation": rain}, {}, rain, {}, "time", ("x",), soil)
    >>> [part.values for part in within_bounds(features)]
    [array([0.05]), array([0.4])]
    """
    both = xr.Dataset({k: without_scalars(features.soil[k]) for k in ("theta_r", "theta_s")})
    both = both.astype(np.float64)
    if both.sizes[DEPTH] == 1 and (features.target is None or DEPTH not in features.target.dims):
        both = both.isel({DEPTH: 0}, drop=True)
    offset, top = both["theta_r"], both["theta_s"]
    scale = (top - offset).where(top > offset)
    return offset.where(scale.notnull()), scale


def _warn_outside(own: xr.DataArray, offset: xr.DataArray, scale: xr.DataArray) -> None:
    """Say how many cells hold observations that a bounded prediction cannot reach."""
    low, high = (own.sel(_moment=name, drop=True) for name in ("low", "high"))
    outside = (low < offset - 1e-6) | (high > offset + scale + 1e-6)
    seen = own.sel(_moment="count", drop=True) > 0
    lost, count = int((outside & seen).sum()), int(seen.sum())
    if lost:
        msg = (
            f"{lost} of {count} series hold observations outside of theta_r to theta_s, which the "
            "prediction cannot reach. Check the hydraulic parameters of the soil, or widen them."
        )
        warn_outside(msg)


def _read(
    arrays: dict[str, xr.DataArray],
    target: xr.DataArray,
    features: Features,
    beside: dict[str, xr.DataArray],
) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    """Return the moments of each cell of inputs and target, and the maps, read in one pass."""
    static, time = features.static, features.time
    parts = {f"dynamic {k}": _moments(v, time) for k, v in arrays.items()}
    parts |= {f"static {k}": without_scalars(v) for k, v in static.items()}
    parts["target"] = without_scalars(_moments(target, time))
    read = xr.Dataset(parts | {f"beside {k}": v for k, v in beside.items()}).compute()
    beside.update({k: read[f"beside {k}"] for k in beside})
    moving = _stack({k: read[f"dynamic {k}"] for k in arrays}, "dynamic")
    return moving, read["target"], _stack({k: read[f"static {k}"] for k in static}, "static")


def _moments(array: xr.DataArray, time: str) -> xr.DataArray:
    """Return the moments of each cell over time (moment, *space), lazy where the array is."""
    array = without_scalars(array.transpose(time, ...))
    data = array.variable.data
    data = data if array.chunks is not None else np.asarray(data)
    moments = over_time(data, cell_moments, merge_moments, rows=len(MOMENTS))
    coords = {k: v for k, v in array.coords.items() if time not in v.dims}
    coords["_moment"] = list(MOMENTS)
    return xr.DataArray(moments, dims=("_moment", *array.dims[1:]), coords=coords)


def _stack(arrays: dict[str, xr.DataArray], dim: str) -> xr.DataArray:
    """Put named arrays along a new dimension, in float64."""
    if not arrays:
        return xr.DataArray(np.zeros(0), dims=dim, coords={dim: np.array([], dtype="U1")})
    parts = [a.astype(np.float64).reset_coords(drop=True) for a in arrays.values()]
    names = xr.DataArray(list(arrays), dims=dim, name=dim)
    return xr.concat(parts, names, coords="minimal", compat="override")


def _of_maps(maps: xr.DataArray) -> xr.DataArray:
    """Return the moments of maps (static, *space): each cell is one value."""
    parts = cell_moments(maps.values[np.newaxis])
    coords = {"_moment": list(MOMENTS), "static": maps["static"]}
    return xr.DataArray(parts, dims=("_moment", *maps.dims), coords=coords)


def _pool(moments: xr.DataArray, land: xr.DataArray) -> xr.DataArray:
    """Merge the moments of all cells of the land, of each named array apart."""
    space = land.dims
    lead = [d for d in moments.dims if d not in {"_moment", *space}]
    if not set(space) <= set(moments.dims):
        return moments
    values = moments.transpose("_moment", *lead, *space).values
    rows = values.reshape(len(MOMENTS), -1, *land.shape)
    pooled = [pool_moments(rows[:, i], land.values) for i in range(rows.shape[1])]
    joined = np.stack(pooled, axis=1) if pooled else np.zeros((len(MOMENTS), 0))
    coords = {d: moments[d] for d in ("_moment", *lead)}
    shape = (len(MOMENTS), *(moments.sizes[d] for d in lead))
    return xr.DataArray(joined.reshape(shape), dims=("_moment", *lead), coords=coords)


def _range(moments: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return minimum and range; the range of what is constant is infinite, of nothing NaN."""
    low, high = (moments.sel(_moment=name, drop=True) for name in ("low", "high"))
    some, size = low <= high, np.maximum(abs(low), abs(high))
    found = (high - low).where(high - low > ROUNDING * size, np.inf)
    return low.where(some), found.where(some)


def _spread(moments: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return mean and standard deviation; the deviation of what is constant is infinite."""
    count, mean, squares = (moments.sel(_moment=m, drop=True) for m in ("count", "mean", "squares"))
    deviation = (squares / count.clip(min=1)) ** 0.5
    return mean.where(count > 0), deviation.where(deviation > ROUNDING * abs(mean), np.inf)


def _limits(moments: xr.DataArray, kind: str) -> dict[str, xr.DataArray]:
    """Return the range that named inputs were seen in; NaN of nothing."""
    low, high = (moments.sel(_moment=name, drop=True) for name in ("low", "high"))
    return {f"{kind}_min": low.where(low <= high), f"{kind}_max": high.where(low <= high)}


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
        warn_outside(
            f"{lost} of {count} observed cells have fewer than {_FEWEST} observations or a "
            "constant target in the training steps; they are predicted as NaN and marked in "
            "`trained_cell`."
        )
    return enough
