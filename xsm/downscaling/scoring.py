"""Scores of a downscaled field beside every baseline, and the skill against each."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

import numpy as np
import xarray as xr

from xsm.downscaling.baselines import skill_sources
from xsm.downscaling.sources import Sources
from xsm.grid import without_scalars
from xsm.metrics import score_sources

__all__ = ["score_fields"]


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
        As :func:`xsm.metrics.score_sources` along ``source`` (model, nearest, bilinear,
        conservative_bilinear, pattern, cell_regression), and ``skill``: 1 minus the model's mean
        absolute error by that of the source, so that above 0 the model is better. All sources are
        scored on the same cells and times. Lazy where the data are.

    Examples
    --------
    >>> from xsm.nesting import make_nest
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
    table = score_sources(observed, bare, dim=time if dim is None else dim)
    mae = table["mae"]
    own = mae.sel(source="model", drop=True)
    skill = (1 - own / mae).where(mae["source"] != "model", np.nan)
    return table.assign(
        skill=skill.assign_attrs(long_name="1 - mean absolute error of the model by that of source")
    )
