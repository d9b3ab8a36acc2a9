"""What makes a sequence learn: a plain torch loop on mHM Mosel, one part changed at a time.

    python benchmarks/memory_parts.py --data DIR

Pieces of 180 days of single cells, 30 of them warm-up, train on 548 days from the weather alone.
The next 182 days validate, the year 1992 tests, the state carried from 1990 on. 300 batches of 32
pieces, 64 hidden units: ten seconds of a core each, so that the figures compare parts, and no more.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

PARTS: dict[str, dict[str, Any]] = {
    "input layer, z-scores, torch's gates, Adam 2e-3": {},
    "without the input layer": {"enter": False},
    "target from 0 to 1": {"scores": False},
    "dropout 0.3": {"dropout": 0.3},
    "forget gates begin at 3": {"gate": 3.0},
    "Adam 5e-3": {"rate": 5e-3},
    "forget gates at 3, Adam 5e-3": {"gate": 3.0, "rate": 5e-3},
    "forget gates at 3, Adam 1e-2": {"gate": 3.0, "rate": 1e-2},
    "forget gates at 3, Adam 1e-2, gradients of at most 1": {
        "gate": 3.0,
        "rate": 1e-2,
        "clip": 1.0,
    },
}
FIRST, LAST = 548, 730  # steps that train; steps before the test
PIECE, WARMUP, BATCH, BATCHES, HIDDEN = 180, 30, 32, 300, 64


class Net(nn.Module):
    """An LSTM, with or without a layer before it."""

    def __init__(self, inputs: int, *, enter: bool, gate: float | None, dropout: float) -> None:
        super().__init__()
        self.enter = nn.Linear(inputs, HIDDEN) if enter else None
        self.lstm = nn.LSTM(HIDDEN if enter else inputs, HIDDEN)
        self.head, self.dropout = nn.Linear(HIDDEN, 1), nn.Dropout(dropout)
        weights = dict(self.lstm.named_parameters())
        with torch.no_grad():
            if gate is not None:
                weights["bias_ih_l0"][HIDDEN : 2 * HIDDEN] = gate
                weights["bias_hh_l0"][HIDDEN : 2 * HIDDEN] = 0.0

    def forward(self, steps: Tensor) -> Tensor:
        """Return (time, cell) of (time, cell, feature)."""
        steps = steps if self.enter is None else torch.relu(self.enter(steps))
        values: Tensor = self.head(self.dropout(self.lstm(steps)[0]))
        return values.squeeze(-1)


def read(folder: str) -> tuple[Tensor, Tensor, np.ndarray[Any, Any]]:
    """Return scaled weather (time, cell, 3) and maps (cell, 5), and the truth (time, cell)."""
    ds = xr.open_dataset(Path(folder) / "mhm_mosel/mhm_mosel_daily_6km.nc").load()
    rows = [ds[name].values.reshape(ds.sizes["time"], -1) for name in ("pr", "pet", "tas")]
    maps = [ds[n].values.reshape(-1) for n in ("dem", "slope", "frac_forest", "frac_impervious")]
    maps.append(ds["theta_sat"].isel(layer4=0).values.reshape(-1))
    truth = ds["theta"].isel(layer4=0).values.reshape(ds.sizes["time"], -1)
    rows[0] = np.log1p(rows[0])
    land = np.isfinite(np.concatenate([truth, *rows, np.stack(maps)])).all(axis=0)
    moving = np.stack([(v[:, land] - v[:FIRST, land].mean()) / v[:FIRST, land].std() for v in rows])
    still = np.stack([(v[land] - v[land].mean()) / v[land].std() for v in maps])
    tensors = [torch.from_numpy(np.moveaxis(v, 0, -1).astype(np.float32)) for v in (moving, still)]
    return tensors[0], tensors[1], truth[:, land]


def train(  # noqa: PLR0913
    weather: Tensor,
    maps: Tensor,
    truth: np.ndarray[Any, Any],
    *,
    enter: bool = True,
    scores: bool = True,
    gate: float | None = None,
    dropout: float = 0.15,
    rate: float = 2e-3,
    clip: float = 0.0,
) -> np.ndarray[Any, Any]:
    """Train one network, and return what it predicts (time, cell)."""
    torch.manual_seed(0)
    random = torch.Generator().manual_seed(0)
    own = truth[:FIRST]
    middle, spread = (own.mean(), own.std()) if scores else (own.min(), np.ptp(own))
    target = torch.from_numpy(((truth - middle) / spread).astype(np.float32))
    features = weather.shape[2] + maps.shape[1]
    net = Net(features, enter=enter, gate=gate, dropout=dropout)
    optimiser = torch.optim.Adam(net.parameters(), rate)
    for batch in range(1, BATCHES + 1):
        share = 0.5 * (1 + math.cos(math.pi * batch / BATCHES))
        optimiser.param_groups[0]["lr"] = rate * (0.02 + 0.98 * share)
        cell = torch.randint(0, weather.shape[1], (BATCH,), generator=random)
        begin = torch.randint(0, FIRST - PIECE + 1, (BATCH,), generator=random)
        at = begin + torch.arange(PIECE)[:, None]
        given = torch.cat([weather[at, cell], maps[cell].expand(PIECE, -1, -1)], dim=-1)
        loss = (net(given) - target[at, cell])[WARMUP:].square().mean().sqrt()
        optimiser.zero_grad()
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(net.parameters(), clip)
        optimiser.step()
    net.eval()
    with torch.inference_mode():
        every = [
            net(torch.cat([weather[:, c], maps[c].expand(len(weather), -1, -1)], dim=-1))
            for c in torch.arange(weather.shape[1]).split(256)
        ]
    return torch.cat(every, dim=1).double().numpy() * spread + middle


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", required=True)
    parser.add_argument("--only", nargs="*", default=list(PARTS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    weather, maps, truth = read(options.data)
    print("| | RMSE train | validation | 1992 | seconds |\n|---|---:|---:|---:|---:|")
    for title in options.only:
        began = time.process_time()
        error = train(weather, maps, truth, **PARTS[title]) - truth
        spans = (slice(60, FIRST), slice(FIRST, LAST), slice(LAST, None))
        found = [float(np.median(np.sqrt((error[s] ** 2).mean(axis=0)))) for s in spans]
        said = " | ".join(f"{value:.4f}" for value in found)
        print(f"| {title} | {said} | {time.process_time() - began:.0f} |", flush=True)


if __name__ == "__main__":
    main()
