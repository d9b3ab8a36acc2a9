"""Downscaling by a factor of four, after Ibrahim et al. (2026), beside every baseline.

On other data than the paper's, 10.64388/irev9i9-1714801, which cannot be had: groundwater of mHM in
the Mosel catchment, 24 to 6 km (``mhm_mosel`` in DIR), once with a truth in all cells in training
and once in four fifths of the coarse ones; GRACE over the United States, 2 to 0.5 degrees
(``grace_csr_twsa``); and soil water of the tutorial world, 1 to 0.25 degrees, which needs no DIR.
Results go into a JSON file one by one, and what it holds is not computed again; the tables of the
docs come from it, and the figure from the first seed of the first case.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/papers/ibrahim2026.py --data DIR
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import xsm

sys.path.insert(0, str(Path(__file__).parent))

from ibrahim2026_figure import draw, variance_by_scale

PAGES = Path(__file__).parents[2] / "docs" / "papers"
FACTOR = 4
Row = dict[str, Any]
BASELINES = ("nearest", "bilinear", "conservative_bilinear", "pattern", "cell_regression")
LEARNING = BASELINES[3:]
NETWORK: Row = {"hidden": 16, "widths": (16, 32, 64), "valid": 0.0, "conserve": "exact"}
OTHERS: dict[str, Row] = {  # 64 channels are the published size
    "published size": NETWORK | {"hidden": 64, "widths": (64, 128, 256)},
    "default call": {"conserve": "exact"},  # a quarter of the steps validates
    "default call, published size": {"conserve": "exact", "size": "published"},
}
BARE = "regressions alone"  # the network before its training, which corrects nothing
UNTRAINED = NETWORK | {"epochs": 1, "iterations": 1, "learning_rate": 1e-12}
LEVELS = (0.5, 0.9)
FOLDS = 5
KEYS = ("case", "source", "seed")


@dataclass(frozen=True, eq=False)
class Case:
    """What is downscaled, what of it trains and what tests."""

    title: str
    coarse: xr.DataArray
    truth: xr.DataArray
    covariates: list[xr.Dataset | xr.DataArray]
    train: slice
    test: slice
    epochs: int
    supervision: str = "truth"

    @property
    def given(self) -> Row:
        """What a network is given beside the coarse field."""
        return {"covariates": self.covariates or None, "area": self.area}

    @functools.cached_property
    def area(self) -> xr.DataArray:
        """Areas of the fine cells that ever have a truth."""
        cells = self.coarse.physm.downscale(FACTOR, model="nearest")["cell_area"]
        return cells.where(self.truth.notnull().any("time")).reset_coords(drop=True)


def means_of(truth: xr.DataArray, weights: xr.DataArray | float = 1.0) -> xr.DataArray:
    """Return the coarse field: means over the cells that are there."""
    size = {d: FACTOR for d in truth.dims if d != "time"}
    share = (truth.notnull() * weights).coarsen(size).sum()
    coarse = (truth * weights).coarsen(size).sum() / share.where(share > 0)
    return coarse.rename(truth.name).drop_attrs(deep=False).assign_attrs(units="mm")


def mosel(data: Path) -> Case:
    """Return groundwater of mHM as anomalies from the training years."""
    ds = xr.open_dataset(data / "mhm_mosel/mhm_mosel_daily_6km.nc").drop_vars(["lat", "lon"])
    soil = ds["theta"].mean("layer4").assign_attrs(units="m3 m-3", layer_edges_m=[0.0, 0.5])
    months = xsm.monthly(ds[["gw", "pr", "tas", "swe"]].assign(soil_moisture=soil))
    train = slice("1990", "1991")
    truth = months["gw"] - months["gw"].sel(time=train).mean("time")
    truth = truth.assign_attrs(units="mm")
    land = ds["gw"][0].notnull().drop_vars("time")
    elevation = ds["dem"].where(land).rename("elevation")
    covariates = [months[["pr", "tas", "swe", "soil_moisture"]], elevation]
    test = slice("1992", "1992")
    return Case("mHM Mosel, 1992", means_of(truth), truth, covariates, train, test, 40)


def grace(data: Path) -> Case:
    """Return GRACE, 2 to 0.5 degrees; what trains is 8 to 2 degrees."""
    ds = xsm.monthly(xr.open_dataset(data / "grace_csr_twsa/twsa_conus_0p5deg.nc")[["twsa"]])
    truth = ds["twsa"].assign_attrs(units="mm").isel(lon=slice(0, 120), lat=slice(0, 52))
    coarse = means_of(truth, np.cos(np.deg2rad(truth["lat"])))
    times = slice("2002", "2012"), slice("2013", "2016")
    return Case("GRACE, 2013-2016", coarse, truth, [], *times, 20, "scale_transfer")


def land(_: Path | None) -> Case:
    """Return the water of the soil column of the tutorial world."""
    ds = xsm.open_tutorial("land")
    bottoms = {"swvl1": 70.0, "swvl2": 210.0, "swvl3": 720.0, "swvl4": 1890.0}  # mm of soil
    water = sum(ds[name] * depth for name, depth in bottoms.items())
    daily = ds[["tp", "t2m"]].assign(gws=water.drop_attrs(deep=False).assign_attrs(units="mm"))
    months = xsm.monthly(daily)
    truth = months["gws"]
    coarse = means_of(truth, np.cos(np.deg2rad(truth["latitude"])))
    covariates = [months[["tp", "t2m"]], ds[["sand", "clay", "elevation"]]]
    times = slice("2018", "2019"), slice("2020", "2020")
    return Case("tutorial world, 2020", coarse, truth, covariates, *times, 40)


def left_out(case: Case, fold: int) -> xr.DataArray:
    """Tell which fine cells lie in the coarse ones that a fold leaves out of training."""
    rows, columns = np.indices(case.coarse.shape[1:])
    out = (rows + 2 * columns) % FOLDS == fold
    return case.truth[0].drop_vars("time").copy(data=out.repeat(FACTOR, 0).repeat(FACTOR, 1))


def judge(found: xr.DataArray, case: Case) -> Row:
    """Return the scores of a field in the test period."""
    times, area = {"time": case.test}, case.area
    fine, truth = xr.align(found.sel(times), case.truth.sel(times), join="inner")
    fine = fine.drop_vars("cell_area", errors="ignore").transpose(*truth.dims)
    error = fine - truth
    row = {"mae": float(abs(error).mean())}
    row["r2"] = 1 - float((error**2).sum() / ((truth - truth.mean()) ** 2).sum())
    inner, wanted = (within(a.where(error.notnull())) for a in (fine, truth))
    row["fine_power"] = float((inner**2).sum() / (wanted**2).sum())
    row["fine_r"] = float((inner * wanted).sum() / np.sqrt((inner**2).sum() * (wanted**2).sum()))
    size = {d: FACTOR for d in truth.dims if d != "time"}
    share = area.where(fine.notnull()).fillna(0.0).coarsen(size).sum()
    mean = (fine * area).coarsen(size).sum() / share.where(share > 0)
    coarse = case.coarse.sel(time=mean["time"])
    row["mass"] = float(np.nanmax(abs(mean.values - coarse.values)) / coarse.std())
    return row


def within(values: xr.DataArray) -> xr.DataArray:
    """Return departures from the mean of the coarse cell."""
    axes = [str(d) for d in values.dims if d != "time"]
    parts = values.coarsen(dict.fromkeys(axes, FACTOR)).construct(
        {d: (f"{d}_block", f"{d}_cell") for d in axes}
    )
    return parts - parts.mean([f"{d}_cell" for d in axes])


def baselines(case: Case, names: Sequence[str]) -> list[Row]:
    """Return the scores of baselines."""
    rows = []
    for name in names:
        learns = {"truth": case.truth.sel(time=case.train)} if name in LEARNING else {}
        found = case.coarse.physm.downscale(FACTOR, model=name, area=case.area, **learns)
        rows.append({"source": name, "seed": 0, **judge(found[case.coarse.name], case)})
    return rows


def trained(
    case: Case, seed: int, fold: int | None = None, *, settings: Row = NETWORK
) -> tuple[Any, xr.Dataset, float]:
    """Train a network; return it, what it makes of all months, and what it cost."""
    known = case.truth.sel(time=case.train)
    if fold is not None:
        known = known.where(~left_out(case, fold))
    learns = {"truth": known} if case.supervision == "truth" else {"factor": FACTOR}
    if "valid" in settings:
        settings = {"epochs": case.epochs, **settings}
    started = time.process_time()
    fitted = case.coarse.sel(time=case.train).physm.fit(
        "convlstm_unet",
        supervision=case.supervision,
        seed=seed,
        progress=False,
        **case.given,
        **learns,
        **settings,
    )
    seconds = time.process_time() - started
    return fitted, fitted.downscale(case.coarse.to_dataset(), **case.given), seconds


def network(case: Case, seed: int) -> Row:
    """Train a network and return its scores, before and after calibration."""
    fitted, found, seconds = trained(case, seed)
    row = judged(case, seed, found, seconds)
    last = fitted.history.isel(epoch=-1).sel(part="training")
    row["loss_terms"] = {str(n): float(v) for n, v in last.data_vars.items()}
    row |= calibrated(fitted, case)
    if seed == 0 and case.title.startswith("mHM"):
        draw(case, found, row, PAGES / "ibrahim2026.png")
    return row


def other(case: Case, seed: int, source: str) -> Row:
    """Return the scores of a network of another size, or schedule."""
    _, found, seconds = trained(case, seed, settings=OTHERS[source])
    return {**judged(case, seed, found, seconds), "source": source}


def bare(case: Case, seed: int, *, blocks: bool) -> Row:
    """Return the scores of what the network corrects, without its training."""
    make = folded if blocks else trained
    *_, found, _ = make(case, seed, settings=UNTRAINED)
    return {"source": BARE, "seed": seed, **judge(found[str(case.coarse.name)], case)}


def folded(case: Case, seed: int, *, settings: Row = NETWORK) -> tuple[xr.Dataset, float]:
    """Return each cell by the network that was trained without its truth, and what all cost."""
    made = [trained(case, seed, fold, settings=settings) for fold in range(FOLDS)]
    parts = [found.where(left_out(case, fold)) for fold, (_, found, _) in enumerate(made)]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.fillna(part)
    return whole.assign(parts[0].coords), sum(part[2] for part in made)


def judged(case: Case, seed: int, found: xr.Dataset, seconds: float) -> Row:
    """Return the scores of a network's field and spread."""
    name, test = str(case.coarse.name), case.truth.sel(time=case.test)
    row = {"source": "convlstm_unet", "seed": seed, "cpu_seconds": round(seconds)}
    row |= judge(found[name], case)
    row |= interval(inside_of(found, test), "coverage")
    row["spectrum"] = variance_by_scale(found[name].sel(time=case.test), test)
    return row


def calibrated(fitted: Any, case: Case) -> Row:
    """Return the coverage on blocks that did not calibrate, each half calibrated by the other.

    A block is a coarse cell in a month; halves are drawn at random.
    """
    test, ds = case.truth.sel(time=case.test), case.coarse.to_dataset()
    drawn = np.random.default_rng(0).random((test.sizes["time"], *case.coarse.shape[1:])) < 0.5
    half = test.copy(data=drawn.repeat(FACTOR, 1).repeat(FACTOR, 2))
    parts = []
    for mine, other in ((half, ~half), (~half, half)):
        known = {"truth": test.where(other), **case.given}
        better = fitted.calibrate(ds, method="isotonic", **known)
        parts.append(inside_of(better.downscale(ds, **case.given), test.where(mine)))
    return interval(parts[0].combine_first(parts[1]), "calibrated")


def inside_of(found: xr.Dataset, truth: xr.DataArray) -> xr.DataArray:
    """Tell where the truth lies inside central intervals (level, time, y, x); NaN without one."""
    ends = xsm.intervals(found.sel(time=truth["time"]), LEVELS)
    low, high = (ends[f"{truth.name}_{end}"] for end in ("lower", "upper"))
    inside = (truth >= low) & (truth <= high)
    bare = inside.drop_vars("cell_area", errors="ignore")
    return bare.where(truth.notnull() & low.notnull()).transpose("level", *truth.dims)


def interval(inside: xr.DataArray, name: str, draws: int = 1000) -> Row:
    """Return shares and their 95 % bounds, by resampling the coarse cells with all their months."""
    axes = [str(d) for d in inside.dims[2:]]
    blocks = inside.coarsen(dict.fromkeys(axes, FACTOR)).construct(
        {d: (f"{d}_block", f"{d}_cell") for d in axes}
    )
    over = ["time", *(f"{d}_cell" for d in axes)]
    cells = [f"{d}_block" for d in axes]
    hits, pairs = (a.sum(over).stack(cell=cells).values for a in (blocks, blocks.notnull()))
    pairs = pairs[0]
    picks = np.random.default_rng(0).integers(len(pairs), size=(draws, len(pairs)))
    shares = hits[:, picks].sum(-1) / pairs[picks].sum(-1)  # (level, draw)
    row = {}
    for k, level in enumerate(LEVELS):
        row[f"{name}_{level:.0%}"] = float(hits[k].sum() / pairs.sum())
        row[f"{name}_{level:.0%}_bounds"] = np.quantile(shares[k], [0.025, 0.975]).tolist()
    return row


def commit() -> str:
    """Return the commit that is measured."""
    command = ["git", "-C", str(PAGES), "describe", "--always", "--abbrev=7"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the data sets")
    parser.add_argument("--cases", nargs="+", default=["mosel", "mosel_blocks", "grace", "land"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path, default=PAGES / "ibrahim2026.json")
    return parser.parse_args()


def main() -> None:
    """Train and judge what is not yet in the file, then write the tables."""
    args = parse()
    warnings.simplefilter("ignore", RuntimeWarning)  # means of cells without a truth
    rows: list[Row] = json.loads(args.json.read_text()) if args.json.exists() else []
    makers = {"mosel": mosel, "mosel_blocks": mosel, "grace": grace, "land": land}
    for name in args.cases:
        case = makers[name](args.data)
        blocks = name.endswith("blocks")
        jobs: list[tuple[str, int]] = [("convlstm_unet", s) for s in range(args.seeds)]
        jobs += [] if blocks else [(o, s) for o in OTHERS for s in range(args.seeds)]
        for source, seed in [("baselines", 0), (BARE, 0), *jobs]:
            done = {tuple(row[key] for key in KEYS) for row in rows}
            wanted = BASELINES[0] if source == "baselines" else source
            if (name, wanted, seed) in done:
                continue
            if source == "baselines":
                knows = case.supervision == "truth" and not blocks  # else there is nothing to learn
                made = baselines(case, BASELINES if knows else BASELINES[:3])
            elif source == BARE:
                made = [bare(case, seed, blocks=blocks)]
            elif source in OTHERS:
                made = [other(case, seed, source)]
            else:
                made = [judged(case, seed, *folded(case, seed)) if blocks else network(case, seed)]
            facts = {"case": name, "title": case.title, "commit": commit()}
            rows += [{**facts, **row} for row in made]
            args.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
            print(name, source, seed, {k: v for k, v in made[-1].items() if k == "mae"}, flush=True)
    (PAGES / "ibrahim2026_table.md").write_text(tables(rows), encoding="utf-8")


def mean_of(rows: list[Row]) -> Row:
    """Return the means of what is a number in all rows."""
    keys = [k for k, v in rows[0].items() if isinstance(v, float) and k != "seed"]
    return {k: statistics.fmean(row[k] for row in rows) for k in keys}


def tables(rows: list[Row]) -> str:
    """Return a table for each case: means over seeds, and the range of the seeds' errors."""
    parts = []
    for name in dict.fromkeys(row["case"] for row in rows):
        own = [row for row in rows if row["case"] == name]
        parts += [
            f"### {own[0]['title']}{', cells left out' if 'blocks' in name else ''}",
            table(own),
        ]
    return "\n\n".join(parts) + "\n"


COLUMNS = {
    "MAE": "mae",
    "R2": "r2",
    "fine power": "fine_power",
    "fine r": "fine_r",
    "mass": "mass",
    "50 %": "coverage_50%",
    "90 %": "coverage_90%",
    "50 % cal.": "calibrated_50%",
    "90 % cal.": "calibrated_90%",
}


def table(rows: list[Row]) -> str:
    """Return a table of one case in Markdown."""
    sources = list(dict.fromkeys(row["source"] for row in rows))
    keys = {c: k for c, k in COLUMNS.items() if any(k in row for row in rows)}
    lines = [f"| source | {' | '.join(keys)} | less error |", "|---" * (len(keys) + 2) + "|"]
    means = {s: mean_of([r for r in rows if r["source"] == s]) for s in sources}
    for source in sources:
        cells = [shown(c, means[source].get(k)) for c, k in keys.items()]
        gain = 1 - means["convlstm_unet"]["mae"] / means[source]["mae"]
        last = "" if source == "convlstm_unet" else f"{round(100 * gain)} %"
        lines.append(f"| `{source}` | {' | '.join(cells)} | {last} |")
    own = [row for row in rows if row["source"] == "convlstm_unet"]
    errors = ", ".join(f"{row['mae']:.3f}" for row in own)
    said = f"Network: MAE of the seeds {errors} mm"
    for key in ("coverage_50%", "coverage_90%", "calibrated_50%", "calibrated_90%"):
        if f"{key}_bounds" in own[0]:
            low, high = (100 * v for v in own[0][f"{key}_bounds"])
            said += (
                f"; {key.replace('_', ' ').replace('%', ' %')} of seed 0: {low:.0f} to {high:.0f}"
            )
    return "\n".join(
        [*lines, "", f"{said}. Commits {', '.join(sorted({r['commit'] for r in rows}))}."]
    )


def shown(column: str, value: float | None) -> str:
    """Return a number as text."""
    if value is None:
        return ""
    if "%" in column:
        return f"{100 * value:.1f}"
    if abs(value) > 1e-3:
        return f"{value:#.3g}"
    return f"{value:.0e}" if column == "mass" and value > 1e-9 else "0"


if __name__ == "__main__":
    main()
