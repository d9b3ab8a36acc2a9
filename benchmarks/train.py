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

    OMP_WAIT_POLICY=PASSIVE python benchmarks/train.py --neuralhydrology VENV/bin/python --write
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
import xarray as xr
from peer import Neuralhydrology, configure, write_basins
from torch import nn

import xsm
from xsm.artefact.asked import Asked
from xsm.cells.collect import collect
from xsm.cells.features import Features
from xsm.cells.recipe import make_recipe
from xsm.cells.samples import make_samples
from xsm.cells.scaling import fit_scaling
from xsm.cells.stream import Stream
from xsm.cells.windows import Windows
from xsm.data.reading import read
from xsm.models.lstm import LSTM
from xsm.nn import Schedule, Sizes
from xsm.nn.devices import choose_precision
from xsm.options import thread_count
from xsm.training.adam import Adam
from xsm.training.loop import train_epoch
from xsm.training.recipe import Recipe
from xsm.training.splits import Split, chronological
from xsm.training.steps import Parts, Whole, count_parts

WINDOW, HIDDEN, LEAD = 7, 128, 1
TABLE = Path(__file__).parents[1] / "docs" / "benchmarks" / "train.md"
Candidate = Callable[[int], None]


def main() -> None:
    """Run all candidates, print and write a table and JSON."""
    args = parse()
    ds = xsm.open_tutorial("land")
    report: dict[str, Any] = {"machine": machine(), "rates": {}, "ratios": {}}
    with tempfile.TemporaryDirectory() as folder:
        store, limit = write_store(ds, Path(folder), args.copies)
        report["store"] = store_sizes(store, limit)
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
    parser.add_argument("--copies", type=int, default=32, help="of the tutorial world in the store")
    parser.add_argument("--neuralhydrology", help="python of an environment that has it")
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


def prepare(ds: xr.Dataset) -> tuple[Features, Recipe, Split]:
    """Return features, recipe and split of the plain LSTM."""
    times = {"window": WINDOW, "lead": LEAD}
    reading = read(ds)
    recipe = make_recipe(reading, Asked(), scaling="cell", **times)
    features = collect(reading, recipe)
    return features, recipe, chronological(features.steps, valid=0.0, **times)


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


def start_peers(
    python: str, ds: xr.Dataset, place: Path, size: int, iterations: int
) -> dict[int, Neuralhydrology]:
    """Start a process of neuralhydrology for each number of threads, on the same samples."""
    features, recipe, _ = prepare(ds)
    if not place.exists():
        write_basins(features, recipe, place)
    peers = {}
    for threads in (1, 2):
        sizes = {"hidden": HIDDEN, "size": size, "updates": iterations, "threads": threads}
        config = configure(place, features, recipe, **sizes)
        peers[threads] = Neuralhydrology(python, config, threads)
    return peers


def windows(ds: xr.Dataset, limit: int) -> Windows | Stream:
    """Return the samples of a data set within a limit of memory."""
    features, recipe, split = prepare(ds)
    scaling = fit_scaling(features, split.training, scaling="cell")
    return make_samples(features, scaling, recipe, split, limit=limit)[0]


def time_in_turns(
    candidates: dict[str, tuple[int, Candidate]], iterations: int, size: int, rounds: int
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


class Bare(nn.Module):
    """What one writes in torch: an LSTM over the window and the repeated statics, and a head."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, HIDDEN, batch_first=True)
        self.dropout, self.head = nn.Dropout(0.15), nn.Linear(HIDDEN, 1)

    def forward(self, dynamic: torch.Tensor, static: torch.Tensor) -> torch.Tensor:
        """Predict from (batch, window, dynamic) and (batch, static)."""
        repeated = static.unsqueeze(1).expand(-1, dynamic.shape[1], -1)
        hidden, _ = self.lstm(torch.cat([dynamic, repeated], dim=-1))
        return self.head(self.dropout(hidden[:, -1]))


def torch_loop(held: Windows, size: int, *, fused: bool, bfloat16: bool = False) -> Candidate:
    """Return a plain loop: random windows gathered by index, RMSE, Adam."""
    model = Bare(held.inputs.shape[1] + held.static.shape[1])
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, **({"fused": True} if fused else {}))
    back = torch.arange(-WINDOW + 1, 1) * held.count

    def run(iterations: int) -> None:
        model.train()
        for _ in range(iterations):
            at = held.samples[torch.randint(len(held.samples), (size,))]
            rows = (at - LEAD * held.count).unsqueeze(1) + back
            dynamic = held.inputs[rows]
            static, target = held.static[at % held.count], held.series["target"][at]
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                predicted = model(dynamic, static)
            loss = torch.sqrt(nn.functional.mse_loss(predicted.float(), target))
            adam.zero_grad()
            loss.backward()
            adam.step()

    return run


def xsm_loop(held: Windows | Stream, size: int, precision: str) -> Candidate:
    """Return xsm's own loop over its own samples."""
    example = held.example()
    model = LSTM(Sizes(example["dynamic"].shape[-1], example["static"].shape[-1], WINDOW))
    adam = Adam(model.parameters(), 1e-3)
    count = count_parts(model, size, thread_count())
    epoch = 0

    def run(iterations: int) -> None:
        nonlocal epoch
        epoch += 1
        model.train()
        whole = Whole(model.evaluate, LSTM.losses, precision)
        step = Parts(model, LSTM.losses, precision, count) if count > 1 else whole
        step.begin(0, epoch)
        schedule = Schedule(iterations=iterations, batch_size=size)
        train_epoch(step, held.batches(epoch, schedule, 0), adam)
        step.close()

    return run


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
    return "\n".join(lines)


if __name__ == "__main__":
    main()
