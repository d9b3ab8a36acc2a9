"""Names of types that several modules share."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["TERMS", "Array", "Compat", "FloatArray", "Scaling", "States", "Trend"]


FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
Array: TypeAlias = npt.NDArray[Any]
Trend: TypeAlias = Literal["change", "level"]
Scaling: TypeAlias = Literal["cell", "global"]
States: TypeAlias = Literal["end", "mean"]
Compat: TypeAlias = Literal["geng2024_code"]

TERMS = ("precipitation", "evaporation", "surface_runoff", "snow")
"""Terms of the monotonic water balance: A1-A4 and B1-B4 of Geng et al. (2024) are its first 1-4."""
