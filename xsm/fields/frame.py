"""Geometry and statistics that turn canonical fields into what a network is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from xsm.data.nesting.interpolation import Weights, lerp_blocks
from xsm.fields.regional import remembered, told_by_region
from xsm.physics.conservation import repeat_blocks
from xsm.typing import Array, FloatArray

__all__ = ["Arrays", "Frame"]


@dataclass(frozen=True, eq=False)
class Frame:
    """Geometry and statistics that turn canonical fields into what a network is given.

    Parameters
    ----------
    factor : tuple of int
        Fine cells of a coarse one along y and x.
    window : int
        Steps of input.
    rows, columns : tuple of ndarray
        Weights of the interpolation, see :func:`xsm.data.nesting.interpolation.lerp_blocks`.
    area : ndarray
        (y, x) areas of the fine cells, any unit; 0 where a cell is no part of the domain.
    statistics : mapping of str to ndarray
        ``<kind>_offset`` and ``<kind>_scale`` of ``dynamic``, ``fine``, ``static`` (channel,) and
        of ``target`` and ``base`` (scalars); ``detail``, by which corrections and their spread are
        smaller than those that trained, where it is not 1.
    anchor : ndarray or None
        (window + 1, y, x): for each fine cell, weights of the coarse value ``0, 1, ...`` steps
        back, and an offset; NaN where there are none.
    regional : ndarray or None
        Weights of :func:`xsm.fields.regional.fit_regional`.
    """

    factor: tuple[int, int]
    window: int
    rows: Weights
    columns: Weights
    area: FloatArray
    statistics: Mapping[str, FloatArray]
    anchor: FloatArray | None = None
    regional: FloatArray | None = None

    @property
    def reach(self) -> int:
        """Steps of fine covariates that a prediction reads."""
        return self.window if self.regional is not None else 1

    def interpolated(self, coarse: FloatArray) -> FloatArray:
        """Return coarse fields (..., h, w) interpolated to the fine grid (..., y, x)."""
        return lerp_blocks(coarse, rows=self.rows, columns=self.columns)

    def anchored(self, coarse: FloatArray) -> FloatArray:
        """Return what the regression of each fine cell says (time - window + 1, y, x).

        Parameters
        ----------
        coarse : ndarray
            (time, h, w) coarse target, canonical units.

        Returns
        -------
        ndarray
            NaN where a fine cell has no regression, or a step of its window is missing.
        """
        steps = len(coarse) - self.window + 1
        shape = (steps, *self.area.shape)
        if self.anchor is None:
            return np.full(shape, np.nan, np.float32)
        found = np.broadcast_to(self.anchor[-1], shape).astype(np.float64)
        for back in range(self.window):
            end = self.window - 1 - back
            lagged = repeat_blocks(coarse[end : end + steps], factor=self.factor)
            found = found + self.anchor[back] * lagged
        return found.astype(np.float32)

    def inputs(
        self,
        coarse: FloatArray,
        fine: FloatArray,
        static: FloatArray,
        anchored: FloatArray | None = None,
    ) -> dict[str, Array]:
        """Scale, interpolate and mask fields.

        Parameters
        ----------
        coarse : ndarray
            (time, channel, h, w) canonical, the target first.
        fine : ndarray
            (time, covariate, y, x) canonical; without :attr:`regional` the ends of windows are
            enough.
        static : ndarray
            (covariate, y, x).
        anchored : ndarray, optional
            What to take for :meth:`anchored`, such as values that leave out the own step.

        Returns
        -------
        dict of str to ndarray
            float32 and finite, but for ``local``: ``dynamic`` (time, channel + 1, h, w), with the
            mask last; ``coarse`` and ``present`` (time, 1, h, w); ``plain``, the interpolated
            target, ``regional``, what is known of cells without a regression of their own, the same
            where nothing is, and ``local``, NaN where there is none, (step, 1, y, x);
            ``covariate`` (step, covariate, y, x); ``valid`` (step, 1, y, x); ``area`` (1, y, x).
        """
        begin, stats = self.window - 1, self.statistics
        there = np.asarray(np.isfinite(coarse).all(axis=1, keepdims=True))  # (time, 1, h, w)
        scaled = _scaled(coarse, stats, "dynamic")
        own = (coarse[:, :1] - stats["target_offset"]) / stats["target_scale"]
        local = self.anchored(coarse[:, 0]) if anchored is None else anchored
        steps = len(coarse) - begin
        still = np.broadcast_to(static, (steps, *static.shape))
        plain = self.interpolated(np.where(there[begin:], own[begin:], np.nan))
        local = (local[:, None] - stats["target_offset"]) / stats["target_scale"]
        joined = [_scaled(fine[-steps:], stats, "fine"), _scaled(still, stats, "static")]
        covariate = np.concatenate(joined, axis=1)
        valid = np.isfinite(plain) & np.isfinite(covariate).all(axis=1, keepdims=True)
        valid &= self.area > 0
        arrays = {
            "dynamic": np.concatenate([np.where(there, scaled, 0.0), there], axis=1),
            "coarse": np.where(there, own, 0.0),
            "present": there,
            "plain": np.where(valid, plain, 0.0),
            "local": np.where(valid, local, np.nan),
            "covariate": np.where(valid, covariate, 0.0),
            "valid": valid,
            "area": (self.area / max(self.area.mean(), 1e-300))[None],
        }
        arrays["regional"] = self.guessed(arrays, fine)
        return {name: np.ascontiguousarray(a, np.float32) for name, a in arrays.items()}

    def memory(self, fine: FloatArray) -> FloatArray:
        """Return what :func:`xsm.fields.regional.remembered` makes of scaled fine fields."""
        return remembered(_scaled(fine, self.statistics, "fine"), self.window)

    def guessed(self, arrays: Arrays, fine: FloatArray) -> FloatArray:
        """Return what the regression of all cells says, without one the interpolated field.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            Those of :meth:`inputs`.
        fine : ndarray
            (time, covariate, y, x) canonical.

        Returns
        -------
        ndarray
            (step, 1, y, x) scaled; 0 where nothing is valid.
        """
        if self.regional is None:
            return arrays["plain"]
        return told_by_region(self.regional, arrays, self.memory(fine), self.factor)


def _scaled(values: FloatArray, stats: Mapping[str, FloatArray], kind: str) -> FloatArray:
    """Scale channels (time, channel, y, x)."""
    offset, scale = (stats[f"{kind}_{n}"][:, None, None] for n in ("offset", "scale"))
    found: FloatArray = (values - offset) / scale
    return found


Arrays = Mapping[str, Array]
