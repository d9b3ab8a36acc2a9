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
}
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
        cases = [(s, m, r) for s in (1.0, 0.5) for r in range(args.seeds) for m in args.models]
        for share, model, seed in cases:
            if (name, share, model, seed) in done:
                continue
            row = judge(ds, training, test, share, model, seed, args.epochs)
            named = dict(zip(KEYS, (name, share, model, seed), strict=True))
            rows.append({**named, "commit": commit(), "epochs": args.epochs, **row})
            args.json.write_text(json.dumps(rows, indent=1) + "\n")
    (PAGES / "zhang2025_table.md").write_text(table(rows))


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
    found = {"tutorial profile": (profile, slice("2018", "2018"), slice("2019", "2019"))}
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
    stand = slice("1999", "2006"), slice("2007", "2009")
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
    trees = name in {"random_forest", "xgboost"}
    every = [dim for dim in ("time", "latitude", "longitude") if dim in ds.dims]
    started = time.perf_counter()
    fitted = part.physm.fit(
        name,
        dynamic=[*(role for role in WEATHER if role in xsm.variables(ds)), "surface_moisture"],
        seed=seed,
        progress=False,
        **({"lead": 0} if trees else {"epochs": epochs}),
        **options,
    )
    seconds = time.perf_counter() - started
    begin = ds.sel(time=slice(None, test.start)).sizes["time"] - fitted.recipe.window
    later = ds.isel(time=slice(max(0, begin), None)).sel(time=slice(None, test.stop))
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


def table(rows: list[dict[str, Any]], args: argparse.Namespace) -> str:
    """Return medians over seeds as a table."""
    lines = [
        f"Medians of {args.seeds} seeds, {args.epochs} epochs; xsm {xsm.__version__}. RMSE in "
        "10^-3 m3 m-3 by depth; inconsistency and excess in 10^-3 m3 m-3 a day.",
        "",
        "| data | training | model | 10 cm | 20 cm | 30 cm | 40 cm | 50 cm | inconsistency "
        "| truth's own | excess | out of range |",
        "|---|---|---|" + "---:|" * 9,
    ]
    for key in dict.fromkeys((r["data"], r["share"], r["model"]) for r in rows):
        own = [r for r in rows if (r["data"], r["share"], r["model"]) == key]
        columns = zip(*(r["rmse"]["model"] for r in own), strict=True)
        layers = [1e3 * statistics.median(column) for column in columns]
        middle = [
            1e3 * statistics.median(r[name] for r in own)
            for name in ("inconsistency", "observed_inconsistency", "excess")
        ]
        outside = statistics.median(r["out_of_range"] for r in own)
        cells = [*(f"{x:.2f}" for x in (*layers, *middle)), f"{outside:.2%}"]
        said = "all" if key[1] == 1.0 else "half"
        lines.append(f"| {key[0]} | {said} | {key[2]} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
