"""Audits: does a prediction move as physics says, and do the observations themselves."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import xarray as xr

from xsm.data.dimensions import check_prediction
from xsm.data.grid import as_list
from xsm.data.joins import common
from xsm.data.reading import Reading
from xsm.data.targets import default_target, observed_target, predicted_target
from xsm.hydrology.balance import inflow_arrays
from xsm.physics.rounding import significant
from xsm.typing import TERMS, Compat, Trend

__all__ = ["water_balance_consistency"]


TRENDS: tuple[Trend, ...] = ("change", "level")
_LONG = {
    "consistency": "share of steps on which the prediction follows the inflow trend",
    "consistency_filtered": "the same after the filter of Eq. 13 (1 for the observations)",
    "observed_consistency": "share of steps on which the observations follow the inflow trend",
    "excess": "consistency minus observed consistency; nearer 0 is better",
    "always_drying": "share of the same steps that always falling soil moisture would follow",
    "count": "steps compared",
    "count_filtered": "steps compared after the filter",
}


def water_balance_consistency(
    reading: Reading,
    predicted: xr.Dataset | xr.DataArray | None = None,
    *,
    dim: Hashable | Iterable[Hashable] | None = None,
    target: str | None = None,
    terms: Sequence[str] | None = None,
    deep: bool = False,
    trend: Trend | None = None,
    compat: Compat | None = None,
) -> xr.Dataset:
    """Score how often soil moisture moves with the inflow, see :func:`xsm.consistency`.

    ``predicted`` is joined with the observations on common labels; by default these are audited.
    One ``trend``, or both along a dimension. Lazy where the data are; NaN where nothing could be
    compared.
    """
    said = None if predicted is None else predicted.attrs.get("target")
    target = target or str(said or default_target(reading.table))
    observed = observed_target(reading, target)
    guess = observed if predicted is None else predicted_target(reading, predicted, target)
    dims = as_list(reading.time if dim is None else dim)
    check_prediction(observed, guess)
    parts = []
    for kind in TRENDS if trend is None else (trend,):
        balance = inflow_arrays(
            reading,
            outputs=("inflow_trend", "inflow_trend_filtered", "previous_observation"),
            deep=deep,
            terms=TERMS if terms is None else tuple(terms),
            trend=kind,
            compat=compat,
            target=target,
        )
        parts.append(_shares(balance, observed, guess, dims))
    if trend is not None:
        return parts[0]
    names = xr.DataArray(list(TRENDS), dims="trend", name="trend")
    return xr.concat(parts, names, combine_attrs="drop_conflicts")


def _shares(
    balance: xr.Dataset,
    observed: xr.DataArray,
    predicted: xr.DataArray,
    dims: list[Hashable],
) -> xr.Dataset:
    """Return the shares for one trend (Geng et al. 2024, Eq. 19)."""
    raw, filtered = balance["inflow_trend"], balance["inflow_trend_filtered"]
    given = {"raw": raw, "filtered": filtered, "before": balance["previous_observation"]}
    truth, kept_by = common(observed, {"the prediction": predicted, **given})
    guess, raw, filtered, before = kept_by.values()
    raw, filtered = raw.where(guess.notnull()), filtered.where(guess.notnull())
    drop = significant(before - guess, before)
    model, count = _share(raw * drop, dims)
    own, _ = _share(raw * significant(before - truth, before), dims)
    kept, count_filtered = _share(filtered * drop, dims)
    drying, _ = _share(raw.where((raw * drop).fillna(0) != 0), dims)  # as `count`
    found = xr.Dataset(
        {
            "consistency": model,
            "consistency_filtered": kept,
            "observed_consistency": own,
            "excess": model - own,
            "always_drying": drying,
            "count": count,
            "count_filtered": count_filtered,
        }
    )
    for name, text in _LONG.items():
        found[name].attrs = {"long_name": text, "units": "1"}
    title = {"title": "Consistency with the monotonic water balance"}
    found.attrs = title | {k: v for k, v in balance.attrs.items() if k != "trend"}
    return found


def _share(product: xr.DataArray, dims: list[Hashable]) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the share of negative products among those that are not zero, and their number."""
    count = ((product != 0) & product.notnull()).sum(dims)
    return ((product < 0).sum(dims) / count.where(count > 0)), count
