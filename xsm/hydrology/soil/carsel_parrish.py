"""Hydraulic parameters of the twelve texture classes, as published.

Carsel, R. F. and Parrish, R. S. (1988). Developing joint probability distributions of soil water
retention characteristics. Water Resour. Res. 24:755-769, means by class of USDA texture: saturated
and residual water content, alpha and n of van Genuchten (1980), saturated conductivity.
"""

from __future__ import annotations

import numpy as np

from xsm.hydrology.soil.triangle import CLASSES, classify
from xsm.typing import Array, FloatArray

__all__ = ["PARAMETERS", "PUBLISHED", "class_parameters"]


PARAMETERS = ("theta_r", "theta_s", "vg_alpha", "vg_n", "k_sat")
"""The order of parameters in arrays."""

PUBLISHED = {
    # class: theta_r (1), theta_s (1), alpha (cm-1), n (1), Ks (cm h-1); Carsel and Parrish 1988
    "sand": (0.045, 0.43, 0.145, 2.68, 29.70),
    "loamy_sand": (0.057, 0.41, 0.124, 2.28, 14.59),
    "sandy_loam": (0.065, 0.41, 0.075, 1.89, 4.42),
    "silt_loam": (0.067, 0.45, 0.020, 1.41, 0.45),
    "silt": (0.034, 0.46, 0.016, 1.37, 0.25),
    "loam": (0.078, 0.43, 0.036, 1.56, 1.04),
    "sandy_clay_loam": (0.100, 0.39, 0.059, 1.48, 1.31),
    "silty_clay_loam": (0.089, 0.43, 0.010, 1.23, 0.07),
    "clay_loam": (0.095, 0.41, 0.019, 1.31, 0.26),
    "sandy_clay": (0.100, 0.38, 0.027, 1.23, 0.12),
    "silty_clay": (0.070, 0.36, 0.005, 1.09, 0.02),
    "clay": (0.068, 0.38, 0.008, 1.09, 0.20),
}
"""As printed in the paper; converted on use."""

_CANONICAL = np.array([1.0, 1.0, 100.0, 1.0, 0.24])  # cm-1 to m-1; cm h-1 to m day-1


def class_parameters(sand: Array, silt: Array, clay: Array) -> FloatArray:
    """Return the parameters of each soil's texture class.

    Parameters
    ----------
    sand, silt, clay : array
        Shares of the fine earth by weight, %, of one shape.

    Returns
    -------
    array (..., 5)
        theta_r and theta_s (m3 m-3), alpha (m-1), n (1), saturated conductivity (m day-1), as
        named by :data:`PARAMETERS`; NaN where a share is NaN.

    Raises
    ------
    UnitsError
        If the shares are no whole, see :func:`xsm.hydrology.soil.triangle.whole`.

    Examples
    --------
    >>> class_parameters(np.array(40.0), np.array(40.0), np.array(20.0)).round(4)
    array([0.078 , 0.43  , 3.6   , 1.56  , 0.2496])
    """
    table = np.round(np.array([PUBLISHED[name] for name in CLASSES]) * _CANONICAL, 12)
    table = np.concatenate([np.full((1, len(PARAMETERS)), np.nan), table])
    found: FloatArray = table[np.nan_to_num(classify(sand, silt, clay)).astype(int)]
    return found
