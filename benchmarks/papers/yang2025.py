"""ISMoE of Yang et al. (2025) beside a CNN-LSTM, equal experts, persistence and climatology.

    python benchmarks/papers/yang2025.py --data DIR [--write docs/ismoe.md] [--figure FILE.png]

``DIR`` holds conus_smap_nldas, mhm_mosel and static_maps as NetCDF. Surface soil moisture is
estimated from the weather of 15 days (lead 0). Three seeds of short trainings; tables hold medians
over the seeds of medians over the cells. The cost of a training step is measured in one run, the
networks in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

SCHEDULE = {"iterations": 50, "validate_every": 2, "batch_size": 64}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "cnn_lstm": ("cnn_lstm", {}),
    "mean_expert": ("mean_expert", {}),
    "ismoe": ("ismoe", {}),
}
CLIMATES = {"arid": (4, 7), "humid": (8, 16), "cold": (17, 28)}  # Koeppen-Geiger classes B, C, D
STEPS = ("cnn_lstm", "ismoe", "ismoe, full size")


@dataclass(frozen=True)
class Case:
    """A data set, what of it trains and tests, and its inputs."""

    title: str
    file: str
    target: str
    train: slice
    test: slice
    patch: int = 3
    dynamic: tuple[str, ...] | None = None


CASES = {
    "conus_smap_nldas": Case(
        "SMAP L3 with NLDAS-2 forcing (observed, gaps; cells of 36 km, each for itself)",
        "conus_smap_nldas/conus_smap_nldas.nc",
        "sm_surface",
        slice("2015-04-01", "2016-09-28"),
        slice("2016-09-29", "2017-03-31"),
        patch=1,
    ),
    "mhm_mosel": Case(
        "mHM Mosel (simulated; 6 km; train 1990-1991, test 1992)",
        "mhm_mosel/mhm_mosel_daily_6km.nc",
        "soil_moisture",
        slice("1990", "1991"),
        slice("1992", "1992"),
        dynamic=("precipitation", "air_temperature", "potential_evaporation"),
    ),
    "tutorial": Case(
        'The tutorial world (simulated; `xsm.open_tutorial("land")`; train 2018-2019, test 2020)',
        "",
        "swvl1",
        slice("2018", "2019"),
        slice("2020", "2020"),
    ),
}


def load(name: str, folder: str) -> xr.Dataset:
    """Open a data set in memory, with a map of climates where there is one."""
    import xsm

    case = CASES[name]
    if not case.file:
        return xsm.open_tutorial("land")
    ds = xr.open_dataset(Path(folder) / case.file).load()
    if "theta" in ds and "layer4" in ds["theta"].dims:
        ds["theta"].attrs["layer_edges_m"] = [0.0, 0.1, 0.2, 0.3, 0.5]
    return ds.assign_coords(climate=climates(ds, folder)) if name.startswith("conus") else ds


def climates(ds: xr.Dataset, folder: str) -> xr.DataArray:
    """Return the climate of each cell, empty where it is none of the three."""
    with xr.open_dataset(Path(folder) / "static_maps/koppen_geiger_0p1deg.nc") as maps:
        array = next(v for v in maps.data_vars.values() if v.ndim == 2).load()
    names = {k: next(d for d in array.dims if str(d).startswith(k)) for k in ("lat", "lon")}
    coords = {k: next(c for c in ds.coords if str(c).startswith(k)) for k in names}
    places = {names[k]: ds[coords[k]] for k in names}
    classes = array.sel(places, method="nearest").reset_coords(drop=True)
    labels = np.full(classes.shape, "", dtype="<U5")
    for name, (first, last) in CLIMATES.items():
        labels[((classes >= first) & (classes <= last)).values] = name
    return classes.copy(data=labels)


def run(job: tuple[str, str, int, str, int]) -> dict[str, Any]:
    """Train, predict and score one model with one seed; for ismoe, show what its weights say."""
    name, label, seed, folder, epochs = job
    import torch

    import xsm

    torch.set_num_threads(1)
    xsm.set_options(threads=1)
    warnings.simplefilter("ignore", UserWarning)
    case, (model, settings) = CASES[name], MODELS[label]
    ds = load(name, folder)
    extras = {} if model == "cnn_lstm" else settings
    if model == "cnn_lstm":  # the top layer alone, as of the others
        from xsm.models.cnn_lstm import CNNLSTM

        class TopCNNLSTM(CNNLSTM):
            layered = False

        chosen: Any = TopCNNLSTM
    else:
        chosen = model
    fitted = ds.sel(time=case.train).physm.fit(
        chosen, target=case.target, dynamic=case.dynamic, patch=case.patch, seed=seed,
        epochs=epochs, progress=False, **SCHEDULE, **extras,
    )  # fmt: skip
    first = int((ds.time < ds.sel(time=case.test).time[0]).sum()) - fitted.recipe.window + 1
    later = ds.isel(time=slice(first, None))
    found = later.physm.predict(fitted).sel(time=case.test)
    maps = ds.physm.score(found, baselines=fitted)
    space = [d for d in maps["r"].dims if d != "source"]
    result: dict[str, Any] = {"case": name, "run": label, "seed": seed}
    result["weights"] = sum(p.numel() for p in fitted.model.parameters())
    result["seconds"] = float(fitted.card["seconds"])
    for source in maps["source"].values:
        middle = maps.sel(source=source).median(space)
        result[str(source)] = {key: float(middle[key]) for key in ("r", "rmse")}
    if label == "ismoe":
        by = ["climate"] if "climate" in ds.coords else []
        table = fitted.importance(later, repeats=2)
        seasons = fitted.importance(ds, by=["season", *by], repeats=1)
        result["expert"] = table["expert"].values.tolist()
        result |= {k: table[k].values.tolist() for k in ("weight", "permutation")}
        result["seasons"] = seasons[["weight", "permutation"]].to_dict()
    return result


def steps(rounds: int = 40) -> dict[str, float]:
    """Return the milliseconds of a training step of each network, measured in turn."""
    import torch

    from xsm.losses import RMSE
    from xsm.naming import METEOROLOGY
    from xsm.nn import Sizes
    from xsm.registry import model_class
    from xsm.steps import Whole

    torch.set_num_threads(1)
    names = (*METEOROLOGY, "snowfall")  # six experts
    sizes = Sizes(len(names), 5, 15, names=names)
    batch = {"dynamic": torch.rand(64, 15, 9, len(names) + 1), "static": torch.rand(64, 9, 6)}
    batch |= {"target": torch.rand(64, 1), "mask": torch.ones(64, 1, dtype=torch.bool)}
    found: dict[str, list[float]] = {label: [] for label in STEPS}
    nets = {}
    for label in STEPS:
        name, _, full = label.partition(", ")
        size = {"size": "full"} if full else {}
        model = model_class(name)(sizes, **size).train()
        adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
        nets[label] = (Whole(model.evaluate, [RMSE()], "float32"), adam)
    for _ in range(rounds):
        for label, (step, adam) in nets.items():
            begun = time.perf_counter()
            adam.zero_grad(set_to_none=True)
            step(batch)
            adam.step()
            found[label].append(1e3 * (time.perf_counter() - begun))
    return {label: statistics.median(values[5:]) for label, values in found.items()}


def table(name: str, results: list[dict[str, Any]]) -> str:
    """Return one data set's scores as Markdown."""
    own = [r for r in results if r["case"] == name]
    lines = [f"## {CASES[name].title}", "", "| | CC | RMSE, m³ m⁻³ | CC by seed | weights |"]
    lines.append("|---|---:|---:|---|---:|")
    for source in ("persistence", "climatology"):
        if source in own[0]:
            scores = own[0][source]
            lines.append(f"| {source} | {scores['r']:.4f} | {scores['rmse']:.4f} | | |")
    for label in MODELS:
        rows = [r for r in own if r["run"] == label]
        middle = {k: statistics.median(r["model"][k] for r in rows) for k in ("r", "rmse")}
        seeds = ", ".join(f"{r['model']['r']:.4f}" for r in rows)
        count = f"{rows[0]['weights']:,}"
        lines.append(f"| {label} | {middle['r']:.4f} | {middle['rmse']:.4f} | {seeds} | {count} |")
    return "\n".join([*lines, "", explained([r for r in own if r["run"] == "ismoe"])])


def explained(rows: list[dict[str, Any]]) -> str:
    """Return mean weight and permutation importance of each expert, by seed."""
    lines = ["| expert of ismoe | mean weight, by seed | rise of RMSE when permuted, by seed |"]
    lines.append("|---|---|---|")
    for k, expert in enumerate(rows[0]["expert"]):
        shares = ", ".join(f"{r['weight'][k]:.2f}" for r in rows)
        rises = ", ".join(f"{r['permutation'][k]:.4f}" for r in rows)
        lines.append(f"| {expert} | {shares} | {rises} |")
    return "\n".join(lines)


def draw(results: list[dict[str, Any]], path: Path) -> None:
    """Draw mean weights of each season and climate beside the loss without each expert's inputs."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    own = [r for r in results if r["case"] == "conus_smap_nldas" and r["run"] == "ismoe"]
    seeds = [xr.Dataset.from_dict(r["seasons"]) for r in own]
    mean = xr.concat(seeds, "seed").mean("seed")
    regions = [c for c in CLIMATES if c in mean["climate"].values]
    figure, axes = plt.subplots(2, len(regions), figsize=(3.2 * len(regions), 5.4), sharey="row")
    titles = {"weight": "mean weight", "permutation": "rise of RMSE, m³ m⁻³"}
    for row, (key, title) in zip(axes, titles.items(), strict=True):
        for axis, region in zip(row, regions, strict=True):
            floor = np.zeros(mean.sizes["season"])
            for k, expert in enumerate(mean["expert"].values):
                values = mean[key].sel(expert=expert, climate=region).values.clip(min=0.0)
                colour = plt.get_cmap("tab10")(k)
                axis.bar(mean["season"].values, values, bottom=floor, color=colour, label=expert)
                floor = floor + values
            axis.set_title(f"{region}" if key == "weight" else "")
        row[0].set_ylabel(title)
    names = axes[0][0].get_legend_handles_labels()
    figure.legend(*names, loc="lower center", ncols=len(names[1]), frameon=False, fontsize=8)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    figure.savefig(path, dpi=110)


def main() -> None:
    """Run all cases and write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", required=True)
    parser.add_argument("--only", choices=sorted(CASES), nargs="*", default=list(CASES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--write", type=Path, default=None, help="page whose tables are replaced")
    parser.add_argument("--figure", type=Path, default=None, help="file of the seasonal weights")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    jobs = [
        (name, label, seed, options.data, options.epochs)
        for name in options.only
        for label in MODELS
        for seed in range(options.seeds)
    ]
    describe = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.run(describe, capture_output=True, text=True, check=False).stdout.strip()
    cost = steps()
    started, results = time.perf_counter(), []
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        for result in pool.map(run, jobs):
            results.append(result)
            scores, done = result["model"], f"{len(results)}/{len(jobs)}"
            print(done, result["case"], result["run"], result["seed"], scores, flush=True)
    minutes = (time.perf_counter() - started) / 60
    head = (
        f"Commit `{commit}`, {options.epochs} epochs of {SCHEDULE['iterations']} batches of "
        f"{SCHEDULE['batch_size']}, {options.seeds} seeds, {minutes:.0f} minutes on {options.jobs} "
        "processes."
    )
    shown = [f"| {k} | {v:.1f} | {v / cost['cnn_lstm']:.1f} |" for k, v in cost.items()]
    lines = ["## Cost of a training step", "", "| | ms | against cnn_lstm |", "|---|---:|---:|"]
    tables = [table(name, results) for name in options.only]
    text = "\n\n".join([head, *tables, "\n".join([*lines, *shown])])
    print("\n" + text)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    if options.figure and "conus_smap_nldas" in options.only:
        draw(results, options.figure)
    if options.write:
        before, _, rest = options.write.read_text().partition("<!-- tables -->")
        after = rest.partition("<!-- end of tables -->")[2]
        options.write.write_text(
            f"{before}<!-- tables -->\n\n{text}\n\n<!-- end of tables -->{after}"
        )


if __name__ == "__main__":
    main()
