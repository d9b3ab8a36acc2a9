"""Peak memory of downscaling the globe: a month of 0.5 degrees to 0.125, lazily, to Zarr.

A network of the published size (64 channels, U-Net of 64, 128 and 256) is trained for a moment on a
small region and then given seven months of a random globe (dask, float32) with two covariates on
the fine grid, one of which changes with time. One month comes out: 1440 x 2880 cells and their
standard deviation. The resident memory of the process is sampled all the while.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/downscale.py [--write]
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
import psutil
import torch
import xarray as xr
from dask.diagnostics import ProgressBar

import xsm

FACTOR, COARSE = 4, 0.5
TABLE = Path(__file__).parents[1] / "docs" / "benchmarks" / "downscale.md"


def main() -> None:
    """Predict, print JSON, write the table."""
    args = parse()
    fitted = trained(args)
    months, plane = globe(args.months + 5, COARSE, "gws"), globe(args.months + 5, COARSE / FACTOR)
    covariates = [plane, globe(1, COARSE / FACTOR, "elevation").isel(time=0, drop=True)]
    process = psutil.Process()
    before, cpu = process.memory_info().rss, time.process_time()
    dask.config.set(scheduler="threads", num_workers=args.workers)
    with tempfile.TemporaryDirectory() as folder, sampled(process) as seen:
        start = time.perf_counter()
        fine = fitted.downscale(months, covariates=covariates)
        planned = time.perf_counter() - start
        with ProgressBar():
            fine.to_zarr(Path(folder) / "fine.zarr", consolidated=False)
    report = {
        "fine cells of a month": fine["gws"].isel(time=0).size,
        "months": fine.sizes["time"],
        "graph, s": planned,
        "processor seconds a month": (time.process_time() - cpu) / fine.sizes["time"],
        "memory before, GiB": before / 2**30,
        "peak memory, GiB": max(seen) / 2**30,
        "below 4 GiB": max(seen) < 4 * 2**30,
    }
    print(json.dumps(report, indent=1))
    if args.write:
        TABLE.write_text(page(report, args), encoding="utf-8")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--months", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks/downscale.md")
    return parser.parse_args()


def globe(steps: int, size: float, name: str = "rain") -> xr.Dataset:
    """Return a lazy random globe, chunked as data sets are."""
    lat = np.arange(90 - size / 2, -90, -size)
    lon = np.arange(size / 2, 360, size)
    shape = (steps, lat.size, lon.size)
    values = da.random.default_rng(0).random(shape, dtype=np.float32, chunks=(4, 360, 720))
    time_axis = xr.date_range("2000", periods=steps, freq="MS")
    coords = {"time": time_axis, "lat": lat, "lon": lon}
    return xr.Dataset({name: (tuple(coords), values, {"units": "mm"})}, coords)


def trained(args: argparse.Namespace) -> xsm.FittedModel:
    """Return a network that has seen one batch of a small region."""
    region = {"lat": slice(40, 30), "lon": slice(10, 20)}
    coarse = globe(12, COARSE, "gws").sel(region).load()
    rain = globe(12, COARSE / FACTOR).sel(region).load()
    height = globe(1, COARSE / FACTOR, "elevation").isel(time=0, drop=True).sel(region).load()
    widths = tuple(args.hidden * k for k in (1, 2, 4))
    quick = {"epochs": 1, "iterations": 1, "batch_size": 1, "valid": 0.0, "progress": False}
    settings = {"factor": FACTOR, "covariates": [rain, height], "supervision": "interpolation"}
    return xsm.fit(coarse, "convlstm_unet", hidden=args.hidden, widths=widths, **settings, **quick)


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


def page(report: dict[str, Any], args: argparse.Namespace) -> str:
    """Return the report as a page."""
    versions = ", ".join(f"{m.__name__} {m.__version__}" for m in (xsm, torch, dask, xr))
    rows = [f"| {k} | {form(v)} |" for k, v in report.items()]
    lines = [
        "# Memory of downscaling the globe",
        "",
        "`python benchmarks/downscale.py --write`: 0.5 to 0.125 degrees, two covariates on",
        f"the fine grid, `hidden={args.hidden}`, window 6, to Zarr on {args.workers} dask threads.",
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()},",
        f"{versions}.",
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
