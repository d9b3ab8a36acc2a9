"""What a change is that must not matter, and how it says that there is nothing to change."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import xarray as xr

__all__ = ["Invariance", "Leaves"]


class Leaves(Exception):  # noqa: N818
    """The change leaves these data as they are: the cell of the table is left out."""


@dataclass(frozen=True)
class Invariance:
    """A change of the data, what brings an answer back, and a state that surrounds the call."""

    change: Callable[[xr.Dataset], xr.Dataset]
    back: Callable[[xr.Dataset], xr.Dataset] = lambda found: found
    around: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext

    @property
    def of_process(self) -> bool:
        """Whether it is the process that is changed."""
        return self.around is not contextlib.nullcontext
