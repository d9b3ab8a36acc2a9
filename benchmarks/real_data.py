"""Published and extended forms of PHY-LSTM on real and simulated data, beside their baselines.

    python benchmarks/real_data.py --data DIR --quick [--write docs/real_data.md]

``DIR`` holds mhm_mosel, conus_smap_nldas, conus_land and ameriflux_walnut_gulch as NetCDF.
``--quick`` trains 15 epochs of 300 batches, ``--full`` as published (at most 1000 epochs, patience
10 validations of 20 epochs). Three seeds each; the tables hold medians over the seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import xarray as xr
from results import commit, write_tables

SCHEDULES: dict[str, dict[str, Any]] = {
    "quick": {"epochs": 15, "validate_every": 3, "patience": 5},
    "full": {},
}
ALL_TERMS = ("precipitation", "evaporation", "surface_runoff", "snow")
COLUMNS = ("r", "rmse", "r2", "kge", "change", "change excess", "level", "level excess", "filtered")


@dataclass(frozen=True)
class Case:
    """A data set, what of it trains and tests, and which balance it can close."""

    title: str
    file: str
    target: str
    train: slice
    test: slice
    terms: tuple[str, ...] = ALL_TERMS
    deep: bool = True
    variables: dict[str, str] = field(default_factory=dict)
    scaling: str = "cell"


CASES = {
    "mhm_mosel": Case(
        "mHM Mosel (simulated; train 1990-1991, test 1992; total runoff stands for surface runoff)",
        "mhm_mosel/mhm_mosel_daily_6km.nc",
        "soil_moisture",
        slice("1990", "1991"),
        slice("1992", "1992"),
        variables={"surface_runoff": "runoff"},
    ),
    "conus_smap_nldas": Case(
        "SMAP L3 with NLDAS-2 forcing (observed, gaps; last quarter tests; precipitation alone)",
        "conus_smap_nldas/conus_smap_nldas.nc",
        "sm_surface",
        slice("2015-04-01", "2016-09-28"),
        slice("2016-09-29", "2017-03-31"),
        terms=("precipitation",),
        deep=False,
    ),
    "conus_land": Case(
        "conus_land (NLDAS-2 forcing, simulated soil, ERA5-Land names; last quarter tests)",
        "conus_land/conus_land.nc",
        "swvl1",
        slice("2015-04-01", "2016-09-28"),
        slice("2016-09-29", "2017-03-31"),
    ),
    "us_wkg": Case(
        "US-Wkg tower (observed at 5 cm; train 2004-2010, test 2011-2012; P and E)",
        "ameriflux_walnut_gulch/us_wkg_daily.nc",
        "soil_moisture",
        slice("2004-05-06", "2010-12-31"),
        slice("2011-01-01", "2012-12-31"),
        terms=("precipitation", "evaporation"),
        deep=False,
    ),
}
INTEGRATED = {"data_integration": True}
KNOWN = {"data_integration": True, "known_forcing": True}
RUNS: dict[str, tuple[str, str | None, dict[str, bool]]] = {
    "LSTM": ("lstm", None, {}),
    "PHY-LSTM, change (as published)": ("phy_lstm", "change", {}),
    "PHY-LSTM, level": ("phy_lstm", "level", {}),
    "PHYs-LSTM, change (as published)": ("phys_lstm", "change", {}),
    "PHYs-LSTM, level": ("phys_lstm", "level", {}),
    "LSTM + data integration": ("lstm", None, INTEGRATED),
    "PHY-LSTM, level + data integration": ("phy_lstm", "level", INTEGRATED),
    "LSTM + data integration + known forcing": ("lstm", None, KNOWN),
    "PHY-LSTM, level + data integration + known forcing": ("phy_lstm", "level", KNOWN),
}


def run(job: tuple[str, str, int, str, str, str]) -> dict[str, Any]:
    """Train, predict and judge one model with one seed."""
    name, label, seed, folder, schedule, precision = job
    import torch

    import xsm  # noqa: F401  registers .physm
    from xsm.losses import RMSE, WaterBalance

    torch.set_num_threads(1)
    warnings.simplefilter("ignore", UserWarning)
    case = CASES[name]
    model, trend, extras = RUNS[label]
    ds = load(case, folder)
    losses = None
    if trend is not None:
        weights = (0.1, 0.9) if model == "phys_lstm" else (0.5, 0.5)
        balance = WaterBalance(weights[1], model == "phys_lstm", case.terms, trend)
        losses = [RMSE(weights[0]), balance]
    options = {"variables": case.variables, "target": case.target}
    fitted = ds.sel(time=case.train).physm.fit(
        model, losses=losses, seed=seed, progress=False, scaling=case.scaling, **options, **extras,
        precision=precision, **SCHEDULES[schedule],
    )  # fmt: skip
    first = int((ds.time < ds.sel(time=case.test).time[0]).sum()) - fitted.recipe.window
    forecast = ds.isel(time=slice(first, None)).physm.predict(fitted).sel(time=case.test)
    return judge(ds, forecast, fitted, case) | {"case": name, "run": label, "seed": seed}


def load(case: Case, folder: str) -> xr.Dataset:
    """Open a data set in memory and state what its file does not."""
    ds = xr.open_dataset(Path(folder) / case.file).load()
    if "theta" in ds and "layer4" in ds["theta"].dims:
        ds["theta"].attrs["layer_edges_m"] = [0.0, 0.1, 0.2, 0.3, 0.5]
    return ds


def climates(ds: xr.Dataset, folder: str | Path) -> xr.DataArray:
    """Return the class of Koeppen and Geiger of each cell, of the nearest in ``static_maps``."""
    with xr.open_dataset(Path(folder) / "static_maps/koppen_geiger_0p1deg.nc") as maps:
        array = next(v for v in maps.data_vars.values() if v.ndim == 2).load()
    names = {k: next(d for d in array.dims if str(d).startswith(k)) for k in ("lat", "lon")}
    coords = {k: next(c for c in ds.coords if str(c).startswith(k)) for k in names}
    places = {names[k]: ds[coords[k]] for k in names}
    return array.sel(places, method="nearest").reset_coords(drop=True).rename("climate")


def judge(ds: xr.Dataset, forecast: xr.Dataset, fitted: Any, case: Case) -> dict[str, Any]:
    """Return scores of the model and the baselines, and the audit."""
    space = [d for d in forecast[fitted.variable.name].dims if d != "time"]
    maps = ds.physm.score(forecast, baselines=fitted, variables=case.variables)
    middle = maps.median(space) if space else maps
    found: dict[str, Any] = {}
    for source in maps["source"].values:
        found[str(source)] = {n: float(middle[n].sel(source=source)) for n in COLUMNS[:4]}
    audit = ds.physm.consistency(
        forecast, dim=["time", *space], terms=case.terms, variables=case.variables
    )
    for trend in ("change", "level"):
        part = audit.sel(trend=trend)
        found["model"][trend] = float(part["consistency"])
        found["model"][f"{trend} excess"] = float(part["excess"])
        found[f"observed {trend}"] = float(part["observed_consistency"])
        found[f"drying {trend}"] = float(part["always_drying"])
    found["model"]["filtered"] = float(audit["consistency_filtered"].sel(trend="change"))
    found["epoch"] = int(fitted.history.attrs["best_epoch"])
    found["seconds"] = float(fitted.card["seconds"])
    return found


def table(name: str, results: list[dict[str, Any]]) -> str:
    """Return one data set's results as Markdown."""
    own = [r for r in results if r["case"] == name]
    lines = [f"## {CASES[name].title}", "", "| | " + " | ".join(COLUMNS) + " |"]
    lines.append("|---|" + "---:|" * len(COLUMNS))
    for source in ("persistence", "damped_persistence", "climatology"):
        if source in own[0]:
            values = [f"{own[0][source].get(c, float('nan')):.4f}" for c in COLUMNS[:4]]
            lines.append(f"| {source} | " + " | ".join(values) + " | " * 5 + " |")
    for label in RUNS:
        rows = [r["model"] for r in own if r["run"] == label]
        if rows:
            values = [statistics.median(row[c] for row in rows) for c in COLUMNS]
            lines.append(f"| {label} | " + " | ".join(f"{v:.4f}" for v in values) + " |")
    pick = lambda key: statistics.median(r[key] for r in own)  # noqa: E731
    said = ["observations themselves", "always drying"]
    for title, key in zip(said, ("observed", "drying"), strict=True):
        cells = ["", "", "", "", f"{pick(f'{key} change'):.4f}", "", f"{pick(f'{key} level'):.4f}"]
        lines.append(f"| {title} | " + " | ".join(cells) + " | | |")
    return "\n".join(lines)


def main() -> None:
    """Run all cases and write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", required=True)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--quick", dest="schedule", action="store_const", const="quick")
    how.add_argument("--full", dest="schedule", action="store_const", const="full")
    parser.set_defaults(schedule="quick")
    parser.add_argument("--only", choices=sorted(CASES), nargs="*", default=list(CASES))
    parser.add_argument("--runs", nargs="*", default=list(RUNS))
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--write", type=Path, default=None, help="page whose tables are replaced")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    jobs = [
        (name, label, seed, options.data, options.schedule, options.precision)
        for name in options.only
        for label in options.runs
        if CASES[name].deep or "PHYs" not in label
        for seed in range(options.seeds)
    ]
    measured = commit()
    started, results = time.perf_counter(), []
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        for result in pool.map(run, jobs):
            results.append(result)
            scores = result["model"]
            print(
                f"{len(results)}/{len(jobs)} {result['case']} {result['run']} {result['seed']}: "
                f"rmse {scores['rmse']:.4f}, level {scores['level']:.3f}, "
                f"epoch {result['epoch']}, {result['seconds']:.0f} s",
                flush=True,
            )
    minutes = (time.perf_counter() - started) / 60
    head = (
        f"Commit `{measured}`, `python benchmarks/real_data.py --data DIR --{options.schedule}`, "
        f"precision {options.precision}, {options.seeds} seeds, {minutes:.0f} minutes on "
        f"{options.jobs} processes."
    )
    text = "\n\n".join([head, *(table(name, results) for name in options.only)])
    print("\n" + text)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    if options.write:
        write_tables(options.write, text)


if __name__ == "__main__":
    main()
