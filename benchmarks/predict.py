"""Speed of prediction: xsm in memory, on dask threads and on a cluster, against bare torch.

Bare torch gets the scaled series as one tensor and does no more than cut windows, run the LSTM and
its head; the best of its settings (batch, threads, layout) is found first. Then all candidates run
one after another in each round, so that they meet the same machine; medians over the rounds, of
ratios too. The store has 40 blocks: of 8 equal ones a cluster may give 5 to one of two workers and
3 to the other, which then waits (0.81 of bare torch instead of 0.92). The graph of 10,000 blocks
and 14 inputs is timed against a bare ``dask.array.blockwise`` of the same arrays, from the call to
all tasks, and from the call to those that a scheduler gets.
The same series is predicted by a network that carries its state (``sequence=``): against one bare
pass of this network, in one call and at the best of its settings, and against windows.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/predict.py --write
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import dask
import dask.array as da
import numpy as np
import pandas as pd
import torch
import xarray as xr
from records import bare_record, best_record

import xsm
from xsm.nn.devices import one_intraop_thread

INPUTS = [f"input_{i}" for i in range(14)]
WINDOW, CELLS = 7, 2000
Taken = tuple[dict[str, list[float]], dict[str, float]]
TABLE = Path(__file__).parents[1] / "docs" / "benchmarks" / "predict.md"


def main() -> None:
    """Run all candidates, print a table and JSON."""
    args = parse()
    ds = data(args.windows // CELLS + WINDOW - 1)
    fitted = trained(ds, args.hidden)
    series = scaled(ds, fitted)
    settings, probed = best_setting(fitted, series, args)
    runs = trained(ds, args.hidden, sequence=30, warmup=WINDOW - 1)
    place, tried = best_record(runs, series, args.threads)
    taken, apart, record = measure(ds, fitted, series, settings, args, (runs, place))
    passes = {name: statistics.median(values) for name, values in record[0].items()}
    steps = dict.fromkeys(passes, ds["target"].size) | {"windows in memory": args.windows}
    seconds = {name: statistics.median(values) for name, values in taken.items()}
    report = {
        "machine": machine(args),
        "bare torch, windows a second": probed,
        "best bare torch": settings,
        "seconds": seconds,
        "windows a second": {name: args.windows / s for name, s in seconds.items()},
        "ratios to bare torch": {n: ratio(taken["bare torch"], s) for n, s in taken.items()},
        "largest difference": apart,
        "with a state": {
            "bare torch, steps a second": tried,
            "best bare torch": place,
            "predictions a second": {n: steps[n] / s for n, s in passes.items()},
            "ratios to the best bare pass": {
                n: ratio(record[0]["best bare pass"], s) * steps[n] / ds["target"].size
                for n, s in record[0].items()
            },
            "ratio to windows": ratio(record[0]["windows in memory"], record[0]["in memory"])
            * steps["in memory"]
            / args.windows,
            "largest difference": record[1],
        },
        "graph": {
            "one chunk along time": graphs((40, 10, 10), (40, 1000, 1000), args.rounds),
            "chunks along time": graphs((4, 10, 10), (40, 320, 320), args.rounds),
        },
    }
    text = page(report)
    print(text)
    print(json.dumps(report, indent=1))
    if args.write:
        TABLE.parent.mkdir(exist_ok=True)
        TABLE.write_text(text, encoding="utf-8")
        TABLE.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, default=2_000_000)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--blocks", type=int, default=40, help="of the store, along cells")
    parser.add_argument("--batches", type=int, nargs="+", default=[256, 512, 1024, 2048, 4096])
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks/predict.md")
    return parser.parse_args()


def machine(args: argparse.Namespace) -> dict[str, Any]:
    """Return what the figures depend on."""
    modules = {"numpy": np, "torch": torch, "dask": dask, "xarray": xr, "xsm": xsm}
    return {
        "settings": vars(args),
        "cores": os.cpu_count(),
        "processor": torch.cpu.get_capabilities()["cpu_name"],
        "python": platform.python_version(),
        **{name: module.__version__ for name, module in modules.items()},
    }


def data(steps: int) -> xr.Dataset:
    """Return random inputs and a target (time, cell)."""
    rng = np.random.default_rng(0)
    arrays = {
        name: (("time", "cell"), rng.random((steps, CELLS), np.float32), {"units": "1"})
        for name in [*INPUTS, "target"]
    }
    times = pd.date_range("2000-01-01", periods=steps)
    return xr.Dataset(arrays, {"time": times, "cell": np.arange(CELLS)})


def trained(ds: xr.Dataset, hidden: int, **own: int) -> xsm.FittedModel:
    """Return a model with random weights that has seen the range of the data."""
    settings = {"scaling": "global", "target": "target", "dynamic": INPUTS, "static": []}
    quick = {"epochs": 1, "iterations": 1, "valid": 0.0, "progress": False}
    return xsm.fit(
        ds.isel(time=slice(0, 60)), "lstm", hidden_size=hidden, **settings, **quick, **own
    )


def scaled(ds: xr.Dataset, fitted: xsm.FittedModel) -> torch.Tensor:
    """Return the scaled inputs (time, cell, input) as bare torch would be given them."""
    offset = fitted.scaling["dynamic_offset"].values
    scale = fitted.scaling["dynamic_scale"].values
    arrays = [(ds[n].values - offset[i]) / scale[i] for i, n in enumerate(INPUTS)]
    return torch.from_numpy(np.stack(arrays, axis=-1).astype(np.float32))


def bare(
    fitted: xsm.FittedModel,
    series: torch.Tensor,
    *,
    batch: int,
    threads: int,
    kind: str,
    windows: int | None = None,
) -> torch.Tensor:
    """Predict with nothing but torch; a pool gives each batch to one of several threads."""
    steps, cells, channels = series.shape
    count = windows or (steps - WINDOW + 1) * cells
    flat, out = series.view(-1, channels), torch.empty(count)
    lstm, head = fitted.model.lstm, fitted.model.head
    torch.set_num_threads(1 if kind == "pool" else threads)

    def run(first: int) -> None:
        size = min(batch, count - first)
        shape, strides = (WINDOW, size, channels), (cells * channels, channels, 1)
        part = flat.as_strided(shape, strides, first * channels)
        if kind == "batch first":  # gathered sample by sample, as a loader would
            part = part.transpose(0, 1).contiguous().transpose(0, 1)
        with torch.inference_mode():
            hidden, _ = lstm(part.contiguous())
            out[first : first + size] = head(hidden[-1]).squeeze(1)

    if kind != "pool":
        for first in range(0, count, batch):
            run(first)
        return out
    with one_intraop_thread(), ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(0, count, batch)))
    return out


def best_setting(
    fitted: xsm.FittedModel, series: torch.Tensor, args: argparse.Namespace
) -> tuple[dict[str, Any], dict[str, float]]:
    """Return the fastest setting of bare torch on a part of the windows, and all speeds."""
    part = min(args.windows, 65_536)
    kinds = [("time first", 1), ("time first", args.threads), ("batch first", 1)]
    kinds.append(("pool", args.threads))
    choices = [{"batch": b, "threads": t, "kind": k} for b in args.batches for k, t in kinds]
    speeds = []
    for choice in choices:
        taken = []
        for _ in range(3):
            start = time.perf_counter()
            bare(fitted, series, windows=part, **choice)
            taken.append(time.perf_counter() - start)
        speeds.append(part / min(taken))
    names = [f"{c['kind']}, threads {c['threads']}, batch {c['batch']}" for c in choices]
    return choices[int(np.argmax(speeds))], dict(zip(names, speeds, strict=True))


def measure(
    ds: xr.Dataset,
    fitted: xsm.FittedModel,
    series: torch.Tensor,
    setting: dict[str, Any],
    args: argparse.Namespace,
    with_state: tuple[xsm.FittedModel, dict[str, int]],
) -> tuple[dict[str, list[float]], dict[str, float], Taken]:
    """Return the seconds of each candidate, and its largest difference from bare torch.

    Then both again for the network that carries its state.
    """
    from distributed import Client, LocalCluster

    # The workers' default gives memory back so eagerly that a third of the time goes into it.
    kept = dict.fromkeys(("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"), 2**28)
    environ = dask.config.get("distributed.nanny.pre-spawn-environ")
    scale, offset = (float(fitted.scaling[f"target_{n}"]) for n in ("scale", "offset"))
    with ExitStack() as stack:
        stack.enter_context(
            dask.config.set({"distributed.nanny.pre-spawn-environ": {**environ, **kept}})
        )
        store = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "inputs.zarr"
        ds[INPUTS].chunk(time=-1, cell=CELLS // args.blocks).to_zarr(store, consolidated=False)
        cluster = LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=50,
        )
        client = stack.enter_context(Client(stack.enter_context(cluster), set_as_default=False))
        lazy = stack.enter_context(xr.open_zarr(store, consolidated=False))

        def on_threads(fitted: xsm.FittedModel = fitted) -> Any:
            with dask.config.set(scheduler="threads", num_workers=args.threads):
                return lazy.physm.predict(fitted)["target"].compute().values

        def in_memory(fitted: xsm.FittedModel = fitted) -> Any:
            with xsm.set_options(threads=args.threads):
                return ds.physm.predict(fitted)["target"].values

        todo: dict[str, Callable[[], Any]] = {
            "bare torch": lambda: bare(fitted, series, **setting).numpy() * scale + offset,
            "xsm in memory": in_memory,
            "xsm on dask threads": on_threads,
            "xsm distributed": lambda: (
                client.compute(lazy.physm.predict(fitted)["target"]).result().values
            ),
        }
        runs, place = with_state
        threads = {"threads": args.threads}

        def one_pass(**given: int) -> Any:
            found = bare_record(runs, series, **given, **threads).numpy() * scale + offset
            return found[runs.recipe.warmup :]

        passes: dict[str, Callable[[], Any]] = {
            "best bare pass": lambda: one_pass(**place),
            "bare pass in one call": lambda: one_pass(cells=256, steps=0),
            "in memory": lambda: in_memory(runs)[runs.recipe.warmup :],
            "on dask threads": lambda: on_threads(runs)[runs.recipe.warmup :],
            "windows in memory": in_memory,
        }
        return *rounds(todo, args.rounds), rounds(passes, args.rounds)


def rounds(
    todo: dict[str, Callable[[], Any]], count: int
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Return the seconds of what is run in turn, and how far results are from the first."""
    seconds: dict[str, list[float]] = {name: [] for name in todo}
    apart: dict[str, float] = {}
    for _ in range(count):
        first = None
        for name, run in todo.items():
            start = time.perf_counter()
            found = run()
            seconds[name].append(time.perf_counter() - start)
            first = found if first is None else first
            if found.size == first.size:
                apart[name] = float(np.abs(found.reshape(-1) - first.reshape(-1)).max())
    return seconds, apart


def ratio(first: list[float], other: list[float]) -> float:
    """Return how many times as fast another candidate is, by the median of the rounds."""
    return statistics.median(a / b for a, b in zip(first, other, strict=True))


def graphs(chunks: tuple[int, ...], shape: tuple[int, ...], count: int) -> dict[str, float]:
    """Return seconds and sizes of the graphs of a prediction and of a bare blockwise."""
    fitted = trained(data(60).isel(cell=slice(0, 20)), 4)
    dims = ("time", "latitude", "longitude")
    arrays = {
        name: (dims, da.full(shape, float(i), chunks=chunks, dtype=np.float32), {"units": "1"})
        for i, name in enumerate(INPUTS)
    }
    coords = {"time": pd.date_range("2000-01-01", periods=shape[0])}
    coords |= {d: np.arange(n) for d, n in zip(dims[1:], shape[1:], strict=True)}
    lazy = xr.Dataset(arrays, coords)

    def blockwise() -> Any:
        pairs = [part for name in INPUTS for part in (lazy[name].data, "tij")]
        meta = np.empty((0, 0, 0), np.float32)
        return da.blockwise(lambda *blocks: blocks[0], "tij", *pairs, dtype="f4", meta=meta)

    makers = {"blockwise": blockwise, "xsm": lambda: lazy.physm.predict(fitted)["target"].data}
    kinds: dict[str, tuple[Callable[[Any], Any], bool]] = {
        "collected": (lambda made: made.__dask_graph__(), True),
        "built": (lambda made: made.__dask_graph__(), False),
        "optimised": (lambda made: dask.optimize(made)[0].__dask_graph__(), True),
    }
    found: dict[tuple[str, str], list[float]] = {(k, name): [] for k in kinds for name in makers}
    tasks = {}
    for _ in range(count + 1):  # the first round warms up
        for name, make in makers.items():
            for kind, (graph, collected) in kinds.items():
                spent, tasks[kind, name] = build(make, graph, collected=collected)
                found[kind, name].append(spent)
    seconds = {key: statistics.median(values[1:]) for key, values in found.items()}
    ratio = {kind: seconds[kind, "xsm"] / seconds[kind, "blockwise"] for kind in kinds}
    return {
        "blocks": float(np.prod([-(-n // c) for n, c in zip(shape, chunks, strict=True)])),
        **{f"{name}, s": seconds["built", name] for name in makers},
        "ratio": ratio["built"],
        "ratio, garbage collected": ratio["collected"],
        "ratio, optimised": ratio["optimised"],
        **{f"{name}, tasks": float(tasks["built", name]) for name in makers},
        **{f"{name}, tasks after optimisation": float(tasks["optimised", name]) for name in makers},
    }


def build(
    make: Callable[[], Any], graph: Callable[[Any], Any], *, collected: bool
) -> tuple[float, int]:
    """Return seconds of this thread from the call to all tasks, and how many these are."""
    gc.collect()
    if not collected:
        gc.disable()
    try:
        start = time.thread_time()
        tasks = dict(graph(make()))
        return time.thread_time() - start, len(tasks)
    finally:
        gc.enable()


def page(report: dict[str, Any]) -> str:
    """Return the report as a page."""
    about, best = report["machine"], report["best bare torch"]
    settings = about["settings"]
    versions = ", ".join(f"{k} {about[k]}" for k in ("xsm", "torch", "dask", "xarray", "numpy"))
    names = report["seconds"]
    rows = [
        f"| {n} | {report['windows a second'][n]:,.0f} | {report['ratios to bare torch'][n]:.2f} "
        f"| {report['largest difference'][n]:.1e} |"
        for n in names
    ]
    graph, state = report["graph"], report["with a state"]
    first, second = graph.values()
    passes = [
        f"| {n} | {rate:,.0f} | {state['ratios to the best bare pass'][n]:.2f} "
        f"| {state['largest difference'].get(n, float('nan')):.1e} |"
        for n, rate in state["predictions a second"].items()
        if n != "windows in memory"
    ]
    lines = [
        "# Speed of prediction",
        "",
        f"`python benchmarks/predict.py --write`: LSTM of {settings['hidden']} units, window "
        f"{WINDOW}, 14 inputs, {settings['windows']:,} windows;",
        f"a store of {settings['blocks']} blocks; medians of {settings['rounds']} rounds in turn, "
        f"of ratios within them. {about['cores']} cores "
        f"({about['processor']}), Python {about['python']}, {versions}.",
        f"Bare torch at its best of {len(report['bare torch, windows a second'])} settings: "
        f"{best['kind']}, {best['threads']} threads, batch {best['batch']}.",
        "The cluster has 2 processes of 1 thread, started with MALLOC_TRIM_THRESHOLD_ and",
        "MALLOC_MMAP_THRESHOLD_ of 2**28 in `distributed.nanny.pre-spawn-environ`.",
        "",
        "| | windows a second | to bare torch | largest difference |",
        "|---|---|---|---|",
        *rows,
        "",
        "The same series by a network that carries its state: each step once. In memory it gives "
        f"{state['ratio to windows']:.1f} times the",
        f"predictions a second of windows. The best bare pass takes {state['best bare torch']} "
        "together (0: all).",
        "",
        "| with a state | predictions a second | to the best bare pass | largest difference |",
        "|---|---|---|---|",
        *passes,
        "",
        "Graphs of 14 inputs, from the call to all tasks. With chunks along time a block is three",
        "tasks; a bare blockwise, which cannot look over the edge of a chunk, joins all to one.",
        "Seconds and ratio are without garbage collection, as in timeit: whether a full collection",
        "falls into one of the two depends on what else the process holds.",
        "",
        f"| | {' | '.join(graph)} |",
        "|---|---|---|",
        *(f"| {key} | {number(first[key])} | {number(second[key])} |" for key in first),
    ]
    return "\n".join(lines) + "\n"


def number(value: float) -> str:
    """Return a figure as text."""
    return f"{value:,.0f}" if value == int(value) else f"{value:.2f}"


if __name__ == "__main__":
    main()
