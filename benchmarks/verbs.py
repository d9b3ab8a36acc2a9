"""Speed of the verbs that read data: each against what a user would type without xsm.

The world is a random one under ERA5-Land's names and units, daily, of float32, at three sizes. Each
verb runs in turns with its rival, in memory and lazily in blocks of cells on two threads of dask;
seconds are medians of rounds, ratios medians of those within a round: rival over xsm, above 1 where
xsm is faster; by processor counts the time of processors of both, which other work on the machine
disturbs less, and two threads twice. "growth" is the exponent of the seconds in the number of
values, between the smallest and the largest size; 1 is linear. Peak memory (a run of its own,
traced) counts arrays of numpy, beside the bytes of the data; tasks are those of the graph. Rivals
do what is named beside them, and none of the checks of xsm: names, units, signs, fill values.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/verbs.py [--write]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import time
import tracemalloc
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import dask
import numpy as np
import pandas as pd
import xarray as xr
from results import by_columns, with_earlier

import xsm

TABLE = Path(__file__).parents[1] / "docs" / "benchmarks" / "verbs.md"
DAYS, SIZES = 730, (400, 1600, 6400)  # cells
LAYERS = {"swvl1": 0.07, "swvl2": 0.21, "swvl3": 0.72, "swvl4": 1.89}  # m
Call = Callable[[xr.Dataset], Any]


@dataclass(frozen=True)
class Verb:
    """What is timed, beside what, of which of the worlds."""

    own: Call
    rival: Call | None
    words: str
    world: str = "daily"
    most: int = SIZES[-1]  # cells


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--only", nargs="+", default=list(VERBS), choices=list(VERBS))
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.name}")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    dask.config.set(scheduler="threads", num_workers=2)
    rows = []
    for name in args.only:
        rows.append({"verb": name, **measured(VERBS[name], args)})
        print(json.dumps(rows[-1]), flush=True)
    if args.write:
        rows = with_earlier(TABLE.with_suffix(".json"), rows, "verb")
        TABLE.write_text(page(rows, args), "utf-8")
        report = {"verbs": by_columns(rows, "verb")}
        TABLE.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")


def measured(verb: Verb, args: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of a verb: at all sizes in memory, at the largest lazily."""
    sizes = [n for n in args.sizes if n <= verb.most] or [verb.most]
    eager = {n: in_turns(verb, WORLDS[verb.world](n), args.rounds) for n in sizes}
    ds = WORLDS[verb.world](sizes[-1])
    lazy = ds.chunk({d: -1 if d != "longitude" else max(1, ds.sizes[d] // 8) for d in ds.dims})
    late = in_turns(verb, lazy, args.rounds)
    first, last = eager[sizes[0]]["own"], eager[sizes[-1]]["own"]
    found = {
        "words": verb.words,
        "cells": sizes[-1],
        "seconds": last,
        "ratio": eager[sizes[-1]]["ratio"],
        "processor ratio": eager[sizes[-1]]["processor"],
        "lazy seconds": late["own"],
        "lazy ratio": late["ratio"],
        "lazy processor ratio": late["processor"],
        "MB of data": ds.nbytes / 1e6,
        "peak MB": peak(verb.own, ds),
        "lazy peak MB": peak(verb.own, lazy),
        "tasks": tasks(verb.own(lazy)),
    }
    if len(sizes) > 1:
        found["growth"] = math.log(last / first) / math.log(sizes[-1] / sizes[0])
    return found


def in_turns(verb: Verb, ds: xr.Dataset, rounds: int) -> dict[str, float | None]:
    """Return the median seconds of a verb, and the median ratios to its rival."""
    own, ratios = [], []
    for number in range(rounds + 1):  # the first round warms up
        taken = [timed(call, ds) for call in (verb.own, verb.rival) if call is not None]
        if number:
            own.append(taken[0][0])
            ratios += [np.divide(taken[1], taken[0])] if verb.rival else []
    wall, processor = np.median(ratios, axis=0).tolist() if ratios else (None, None)
    return {"own": statistics.median(own), "ratio": wall, "processor": processor}


def timed(call: Call, ds: xr.Dataset) -> tuple[float, float]:
    """Return the seconds of a call, computed, and those of processors."""
    started, begun = time.perf_counter(), time.process_time()
    finished(call(ds))
    return time.perf_counter() - started, time.process_time() - begun


def finished(found: Any) -> None:
    """Compute what is lazy, all parts at once; they may be of different lengths."""
    if isinstance(found, list):
        dask.compute(*[part.data for part in found])
    elif dask.is_dask_collection(found):
        found.compute()


def peak(call: Call, ds: xr.Dataset) -> float:
    """Return the most megabytes that arrays take at a time."""
    tracemalloc.start()
    finished(call(ds))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / 1e6


def tasks(found: Any) -> int:
    """Return the number of tasks of a lazy result; 0 of others."""
    return len(dict(found.__dask_graph__())) if dask.is_dask_collection(found) else 0


def grid(cells: int) -> dict[str, np.ndarray]:
    """Return latitudes and longitudes of so many cells."""
    rows = math.isqrt(cells) // 4 * 4
    return {
        "latitude": 50 - 0.1 * np.arange(rows),
        "longitude": 5 + 0.1 * np.arange(max(8, cells // rows // 8 * 8)),
    }


def world(cells: int, times: pd.DatetimeIndex, kinds: dict[str, tuple[float, str]]) -> xr.Dataset:
    """Return random series: the largest value and the units of each."""
    axes = {"time": times, **grid(cells)}
    shape, rng = tuple(len(v) for v in axes.values()), np.random.default_rng(0)
    made = {}
    for name, (most, units) in kinds.items():
        values = rng.random(shape, dtype=np.float32) * np.float32(most)
        made[name] = tuple(axes), values, {"units": units}
    return xr.Dataset(made, axes)


def daily(cells: int) -> xr.Dataset:
    """Return two years of ERA5-Land's daily amounts and states."""
    kinds = {"tp": (0.01, "m"), "e": (-0.004, "m"), "sro": (0.001, "m"), "t2m": (300.0, "K")}
    kinds |= {"sd": (0.1, "m of water equivalent")} | dict.fromkeys(LAYERS, (0.4, "m3 m-3"))
    ds = world(cells, pd.date_range("2001", periods=DAYS), kinds)
    return ds.assign(t2m=(250 + ds["t2m"] / 6).assign_attrs(units="K"))


def hourly(cells: int) -> xr.Dataset:
    """Return a month of hourly temperature and rain rate."""
    kinds = {"t2m": (30.0, "degC"), "pr": (1e-4, "kg m-2 s-1")}
    return world(cells, pd.date_range("2001", periods=720, freq="h"), kinds)


def monthly(cells: int) -> xr.Dataset:
    """Return ten years of monthly storages in mm."""
    kinds = {"twsa": (100.0, "mm"), "soil": (500.0, "mm"), "sd": (50.0, "mm")}
    return world(cells, pd.date_range("2001", periods=120, freq="MS"), kinds)


WORLDS = {"daily": daily, "hourly": hourly, "monthly": monthly}


def guess(ds: xr.Dataset, *, spread: bool = False) -> xr.Dataset:
    """Return a prediction of the top layer, a step of noise beside it."""
    wrong = (0.9 * ds["swvl1"] + 0.02).assign_attrs(ds["swvl1"].attrs)
    found = {"swvl1": wrong}
    if spread:
        found["swvl1_std"] = xr.full_like(wrong, 0.05).assign_attrs(ds["swvl1"].attrs)
        found["swvl1"].attrs["ancillary_variables"] = "swvl1_std"
    return xr.Dataset(found)


def plain_balance(ds: xr.Dataset) -> list[Any]:
    """Return what ``water_balance`` does without gaps, by expressions of xarray."""
    snow = 1000 * ds["sd"]
    inflow = 1000 * ds["tp"] + 1000 * ds["e"] - 1000 * ds["sro"] - snow.diff("time")
    trend = np.sign(inflow.diff("time"))
    before = ds["swvl1"].shift(time=1)
    return [inflow, trend, trend.where(trend * (before - ds["swvl1"]) <= 0, 0), before]


def plain_score(ds: xr.Dataset) -> list[Any]:
    """Return r, rmse, bias and mae of a prediction."""
    truth, found = ds["swvl1"], guess(ds)["swvl1"]
    error = found - truth
    return [
        xr.corr(found, truth, "time"),
        (error**2).mean("time") ** 0.5,
        error.mean("time"),
        abs(error).mean("time"),
    ]


def plain_consistency(ds: xr.Dataset) -> list[Any]:
    """Return the shares of consistent steps of prediction and observation."""
    _, trend, _, before = plain_balance(ds)
    found = []
    for values in (guess(ds)["swvl1"], ds["swvl1"]):
        product = trend * (before - values)
        found.append((product < 0).sum("time") / (product != 0).sum("time"))
    return found


def plain_reliability(ds: xr.Dataset) -> list[Any]:
    """Return CRPS and coverage of a Gaussian by scipy."""
    from scipy.stats import norm

    z = (ds["swvl1"] - guess(ds)["swvl1"]) / 0.05
    cdf = xr.apply_ufunc(norm.cdf, z, dask="parallelized", output_dtypes=[float])
    pdf = xr.apply_ufunc(norm.pdf, z, dask="parallelized", output_dtypes=[float])
    crps = (0.05 * (z * (2 * cdf - 1) + 2 * pdf - 1 / np.sqrt(np.pi))).mean("time")
    levels = np.linspace(0.1, 0.9, 9)
    return [crps, *[(abs(2 * cdf - 1) <= level).mean("time") for level in levels]]


def plain_depths(ds: xr.Dataset) -> list[Any]:
    """Return means over 0 to 0.28 m and to 1 m."""
    top = (0.07 * ds["swvl1"] + 0.21 * ds["swvl2"]) / 0.28
    return [top, 0.28 * top + 0.72 * ds["swvl3"]]


def plain_check(ds: xr.Dataset) -> list[Any]:
    """Return extremes and the share of gaps of each variable."""
    found = []
    for array in ds.data_vars.values():
        found += [array.min(), array.max(), array.isnull().mean()]
    return found


def coarser(ds: xr.Dataset) -> xr.Dataset:
    """Return a grid four times as coarse."""
    axes = {d: ds[d].coarsen({d: 4}).mean() for d in ("latitude", "longitude")}
    return xr.Dataset(coords={d: v.values for d, v in axes.items()})


def rest(ds: xr.Dataset) -> Any:
    """Return the groundwater of storages."""
    window = ("2001", "2005")
    return xsm.groundwater_anomaly(ds["twsa"], ds["soil"], ds["sd"], baseline=window)


def plain_rest(ds: xr.Dataset) -> Any:
    """Return the same by anomalies of xarray."""
    years = slice("2001", "2005")
    left = ds["twsa"] - ds["soil"] - ds["sd"]
    return left - left.sel(time=years).mean("time")


def loam() -> xr.Dataset:
    """Return the parameters of loam (Carsel and Parrish 1988)."""
    found = {"theta_r": (0.078, "m3 m-3"), "theta_s": (0.43, "m3 m-3"), "vg_n": (1.56, "1")}
    found |= {"vg_alpha": (3.6, "m-1"), "k_sat": (0.2496, "m day-1")}
    return xr.Dataset({name: ((), value, {"units": u}) for name, (value, u) in found.items()})


def column_water(ds: xr.Dataset) -> Any:
    """Return simulated columns of loam under the weather of 60 days."""
    part = ds[["tp"]].assign(pev=-ds["e"].assign_attrs(units="m")).isel(time=slice(0, 60))
    part["pev"].attrs = {"units": "m", "positive": "up"}
    return xsm.simulate_columns(part, parameters=loam())


VERBS = {
    "variables": Verb(xsm.variables, None, "no rival: reads no values"),
    "check": Verb(xsm.check, plain_check, "extremes and gaps by xarray"),
    "daily": Verb(xsm.daily, lambda ds: ds.resample(time="1D").mean(), "resample", "hourly"),
    "monthly": Verb(xsm.monthly, lambda ds: ds.resample(time="MS").mean(), "resample"),
    "water_balance": Verb(xsm.water_balance, plain_balance, "expressions of xarray"),
    "water_balance, one output": Verb(
        lambda ds: xsm.water_balance(ds, outputs=["inflow_trend_filtered"]),
        lambda ds: plain_balance(ds)[2],
        "expressions of xarray",
    ),
    "score": Verb(
        lambda ds: xsm.score(ds, guess(ds), baselines=False), plain_score, "four of its scores"
    ),
    "consistency": Verb(
        lambda ds: xsm.consistency(ds, guess(ds), trend="change"),
        plain_consistency,
        "two of its shares by xarray",
    ),
    "consistency, richards": Verb(
        lambda ds: xsm.richards_residual(ds, parameters=loam()),
        None,
        "no rival at hand",
        most=SIZES[1],
    ),
    "reliability": Verb(
        lambda ds: xsm.reliability(ds, guess(ds, spread=True), dim="time"),
        plain_reliability,
        "CRPS and coverage by scipy",
    ),
    "to_depths": Verb(
        lambda ds: xsm.to_depths(ds, [(0.0, 0.28), (0.0, 1.0)]), plain_depths, "sums of xarray"
    ),
    "regrid": Verb(
        lambda ds: xsm.regrid(ds[["tp", "t2m"]], coarser(ds)),
        lambda ds: ds[["tp", "t2m"]].coarsen(latitude=4, longitude=4).mean(),
        "coarsen, which needs nested grids",
    ),
    "groundwater_anomaly": Verb(rest, plain_rest, "anomalies of xarray", "monthly"),
    "simulate_columns": Verb(column_water, None, "no rival at hand", most=SIZES[0]),
}


def page(rows: list[dict[str, Any]], args: argparse.Namespace) -> str:
    """Return the figures as a page."""
    head = ["verb", "beside", "cells", "s", "ratio", "by processor", "growth"]
    head += ["lazy s", "lazy ratio", "lazy by processor", "MB", "peak MB", "lazy peak MB", "tasks"]
    keys = ["verb", "words", "cells", "seconds", "ratio", "processor ratio", "growth"]
    keys += [
        "lazy seconds",
        "lazy ratio",
        "lazy processor ratio",
        "MB of data",
        "peak MB",
        "lazy peak MB",
        "tasks",
    ]
    load = ", ".join(f"{x:.0f}" for x in os.getloadavg())
    lines = [
        "# Verbs",
        "",
        *(line for line in (__doc__ or "").split("\n\n    OMP")[0].splitlines()[2:]),
        "",
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, "
        f"numpy {np.__version__}, xarray {xr.__version__}, dask {dask.__version__}, "
        f"xsm {xsm.__version__}; medians of {args.rounds} rounds, load of the machine {load}.",
        "",
        "    OMP_WAIT_POLICY=PASSIVE python benchmarks/verbs.py --write",
        "",
        f"| {' | '.join(head)} |",
        "|---" * 2 + "|---:" * (len(head) - 2) + "|",
        *(f"| {' | '.join(shown(row.get(key)) for key in keys)} |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def shown(value: object) -> str:
    """Return a figure as text."""
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
