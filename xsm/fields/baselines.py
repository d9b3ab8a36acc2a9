"""Downscaling without a network: interpolations, a fixed pattern, a line for each cell."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

import numpy as np
import xarray as xr

from xsm.data.grid import as_list, without_scalars
from xsm.data.nesting import Nest, interpolate, spread
from xsm.data.nesting.planes import on_planes
from xsm.evaluation.metrics import score_sources
from xsm.exceptions import MissingVariableError, NotEnoughDataError, warn_outside
from xsm.fields.anchors import cell_regression
from xsm.fields.sources import Sources
from xsm.physics.conservation import conserve
from xsm.typing import FloatArray

__all__ = ["BASELINES", "LEARNING", "apply_baseline", "learn_maps", "score_fields", "skill_sources"]


LEARNING = ("pattern", "cell_regression")
"""Baselines that learn from a fine truth."""
BASELINES = ("nearest", "bilinear", "conservative_bilinear", *LEARNING)
"""All names that need no network."""


def apply_baseline(
    name: str,
    coarse: xr.DataArray,
    nest: Nest,
    *,
    area: FloatArray,
    maps: Mapping[str, xr.DataArray] | None = None,
    exact: bool = False,
) -> xr.DataArray:
    """Downscale by a baseline.

    Parameters
    ----------
    name : str
        One of :data:`BASELINES`.
    coarse : DataArray
        (time, y, x) on the coarse grid.
    nest : Nest
        Both grids.
    area : ndarray
        (y, x) areas of the fine cells; 0 where a cell is no part of the domain.
    maps : mapping of str to DataArray, optional
        What :func:`learn_maps` returned, for the baselines that learn.
    exact : bool, default: False
        Conserve coarse means in any case.

    Returns
    -------
    DataArray
        (time, y, x) on the fine grid, its coordinates described as the coarse ones; NaN where the
        coarse cell is missing, the area is 0, or nothing was learnt. Floating point, in the
        precision of ``coarse``; of integers float64. Lazy where ``coarse`` is.

    Raises
    ------
    MissingVariableError
        If the baseline learns from a truth and none was given.

    Examples
    --------
    >>> from xsm.data.nesting import make_nest
    >>> coarse = xr.DataArray([[0.0, 4.0]] * 2, {"y": [2.0, 6.0], "x": [2.0, 6.0]})
    >>> nest = make_nest(coarse, 4)
    >>> found = apply_baseline("conservative_bilinear", coarse, nest, area=nest.area)
    >>> found.values[0]
    array([-0.5, -0.5,  0. ,  1. ,  3. ,  4. ,  4.5,  4.5])
    """
    if name in LEARNING and maps is None:
        msg = (
            f"{name!r} learns from a fine truth: pass truth= on the fine grid, which overlaps the "
            "data in time, or take 'nearest', 'bilinear' or 'conservative_bilinear'."
        )
        raise MissingVariableError(msg)
    maps = maps or {}
    coarse = coarse if coarse.dtype.kind == "f" else coarse.astype(float)
    flat = name in {"nearest", "cell_regression"}
    found = spread(coarse, nest) if flat else interpolate(coarse, nest)
    with xr.set_options(keep_attrs=True):
        found = found.where(xr.DataArray(area > 0, dims=nest.dims))
        if name == "pattern":
            found = found + _bare(maps["pattern"])
        elif name == "cell_regression":
            found = _bare(maps["offset"]) + _bare(maps["slope"]) * found
    found = found.transpose(*coarse.dims).astype(coarse.dtype)
    if name == "conservative_bilinear" or exact:
        found = on_planes(
            conserve,
            [found, coarse],
            nest.dims,
            nest.shape,
            coords={},
            area=area,
            factor=nest.factor,
        )
    return found.assign_coords(nest.coords(coarse))


def _bare(array: xr.DataArray) -> xr.DataArray:
    """Return an array without coordinates: it lies on the cells of the nest already."""
    return array.drop_vars(list(array.coords)).drop_attrs()


def learn_maps(sources: Sources) -> dict[str, xr.DataArray]:
    """Learn what the baselines take from a fine truth.

    Parameters
    ----------
    sources : Sources
        With the truth, at the times that are to be learnt from.

    Returns
    -------
    dict of str to DataArray
        (y, x) on the fine grid, in memory: ``pattern``, the mean of truth minus interpolation;
        ``offset`` and ``slope`` of the truth on the coarse series, by least squares. NaN for cells
        without a truth.

    Raises
    ------
    NotEnoughDataError
        If no time has both a coarse value and a truth.

    Examples
    --------
    >>> import numpy as np
    >>> from xsm.data.nesting import make_nest
    >>> coarse = xr.DataArray(np.arange(12.0).reshape(3, 2, 2), dims=("time", "y", "x"))
    >>> nest = make_nest(coarse.assign_coords(y=[1.0, 3.0], x=[1.0, 3.0]), 1)
    >>> sources = Sources(nest, "time", {"gws": coarse}, {}, {}, 2 * coarse + 1, nest.area)
    >>> learn_maps(sources)["slope"].values
    array([[2., 2.],
           [2., 2.]])
    """
    coarse, nest, truth = sources.target, sources.nest, sources.truth
    if truth is None or not bool((truth.notnull().any() & coarse.notnull().any()).compute()):
        msg = "There is no time at which both the coarse data and truth= have values."
        raise NotEnoughDataError(msg)
    truth = truth.drop_vars(list(truth.coords)).compute()
    coarse = coarse.drop_vars(list(coarse.coords)).compute()
    pattern = (truth - _bare(interpolate(coarse, nest))).mean(sources.time)
    own = spread(coarse, nest).transpose(*truth.dims).values
    offset, slope = cell_regression(own.astype(float), truth.values.astype(float))
    template = pattern.transpose(*nest.dims)
    return {
        "pattern": template,
        "offset": template.copy(data=offset),
        "slope": template.copy(data=slope),
    }


def skill_sources(
    sources: Sources, maps: Mapping[str, xr.DataArray] | None
) -> dict[str, xr.DataArray]:
    """Return the predictions of all baselines that can be had.

    Parameters
    ----------
    sources : Sources
        Coarse field and grids.
    maps : mapping of str to DataArray or None
        What :func:`learn_maps` returned; without, baselines that learn are left out.

    Returns
    -------
    dict of str to DataArray
        (time, y, x) on the fine grid, by name.

    Examples
    --------
    >>> from xsm.data.nesting import make_nest
    >>> coarse = xr.DataArray([[0.0, 4.0]] * 2, {"y": [2.0, 6.0], "x": [2.0, 6.0]})
    >>> nest = make_nest(coarse, 2)
    >>> list(skill_sources(Sources(nest, "time", {"gws": coarse}, {}, {}, None, nest.area), None))
    ['nearest', 'bilinear', 'conservative_bilinear']
    """
    names = [n for n in BASELINES if maps or n not in LEARNING]
    coarse, nest, area = sources.target, sources.nest, sources.area
    return {n: apply_baseline(n, coarse, nest, area=area, maps=maps) for n in names}


def score_fields(
    mean: xr.DataArray,
    sources: Sources,
    *,
    maps: Mapping[str, xr.DataArray] | None,
    dim: Hashable | Iterable[Hashable] | None,
) -> xr.Dataset:
    """Score a fine field and all baselines against the truth.

    Parameters
    ----------
    mean : DataArray
        (time, y, x) prediction, canonical units.
    sources : Sources
        With the truth.
    maps : mapping of str to DataArray or None
        What baselines learnt in training; without, those that learn are left out.
    dim : str or iterable of str, optional
        Dimensions that a score is taken over; by default time, which leaves a map.

    Returns
    -------
    xarray.Dataset
        As :func:`xsm.evaluation.metrics.score_sources` along ``source`` (model, nearest, bilinear,
        conservative_bilinear, pattern, cell_regression), and ``skill``: 1 minus the model's mean
        absolute error by that of the source, so that above 0 the model is better. All sources are
        scored on the cells and times of the model: one that lacks some, as those do that learn,
        where the training had no truth, takes none from the others. Its scores are NaN there and
        its ``count`` is 0, and a warning says so, of lazy data ``count`` alone. Lazy where the data
        are.

    Examples
    --------
    >>> from xsm.data.nesting import make_nest
    >>> coarse = xr.DataArray([[[0.0, 4.0]] * 2], {"time": [0], "y": [2.0, 6.0], "x": [2.0, 6.0]})
    >>> nest = make_nest(coarse, 1)
    >>> sources = Sources(nest, "time", {"gws": coarse}, {}, {}, coarse + 1, nest.area)
    >>> table = score_fields(coarse + 0.75, sources, maps=None, dim=("time", "y", "x"))
    >>> float(table["skill"].sel(source="nearest"))
    0.75
    """
    time, dims = sources.time, sources.nest.dims
    truth = sources.truth
    axes = {axis.dim: axis.centres for axis in sources.nest.fine}
    others = {n: a.assign_coords(axes) for n, a in skill_sources(sources, maps).items()}
    found = {"model": mean.assign_coords(axes), **others}
    bare = {n: without_scalars(a).transpose(time, *dims) for n, a in found.items()}
    observed = without_scalars(truth.assign_coords(axes)) if truth is not None else bare["model"]
    over = as_list(time if dim is None else dim)
    table = score_sources(observed, bare, dim=over, whole=tuple(others))
    _tell_left_out(table["count"], over, time)
    mae = table["mae"]
    own = mae.sel(source="model", drop=True)
    skill = (1 - own / mae).where(mae["source"] != "model", np.nan)
    return table.assign(
        skill=skill.assign_attrs(long_name="1 - mean absolute error of the model by that of source")
    )


def _tell_left_out(count: xr.DataArray, dims: list[Hashable], time: str) -> None:
    """Warn where baselines lack steps that the model is scored on; ``count`` tells of lazy ones."""
    if count.chunks is not None:
        return
    scored = count.sel(source="model") > 0
    lost = {
        str(n): int((scored & (count.sel(source=n) == 0)).sum()) for n in count["source"].values
    }
    lost = {name: cells for name, cells in lost.items() if cells}
    if lost:
        said = ", ".join(f"{name!r} in {cells}" for name, cells in lost.items())
        each = "" if dims == [time] else f' Score each cell by itself, dim="{time}".'
        warn_outside(
            f"Not scored are {said} of {int(scored.sum())} series: they lack cells or times that "
            "the model is scored on, as where they had no truth to learn from, and take none from "
            f"it. Their scores are NaN there, and their count is 0.{each}"
        )
