"""The labelled water balance: net inflow to the surface layer and its trend, lazily, for any data.

The arithmetic is in :mod:`xsm.physics.water_balance`; here are variables, layers, axes and chunks.
"""

from __future__ import annotations

from xsm.hydrology.balance.water_balance import (
    balance_roles,
    inflow_arrays,
    previous_observation,
    require_roles,
    water_balance,
)

__all__ = [
    "balance_roles",
    "inflow_arrays",
    "previous_observation",
    "require_roles",
    "water_balance",
]
