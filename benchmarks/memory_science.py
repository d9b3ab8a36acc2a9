"""What a carried state is worth: sequences beside windows and persistence, on real and other data.

    python benchmarks/memory_science.py --data DIR --results FILE [--write docs/carried_state.md]

``DIR`` holds the data sets as NetCDF. Each result is appended to ``FILE`` (JSON lines), and is not
made again where it stands there. Defaults of ``fit`` but for what ``RUNS`` says; a quarter of the
training period validates. The tables hold medians over cells, then over seeds.
"""

from __future__ import annotations

import os
import statistics
import time
import warnings
from typing import Any

import numpy as np
import xarray as xr
from cases import CASES, load, observed
from results import Results, arguments, write_tables

COLUMNS = ("rmse", "ubrmse", "bias", "r")


WEATHER = {"lead": 0}
KNOWN = {"data_integration": True, "known_forcing": True, "lead": 1}
LONG = {"sequence": 365, "warmup": 90, "batch_size": 16, "lead": 0}
# A batch of 64 pieces of 180 steps is 11,520 steps of a cell: the same for windows of so many days.
BUDGET = {"epochs": 24, "iterations": 25, "validate_every": 1, "patience": 12, "decay": "cosine"}
BUDGET |= {"learning_rate": 8e-3, "clip": 1.0, "sampling": "mixed", "scaling": "global", "lead": 0}
WINDOWS = {w: {**BUDGET, "window": w, "batch_size": round(64 * 180 / w)} for w in (7, 15, 60, 180)}
TITLES: dict[str, tuple[str, dict[str, Any]]] = {
    "weather of the day": ("lstm", {"sequence": 180, **WEATHER}),
    "weather of the day, the whole period trains": (
        "lstm",
        {"sequence": 180, **WEATHER, "valid": 0},
    ),
    "weather of the day, a tenth validates, mean of five": (
        "lstm",
        {"sequence": 180, **WEATHER, "valid": 0.1, "members": 5},
    ),
    "weather of the day, offsets of cells": (
        "lstm",
        {"sequence": 180, **WEATHER, "cell_offset": True},
    ),
    "last observation, known weather, 1 day": ("lstm", {"sequence": 180, **KNOWN}),
    "observation of the day before, known weather": (
        "lstm",
        {"sequence": 180, **KNOWN, "latency": (1, 1)},
    ),
    "observation of the day before, known weather, 16 units": (
        "lstm",
        {"sequence": 180, **KNOWN, "latency": (1, 1), "hidden_size": 16, "batch_size": 32},
    ),
    "observation of the day before, known weather, mean of five of 16 units": (
        "lstm",
        {
            "sequence": 180,
            **KNOWN,
            "latency": (1, 1),
            "hidden_size": 16,
            "batch_size": 32,
            "members": 5,
        },
    ),
    "last observation, known weather, 7 days": (
        "lstm",
        {"sequence": 180, **KNOWN, "lead": 7, "latency": (7, 7)},
    ),
    **{f"windows of {w} days": ("lstm", options) for w, options in WINDOWS.items()},
    "layers, weather of the day": ("cnn_lstm", LONG),
    "layers, windows of 15 days": ("cnn_lstm", {"lead": 0}),
}
CORRECTED = ", corrected by the last error"  # learnt on the part that validates
TITLES |= {k + CORRECTED: v for k, v in TITLES.items() if k.startswith("observation")}
DRIFT = """
RMSE of the halves of the run, and of the second half where the state begins at rest in 1999:

| | first half | second half | begun in 1999 | std of the truth, first half | second half |
|---|---:|---:|---:|---:|---:|"""
_MARK = " (64 units, batches of half the size)"  # --small: a sixth of the time
USUAL = [
    "weather of the day",
    "last observation, known weather, 1 day",
    "observation of the day before, known weather",
    "observation of the day before, known weather" + CORRECTED,
]
OFFSETS = "weather of the day, offsets of cells"
RUNS: dict[str, list[str]] = {
    "mhm": [*USUAL, *(t for t in TITLES if t.startswith("windows"))],
    "smap": [*USUAL, OFFSETS, "last observation, known weather, 7 days"],
    "smap_years": [
        USUAL[0],
        OFFSETS,
        "weather of the day, the whole period trains",
        "weather of the day, a tenth validates, mean of five",
        *(t for t in TITLES if t.startswith("windows") and "180" not in t),  # validates 92 days
    ],
    "land": [*USUAL, OFFSETS],
    "wkg": [
        *USUAL,
        "observation of the day before, known weather, 16 units",
        "observation of the day before, known weather, mean of five of 16 units",
        "observation of the day before, known weather, 16 units" + CORRECTED,
        "observation of the day before, known weather, mean of five of 16 units" + CORRECTED,
    ],
    "caravan": [t for t in TITLES if t.startswith("layers")],
}


def scores(predicted: xr.DataArray, truth: xr.DataArray) -> dict[str, float]:
    """Return medians over cells of scores over time."""
    truth = truth.sel(time=predicted["time"])
    error = (predicted - truth).astype(float)
    known = error.count("time") > 9
    pairs = {
        "rmse": (error**2).mean("time") ** 0.5,
        "ubrmse": error.std("time"),
        "bias": error.mean("time"),
        "r": xr.corr(predicted, truth, "time"),
    }
    return {key: float(value.where(known).median()) for key, value in pairs.items()}


def run(name: str, label: str, seed: int, folder: str, *, small: bool = False) -> dict[str, Any]:
    """Train, run through the record, and judge one model with one seed."""
    import torch

    import xsm

    torch.set_num_threads(1)
    xsm.set_options(threads=1)
    warnings.simplefilter("ignore", UserWarning)
    case, ds = CASES[name], load(name, folder)
    model, options = TITLES[label]
    if small:
        options = {**options, "hidden_size": 64, "batch_size": options.get("batch_size", 64) // 2}
    began, used = time.perf_counter(), time.process_time()
    train = ds.sel(time=case.train)
    fitted = xsm.fit(
        train,
        model,
        target=case.target,
        seed=seed,
        progress=False,
        **{**case.inputs, **options},
    )
    seconds = time.perf_counter() - began, time.process_time() - used
    if label.endswith(CORRECTED):
        fitted = fitted.correct(train.isel(time=slice(round(train.sizes["time"] * 0.75), None)))
    found = fitted.predict(ds)
    if name == "caravan":  # has the state drifted? The second half by a run that begins at rest
        anew = fitted.predict(ds.sel(time=slice("1999", None)))
    made: dict[str, Any] = {"case": name, "run": label + _MARK * small, "seed": seed}
    best = np.ravel(fitted.history.attrs["best_epoch"])  # of each member
    made |= {"epoch": int(np.median(best)), "seconds": seconds}
    made |= {"machine": os.cpu_count(), "parameters": {k: str(v) for k, v in options.items()}}
    for key, truth in observed(ds, name).items():
        part = found[key].sel(time=case.test)
        made[key] = scores(part, truth)
        if name == "caravan":
            middle = len(part["time"]) // 2
            second = part["time"][middle:]
            again = anew[key].sel(time=second)
            halves = part.isel(time=slice(middle)), part.sel(time=second), again
            made[key]["halves"] = [scores(half, truth)["rmse"] for half in halves]
            made[key]["std"] = [
                float(truth.sel(time=h["time"]).std("time").median()) for h in halves
            ]
        else:
            made["persistence"] = scores(
                truth.ffill("time").shift(time=1).sel(time=case.test), truth
            )
    return made


def table(name: str, results: list[dict[str, Any]], folder: str) -> str:
    """Return one data set's results as Markdown."""
    own = [r for r in results if r["case"] == name]
    keys = list(observed(load(name, folder), name))
    lines, drift = [f"## {CASES[name].title}", ""], []
    lines.append("| | seeds | RMSE | ubRMSE | bias | R | best epoch |")
    lines.append("|---|---:|---:|---:|---:|---:|---:|")
    if "persistence" in own[0]:
        said = " | ".join(f"{own[0]['persistence'][c]:.4f}" for c in COLUMNS)
        lines.append(f"| last observation before the day | | {said} | |")
    for label in [said + mark for said in RUNS[name] for mark in ("", _MARK)]:
        rows = [r for r in own if r["run"] == label]
        for key in keys if rows else []:
            at = f", {key}" if len(keys) > 1 else ""
            values = [statistics.median(r[key][c] for r in rows) for c in COLUMNS]
            said = " | ".join(f"{v:.4f}" for v in values)
            epochs = ", ".join(str(r["epoch"]) for r in rows)
            lines.append(f"| {label}{at} | {len(rows)} | {said} | {epochs} |")
            if rows and "halves" in rows[0][key]:
                halves, spread = (
                    np.median([r[key][k] for r in rows], axis=0) for k in ("halves", "std")
                )
                cells = " | ".join(f"{v:.4f}" for v in (*halves, *spread[:2]))
                drift.append(f"| {label}{at} | {cells} |")
    return "\n".join([*lines, *([DRIFT, *drift] if drift else [])])


def main() -> None:
    """Run what is missing, and write the tables."""
    parser = arguments(__doc__)
    parser.add_argument("--only", choices=sorted(CASES), nargs="*", default=list(CASES))
    parser.add_argument("--runs", nargs="*", default=list(TITLES))
    parser.add_argument("--small", action="store_true", help="64 units, half batches")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    options = parser.parse_args()
    results = Results(options.results)
    there = {(r["case"], r["run"], r["seed"]) for r in results.rows}
    for seed in options.seeds:
        for name in options.only:
            for label in RUNS[name]:
                title = label + _MARK * options.small
                if label not in options.runs or (name, title, seed) in there:
                    continue
                found = run(name, label, seed, options.data, small=options.small)
                kept = results.add(found)
                shown = {k: v for k, v in kept.items() if k not in {"parameters", "machine"}}
                print(shown, flush=True)
    made = [n for n in CASES if any(r["case"] == n for r in results.rows)]
    head = results.made_with("memory_science.py")
    text = "\n\n".join([head, *(table(name, results.rows, options.data) for name in made)])
    print("\n" + text)
    if options.write:
        write_tables(options.write, text)


if __name__ == "__main__":
    main()
