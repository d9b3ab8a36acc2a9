"""Profiles of soil moisture with and without the Richardson-Richards equation in the loss.

The comparisons of Zhang et al. (2025), J. Hydrol., 10.1016/j.jhydrol.2025.133086, on other data:
the simulated profile of the tutorial, Richards columns under the weather of the United States
(``conus_profile`` and ``conus_land`` in DIR), and the measured profile of Solling
(``solling_beech_slb1``). Each model sees the weather and the soil moisture of the surface (Solling:
of a probe at 20 cm), and answers for all layers in a period after that of training; once with all
and once with the later half of the training period. Results go into a JSON file one by one, and
what it holds is not computed again; the table and the figure of the docs come from it.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/papers/zhang2025.py --data DIR
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import xarray as xr

import xsm
from xsm.losses import RMSE

sys.path.insert(0, str(Path(__file__).parents[1]))

from profile_data import solling, solling_from_heads

PAGES = Path(__file__).parents[2] / "docs" / "papers"
WEATHER = (
    "precipitation",
    "air_temperature",
    "specific_humidity",
    "shortwave_down",
    "longwave_down",
    "wind_speed",
)
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "random_forest": ("random_forest", {"window": 15}),
    "xgboost": ("xgboost", {"window": 15}),
    "cnn_lstm": ("cnn_lstm", {}),
    "bounds alone": ("pgdl_cnn_lstm", {"losses": [RMSE()]}),
    "pgdl_cnn_lstm": ("pgdl_cnn_lstm", {}),
    "cnn_lstm, with memory": ("cnn_lstm", {"sequence": 180}),
    "pgdl_cnn_lstm, with memory": ("pgdl_cnn_lstm", {"sequence": 180}),
}
COLOURS = ("#999999", "#E69F00", "#0072B2", "#56B4E9", "#D55E00", "#009E73", "#CC79A7")
TREES = {"random_forest", "xgboost"}
MOST_GAPS = 0.1  # of the surface, in pieces of the record: where more is missing, weather alone
KEYS = ("data", "share", "model", "seed")


Row = dict[str, Any]


def main() -> None:
    """Train and judge what is not yet in the file, then write table and figure."""
    args = parse()
    warnings.simplefilter("ignore", UserWarning)  # of observations at the bounds
    PAGES.mkdir(exist_ok=True)
    rows: list[Row] = json.loads(args.json.read_text()) if args.json.exists() else []
    done = {tuple(row[key] for key in KEYS) for row in rows}
    for name, (ds, training, test) in worlds(args.data).items():
        cases = [
            (share, model, seed)
            for share in (1.0, 0.5)
            for seed in range(args.seeds)
            for model in args.models
            if share == 1.0 or not ("memory" in model or model in TREES)
            if seed == 0 or model not in TREES
        ]
        for share, model, seed in cases:
            if (name, share, model, seed) in done:
                continue
            row = judge(ds, training, test, share, model, seed, args.epochs)
            named = dict(zip(KEYS, (name, share, model, seed), strict=True))
            rows.append({**named, "commit": commit(), "epochs": args.epochs, **row})
            args.json.write_text(json.dumps(rows, indent=1) + "\n")
    (PAGES / "zhang2025_table.md").write_text(table(rows))
    figure(rows)


def commit() -> str:
    """Return the commit that is measured."""
    command = ["git", "-C", str(PAGES), "describe", "--always", "--abbrev=7"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the data sets")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=60, help="of the networks")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--json", type=Path, default=PAGES / "zhang2025.json")
    return parser.parse_args()


def worlds(data: Path | None) -> dict[str, tuple[xr.Dataset, slice, slice]]:
    """Return the data sets, each with its training and its test period."""
    profile = xsm.open_tutorial("profile").rename(satellite_soil_moisture="surface_moisture")
    years = slice("2018-01-01", "2018-12-31"), slice("2019-01-01", "2019-12-31")
    found = {"tutorial profile": (profile, *years)}
    if data is None:
        return found
    land = xr.open_dataset(data / "conus_land" / "conus_land.nc")
    surface = land["swvl1"].drop_attrs().assign_attrs(units="m3 m-3")
    layers = [v for v in land.data_vars if str(v).startswith(("swvl", "smap"))]
    ds = xr.merge(
        [
            land.drop_vars(layers),
            xr.open_dataset(data / "conus_profile" / "conus_profile.nc"),
            surface.rename("surface_moisture"),
        ],
        compat="override",
    )
    periods = slice("2015-04-01", "2016-09-30"), slice("2016-10-01", "2017-03-31")
    stand = slice("1999-01-01", "2006-12-31"), slice("2007-01-01", "2009-12-31")
    return {**found, "conus_profile": (ds, *periods), "Solling": (measured_profile(data), *stand)}


def measured_profile(data: Path) -> xr.Dataset:
    """Return Solling's water contents (by the retention curve of measured heads) and weather."""
    heads, raw = solling(data)
    case = solling_from_heads(heads)
    weather = raw[["pr", "tmean", "rsds", "wspd"]].sel(time=heads["time"])
    probe = raw["theta"].isel(theta_sensor=0, drop=True).rename(obs_time="time")
    given = case.ds.drop_vars(["head", "precipitation"]).assign(
        precipitation=weather["pr"],
        air_temperature=weather["tmean"],
        shortwave_down=weather["rsds"],
        wind_speed=weather["wspd"],
        surface_moisture=probe.assign_attrs(units="m3 m-3"),
    )
    return given.drop_vars([c for c in given.coords if c not in given.dims])


def judge(
    ds: xr.Dataset,
    training: slice,
    test: slice,
    share: float,
    model: str,
    seed: int,
    epochs: int,
) -> Row:
    """Train one model and score it on the test period."""
    name, options = MODELS[model]
    part = ds.sel(time=training)
    part = part.isel(time=slice(part.sizes["time"] - int(share * part.sizes["time"]), None))
    every = [dim for dim in ("time", "latitude", "longitude") if dim in ds.dims]
    inputs = [role for role in WEATHER if role in xsm.variables(ds)]
    missing = part["surface_moisture"].isnull()
    gaps = float(missing.where(~missing.all("time")).mean())  # of land
    if "sequence" not in options or gaps < MOST_GAPS:
        inputs.append("surface_moisture")
    started = time.perf_counter()
    fitted = part.physm.fit(
        name,
        dynamic=inputs,
        seed=seed,
        progress=False,
        **({"lead": 0} if name in TREES or "sequence" in options else {"epochs": epochs}),
        **options,
    )
    seconds = time.perf_counter() - started
    begin = ds.sel(time=slice(None, test.start)).sizes["time"] - fitted.recipe.window
    begin = 0 if "sequence" in options else max(0, begin)  # a state is carried from the first day
    later = ds.isel(time=slice(begin, None)).sel(time=slice(None, test.stop))
    found = fitted.predict(later).sel(time=test)
    scores = xsm.score(ds, found, dim=every, baselines=fitted)
    audit = xsm.consistency(ds.sel(time=test), found, law="richards", dim=every)
    inner = audit.isel(depth=slice(1, -1)).mean("depth")
    kept = ("inconsistency", "observed_inconsistency", "excess")
    return {
        "rmse": {
            str(source): scores["rmse"].sel(source=source).round(5).values.tolist()
            for source in scores["source"].values
        },
        **{key: float(inner[key]) for key in kept},
        "out_of_range": float(audit["out_of_range"].max()),
        "seconds": round(seconds),
    }


def groups(rows: list[Row]) -> dict[tuple[str, float, str], list[Row]]:
    """Return the runs of each data set, share and model."""
    found: dict[tuple[str, float, str], list[Row]] = {}
    for data in dict.fromkeys(row["data"] for row in rows):
        for share in (1.0, 0.5):
            for model in MODELS:
                own = [
                    r for r in rows if (r["data"], r["share"], r["model"]) == (data, share, model)
                ]
                if own:
                    found[data, share, model] = own
    return found


def medians(own: list[Row], source: str = "model") -> list[float]:
    """Return RMSE by layer in 10^-3 m3 m-3."""
    columns = zip(*(row["rmse"][source] for row in own), strict=True)
    return [1e3 * statistics.median(column) for column in columns]


def table(rows: list[Row]) -> str:
    """Return medians over seeds as a table."""
    commits = ", ".join(f"`{c}`" for c in dict.fromkeys(row["commit"] for row in rows))
    seeds = len({row["seed"] for row in rows})
    head = [
        f"Medians of {seeds} seeds (trees: one), {rows[0]['epochs']} epochs; commit {commits}. "
        "RMSE in 10⁻³ m³ m⁻³ by layer, from the top; inconsistency and excess in 10⁻³ m³ m⁻³ "
        "a day.",
        "",
        "| data | training | model | layer 1 | 2 | 3 | 4 | 5 | mean | inconsistency "
        "| truth's own | excess | out of range |",
        "|---|---|---|" + "---:|" * 10,
    ]
    lines = []
    for (data, share, model), own in groups(rows).items():
        layers = medians(own)
        audit = [
            1e3 * statistics.median(row[name] for row in own)
            for name in ("inconsistency", "observed_inconsistency", "excess")
        ]
        values = [*layers, statistics.mean(layers), *audit]
        outside = statistics.median(row["out_of_range"] for row in own)
        named = f"| {data} | {'all' if share == 1.0 else 'half'} |"
        if share == 1.0 and not any(line.startswith(named) for line in lines):
            for source in ("persistence", "damped_persistence", "climatology"):
                if source not in own[0]["rmse"]:  # of an older run
                    continue
                base = medians(own, source)
                cells = [f"{x:.2f}" for x in (*base, statistics.mean(base))]
                lines.append(f"{named} {source} | " + " | ".join(cells) + " | " * 4 + " |")
        lines.append(f"{named} {model} | " + " | ".join(f"{x:.2f}" for x in values))
        lines[-1] += f" | {outside:.2%} |"
    return "\n".join([*head, *lines]) + "\n\n" + gains(rows)


def gains(rows: list[Row]) -> str:
    """Return what the equation gains over cnn_lstm, as a table."""
    lines = [
        "What `pgdl_cnn_lstm` gains over `cnn_lstm`, medians over seeds of the pairs (the paper: "
        "RMSE at 10 cm -9.6 %, inconsistency -92 %):",
        "",
        "| data | training | RMSE of layer 1 | mean RMSE | inconsistency | excess, absolute |",
        "|---|---|" + "---:|" * 4,
    ]
    held = groups(rows)
    for data, share in dict.fromkeys((key[0], key[1]) for key in held):
        plain, guided = (held.get((data, share, m), []) for m in ("cnn_lstm", "pgdl_cnn_lstm"))
        pairs = [(p, g) for p in plain for g in guided if p["seed"] == g["seed"]]
        if not pairs:
            continue
        values = [
            statistics.median(of(g) / of(p) - 1 for p, g in pairs)
            for of in (
                lambda row: row["rmse"]["model"][0],
                lambda row: statistics.mean(row["rmse"]["model"]),
                lambda row: row["inconsistency"],
                lambda row: abs(row["excess"]),
            )
        ]
        said = "all" if share == 1.0 else "half"
        lines.append(f"| {data} | {said} | " + " | ".join(f"{x:+.0%}" for x in values) + " |")
    return "\n".join(lines) + "\n"


def figure(rows: list[Row]) -> None:
    """Draw RMSE by layer, all training data solid and half of it dashed."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    datas = list(dict.fromkeys(row["data"] for row in rows))
    picture, axes = plt.subplots(1, len(datas), figsize=(3.4 * len(datas), 3.6), squeeze=False)
    colours = dict(zip(MODELS, COLOURS, strict=True))
    for ax, data in zip(axes[0], datas, strict=True):
        for (_, share, model), own in groups([r for r in rows if r["data"] == data]).items():
            layers = medians(own)
            style = {"color": colours[model], "linestyle": "-" if share == 1.0 else "--"}
            label = model if share == 1.0 else None
            ax.plot(layers, range(1, len(layers) + 1), marker="o", ms=3, label=label, **style)
        ax.set(title=data, xlabel="RMSE (10⁻³ m³ m⁻³)", ylabel="layer", yticks=range(1, 6))
        ax.set_xlim(left=0)
        ax.invert_yaxis()
    picture.tight_layout(rect=(0, 0.09, 1, 1))
    lines = axes[0, 0].get_legend_handles_labels()
    picture.legend(*lines, fontsize=8, frameon=False, ncols=len(MODELS), loc="lower center")
    picture.savefig(PAGES / "zhang2025.png", dpi=110)


if __name__ == "__main__":
    main()
