"""PHY-LSTM and PHYs-LSTM with every set of water balance terms, weight and trend.

The comparisons of Geng et al. (2024), Front. For. Glob. Change 7:1353011, on other data: Table 1
(terms A1-A4 with, B1-B4 without the water of deeper soil, weights 5:5) and Table 2 (weights 1:9 to
9:1 for A4 and B4), with the published ``trend="change"`` and with ``"level"``, and with the last
observation as an input. On mHM Mosel and ``conus_land`` (in DIR) and on the tutorial world, one day
ahead. Results go into a JSON file one by one, and what it holds is not computed again; the tables
of the docs come from it, the figures from three networks that are trained anew on ``conus_land``.

    python benchmarks/papers/geng2024.py --data DIR
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import xarray as xr

sys.path.insert(0, str(Path(__file__).parents[1]))

from geng2024_figures import draw
from real_data import ALL_TERMS, CASES, Case, climates, judge, load

PAGES = Path(__file__).parents[2] / "docs" / "papers"
COLUMNS = ("r", "rmse", "r2", "kge", "change", "filtered", "level", "level excess")
SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)  # weight of the balance; the paper writes 1:9, 3:7, ...
TUTORIAL = Case(
    "Tutorial world (simulated; train 2018 to mid 2019, last half year tests)",
    "",
    "soil_moisture",
    slice("2018-01-01", "2019-06-30"),
    slice("2019-07-01", "2019-12-31"),
)
DATA = {
    "tutorial": TUTORIAL,
    "mhm_mosel": CASES["mhm_mosel"],
    "conus_land": CASES["conus_land"],
}
Row = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One model: the LSTM (no terms), or A (deep) or B with its first terms."""

    kind: str = ""
    count: int = 0
    trend: str = ""
    share: float = 0.5
    integrated: bool = False
    carried: bool = False

    @property
    def name(self) -> str:
        """Name in the tables."""
        said = f"{self.kind}{self.count}" if self.kind else "LSTM"
        return said + " + DI" * self.integrated + " + memory" * self.carried

    @property
    def key(self) -> str:
        """Name in the file."""
        return f"{self.name} {self.trend} {self.share:g}".strip()


DRAWN = {"LSTM": Run(), "PHY-LSTM": Run("B", 4, "change"), "PHYs-LSTM": Run("A", 4, "change")}


def runs() -> list[Run]:
    """Return all models of both tables, and those with the last observation."""
    found = [Run(), Run(integrated=True), Run(carried=True), Run("B", 4, "level", carried=True)]
    found.append(Run("A", 4, "level", carried=True))
    for trend in ("change", "level"):
        for kind in "AB":
            found += [Run(kind, count, trend) for count in (1, 2, 3, 4)]
            found += [Run(kind, 4, trend, share) for share in SHARES if share != 0.5]
            found.append(Run(kind, 4, trend, integrated=True))
    return found


def main() -> None:
    """Train and judge what is not yet in the file, then write the tables."""
    args = parse()
    PAGES.mkdir(exist_ok=True)
    rows: list[Row] = json.loads(args.json.read_text()) if args.json.exists() else []
    done = {(row["data"], row["run"], row["seed"]) for row in rows}
    jobs = [
        (data, run, seed, args.data, args.epochs)
        for seed in range(args.seeds)
        for data in args.only
        for run in runs()
        if (data, run.key, seed) not in done
    ]
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with ProcessPoolExecutor(args.jobs, mp_context=get_context("spawn")) as pool:
        for row in pool.map(train, jobs):
            rows.append({"commit": commit(), **row})
            args.json.write_text(json.dumps(rows, indent=1) + "\n")
    (PAGES / "geng2024_table.md").write_text(table(rows))
    if args.data:
        made = {n: forecast("conus_land", r, 0, args.data, args.epochs) for n, r in DRAWN.items()}
        ds, _, _, case = made["LSTM"]
        shown = {name: found for name, (_, _, found, _) in made.items()}
        draw(ds.sel(time=case.test), shown, climates(ds, args.data), PAGES)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of the data sets")
    parser.add_argument("--only", nargs="*", choices=list(DATA), default=list(DATA))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=15, help="of 300 batches; published: 1000")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, default=PAGES / "geng2024.json")
    return parser.parse_args()


def commit() -> str:
    """Return the commit that is measured."""
    command = ["git", "-C", str(PAGES), "describe", "--always", "--abbrev=7"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def forecast(
    data: str, run: Run, seed: int, folder: str, epochs: int
) -> tuple[xr.Dataset, Any, xr.Dataset, Case]:
    """Train a model with one seed; return the data, the model, its forecast, and the case."""
    import torch

    import xsm
    from xsm.losses import RMSE, WaterBalance

    torch.set_num_threads(1)
    warnings.simplefilter("ignore", UserWarning)
    case = DATA[data]
    ds: xr.Dataset = load(case, folder) if case.file else xsm.open_tutorial("land")
    if not case.file:
        case = replace(case, target=str(xsm.variables(ds)["soil_moisture"].name))
    losses = None
    if run.kind:
        terms = ALL_TERMS[: run.count]
        balance = WaterBalance(run.share, run.kind == "A", terms, run.trend)
        losses = [RMSE(1 - run.share), balance]
    model = {"": "lstm", "A": "phys_lstm", "B": "phy_lstm"}[run.kind]
    usual = {"scaling": case.scaling, "epochs": epochs, "validate_every": 3, "patience": 5}
    fitted = ds.sel(time=case.train).physm.fit(
        model,
        losses=losses,
        seed=seed,
        progress=False,
        variables=case.variables,
        target=case.target,
        data_integration=run.integrated,
        **({"sequence": 180} if run.carried else usual),
    )
    first = int((ds.time < ds.sel(time=case.test).time[0]).sum()) - fitted.recipe.window
    first = 0 if run.carried else first  # a state is carried from the first day of the data
    found = ds.isel(time=slice(first, None)).physm.predict(fitted).sel(time=case.test)
    return ds, fitted, found, case


def train(job: tuple[str, Run, int, str, int]) -> Row:
    """Train one model with one seed, predict the test period, and judge it."""
    data, run, seed, _, epochs = job
    ds, fitted, found, case = forecast(*job)
    scores = judge(ds, found, fitted, case)
    return {"data": data, "run": run.key, "seed": seed, "epochs": epochs, **scores}


def table(rows: list[Row]) -> str:
    """Return both tables for each data set."""
    commits = ", ".join(f"`{c}`" for c in dict.fromkeys(row["commit"] for row in rows))
    seeds = len({row["seed"] for row in rows})
    many = f"Medians of {seeds} seeds" if seeds > 1 else "One seed"
    head = (
        f"{many}, medians over cells; {rows[0]['epochs']} epochs of 300 batches; commit "
        f"{commits}. Consistency is that of all steps (change, level) or of steps whose weather "
        "says something (filtered, change); excess is over the observations' own."
    )
    parts = [head]
    for data, case in DATA.items():
        own = [row for row in rows if row["data"] == data]
        if own:
            parts += [f"### {case.title}", *tables(own)]
    return "\n\n".join(parts) + "\n"


def tables(own: list[Row]) -> list[str]:
    """Return the tables of one data set: terms, weights, and with the last observation."""
    plain = [r for r in runs() if not r.integrated and not r.carried]
    one = [r for r in plain if not r.kind or r.share == 0.5]
    two = [r for r in plain if r.count == 4]
    two.sort(key=lambda r: (r.kind, r.trend, r.share))
    three = [r for r in runs() if r.integrated]
    found = ["Table 1: sets of terms, weights 5:5", block(own, one, baselines=True)]
    found += ["Table 2: weights of error and balance", block(own, two)]
    found += ["With the last observation as an input", block(own, three)]
    four = [r for r in runs() if r.carried]
    return [*found, "With memory (`sequence=180` and its schedule, a day ahead)", block(own, four)]


def block(own: list[Row], wanted: list[Run], *, baselines: bool = False) -> str:
    """Return one table."""
    lines = ["| model | trend | weights | " + " | ".join(COLUMNS) + " |"]
    lines.append("|---|---|---|" + "---:|" * len(COLUMNS))
    if baselines:
        for source in ("persistence", "damped_persistence", "climatology"):
            if source not in own[0]:  # of an older run
                continue
            values = [own[0][source][c] for c in COLUMNS[:4]]
            lines.append(f"| {source} | | | " + " | ".join(f"{v:.4f}" for v in values))
            lines[-1] += " |" * (len(COLUMNS) - 3)
    for run in wanted:
        picked = [row["model"] for row in own if row["run"] == run.key]
        if not picked:
            continue
        values = [statistics.median(row[c] for row in picked) for c in COLUMNS]
        ratio = f"{10 * (1 - run.share):.0f}:{10 * run.share:.0f}" if run.kind else ""
        cells = " | ".join(f"{v:.4f}" for v in values)
        lines.append(f"| {run.name} | {run.trend} | {ratio} | {cells} |")
    truth = [statistics.median(row[f"observed {t}"] for row in own) for t in ("change", "level")]
    gap = " | ".join([""] * 4)
    lines.append(f"| observations themselves | | | {gap} | {truth[0]:.4f} | | {truth[1]:.4f} | |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
