"""Speed on a GPU: training and prediction of xsm against bare torch on the same device.

Training: samples per second of xsm's loop with samples on the device, in float32 and bfloat16, and
of a torch loop that gathers windows on the device and steps a fused Adam. Prediction: windows per
second of ``predict`` on arrays in memory, and of the bare network over the same windows, from host
memory to host memory. Candidates run one after another in each round; medians over the rounds.

    python benchmarks/gpu.py --write
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from train import Bare, prepare

import xsm
from xsm.cells.reading import make_windows
from xsm.cells.scaling import fit_scaling
from xsm.cells.windows import Windows
from xsm.models.lstm import LSTM
from xsm.nn import Schedule, Sizes
from xsm.training.adam import Adam
from xsm.training.loop import train_epoch
from xsm.training.steps import Whole

TABLE = Path(__file__).parents[1] / "docs" / "benchmarks" / "gpu.md"
Candidate = Callable[[int], None]


def main() -> None:
    """Run all candidates, print a table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[64, 256, 4096])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.name}")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("There is no CUDA device here.")
    ds = xsm.open_tutorial("land")
    report: dict[str, Any] = {
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "training, samples a second": {b: training(ds, b, args.rounds) for b in args.batch_sizes},
        "prediction, windows a second": prediction(ds, args.rounds),
    }
    text = table(report)
    print(text)
    print(json.dumps(report, indent=1))
    if args.write:
        TABLE.write_text(text)
        TABLE.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")


def training(ds: Any, size: int, rounds: int) -> dict[str, float]:
    """Return the samples per second of each candidate."""
    features, recipe, split = prepare(ds)
    scaling = fit_scaling(features, split.training, scaling="cell")
    held = make_windows(features, scaling, recipe, split.training, device="cuda")
    candidates = {
        "bare torch, float32": bare(held, size, bfloat16=False),
        "bare torch, bfloat16": bare(held, size, bfloat16=True),
        "xsm, float32": own(held, size, "float32"),
        "xsm, bfloat16": own(held, size, "bfloat16"),
    }
    return {k: v * size for k, v in in_turns(candidates, 200, rounds).items()}


def in_turns(candidates: dict[str, Candidate], count: int, rounds: int) -> dict[str, float]:
    """Return how often a second each candidate runs, the median of rounds."""
    rates: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(rounds + 1):  # the first round warms up
        for name, run in candidates.items():
            torch.cuda.synchronize()
            started = time.perf_counter()
            run(count)
            torch.cuda.synchronize()
            if number:
                rates[name].append(count / (time.perf_counter() - started))
    return {name: statistics.median(found) for name, found in rates.items()}


def bare(held: Windows, size: int, *, bfloat16: bool) -> Candidate:
    """Return a torch loop on the device."""
    model = Bare(held.inputs.shape[1] + held.static.shape[1]).to("cuda")
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    back = torch.arange(-held.window + 1, 1, device="cuda") * held.count

    def run(count: int) -> None:
        for _ in range(count):
            at = held.samples[torch.randint(len(held.samples), (size,), device="cuda")]
            rows = (at - held.lead * held.count).unsqueeze(1) + back
            static, target = held.static[at % held.count], held.series["target"][at].unsqueeze(1)
            with torch.autocast("cuda", torch.bfloat16, enabled=bfloat16):
                predicted = model(held.inputs[rows], static)
            loss = torch.sqrt(nn.functional.mse_loss(predicted.float(), target))
            adam.zero_grad()
            loss.backward()
            adam.step()

    return run


def own(held: Windows, size: int, precision: str) -> Candidate:
    """Return xsm's loop on the device."""
    example = held.example()
    sizes = Sizes(example["dynamic"].shape[-1], example["static"].shape[-1], held.window)
    model = LSTM(sizes).to("cuda")
    adam = Adam(model.parameters(), 1e-3)
    epoch = 0

    def run(count: int) -> None:
        nonlocal epoch
        epoch += 1
        batches = held.batches(epoch, Schedule(iterations=count, batch_size=size), 0)
        train_epoch(Whole(model.evaluate, LSTM.losses, precision), batches, adam)

    return run


def prediction(ds: Any, rounds: int) -> dict[str, float]:
    """Return the windows per second of xsm and of the bare network."""
    fitted = xsm.fit(ds, "lstm", epochs=1, iterations=2, progress=False, device="cuda")
    count = int(fitted.predict(ds)[str(fitted.variable.name)].notnull().sum())
    features, recipe, _ = prepare(ds)
    held = make_windows(features, fitted.scaling, recipe, slice(None))
    model = fitted.model.to("cuda").eval()

    def forward(_: int) -> None:
        with torch.inference_mode():
            for batch in held.slices(65_536):
                model.evaluate({k: v.to("cuda") for k, v in batch.items()})["mean"].cpu()

    candidates: dict[str, Candidate] = {
        "bare network": forward,
        "xsm": lambda _: fitted.predict(ds, device="cuda"),
    }
    return {k: v * count for k, v in in_turns(candidates, 1, rounds).items()}


def table(report: dict[str, Any]) -> str:
    """Return markdown."""
    lines = [f"# GPU\n\n{report['device']}, torch {report['torch']}.\n"]
    sizes = list(report["training, samples a second"])
    names = list(report["training, samples a second"][sizes[0]])
    lines += ["| training, samples a second | " + " | ".join(f"batch {s}" for s in sizes) + " |"]
    lines += ["|---|" + "---:|" * len(sizes)]
    for name in names:
        cells = [f"{report['training, samples a second'][s][name]:,.0f}" for s in sizes]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "| prediction | windows a second |", "|---|---:|"]
    lines += [f"| {k} | {v:,.0f} |" for k, v in report["prediction, windows a second"].items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
