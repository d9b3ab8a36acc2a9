"""Speed of training: xsm in memory and streamed, bare torch loops, neuralhydrology.

All train one LSTM (window 7, hidden 128, dropout 0.15) on the same features. The candidates of a
batch size run one after another in each round. Rates are medians over the rounds, in samples per
second; a ratio is taken within each round, so that what changes on the machine in between drops
out, and is the median of those.
A round of the stores is 16 times as long as one of the others, so that blocks are read in each, and
they are half as many.
"plain" is a torch loop with windows gathered by index and torch's default Adam, "fused" the same
with fused Adam. neuralhydrology runs in its own virtual environment, on the same cells, in the same
rounds. Those are taken at the better of 1 and 2 threads.
"Pieces" are 180 steps of the record of which the last 150 are answered (``sequence=180``): rates
are targets per second, beside those of windows in the same rounds. The plain loop is given the same
pieces, neuralhydrology ``seq_length`` 180 and ``predict_last_n`` 150.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/train.py --neuralhydrology VENV/bin/python --write
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
import xarray as xr
from candidates import (
    HIDDEN,
    SEQUENCE,
    WARMUP,
    WINDOW,
    Candidate,
    pieces,
    prepare,
    torch_loop,
    windows,
    xsm_loop,
)
from peer import Neuralhydrology, configure, write_basins

import xsm
from xsm.nn.devices import choose_precision

TABLE = Path(__file__).parents[1] / "docs" / "benchmarks" / "train.md"


def main() -> None:
    """Run all candidates, print and write a table and JSON."""
    args = parse()
    ds = xsm.open_tutorial("land")
    report: dict[str, Any] = {"machine": machine(), "rates": {}, "ratios": {}}
    with tempfile.TemporaryDirectory() as folder:
        if args.only_pieces:
            found = measure_pieces(ds, args, Path(folder))
            rates = {n: statistics.median(r) for n, r in found.items()}
            print(json.dumps({"pieces": rates, "ratios": piece_ratios(found)}, indent=1))
            return
        store, limit = write_store(ds, Path(folder), args.copies)
        report["store"] = store_sizes(store, limit)
        found = measure_pieces(ds, args, Path(folder))
        found |= measure_streamed_pieces(store, limit, args)
        report["pieces"] = {n: statistics.median(r) for n, r in found.items()}
        report["ratios of pieces"] = piece_ratios(found)
        for size in args.batch_sizes:
            rates = measure(ds, store, limit, size, args, Path(folder))
            report["rates"][size] = {n: statistics.median(r) for n, r in rates.items()}
            report["ratios"][size] = ratios(rates)
    text = table(report)
    print(text)
    print(json.dumps(report, indent=1))
    if args.write:
        TABLE.write_text(text)
        TABLE.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[256, 64])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--samples", type=int, default=16_384, help="of a candidate in a round")
    parser.add_argument("--pieces", type=int, default=64, help="in a batch")
    parser.add_argument("--copies", type=int, default=32, help="of the tutorial world in the store")
    parser.add_argument("--neuralhydrology", help="python of an environment that has it")
    parser.add_argument("--only-pieces", action="store_true", help="print these, write nothing")
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.name}")
    return parser.parse_args()


def machine() -> dict[str, Any]:
    """Describe what is measured on."""
    able = torch.cpu.get_capabilities()
    return {
        "cores": os.cpu_count(),
        "processor": able["cpu_name"],
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "AMX": able["amx_bf16"],
        "bfloat16": choose_precision("auto", torch.device("cpu")) == "bfloat16",
        "torch": torch.__version__,
        "xsm": xsm.__version__,
    }


def write_store(ds: xr.Dataset, folder: Path, copies: int) -> tuple[xr.Dataset, int]:
    """Write copies of the world side by side, and return them lazily with a limit of memory."""
    shift = float(ds.longitude[-1] - ds.longitude[0]) + 0.25
    ds = ds.chunk(time=-1, latitude=12, longitude=16)
    many = [ds.assign_coords(longitude=ds.longitude + k * shift) for k in range(copies)]
    wide = xr.concat(many, "longitude", data_vars="minimal")
    static = [name for name in wide.data_vars if "time" not in wide[name].dims]
    wide = wide.drop_vars(static).merge(
        xr.concat([m[static] for m in many], "longitude", data_vars="all")
    )
    wide.chunk(time=-1, latitude=12, longitude=16).to_zarr(folder / "land.zarr", consolidated=False)
    store = xr.open_zarr(folder / "land.zarr", consolidated=False)
    features, _, _ = prepare(store)
    needed = sum(a.nbytes for a in [*features.dynamic.values(), features.observed])
    return store, needed // 4


def store_sizes(store: xr.Dataset, limit: int) -> dict[str, float]:
    """Say how the training data compare with the limit."""
    features, _, _ = prepare(store)
    needed = sum(a.nbytes for a in [*features.dynamic.values(), features.observed])
    return {"MB": needed / 1e6, "memory_limit_MB": limit / 1e6, "ratio": needed / limit}


def measure(
    ds: xr.Dataset,
    store: xr.Dataset,
    limit: int,
    size: int,
    args: argparse.Namespace,
    folder: Path,
) -> dict[str, list[float]]:
    """Return the samples per second of each candidate in each round."""
    iterations = max(1, args.samples // size)
    peers: dict[int, Neuralhydrology] = {}
    resident = windows(ds, 2**40)
    candidates: dict[str, tuple[int, Candidate]] = {}
    for threads in (1, 2):
        candidates[f"plain {threads}"] = threads, torch_loop(resident, size, fused=False)
        candidates[f"fused {threads}"] = threads, torch_loop(resident, size, fused=True)
        candidates[f"plain bfloat16 {threads}"] = (
            threads,
            torch_loop(resident, size, fused=False, bfloat16=True),
        )
    candidates["xsm float32"] = 1, xsm_loop(resident, size, "float32")
    candidates["xsm bfloat16"] = 1, xsm_loop(resident, size, "bfloat16")
    if args.neuralhydrology:
        peers = start_peers(args.neuralhydrology, ds, folder / "peer", size, iterations)
        candidates |= {f"neuralhydrology {k}": (k, peer) for k, peer in peers.items()}
    rates = time_in_turns(candidates, iterations, size, args.rounds)
    for peer in peers.values():
        peer.close()
    several = ("plain", "fused", "plain bfloat16", *(["neuralhydrology"] if peers else []))
    for name in several:
        found = [rates.pop(f"{name} {threads}") for threads in (1, 2)]
        rates[name] = max(found, key=statistics.median)
    return rates | measure_streams(store, limit, size, args)


def measure_streams(
    store: xr.Dataset, limit: int, size: int, args: argparse.Namespace
) -> dict[str, list[float]]:
    """Return the samples per second of the store in memory and streamed, in each round."""
    whole, iterations, rounds = windows(store, 2**40), 16 * args.samples // size, args.rounds // 2
    rates: dict[str, list[float]] = {}
    for kind in ("float32", "bfloat16"):
        stream = windows(store, limit)
        candidates = {
            f"xsm whole store {kind}": (1, xsm_loop(whole, size, kind)),
            f"xsm streamed {kind}": (1, xsm_loop(stream, size, kind)),
        }
        rates |= time_in_turns(candidates, max(1, iterations), size, rounds + 1)
        stream.close()
    return rates


def measure_pieces(
    ds: xr.Dataset, args: argparse.Namespace, folder: Path
) -> dict[str, list[float]]:
    """Return the targets per second of pieces, and of windows, in each round."""
    size, answered = args.pieces, SEQUENCE - WARMUP
    iterations = max(1, 16 * args.samples // (size * answered))
    held, cut = pieces(ds, 2**40), windows(ds, 2**40)
    many = max(1, iterations * size * answered // (7 * 256))  # as long a round
    todo: dict[str, tuple[int, Candidate]] = {}
    for kind in ("float32", "bfloat16"):
        run = xsm_loop(cut, 256, kind)
        todo[f"windows, {kind}"] = 1, as_long(run, many, iterations)
        todo[f"pieces, {kind}"] = 1, xsm_loop(held, size, kind)
    for threads in (1, 2):
        todo[f"plain loop {threads}"] = threads, torch_loop(held, size, fused=True, warmup=WARMUP)
    peers: dict[int, Neuralhydrology] = {}
    if args.neuralhydrology:
        given = args.neuralhydrology, ds, folder / "peer of pieces", size, iterations
        peers = start_peers(*given, sequence=True)
        todo |= {f"neuralhydrology {k}": (k, peer) for k, peer in peers.items()}
    rates = time_in_turns(todo, iterations, size * answered, args.rounds)
    for peer in peers.values():
        peer.close()
    for name in ("plain loop", *(["neuralhydrology"] if peers else [])):
        found = [rates.pop(f"{name} {threads}") for threads in (1, 2)]
        rates[name] = max(found, key=statistics.median)
    for kind in ("float32", "bfloat16"):
        share = 256 * many / (size * answered * iterations)  # targets of windows are fewer
        rates[f"windows, {kind}"] = [share * rate for rate in rates[f"windows, {kind}"]]
    return rates


def as_long(run: Candidate, many: int, iterations: int) -> Candidate:
    """Return a candidate that runs ``many`` batches where others run ``iterations``."""
    return lambda asked: run(max(1, asked * many // iterations))


def measure_streamed_pieces(
    store: xr.Dataset, limit: int, args: argparse.Namespace
) -> dict[str, list[float]]:
    """Return the targets per second of pieces of the store in memory and streamed."""
    size, answered = args.pieces, SEQUENCE - WARMUP
    stream, whole = pieces(store, limit), pieces(store, 2**40)
    both = {
        "pieces, whole store": (1, xsm_loop(whole, size, "float32")),
        "pieces, streamed": (1, xsm_loop(stream, size, "float32")),
    }
    iterations = max(1, 64 * args.samples // (size * answered))
    rates = time_in_turns(both, iterations, size * answered, args.rounds // 2 + 1)
    stream.close()
    return rates


def piece_ratios(rates: dict[str, list[float]]) -> dict[str, float]:
    """Return what the targets of pieces are about."""
    pairs = {
        "pieces / windows, float32": ("pieces, float32", "windows, float32"),
        "pieces / windows, bfloat16": ("pieces, bfloat16", "windows, bfloat16"),
        "pieces / plain loop, float32": ("pieces, float32", "plain loop"),
    }
    if "pieces, streamed" in rates:
        name = "streamed / store in memory, pieces"
        pairs[name] = "pieces, streamed", "pieces, whole store"
    if "neuralhydrology" in rates:
        pairs["pieces / neuralhydrology"] = "pieces, float32", "neuralhydrology"
    return within_rounds(rates, pairs)


def start_peers(
    python: str, ds: xr.Dataset, place: Path, size: int, iterations: int, *, sequence: bool = False
) -> dict[int, Neuralhydrology]:
    """Start a process of neuralhydrology for each number of threads, on the same samples."""
    features, recipe, _ = prepare(ds, sequence=sequence)
    if not place.exists():
        write_basins(features, recipe, place)
    peers = {}
    for threads in (1, 2):
        sizes = {"hidden": HIDDEN, "size": size, "updates": iterations, "threads": threads}
        config = configure(place, features, recipe, **sizes)
        peers[threads] = Neuralhydrology(python, config, threads)
    return peers


def time_in_turns(
    candidates: dict[str, tuple[int, Candidate]],
    iterations: int,
    size: int,
    rounds: int,
) -> dict[str, list[float]]:
    """Run the candidates in turns and return their rates in each round."""
    found: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(rounds + 1):  # the first round warms up
        for name, (threads, run) in candidates.items():
            torch.set_num_threads(threads)
            started = time.perf_counter()
            run(iterations if number else max(2, iterations // 5))
            if number:
                found[name].append(iterations * size / (time.perf_counter() - started))
    return found


def ratios(rates: dict[str, list[float]]) -> dict[str, float]:
    """Return what the targets are about."""
    pairs = {
        "float32 / fused float32 loop": ("xsm float32", "fused"),
        "bfloat16 / plain float32 loop": ("xsm bfloat16", "plain"),
        "bfloat16 / plain bfloat16 loop": ("xsm bfloat16", "plain bfloat16"),
    }
    for kind in ("float32", "bfloat16"):
        streamed = f"xsm streamed {kind}"
        pairs[f"streamed / store in memory, {kind}"] = streamed, f"xsm whole store {kind}"
    if "neuralhydrology" in rates:
        for kind in ("float32", "bfloat16"):
            pairs[f"{kind} / neuralhydrology"] = f"xsm {kind}", "neuralhydrology"
    return within_rounds(rates, pairs)


def within_rounds(
    rates: dict[str, list[float]], pairs: dict[str, tuple[str, str]]
) -> dict[str, float]:
    """Return the medians of ratios within the rounds."""
    return {
        name: statistics.median(a / b for a, b in zip(rates[one], rates[other], strict=True))
        for name, (one, other) in pairs.items()
    }


def table(report: dict[str, Any]) -> str:
    """Return markdown."""
    said = ", ".join(f"{k} {v}" for k, v in report["machine"].items())
    store = report["store"]
    lines = [
        "# Training",
        "",
        f"Samples per second of an LSTM (window {WINDOW}, hidden {HIDDEN}), medians of rounds in "
        f"turns; ratios are medians of those within a round. {said}. The streamed store holds "
        f"{store['MB']:.0f} MB for a memory_limit of {store['memory_limit_MB']:.0f} MB; "
        '"whole store" is the same data read into memory. Rounds of these two are 16 times as '
        "long, so that blocks are read in each, and half as many. The others train on one world, "
        "32 times smaller, which the cache of the processor nearly holds.",
        "",
        "    OMP_WAIT_POLICY=PASSIVE python benchmarks/train.py --neuralhydrology VENV/bin/python",
        "",
    ]
    for what in ("rates", "ratios"):
        sizes = list(report[what])
        names = list(dict.fromkeys(name for size in sizes for name in report[what][size]))
        lines += [f"| {what} | " + " | ".join(f"batch {s}" for s in sizes) + " |"]
        lines += ["|---|" + "---:|" * len(sizes)]
        form = "{:,.0f}" if what == "rates" else "{:.2f}"
        for name in names:
            cells = [form.format(report[what][s][name]) for s in sizes]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        lines.append("")
    lines += [
        f"Pieces of {SEQUENCE} steps, of which the last {SEQUENCE - WARMUP} are answered "
        "(`sequence=180`); windows in the same rounds; the rival answers as many with "
        "`predict_last_n`.",
        "",
        "| targets per second | |",
        "|---|---:|",
        *(f"| {name} | {rate:,.0f} |" for name, rate in report["pieces"].items()),
        "",
        "| ratios | |",
        "|---|---:|",
        *(f"| {name} | {value:.2f} |" for name, value in report["ratios of pieces"].items()),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
