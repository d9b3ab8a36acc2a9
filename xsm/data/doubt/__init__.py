"""What comes in is doubted before it is used: samples, what is wrong in them, and what to type."""

from __future__ import annotations

from xsm.data.doubt.door import doubt, doubt_fills, guarded, guards_of
from xsm.data.doubt.finding import Finding
from xsm.data.doubt.guard import Guard
from xsm.data.doubt.predictions import check_spread, doubted_prediction, doubted_spread

__all__ = [
    "Finding",
    "Guard",
    "check_spread",
    "doubt",
    "doubt_fills",
    "doubted_prediction",
    "doubted_spread",
    "guarded",
    "guards_of",
]
