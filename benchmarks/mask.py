"""Speed of the water balance mask: the fused scan against a copy, plain numpy, xarray and dask.

All candidates of a precision run one after another in each round, so that they meet the same
machine; seconds are medians over the rounds, ratios medians of those within a round, also by
processor time, which a busy machine disturbs less. Bytes are those of five inputs (precipitation,
evaporation, surface runoff, snow, soil moisture) and one output (the filtered trend); a copy has
one of each. The floor moves the same bytes: three copies on the same threads, one of them into a
new array, whose pages the system clears, as it does those of a new output.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/mask.py --threads 2
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from operator import truediv
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np

from xsm.physics.water_balance import inflow_trend
from xsm.typing import FloatArray

NAMES = ("precipitation", "evaporation", "surface_runoff", "snow", "observed")
CHECK = """
import dask, numpy as np, xarray as xr, pandas as pd, numba, xsm
rng, days = np.random.default_rng(0), pd.date_range("2020", periods=60)
names = {"precipitation": "mm day-1", "soil_moisture": "m3 m-3"}
ds = xr.Dataset({k: (("time", "cell"), rng.random((60, 4000)), {"units": u})
                 for k, u in names.items()}, {"time": days}).chunk(time=20, cell=100)
numba.njit(parallel=True)(lambda a: a.sum())(np.ones(9))  # starts the layer of threads
with dask.config.set(scheduler="threads", num_workers=8):
    xsm.water_balance(ds, terms=["precipitation"]).compute()
print(numba.threading_layer())
"""


def main() -> None:
    """Run all candidates, print a table and JSON."""
    args = parse()
    report: dict[str, Any] = {"machine": machine(args)}
    report |= {"seconds": {}, "ratios": {}, "ratios of processor time": {}}
    for dtype in args.dtypes:
        seconds, processor = measure(np.dtype(dtype), args)
        report["seconds"][dtype] = {k: statistics.median(v) for k, v in seconds.items()}
        report["ratios"][dtype] = ratios(seconds)
        report["ratios of processor time"][dtype] = ratios(processor)
    report["workqueue"] = "" if args.only else workqueue()
    print(table(report))
    print(json.dumps(report, indent=1))


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=365)
    parser.add_argument("--cells", type=int, default=120_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", nargs="+", help="these candidates alone, and no workqueue")
    parser.add_argument("--dtypes", nargs="+", default=["float32", "float64"])
    return parser.parse_args()


def machine(args: argparse.Namespace) -> dict[str, Any]:
    """Return what the figures depend on."""
    import dask
    import numba
    import xarray as xr

    modules = {"numpy": np, "numba": numba, "dask": dask, "xarray": xr}
    return {
        "settings": vars(args),
        "cores": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        **{name: module.__version__ for name, module in modules.items()},
    }


def inputs(dtype: np.dtype[Any], args: argparse.Namespace) -> dict[str, FloatArray]:
    """Return random inputs (time, cell)."""
    rng = np.random.default_rng(0)
    return {name: rng.random((args.steps, args.cells), dtype=dtype.type) for name in NAMES}


def plain(data: dict[str, FloatArray], out: FloatArray | None = None) -> FloatArray:
    """Return the mask by expressions of numpy, without gaps in the observations."""
    p, e, r, s, o = (data[name] for name in NAMES)
    w = p - e - r
    w[0] = np.nan
    w[1:] += s[:-1] - s[1:]
    trend = np.sign(w[1:] - w[:-1])
    out = np.empty_like(p) if out is None else out
    out[0] = np.nan
    out[1:] = np.where(trend * (o[:-1] - o[1:]) > 0, 0, trend)
    return out


def labelled(ds: Any) -> Any:
    """Return the mask by expressions of xarray, lazily on dask arrays."""
    w = ds["precipitation"] - ds["evaporation"] - ds["surface_runoff"] - ds["snow"].diff("time")
    trend = np.sign(w.diff("time"))
    return trend.where(trend * ds["observed"].diff("time") >= 0, 0)


def candidates(
    data: dict[str, FloatArray], args: argparse.Namespace, pool: ThreadPoolExecutor
) -> dict[str, Callable[[], object]]:
    """Return what is timed, by name."""
    import dask

    out = np.zeros_like(data["observed"])
    eager, lazy = datasets(data)
    stored = in_metres(eager)
    rows = [args.steps * k // args.threads for k in range(args.threads + 1)]

    def copy() -> None:
        jobs = [pool.submit(np.copyto, out[a:b], data["snow"][a:b]) for a, b in pairwise(rows)]
        for job in jobs:
            job.result()

    def floor() -> None:
        fresh = np.empty_like(out)
        for target in (out, out, fresh):
            jobs = [
                pool.submit(np.copyto, target[a:b], data["snow"][a:b]) for a, b in pairwise(rows)
            ]
            for job in jobs:
                job.result()

    def scan(**given: Any) -> object:
        return inflow_trend(**data, outputs=["filtered"], threads=args.threads, **given)

    def on_threads(array: Any) -> object:
        with dask.config.set(scheduler="threads", num_workers=args.threads):
            return array.compute()

    return {
        "copy": copy,
        "floor": floor,
        "scan into output": lambda: scan(out={"filtered": out}),
        "scan, allocating": scan,
        "scan in double precision": lambda: scan(out={"filtered": out}, work="f8"),
        "numpy into output": lambda: plain(data, out),
        "numpy, allocating": lambda: plain(data),
        "xarray": lambda: labelled(eager),
        "water_balance": lambda: balance(eager),
        "numpy, units of the file": lambda: plain(converted(stored)),
        "water_balance, units of the file": lambda: balance(stored),
        "xarray on dask": lambda: on_threads(labelled(lazy)),
        "water_balance on dask": lambda: on_threads(balance(lazy)),
    }


def datasets(data: dict[str, FloatArray]) -> tuple[Any, Any]:
    """Return the inputs as data sets, in memory and in chunks of 10,000 cells."""
    import pandas as pd
    import xarray as xr

    units = dict(zip(NAMES, ["mm day-1"] * 3 + ["mm", "m3 m-3"], strict=True))
    days = pd.date_range("2001-01-01", periods=len(data["snow"]))
    arrays = {k: (("time", "cell"), v, {"units": units[k]}) for k, v in data.items()}
    eager = xr.Dataset(arrays, {"time": days})
    return eager, eager.chunk(cell=10_000)


def in_metres(ds: Any) -> Any:
    """Return the data set as ERA5-Land holds it: water in m, evaporation negative."""
    signs = {"precipitation": 1, "evaporation": -1, "surface_runoff": 1, "snow": 1}
    found = ds.assign({k: (s * ds[k] / 1000).assign_attrs(units="m") for k, s in signs.items()})
    found["evaporation"].attrs["positive"] = "down"
    return found


def converted(ds: Any) -> dict[str, FloatArray]:
    """Return the arrays of :func:`in_metres` in mm, by numpy."""
    scale = {"evaporation": np.float32(-1000), "observed": np.float32(1)}
    return {n: ds[n].values * scale.get(n, np.float32(1000)) for n in NAMES}


def balance(ds: Any) -> Any:
    """Return the mask by the labelled function, which finds variables and keeps labels."""
    from xsm.data.reading import read
    from xsm.hydrology.balance import inflow_arrays

    roles = {"snow_water_equivalent": "snow", "soil_moisture": "observed"}
    chosen = ["inflow_trend_filtered"]
    return inflow_arrays(read(ds, roles), outputs=chosen)["inflow_trend_filtered"]


def measure(
    dtype: np.dtype[Any], args: argparse.Namespace
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return the seconds of each candidate in each round, run in turn, and those of processors."""
    data = inputs(dtype, args)
    with ThreadPoolExecutor(args.threads) as pool:
        todo = {
            name: run
            for name, run in candidates(data, args, pool).items()
            if args.only is None or name in args.only
        }
        for run in todo.values():
            run()  # compiles, touches the memory
        seconds: dict[str, list[float]] = {name: [] for name in todo}
        processor: dict[str, list[float]] = {name: [] for name in todo}
        for _ in range(args.rounds):
            for name, run in todo.items():
                start, begun = time.perf_counter(), time.process_time()
                run()
                seconds[name].append(time.perf_counter() - start)
                processor[name].append(time.process_time() - begun)
    return seconds, processor


def ratios(seconds: dict[str, list[float]]) -> dict[str, float]:
    """Return shares of the bandwidth of copies, and times against numpy, xarray and dask."""
    pairs = {
        "bandwidth of copy": ("copy", "scan into output"),
        "bandwidth of copy, double precision": ("copy", "scan in double precision"),
        "share of its floor": ("floor", "water_balance"),
        "share of its floor, units of the file": ("floor", "water_balance, units of the file"),
        "times numpy, into output": ("numpy into output", "scan into output"),
        "times numpy, allocating": ("numpy, allocating", "scan, allocating"),
        "times numpy, units of the file": (
            "numpy, units of the file",
            "water_balance, units of the file",
        ),
        "times xarray": ("xarray", "water_balance"),
        "times xarray on dask": ("xarray on dask", "water_balance on dask"),
    }
    weight = {"copy": 6 / 2}  # of its bytes, those of a scan
    return {
        name: weight.get(a, 1) * statistics.median(map(truediv, seconds[a], seconds[b]))
        for name, (a, b) in pairs.items()
        if a in seconds and b in seconds
    }


def workqueue() -> str:
    """Run the balance on dask threads where numba may use its workqueue only; say what came."""
    environment = {**os.environ, "NUMBA_THREADING_LAYER": "workqueue"}
    done = subprocess.run(
        [sys.executable, "-c", CHECK], env=environment, capture_output=True, text=True, check=False
    )
    return f"exit {done.returncode}, layer {done.stdout.strip() or done.stderr[-200:]}"


def table(report: dict[str, Any]) -> str:
    """Return seconds and ratios as a table."""
    lines = []
    forms = {"seconds": "{:10.4f}", "ratios": "{:10.2f}", "ratios of processor time": "{:10.2f}"}
    for kind, form in forms.items():
        by_type = report[kind]
        lines.append(f"{kind:40}" + "".join(f"{name:>10}" for name in by_type))
        for row in next(iter(by_type.values())):
            cells = "".join(form.format(values[row]) for values in by_type.values())
            lines.append(f"  {row:38}{cells}")
    return "\n".join([*lines, f"workqueue: {report['workqueue']}"])


if __name__ == "__main__":
    main()
