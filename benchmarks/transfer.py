"""From a simulation to a satellite's first days, and inputs that lack.

    python benchmarks/transfer.py --data DIR --results FILE [--write docs/transfer.md]

A network learns the simulated soil moisture of ``conus_land`` (0 to 7 cm, ERA5-Land names and
units) of a year. It goes on with 30, 90 or 180 days of SMAP (``conus_smap_nldas``, other names
and units): the first ones, from May 2015, or the last ones, up to March 2016; or with the whole
year. It is compared with one that begins there. Both know the weather of the year, whose first 30
days warm up; the year from April 2016 tests. Then inputs are taken away. Results are kept line by
line, and sources beside them: what stands there is not made again.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from results import Results, write_tables

DAYS = (30, 90, 180, 365)
FIRST, BEGINS = np.datetime64("2015-05-01"), np.datetime64("2016-04-01")  # SMAP; the test
BEFORE, TEST = slice(None, "2016-03-31"), slice("2016-04-01", "2017-03-31")
SEASONS = ("first", "last")
MAPS = ["sand", "silt", "clay", "bulk_density"]
NETWORK: dict[str, Any] = {"sequence": 180, "lead": 0, "hidden_size": 64, "progress": False}
TRIALS: dict[str, dict[str, Any]] = {
    "steps of the source": {"learning_rate": 8e-3},
    "no offsets of cells": {"cell_offset": False},
    "no anchor": {"anchor": 0.0},
    "ten times the anchor": {"anchor": 1.6e-2},
    "head first, 6 epochs": {"head_first": 6},
    "head alone": {"freeze": "all but head"},
    "a fifth of the cells left out": {"valid": 0.2},
}
LACKS = {
    "radiation": ["ssrd", "strd"],
    "humidity, elevation": ["q", "elevation"],
}


def simulated(folder: Path) -> xr.Dataset:
    """Return the simulation, without what satellites saw."""
    with xr.open_dataset(folder / "conus_land/conus_land.nc") as ds:
        return ds.drop_vars("smap_sm").load()


def observed(folder: Path) -> xr.Dataset:
    """Return SMAP with its weather."""
    with xr.open_dataset(folder / "conus_smap_nldas/conus_smap_nldas.nc") as ds:
        return ds.load()


def known(ds: xr.Dataset, days: int, season: str) -> xr.Dataset:
    """Return the year before the test, of whose target the first or the last days are known."""
    ds, length = ds.sel(time=BEFORE), np.timedelta64(days, "D")
    begin = FIRST if season == "first" else BEGINS - length
    there = (ds["time"] >= begin) & (ds["time"] < begin + length)
    return ds.assign(sm_surface=ds["sm_surface"].where(there | (days == DAYS[-1])))


def errors(found: xr.DataArray, truth: xr.DataArray) -> dict[str, float]:
    """Return root mean square errors of the test: the median over cells, and of all together."""
    square = (found - truth).sel(time=TEST) ** 2
    cells = square.mean("time") ** 0.5
    r = xr.corr(found.sel(time=TEST), truth.sel(time=TEST), "time")
    values = {"rmse": cells.median(), "pooled": square.mean() ** 0.5, "r": r.median()}
    return {name: float(value) for name, value in values.items()}


def kept(path: Path, make: Callable[[], Any]) -> Any:
    """Return a fitted model that was saved, or make and save it."""
    import xsm

    if not path.exists():
        make().save(path)
    return xsm.load(path)


def scores_without_model(ds: xr.Dataset, found: xr.Dataset, fitted: Any) -> dict[str, float]:
    """Return the errors of what needs no model; the first two know the satellite's last value."""
    recent = ds.sel(time=slice("2015-12-01", None))
    score = recent.physm.score(found.sel(time=TEST), baselines=fitted)["rmse"]
    names = ("persistence", "damped_persistence", "climatology")
    return {name: float(score.sel(source=name).median()) for name in names}


def begun_here(ds: xr.Dataset, whole: xr.Dataset, seed: int) -> Any:
    """Return a network from scratch, of 8 or 24 epochs: the one that does better in the test."""
    import xsm

    settings = {"static": MAPS, "seed": seed, "valid": 0, **NETWORK}
    tried = [xsm.fit(ds, "lstm", epochs=epochs, **settings) for epochs in (8, 24)]
    error = [errors(xsm.predict(whole, each)["sm_surface"], whole["sm_surface"]) for each in tried]
    return tried[int(np.argmin([e["rmse"] for e in error]))]


def rows(
    folder: Path, beside: Path, seed: int, season: str, trials: list[str]
) -> Iterator[tuple[str, int, Any]]:
    """Yield the name, the days and the making of each result."""
    import xsm
    from xsm.cells.offsets import learn_offsets

    ds, truth = observed(folder), observed(folder)["sm_surface"]

    def source() -> Any:
        own = simulated(folder).sel(time=BEFORE)
        settings = {"target": "swvl1", "static": MAPS, "seed": seed, **NETWORK}
        return kept(beside / f"source-{seed}.physm", lambda: xsm.fit(own, "lstm", **settings))

    def scratch(days: int) -> dict[str, Any]:
        fitted = begun_here(known(ds, days, season), ds, seed)
        said = xsm.predict(ds, fitted)
        without = scores_without_model(ds, said, fitted) if days == DAYS[-1] else {}
        more = {"epochs": fitted.parameters["epochs"]}
        rest = (known(ds, days, season)["sm_surface"] - said["sm_surface"]).sel(time=BEFORE)
        if (own := learn_offsets(rest, "time")) is not None:
            more["rmse with offsets"] = errors(said["sm_surface"] + own, truth)["rmse"]
        return errors(said["sm_surface"], truth) | without | more

    def tuned(days: int, **settings: Any) -> dict[str, Any]:
        made = source().finetune(known(ds, days, season), seed=seed, progress=False, **settings)
        said = {k: made.card[k] for k in ("target's line", "best epoch", "seconds")}
        return errors(xsm.predict(ds, made)["sm_surface"], truth) | said

    for days in DAYS if season == "first" else DAYS[:-1]:  # the whole year is the same
        yield f"{season} days, from scratch", days, lambda days=days: scratch(days)
        yield f"{season} days, fine-tuned", days, lambda days=days: tuned(days)
    for name in trials:
        title = f"{season} days, {name}"
        yield title, 90, lambda own=TRIALS[name]: tuned(90, **own)


def lacking(folder: Path, beside: Path, seed: int) -> Iterator[tuple[str, int, Any]]:
    """Yield what networks say without some of their inputs."""
    import xsm

    ds = simulated(folder)
    truth = ds["swvl1"]
    own = ds.sel(time=BEFORE)
    settings = {"target": "swvl1", "seed": seed, **NETWORK}

    def network(share: float) -> Any:
        path = beside / f"inputs-{share:g}-{seed}.physm"
        return kept(path, lambda: xsm.fit(own, "lstm", input_dropout=share, **settings))

    def filled(names: list[str]) -> xr.Dataset:
        means = {n: xr.full_like(ds[n], float(own[n].mean())) for n in names}
        return ds.assign({n: means[n].assign_attrs(ds[n].attrs) for n in names})

    def say(share: float, data: xr.Dataset) -> dict[str, float]:
        return errors(xsm.predict(data, network(share))["swvl1"], truth)

    for share in (0.0, 0.2):
        yield f"all inputs, dropout {share:g}", 0, lambda share=share: say(share, ds)
        for what, names in LACKS.items():
            title = f"without {what}, filled by the mean, dropout {share:g}"
            yield title, 0, lambda share=share, names=names: say(share, filled(names))
    for what, names in LACKS.items():
        title = f"without {what}, masked, dropout 0.2"
        yield title, 0, lambda names=names: say(0.2, ds.drop_vars(names))


def tables(results: Results) -> str:
    """Return the tables as Markdown."""
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in results.rows:
        found.setdefault((row["run"], row["days"]), []).append(row)
    middle = lambda key, name="rmse": statistics.median(r[name] for r in found[key])  # noqa: E731

    def cell(run: str, days: int, name: str = "rmse") -> str:
        own = [r[name] for r in found.get((run, days), []) if name in r]
        spread = f" ({min(own):.4f} to {max(own):.4f})" if len(own) > 1 else ""
        return f"{statistics.median(own):.4f}{spread}" if own else ""

    runs = list(dict.fromkeys(run for run, days in found if days))
    lines = ["| RMSE (m3 m-3), days of SMAP | " + " | ".join(map(str, DAYS)) + " |"]
    lines.append("|---|" + "---:|" * len(DAYS))
    lines += [f"| {run} | " + " | ".join(cell(run, days) for days in DAYS) + " |" for run in runs]
    lines += [
        f"| {run}, with offsets of cells | "
        + " | ".join(cell(run, days, "rmse with offsets") for days in DAYS)
        + " |"
        for run in runs
        if run.endswith("from scratch")
    ]
    known = next((r for r in results.rows if "persistence" in r), {})
    lines += [
        f"| {name.replace('_', ' ')} | " + " | " * 3 + f"{known[name]:.4f} |"
        for name in ("persistence", "damped_persistence", "climatology")
        if name in known
    ]
    lines += ["", "| without two inputs | RMSE (m3 m-3) | r |", "|---|---:|---:|"]
    lines += [
        f"| {run} | {middle((run, 0)):.4f} | {middle((run, 0), 'r'):.3f} |"
        for run, days in found
        if not days
    ]
    return "\n".join(lines)


def draw(results: Results, path: Path) -> None:
    """Draw errors by days of the new product."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for run, style in (("from scratch", "o--"), ("fine-tuned", "s-")):
        every = [r for r in results.rows if r["run"] == f"first days, {run}"]
        own = {d: [r["rmse"] for r in every if r["days"] == d] for d in DAYS}
        middle = [statistics.median(own[d]) for d in DAYS]
        line = axes.plot(DAYS, middle, style, label=run)[0]
        low, high = ([f(own[d]) for d in DAYS] for f in (min, max))
        axes.fill_between(DAYS, low, high, color=line.get_color(), alpha=0.2)
    first = next(r for r in results.rows if "persistence" in r)
    names = (("persistence", ":"), ("damped_persistence", "-."), ("climatology", (0, (1, 3))))
    for name, style in names:
        axes.axhline(first[name], color="grey", ls=style, lw=1, label=name.replace("_", " "))
    axes.set(xscale="log", xlabel="days of SMAP", ylabel="RMSE of the year after (m3 m-3)")
    axes.set_xticks(DAYS, map(str, DAYS))
    axes.minorticks_off()
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Make what is missing and write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True, help="kept line by line, as JSON")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--trials", nargs="*", default=[], help=f"any of {list(TRIALS)}, one seed")
    parser.add_argument("--parts", nargs="*", default=[*SEASONS, "inputs"])
    parser.add_argument("--only", nargs="*", default=[""], help="words of runs, with their days")
    parser.add_argument("--seconds", type=float, default=0, help="begin nothing later")
    parser.add_argument("--write", type=Path, default=None, help="page whose tables are replaced")
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore", UserWarning)
    results = Results(options.results)
    done = {(r["run"], r["days"], r["seed"]) for r in results.rows}
    began = time.monotonic()
    for seed in options.seeds:
        every: list[Iterator[tuple[str, int, Any]]] = []
        beside = options.results.parent
        for season in (s for s in SEASONS if s in options.parts):
            trials = options.trials if not seed else []
            every.append(rows(options.data, beside, seed, season, trials))
        if "inputs" in options.parts:
            every.append(lacking(options.data, beside, seed))
        for run, days, make in (one for some in every for one in some):
            late = options.seconds and time.monotonic() - began > options.seconds
            wanted = any(word in f"{run} {days}" for word in options.only)
            if wanted and not late and (run, days, seed) not in done:
                row = results.add({"run": run, "days": days, "seed": seed, **make()})
                print(f"{seed} {run} {days}: rmse {row['rmse']:.4f}, r {row['r']:.3f}", flush=True)
    text = f"{results.made_with('transfer.py')}\n\n{tables(results)}"
    print(text)
    if options.write:
        write_tables(options.write, text)
        draw(results, options.write.parent / "figures" / "transfer.png")


if __name__ == "__main__":
    main()
