"""Do the weights of experts explain? Planted worlds, whose drivers are known, and data.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/experts.py --data DIR --results FILE [--write]

``ismoe`` with its defaults (``absence``), with experts that compete (``competition``), and with the
squared error alone (``error``), whose weights are the shares of the router. Of planted worlds: the
share of cells of each half and season in which the right expert has the largest mean weight. Of
SMAP, mHM Mosel and the tutorial world: the error, the rank correlation of weights and permutation
importance, and of the weights by cell between seeds. Results are kept line by line and not made
again; ``--write`` puts the tables into ``docs/models/ismoe.md``. ``--cost`` prints the time of a
step against the squared error's, networks in turn.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

import xsm

sys.path.insert(0, str(Path(__file__).parent / "papers"))

from results import Results, write_tables
from yang2025 import CASES, SCHEDULE, load

from xsm.data.naming import METEOROLOGY
from xsm.losses import RMSE, Absence, Mixture
from xsm.models.ismoe import ISMoE
from xsm.nn import Sizes
from xsm.synthetic import driver_world
from xsm.training.adam import Adam
from xsm.training.steps import Whole

PAGE = Path(__file__).parents[1] / "docs/models/ismoe.md"
KINDS = ("regions", "seasons", "together", "copy", "noise")
FORMS: dict[str, dict[str, Any]] = {
    "absence": {},
    "competition": {"losses": [RMSE(), Mixture()]},
    "error": {"losses": [RMSE()]},
}
MEMORY = {"sequence": 180, "lead": 0, "epochs": 8}
Row = dict[str, Any]


def plant(kind: str, form: str, seed: int, epochs: int) -> Row:
    """Train on a planted world, and say in how many cells the right expert leads."""
    ds = driver_world(kind, seed=seed)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        fitted = ds.physm.fit("ismoe", seed=seed, progress=False, epochs=epochs, **FORMS[form])
    found = fitted.predict(ds)
    weight = found["expert_weight" if form == "absence" else "expert_share"]
    parts = {
        f"{half} {season}": (ds["half"] == half) & (weight["time"].dt.season == season)
        for half, season in product(("west", "east"), ("DJF", "MAM", "JJA", "SON"))
    }
    means = {name: weight.where(part).mean("time") for name, part in parts.items()}
    right = {}
    for name, mean in means.items():
        drivers = ds["driver"].reindex_like(weight).where(parts[name])
        truth = next(v for v in np.unique(drivers.values.astype(str)) if v != "nan")
        known = ["precipitation", "radiation"] if truth == "both" else [truth]
        order = mean.dropna("lon", how="all")
        others = order.drop_sel(expert=known).max("expert")
        right[name] = float((order.sel(expert=known).min("expert") > others).mean())
    idle = weight.drop_sel(expert=["precipitation", "radiation"])
    if kind in {"copy", "seasons"}:  # where it is the rain, or tells the season
        idle = idle.drop_sel(expert=["temperature"])
    return {
        "least": min(right.values()),
        "noise": float(idle.mean(("time", "lat", "lon")).max()),
        "r": float(xr.corr(found["swvl1"], ds["swvl1"])),
        "copies": any("say the same" in str(one.message) for one in told),
    }


def explain(name: str, form: str, seed: int, data: Path, epochs: int, *, memory: bool) -> Row:
    """Train on data, score, and compare weights with permutation importance."""
    case, ds = CASES[name], load(name, data)
    how = MEMORY if memory else {**SCHEDULE, "epochs": epochs}
    fitted = ds.sel(time=case.train).physm.fit(
        "ismoe",
        target=case.target,
        dynamic=case.dynamic,
        patch=case.patch,
        seed=seed,
        progress=False,
        **how,
        **FORMS[form],
    )
    first = int((ds["time"] < ds.sel(time=case.test)["time"][0]).sum())
    first -= 90 if memory else fitted.recipe.window - 1
    later = ds.isel(time=slice(max(first, 0), None)).sel(time=slice(None, case.test.stop))
    found = later.physm.predict(fitted).sel(time=case.test)
    maps = ds.physm.score(found, baselines=False)[["r", "rmse"]]
    middle = maps.median(list(maps["r"].dims))
    weight = found["expert_weight" if form == "absence" else "expert_share"]
    space = [d for d in weight.dims if d not in {"time", "expert"}]
    row = {
        "rmse": float(middle["rmse"]),
        "r": float(middle["r"]),
        "expert": weight["expert"].values.tolist(),
        "cells": numbers(weight.mean("time").transpose(*space, "expert"), 3),
    }
    if form != "absence" and seed:  # of the others one seed is asked: it takes as long as training
        return row
    few = slice(None, None, 2) if case.patch == 1 else slice(0, weight.sizes[space[0]] // 2)
    table = fitted.importance(later.isel({space[0]: few}), by="season", repeats=1)
    season = weight.isel({space[0]: few}).groupby("time.season").mean(("time", *space))
    season = season.transpose("season", "expert").reindex(season=table["season"].values)
    permuted = table["permutation"].transpose("season", "expert")
    agreed = [ranks(*pair) for pair in zip(season.values, permuted.values, strict=True)]
    return row | {
        "weight": numbers(season.mean("season"), 4),
        "permutation": numbers(permuted.mean("season"), 5),
        "agreement": agreed,
        "seasons": table["season"].values.tolist(),
        "weights": numbers(season, 3),  # (season, expert)
        "permutations": numbers(permuted, 5),
    }


def numbers(values: xr.DataArray, digits: int) -> list[float]:
    """Return rounded numbers for a file."""
    return list(values.values.astype(float).round(digits).ravel().tolist())


def ranks(weight: np.ndarray, permuted: np.ndarray) -> float:
    """Return Spearman's correlation as ``fitted.importance`` has it; NaN where it orders none."""
    from xsm.cells.experts import agreement

    gain = np.maximum(permuted, 0.0)
    pair = (xr.DataArray(v, dims="expert") for v in (weight, gain / gain.sum()))
    return float(agreement(*pair))


def cost(rounds: int = 400) -> str:
    """Return processor time of a step against that of the squared error, networks in turn."""
    names = (*METEOROLOGY, "snowfall")  # six experts
    sizes = Sizes(len(names), 5, 15, names=names)
    batch = {"dynamic": torch.rand(64, 15, 9, len(names) + 1), "static": torch.rand(64, 9, 6)}
    batch |= {"target": torch.rand(64, 1), "mask": torch.ones(64, 1, dtype=torch.bool)}
    steps = {}
    for form, terms in {"error": [RMSE()], "absence": [RMSE(), Absence()]}.items():
        model = ISMoE(sizes).train()
        if form == "error":
            model.explainer = None
        steps[form] = Whole(model.evaluate, terms, "float32"), Adam(model.parameters(), 1e-3)
    found: dict[str, list[float]] = {form: [] for form in steps}
    for _ in range(rounds):
        for form, (step, adam) in steps.items():
            begun = time.process_time()
            step(batch)
            adam.move()
            found[form].append(time.process_time() - begun)
    ratios = [b / a for a, b in zip(found["error"], found["absence"], strict=True)][5:]
    whole = sum(found["absence"][5:]) / sum(found["error"][5:])
    return f"of sums {whole:.3f}, median of {len(ratios)} pairs {statistics.median(ratios):.3f}"


def tables(rows: list[Row]) -> str:
    """Return all results as Markdown."""
    planted, real = ([r for r in rows if r["part"] == part] for part in ("plant", "data"))
    head = (
        "| world | loss | seeds | cells where the right expert leads, least of halves and seasons "
    )
    lines = [head + "| weight of what knows nothing, at most | r |", "|---|---|---:|---|---:|---|"]
    for kind, form in product(KINDS, FORMS):
        own = [r for r in planted if (r["kind"], r["form"]) == (kind, form)]
        if own:
            least = ", ".join(f"{r['least']:.2f}" for r in own)
            skill = ", ".join(f"{r['r']:.3f}" for r in own)
            noise = max(r["noise"] for r in own)
            told = " (copies told)" if all(r["copies"] for r in own) else ""
            line = f"| {kind}{told} | {form} | {len(own)} | {least} | {noise:.3f} | {skill} |"
            lines.append(line)
    lines += ["", "| data | loss | RMSE by seed | rank correlation with permutation by seed "]
    lines[-1] += "| weights of seeds, by cell |"
    lines.append("|---|---|---|---|---:|")
    for name, memory, form in product(CASES, (False, True), FORMS):
        key = (name, memory, form)
        own = [r for r in real if (r["data"], r["memory"], r["form"]) == key]
        if own:
            label = name + (", with memory" if memory else "")
            rmse = ", ".join(f"{r['rmse']:.4f}" for r in own)
            agreed = ", ".join(f"{np.nanmean(r['agreement']):.2f}" for r in own if "agreement" in r)
            alike = f"{seeds_agree(own):.2f}" if len(own) > 1 else ""
            lines.append(f"| {label} | {form} | {rmse} | {agreed} | {alike} |")
    return "\n".join([*lines, "", *shown(real)])


def shown(real: list[Row]) -> list[str]:
    """Return weights beside permutation importance, of the default loss."""
    lines = ["| data | expert | mean weight by seed | rise of RMSE when permuted by seed |"]
    lines.append("|---|---|---|---|")
    for name, memory in product(CASES, (False, True)):
        key = (name, memory, "absence")
        own = [r for r in real if (r["data"], r["memory"], r["form"]) == key]
        label = name + (", with memory" if memory else "")
        for k, expert in enumerate(own[0]["expert"] if own else []):
            weights = ", ".join(f"{r['weight'][k]:.2f}" for r in own)
            rises = ", ".join(f"{r['permutation'][k]:.4f}" for r in own)
            lines.append(f"| {label} | {expert} | {weights} | {rises} |")
    return lines


def seeds_agree(own: list[Row]) -> float:
    """Return the least correlation of two seeds' mean weights (cell, expert)."""
    cells = [np.asarray(r["cells"], dtype=float) for r in own]
    there = np.all([np.isfinite(c) for c in cells], axis=0)
    return min(float(np.corrcoef(a[there], b[there])[0, 1]) for a, b in combinations(cells, 2))


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the data sets")
    parser.add_argument("--results", type=Path, default=Path("experts.jsonl"))
    parser.add_argument("--kinds", choices=KINDS, nargs="*", default=list(KINDS))
    parser.add_argument("--only", choices=list(CASES), nargs="*", default=list(CASES))
    parser.add_argument("--forms", choices=list(FORMS), nargs="*", default=list(FORMS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, nargs=2, default=[12, 8], help="of worlds, of data")
    parser.add_argument("--memory", action="store_true", help="networks with memory, of data")
    parser.add_argument("--write", action="store_true", help="put the tables into the page")
    parser.add_argument("--cost", action="store_true", help="time a step, and stop")
    return parser.parse_args()


def main() -> None:
    """Make what is not yet in the file, one result after the other."""
    args = parse()
    torch.set_num_threads(1)
    xsm.set_options(threads=1)
    warnings.simplefilter("ignore", UserWarning)  # of routers in the midst of their training
    if args.cost:
        sys.stdout.write(cost() + "\n")
        return
    results = Results(args.results)
    for seed, form in product(range(args.seeds), args.forms):
        for kind in args.kinds:
            key = {"part": "plant", "kind": kind, "form": form, "seed": seed}
            if not any(key.items() <= row.items() for row in results.rows):
                results.add(key | plant(kind, form, seed, args.epochs[0]))
        for name in args.only:
            key = {"part": "data", "data": name, "memory": args.memory, "form": form, "seed": seed}
            if args.data and not any(key.items() <= row.items() for row in results.rows):
                found = explain(name, form, seed, args.data, args.epochs[1], memory=args.memory)
                results.add(key | found)
    if args.write:
        write_tables(PAGE, results.made_with("experts.py") + "\n\n" + tables(results.rows))


if __name__ == "__main__":
    main()
