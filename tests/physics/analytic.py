"""Solutions from outside: an exact one of the Richardson-Richards equation, and one by scipy."""

from __future__ import annotations

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from xsm.physics.retention import Hydraulics

__all__ = ["CELIA", "EXPONENTIAL", "ExponentialInfiltration", "celia_by_scipy"]

# Srivastava and Yeh (1991), Fig. 2: alpha 0.1 cm-1, K_s 1 cm h-1, rain 0.1, then 0.9 cm h-1.
EXPONENTIAL = Hydraulics(0.06, 0.40, 10.0, 0.0, 0.24, model="gardner")

# Celia et al. (1990), field site of New Mexico: alpha 0.0335 cm-1, n 2, K_s 0.00922 cm s-1.
CELIA = Hydraulics(0.102, 0.368, 3.35, 2.0, 0.00922 * 864.0)


class ExponentialInfiltration:
    """Water of a soil above a water table after the rain has changed, exactly.

    Srivastava, R. and Yeh, T.-C. J. (1991). Water Resour. Res. 27:753-762, Eq. 14 and 18:
    K = K_s exp(alpha h), theta = theta_r + (theta_s - theta_r) exp(alpha h), so that the equation
    is linear in K.
    """

    def __init__(self, soil=EXPONENTIAL, length=1.0, before=0.1, after=0.9, terms=200):
        self.soil, self.length = soil, length
        self.before, self.after = before, after  # rain in units of K_s
        self.scaled = soil.alpha * length
        ends = (np.arange(1, terms + 1) - 0.5) * np.pi / self.scaled
        margin = 1e-9 / self.scaled
        self.roots = np.array(
            [
                brentq(
                    lambda x: np.sin(x * self.scaled) + 2 * x * np.cos(x * self.scaled),
                    lo + margin,
                    lo + np.pi / self.scaled + margin,
                )
                for lo in ends
            ]
        )

    def conductivity(self, depth, time):
        """Return K / K_s at depths (m) and a time (days)."""
        z = self.soil.alpha * (self.length - np.asarray(depth, float))[..., None]
        t = self.soil.alpha * self.soil.k_sat * time / (self.soil.theta_s - self.soil.theta_r)
        steady = self.after - (self.after - 1.0) * np.exp(-z[..., 0])
        x = self.roots
        series = np.sin(x * z) * np.sin(x * self.scaled) * np.exp(-(x**2) * t)
        series /= 1.0 + self.scaled / 2.0 + 2.0 * x**2 * self.scaled
        front = np.exp((self.scaled - z[..., 0]) / 2.0 - t / 4.0) * series.sum(-1)
        return steady - 4.0 * (self.after - self.before) * front

    def theta(self, depth, time):
        """Return the water content."""
        span = self.soil.theta_s - self.soil.theta_r
        return self.soil.theta_r + span * self.conductivity(depth, time)

    def initial(self, depth):
        """Return K / K_s of the steady state of the rain before."""
        z = self.soil.alpha * (self.length - np.asarray(depth, float))
        return self.before - (self.before - 1.0) * np.exp(-z)


def celia_by_scipy(layers=200, length=1.0, days=1.0, top=-0.75, start=-10.0):
    """Return depth and water content by an implicit multistep method in time (BDF, rtol 1e-8)."""
    soil, m = CELIA, 1.0 - 1.0 / CELIA.shape
    dz = length / layers

    def head(s):
        return -((s ** (-1 / m) - 1) ** (1 / soil.shape)) / soil.alpha

    def saturation(h):
        return (1 + (soil.alpha * -h) ** soil.shape) ** -m

    def conductivity(s):
        return soil.k_sat * np.sqrt(s) * (1 - (1 - s ** (1 / m)) ** m) ** 2

    def change(_, s):
        h, k = head(s), conductivity(s)
        outer = conductivity(saturation(np.array([top, start])))
        flux = np.empty(layers + 1)
        flux[1:-1] = -0.5 * (k[1:] + k[:-1]) * (np.diff(h) / dz - 1)
        flux[0] = -0.5 * (outer[0] + k[0]) * ((h[0] - top) / (dz / 2) - 1)
        flux[-1] = -0.5 * (outer[1] + k[-1]) * ((start - h[-1]) / (dz / 2) - 1)
        return -np.diff(flux) / dz / (soil.theta_s - soil.theta_r)

    band = np.zeros((layers, layers))
    for offset in (-1, 0, 1):
        band += np.eye(layers, k=offset)
    first = np.full(layers, saturation(start))
    done = solve_ivp(
        change, (0.0, days), first, "BDF", [days], rtol=1e-8, atol=1e-10, jac_sparsity=band
    )
    depth = (np.arange(layers) + 0.5) * dz
    return depth, soil.theta_r + (soil.theta_s - soil.theta_r) * done.y[:, -1]
