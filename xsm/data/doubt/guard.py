"""The same doubt when values are computed: blocks are looked at in the pass that reads them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from xsm.data.doubt.fills import matches
from xsm.exceptions import UnitsError, warn_outside
from xsm.typing import Array

__all__ = ["Guard", "look"]


@dataclass(frozen=True)
class Guard:
    """Looks at values of one variable: refuses fill values, warns beyond the range.

    The values times ``factor`` are canonical.
    ``codes`` are the fill values that lie beyond ``low`` and ``high``, in canonical units,
    ``given`` the same in those of the data; ``quiet`` where the range was warned of already.
    """

    role: str
    name: str
    low: float
    high: float
    codes: tuple[float, ...]
    given: tuple[float, ...]
    quiet: bool = False
    factor: float = 1.0

    def __call__(self, values: Array) -> Array:
        """Return the values, or raise :class:`UnitsError` where some are fill values."""
        if values.size:
            low, high = np.fmin.reduce(values, None), np.fmax.reduce(values, None)
            if not self.fits(*sorted((low * self.factor, high * self.factor))):
                self._tell(values * self.factor)
        return values

    def fits(self, low: float, high: float) -> bool:
        """Tell whether extremes lie within the range; NaN does."""
        return not (low < self.low or high > self.high)

    def _tell(self, values: Array) -> None:
        """Refuse fill values, count them, and warn of others beyond the range."""
        odd = values[(values < self.low) | (values > self.high)]
        endless = int(np.isinf(odd).sum())
        if endless:
            x = f'ds["{self.name}"]'
            msg = (
                f"{self.role}: {endless:,} of {values.size:,} values of {self.name!r} that were "
                "computed now are infinite, as after a division by 0; numbers or NaN are needed. "
                f'Type {x} = {x}.where(abs({x}) < float("inf")).'
            )
            raise UnitsError(msg)
        for code, given in zip(self.codes, self.given, strict=True):
            count = int(matches(odd, (code,)).sum())
            if count:
                raise UnitsError(self.words(count, values.size, given))
        if not self.quiet:
            warn_outside(
                f"{self.role}: {self.name!r} holds values outside of {self.low:.4g} to "
                f"{self.high:.4g} in blocks that were computed now. Type ds.physm.check()."
            )

    def words(self, count: int, size: int, given: float) -> str:
        """Say which fill values there are and what to type."""
        side, at = (">", 0.9 * given) if given < 0 else ("<", 0.9 * given)
        x = f'ds["{self.name}"]'
        return (
            f"{self.role}: {count:,} of {size:,} values of {self.name!r} that were computed now "
            f"are {given:.8g}, which nothing declares as missing. Type {x} = {x}.where({x} {side} "
            f"{at:.6g}). Only if these are no fill values, say so: "
            f'{x}.attrs["valid_{"min" if given < 0 else "max"}"] = {given!r}.'
        )


def look(guards: Iterable[Guard | None], arrays: Iterable[Array]) -> None:
    """Let guards look at arrays, each at its own; further arrays have none."""
    for guard, values in zip(guards, arrays, strict=False):
        if guard is not None:
            guard(values)
