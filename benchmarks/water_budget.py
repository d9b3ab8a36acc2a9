"""What a closed account knows of water that nobody showed it, on real and simulated data.

    python benchmarks/water_budget.py --data DIR --results FILE [--write docs/water_budget.md]

``DIR`` holds the data sets as NetCDF. Each result is appended to ``FILE`` (JSON lines), and is not
made again where it stands there. Of each quantity the tables hold medians over cells, then over
seeds: R, R2 (Nash and Sutcliffe), RMSE, bias; storages are compared as anomalies. ``--blend`` adds
the mean of an account and an LSTM, and ``--only caravan`` the residual where nothing but soil
moisture, snow and weather is known.
"""

from __future__ import annotations

import json
import os
import statistics
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr
from results import Results, arguments, write_tables

from xsm.physics.evaporation import hargreaves

COLUMNS = ("r", "r2", "rmse", "bias")
FLUXES = ["evaporation", "runoff", "snow_water_equivalent"]


@dataclass(frozen=True)
class Case:
    """A data set, what of it trains and tests, and how it is read."""

    title: str
    file: str
    train: slice
    test: slice
    variables: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


# A piece is all of a short record, and all epochs train: a part of it that validates has too few
# seasons to tell anything of storages.
_WHOLE = {"valid": 0, "warmup": 60, "batch_size": 24}
CASES = {
    "mhm": Case(
        "mHM Mosel (simulated; train 1990-1991, test 1992)",
        "mhm_mosel/mhm_mosel_daily_6km.nc",
        slice("1990", "1991"),
        slice("1992", "1992"),
        {"terrestrial_water_storage": "storage"},
        {
            "static": ["elevation", "theta_s", "slope", "frac_forest", "frac_impervious"],
            **_WHOLE,
            "sequence": 730,
        },
    ),
    "land": Case(
        "conus_land (NLDAS-2, simulated soil; the last quarter tests)",
        "conus_land/conus_land.nc",
        slice("2015-04-01", "2016-09-28"),
        slice("2016-09-29", "2017-03-31"),
        {},
        {**_WHOLE, "sequence": 547},
    ),
    "wkg": Case(
        "US-Wkg tower (gaps of weather filled by the season; train 2004-2010, test 2011-2012)",
        "ameriflux_walnut_gulch/us_wkg_daily.nc",
        slice("2004-05-06", "2010-12-31"),
        slice("2011-01-01", "2012-12-31"),
        {},
        {"sequence": 730, "warmup": 60, "valid": 0.25, "batch_size": 8},
    ),
    "caravan": Case(
        "Caravan, three basins (ERA5-Land; train 2001-2006, test 2007-2008)",
        "caravan_era5land/caravan_era5land_3basins_daily.nc",
        slice("2001", "2006"),
        slice("2007", "2008"),
        {"potential_evaporation": "pet"},
        {"sequence": 730, "warmup": 60, "valid": 0.25, "batch_size": 8},
    ),
}
BLENDED = ("mhm", "land")
ALL = "all but groundwater"
FEW = "soil moisture of the top layer and monthly storage"
SOIL = "soil moisture"
TITLES: dict[str, dict[str, Any]] = {
    ALL: {"target": ["soil_moisture", *FLUXES, "terrestrial_water_storage"]},
    FEW: {"target": ["soil_moisture", "terrestrial_water_storage"], "layered": False},
    SOIL: {"target": ["soil_moisture"]},
}
SNOWY = "soil moisture and snow"
TITLES[SNOWY] = {"target": ["soil_moisture", "snow_water_equivalent"]}
BLEND = "blend"
RUNS = {"mhm": [ALL, FEW], "land": [ALL, FEW, SOIL], "wkg": [SOIL], "caravan": [SNOWY]}


def load(name: str, folder: str) -> xr.Dataset:
    """Open a data set in memory and state what its file does not."""
    ds = xr.open_dataset(Path(folder) / CASES[name].file).load()
    if name == "mhm":
        for key in ("theta", "theta_sat"):
            ds[key].attrs["layer_edges_m"] = [0.0, 0.1, 0.2, 0.3, 0.5]
    if name == "land":  # the water that its soil and snow hold, which the file has in parts
        depths = {"swvl1": 70.0, "swvl2": 210.0, "swvl3": 720.0, "swvl4": 1890.0}
        water = sum(ds[key] * mm for key, mm in depths.items()) + 1000.0 * ds["sd"]
        ds["terrestrial_water_storage"] = water.assign_attrs(units="mm")
    if name == "caravan":  # whose own potential evaporation is 4,000 mm a year and more
        low, high = (ds[f"temperature_2m_{which}"] + 273.15 for which in ("min", "max"))
        pet = hargreaves(low, high, ds["gauge_lat"], ds["time"].dt.dayofyear)
        ds["pet"] = pet.transpose(*low.dims).assign_attrs(units="mm day-1")
        ds = ds.sel(time=slice("2001", "2008")).drop_vars("potential_evaporation_sum")
    if name == "wkg":
        ds = ds.drop_vars("et").rename(et_from_le="et")  # whole, where the other has gaps
        for key in ("pr", "tair", "rsds", "rlds", "rh", "ps", "wspd"):
            season = ds[key].sel(time=CASES[name].train).groupby("time.dayofyear").mean()
            usual = season.interpolate_na("dayofyear", fill_value="extrapolate")
            filled = ds[key].groupby("time.dayofyear").fillna(usual).drop_vars("dayofyear")
            ds[key] = filled.assign_attrs(ds[key].attrs)
    return ds


def pairs(name: str, ds: xr.Dataset, found: xr.Dataset) -> dict[str, tuple[Any, Any, bool]]:
    """Return what is judged: predicted, true, and whether as anomalies."""
    keys = {
        "mhm": {"et": 0, "runoff": 0, "swe": 0, "storage": 1, "gw": 1},
        "land": {"e": 0, "ro": 0, "sd": 0, "terrestrial_water_storage": 1},
        "wkg": {"et": 0},
        "caravan": {"streamflow": 0, "snow_depth_water_equivalent_mean": 0},
    }[name]
    made = {key: (found[key], ds[key], bool(level)) for key, level in keys.items()}
    layers = found.get("soil_moisture_of_layers")
    if name == "caravan":
        own = [ds[f"volumetric_soil_water_layer_{k}_mean"] for k in (1, 2, 3, 4)]
        guess = [found.get(str(array.name)) for array in own]
    elif name == "land":
        own = [ds[f"swvl{k}"] for k in (1, 2, 3, 4)]
        guess = [found.get(f"swvl{k}") for k in (1, 2, 3, 4)]
    else:
        dim = {"mhm": "layer4", "wkg": "depth"}[name]
        own = [ds["theta"].isel({dim: k}) for k in range(ds.sizes[dim])]
        said = found["theta"]
        guess = [said.isel({dim: k}) if dim in said.dims else None for k in range(len(own))]
    for k, truth in enumerate(own):
        hidden = guess[k] is None and layers is not None
        made[f"layer {k + 1}"] = (layers.isel(soil_layer=k) if hidden else guess[k], truth, False)
    return made


def scores(predicted: Any, truth: Any, *, anomaly: bool) -> dict[str, float]:
    """Return medians over cells of scores over time."""
    truth = truth.sel(time=predicted["time"]).where(predicted.notnull())
    predicted = predicted.where(truth.notnull())
    if anomaly:
        truth, predicted = truth - truth.mean("time"), predicted - predicted.mean("time")
    error = (predicted - truth).astype(float)
    squares = (error**2).mean("time")
    known = error.count("time") > 9
    found = {
        "r": xr.corr(predicted, truth, "time"),
        "r2": 1 - squares / truth.var("time"),
        "rmse": squares**0.5,
        "bias": error.mean("time"),
        "mean": truth.mean("time"),
    }
    return {key: float(value.where(known).median()) for key, value in found.items()}


def run(name: str, label: str, seed: int, folder: str, more: dict[str, Any]) -> dict[str, Any]:
    """Train, run through the record, and judge one model with one seed."""
    import torch

    import xsm

    torch.set_num_threads(1)
    xsm.set_options(threads=1)
    warnings.simplefilter("ignore", UserWarning)
    case, ds = CASES[name], load(name, folder)
    options = {**case.options, **TITLES[label], **more}
    if name == "land":
        options["target"] = [t for t in options["target"] if label != SOIL or t == "soil_moisture"]
    began, used = time.perf_counter(), time.process_time()
    fitted = xsm.fit(
        ds.sel(time=case.train),
        "water_budget",
        variables=case.variables,
        seed=seed,
        progress=False,
        **options,
    )
    seconds = time.perf_counter() - began, time.process_time() - used
    found = fitted.predict(ds)
    made: dict[str, Any] = {"case": name, "run": label, "seed": seed, "seconds": seconds}
    made |= {"more": {k: str(v) for k, v in more.items()}}
    made |= {"epoch": int(fitted.history.attrs["best_epoch"]), "machine": os.cpu_count()}
    account = xsm.consistency(ds, found, law="budget", dim=[], variables=case.variables)
    left = abs(account["residual"])
    made["residual"] = {"mean": float(left.mean()), "most": float(left.max())}
    for key, (guess, truth, level) in pairs(name, ds, found).items():
        made[key] = scores(guess.sel(time=case.test), truth, anomaly=level)
    if name == "mhm":
        storage = found["storage"].sel(time=case.test)
        made["gw, by the storage"] = scores(storage, ds["gw"], anomaly=True)
    if name == "wkg":
        wet = ds["theta"].isel(depth=0)
        low, high = (wet.sel(time=case.train).quantile(q, "time") for q in (0.01, 0.99))
        demand = xsm.variables(ds).array(ds, "potential_evaporation")
        share = ((wet - low) / (high - low)).clip(0, 1)
        made["potential times wetness"] = scores(
            (share * demand).sel(time=case.test), ds["et"], anomaly=False
        )
    return made


def run_blend(name: str, seed: int, folder: str) -> dict[str, Any]:
    """Judge an account, an LSTM of the weather of the day, and their mean, on the top layer."""
    import torch

    import xsm

    torch.set_num_threads(1)
    xsm.set_options(threads=1)
    warnings.simplefilter("ignore", UserWarning)
    case, ds = CASES[name], load(name, folder)
    maps = {"static": case.options["static"]} if "static" in case.options else {}
    train = ds.sel(time=case.train)
    begins = train["time"][-train.sizes["time"] // 4]
    own = {"seed": seed, "progress": False, "variables": case.variables, "valid": 0.25, **maps}
    own |= {"sequence": 365, "warmup": 60, "epochs": 12, "batch_size": 24}
    shown = [t for t in TITLES[ALL]["target"] if name != "land" or t != "snow_water_equivalent"]
    account = xsm.fit(train, "water_budget", target=shown, layered=False, **own)
    plain = xsm.fit(train, "lstm", lead=0, **own)
    top = account.variable.name
    unseen = train[top].where(train["time"] >= begins)  # all is run through, a quarter weighs
    both = xsm.blend([account, plain], train.assign({top: unseen}))
    made: dict[str, Any] = {"case": name, "run": BLEND, "seed": seed, "more": {}}
    made["weights"] = both.weights
    truth = xsm.variables(ds).array(ds, "soil_moisture")
    for label, model in (("water_budget", account), ("lstm", plain), ("blend", both)):
        found = model.predict(ds)[top].sel(time=case.test)
        found = found.squeeze([d for d in found.dims if d not in truth.dims], drop=True)
        made[label] = scores(found, truth, anomaly=False)
    return made


def blends(results: list[dict[str, Any]]) -> str:
    """Return what means of two models reached as Markdown."""
    rows = [r for r in results if r["run"] == BLEND]
    lines = ["## Blend of an account and an LSTM (soil moisture of the top layer)", ""]
    lines.append("| data | seed | RMSE account | LSTM | blend | weight of the account |")
    lines.append("|---|---:|---:|---:|---:|---:|")
    for r in sorted(rows, key=lambda r: (r["case"], r["seed"])):
        said = " | ".join(f"{r[k]['rmse']:.4f}" for k in ("water_budget", "lstm", "blend"))
        lines.append(f"| {r['case']} | {r['seed']} | {said} | {r['weights'][0]:.2f} |")
    return "\n".join(lines) if rows else ""


def table(name: str, results: list[dict[str, Any]]) -> str:
    """Return one data set's results as Markdown."""
    own = [r for r in results if r["case"] == name]
    lines = [f"## {CASES[name].title}", ""]
    lines.append("| shown | judged | seeds | R (spread) | R2 | RMSE | bias |")
    lines.append("|---|---|---:|---:|---:|---:|---:|")
    for label in RUNS[name]:
        rows = [r for r in own if r["run"] == label and not r["more"]]
        keys = [k for k, v in rows[0].items() if isinstance(v, dict) and "r2" in v] if rows else []
        for key in keys:
            values = {c: [r[key][c] for r in rows] for c in COLUMNS}
            middle = {c: statistics.median(v) for c, v in values.items()}
            spread = max(values["r"]) - min(values["r"])
            said = f"{middle['r']:.3f} ({spread:.3f}) | {middle['r2']:.3f} | "
            said += f"{middle['rmse']:.4g} | {middle['bias']:.2g}"
            lines.append(f"| {label} | {key} | {len(rows)} | {said} |")
        if rows:
            mean = max(r["residual"]["mean"] for r in rows)
            most = max(r["residual"]["most"] for r in rows)
            said = f"| {label} | residual, mm day-1: mean {mean:.1e}, at most {most:.1e} "
            timed = [r["seconds"] for r in rows if r["seconds"]]
            if timed:
                wall, cpu = (statistics.median(each[k] for each in timed) for k in (0, 1))
                said += f"; a fit took {cpu:.0f} s of a processor ({wall:.0f} s under load) "
            lines.append(f"{said}| {len(rows)} | | | | |")
    return "\n".join(lines)


def main() -> None:
    """Run what is missing, and write the tables."""
    parser = arguments(__doc__)
    parser.add_argument("--only", choices=sorted(CASES), nargs="*", default=list(CASES))
    parser.add_argument("--runs", choices=list(TITLES), nargs="*", default=list(TITLES))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument(
        "--more", type=json.loads, default={}, help="further arguments of fit, JSON"
    )
    parser.add_argument("--blend", action="store_true", help="judge means of two models")
    options = parser.parse_args()
    results = Results(options.results)
    said = {k: str(v) for k, v in options.more.items()}
    there = {(r["case"], r["run"], r["seed"], str(r["more"])) for r in results.rows}
    wanted = [(n, label) for n in options.only for label in RUNS[n] if label in options.runs]
    if options.blend:
        wanted = [(name, BLEND) for name in BLENDED if name in options.only]
    for seed in options.seeds:
        for name, label in wanted:
            if (name, label, seed, str(said)) in there:
                continue
            if label == BLEND:
                found = run_blend(name, seed, options.data)
            else:
                found = run(name, label, seed, options.data, options.more)
            for key, value in results.add(found).items():
                print(key, value, flush=True)
    text = "\n\n".join(
        table(n, results.rows) for n in CASES if any(r["case"] == n for r in results.rows)
    )
    text = f"{text}\n\n{blends(results.rows)}".strip()
    head = results.made_with("water_budget.py")
    text = f"{head}\n\n{text}"
    print("\n" + text)
    if options.write:
        write_tables(options.write, text)


if __name__ == "__main__":
    main()
