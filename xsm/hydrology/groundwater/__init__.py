"""Groundwater storage: what remains of terrestrial water storage without soil, snow and surface."""

from __future__ import annotations

from xsm.hydrology.groundwater.anomaly import groundwater_anomaly

__all__ = ["groundwater_anomaly"]
