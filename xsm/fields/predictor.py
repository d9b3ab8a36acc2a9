"""A trained network on whole fields: patch by patch, blended where they overlap, without seams."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from xsm.fields.frame import Frame
from xsm.fields.patches import gather_patch
from xsm.nn import FieldModel
from xsm.nn.devices import one_intraop_thread, turn_on
from xsm.nn.settings import usual_settings
from xsm.physics.conservation import conserve
from xsm.typing import Array, FloatArray

__all__ = ["FieldPredictor", "patch_starts", "taper"]


def patch_starts(cells: int, patch: int, overlap: int, *, ring: bool, origin: int = 0) -> list[int]:
    """Return the first cells of overlapping patches that cover an axis.

    Parameters
    ----------
    cells : int
        Cells of the axis.
    patch : int
        Cells of a patch, at most ``cells``.
    overlap : int
        Cells that neighbours share, at least; less than ``patch``.
    ring : bool
        The axis goes around the globe: patches go on beyond the last cell at the first, and their
        number is even, so that half a turn carries them into each other.
    origin : int, default: 0
        On a ring, the cell that the first patch begins at.

    Returns
    -------
    list of int
        Starts, evenly spread.

    Examples
    --------
    >>> patch_starts(40, 16, 4, ring=False), patch_starts(40, 16, 4, ring=True)
    ([0, 12, 24], [0, 10, 20, 30])
    """
    stride = patch - overlap
    if ring:
        count = 2 * -(-cells // (2 * stride))
        return [(origin + k * cells // count) % cells for k in range(count)]
    if cells <= patch:
        return [0]
    count = -(-(cells - patch) // stride) + 1
    return [k * (cells - patch) // (count - 1) for k in range(count)]


def taper(cells: int, margin: int) -> FloatArray:
    """Return the weights of the cells of a patch in the blend: less towards the edges.

    Parameters
    ----------
    cells : int
        Fine cells of a patch.
    margin : int
        Cells from the edge over which the weight grows.

    Returns
    -------
    ndarray
        (cell,), symmetric, above 0: where a cell lies in one patch alone, the weight cancels.

    Examples
    --------
    >>> taper(6, 2).round(3).tolist()
    [0.146, 0.854, 1.0, 1.0, 0.854, 0.146]
    """
    inward = np.minimum(np.arange(cells), np.arange(cells)[::-1]) + 0.5
    rise = np.clip(inward / max(margin, 1), 0.0, 1.0)
    weights: FloatArray = np.sin(rise * np.pi / 2) ** 2
    return weights


@dataclass(frozen=True, eq=False)
class FieldPredictor:
    """A network and what it takes to run it on the fields of one time.

    Parameters
    ----------
    model : FieldModel
        The trained network, in evaluation mode, on the CPU.
    frame : Frame
        Geometry and statistics.
    patch : tuple of int
        Coarse rows and columns of a patch.
    overlap : int
        Coarse cells that neighbouring patches share, at least.
    ring : bool
        The columns go around the globe.
    origin : int
        The coarse column that the first patch of a globe begins at.
    device : str
        Where to evaluate.
    token : str
        Name of the content, for graphs.
    threads : int, default: 1
        Patches that are evaluated side by side on the CPU, each on one thread: on a busy machine
        two threads inside an operation were 10 times slower than one (measured).
    """

    model: FieldModel
    frame: Frame
    patch: tuple[int, int]
    overlap: int
    ring: bool
    origin: int
    device: str
    token: str
    threads: int = 1

    def __dask_tokenize__(self) -> tuple[str, str, str]:
        """Name the content, so that equal models share work."""
        return ("xsm.FieldPredictor", self.token, self.device)

    @functools.cached_property
    def _placed(self) -> FieldModel:
        """The network on its device."""
        return self.model.to(self.device)

    def __call__(
        self,
        coarse: FloatArray,
        fine: FloatArray,
        static: FloatArray,
        *,
        report: Callable[[], object] = lambda: None,
    ) -> FloatArray:
        """Predict the last time of a window.

        Parameters
        ----------
        coarse : ndarray
            (window, channel, h, w) canonical, the target first.
        fine : ndarray
            (:attr:`xsm.fields.frame.Frame.reach`, covariate, y, x).
        static : ndarray
            (covariate, y, x).
        report : callable, optional
            Called after each patch.

        Returns
        -------
        ndarray
            (output, y, x) float32: :attr:`outputs`, canonical units; NaN where the coarse target,
            or a covariate, of the last time is missing.
        """
        arrays = self.frame.inputs(coarse, fine, static)
        valid = arrays["valid"][0, 0] > 0
        total, weight = np.zeros((len(self.outputs), *valid.shape)), np.zeros(valid.shape)
        tensors = {name: torch.from_numpy(a).to(self.device) for name, a in arrays.items()}
        evaluate = functools.partial(self._evaluate, tensors)
        cells = {corner: self._cells(corner) for corner in self.corners}
        alive = [c for c, (rows, columns) in cells.items() if valid[rows][:, columns].any()]
        with ThreadPoolExecutor(self.threads) as pool:
            for corner, part in zip(alive, pool.map(evaluate, alive), strict=True):
                rows, columns = cells[corner]
                total[:, rows[:, None], columns] += self._weights * part
                weight[rows[:, None], columns] += self._weights
                report()
        found = np.full(total.shape, np.nan)
        np.divide(total, weight, out=found, where=valid & (weight > 0))
        return self._restore(found, coarse[-1, 0])

    @property
    def outputs(self) -> tuple[str, ...]:
        """What is predicted: ``mean``, and ``std`` where the network knows it."""
        return ("mean", "std") if self.model.has_spread else ("mean",)

    @functools.cached_property
    def corners(self) -> list[tuple[int, int]]:
        """First coarse rows and columns of the patches."""
        height, width = (
            a // f for a, f in zip(self.frame.area.shape, self.frame.factor, strict=True)
        )
        rows = patch_starts(height, self.patch[0], self._shared(0), ring=False)
        columns = patch_starts(
            width, self.patch[1], self._shared(1), ring=self.ring, origin=self.origin
        )
        return [(y, x) for y in rows for x in columns]

    def _shared(self, axis: int) -> int:
        """Return the coarse cells that neighbours share along an axis."""
        return min(self.overlap, self.patch[axis] // 2)

    @functools.cached_property
    def _weights(self) -> FloatArray:
        """Weights of the fine cells of a patch (y, x)."""
        sides = [
            taper(self.patch[k] * self.frame.factor[k], self._shared(k) * self.frame.factor[k])
            for k in (0, 1)
        ]
        return sides[0][:, None] * sides[1]

    def _cells(self, corner: tuple[int, int]) -> tuple[Array, Array]:
        """Return fine rows and columns of a patch."""
        (high, wide), (rows, columns) = self.frame.factor, self.patch
        across = np.arange(corner[1] * wide, (corner[1] + columns) * wide)
        down = np.arange(corner[0] * high, (corner[0] + rows) * high)
        return down, across % self.frame.area.shape[1]

    def _evaluate(self, tensors: dict[str, Tensor], corner: tuple[int, int]) -> FloatArray:
        """Return the scaled outputs of a patch (output, y, x)."""
        batch = gather_patch(
            tensors,
            0,
            corner,
            size=self.patch,
            window=self.frame.window,
            base_scale=float(self.frame.statistics["base_scale"]),
        )
        with usual_settings(), torch.inference_mode(), one_intraop_thread(), turn_on(self.device):
            output = self._placed.evaluate({name: a[None] for name, a in batch.items()})
        kept = torch.cat([output[name][0] for name in self.outputs])
        if (detail := float(self.frame.statistics.get("detail", 1.0))) < 1:
            base = torch.zeros_like(kept)
            base[:1] = batch["base"]
            kept = base + detail * (kept - base)
        found: FloatArray = kept.double().cpu().numpy()
        return found

    def _restore(self, found: FloatArray, coarse: FloatArray) -> FloatArray:
        """Return canonical units; conserve once more, since blending patches may shift means."""
        stats = self.frame.statistics
        scale = float(stats["target_scale"])
        mean = found[0] * scale + float(stats["target_offset"])
        if self.model.conserve == "exact":
            mean = conserve(
                mean, coarse.astype(float), area=self.frame.area, factor=self.frame.factor
            )
        return np.stack([mean, *(found[1:] * scale)]).astype(np.float32)
