"""Lazy downscaling: one task for each time, whole planes inside, patch by patch."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import xarray as xr
from dask.base import tokenize
from dask.delayed import delayed
from tqdm.auto import tqdm

from xsm.data.grid import step
from xsm.data.nesting import Nest
from xsm.data.possible import Impossible
from xsm.exceptions import NotEnoughDataError
from xsm.fields.predictor import FieldPredictor
from xsm.fields.scaling import frame_of, stacked
from xsm.fields.sources import Sources
from xsm.nn import FieldModel
from xsm.options import get_options, thread_count
from xsm.training.recipe import NestedRecipe
from xsm.typing import Array, FloatArray

__all__ = ["downscale_fields"]

_LOG = logging.getLogger(__name__)


def downscale_fields(
    model: FieldModel,
    recipe: NestedRecipe,
    scaling: xr.Dataset,
    sources: Sources,
    *,
    token: str,
    device: str,
    role: str = "",
) -> dict[str, xr.DataArray]:
    """Predict the fine field of all whole windows.

    Parameters
    ----------
    model : FieldModel
        The trained network.
    recipe : NestedRecipe
        Its inputs.
    scaling : xarray.Dataset
        Statistics of the training.
    sources : Sources
        Target and covariates on both grids, lazy or not.
    token : str
        Hash of the model's content.
    device : str
        Where to evaluate.
    role : str, optional
        That of the target: values that it cannot have are told.

    Returns
    -------
    dict of str to DataArray
        ``mean``, and ``std`` where the network knows it, (time, y, x) on the fine grid, float32,
        canonical units. NaN where the coarse target, or a covariate, of the time itself is missing;
        earlier months may be. Lazy where the sources are: one task for each time, which holds the
        planes of its window.

    Raises
    ------
    NotEnoughDataError
        If there are fewer times than the window has.

    Examples
    --------
    >>> import numpy as np
    >>> import xsm
    >>> axes = {"time": xr.date_range("2000", periods=12, freq="MS")}
    >>> axes |= {"y": np.arange(4.0), "x": np.arange(4.0)}
    >>> values = np.random.default_rng(0).normal(size=(12, 4, 4))
    >>> gws = xr.DataArray(values, axes, name="gws", attrs={"units": "mm"})
    >>> small = {"hidden": 2, "widths": (2, 4), "epochs": 1, "iterations": 1, "valid": 0.0}
    >>> fitted = gws.physm.fit("convlstm_unet", factor=2, progress=False, **small)
    >>> from xsm.data.reading import read
    >>> from xsm.fields.collect import collect_sources
    >>> own = {"target": "groundwater_storage", "factor": 2}
    >>> sources = collect_sources(read(gws.to_dataset()), **own)
    >>> parts = fitted.model, fitted.recipe, fitted.scaling, sources
    >>> sorted(downscale_fields(*parts, token=fitted.token, device="cpu"))
    ['mean', 'std']
    """
    window, nest = recipe.window, sources.nest
    step(sources.target)  # refuses uneven times
    steps = sources.steps - window + 1
    if steps < 1:
        msg = (
            f"The data have {sources.steps} times, the model reads windows of {window}: give at "
            f"least {window} times in a row."
        )
        raise NotEnoughDataError(msg)
    frame = frame_of(scaling, nest, sources.area, window=window)
    side = int(model.patch)
    lazy = any(a.chunks is not None for a in sources.arrays)
    node = FieldPredictor(
        copy.deepcopy(model).cpu().eval(),
        frame,
        (min(side, nest.y.size), min(side, nest.x.size)),
        max(1, side // 4),
        nest.x.ring,
        _origin(nest),
        device,
        str(tokenize(token, nest.factor, sources.area, nest.y.edges, nest.x.edges)),
        threads=1 if lazy else thread_count(),
    )
    impossible = Impossible(role)
    if lazy:
        data = _lazily(node, sources, steps, impossible)
    else:
        data = _eagerly(node, sources, steps)
        impossible(data[:, 0], lazy=False)
    return {name: _label(data[:, i], sources, window) for i, name in enumerate(node.outputs)}


def _origin(nest: Nest) -> int:
    """Return the column that begins at the prime meridian, so that patches lie on the globe."""
    turn = 360.0 / nest.x.unit
    away = np.abs((nest.x.edges[:-1] + turn / 2) % turn - turn / 2)
    return int(away.argmin()) if nest.x.ring else 0


def _eagerly(node: FieldPredictor, sources: Sources, steps: int) -> FloatArray:
    """Predict arrays in memory, with a bar; where a time has few patches, times side by side."""
    shown = get_options()["progress"]
    shape, window, reach = sources.nest.shape, node.frame.window, node.frame.reach
    static = stacked(sources.static, shape, 0)
    out = np.empty((steps, len(node.outputs), *shape), np.float32)
    hide = None if shown is None else not shown
    patches = len(node.corners)
    times = max(1, node.threads // patches)

    def plane(k: int) -> FloatArray:
        part = {sources.time: slice(k, k + window)}
        ends = {sources.time: slice(k + window - reach, k + window)}
        coarse = {n: a.isel(part) for n, a in sources.coarse.items()}
        fine = {n: a.isel(ends) for n, a in sources.fine.items()}
        size = (window, sources.nest.y.size, sources.nest.x.size)
        fields = stacked(coarse, size, 1), stacked(fine, (reach, *shape), 1)
        return node(*fields, static, **({"report": bar.update} if times == 1 else {}))

    with (
        tqdm(total=steps * patches, unit="patch", disable=hide, leave=False) as bar,
        ThreadPoolExecutor(times) as pool,
    ):
        for first in range(0, steps, times):  # so few at a time that an interrupt is heard
            group = range(first, min(first + times, steps))
            for k, found in zip(group, pool.map(plane, group), strict=True):
                out[k] = found
                bar.update(patches if times > 1 else 0)
                _LOG.info("%s of %s steps are downscaled", k + 1, steps)
    return out


def _lazily(node: FieldPredictor, sources: Sources, steps: int, impossible: Impossible) -> Any:
    """Return a dask array of predictions, a task for each time."""
    import dask.array as da

    shape, window, reach = sources.nest.shape, node.frame.window, node.frame.reach
    coarse = {n: _planes(a, sources) for n, a in sources.coarse.items()}
    fine = {n: _planes(a, sources) for n, a in sources.fine.items()}
    static = _stack({n: a.data for n, a in sources.static.items()}, shape, 0)
    kept = delayed(np.asarray)(static) if static.size else np.zeros((0, *shape), np.float32)
    task = delayed(_plane, pure=True)
    model, told = delayed(node), delayed(impossible, name=f"xsm-{impossible.role}-possible")
    parts = []
    for k in range(steps):
        size = (window, sources.nest.y.size, sources.nest.x.size)
        stack = _stack({n: a[k : k + window] for n, a in coarse.items()}, size, 1)
        ends = slice(k + window - reach, k + window)
        moving = _stack({n: a[ends] for n, a in fine.items()}, (reach, *shape), 1)
        found = task(model, told, stack, moving, kept)
        parts.append(da.from_delayed(found, (len(node.outputs), *shape), np.float32))
    return da.stack(parts)


def _plane(node: FieldPredictor, impossible: Impossible, *fields: FloatArray) -> FloatArray:
    """Predict the planes of a time, and tell of values that the target cannot have."""
    found = node(*fields)
    impossible(found[0], lazy=True)
    return found


def _planes(array: xr.DataArray, sources: Sources) -> Any:
    """Return a dask array of single planes."""
    whole = array.chunk({sources.time: 1, **dict.fromkeys(sources.nest.dims, -1)})
    return whole.data


def _stack(arrays: Mapping[str, Any], shape: tuple[int, ...], axis: int) -> Any:
    """Join dask arrays along a new axis, also where there are none."""
    import dask.array as da

    if not arrays:
        return np.zeros((*shape[:axis], 0, *shape[axis:]), np.float32)
    return da.stack(list(arrays.values()), axis=axis).astype(np.float32)


def _label(data: Array, sources: Sources, window: int) -> xr.DataArray:
    """Give predictions their coordinates."""
    coords = dict(sources.nest.coords(sources.target))
    coords[sources.time] = sources.target[sources.time][window - 1 :]
    return xr.DataArray(data, coords=coords, dims=(sources.time, *sources.nest.dims))
