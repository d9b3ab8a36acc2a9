"""The extremes of a day: the least temperature cannot be above the greatest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from xsm.data.doubt.finding import Finding, Severity
from xsm.data.doubt.judge import Judged
from xsm.typing import FloatArray

__all__ = ["extremes_together"]


_ROUNDING = 0.05  # K: of values that are rounded to a tenth of a degree
_SWAPPED = 0.5  # share of the values from which on the two variables are each other's


def extremes_together(judged: Sequence[Judged]) -> list[Judged]:
    """Return what was judged, with a finding where minima lie above maxima at the same places."""
    both = {each.variable.role: each for each in judged}
    low, high = both.get("temperature_min"), both.get("temperature_max")
    if low is None or high is None or low.values.shape != high.values.shape:
        return list(judged)
    pair = _canonical(low), _canonical(high)
    seen = np.isfinite(pair[0]) & np.isfinite(pair[1])
    share = float((pair[0] > pair[1] + _ROUNDING)[seen].mean()) if seen.any() else 0.0
    if not share:
        return list(judged)
    found = _found(str(low.variable.name), str(high.variable.name), share)
    return [
        replace(each, findings=(*each.findings, found)) if each is low else each for each in judged
    ]


def _found(low: str, high: str, share: float) -> Finding:
    """Say what is wrong, and what to type: the other names, or to leave such days out."""
    swapped = share > _SWAPPED
    severity: Severity = "stop" if swapped else "warn"
    line = (
        f'variables={{"temperature_min": "{high}", "temperature_max": "{low}"}}'
        if swapped
        else f'ds["{low}"] = ds["{low}"].where(ds["{low}"] <= ds["{high}"])'
    )
    words = (
        f"{low!r} is above {high!r} in {share:.2%} of the values, and the least temperature of a "
        "day cannot be above the greatest.{typed}"
    )
    return Finding("temperature_min", low, "order", severity, words, line, share)


def _canonical(judged: Judged) -> FloatArray:
    """Return the sample in K, NaN where it is a fill value or infinite."""
    values = np.asarray(judged.values.values, np.float64)
    change = judged.variable.conversion
    values = np.where(np.isin(values, judged.rest), values, np.nan)
    found: FloatArray = change.factor * values + change.offset
    return found
