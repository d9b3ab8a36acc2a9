"""Peak memory of a prediction to Zarr: a lazy data set many times the memory that it may take.

Fourteen inputs (float32) are generated block by block, predicted with a small network, and written
to a Zarr store that is thrown away. The resident memory of the process is sampled all the while.
With ``--sequence`` the network carries its state from block to block along time, and more days are
taken of a quarter of the globe, so that there are chains of blocks.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/memory.py --gigabytes 30
    OMP_WAIT_POLICY=PASSIVE python benchmarks/memory.py --gigabytes 30 --sequence
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import dask
import dask.array as da
import numpy as np
import pandas as pd
import psutil
import torch
import xarray as xr
import zarr

import xsm

INPUTS = [f"input_{i}" for i in range(14)]
LATITUDES, LONGITUDES = 720, 1440
TABLE = Path(__file__).parents[1] / "docs" / "benchmarks" / "memory.md"


def main() -> None:
    """Predict, print JSON, write the table."""
    args = parse()
    lazy = generated(args)
    fitted = trained(args)
    process = psutil.Process()
    before = process.memory_info().rss
    dask.config.set(scheduler="threads", num_workers=args.workers)
    with tempfile.TemporaryDirectory() as folder, sampled(process) as seen:
        start = time.perf_counter()
        forecast = lazy.physm.predict(fitted)
        planned = time.perf_counter() - start
        forecast[["target"]].to_zarr(Path(folder) / "forecast.zarr", consolidated=False)
        seconds = time.perf_counter() - start
        written = sum(f.stat().st_size for f in Path(folder).rglob("*") if f.is_file())
    windows = forecast["target"].size
    report = {
        "machine": machine(args),
        "input, GB": lazy.nbytes / 1e9,
        "blocks": int(forecast["target"].data.npartitions),
        "windows": windows,
        "store written, GB": written / 1e9,
        "graph, s": planned,
        "seconds": seconds,
        "windows a second": windows / seconds,
        "memory before, GiB": before / 2**30,
        "peak memory, GiB": max(seen) / 2**30,
        "input over peak memory": lazy.nbytes / max(seen),
        "below 3 GiB": max(seen) < 3 * 2**30,
    }
    text = table(report)
    print(text)
    print(json.dumps(report, indent=1))
    if args.write:
        place = TABLE.with_stem("memory_sequence") if args.sequence else TABLE
        place.parent.mkdir(exist_ok=True)
        place.write_text(text, encoding="utf-8")
        place.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=30.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=16)
    parser.add_argument("--chunk", type=int, nargs=3, default=[104, 60, 60])
    parser.add_argument("--sequence", action="store_true", help="carry a state from block to block")
    parser.add_argument("--write", action="store_true", help="write a page in docs/benchmarks")
    return parser.parse_args()


def machine(args: argparse.Namespace) -> dict[str, Any]:
    """Return what the figures depend on."""
    modules = {"numpy": np, "torch": torch, "dask": dask, "xarray": xr, "zarr": zarr, "xsm": xsm}
    return {
        "settings": vars(args),
        "cores": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        **{name: module.__version__ for name, module in modules.items()},
    }


def generated(args: argparse.Namespace) -> xr.Dataset:
    """Return a lazy global data set of 0.25 degrees and as many days as it takes."""
    latitudes, longitudes = (n // (2 if args.sequence else 1) for n in (LATITUDES, LONGITUDES))
    cells = latitudes * longitudes
    steps = max(round(args.gigabytes * 1e9 / (4 * len(INPUTS) * cells)), 16)
    shape = (steps, latitudes, longitudes)
    rng = da.random.default_rng(0)
    dims = ("time", "latitude", "longitude")
    arrays = {
        name: (dims, rng.random(shape, dtype=np.float32, chunks=tuple(args.chunk)), {"units": "1"})
        for name in INPUTS
    }
    coords = {
        "time": pd.date_range("2000-01-01", periods=steps),
        "latitude": np.linspace(89.875, -89.875, LATITUDES)[:latitudes],
        "longitude": np.linspace(0.125, 359.875, LONGITUDES)[:longitudes],
    }
    return xr.Dataset(arrays, coords)


def trained(args: argparse.Namespace) -> xsm.FittedModel:
    """Return a model of a small data set with the same variables."""
    rng = np.random.default_rng(0)
    names = [*INPUTS, "target"]
    arrays = {
        name: (("time", "cell"), rng.random((100, 20), np.float32), {"units": "1"})
        for name in names
    }
    ds = xr.Dataset(arrays, {"time": pd.date_range("2000-01-01", periods=100)})
    settings = {"scaling": "global", "target": "target", "dynamic": INPUTS, "static": []}
    quick = {"epochs": 1, "iterations": 5, "progress": False}
    own = {"sequence": 60, "warmup": 20} if args.sequence else {}
    return xsm.fit(ds, "lstm", hidden_size=args.hidden, **settings, **quick, **own)


@contextmanager
def sampled(process: psutil.Process) -> Iterator[list[int]]:
    """Sample the resident memory twenty times a second while the block runs."""
    seen, done = [process.memory_info().rss], threading.Event()

    def look() -> None:
        while not done.wait(0.05):
            seen.append(process.memory_info().rss)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()


def table(report: dict[str, Any]) -> str:
    """Return the report as a page."""
    about = report["machine"]
    versions = ", ".join(f"{k} {about[k]}" for k in ("xsm", "torch", "dask", "xarray", "zarr"))
    settings = about["settings"]
    option, kind, more = "", "window 7", ""
    if settings["sequence"]:
        option, kind, more = " --sequence", "a state that is carried", " with a state"
    rows = [f"| {k} | {form(v)} |" for k, v in report.items() if k != "machine"]
    lines = [
        f"# Memory of a prediction{more} to Zarr",
        "",
        f"`python benchmarks/memory.py --gigabytes {settings['gigabytes']:g}{option} --write`: 14",
        "inputs (float32) are generated block by block, predicted (LSTM, "
        f"{settings['hidden']} units, {kind}) on {settings['workers']} dask threads",
        f"and written; chunks {settings['chunk']} (time, latitude, longitude).",
        f"{about['cores']} cores ({about['processor']}), Python {about['python']}, {versions}.",
        "",
        "| | |",
        "|---|---|",
        *rows,
    ]
    return "\n".join(lines) + "\n"


def form(value: object) -> str:
    """Return a figure as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


if __name__ == "__main__":
    main()
