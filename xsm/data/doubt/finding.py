"""What looks wrong in the values of a variable, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Finding", "Severity"]


Severity: TypeAlias = Literal["stop", "warn", "note"]


@dataclass(frozen=True)
class Finding:
    """What looks wrong in a variable.

    Parameters
    ----------
    role : str
        Its role; its name where it has none.
    variable : str
        Its name in the data set.
    kind : str
        ``"fill"``, ``"infinite"``, ``"units"``, ``"range"``, ``"saturation"``, ``"sign"``,
        ``"sawtooth"``, ``"order"``, ``"constant"``, ``"missing"``, ``"flag"``, ``"unusable"`` or
        ``"told"``, a remark of ``ds.physm.variables()``.
    severity : {"stop", "warn", "note"}
        Whether verbs refuse the variable, warn, or say nothing.
    words : str
        What was found, and how to say that it is right where that can be.
    line : str
        What to type; empty where nothing mends it.
    share : float
        Share of the values that were looked at.
    """

    role: str
    variable: str
    kind: str
    severity: Severity
    words: str
    line: str = ""
    share: float = 1.0

    def __str__(self) -> str:
        """Return it in words, with the line to type."""
        typed = f" Type {self.line}." if self.line else ""
        return f"{self.role}: " + self.words.replace("{typed}", typed)
