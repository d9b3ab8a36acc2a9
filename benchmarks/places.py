"""Places that no model saw: climates and halves of the country left out, on real SMAP.

    python benchmarks/places.py --data DIR --results FILE [--write docs/new_places.md]

``DIR`` holds conus_smap_nldas as NetCDF. A network of 64 units runs through the record with the
weather of the day and maps of the soil and the climate; the last half year tests. In-region it has
seen the same cells before. Each result is appended to ``FILE`` (JSON lines), and is not made again
where it stands there. Scores are medians over cells, then over seeds.
"""

from __future__ import annotations

import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from cases import CASES, load
from results import Results, arguments, write_tables
from scipy.stats import rankdata

CASE = CASES["smap"]
MAPS = ["sand", "silt", "clay", "bulk_density", "ndvi_mean", "water_capacity"]
NETWORK: dict[str, Any] = {
    "target": CASE.target,
    "static": [*MAPS, "mean_rain", "mean_temperature"],
    "sequence": 180,
    "lead": 0,
    "scaling": "global",
    "hidden_size": 64,
    "batch_size": 32,
    "epochs": 12,
    "iterations": 25,
    "validate_every": 2,
    "patience": 6,
    "learning_rate": 8e-3,
    "decay": "cosine",
    "clip": 1.0,
    "progress": False,
}
DIVISIONS = ("climates", "halves")
TITLES = {"climates": "leave one climate out", "halves": "west for east, east for west"}


def climates(ds: xr.Dataset) -> xr.DataArray:
    """Return five classes after Koeppen from the monthly means of the data's own weather."""
    rain = ds["pr"].groupby("time.month").mean()
    warm = ds["t2m"].groupby("time.month").mean() - 273.15
    mean, coldest, warmest = warm.mean("month"), warm.min("month"), warm.max("month")
    summer = rain.sel(month=[4, 5, 6, 7, 8, 9]).sum("month") / rain.sum("month")
    needed = 20 * mean + xr.where(summer > 0.7, 280, xr.where(summer < 0.3, 0, 140))
    dry = 365.25 * rain.mean("month") < needed
    names = xr.where(coldest > 0, "temperate", xr.where(warmest >= 22, "cold, hot summer", "cold"))
    names = xr.where(dry, xr.where(mean >= 14, "dry, hot", "dry, cold"), names)
    return names.rename("climate")


def halves(ds: xr.Dataset) -> xr.DataArray:
    """Return whether a cell lies west or east of 98 degrees west, where the dry half begins."""
    like = ds["sand"]
    return xr.where(like["lon"] < -98.0, "west", "east").broadcast_like(like).rename("half")


def auc(index: np.ndarray, bad: np.ndarray) -> float:
    """Return how often a bad cell has a larger index than a good one (Mann and Whitney)."""
    n, m = int(bad.sum()), int((~bad).sum())
    if not n or not m:
        return float("nan")
    return float((rankdata(index)[bad].sum() - n * (n + 1) / 2) / (n * m))


def in_region(ds: xr.Dataset, seed: int, place: Path) -> xr.Dataset:
    """Return the scores of each cell by a network that has seen it before the test."""
    import xsm

    if not place.exists():
        xsm.fit(ds.sel(time=CASE.train), "lstm", seed=seed, **NETWORK).save(place)
    fitted = xsm.load(place)
    predicted = fitted.predict(ds).sel(time=CASE.test)
    return xsm.score(ds, predicted, baselines=fitted)


def run(folder: str, seed: int, keep: Path) -> list[dict[str, Any]]:
    """Train in-region and by each division, with one seed, and judge."""
    import torch

    import xsm

    torch.set_num_threads(1)
    xsm.set_options(threads=1)
    warnings.simplefilter("ignore", UserWarning)
    ds = load("smap", folder)
    began = time.perf_counter()
    keep.mkdir(exist_ok=True)
    known = in_region(ds, seed, keep / f"in-region-{seed}")
    print(f"seed {seed}, in-region: {time.perf_counter() - began:.0f} s", flush=True)
    found = []
    for division in DIVISIONS:
        began = time.perf_counter()
        folds = climates(ds) if division == "climates" else halves(ds)
        folds = folds.where(ds[CASE.target].notnull().any("time"), "")
        settings = {k: v for k, v in NETWORK.items() if k not in ("target", "scaling")}
        cv = xsm.cross_validate(
            ds, "lstm", folds=folds, test=CASE.test, target=CASE.target, seed=seed,
            path=keep / f"{division}-{seed}", **settings,
        )  # fmt: skip
        found.append({"division": division, "seed": seed, **judge(cv, known)})
        found[-1]["seconds"] = time.perf_counter() - began
        print(found[-1], flush=True)
    return found


def judge(cv: Any, known: xr.Dataset) -> dict[str, Any]:
    """Return medians of left-out cells, of the same in-region, and what the index tells."""
    made: dict[str, Any] = {"folds": {}}
    enough = cv.scores["count"].sel(source="model") > 9
    for name in (*cv.models, "all"):
        here = enough if name == "all" else enough & (cv.scores["fold"] == name)
        row: dict[str, Any] = {"cells": int(here.sum())}
        for title, table in (("left out", cv.scores), ("in-region", known)):
            for source in ("model", "climatology"):
                part = table.sel(source=source)
                for key in ("r", "rmse", "ubrmse"):
                    row[f"{title} {source} {key}"] = float(part[key].where(here).median())
        made["folds"][name] = row
    for title, weighed in (("weighted", True), ("plain", False)):
        domain = cv.domain(importance=weighed)
        whole = placed(cv, domain)
        index = whole.values.ravel()
        for key in ("rmse", "ubrmse"):
            error = cv.scores[key].sel(source="model").transpose(*whole.dims).values.ravel()
            usual = known[key].sel(source="model").transpose(*whole.dims).values.ravel()
            there = np.isfinite(index) & np.isfinite(error) & enough.values.ravel()
            limit = np.nanquantile(usual[there], 0.9)
            bad = error[there] > limit
            made[f"auc {title} {key}"] = auc(index[there], bad)
            made[f"bad {key}"] = float(bad.mean())
        applies = index[there] <= float(domain["threshold"])
        made[f"applicable {title}"] = float(applies.mean())
        made[f"threshold {title}"] = float(domain["threshold"])
        if weighed:
            rises = domain["importance"].values.tolist()
            made["importance"] = dict(zip(domain["input"].values.tolist(), rises, strict=True))
    return made


def placed(cv: Any, domain: xr.Dataset) -> xr.DataArray:
    """Return the index of left-out cells as a map."""
    labels = cv.folds.labels
    found = np.full(labels.size, np.nan)
    found[domain["cell"].values] = domain["dissimilarity"].values
    return xr.DataArray(found.reshape(labels.shape), labels.coords, labels.dims)


def tables(rows: list[dict[str, Any]]) -> str:
    """Return all results as Markdown."""
    lines = [
        "| left out | cells | R left out | R in-region | RMSE left out | RMSE in-region "
        "| ubRMSE left out | ubRMSE in-region |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    keys = ("left out model r", "in-region model r", "left out model rmse")
    keys += ("in-region model rmse", "left out model ubrmse", "in-region model ubrmse")
    for division in DIVISIONS:
        own = [r for r in rows if r["division"] == division]
        for name in own[0]["folds"] if own else []:
            title = f"**{TITLES[division]}**" if name == "all" else name
            values = [statistics.median(r["folds"][name][k] for r in own) for k in keys]
            cells = own[0]["folds"][name]["cells"]
            numbers = " | ".join(f"{v:.3f}" for v in values)
            lines.append(f"| {title} | {cells} | {numbers} |")
    lines += [
        "",
        "| | AUC, RMSE | AUC, ubRMSE | AUC, no weights | bad cells | applicable | threshold |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    told = ("auc weighted rmse", "auc weighted ubrmse", "auc plain rmse", "bad rmse")
    told += ("applicable weighted", "threshold weighted")
    for division in DIVISIONS:
        own = [r for r in rows if r["division"] == division]
        if own:
            values = [statistics.median(r[k] for r in own) for k in told]
            lines.append(f"| {TITLES[division]} | " + " | ".join(f"{v:.2f}" for v in values) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run what is not there yet, and write the tables."""
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    results = Results(options.results)
    done = {row["seed"] for row in results.rows}
    for seed in range(options.seeds):
        if seed not in done:
            for row in run(options.data, seed, options.results.with_suffix("")):
                results.add(row)
    seeds = len({row["seed"] for row in results.rows})
    text = f"{results.made_with('places.py')} Seeds: {seeds}.\n\n{tables(results.rows)}"
    print("\n" + text)
    if options.write:
        write_tables(options.write, text)


if __name__ == "__main__":
    main()
