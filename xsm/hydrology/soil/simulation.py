"""The blocks of a simulation of soil columns: cells of a block in, all its results out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from xsm.exceptions import warn_outside
from xsm.typing import Array, FloatArray

__all__ = ["SERIES", "ColumnJob"]


SERIES = ("evaporation", "surface_runoff", "drainage", "ponding")
"""Results of a column as a whole."""


@dataclass
class ColumnJob:
    """What all cells of a simulation have in common; a call runs the cells of a block.

    Parameters
    ----------
    thickness : ndarray (layer,)
        Thickness of the solver's layers, m.
    wanted : list of int
        Positions of the faces of the layers that come back.
    roots : ndarray (layer,)
        Shares of the roots.
    options : dict
        Arguments of :func:`xsm.physics.columns.simulate`, ``step_days`` and ``every`` among them.
    layered : tuple of bool
        Which of the parameters are by layer, along their last axis.
    """

    thickness: FloatArray
    wanted: list[int]
    roots: FloatArray
    options: dict[str, Any]
    layered: tuple[bool, ...] = field(default=(False,) * 6)

    @property
    def items(self) -> int:
        """Number of values of a step: theta and uptake of layers, fluxes at faces, series."""
        return 3 * len(self.wanted) - 2 + len(SERIES)

    def __call__(
        self, rain: Array, demand: Array, cover: Array, initial: Array, *soil: Array
    ) -> FloatArray:
        """Return everything of a block, (..., output, item), from (..., step) and (...)."""
        from xsm.physics.columns import simulate
        from xsm.physics.retention import Hydraulics

        steps = rain.shape[-1:]
        ends = [s.shape[-1:] if by else () for s, by in zip(soil, self.layered, strict=True)]
        own = [s.shape[: s.ndim - len(end)] for s, end in zip(soil, ends, strict=True)]
        spaces = [rain.shape[:-1], demand.shape[:-1], np.shape(cover), np.shape(initial), *own]
        space = np.broadcast_shapes(*spaces)
        fall, total = (1e-3 * _flat(a, space, steps) for a in (rain, demand))
        share, start = (_flat(a, space, ()) for a in (cover, initial))
        parameters = [_flat(s, space, end) for s, end in zip(soil, ends, strict=True)]
        gaps = ~np.isfinite(fall + total)
        fixed = [np.isfinite(np.atleast_2d(a)).all(axis=0) for a in (share, start, *parameters)]
        gaps |= ~np.logical_and.reduce(fixed)
        fall, total = np.where(gaps, 0.0, fall), np.where(gaps, 0.0, np.maximum(total, 0.0))
        plants = total * share
        dry, wet, alpha, shape, k_sat, entry = parameters
        done = simulate(
            Hydraulics(dry, wet, alpha, shape, k_sat, entry=entry),
            thickness=self.thickness,
            rain=fall,
            plant_demand=plants,
            bare_demand=total - plants,
            roots=self.roots[:, None],
            initial=start,
            **self.options,
        )
        _warn_of(int((done.failed & ~gaps[0]).sum()))
        found = self._packed(done)
        found[self._after(gaps).T] = np.nan
        return found.reshape(*space, -1, self.items)

    def _after(self, gaps: Array) -> Array:
        """Return which outputs (output, cell) come with or after a step without input."""
        every = self.options["every"]
        each = gaps.reshape(-1, every, gaps.shape[1]).any(axis=1)
        return np.logical_or.accumulate(each, axis=0)

    def _packed(self, done: Any) -> FloatArray:
        """Return (cell, output, item): theta and uptake of the wanted layers, fluxes, series."""
        rate = 1000.0 / (self.options["step_days"] * self.options["every"])
        start, end = self.wanted[:-1], self.wanted[-1]
        size = np.add.reduceat(self.thickness[:end], start)
        water = done.theta * self.thickness[:, None]
        theta = np.add.reduceat(water[:, :end], start, axis=1) / size[:, None]
        uptake = rate * np.add.reduceat(done.uptake[:, :end], start, axis=1)
        flux = rate * done.flux[:, self.wanted]
        total = rate * (done.evaporation + done.uptake.sum(axis=1))
        single = [total, rate * done.runoff, rate * done.flux[:, -1], 1000.0 * done.ponding]
        together = np.concatenate([theta, uptake, flux, np.stack(single, axis=1)], axis=1)
        return np.ascontiguousarray(together.transpose(2, 0, 1))


def _flat(array: Array, space: tuple[int, ...], last: Sequence[int]) -> FloatArray:
    """Return (..., last) as (last, cell)."""
    wide = np.broadcast_to(array, (*space, *last))
    return np.ascontiguousarray(wide.reshape(-1, *last).T, np.float64)


def _warn_of(failed: int) -> None:
    """Warn of columns that the solver gave up."""
    if failed:
        warn_outside(
            f"{failed} columns could not be solved and are NaN from there on. Look at their "
            "parameters; if these are right, a larger air_entry= or shorter longest_step= helps."
        )
