"""What comes in is doubted before it is used: samples, what is wrong in them, and what to type."""

from __future__ import annotations

from xsm.data.doubt.door import doubt, doubt_fills, guarded, guards_of
from xsm.data.doubt.finding import Finding
from xsm.data.doubt.guard import Guard

__all__ = ["Finding", "Guard", "doubt", "doubt_fills", "guarded", "guards_of"]
