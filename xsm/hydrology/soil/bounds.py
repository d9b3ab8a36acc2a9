"""Water beyond what a soil holds: where, and said."""

from __future__ import annotations

import xarray as xr

from xsm.exceptions import warn_outside

__all__ = ["beyond_pores", "tell_of_beyond"]


_ROUNDING = 1e-6  # m3 m-3; of float32, and of solvers at saturation
_FEW = 0.002  # share of values that is left to `out_of_range`


def beyond_pores(theta: xr.DataArray, low: xr.DataArray, high: xr.DataArray) -> xr.DataArray:
    """Return 1 where water is beyond its bounds, 0 within, NaN where something is missing."""
    known = theta.notnull() & low.notnull() & high.notnull()
    beyond = (theta < low - _ROUNDING) | (theta > high + _ROUNDING)
    return beyond.astype(float).where(known)


def tell_of_beyond(wrong: xr.DataArray) -> None:
    """Warn where more than a little water in memory is beyond its bounds, see :func:`beyond_pores`.

    There head and conductivity stay at the bounds, so that the equation does not hold. Nothing is
    said of lazy data, which would have to be read.
    """
    if wrong.chunks is not None:
        return
    lost, count = int(wrong.sum()), int(wrong.notnull().sum())
    if lost > _FEW * count:
        warn_outside(
            f"{lost} of {count} values of soil moisture ({lost / count:.1%}) lie beyond theta_r "
            "and theta_s, where the Richardson-Richards equation does not hold: residuals there "
            "say how far the water is beyond, not how it moves. Check its units and the parameters "
            "of the soil, or leave these values out with ds.where(...)."
        )
