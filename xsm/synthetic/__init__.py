"""Worlds made by known physics: nothing observed, everything known."""

from __future__ import annotations

from xsm.synthetic.drivers import driver_world
from xsm.synthetic.land import land_world
from xsm.synthetic.profile import profile_world

__all__ = ["driver_world", "land_world", "profile_world"]
