"""What loss terms ask of the laws: keys of the batch, and settings that decide what they hold."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from xsm.data.reading import Reading
from xsm.hydrology.soil.profile import Profile
from xsm.typing import Compat, Trend

__all__ = ["Balance", "Term", "Wanted"]


class Term(Protocol):
    """A loss term, as laws see it."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys of the batch that it reads."""


@runtime_checkable
class Balance(Protocol):
    """A loss term that asks for the trend of the inflow."""

    @property
    def deep(self) -> bool:
        """Whether deep soil water is in the balance."""

    @property
    def terms(self) -> tuple[str, ...]:
        """Terms of the inflow."""

    @property
    def trend(self) -> Trend:
        """Change or level."""

    @property
    def threshold(self) -> float:
        """Inflow at or below which the trend is 0."""

    @property
    def compat(self) -> Compat | None:
        """Code to reproduce."""

    @property
    def trend_key(self) -> str:
        """Key under which the trend is wanted."""


@dataclass(frozen=True)
class Wanted:
    """What a law is asked for: the keys that loss terms, or the model itself, read of a target.

    The ``terms`` come whole, since their settings decide. ``profile`` holds the target's layers
    where it has several and is among the data; ``centres`` are their depths, m, none for one layer.
    """

    reading: Reading
    terms: Sequence[Term]
    keys: Collection[str]
    target: str
    profile: Profile | None = None
    centres: Sequence[float] = ()
