"""A bare pass of torch through a record: what ``predict.py`` compares predictions with state to."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

import xsm
from xsm.nn.devices import one_intraop_thread
from xsm.nn.observed import MIDDLE, SPREAD

CHOICES = [(cells, steps) for cells in (128, 256, 512) for steps in (32, 64, 0)]  # 0: all steps


def bare_record(
    fitted: xsm.FittedModel, series: torch.Tensor, *, cells: int, steps: int, threads: int
) -> torch.Tensor:
    """Run the network of a model through scaled inputs (time, cell, input), cells on threads.

    Nothing but torch: so many cells together, so many steps at a time, the state in between.
    """
    enter, lstm, head = fitted.model.enter, fitted.model.lstm, fitted.model.head
    times, count = series.shape[:2]
    out = torch.empty(times, count)

    def run(first: int) -> None:
        own, state = slice(first, first + cells), None
        with torch.inference_mode():
            for at in range(0, times, steps or times):
                part = slice(at, at + (steps or times))
                hidden, state = lstm(torch.relu(enter(series[part, own])), state)
                out[part, own] = MIDDLE + SPREAD * head(hidden).squeeze(2)

    with one_intraop_thread(), ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(0, count, cells)))
    return out


def best_record(
    fitted: xsm.FittedModel, series: torch.Tensor, threads: int
) -> tuple[dict[str, int], dict[str, float]]:
    """Return the fastest cells and steps together on a part of the steps, and all speeds."""
    part, speeds = series[:200], []
    for cells, steps in CHOICES:
        taken = []
        for _ in range(3):
            start = time.perf_counter()
            bare_record(fitted, part, cells=cells, steps=steps, threads=threads)
            taken.append(time.perf_counter() - start)
        speeds.append(part.shape[0] * part.shape[1] / min(taken))
    names = [f"{cells} cells, {steps or 'all'} steps" for cells, steps in CHOICES]
    cells, steps = CHOICES[int(np.argmax(speeds))]
    return {"cells": cells, "steps": steps}, dict(zip(names, speeds, strict=True))
