"""Speed on a GPU: training and prediction of xsm against bare torch on the same device.

Training: targets per second of xsm's loop with samples on the device, in float32 and bfloat16, and
of a torch loop that gathers on the device and steps a fused Adam: windows, pieces of the record
(``sequence=180``), and whole fields of the network that downscales, in its published size.
Prediction: targets per second of ``predict`` on arrays in memory, and of the bare network over the
same windows, from host memory to host memory. Candidates run one after another in each round;
medians over the rounds. ``--device cpu --tiny`` runs all of it in a moment on a CPU, whose figures
say nothing, to see that the code is right.

    python benchmarks/gpu.py --write
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from candidates import SEQUENCE, WARMUP, Candidate, pieces, prepare, torch_loop, windows, xsm_loop
from models import captured, own_steps, plain_steps

import xsm
from xsm.cells.reading import make_windows
from xsm.exceptions import TrainingError

TABLE = Path(__file__).parents[1] / "docs" / "benchmarks" / "gpu.md"
KINDS = ("float32", "bfloat16")


def main() -> None:
    """Run all candidates, print a table and JSON."""
    args = parse()
    if args.device == "cuda" and not torch.cuda.is_available():
        msg = "There is no CUDA device here. Type --device cpu --tiny to try the code."
        raise TrainingError(msg)
    ds = xsm.open_tutorial("land")
    if args.tiny:
        ds = ds.isel(latitude=slice(0, 4), longitude=slice(20, 24), time=slice(0, 400))
    cuda = args.device == "cuda"
    report: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if cuda else "CPU, to try the code",
        "torch": torch.__version__,
        "windows": {f"batch {b}": of_windows(ds, b, args) for b in args.batch_sizes},
        "pieces of 180 steps": {f"batch {b}": of_pieces(ds, b, args) for b in args.pieces},
        "fields": {f"batch {b}": of_fields(b, args) for b in args.fields},
        "prediction": {"windows": prediction(ds, args)},
    }
    text = table(report)
    print(text)
    print(json.dumps(report, indent=1))
    if args.write:
        TABLE.write_text(text)
        TABLE.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[64, 256, 4096])
    parser.add_argument("--pieces", type=int, nargs="+", default=[64, 512])
    parser.add_argument("--fields", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=100, help="of training in a round")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="a few cells, to try the code")
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.name}")
    return parser.parse_args()


def in_turns(
    candidates: dict[str, Candidate], count: int, args: argparse.Namespace
) -> dict[str, float]:
    """Return how often a second each candidate runs, the median of rounds."""
    wait: Callable[[], None] = torch.cuda.synchronize if args.device == "cuda" else lambda: None
    rates: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(args.rounds + 1):  # the first round warms up
        for name, run in candidates.items():
            wait()
            started = time.perf_counter()
            run(count)
            wait()
            if number:
                rates[name].append(count / (time.perf_counter() - started))
    return {name: statistics.median(found) for name, found in rates.items()}


def of_windows(ds: xr.Dataset, size: int, args: argparse.Namespace) -> dict[str, float]:
    """Return the windows per second of each candidate."""
    return both(windows(ds, 2**40, args.device), size, size, args, warmup=0)


def of_pieces(ds: xr.Dataset, size: int, args: argparse.Namespace) -> dict[str, float]:
    """Return the targets per second of pieces of the record."""
    held = pieces(ds, 2**40, args.device)
    return both(held, size, size * (SEQUENCE - WARMUP), args, warmup=WARMUP)


def both(
    held: Any, size: int, targets: int, args: argparse.Namespace, *, warmup: int
) -> dict[str, float]:
    """Return the targets per second of xsm and of bare torch on the same samples."""
    todo: dict[str, Candidate] = {}
    for kind in KINDS:
        half = kind == "bfloat16"
        todo[f"bare, {kind}"] = torch_loop(held, size, fused=True, bfloat16=half, warmup=warmup)
        todo[f"xsm, {kind}"] = xsm_loop(held, size, kind)
    return {k: v * targets for k, v in in_turns(todo, args.steps, args).items()}


def of_fields(size: int, args: argparse.Namespace) -> dict[str, float]:
    """Return the patches per second of the network that downscales, in its published size."""
    tiny = {"hidden": 4, "widths": (4, 8)} if args.tiny else {"size": "published"}
    rows = 8 if args.tiny else 32
    axes = {"time": xr.date_range("2000", periods=24, freq="MS")}
    axes |= {"lat": np.arange(rows) + 0.5, "lon": np.arange(rows) + 0.5}
    values = np.random.default_rng(0).normal(size=(24, rows, rows))
    gws = xr.DataArray(values, axes, name="gws", attrs={"units": "mm"}).to_dataset()
    given = {"factor": 4, "supervision": "interpolation", "batch_size": size, **tiny}
    todo: dict[str, Candidate] = {}
    for kind in KINDS:
        made = captured(gws, "convlstm_unet", device=args.device, precision=kind, **given)
        todo[f"bare, {kind}"], todo[f"xsm, {kind}"] = plain_steps(made), own_steps(made)
    return {k: v * size for k, v in in_turns(todo, max(1, args.steps // 10), args).items()}


def prediction(ds: xr.Dataset, args: argparse.Namespace) -> dict[str, float]:
    """Return the windows per second of xsm and of the bare network."""
    given = {"epochs": 1, "iterations": 2, "progress": False, "device": args.device}
    fitted = xsm.fit(ds, "lstm", **given)
    count = int(fitted.predict(ds)[str(fitted.variable.name)].notnull().sum())
    features, recipe, _ = prepare(ds)
    held = make_windows(features, fitted.scaling, recipe, slice(None))

    def forward(_: int) -> None:
        model = fitted.model.to(args.device).eval()
        with torch.inference_mode():
            for batch in held.slices(65_536):
                model.evaluate({k: v.to(args.device) for k, v in batch.items()})["mean"].cpu()

    todo: dict[str, Candidate] = {
        "bare, float32": forward,
        "xsm, float32": lambda _: fitted.predict(ds, device=args.device) and None,
    }
    return {k: v * count for k, v in in_turns(todo, 1, args).items()}


def table(report: dict[str, Any]) -> str:
    """Return markdown."""
    lines = [f"# GPU\n\n{report['device']}, torch {report['torch']}. Targets a second.\n"]
    heads = ["bare, float32", "xsm, float32", "bare, bfloat16", "xsm, bfloat16"]
    lines += [f"| | {' | '.join(heads)} |", "|---" + "|---:" * len(heads) + "|"]
    for what in ("windows", "pieces of 180 steps", "fields", "prediction"):
        for name, rates in report[what].items():
            cells = [f"{rates[h]:,.0f}" if h in rates else "" for h in heads]
            lines.append(f"| {what}, {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
