"""Forward simulation of soil columns by the Richardson-Richards equation, on arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xsm.exceptions import GridError, check_choice
from xsm.physics.darcy import FACES
from xsm.physics.picard import Rules
from xsm.physics.retention import Hydraulics
from xsm.physics.richards import Face
from xsm.physics.stepping import CLOSED, FREE, HEAD, run_columns
from xsm.physics.threads import share_cells

__all__ = ["STRESS", "Columns", "simulate"]


Array = npt.NDArray[np.float64]

STRESS = (-0.1, -0.25, -8.0, -80.0)
"""Heads of root stress, m: pasture at low demand (Feddes et al. 1978; Wesseling et al. 1991)."""


@dataclass(frozen=True)
class Columns:
    """What the columns did; amounts are sums of each output step, in m.

    Parameters
    ----------
    theta : ndarray (output, layer, cell)
        Water content at the end of the step, m3 m-3.
    flux : ndarray (output, face, cell)
        Water through each face, positive downward: the first is the surface, the last the bottom.
    uptake : ndarray (output, layer, cell)
        Water that roots took up.
    evaporation : ndarray (output, cell)
        Water that evaporated from the surface, without that of the roots.
    runoff : ndarray (output, cell)
        Water that ran off the surface.
    ponding : ndarray (output, cell)
        Water on the surface at the end of the step.
    head : ndarray (layer, cell)
        Pressure head after the last step, m, to go on from.
    failed : ndarray (cell,)
        True where a step could not be solved; what follows it is NaN.
    """

    theta: Array
    flux: Array
    uptake: Array
    evaporation: Array
    runoff: Array
    ponding: Array
    head: Array
    failed: npt.NDArray[np.bool_]


def simulate(  # noqa: PLR0913
    soil: Hydraulics,
    *,
    thickness: npt.ArrayLike,
    rain: npt.ArrayLike,
    bare_demand: npt.ArrayLike = 0.0,
    plant_demand: npt.ArrayLike = 0.0,
    roots: npt.ArrayLike = 0.0,
    initial: npt.ArrayLike = -1.0,
    ponding: npt.ArrayLike = 0.0,
    step_days: float = 1.0,
    every: int = 1,
    bottom: float | str = "free_drainage",
    surface_head: float | None = None,
    max_ponding: float = 0.0,
    limits: tuple[float, float, float, float] = STRESS,
    face: Face = "arithmetic",
    tolerance: float = 1e-7,
    accuracy: float = 1e-3,
    longest_step: float | None = None,
    threads: int | None = None,
) -> Columns:
    """Simulate the water of many soil columns.

    Parameters
    ----------
    soil : Hydraulics
        Parameters (layer, cell), (1, cell), or numbers.
    thickness : array_like (layer,)
        Thickness of the layers from the surface down, m.
    rain : array_like (step, cell)
        Rain and melt on the surface, mean of each step, m day-1, not negative.
    bare_demand, plant_demand : array_like
        What the atmosphere demands of the bare surface and of plants, m day-1, not negative; of the
        shape of ``rain``, or a number.
    roots : array_like (layer, cell)
        Share of the demand that each layer's roots ask for; broadcasts.
    initial : array_like (layer, cell), default: -1.0
        Pressure head before the first step, m; broadcasts.
    ponding : array_like (cell,), default: 0.0
        Water on the surface before the first step, m.
    step_days : float, default: 1.0
        Length of a step of the forcing, days.
    every : int, default: 1
        Steps of the forcing in an output step.
    bottom : {"free_drainage", "closed"} or float, default: "free_drainage"
        A unit gradient of the total head, no flow, or a fixed pressure head (m) at the lower face.
    surface_head : float, optional
        A fixed pressure head (m) at the surface in place of the atmosphere.
    max_ponding : float, default: 0.0
        Water that can stand on the surface, m; what is above runs off.
    limits : tuple of float
        Heads of root stress, m, by default :data:`STRESS`.
    face : {"arithmetic", "geometric", "upstream"}, default: "arithmetic"
        How the conductivity at a face follows from its two layers.
    tolerance : float, default: 1e-7
        Largest error of a layer's water that iterations leave, m3 m-3. It is carried on, never
        lost.
    accuracy : float, default: 1e-3
        Largest error of a layer's water in a step of the solver, m3 m-3, as half the change of its
        rate says; steps become shorter until it holds, but not shorter than 1 s.
    longest_step : float, optional
        Longest step of the solver, days; by default that of the forcing.
    threads : int, optional
        Threads that share the columns; by default the option ``threads``, else one for each core.

    Returns
    -------
    Columns
        float64. The budget of each layer and of the surface closes to rounding in each step. A
        column with NaN in its parameters, forcing or initial head is NaN and counts as failed.

    Raises
    ------
    GridError
        If shapes do not fit, or steps do not fill the output steps.
    UnknownNameError
        If ``face`` or ``bottom`` does not exist.

    Notes
    -----
    The mixed form of the equation, on finite volumes, backward in time::

        (th_i^{t+1} - th_i^t) / dt = -(q_{i+1/2} - q_{i-1/2}) / dz_i - S_i
        q_{i+1/2} = -K_{i+1/2} ((h_{i+1} - h_i) / (z_{i+1} - z_i) - 1),   S_i = f_i g(h_i) T / dz_i

    with T the demand of plants, f_i the share of the roots and g the stress. Each step is solved by
    modified Picard iteration (Celia et al. 1990, Eq. 16-17): with C = dth/dh and the heads h^m,

        (C^m dz / dt - D K^m D - D K'^m (Dh^m - 1) + T'^m) (h^{m+1} - h^m) = -R(h^m)

    until the error of each layer, R dt / dz, is below the tolerance. The terms with the slopes K'
    and T' of conductivity and uptake, Newton's, are ours: without them columns of fine soil took up
    to fourteen times as long. A layer that wets gets the water, not the head, that the step tells,
    since theta(h) of dry soil is anything but linear (as in the switching of variables of Diersch
    and Perrochet 1999). Steps become shorter where that takes more than 20 iterations, or where the
    rates of change differ too much from those of the step before. Then water moves by the fluxes of
    the last iteration, so that nothing is lost to the tolerance (ours): theta differs from theta(h)
    by less than the tolerance, and the next step corrects it.

    At the surface, rain and ponded water enter as far as the soil takes them, at the conductivity
    (K_s + K_1) / 2 over half the first layer; the bare soil evaporates as far as it conducts
    towards a surface at -150 m. Water that stands on the surface evaporates first.

    References
    ----------
    Celia, M. A., Bouloutas, E. T. and Zarba, R. L. (1990). Water Resour. Res. 26:1483-1496.
    Diersch, H.-J. G. and Perrochet, P. (1999). Adv. Water Resour. 23:271-301.
    Feddes, R. A., Kowalik, P. J. and Zaradny, H. (1978). Simulation of field water use and crop
    yield. Pudoc, Wageningen.

    Examples
    --------
    Ten days of 5 mm a day on a loam; what goes in is stored or drains:

    >>> loam = Hydraulics(0.078, 0.43, 3.6, 1.56, 0.2496)
    >>> done = simulate(loam, thickness=np.full(10, 0.1), rain=np.full((10, 1), 0.005))
    >>> gained = 0.1 * (done.theta[-1] - done.theta[0]).sum()
    >>> bool(abs(gained - 9 * 0.005 + done.flux[1:, -1].sum()) < 1e-15)
    True
    """
    check_choice("face", face, FACES)
    kind, depth = _bottom(bottom)
    rain = np.asarray(rain, np.float64)
    size = np.asarray(thickness, np.float64)
    _check(rain, size, every)
    steps, cells = rain.shape
    layers, number = size.size, steps // every
    forcing = tuple(_fitted(x, rain.shape) for x in (rain, bare_demand, plant_demand))
    head, pond = _fitted(initial, (layers, cells)), _fitted(ponding, (cells,))
    values = (soil.theta_r, soil.theta_s, soil.k_sat, soil.alpha, soil.shape, soil.entry)
    parameters = np.stack([_fitted(x, (layers, cells)) for x in values])
    rules = Rules(
        float(step_days),
        int(every),
        float(step_days if longest_step is None else longest_step),
        float(tolerance),
        float(accuracy),
        FACES.index(face),
        kind,
        depth,
        np.nan if surface_head is None else float(surface_head),
        float(max_ponding),
        tuple(float(limit) for limit in limits),
        soil.code,
    )
    outputs = (
        np.full((number, layers, cells), np.nan),
        np.full((number, layers + 1, cells), np.nan),
        np.full((number, layers, cells), np.nan),
        np.full((number, cells), np.nan),
        np.full((number, cells), np.nan),
        np.full((number, cells), np.nan),
        np.zeros(cells, np.bool_),
    )
    grid = (size, _fitted(roots, (layers, cells)))

    def job(lo: int, hi: int) -> None:
        run_columns(parameters, grid, forcing, (head, pond), rules, outputs, (lo, hi))

    share_cells(job, cells, threads)
    return Columns(*outputs[:6], head=head, failed=outputs[6])


def _bottom(bottom: float | str) -> tuple[int, float]:
    """Return what the bottom does, and its head."""
    if isinstance(bottom, str):
        check_choice("bottom", bottom, ("free_drainage", "closed"))
        return (FREE if bottom == "free_drainage" else CLOSED), np.nan
    return HEAD, float(bottom)


def _check(rain: Array, size: Array, every: int) -> None:
    """Refuse shapes that do not fit."""
    problems = []
    if rain.ndim != 2:
        problems.append(f"rain has shape {rain.shape}, (step, cell) is needed: rain[:, None]")
    elif every < 1 or rain.shape[0] % every:
        problems.append(
            f"every={every} does not divide the {rain.shape[0]} steps of the forcing; cut it, "
            f"rain[: {rain.shape[0]} // {every} * {every}]"
        )
    if size.ndim != 1 or not size.size or not (size > 0.0).all():
        problems.append(f"thickness={size.tolist()} was given, positive numbers in m are needed")
    if problems:
        raise GridError("; ".join(problems) + ".")


def _fitted(values: Any, shape: tuple[int, ...]) -> Array:
    """Return values as a new array of a shape, or say that they do not fit.

    Always in C order: the solver compiles for each layout, ten seconds.
    """
    array = np.asarray(values, np.float64)
    try:
        return np.array(np.broadcast_to(array, shape), order="C")
    except ValueError as error:
        msg = f"An input has shape {array.shape}; {shape} is needed, or what broadcasts to it."
        raise GridError(msg) from error
