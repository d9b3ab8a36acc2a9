"""Forecasts of a carried state by lead: weather known, hidden, of past years; beside baselines.

    python benchmarks/forecast.py --data DIR --results FILE [--write docs/forecasts.md]

``DIR`` holds the data sets as NetCDF. Each result is appended to ``FILE`` (JSON lines), and is not
made again where it stands there. Defaults of ``fit`` but for what ``RUNS`` says; a quarter of the
training period validates. A forecast begins at every step, and counts where the time that it is for
lies in the test. The tables hold medians over cells, then over seeds. Of basins over 40 years the
forecasts begin each month of 2001 to 2020, with the weather of 1981 to 2000 as members.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from cases import CASES, load, observed
from results import Results, write_tables

LEADS = (1, 3, 7, 14)
USUAL = {"sequence": 180, "data_integration": True, "known_forcing": True, "latency": (1, 2)}
SMALL = {"hidden_size": 64, "batch_size": 32}
CUTS = {**USUAL, "latency": (1, 1), "cuts": 14}
SPREAD = "with a spread, calibrated on the quarter before the test"
RUNS: dict[str, tuple[str, dict[str, Any], tuple[str | None, ...]]] = {
    "trained with weather": ("lstm", USUAL, ("known",)),
    "trained with cuts": ("lstm", CUTS, ("known", None)),
    SPREAD: ("lstm", {**USUAL, "head": "gaussian"}, ("known",)),
}
OWN = {"wkg": {"hidden_size": 16, "batch_size": 32}}  # one tower
LAYERS = {"sequence": 365, "warmup": 90, "batch_size": 32, "epochs": 48, "latency": (1, 30)}
LAYERS |= {"data_integration": True, "known_forcing": True, "lead": 1}
PAST = "weather of 1981-2000 as members"
DAYS = (1, 3, 7, 14, 30)
SAID = {"known": "known weather", None: "no weather", "past": "weather of past years"}
_MARK = " (64 units, batches of half the size)"  # --small: a sixth of the time


def run(
    name: str, label: str, seed: int, folder: str, *, small: bool = False
) -> list[dict[str, Any]]:
    """Train, forecast from every step of the test, and judge one model with one seed."""
    import torch

    import xsm

    torch.set_num_threads(1)
    xsm.set_options(threads=1)
    warnings.simplefilter("ignore", UserWarning)
    case, ds = CASES[name], load(name, folder)
    model, options, weathers = RUNS[label]
    options = {**options, **(SMALL if small else {}), **OWN.get(name, {})}
    train = ds.sel(time=case.train)
    began, used = time.perf_counter(), time.process_time()
    fitted = xsm.fit(
        train, model, target=case.target, seed=seed, progress=False, **{**case.inputs, **options}
    )
    made: dict[str, Any] = {"case": name, "run": label + _MARK * small, "seed": seed}
    made["seconds"] = time.perf_counter() - began, time.process_time() - used
    made["epoch"] = int(fitted.history.attrs["best_epoch"])
    spread = "head" in options
    leads = range(1, 15) if spread else LEADS
    if spread:  # learnt on the quarter that validates: the period before the test
        quarter = train["time"].isel(time=slice(train.sizes["time"] * 3 // 4, -max(LEADS)))
        before = fitted.forecast(train, init=quarter.values, lead=leads, weather="known")
        fitted = fitted.calibrate(train, method="isotonic", forecast=before)
    first = int(np.searchsorted(ds["time"].values, np.datetime64(case.test.start)))
    times = ds["time"].isel(time=slice(first - max(LEADS), None)).sel(time=slice(case.test.stop))
    found = []
    for weather in weathers:
        inits = times[: -max(LEADS)] if weather == "known" else times
        result = fitted.forecast(ds, init=inits.values, lead=leads, weather=weather)
        inside = result["valid_time"].isin(ds["time"].sel(time=case.test))
        result = result.map(lambda a: a.where(inside) if "init" in a.dims else a)  # noqa: B023
        scores = xsm.score(ds, result, baselines=fitted)
        for key in observed(ds, name):
            own = scores if len(observed(ds, name)) == 1 else scores.sel(depth=key)
            table = own.median([d for d in own.dims if d not in {"source", "lead"}])
            row = {**made, "weather": weather, "target": key, "leads": list(leads)}
            for said, source in (("rmse", "model"), ("damped", "damped_persistence")):
                row[said] = table["rmse"].sel(source=source).values.tolist()
            if spread:
                row["skill"] = table["crps_skill"].sel(source="model").values.tolist()
                trust = xsm.reliability(ds, result, levels=0.9)
                row["inside"] = trust["coverage"].values.ravel().tolist()
            found.append(row)
    return found


def past(seed: int, folder: str) -> list[dict[str, Any]]:
    """Train layers on 1981-2000, and forecast 2001-2020 with the weather of these years."""
    import torch

    import xsm

    torch.set_num_threads(1)
    xsm.set_options(threads=1)
    warnings.simplefilter("ignore", UserWarning)
    ds = load("caravan", folder).sel(time=slice("1981", "2020"))
    train = ds.sel(time=slice("1981", "2000"))
    began, used = time.perf_counter(), time.process_time()
    fitted = xsm.fit(train, "cnn_lstm", target="soil_moisture", seed=seed, progress=False, **LAYERS)
    seconds = time.perf_counter() - began, time.process_time() - used
    inits = ds["time"].sel(time=slice("2001", "2020-11")).resample(time="MS").first().values
    years = range(1981, 2001)
    found = fitted.forecast(ds, init=inits, lead=DAYS, weather="past", members=years)
    made: dict[str, Any] = {"case": "caravan", "run": PAST, "seed": seed, "seconds": seconds}
    made["epoch"] = int(fitted.history.attrs["best_epoch"])
    rows = []
    for key, series in observed(ds, "caravan").items():
        truth = series.sel(time=found["valid_time"]).drop_vars("time").astype(float)
        days = found["valid_time"].dt
        same = [  # the same day of each year, 28 February for the 29th
            series.sel(time=xr.apply_ufunc(_in_year, days.year * 0 + year, days.month, days.day))
            for year in years
        ]
        usual = xr.concat([a.drop_vars("time") for a in same], "member").astype(float)
        own, base = crps(found[key].astype(float), truth), crps(usual, truth)
        skill = 1 - own.mean("init") / base.mean("init")
        places = [d for d in skill.dims if d != "lead"]
        rows.append({**made, "target": key, "skill": skill.median(places).values.tolist()})
    return rows


def _in_year(year: Any, month: Any, day: Any) -> Any:
    """Return dates of numpy."""
    day = np.where((month == 2) & (day == 29), 28, day)
    months = (year - 1970) * 12 + month - 1
    return (months.astype("M8[M]").astype("M8[D]") + (day - 1)).astype("M8[ns]")


def past_table(results: list[dict[str, Any]]) -> str:
    """Return the skill of past years' weather as Markdown."""
    own = [r for r in results if r["run"] == PAST]
    if not own:
        return ""
    lines = ["## ERA5-Land means of three basins (train 1981-2000, forecasts each month 2001-2020)"]
    lines += ["", "Weather of 1981-2000 as members; CRPS skill against the same days of 1981-2000."]
    lines += [
        "",
        "| days ahead | seeds | 1 | 3 | 7 | 14 | 30 |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for target in dict.fromkeys(r["target"] for r in own):
        rows = [r["skill"] for r in own if r["target"] == target]
        said = " | ".join(f"{statistics.median(v):.2f}" for v in zip(*rows, strict=True))
        lines.append(f"| {target} | {len(rows)} | {said} |")
    return "\n".join(lines)


def table(name: str, results: list[dict[str, Any]]) -> str:
    """Return one data set's results as Markdown."""
    own = [r for r in results if r["case"] == name]
    lines = [f"## {CASES[name].title}", "", "| RMSE, days ahead | seeds | 1 | 3 | 7 | 14 |"]
    lines.append("|---|---:|---:|---:|---:|---:|")
    for target in dict.fromkeys(r["target"] for r in own):
        mine = [r for r in own if r["target"] == target]
        at = f", {target}" if len({r["target"] for r in own}) > 1 else ""
        damp = " | ".join(f"{v:.4f}" for v in np.median([r["damped"] for r in mine], axis=0))
        lines.append(f"| damped persistence{at} | | {damp} |")
        for run_, weather in dict.fromkeys((r["run"], r["weather"]) for r in mine):
            rows = [r["rmse"] for r in mine if (r["run"], r["weather"]) == (run_, weather)]
            said = " | ".join(f"{statistics.median(v):.4f}" for v in zip(*rows, strict=True))
            lines.append(f"| {SAID[weather]}, {run_}{at} | {len(rows)} | {said} |")
    return "\n".join(lines)


def main() -> None:
    """Run what is missing, and write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--only", choices=sorted(CASES), nargs="*", default=["smap"])
    parser.add_argument("--runs", nargs="*", default=list(RUNS))
    parser.add_argument("--small", action="store_true", help="64 units, half batches")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--write", type=Path, default=None, help="page whose tables are replaced")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    results = Results(options.results)
    there = {(r["case"], r["run"], r["seed"]) for r in results.rows}
    for seed in options.seeds:
        for name in options.only:
            for label in [PAST] if name == "caravan" else options.runs:
                mark = _MARK * (options.small and label != PAST)
                if (name, label + mark, seed) in there:
                    continue
                if name == "caravan":
                    found = past(seed, options.data)
                else:
                    found = run(name, label, seed, options.data, small=options.small)
                for each in found:
                    print(results.add(each), flush=True)
    head = results.made_with("forecast.py")
    made = [n for n in CASES if n != "caravan" and any(r["case"] == n for r in results.rows)]
    parts = [head, *(table(name, results.rows) for name in made), past_table(results.rows)]
    text = "\n\n".join(part for part in parts if part)
    print("\n" + text)
    if options.write:
        write_tables(options.write, text)


if __name__ == "__main__":
    main()
