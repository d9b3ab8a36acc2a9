"""Profiles of soil moisture with and without the Richardson-Richards equation in the loss.

The comparisons of Zhang et al. (2025), J. Hydrol., 10.1016/j.jhydrol.2025.133086, on other data:
the simulated profile of the tutorial, and Richards columns under the weather of the United States
(``conus_profile`` and ``conus_land`` in DIR). Each model sees the weather and the soil moisture of
the surface, and answers for 10 to 50 cm in a period after that of training; once with all and once
with the later half of the training period. Prints JSON and, with ``--write``, the table of the
docs.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/papers/zhang2025.py --data DIR --write
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import xarray as xr

import xsm
from xsm.losses import RMSE, Richards

TABLE = Path(__file__).parents[2] / "docs" / "papers" / "zhang2025_table.md"
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
    "whole residual": ("pgdl_cnn_lstm", {"losses": [RMSE(), Richards(0.5, excess=False)]}),
}
EVERY = ["time", "latitude", "longitude"]


def main() -> None:
    """Train, judge, print."""
    args = parse()
    warnings.simplefilter("ignore", UserWarning)  # of observations at the bounds
    rows: list[dict[str, Any]] = []
    for name, (ds, training, test) in worlds(args.data).items():
        for share in (1.0, 0.5):
            for model in args.models:
                for seed in range(args.seeds):
                    row = judge(ds, training, test, share, model, seed, args.epochs)
                    rows.append({"data": name, "share": share, "model": model, **row})
                    print(json.dumps(rows[-1]), flush=True)
    print(text := table(rows, args))
    if args.write:
        TABLE.parent.mkdir(exist_ok=True)
        TABLE.write_text(text)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of conus_profile and conus_land")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=60, help="of the networks")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.name}")
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
    return {**found, "conus_profile": (ds, *periods)}


def judge(
    ds: xr.Dataset,
    training: slice,
    test: slice,
    share: float,
    model: str,
    seed: int,
    epochs: int,
) -> dict[str, Any]:
    """Train one model and score it on the test period."""
    name, options = MODELS[model]
    part = ds.sel(time=training)
    part = part.isel(time=slice(part.sizes["time"] - int(share * part.sizes["time"]), None))
    trees = name in {"random_forest", "xgboost"}
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
    scores = xsm.score(ds, found, dim=EVERY, baselines=fitted)
    audit = xsm.consistency(ds.sel(time=test), found, law="richards", dim=EVERY)
    inner = audit.isel(depth=slice(1, -1)).mean("depth")
    kept = ("inconsistency", "observed_inconsistency", "excess")
    return {
        "seed": seed,
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
