"""ISMoE of Yang et al. (2025) beside a CNN-LSTM, equal experts, persistence and climatology.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/papers/yang2025.py --data DIR

``DIR`` holds conus_smap_nldas, mhm_mosel and static_maps as NetCDF. Surface soil moisture is
estimated from the weather of 15 days (lead 0), by short trainings. Results go into a JSON file one
by one, with seed and commit, and what it holds is not computed again; the table, of medians over
the seeds of medians over the cells, and the figure of seasonal shares come from it. The cost of a
training step is measured in one run, the networks in turn.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
import xarray as xr

import xsm

sys.path.insert(0, str(Path(__file__).parents[1]))

from real_data import climates

from xsm.data.naming import METEOROLOGY
from xsm.losses import RMSE
from xsm.models.cnn_lstm import CNNLSTM
from xsm.nn import Model, Sizes
from xsm.registry import model_class
from xsm.training.adam import Adam
from xsm.training.steps import Whole

mpl.use("Agg")

PAGES = Path(__file__).parents[2] / "docs" / "papers"
# Three seeds of all networks in half an hour of one core. The learning rate is above the default,
# which needs longer: on the validation steps of SMAP, of 1e-3, 3e-3 and 6e-3 it is the best of
# cnn_lstm and of ismoe.
SCHEDULE = {"iterations": 100, "validate_every": 4, "batch_size": 64, "learning_rate": 6e-3}
CLIMATES = {"arid": (4, 7), "humid": (8, 16), "cold": (17, 28)}  # Koeppen-Geiger classes B, C, D
STEPS = ("cnn_lstm", "ismoe", "ismoe, full size")
KEYS = ("data", "run", "seed")
Row = dict[str, Any]


class TopCNNLSTM(CNNLSTM):
    """A ``cnn_lstm`` of the top layer alone, as the others are."""

    layered = False


MODELS: dict[str, tuple[str | type[Model], dict[str, Any]]] = {
    "cnn_lstm": (TopCNNLSTM, {}),
    "mean_expert": ("mean_expert", {}),
    "ismoe": ("ismoe", {}),
    "ismoe, full size": ("ismoe", {"size": "full"}),
    "cnn_lstm, with memory": (TopCNNLSTM, {"sequence": 180, "lead": 0}),
    "mean_expert, with memory": ("mean_expert", {"sequence": 180, "lead": 0}),
    "ismoe, with memory": ("ismoe", {"sequence": 180, "lead": 0}),
}


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


def load(name: str, data: Path) -> xr.Dataset:
    """Open a data set in memory, with a map of climates where there is one."""
    case = CASES[name]
    if not case.file:
        return xsm.open_tutorial("land")
    ds = xr.open_dataset(data / case.file).load()
    if "theta" in ds and "layer4" in ds["theta"].dims:
        ds["theta"].attrs["layer_edges_m"] = [0.0, 0.1, 0.2, 0.3, 0.5]
    return ds.assign_coords(climate=zones(ds, data)) if name.startswith("conus") else ds


def zones(ds: xr.Dataset, data: Path) -> xr.DataArray:
    """Return the climate of each cell, empty where it is none of the three."""
    classes = climates(ds, data)
    labels = np.full(classes.shape, "", dtype="<U5")
    for name, (first, last) in CLIMATES.items():
        labels[((classes >= first) & (classes <= last)).values] = name
    return xr.DataArray(labels, dims=classes.dims)  # without the coordinates of the map


def judge(name: str, label: str, seed: int, data: Path, epochs: int) -> Row:
    """Train, predict and score one model with one seed; for ismoe, how it divides the sum."""
    case, ds = CASES[name], load(name, data)
    model, own = MODELS[label]
    carried = "sequence" in own  # with the schedule of sequences, from the first day of the data
    fitted = ds.sel(time=case.train).physm.fit(
        model,
        target=case.target,
        dynamic=case.dynamic,
        patch=case.patch,
        seed=seed,
        progress=False,
        **({} if carried else {**SCHEDULE, "epochs": epochs}),
        **own,
    )
    first = int((ds.time < ds.sel(time=case.test).time[0]).sum()) - fitted.recipe.window + 1
    first = 0 if carried else first
    later = ds.isel(time=slice(first, None)).sel(time=slice(None, case.test.stop))
    found = later.physm.predict(fitted).sel(time=case.test)
    maps = ds.physm.score(found, baselines=fitted)
    middle = maps[["r", "rmse"]].median([d for d in maps["r"].dims if d != "source"])
    row: Row = {
        str(source): {k: float(v) for k, v in middle.sel(source=source).data_vars.items()}
        for source in maps["source"].values
    }
    row["weights"] = sum(values.numel() for values in fitted.model.parameters())
    row["seconds"] = round(float(fitted.card["seconds"]))
    told = label.startswith("ismoe") and not carried
    return row | (explain(fitted, ds, later) if told else {})


def explain(fitted: xsm.FittedModel, ds: xr.Dataset, later: xr.Dataset) -> Row:
    """Return share and permutation importance of the test period, and by season and climate."""
    table = fitted.importance(later, repeats=2)
    found = {"expert": table["expert"].values.tolist()}
    found |= {k: table[k].values.round(5).tolist() for k in ("share", "permutation")}
    if "climate" not in ds.coords:
        return found
    seasons = fitted.importance(ds, by=["season", "climate"], repeats=1)
    parts = {k: seasons[k].transpose("expert", ...) for k in ("share", "permutation")}
    return {
        **found,
        "parts": {str(d): seasons[d].values.tolist() for d in parts["share"].dims},
        "by_part": {k: v.values.round(5).tolist() for k, v in parts.items()},
    }


def steps(rounds: int = 40) -> dict[str, float]:
    """Return the milliseconds of a training step of each network, measured in turn."""
    names = (*METEOROLOGY, "snowfall")  # six experts
    sizes = Sizes(len(names), 5, 15, names=names)
    batch = {"dynamic": torch.rand(64, 15, 9, len(names) + 1), "static": torch.rand(64, 9, 6)}
    batch |= {"target": torch.rand(64, 1), "mask": torch.ones(64, 1, dtype=torch.bool)}
    found: dict[str, list[float]] = {label: [] for label in STEPS}
    nets = {}
    for label in STEPS:
        name, _, full = label.partition(", ")
        model = model_class(name)(sizes, **({"size": "full"} if full else {})).train()
        step = Whole(model.evaluate, [RMSE()], "float32")
        nets[label] = (step, Adam(model.parameters(), 1e-3))
    for _ in range(rounds):
        for label, (step, adam) in nets.items():
            begun = time.perf_counter()
            step(batch)
            adam.move()
            found[label].append(1e3 * (time.perf_counter() - begun))
    return {label: statistics.median(values[5:]) for label, values in found.items()}


def table(rows: list[Row], cost: dict[str, float]) -> str:
    """Return all results as Markdown."""
    seeds, epochs = len({r["seed"] for r in rows}), {r["epochs"] for r in rows}
    commits = ", ".join(sorted({r["commit"] for r in rows}))
    lines = [
        f"Medians of {seeds} seeds over medians of cells; {', '.join(map(str, sorted(epochs)))} "
        f"epochs of {SCHEDULE['iterations']} batches of {SCHEDULE['batch_size']}, of all networks "
        f"but those with memory (sequence=180 and its schedule); learning rate "
        f"{SCHEDULE['learning_rate']:g}; commit {commits}. RMSE in m3 m-3.",
    ]
    for name, case in CASES.items():
        own = [r for r in rows if r["data"] == name]
        lines += ["", f"**{case.title}**", "", *scores(own), "", *experts(own)] if own else []
    lines += ["", "**Cost of a training step** (batch 64, 15 steps of 3 x 3 cells, one thread)", ""]
    lines += ["| | ms | against cnn_lstm |", "|---|---:|---:|"]
    lines += [f"| {k} | {v:.1f} | {v / cost['cnn_lstm']:.2f} |" for k, v in cost.items()]
    return "\n".join(lines) + "\n"


def scores(own: list[Row]) -> list[str]:
    """Return the scores of one data set."""
    lines = ["| | CC | RMSE | CC by seed | weights | s |", "|---|---:|---:|---|---:|---:|"]
    for source in ("persistence", "damped_persistence", "climatology"):
        if source in own[0]:
            r, rmse = own[0][source]["r"], own[0][source]["rmse"]
            lines.append(f"| {source} | {r:.3f} | {rmse:.4f} | | | |")
    for label in MODELS:
        rows = [r for r in own if r["run"] == label]
        if not rows:
            continue
        r, rmse = (statistics.median(row["model"][k] for row in rows) for k in ("r", "rmse"))
        each = ", ".join(f"{row['model']['r']:.3f}" for row in rows)
        seconds = statistics.median(row["seconds"] for row in rows)
        lines.append(
            f"| {label} | {r:.3f} | {rmse:.4f} | {each} | {rows[0]['weights']:,} | {seconds:.0f} |"
        )
    return lines


def experts(own: list[Row]) -> list[str]:
    """Return mean share and permutation importance of each expert, by seed."""
    rows = [r for r in own if r["run"] == "ismoe"]
    if not rows:
        return []
    lines = ["| expert of ismoe | mean share, by seed | rise of RMSE when permuted, by seed |"]
    lines.append("|---|---|---|")
    for k, expert in enumerate(rows[0]["expert"]):
        shares = ", ".join(f"{r['share'][k]:.2f}" for r in rows)
        rises = ", ".join(f"{r['permutation'][k]:.4f}" for r in rows)
        lines.append(f"| {expert} | {shares} | {rises} |")
    return lines


def draw(rows: list[Row], path: Path) -> None:
    """Draw mean shares of each season and climate above the loss without each expert's inputs."""
    from matplotlib import pyplot as plt

    parts = rows[0]["parts"]
    regions = [c for c in CLIMATES if c in parts["climate"]]
    figure, axes = plt.subplots(2, len(regions), figsize=(3.2 * len(regions), 5.4), sharey="row")
    titles = {"share": "mean share", "permutation": "rise of RMSE when\npermuted, m³ m⁻³"}
    for row, (key, title) in zip(axes, titles.items(), strict=True):
        mean = xr.DataArray(
            np.mean([r["by_part"][key] for r in rows], axis=0), parts, tuple(parts)
        ).transpose("expert", "season", "climate")
        for axis, region in zip(row, regions, strict=True):
            stack(axis, mean.sel(climate=region).clip(min=0.0))
            axis.set_title(region if key == "share" else "")
        row[0].set_ylabel(title)
    names = axes[0][0].get_legend_handles_labels()
    figure.legend(*names, loc="lower center", ncols=len(names[1]), frameon=False, fontsize=8)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    figure.savefig(path, dpi=110)


def stack(axis: Any, values: xr.DataArray) -> None:
    """Draw a bar for each season, with the experts one above the other."""
    floor = np.zeros(values.sizes["season"])
    for k, expert in enumerate(values["expert"].values):
        part, colour = values.sel(expert=expert).values, mpl.color_sequences["tab10"][k]
        axis.bar(values["season"].values, part, bottom=floor, color=colour, label=str(expert))
        floor = floor + part


def commit() -> str:
    """Return the commit that is measured."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--abbrev=7"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--only", choices=list(CASES), nargs="*", default=list(CASES))
    parser.add_argument("--models", choices=list(MODELS), nargs="*", default=list(MODELS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--folder", type=Path, default=PAGES, help="where results are written")
    return parser.parse_args()


def main() -> None:
    """Train and judge what is not yet in the file, then write table and figure."""
    args = parse()
    torch.set_num_threads(1)
    xsm.set_options(threads=1)
    warnings.simplefilter("ignore", UserWarning)  # of a router in the midst of its training
    args.folder.mkdir(exist_ok=True, parents=True)
    kept = args.folder / "yang2025.json"
    rows: list[Row] = json.loads(kept.read_text()) if kept.exists() else []
    done, measured = {tuple(row[key] for key in KEYS) for row in rows}, commit()
    wanted = [(n, m, s) for s in range(args.seeds) for n in args.only for m in args.models]
    for case in wanted:
        if case in done:
            continue
        found = judge(*case, args.data, args.epochs)
        named = dict(zip(KEYS, case, strict=True))
        rows.append({**named, "commit": measured, "epochs": args.epochs, **found})
        kept.write_text(json.dumps(rows) + "\n")
    (args.folder / "yang2025_table.md").write_text(table(rows, steps()))
    drawn = [r for r in rows if r["run"] == "ismoe" and "parts" in r]
    if drawn:
        draw(drawn, args.folder / "yang2025.png")


if __name__ == "__main__":
    main()
