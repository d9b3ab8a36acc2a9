"""Ibrahim et al. (2026): downscaling by a factor of four, beside every baseline.

    python benchmarks/papers/ibrahim2026.py --data DIR [--cases mosel blocks grace land] [--seeds 3]

``DIR`` holds ``mhm_mosel/mhm_mosel_daily_6km.nc`` and ``grace_csr_twsa/twsa_conus_0p5deg.nc``; the
case ``land`` is the tutorial world. Prints a table for each case: mean absolute error, R2 and skill
over all cells and months of the test period, the coverage of central intervals, the error of mass,
and the share of the truth's power that a field has at wavelengths below two coarse cells.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import xsm

FACTOR = 4
BASELINES = ("nearest", "bilinear", "conservative_bilinear", "pattern", "cell_regression")
NETWORK: dict[str, Any] = {"hidden": 16, "widths": (16, 32, 64), "valid": 0.0, "progress": False}
QUANTILES = {0.5: 0.6745, 0.9: 1.6449}  # of the normal distribution


@dataclass(frozen=True)
class Case:
    """What is downscaled, what of it trains, what tests, and where."""

    title: str
    coarse: xr.DataArray
    truth: xr.DataArray
    covariates: list[xr.Dataset | xr.DataArray]
    train: slice
    test: slice
    known: xr.DataArray | None = None  # cells whose truth trains; the others are scored
    settings: dict[str, Any] | None = None


def mosel(data: Path) -> Case:
    """Return groundwater of mHM, 24 km to 6 km, as anomalies from the training years."""
    ds = xr.open_dataset(data / "mhm_mosel/mhm_mosel_daily_6km.nc").drop_vars(["lat", "lon"])
    soil = ds["theta"].mean("layer4").assign_attrs(units="m3 m-3", layer_edges_m=[0.0, 0.5])
    months = xsm.monthly(ds[["gw", "pr", "tas", "swe"]].assign(soil_moisture=soil))
    train = slice("1990", "1991")
    truth = months["gw"] - months["gw"].sel(time=train).mean("time")
    truth = truth.assign_attrs(units="mm")
    land = ds["gw"][0].notnull().drop_vars("time")
    elevation = ds["dem"].where(land).rename("elevation")
    moving = months[["pr", "tas", "swe", "soil_moisture"]]
    coarse = truth.coarsen(y=FACTOR, x=FACTOR).mean().assign_attrs(units="mm")
    settings = {"truth": True, "conserve": "exact", "epochs": 40}
    covariates = [moving, elevation]
    return Case(
        "mHM Mosel", coarse, truth, covariates, train, slice("1992", "1992"), None, settings
    )


def blocks(data: Path) -> Iterator[Case]:
    """Return the same, each with a fifth of the coarse cells left out of training."""
    whole = mosel(data)
    rows, columns = np.indices(whole.coarse.shape[1:])
    for fold in range(5):
        kept = (rows + 2 * columns) % 5 != fold
        known = whole.truth[0].drop_vars("time").copy(data=kept.repeat(FACTOR, 0).repeat(FACTOR, 1))
        yield Case(
            "mHM Mosel, cells without a truth in training",
            whole.coarse,
            whole.truth,
            whole.covariates,
            whole.train,
            whole.test,
            known,
            whole.settings,
        )


def grace(data: Path) -> Case:
    """Return GRACE, 2 to 0.5 degrees; what trains is 8 to 2 degrees."""
    ds = xsm.monthly(xr.open_dataset(data / "grace_csr_twsa/twsa_conus_0p5deg.nc")[["twsa"]])
    truth = ds["twsa"].assign_attrs(units="mm")
    truth = truth.isel(lon=slice(0, 120), lat=slice(0, 52))
    weights = np.cos(np.deg2rad(truth["lat"]))
    size = {"lat": FACTOR, "lon": FACTOR}
    share = (truth.notnull() * weights).coarsen(size).sum()
    coarse = ((truth * weights).coarsen(size).sum() / share.where(share > 0)).rename("twsa")
    coarse = coarse.assign_attrs(units="mm")
    settings = {"truth": False, "supervision": "scale_transfer", "conserve": "exact", "epochs": 20}
    test = slice("2013", "2016")
    return Case("GRACE CONUS", coarse, truth, [], slice("2002", "2012"), test, None, settings)


def land(_: Path) -> Case:
    """Return the water of the soil column of the tutorial world, 4 to 1 cells."""
    ds = xsm.open_tutorial("land")
    bottoms = {"swvl1": 70.0, "swvl2": 210.0, "swvl3": 720.0, "swvl4": 1890.0}  # mm of soil
    water = sum(ds[name] * depth for name, depth in bottoms.items())
    daily = ds[["tp", "t2m"]].assign(gws=water.drop_attrs(deep=False).assign_attrs(units="mm"))
    months = xsm.monthly(daily)
    truth = months["gws"]
    weights = np.cos(np.deg2rad(truth["latitude"]))
    size = {"latitude": FACTOR, "longitude": FACTOR}
    share = (truth.notnull() * weights).coarsen(size).sum()
    coarse = ((truth * weights).coarsen(size).sum() / share.where(share > 0)).rename("gws")
    coarse = coarse.drop_attrs(deep=False).assign_attrs(units="mm")
    statics = [n for n in ("sand", "clay", "elevation", "z") if n in ds]
    first, last = str(truth["time"].dt.year.values[0]), str(truth["time"].dt.year.values[-1])
    train = slice(first, str(int(last) - 1))
    settings = {"truth": True, "conserve": "exact", "epochs": 40}
    covariates = [months[["tp", "t2m"]], ds[statics]]
    return Case(
        "tutorial world", coarse, truth, covariates, train, slice(last, last), None, settings
    )


def fine_power(field: xr.DataArray, truth: xr.DataArray) -> float:
    """Return the variance within coarse cells of a field by that of the truth, over all months."""
    axes = [d for d in field.dims if d != "time"]
    size = dict.fromkeys(axes, FACTOR)

    def within(values: xr.DataArray) -> float:
        parts = (
            values.where(truth.notnull())
            .coarsen(size)
            .construct({d: (f"{d}_block", f"{d}_cell") for d in axes})
        )
        cells = [f"{d}_cell" for d in axes]
        return float(((parts - parts.mean(cells)) ** 2).mean())

    return within(field) / within(truth)


def judge(found: xr.Dataset, name: str, case: Case) -> dict[str, float]:
    """Return the scores of one prediction in the test period."""
    truth = case.truth.sel(time=case.test)
    if case.known is not None:
        truth = truth.where(~case.known.astype(bool))
    field = found[name].sel(time=case.test)
    truth, field = xr.align(truth, field.drop_vars("cell_area"), join="right")
    error = field - truth
    spread = truth - truth.mean()
    scores = {"MAE": float(abs(error).mean())}
    scores["R2"] = 1 - float((error**2).sum() / (spread**2).sum())
    scores["fine power"] = fine_power(field, truth)
    axes = [d for d in field.dims if d != "time"]
    there = field.where(case.truth.sel(time=field["time"]).notnull())
    weights = found["cell_area"].where(there[0].notnull()).fillna(0.0)
    size = dict.fromkeys(axes, FACTOR)
    mean = (there * weights).coarsen(size).sum() / weights.coarsen(size).sum()
    gap = abs(mean.values - case.coarse.sel(time=field["time"]).values)
    scores["mass"] = float(np.nanmax(gap)) / float(case.coarse.std())
    if f"{name}_std" in found:
        deviation = found[f"{name}_std"].sel(time=case.test)
        for level, width in QUANTILES.items():
            inside = (abs(error) <= width * deviation).where(error.notnull())
            scores[f"{level:.0%}"] = float(inside.mean())
    return scores


def run(case: Case, seeds: int) -> dict[str, list[dict[str, float]]]:
    """Return the scores of all baselines, and of the network for each seed."""
    settings = dict(case.settings or {})
    truth = case.truth.sel(time=case.train)
    if case.known is not None:
        truth = truth.where(case.known.astype(bool))
    name, table = str(case.coarse.name), {}
    cells = case.coarse.physm.downscale(FACTOR, model="nearest")["cell_area"]
    area = cells.where(case.truth.notnull().any("time")).reset_coords(drop=True)
    for baseline in BASELINES:
        learns = {"truth": truth} if baseline in BASELINES[3:] else {}
        found = case.coarse.physm.downscale(FACTOR, model=baseline, area=area, **learns)
        table[baseline] = [judge(found, name, case)]
    supervised = {"truth": truth} if settings.pop("truth") else {"factor": FACTOR}
    table["convlstm_unet"] = []
    for seed in range(seeds):
        started = time.perf_counter()
        fitted = case.coarse.sel(time=case.train).physm.fit(
            "convlstm_unet",
            covariates=case.covariates,
            seed=seed,
            **supervised,
            **settings,
            **NETWORK,
        )
        took = time.perf_counter() - started
        found = fitted.downscale(case.coarse.to_dataset(), covariates=case.covariates)
        scores = judge(found, name, case)
        table["convlstm_unet"].append(scores | {"seconds": took})
    last = fitted.history.isel(epoch=-1).sel(part="training")
    print("loss terms:", {str(n): round(float(v), 4) for n, v in last.data_vars.items()})
    return table


def shown(title: str, tables: list[dict[str, list[dict[str, float]]]]) -> str:
    """Return a table in Markdown: means over folds and seeds, and the spread of seeds."""
    columns = ["MAE", "R2", "fine power", "mass", "50%", "90%", "seconds"]
    lines = [f"\n### {title}\n", f"| source | {' | '.join(columns)} | skill |", "|---" * 9 + "|"]
    rows = {n: [row for table in tables for row in table[n]] for n in tables[0]}
    own = statistics.fmean(row["MAE"] for row in rows["convlstm_unet"])
    for source, found in rows.items():
        cells = []
        for column in columns:
            values = [row[column] for row in found if column in row and np.isfinite(row[column])]
            cells.append(f"{statistics.fmean(values):.3g}" if values else "")
        mae = (
            statistics.fmean(row["MAE"] for row in found if np.isfinite(row["MAE"]))
            if any(np.isfinite(row["MAE"]) for row in found)
            else np.nan
        )
        cells.append("" if source == "convlstm_unet" or np.isnan(mae) else f"{1 - own / mae:.0%}")
        lines.append(f"| `{source}` | {' | '.join(cells)} |")
    errors = [f"{row['MAE']:.3f}" for row in rows["convlstm_unet"]]
    return "\n".join([*lines, f"\nMAE of each seed (and fold): {', '.join(errors)}"])


def main() -> None:
    """Run the cases that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cases", nargs="+", default=["mosel", "blocks", "grace", "land"])
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    makers = {"mosel": mosel, "grace": grace, "land": land}
    for chosen in arguments.cases:
        many = blocks(arguments.data) if chosen == "blocks" else [makers[chosen](arguments.data)]
        cases = list(many)
        seeds = 1 if chosen == "blocks" else arguments.seeds
        print(shown(cases[0].title, [run(case, seeds) for case in cases]), flush=True)


if __name__ == "__main__":
    main()
