"""Fill values that nothing declares: constants beyond all other values, and how to mask them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from xsm.data.doubt.limits import Limits
from xsm.typing import Array, FloatArray

__all__ = ["CODES", "Fills", "find_fills", "matches"]


CODES = (
    *(-9999.0, -999.0, -99.0, -99999.0, -9999.9, -999.9, -999.99, -99.99, -99.9, -6999.0, -8888.0),
    *(-32768.0, -32767.0, -2147483648.0, -1e20, -1e30, -3.4028234663852886e38),
    *(1e15, 1e20, 1e30, 9.999e20, 9.969209968386869e36, 3.4028234663852886e38),
    *(9999.0, 99999.0, 999.0, 65535.0, 65534.0, 32767.0, 32766.0, 255.0, 254.0, 2147483647.0),
)
"""Values that stand for missing in files (netCDF-C, GRIB, MERRA-2, FLUXNET, USCRN, bytes)."""

_INSIDE = (-9999.0, -99999.0, -999.0, -32768.0, -9999.9)  # also within a range that is wide
_LOWEST = -998.0  # of codes within a range, the highest
_ENORMOUS = 1e14
_SHOWN = 20  # constants without a name that are looked at
_REPEATED = 5  # times that a value without a name has to occur
_APART = 0.5  # of the spread of all other values, the least distance to them
_FAR = 3.0  # the same within a range
_LIKE = 1e-5  # what float32 loses


@dataclass(frozen=True)
class Fills:
    """Fill values of a variable, how often each occurs, and what the other values are."""

    values: tuple[float, ...]
    counts: tuple[int, ...]
    rest: FloatArray

    @property
    def count(self) -> int:
        """How many values they are together."""
        return sum(self.counts)

    def line(self, name: str) -> str:
        """Return what to type, which keeps the attributes."""
        low, high = (self.rest.min(), self.rest.max()) if self.rest.size else (np.nan, np.nan)
        below = [v for v in self.values if not v > high] if self.rest.size else []
        above = [v for v in self.values if v > high]
        x, said = f'ds["{name}"]', []
        if below:
            said.append(f"{x} > {_between(max(below), float(low))}")
        if above:
            said.append(f"{x} < {_between(min(above), float(high))}")
        if not self.rest.size:
            v = self.values[0]
            said = [f"{x} > {_between(v, 0.0)}" if v < 0 else f"{x} < {_between(v, 0.0)}"]
        condition = said[0] if len(said) == 1 else " & ".join(f"({each})" for each in said)
        return f"{x} = {x}.where({condition})"


def find_fills(values: FloatArray, limits: Limits, said: Collection[float] = ()) -> Fills | None:
    """Return the fill values among finite values in the units of the data, or None.

    A known code counts beyond the limits where it stands apart from all other values, and a few
    of them also within, where they are far from these; so do constants without a name that occur
    five times beyond the limits. Codes that the attributes name count where they are. What the
    data state to be valid does not.
    """
    odd = limits.outside(values)
    suspects = values[odd | (values < _LOWEST) | (abs(values) >= _ENORMOUS) | matches(values, said)]
    if not suspects.size:
        return None
    found, counts = np.unique(suspects, return_counts=True)
    stated, beyond = matches(found, said), limits.outside(found)
    named = stated | matches(found, CODES) | (abs(found) >= _ENORMOUS)
    named &= stated | beyond | (not limits.stated)
    often = np.argsort(counts)[-_SHOWN:]
    often = often[(counts[often] >= _REPEATED) & beyond[often] & ~named[often]]
    rest = values[~np.isin(values, found[named])]
    kept = {
        float(found[i]): int(counts[i])
        for i in np.flatnonzero(named)
        if stated[i] or _stands(float(found[i]), int(counts[i]), rest, limits)
    }
    kept |= {
        float(found[i]): int(counts[i]) for i in often if _alone(found[i], rest[rest != found[i]])
    }
    if not kept:
        return None
    return Fills(tuple(kept), tuple(kept.values()), values[~np.isin(values, [*kept])])


def _stands(v: float, n: int, rest: FloatArray, limits: Limits) -> bool:
    """Tell whether a known code is a fill value here."""
    if abs(v) >= _ENORMOUS:
        return True
    gap, spread = _gap(v, rest)
    if limits.outside(v):
        return not rest.size or gap > _APART * spread
    inside = any(abs(v - code) <= _LIKE * abs(code) for code in _INSIDE)
    apart = spread > 0 and gap > _FAR * spread
    return inside and n > 1 and (apart or not rest.size) and not limits.stated


def _alone(v: float, rest: FloatArray) -> bool:
    """Tell whether a value without a name lies far beyond all others."""
    gap, spread = _gap(v, rest)
    return bool(rest.size) and spread > 0 and gap > _FAR * spread


def _gap(v: float, rest: FloatArray) -> tuple[float, float]:
    """Return how far a value lies from the others, and how far these spread."""
    if not rest.size:
        return np.inf, 0.0
    low, high = float(rest.min()), float(rest.max())
    return max(low - v, v - high, 0.0), high - low


def _between(fill: float, other: float) -> str:
    """Return a round number between a fill value and the values next to it."""
    low, high = sorted((fill, other))
    for digits in (1, 2, 3, 6, 12):
        for share in (0.9, 0.5, 0.75):
            at = float(f"{fill + (1 - share) * (other - fill):.{digits}g}")
            if low < at < high:
                return f"{at:g}" if float(f"{at:g}") == at else repr(at)
    return repr((fill + other) / 2)


def matches(values: Array, codes: Collection[float]) -> Array:
    """Tell which values are one of some codes, but for what float32 loses."""
    found = np.zeros(values.shape, bool)
    for code in codes:
        found |= np.isclose(values, code, rtol=_LIKE, atol=0)
    return found
