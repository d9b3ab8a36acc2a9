"""Forecasts of a carried state by lead: weather known, hidden, of past years; beside baselines.

    python benchmarks/forecast.py --data DIR --results FILE [--write docs/forecasts.md]

``DIR`` holds the data sets as NetCDF. Each result is appended to ``FILE`` (JSON lines), and is not
made again where it stands there. Defaults of ``fit`` but for what ``RUNS`` says; a quarter of the
training period validates. A forecast begins at every step, and counts where the time that it is for
lies in the test. The tables hold medians over cells, then over seeds. Of basins over 40 years the
forecasts begin each month of 2001 to 2020, with the weather of 1981 to 2000 as members. How fast
spreads follow what is observed is chosen before the test, on the part that validates: calibrated on
its first half, the least of ``RATES`` with which 88 to 92 % of the second lie inside at every lead.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from cases import CASES, load, observed
from results import Results, arguments, write_tables

LEADS = (1, 3, 7, 14)
USUAL = {"sequence": 180, "data_integration": True, "known_forcing": True, "latency": (1, 2)}
SMALL = {"hidden_size": 64, "batch_size": 32}
CUTS = {**USUAL, "latency": (1, 1), "cuts": 14}
CORRECTED = "trained with cuts, corrected by the last error"
SPREAD = "with a spread, corrected and calibrated on the part that validates"
RUNS: dict[str, tuple[str, dict[str, Any], tuple[str | None, ...]]] = {
    "trained with weather": ("lstm", USUAL, ("known",)),
    "trained with cuts": ("lstm", CUTS, ("known", None)),
    CORRECTED: ("lstm", CUTS, ("known", None)),
    SPREAD: ("lstm", {**USUAL, "head": "gaussian"}, ("known",)),
}
OWN: dict[str, dict[str, Any]] = {"wkg": {"hidden_size": 16, "batch_size": 32}}  # one tower
# Of simulated soil a spread is learnt on the second of two years, for observations of any age.
SPREADS = {"mhm": {"valid": 0.5, "latency": (1, 14)}}
RATES = (0.02, 0.05, 0.1, 0.2)  # how fast a spread can follow what is observed
HELD = 0.02  # the least rate is taken that holds 90 % so closely at every lead
LAYERS = {"sequence": 365, "warmup": 90, "batch_size": 32, "epochs": 48, "latency": (1, 30)}
LAYERS |= {"data_integration": True, "known_forcing": True, "lead": 1}
PAST = "weather of 1981-2000 as members"
DAYS = (1, 3, 7, 14, 30)
SAID = {"known": "known weather", None: "no weather", "past": "weather of past years"}
SPREAD_ROWS = {
    "skill": "CRPS skill against damped persistence",
    "adapted_skill": "the same, spread adapted",
    "inside": "inside 90 % intervals",
    "adapted": "the same, spread adapted",
    "inside_cells": "",
    "adapted_cells": "",
}
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
    test = case.test
    if name == "caravan":
        young = {"head": options["head"], "latency": options["latency"]}
        model, options, test = "cnn_lstm", {**LAYERS, **young}, slice("2006", None)
    spread = "head" in options
    if spread:
        options = {"valid": 0.25, **options, **SPREADS.get(name, {})}
    train = ds.sel(time=case.train)
    began, used = time.perf_counter(), time.process_time()
    fitted = xsm.fit(
        train, model, target=case.target, seed=seed, progress=False, **{**case.inputs, **options}
    )
    made: dict[str, Any] = {"case": name, "run": label + _MARK * small, "seed": seed}
    made["seconds"] = time.perf_counter() - began, time.process_time() - used
    made["epoch"] = int(fitted.history.attrs["best_epoch"])
    leads = range(1, 15) if spread else LEADS
    begins = round(train.sizes["time"] * (1 - options.get("valid", 0.25)))
    inits = train["time"].isel(time=slice(begins, -max(LEADS))).values
    if spread:  # learnt on the part that validates: the period before the test
        later = {"init": inits, "lead": leads, "weather": "known"}
        fitted = fitted.correct(train, forecast=fitted.forecast(train, **later))
        before = fitted.forecast(train, **later)
        made |= chosen_rate(fitted, train, before, later)
        fitted = fitted.calibrate(train, method="isotonic", forecast=before)
    rows = []
    for weather in weathers:
        if label == CORRECTED:
            raw = replace(fitted, correction=None)
            before = raw.forecast(train, init=inits, lead=leads, weather=weather)
            fitted = raw.correct(train, forecast=before)
        since = {"since": inits[0], "rate": made["rate"]} if spread else {}
        judged = judge(fitted, ds, name, weather, leads, test, **since)
        rows += [{**made, "weather": weather, "leads": list(leads), **row} for row in judged]
    return rows


def chosen_rate(fitted: Any, train: Any, before: Any, later: dict[str, Any]) -> dict[str, Any]:
    """Choose how fast spreads follow, on forecasts of the period before the test.

    The first half of them calibrates, less those for days of the second, which tells the shares.
    """
    import xsm

    inits = before["init"]
    middle = len(inits) // 2
    first = before.isel(init=slice(middle - max(LEADS)))
    half = fitted.calibrate(train, method="isotonic", forecast=first)
    found = half.forecast(train, **later)
    second = found["valid_time"] > inits[middle]
    several = (a.dims for a in found.data_vars.values() if {"init", "lead"} <= set(a.dims))
    together = [d for d in next(several) if d not in {"lead", "depth"}]
    shares = {}
    for rate in RATES:
        adapted = xsm.adapt_spread(train, found, rate=rate)
        tried = counted(adapted, second)
        inside = xsm.reliability(train, tried, levels=0.9, dim=together)["coverage"]
        shares[rate] = float(abs(inside - 0.9).max())
    close = [rate for rate, far in shares.items() if far <= HELD]
    return {"rate": close[0] if close else min(shares, key=shares.__getitem__), "tried": shares}


def counted(forecast: Any, inside: Any) -> Any:
    """Return forecasts with NaN but where they count (init, lead)."""
    return forecast.map(lambda a: a.where(inside) if "init" in a.dims else a, keep_attrs=True)


def judge(
    fitted: Any,
    ds: Any,
    name: str,
    weather: str | None,
    leads: Sequence[int],
    test: slice,
    *,
    since: Any = None,
    rate: float = 0.05,
) -> list[dict[str, Any]]:
    """Return scores by lead of forecasts whose valid times lie in the test, a row a layer.

    Forecasts with a spread begin ``since`` then, so that theirs can follow what was observed.
    """
    import xsm

    first = int(np.searchsorted(ds["time"].values, np.datetime64(test.start)))
    times = ds["time"].isel(time=slice(first - max(LEADS), None)).sel(time=slice(test.stop))
    times = times if since is None else ds["time"].sel(time=slice(since, test.stop))
    inits = times[: -max(LEADS)] if weather == "known" else times
    result = fitted.forecast(ds, init=inits.values, lead=leads, weather=weather)
    inside = result["valid_time"].isin(ds["time"].sel(time=test))

    raw = counted(result, inside)
    scores = xsm.score(ds, raw, baselines=fitted)
    across = [d for d in scores.dims if d not in {"source", "lead", "depth"}]
    trust = {}
    if since is not None:
        adapted = counted(xsm.adapt_spread(ds, result, rate=rate), inside)
        after = xsm.score(ds, adapted, baselines=fitted)["crps_skill"].sel(source="model")
        for key, forecast in (("inside", raw), ("adapted", adapted)):
            trust[key] = xsm.reliability(ds, forecast, levels=0.9, dim=["init", *across])
            trust[f"{key}_cells"] = xsm.reliability(ds, forecast, levels=0.9, dim="init")
    rows = []
    for layer, key in enumerate(observed(ds, name)):
        at = {"depth": layer} if "depth" in scores.dims else {}
        table = scores.isel(at).median(across)
        row: dict[str, Any] = {"target": key}
        for said, source in (("rmse", "model"), ("damped", "damped_persistence")):
            row[said] = table["rmse"].sel(source=source).values.tolist()
        if trust:
            row["skill"] = table["crps_skill"].sel(source="model").values.tolist()
            row["adapted_skill"] = after.isel(at).median(across).values.tolist()
        for part, judged in trust.items():
            cover = judged["coverage"].isel(at).squeeze("level")
            cover = cover.std(across) if part.endswith("_cells") else cover
            row[part] = cover.values.ravel().tolist()
        rows.append(row)
    return rows


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
    crps = xsm.score(ds, found)["crps"]  # the same days of 1981-2000, all before the first start
    usual = crps.sel(source="climatological_ensemble", drop=True)
    skill = 1 - crps.sel(source="model", drop=True) / usual
    skill = skill.median([d for d in skill.dims if d not in {"lead", "depth"}])
    layers = zip(observed(ds, "caravan"), skill.transpose("depth", "lead").values, strict=True)
    return [{**made, "target": key, "skill": values.tolist()} for key, values in layers]


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
    damp = " | ".join(f"{v:.4f}" for v in np.median([_at(r, "damped") for r in own], axis=0))
    lines.append(f"| damped persistence | | {damp} |")
    for run_, weather in dict.fromkeys((r["run"], r["weather"]) for r in own):
        rows = [_at(r, "rmse") for r in own if (r["run"], r["weather"]) == (run_, weather)]
        said = " | ".join(f"{statistics.median(v):.4f}" for v in zip(*rows, strict=True))
        lines.append(f"| {SAID[weather]}, {run_} | {len(rows)} | {said} |")
    return "\n".join(lines)


def _at(row: dict[str, Any], key: str) -> list[float]:
    """Return the values of the leads that all tables have."""
    return [row[key][row["leads"].index(lead)] for lead in LEADS]


def spread_table(results: list[dict[str, Any]]) -> str:
    """Return skill and coverage of all leads as Markdown."""
    own = [r for r in results if "adapted" in r]
    if not own:
        return ""
    head = " | ".join(map(str, own[0]["leads"]))
    lines = ["## Spread by lead, known weather", "", f"| days ahead | seeds | {head} |"]
    lines.append("|---|---:|" + "---:|" * len(own[0]["leads"]))
    narrow = [
        "",
        "Share inside 90 % intervals, least and most of all leads, and the standard deviation of "
        "that share over cells, mean of all leads:",
        "",
        "| | calibrated once | adapted | over cells, once | over cells, adapted | rates chosen |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for case in dict.fromkeys((r["case"], r["run"], r["target"]) for r in own):
        rows = [r for r in own if (r["case"], r["run"], r["target"]) == case]
        name = f"{case[0]}, {case[2]}"
        mark = _MARK * case[1].endswith(_MARK)
        found = {
            key: [statistics.median(v) for v in zip(*(r[key] for r in rows), strict=True)]
            for key in SPREAD_ROWS
        }
        for key, said in SPREAD_ROWS.items():
            cells = " | ".join(f"{v:.2f}" if "skill" in key else f"{v:.3f}" for v in found[key])
            lines += [f"| {name}, {said}{mark} | {len(rows)} | {cells} |"] if said else []
        ends = [f"{min(found[k]):.3f} to {max(found[k]):.3f}" for k in ("inside", "adapted")]
        over = [f"{np.mean(found[k]):.3f}" for k in ("inside_cells", "adapted_cells")]
        rates = ", ".join(str(r["rate"]) for r in rows)
        narrow.append(f"| {name} | {' | '.join([*ends, *over, rates])} |")
    return "\n".join([*lines, *narrow])


def main() -> None:
    """Run what is missing, and write the tables."""
    parser = arguments(__doc__)
    parser.add_argument("--only", choices=sorted(CASES), nargs="*", default=["smap"])
    parser.add_argument("--runs", nargs="*", default=list(RUNS))
    parser.add_argument("--small", action="store_true", help="64 units, half batches")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    options = parser.parse_args()
    results = Results(options.results)
    there = {(r["case"], r["run"], r["seed"]) for r in results.rows}
    for seed in options.seeds:
        for name in options.only:
            for label in [PAST, SPREAD] if name == "caravan" else options.runs:
                mark = _MARK * (options.small and name != "caravan")
                if (name, label + mark, seed) in there:
                    continue
                if label == PAST:
                    found = past(seed, options.data)
                else:
                    found = run(name, label, seed, options.data, small=bool(mark))
                for each in found:
                    print(results.add(each), flush=True)
    head = results.made_with("forecast.py")
    made = [n for n in CASES if n != "caravan" and any(r["case"] == n for r in results.rows)]
    parts = [head, *(table(name, results.rows) for name in made)]
    parts += [spread_table(results.rows), past_table(results.rows)]
    text = "\n\n".join(part for part in parts if part)
    print("\n" + text)
    if options.write:
        write_tables(options.write, text)


if __name__ == "__main__":
    main()
