"""Speed of simulated columns: two years of daily weather over all texture classes, on all cores.

The classes are those of Carsel and Parrish (1988), in turn, so that the columns hold sand, which
dries to its limits, and clays, which pond; storms come on three days of ten, up to 0.1 m. Seconds
are medians of the rounds after one that compiles; the ratio is to the wanted 60 seconds. The
seconds of the processor say what a busy machine does not hide.

    python benchmarks/columns.py --columns 400 --days 730 --threads 2
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from typing import Any

import numpy as np

from xsm.hydrology.soil.carsel_parrish import PUBLISHED
from xsm.physics.columns import Columns, simulate
from xsm.physics.retention import Hydraulics

WANTED = 60.0  # seconds, of 400 columns of 20 layers over two years on two cores
LAYERS = 20


def main() -> None:
    """Measure, and print JSON."""
    args = parse()
    weather = storms(args.days, args.columns)
    soil = classes(args.columns)
    run(soil, {name: values[:2] for name, values in weather.items()}, args.threads)
    rounds = [measure(soil, weather, args.threads) for _ in range(args.rounds)]
    wall, cpu = (statistics.median(pair[k] for pair in rounds) for k in (0, 1))
    done = run(soil, weather, args.threads)
    report = {
        "machine": {"cores": os.cpu_count(), "processor": platform.processor()},
        "columns": args.columns,
        "days": args.days,
        "layers": LAYERS,
        "threads": args.threads,
        "seconds": round(wall, 2),
        "processor_seconds": round(cpu, 2),
        "ratio": round(wall / WANTED, 3),
        "milliseconds_by_class": by_class(args.days),
        "failed": int(done.failed.sum()),
        "balance_m": float(np.abs(budget(weather, done)).max()),
    }
    print(json.dumps(report, indent=1))


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--columns", type=int, default=400)
    parser.add_argument("--days", type=int, default=730)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def storms(days: int, columns: int) -> dict[str, Any]:
    """Return rain and demands (day, column), m day-1."""
    rng = np.random.default_rng(0)
    shape = (days, columns)
    rain = np.where(rng.random(shape) < 0.3, rng.gamma(0.7, 0.012, shape), 0.0)
    season = 0.003 + 0.002 * np.sin(np.arange(days) / 58.0)[:, None]
    demand = np.broadcast_to(season, shape)
    return {"rain": rain, "plant_demand": 0.7 * demand, "bare_demand": 0.3 * demand}


def classes(columns: int) -> Hydraulics:
    """Return the texture classes in turn."""
    rows = np.array(list(PUBLISHED.values()), dtype=float)
    dry, wet, alpha, shape, k_sat = rows[np.arange(columns) % len(rows)].T
    return Hydraulics(dry, wet, 100.0 * alpha, shape, 0.24 * k_sat)  # cm-1, cm h-1 in the paper


def run(soil: Hydraulics, weather: dict[str, Any], threads: int) -> Columns:
    """Simulate columns of 2 m."""
    roots = np.exp(-3.0 * np.linspace(0.05, 1.95, LAYERS))[:, None]
    return simulate(
        soil,
        thickness=np.full(LAYERS, 0.1),
        roots=roots / roots.sum(),
        max_ponding=0.005,
        threads=threads,
        **weather,
    )


def measure(soil: Hydraulics, weather: dict[str, Any], threads: int) -> tuple[float, float]:
    """Return the seconds of the clock and of the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    run(soil, weather, threads)
    return time.perf_counter() - wall, time.process_time() - cpu


def by_class(days: int) -> dict[str, float]:
    """Return the milliseconds of the processor for one column of each class."""
    found = {}
    for k, name in enumerate(PUBLISHED):
        weather = {name: values[:, k : k + 1].copy() for name, values in storms(days, 12).items()}
        soil = classes(len(PUBLISHED))
        one = Hydraulics(
            *(np.array([p[k]]) for p in (soil.theta_r, soil.theta_s, soil.alpha, soil.shape)),
            np.array([soil.k_sat[k]]),
        )
        found[name] = round(1000.0 * measure(one, weather, 1)[1], 1)
    return found


def budget(weather: dict[str, Any], done: Columns) -> Any:
    """Return what each column gained and cannot account for after the first day, m."""
    stored = 0.1 * done.theta.sum(axis=1) + done.ponding
    lost = done.runoff + done.evaporation + done.uptake.sum(axis=1) + done.flux[:, -1]
    return stored[-1] - stored[0] - (weather["rain"] - lost)[1:].sum(axis=0)


if __name__ == "__main__":
    main()
