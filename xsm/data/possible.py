"""Predictions that no quantity can have, as negative soil moisture: told, not changed."""

from __future__ import annotations

import threading

from xsm.data.naming import ROLES
from xsm.exceptions import warn_outside
from xsm.typing import Array

__all__ = ["Impossible"]


_BOUNDED = ("soil_moisture", "satellite_soil_moisture")  # roles with models that are bounded


class Impossible:
    """Warns, once, of values of a role outside what it can be, as ``range`` of the table says.

    Values are canonical; NaN is none of them, and what has no role or no range can be all. It is
    called with the values of a block, from any thread, and travels to other processes.
    """

    def __init__(self, role: str) -> None:
        self.role = role
        self._range = ROLES[role].range if role in ROLES else None
        self._first = threading.Lock()

    def __reduce__(self) -> tuple[type[Impossible], tuple[str]]:
        """Travel as the role."""
        return Impossible, (self.role,)

    def __call__(self, values: Array, *, lazy: bool) -> None:
        """Warn where some lie outside; ``lazy`` ones are a block of many."""
        if self._range is None:
            return
        low, high = self._range
        below, above = values < low, values > high
        count = int(below.sum()) + int(above.sum())
        if count and self._first.acquire(blocking=False):  # never given back
            outside = values[below | above]
            block = " in one block; others may hold more" if lazy else ""
            bounded = ', or fit "pgdl_cnn_lstm", which is bounded' if self.role in _BOUNDED else ""
            warn_outside(
                f"{count:,} of {values.size:,} predicted values of {self.role} lie outside of what "
                f"it can be, {low:g} to {high:g} {ROLES[self.role].units}: {outside.min():.3g} to "
                f"{outside.max():.3g}{block}. They are kept as they are. Train for longer, clip "
                f"them yourself with .clip({low:g}, {high:g}){bounded}."
            )
