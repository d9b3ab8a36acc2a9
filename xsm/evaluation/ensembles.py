"""Whether the members of an ensemble can be believed: coverage, CRPS, and the rank of what came."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import xarray as xr

from xsm.data.joins import common
from xsm.evaluation.distribution import crps_ensemble
from xsm.typing import FloatArray

__all__ = ["crps_of_members", "judge_members", "member_quantiles"]


def member_quantiles(members: xr.DataArray, dim: str, probability: xr.DataArray) -> xr.DataArray:
    """Return quantiles of members (level, ...), lazily; NaN where a member is missing.

    The k-th of m is at ``k / (m + 1)``, so that a truth that is one of them lies below as often;
    beyond the first and the last they are these.
    """
    whole = members.chunk({dim: -1}) if members.chunks is not None else members

    def quantiles(values: FloatArray) -> FloatArray:
        found = np.quantile(values, probability.values, axis=-1, method="weibull")
        return np.moveaxis(found, 0, -1)

    found: xr.DataArray = xr.apply_ufunc(
        quantiles,
        whole,
        input_core_dims=[[dim]],
        output_core_dims=[["level"]],
        dask="parallelized",
        output_dtypes=[members.dtype],
        dask_gufunc_kwargs={"output_sizes": {"level": probability.size}},
    )
    return found.transpose("level", ...)


def crps_of_members(truth: xr.DataArray, members: xr.DataArray, dim: str) -> xr.DataArray:
    """Return the continuous ranked probability score of each value, lazily."""
    whole = members.chunk({dim: -1}) if members.chunks is not None else members
    found: xr.DataArray = xr.apply_ufunc(
        crps_ensemble,
        truth.astype(np.float64),
        whole.astype(np.float64),
        input_core_dims=[[], [dim]],
        dask="parallelized",
        output_dtypes=[np.float64],
    )
    return found


def judge_members(
    observed: xr.DataArray,
    members: xr.DataArray,
    member: str,
    level: xr.DataArray,
    dims: Sequence[Hashable],
) -> xr.Dataset:
    """Return what tells whether members can be believed, see :func:`xsm.reliability`, lazily.

    ``level`` are nominal probabilities along ``level``. ``rank`` is how many members are below the
    observation; its histogram is relative to the even one.
    """
    truth, near = common(observed, {"the prediction": members})
    values = near["the prediction"].astype(np.float64)
    known = truth.notnull() & values.notnull().all(member)
    low, high = (member_quantiles(values, member, (1 + s * level) / 2) for s in (-1, 1))
    count = known.sum(dims)
    some = count.where(count > 0)
    size = values.sizes[member]
    ranks = (values < truth).sum(member).where(known)
    at = xr.DataArray(np.arange(size + 1), dims="rank")
    crps = crps_of_members(truth, values, member)
    spread = values.std(member, ddof=1)
    found = {
        "coverage": ((truth >= low) & (truth <= high) & known).sum(dims) / some,
        "width": (high - low).where(known).sum(dims) / some,
        "sharpness": spread.where(known).sum(dims) / some,
        "crps": crps.where(known).sum(dims) / some,
        "rank_histogram": (ranks == at).sum(dims) * (size + 1) / some,
        "count": count,
    }
    ordered = {
        n: a.transpose("level", "rank", ..., missing_dims="ignore") for n, a in found.items()
    }
    return xr.Dataset(ordered).assign_coords(level=level.values, rank=at.values)
