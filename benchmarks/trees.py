"""Trees beside an LSTM, persistence and climatology on the tutorial world, one day ahead.

Trains on 2018 and 2019 (the last quarter validates), predicts 2020, and prints medians over cells
over seeds, with the consistency of the forecasts under "level" and the seconds of training.

    python benchmarks/trees.py [--seeds 3] [--epochs 24] [--every 2]

Every second cell of each row and column is taken, a quarter of all. The LSTM's schedule is that of
the quick start, epochs of 100 batches (published: 1000 of 300).
"""

from __future__ import annotations

import argparse
import platform
import statistics
import warnings
from collections import defaultdict
from typing import Any

import sklearn
import xgboost

import xsm

TRAIN, TEST = slice("2018", "2019"), slice("2019-12-25", "2020")  # a week fills the first window
FORMS: dict[str, dict[str, Any]] = {
    "weather alone": {},
    "data integration, known forcing": {"data_integration": True, "known_forcing": True},
}
NAMES = ("r", "rmse", "r2", "kge")


def main() -> None:
    """Train, predict, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--every", type=int, default=2)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", "invalid value encountered in divide")  # cells of sea
    some = slice(None, None, options.every)
    ds = xsm.open_tutorial("land").isel(latitude=some, longitude=some).load()
    short = {"epochs": options.epochs, "iterations": 100, "validate_every": 4, "patience": 3}
    models: dict[str, dict[str, Any]] = {"lstm": short, "random_forest": {}, "xgboost": {}}
    print(f"{platform.machine()}, xsm {xsm.__version__}", end=", ")
    print(f"scikit-learn {sklearn.__version__}, xgboost {xgboost.__version__}", flush=True)
    print("\n| inputs | model | R | RMSE | R2 | KGE | level | seconds |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for form, settings in FORMS.items():
        rows: dict[str, list[list[float]]] = defaultdict(list)
        for name, own in models.items():
            for seed in range(options.seeds):
                fitted = ds.sel(time=TRAIN).physm.fit(
                    name, seed=seed, progress=False, **own, **settings
                )
                forecast = ds.sel(time=TEST).physm.predict(fitted)
                table = ds.physm.score(forecast, baselines=fitted)
                audit = ds.physm.consistency(forecast, trend="level")
                level = float(audit["consistency"].median())
                for source in table["source"].values:
                    scores = [float(table[n].sel(source=source).median()) for n in NAMES]
                    if source == "model":
                        rows[name].append([*scores, level, float(fitted.card["seconds"])])
                    elif form == "weather alone":
                        rows[str(source)] = [[*scores, float("nan"), float("nan")]]
            line(form, name, rows.pop(name))
        for source, values in rows.items():
            line("", source, values)
    print(f"\nobservations, level: {float(audit['observed_consistency'].median()):.3f}")


def line(form: str, name: str, rows: list[list[float]]) -> None:
    """Print the medians of all seeds."""
    middle = [statistics.median(column) for column in zip(*rows, strict=True)]
    texts = [f"{v:.3f}" for v in middle[:5]] + [f"{middle[5]:.0f}"]
    print(f"| {form} | {name} | {' | '.join(t.replace('nan', '') for t in texts)} |", flush=True)


if __name__ == "__main__":
    main()
