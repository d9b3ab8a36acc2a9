"""A trained network that runs through the record of a block, from a state to a state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from xsm.cells.hidden import with_masks
from xsm.cells.inputs import static_inputs, with_one, with_presence
from xsm.cells.predictor import GOAL, Predictor, spread
from xsm.nn import Model, last_seen, seen_inputs, with_seen
from xsm.nn.devices import one_intraop_thread, turn_on
from xsm.nn.settings import usual_settings
from xsm.training.recipe import Recipe
from xsm.typing import Array, FloatArray

__all__ = ["HIDDEN", "Runner", "state_rows"]


HIDDEN = -1.0  # in the last channel of scaled inputs: the weather of this step is hidden, and 0


_CELLS = 256  # cells that run together, where nobody says how many
_ROWS = 2**13  # steps of cells at a time: what the network makes of them stays in the cache


def state_rows(model: Model, recipe: Recipe) -> dict[str, int]:
    """Name and count the rows of the state of a cell.

    ``network`` is what the network carries; ``steps`` are steps since it began at rest. With data
    integration ``recent`` are scaled observations that are not old enough to be given yet, oldest
    first, ``seen`` is the last one that is, and ``age`` its age in steps, at the step before the
    first of them.
    """
    rows = {"network": model.state_size, "steps": 1}
    if recipe.data_integration:
        late = recipe.latency[0] - recipe.ahead
        rows |= {"recent": late * recipe.layers, "seen": recipe.layers, "age": recipe.layers}
    return rows


@dataclass(frozen=True)
class Runner(Predictor):
    """A predictor whose network carries a state from block to block along time.

    Where the forcing of a step is missing there is no prediction; the network begins at rest after
    it, as at the start of the record, and warms up again.
    """

    @property
    def state_size(self) -> int:
        """Rows of the state."""
        return sum(state_rows(self._network, self.recipe).values())

    def run(
        self, maps: FloatArray | None, before: FloatArray | None, scaled: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Predict a block, and return its state (row, *space) after the last step.

        ``scaled`` (time, *space, channel) is what :meth:`scale` returned, with ``reach`` rows and
        columns around the block, and ``maps`` too; ``before`` is the state that was returned for
        the steps before it; None begins at rest. The prediction is (row, time, *space) as that of a
        predictor.
        """
        steps, *space = scaled.shape[:-1]
        series = scaled.reshape(steps, -1, scaled.shape[-1])
        stats, recipe = self._statistics(maps), self.recipe
        own, squares = self._squares(tuple(space))
        space = [n - 2 * self.reach for n in space]
        still = [stats[f"static {name}"] for name in recipe.static]
        static = static_inputs(still, stats, series.shape[1])
        static = with_masks(static, recipe, self.missing)
        mine = series[:, own]
        whole, outside = self._windows(mine, [v[own] for v in still], stats, own)
        cells, layers = mine.shape[1], recipe.layers
        offset, scale = (spread(stats[f"target_{n}"], own, cells, layers) for n in GOAL)
        state = self._state(before, cells)
        out = np.full((self.rows_out, steps, cells), np.nan, dtype=np.float32)
        answered = self._count(whole, state["steps"]) > recipe.warmup
        good = np.isfinite(static[own]).all(axis=1) & np.isfinite(scale + offset).any(axis=1)
        found = np.flatnonzero(good & whole.any(axis=0))
        with turn_on(self.device), usual_settings(), one_intraop_thread():
            for first in range(0, len(found), many := self.batch_size or _CELLS):
                group = _together(found[first : first + many])
                place = group if squares is None else squares[group]
                values = self._through(
                    self._weather(series, place),
                    with_one(static)[place] if self.reach else static[place],
                    self._told(mine[:, group], group, state),
                    whole[:, group],
                    state["network"],
                    group,
                )
                self._unscale(values, scale[group], offset[group])
                out[:-1, :, group] = np.where(answered[:, group], values, np.nan)
        lost = np.flatnonzero(~whole.any(axis=0))
        state["network"][:, lost] = 0.0
        if len(lost):
            self._seen(mine[:, lost], lost, state)  # what was observed is noted anyhow
        out[-1] = outside & np.isfinite(out[:-1]).any(axis=0)
        joined = np.concatenate(list(state.values())).astype(np.float32)
        return out.reshape(len(out), steps, *space), joined.reshape(len(joined), *space)

    @property
    def ages(self) -> int:
        """How many last observations have an age: one a layer, with data integration."""
        return self.recipe.layers if self.recipe.data_integration else 0

    def rest(self, space: Sequence[int]) -> FloatArray:
        """Return the state (row, *space) before anything."""
        parts = self._state(None, int(np.prod(space)))
        return np.concatenate(list(parts.values())).reshape(-1, *space)

    def age(self, state: FloatArray, seen: FloatArray) -> FloatArray:
        """Return how many steps ago each layer was observed, (layer, *space); NaN for never.

        ``state`` (row, *space) is followed by steps whose observations are ``seen``
        (time, layer, *space), 1 where there is one; it is the age at the last of them.
        """
        parts = self._state(state, int(np.prod(state.shape[1:])))
        layers, cells = self.recipe.layers, parts["age"].shape[1]
        recent = np.isfinite(parts["recent"]).reshape(-1, layers, cells)
        there = np.concatenate([recent, seen.reshape(len(seen), layers, cells) > 0])
        place = np.where(there, np.arange(len(there))[:, None, None], -1).max(axis=0, initial=-1)
        age = np.where(place >= 0, len(there) - 1 - place, parts["age"] + len(there))
        return np.where(np.isfinite(age), age, np.nan).reshape(layers, *state.shape[1:])

    def _state(self, before: FloatArray | None, cells: int) -> dict[str, FloatArray]:
        """Return the state of cells by name, (row, cell); at rest where there was none."""
        found, at = {}, 0
        for name, count in state_rows(self._network, self.recipe).items():
            rest = {"age": np.inf, "recent": np.nan}.get(name, 0.0)
            part = np.full((count, cells), rest, np.float32)
            if before is not None:
                part = np.array(before[at : at + count], np.float32).reshape(count, cells)
            found[name], at = part, at + count
        return found

    @property
    def _network(self) -> Model:
        """The network, on its device."""
        placed = self._placed
        assert isinstance(placed, Model)  # estimators train on windows alone
        return placed

    def _count(self, whole: Array, steps: FloatArray) -> Array:
        """Return the steps (time, cell) since the network began at rest, and note the last."""
        place = np.arange(len(whole))[:, np.newaxis]
        if whole.all() and len(whole):
            ongoing: Array = steps + place + 1
            steps[:] = ongoing[-1]
            return ongoing
        gap = np.maximum.accumulate(np.where(whole, -1, place), axis=0)
        found: Array = np.where(gap >= 0, place - gap, steps + place + 1)
        if len(found):
            steps[:] = found[-1]
        return found

    def _through(
        self,
        weather: Tensor,
        static: FloatArray,
        seen: Tensor | None,
        whole: Array,
        carried: FloatArray,
        group: Array | slice,
    ) -> FloatArray:
        """Run a group of cells through their steps: scaled values (row, time, cell).

        ``carried`` (row, cell) is replaced by the state after them. All cells run to the end of
        some steps; those that begin at rest inside are run again from there. So what is predicted
        never hangs, not even by rounding, on what is missing later.
        """
        steps, cells = whole.shape
        maps = torch.from_numpy(static).to(self.device)
        state = torch.from_numpy(carried[:, group].T.copy()).to(self.device)
        out = torch.empty((self.rows_out - 1, steps, cells), device=self.device)
        with torch.inference_mode():
            for first in range(0, steps, many := max(1, _ROWS // cells)):
                last = min(first + many, steps)
                part = whole[first:last]
                anew = np.zeros_like(part)
                anew[1:] = part[1:] & ~part[:-1]
                for k in (0, *np.flatnonzero(anew.any(axis=1))):
                    some = torch.from_numpy(anew[k]).to(self.device) if k else slice(None)
                    given = weather[some, first + k : last]
                    if seen is not None:
                        given = with_seen(given, seen[some, first + k : last])
                    before = torch.zeros_like(state[some]) if k else state
                    found, after = self._network.run(
                        {"dynamic": given, "static": maps[some]}, before
                    )
                    state[some] = after
                    rows = [found[a.name].reshape(*given.shape[:2], -1) for a in self.answers]
                    out[:, first + k : last, some] = torch.cat(rows, dim=-1).permute(2, 1, 0)
                here = torch.from_numpy(part[-1]).to(self.device)
                state = torch.where(here.unsqueeze(1), state, 0.0)
        carried[:, group] = state.cpu().numpy().T
        answer: FloatArray = out.double().cpu().numpy()
        return answer

    def _weather(self, series: FloatArray, place: Array | slice) -> Tensor:
        """Return the weather of cells (cell, time, dynamic), or of squares of cells.

        Those are (cell, time, place, dynamic + 1), the last channel tells which cells there are.
        """
        count = len(self.recipe.dynamic)
        given = series[..., :count]
        if self.reach:
            given = with_presence(given, np.isfinite(series[..., -1]), count)
        cells = torch.from_numpy(np.ascontiguousarray(given[:, place]))
        return cells.to(self.device).transpose(0, 1)

    def _told(
        self, series: FloatArray, group: Array | slice, state: Mapping[str, FloatArray]
    ) -> Tensor | None:
        """Return what a network is given beside the weather (cell, time, channel); None if nothing.

        What was observed, and with cuts whether the weather of the step is known.
        """
        seen = self._seen(series, group, state)
        if not self.recipe.cuts:
            return seen
        known = torch.from_numpy((series[..., -1:] != HIDDEN).astype(np.float32).swapaxes(0, 1))
        parts = [known.to(self.device)] if seen is None else [seen, known.to(self.device)]
        return torch.cat(parts, dim=-1)

    def _seen(
        self, series: FloatArray, group: Array | slice, state: Mapping[str, FloatArray]
    ) -> Tensor | None:
        """Return what a network is given of observations (cell, time, 3 layer); note what is seen.

        None without data integration.
        """
        count, layers = len(self.recipe.dynamic), self.recipe.layers
        if not self.recipe.data_integration:
            return None
        given = torch.from_numpy(np.ascontiguousarray(series[..., count:-1])).to(self.device)
        values, mask = given.transpose(0, 1).chunk(2, dim=-1)  # (cell, time, layer)
        part = {
            name: _tensor(state[name][:, group], self.device) for name in ("recent", "seen", "age")
        }
        recent = part["recent"].view(len(values), -1, layers)
        every = torch.cat([recent, torch.where(mask > 0, values, torch.nan)], dim=1)
        steps = values.shape[1]
        value, age = last_seen(every[:, :steps], part["seen"], part["age"])
        state["recent"][:, group] = every[:, steps:].reshape(len(values), -1).cpu().numpy().T
        state["seen"][:, group] = value[:, -1].cpu().numpy().T
        state["age"][:, group] = age[:, -1].cpu().numpy().T
        return seen_inputs(value, age + self.recipe.latency[0], self.recipe.sequence)


def _together(cells: Array) -> Array | slice:
    """Return cells as a slice where they follow each other: it is looked at, not copied."""
    first, last = int(cells[0]), int(cells[-1])
    return slice(first, last + 1) if last - first + 1 == len(cells) else cells


def _tensor(values: FloatArray, device: str) -> Tensor:
    """Send rows of a state to a device as (cell, row)."""
    return torch.from_numpy(np.ascontiguousarray(values.T, np.float32)).to(device)
