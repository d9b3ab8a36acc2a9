"""Physics on bare arrays: every function states its equation, symbols, units, signs and source."""

from __future__ import annotations
